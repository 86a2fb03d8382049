//! PEM blocks in any order, as Kubernetes' own reader finds them, and why one cannot be read.
//!
//! Every component of Kubernetes reads with Go's `encoding/pem`, which passes over what it does not understand without a word. Here each
//! block that is passed over comes out with its reason.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use memchr::memchr;
use serde::{Deserialize, Serialize};

/// A block, decoded. It may be a key, so `Debug` shows no contents.
#[derive(Clone, PartialEq, Eq)]
pub struct Block {
    /// What it says it is: `CERTIFICATE`, `RSA PRIVATE KEY`, …
    pub label: String,
    /// The bytes: DER, if it is what it says.
    pub contents: Vec<u8>,
    /// Whether a line before the contents says `ENCRYPTED`, as `Proc-Type: 4,ENCRYPTED` does.
    pub encrypted: bool,
    /// Whether there are such lines at all; Kubernetes passes over a certificate that has some.
    pub headers: bool,
    /// Where it begins, in bytes from the beginning of the text.
    pub offset: usize,
    /// Why Go's reader, and so every component of Kubernetes, passes over this block, where it does; openssl reads it.
    pub skipped_by_go: Option<SkippedByGo>,
}

/// Why Go does not see a block that others read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SkippedByGo {
    /// A byte order mark stands before the first block.
    ByteOrderMark,
    /// The line begins with spaces or tabs.
    Indented,
}

/// Why a block cannot be read. The offset is that of its `-----BEGIN` line, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "problem")]
pub enum PemError {
    /// The `-----BEGIN` line is not finished by `-----`, or goes on behind it.
    #[error("the -----BEGIN line at byte {offset} does not end in -----: lines were cut or joined; copy the file again from where it came from")]
    BeginNotClosed {
        /// Where.
        offset: usize,
    },
    /// The text ends before `-----END`.
    #[error("the {label} block at byte {offset} has no -----END line: the file was cut; copy it again from where it came from")]
    NoEnd {
        /// What it says it is.
        label: String,
        /// Where.
        offset: usize,
    },
    /// It ends as something else than it began.
    #[error("the block at byte {offset} begins as {label} and ends as {end}: the file was put together wrongly; no reader of Kubernetes takes it")]
    EndMismatch {
        /// What it says it is.
        label: String,
        /// What its end says.
        end: String,
        /// Where.
        offset: usize,
    },
    /// What stands between is no base64.
    #[error("the {label} block at byte {offset} is no base64: copy the file again from where it came from")]
    NotBase64 {
        /// What it says it is.
        label: String,
        /// Where.
        offset: usize,
    },
}

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
/// The longest label, in bytes. Real ones have 25 at most.
const LABEL: usize = 64;
/// What stands for a label that is none: any other text may be a part of a key.
const NO_LABEL: &str = "unnamed";

/// All blocks of a text, in its order; text around them is passed over. A block that cannot be read does not hide those after it.
///
/// Source: `Decode`, `encoding/pem/pem.go@go1.26`.
///
/// DIFFERENCE: Go says nothing of a block that it passes over. Here it is an error, or a block with [`Block::skipped_by_go`].
///
/// ```
/// use trimtab_certs::pem::{PemError, blocks};
///
/// let text = b"Bag Attributes\n-----BEGIN A-----\nAQI=\n-----END A-----\n-----BEGIN B-----\nAQ\n";
/// let mut blocks = blocks(text);
/// assert_eq!(blocks.next().unwrap().unwrap().contents, [1, 2]);
/// assert_eq!(blocks.next(), Some(Err(PemError::NoEnd { label: "B".to_owned(), offset: 54 })));
/// ```
pub fn blocks(text: &[u8]) -> impl Iterator<Item = Result<Block, PemError>> + '_ {
    Blocks { text, at: 0, line: 0 }
}

struct Blocks<'a> {
    text: &'a [u8],
    /// How far it was read.
    at: usize,
    /// Where the line begins in which that is.
    line: usize,
}

impl Iterator for Blocks<'_> {
    type Item = Result<Block, PemError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let passed = find(&self.text[self.at..], BEGIN)?;
            let offset = self.at + passed;
            if let Some(end) = self.text[self.at..offset].iter().rposition(|byte| *byte == b'\n') {
                self.line = self.at + end + 1;
            }
            self.at = offset + BEGIN.len();
            let before = &self.text[self.line..offset];
            let skipped_by_go = match before {
                [] => None,
                BYTE_ORDER_MARK if self.line == 0 => Some(SkippedByGo::ByteOrderMark),
                blank if blank.iter().all(|byte| matches!(byte, b' ' | b'\t')) => Some(SkippedByGo::Indented),
                // In the middle of a line it is text that speaks of a block.
                _ => continue,
            };
            return Some(self.block(offset, skipped_by_go));
        }
    }
}

impl Blocks<'_> {
    fn block(&mut self, offset: usize, skipped_by_go: Option<SkippedByGo>) -> Result<Block, PemError> {
        let rest = &self.text[self.at..];
        let first = &rest[..line_length(rest)];
        let named = first.trim_ascii_end().strip_suffix(DASHES).filter(|label| find(label, DASHES).is_none());
        let name = named.ok_or(PemError::BeginNotClosed { offset })?;
        let label = shown(name);
        let body = self.at + first.len();
        let Some(length) = body_length(&self.text[body..]) else { return Err(PemError::NoEnd { label, offset }) };
        let end = &self.text[body + length + END.len()..];
        let end_line = &end[..line_length(end)];
        self.at = body + length + END.len() + end_line.len();
        self.line = self.at;
        let end_name = end_line.trim_ascii_end().strip_suffix(DASHES).unwrap_or(end_line);
        if end_name != name {
            return Err(PemError::EndMismatch { label, end: shown(end_name), offset });
        }
        let body = &self.text[body..body + length];
        let (encrypted, contents) = headers(body);
        let headers = contents.len() < body.len();
        match decoded(contents) {
            Some(contents) => Ok(Block { label, contents, encrypted, headers, offset, skipped_by_go }),
            None => Err(PemError::NotBase64 { label, offset }),
        }
    }
}

impl std::fmt::Debug for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Block({}, {} bytes at {})", self.label, self.contents.len(), self.offset)
    }
}

/// How far it is to the end of a block; none where another one begins before, which a block that lost its end does not swallow.
fn body_length(text: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + find(&text[from..], DASHES)?;
        if text[at..].starts_with(END) {
            return Some(at);
        }
        if text[at..].starts_with(BEGIN) {
            return None;
        }
        from = at + 1;
    }
}

/// A block as every reader takes it: 64 characters a line.
///
/// ```
/// use trimtab_certs::pem::encode;
///
/// assert_eq!(encode("A", &[1, 2]), "-----BEGIN A-----\nAQI=\n-----END A-----\n");
/// ```
#[must_use]
pub fn encode(label: &str, contents: &[u8]) -> String {
    let encoded = STANDARD.encode(contents);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str("-----END ");
    text.push_str(label);
    text.push_str("-----\n");
    text
}

pub(crate) fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memchr(*wanted.first()?, &text[from..])?;
        if text[at..].starts_with(wanted) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// The length of the first line with its end.
fn line_length(text: &[u8]) -> usize {
    memchr(b'\n', text).map_or(text.len(), |end| end + 1)
}

/// A label as they are: capitals, digits and spaces.
fn shown(label: &[u8]) -> String {
    let is_label = label.len() <= LABEL && label.iter().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b' ' | b'-' | b'_'));
    if is_label { String::from_utf8_lossy(label).into_owned() } else { NO_LABEL.to_owned() }
}

/// Lines with a colon come first; whether one of them says that the contents are encrypted, and what follows them.
fn headers(mut body: &[u8]) -> (bool, &[u8]) {
    let mut encrypted = false;
    loop {
        let line = &body[..line_length(body)];
        if !line.contains(&b':') {
            return (encrypted, body);
        }
        encrypted |= find(line, b"ENCRYPTED").is_some();
        body = &body[line.len()..];
    }
}

fn decoded(contents: &[u8]) -> Option<Vec<u8>> {
    decoded_by_lines(contents).or_else(|| {
        let packed: Vec<u8> = contents.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        STANDARD.decode(packed).ok()
    })
}

/// As nearly all are written: every line but the last is whole by itself. None where one is not.
fn decoded_by_lines(contents: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(contents.len() / 4 * 3);
    let mut rest = contents;
    while !rest.is_empty() {
        let (line, after) = rest.split_at(line_length(rest));
        let line = line.trim_ascii_end();
        if line.ends_with(b"=") && !after.trim_ascii().is_empty() {
            return None;
        }
        STANDARD.decode_vec(line, &mut decoded).ok()?;
        rest = after;
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(text: &str) -> Vec<Result<String, PemError>> {
        blocks(text.as_bytes()).map(|block| block.map(|block| block.label)).collect()
    }

    #[test]
    fn text_line_ends_and_the_order_of_blocks_do_not_matter() {
        let text = "subject=x\r\n-----BEGIN KEY-----\r\nAQ==\r\n-----END KEY-----\r\nhello\n-----BEGIN C-----\nA Q\n=\t=\n-----END C-----";
        assert_eq!(labels(text), [Ok("KEY".to_owned()), Ok("C".to_owned())]);
    }

    #[test]
    fn a_bad_block_does_not_hide_the_next_one() {
        let good = "-----BEGIN C-----\nAQ==\n-----END C-----\n";
        for (bad, problem) in [
            ("-----BEGIN A-----\n!\n-----END A-----\n", PemError::NotBase64 { label: "A".to_owned(), offset: 0 }),
            ("-----BEGIN A-----\nAQ==\n-----END B-----\n", PemError::EndMismatch { label: "A".to_owned(), end: "B".to_owned(), offset: 0 }),
            ("-----BEGIN A-----\nAQ==\n", PemError::NoEnd { label: "A".to_owned(), offset: 0 }),
            ("-----BEGIN A\n", PemError::BeginNotClosed { offset: 0 }),
        ] {
            assert_eq!(labels(&format!("{bad}{good}")), [Err(problem), Ok("C".to_owned())]);
        }
    }

    #[test]
    fn what_go_passes_over_is_told() {
        let block =
            |before: &str| blocks(format!("{before}-----BEGIN C-----\nAQ==\n-----END C-----\n").as_bytes()).next().unwrap().unwrap().skipped_by_go;
        assert_eq!([block(""), block("\u{FEFF}"), block("  ")], [None, Some(SkippedByGo::ByteOrderMark), Some(SkippedByGo::Indented)]);
        assert_eq!(labels("see -----BEGIN C-----\nAQ==\n-----END C-----\n"), []);
    }

    #[test]
    fn a_key_behind_a_password_says_so() {
        let text = "-----BEGIN K-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAQ==\n-----END K-----\n";
        let block = blocks(text.as_bytes()).next().unwrap().unwrap();
        assert!(block.encrypted);
        assert_eq!(block.contents, [1]);
    }

    #[test]
    fn a_key_whose_lines_were_joined_is_not_told() {
        let key = "MHcCAQEEIGyA7RCQCt1B754CE9w5WwpsewQlkWKKrvQ";
        for text in [
            format!("-----BEGIN EC PRIVATE KEY----- {key} -----END EC PRIVATE KEY-----"),
            format!("-----BEGIN EC PRIVATE KEY----- {key}\n-----END EC PRIVATE KEY-----\n"),
            format!("-----BEGIN {key}-----\n{key}\n-----END {key}-----\n"),
            format!("-----BEGIN A-----\n{key}\n-----END {key}-----\n"),
            format!("-----BEGIN A-----\n{key}\n-----END A-----{key}\n"),
        ] {
            let shown = |block: Result<Block, PemError>| match block {
                Ok(block) => format!("{block:?}"),
                Err(error) => format!("{error:?} {error}"),
            };
            let told: Vec<String> = blocks(text.as_bytes()).map(shown).collect();
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(!told[0].contains("MHcC"), "{told:?}");
        }
    }

    /// Twice as much text takes twice as long: in counts of bytes looked at this is hard to say, in seconds it was 30 for a megabyte.
    #[test]
    fn a_megabyte_of_beginnings_is_read_at_once() {
        let lines = "-----BEGIN C-----\n".repeat(60_000);
        assert_eq!(blocks(lines.as_bytes()).filter(Result::is_err).count(), 60_000);
        let one_line = format!("x{}", "-----BEGIN C-----".repeat(60_000));
        assert_eq!(blocks(one_line.as_bytes()).count(), 0);
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(contents in proptest::collection::vec(any::<u8>(), 0..300), label in "[A-Z][A-Z ]{0,20}[A-Z]") {
            let text = encode(&label, &contents);
            let found: Vec<_> = blocks(text.as_bytes()).collect();
            prop_assert_eq!(found.len(), 1);
            prop_assert_eq!(&found[0].as_ref().unwrap().contents, &contents);
        }

        #[test]
        fn it_is_read_the_same_however_its_lines_are_cut(text in "[A-D]{0,9}={0,2}[A-D]{0,9}={0,2}", cuts in proptest::collection::vec((0_usize..24, "\\r?\n|[ \t]"), 0..5)) {
            let mut cut = text.clone();
            for (at, space) in &cuts {
                cut.insert_str((*at).min(cut.len()), space);
            }
            prop_assert_eq!(decoded(cut.as_bytes()), STANDARD.decode(&text).ok());
        }

        #[test]
        fn any_text_gives_blocks_or_reasons(text in "(-----BEGIN |-----END |-----|A|\n| |:|AQ==|\u{FEFF}){0,40}") {
            prop_assert!(blocks(text.as_bytes()).count() <= 40);
        }
    }
}
