//! The keys of the bucket `key`: revisions, not names.

use std::fmt;

/// One change of the store: the transaction's number and the place within it.
///
/// Stored as 8 bytes big-endian, `_`, 8 bytes big-endian, and a `t` where the change is a deletion (a tombstone):
/// `server/storage/mvcc/revision.go` (3.4, 3.5: `mvcc/revision.go`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Revision {
    pub(crate) main: i64,
    pub(crate) sub: i64,
}

const REVISION_BYTES: usize = 17;

impl Revision {
    pub(crate) fn bytes(self) -> [u8; REVISION_BYTES] {
        let mut bytes = [b'_'; REVISION_BYTES];
        bytes[..8].copy_from_slice(&self.main.to_be_bytes());
        bytes[9..].copy_from_slice(&self.sub.to_be_bytes());
        bytes
    }

    /// A revision without a tombstone's mark, as it stands in the bucket `meta`.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; REVISION_BYTES] = bytes.try_into().ok()?;
        let main = i64::from_be_bytes(bytes[..8].try_into().ok()?);
        let sub = i64::from_be_bytes(bytes[9..].try_into().ok()?);
        (bytes[8] == b'_' && main >= 0 && sub >= 0).then_some(Self { main, sub })
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.main, self.sub)
    }
}

/// A key of the bucket `key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowKey {
    pub(crate) revision: Revision,
    pub(crate) tombstone: bool,
}

impl RowKey {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let (revision, tombstone) = match bytes.len() {
            REVISION_BYTES => (bytes, false),
            length if length == REVISION_BYTES + 1 && bytes[REVISION_BYTES] == b't' => (&bytes[..REVISION_BYTES], true),
            length => return Err(format!("expected 17 bytes, or 18 with a t at the end, found {length}")),
        };
        let revision = Revision::parse(revision).ok_or("expected 8 bytes, an underscore and 8 bytes, both numbers not negative")?;
        Ok(Self { revision, tombstone })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_reads_back_with_and_without_its_tombstone() {
        let revision = Revision { main: 862, sub: 3 };
        let mut bytes = revision.bytes().to_vec();
        assert_eq!(RowKey::parse(&bytes), Ok(RowKey { revision, tombstone: false }));
        bytes.push(b't');
        assert_eq!(RowKey::parse(&bytes), Ok(RowKey { revision, tombstone: true }));
        bytes[17] = b'u';
        assert!(RowKey::parse(&bytes).is_err());
        assert!((0..17).all(|length| RowKey::parse(&bytes[..length]).is_err()));
    }

    #[test]
    fn a_negative_revision_is_none() {
        assert!(RowKey::parse(&Revision { main: -1, sub: 0 }.bytes()).is_err());
        assert!(RowKey::parse(&Revision { main: 1, sub: i64::MIN }.bytes()).is_err());
    }
}
