//! What a record of Helm says inside: base64 of gzip of JSON, read with bounds.

use std::io::Read;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::MultiGzDecoder;
use serde::{Deserialize, Serialize};

/// The most that a payload may be once it is unpacked, in bytes: fifty times what a Secret can hold. A release of charts is text and packs ten to one.
pub const LARGEST_RELEASE: u64 = 50 << 20;

/// Why the payload of a record cannot be read. Helm does not see such a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "problem")]
#[non_exhaustive]
pub enum RecordProblem {
    /// There is none.
    #[error("it has no data.release")]
    NoPayload,
    /// It is no base64.
    #[error("its payload is no base64")]
    NotBase64,
    /// It is gzip and ends too soon, or its checksum is wrong.
    #[error("its payload is gzip that is cut off or damaged")]
    DamagedGzip,
    /// It would unpack to more than [`LARGEST_RELEASE`].
    #[error("its payload unpacks to more than {most_bytes} bytes")]
    TooLarge {
        /// The bound.
        most_bytes: u64,
    },
    /// It is no JSON of a release.
    #[error("its payload is no JSON of a release")]
    NotARelease,
}

/// What a release says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseFacts {
    /// Its name.
    pub name: String,
    /// Its revision.
    pub version: i64,
    /// Its status, in lower case.
    pub status: String,
}

/// Reads the payload of a Helm 3 record as Helm does: `release` is the text of `data.release` after Kubernetes' own base64 of Secrets is taken off.
///
/// It is unpacked into memory, never more of it than [`LARGEST_RELEASE`]. Nothing of its values is kept.
/// Source: `decodeRelease`, `pkg/storage/driver/util.go` of helm v4.3.1. What was written before compression is read too.
///
/// # Errors
/// [`RecordProblem`] where Helm could not read it either, and where it is too large.
///
/// ```
/// use trimtab_history_ops::record::{RecordProblem, decode};
///
/// // {"name":"web","version":3,"info":{"status":"superseded"}}
/// let plain = b"eyJuYW1lIjoid2ViIiwidmVyc2lvbiI6MywiaW5mbyI6eyJzdGF0dXMiOiJzdXBlcnNlZGVkIn19";
/// assert_eq!(decode(plain)?.status, "superseded");
/// assert_eq!(decode(b"%"), Err(RecordProblem::NotBase64));
/// # Ok::<(), RecordProblem>(())
/// ```
pub fn decode(release: &[u8]) -> Result<ReleaseFacts, RecordProblem> {
    let text: Vec<u8> = release.iter().copied().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect();
    let packed = STANDARD.decode(text).map_err(|_| RecordProblem::NotBase64)?;
    if packed.len() > 3 && packed.starts_with(&GZIP) { parse(&unpacked(&packed)?) } else { parse(&packed) }
}

/// The first three bytes of gzip with its one method.
const GZIP: [u8; 3] = [0x1f, 0x8b, 0x08];

fn unpacked(packed: &[u8]) -> Result<Vec<u8>, RecordProblem> {
    // What stands behind the end is read as one more part, as Go does; what is none is damage.
    bounded(MultiGzDecoder::new(packed))
}

fn bounded(unpacks: impl Read) -> Result<Vec<u8>, RecordProblem> {
    let mut json = Vec::new();
    unpacks.take(LARGEST_RELEASE + 1).read_to_end(&mut json).map_err(|_| RecordProblem::DamagedGzip)?;
    let too_large = u64::try_from(json.len()).is_ok_and(|length| length > LARGEST_RELEASE);
    if too_large { Err(RecordProblem::TooLarge { most_bytes: LARGEST_RELEASE }) } else { Ok(json) }
}

fn parse(json: &[u8]) -> Result<ReleaseFacts, RecordProblem> {
    let release: Release = serde_json::from_slice(json).map_err(|_| RecordProblem::NotARelease)?;
    let status = release.info.map(|info| info.status).unwrap_or_default().to_lowercase();
    Ok(ReleaseFacts { name: release.name, version: release.version, status })
}

/// What of a release is looked at; the rest, its values among them, is passed over.
#[derive(Deserialize)]
struct Release {
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: i64,
    #[serde(default)]
    info: Option<Info>,
}

#[derive(Deserialize)]
struct Info {
    #[serde(default)]
    status: String,
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(json: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(json).unwrap();
        encoder.finish().unwrap()
    }

    fn record(bytes: &[u8]) -> Vec<u8> {
        STANDARD.encode(bytes).into_bytes()
    }

    const JSON: &[u8] = br#"{"name":"web","version":3,"info":{"status":"superseded"},"config":{"password":"hunter2"}}"#;

    #[test]
    fn a_release_is_read_packed_and_plain_and_its_values_are_not_kept() {
        for bytes in [packed(JSON), JSON.to_vec()] {
            let facts = decode(&record(&bytes)).unwrap();
            assert_eq!((facts.name.as_str(), facts.version, facts.status.as_str()), ("web", 3, "superseded"));
            assert!(!format!("{facts:?}").contains("hunter2"));
        }
    }

    #[test]
    fn what_is_cut_or_changed_is_told_apart_from_what_is_no_release() {
        let whole = packed(JSON);
        assert_eq!(decode(&record(&whole[..whole.len() - 9])), Err(RecordProblem::DamagedGzip));
        let mut wrong = whole.clone();
        let last = wrong.len() - 5;
        wrong[last] ^= 1;
        assert_eq!(decode(&record(&wrong)), Err(RecordProblem::DamagedGzip));
        assert_eq!(decode(&record(&[&whole[..], b"more"].concat())), Err(RecordProblem::DamagedGzip));
        assert_eq!(decode(&record(b"[1]")), Err(RecordProblem::NotARelease));
        assert_eq!(decode(b"a"), Err(RecordProblem::NotBase64));
    }

    #[test]
    fn a_bomb_is_refused_before_it_fills_the_memory() {
        let zeros = vec![b' '; usize::try_from(LARGEST_RELEASE).unwrap() + 4096];
        let bomb = record(&packed(&zeros));
        assert!(bomb.len() < 1 << 20, "a Secret holds it: {}", bomb.len());
        assert_eq!(decode(&bomb), Err(RecordProblem::TooLarge { most_bytes: LARGEST_RELEASE }));
    }

    /// What is read of it, and no more than eight times the bound.
    struct Counted(u64);

    impl Read for &mut Counted {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            self.0 += u64::try_from(into.len()).unwrap();
            if self.0 > 8 * LARGEST_RELEASE { Ok(0) } else { Ok(into.len()) }
        }
    }

    #[test]
    fn no_more_is_unpacked_than_a_release_may_have() {
        let mut bomb = Counted(0);
        assert_eq!(bounded(&mut bomb), Err(RecordProblem::TooLarge { most_bytes: LARGEST_RELEASE }));
        assert!(bomb.0 <= LARGEST_RELEASE + 1, "{} bytes", bomb.0);
    }
}
