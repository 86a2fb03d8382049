//! What can be wrong with a file, or with what was asked of it; each variant has a remedy of its own.

use serde::{Deserialize, Serialize};

use crate::digest::Sha256;

/// Any error of this crate: who erred, and what to do.
///
/// Plain data, since it also stands in plans and reports. Names pages, offsets and sizes, never a key's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "error")]
#[non_exhaustive]
pub enum Error {
    /// The source could not be read.
    #[error("reading {bytes} bytes at offset {offset} failed: {problem}")]
    Unreadable {
        /// Where in the file.
        offset: u64,
        /// How many bytes were wanted.
        bytes: u64,
        /// What the source said.
        problem: String,
    },
    /// Neither meta page is one of bbolt's.
    #[error("no etcd file: expected a bbolt meta page (magic 0xed0cdaed, version 2) at its beginning, found {found}")]
    NotBolt {
        /// What stands there instead.
        found: String,
    },
    /// bbolt's file, but of another program.
    #[error("no etcd file: expected the buckets key and meta of etcd, found {}", if .buckets.is_empty() { "no bucket at all".to_owned() } else { format!("only {}", .buckets.join(", ")) })]
    NotEtcd {
        /// The names of the buckets that are there, at most eight.
        buckets: Vec<String>,
    },
    /// The file is shorter than its meta page says.
    #[error("the file was cut: its meta page says {expected_bytes} bytes, it has {found_bytes}")]
    Truncated {
        /// Pages times page size.
        expected_bytes: u64,
        /// The length of the file.
        found_bytes: u64,
    },
    /// The file got longer or shorter while it was read: somebody writes it.
    #[error("the file changed while it was read: it had {before_bytes} bytes, now {after_bytes}; wait until it is written, or take a snapshot")]
    Changed {
        /// Its length in the beginning.
        before_bytes: u64,
        /// Its length in the end.
        after_bytes: u64,
    },
    /// Transactions were committed to the file while it was read: a server runs on it.
    #[error("the file was written while it was read: transaction {before}, now {after}; stop the etcd that runs on it, or take a snapshot")]
    Written {
        /// The transaction in the beginning.
        before: u64,
        /// The transaction in the end.
        after: u64,
    },
    /// A plan was made for another file, or the bytes changed since it was proven.
    #[error("not the file that was proven: expected the status hash {expected:08x}, found {found:08x}; prove it again and plan anew")]
    AnotherFile {
        /// When it was proven.
        expected: u32,
        /// Now.
        found: u32,
    },
    /// A snapshot was expected, and the SHA-256 that etcd puts behind one is not there.
    #[error(
        "no SHA-256 at its end: expected {expected_bytes} bytes, 32 of them the checksum, found {found_bytes}; a snapshot that was cut, or the file of a data directory"
    )]
    NoSha256 {
        /// Pages times page size, and 32.
        expected_bytes: u64,
        /// The length of the file.
        found_bytes: u64,
    },
    /// The SHA-256 at the end is not that of the bytes before it.
    #[error(
        "the bytes do not match the SHA-256 at the end: expected {expected}, found {found}; take another backup{}",
        .first.as_ref().map_or_else(String::new, |first| format!("; the first fault: {first}"))
    )]
    Sha256Mismatch {
        /// What stands at the end of the file.
        expected: Sha256,
        /// What its bytes give.
        found: Sha256,
        /// The first broken page, where one was found: a changed byte in a value breaks none.
        first: Option<Box<Error>>,
    },
    /// A page is not as bbolt or etcd would have written it.
    #[error("page {page} (offset {offset}): {fault}")]
    Broken {
        /// The page's number.
        page: u64,
        /// The offset in the file of what is wrong, in bytes.
        offset: u64,
        /// What is wrong there.
        fault: Fault,
    },
    /// A HashKV was asked for at a revision that is compacted away.
    #[error("revision {revision} has been compacted: the file has {compacted} and later")]
    Compacted {
        /// What was asked for.
        revision: i64,
        /// The compaction's revision.
        compacted: i64,
    },
    /// A HashKV was asked for at a revision that is not there yet.
    #[error("revision {revision} is not in the file: it ends with {current}")]
    FutureRevision {
        /// What was asked for.
        revision: i64,
        /// The last one.
        current: i64,
    },
    /// Text that is no etcd version, or one that is not supported.
    #[error("{text:?} is no etcd version from 3.4 to 3.7: write it like 3.6.16")]
    InvalidVersion {
        /// As it was given.
        text: String,
    },
    /// The members of the cluster that is to be restored cannot be right.
    #[error("the cluster cannot be restored like this: {problem}")]
    InvalidCluster {
        /// What is wrong with them, and what would be right.
        problem: String,
    },
    /// The destination is there already, and nothing of it was touched.
    #[error("{path} is there already: nothing is overwritten; give another destination")]
    DestinationExists {
        /// The destination.
        path: String,
    },
    /// The destination could not be written; nothing is left of it.
    #[error("{path} cannot be written: {problem}")]
    Unwritable {
        /// The destination.
        path: String,
        /// What the system said.
        problem: String,
    },
    /// The file could not be opened.
    #[error("{path} cannot be opened: {problem}")]
    Unopened {
        /// The file.
        path: String,
        /// What the system said.
        problem: String,
    },
}

/// What is wrong with a page.
///
/// The first block breaks a reader. The second is what bbolt never writes, although its own reader would pass over it: a sign of changed
/// bytes. It is an error only where no SHA-256 vouches for the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "fault")]
#[non_exhaustive]
pub enum Fault {
    /// A pointer leads out of the file.
    #[error("it lies beyond the last page, {last}")]
    OutOfFile {
        /// The last page.
        last: u64,
    },
    /// Two pointers lead to the same page, or a page lies within another's overflow.
    #[error("it is reached twice")]
    ReachedTwice,
    /// The page calls itself by another number.
    #[error("it says it is page {says}")]
    WrongId {
        /// What it says.
        says: u64,
    },
    /// Neither a branch nor a leaf.
    #[error("expected a branch or a leaf, found the flags {flags:#x}")]
    WrongKind {
        /// The flags.
        flags: u16,
    },
    /// The tree is deeper than any tree of this size can be.
    #[error("the tree is deeper than {levels} levels")]
    TooDeep {
        /// The limit.
        levels: u32,
    },
    /// An element's key or value leaves the page.
    #[error("element {index} of {count} leaves the page")]
    ElementOutOfPage {
        /// Which, from 0.
        index: u16,
        /// How many there are.
        count: u16,
    },
    /// A branch without children.
    #[error("a branch without elements")]
    EmptyBranch,
    /// Keys that do not ascend.
    #[error("the key of element {index} does not come after the one before it")]
    OutOfOrder {
        /// Which, from 0.
        index: u16,
    },
    /// A child's keys do not fit between its neighbours'.
    #[error("its keys do not fit between those of its parent")]
    OutOfRange,
    /// An element of the root that is no bucket, or a bucket's element that is one.
    #[error("element {index} is {found}, expected {expected}")]
    WrongElement {
        /// Which, from 0.
        index: u16,
        /// What stands there.
        found: String,
        /// What belongs there.
        expected: String,
    },
    /// A bucket's header that is too short.
    #[error("element {index}: a bucket of {bytes} bytes, expected 16 or more")]
    ShortBucket {
        /// Which, from 0.
        index: u16,
        /// The length.
        bytes: u64,
    },
    /// A key of the bucket `key` that is no revision.
    #[error("element {index} of bucket key is no revision: {problem}")]
    NotARevision {
        /// Which, from 0.
        index: u16,
        /// What is wrong.
        problem: String,
    },
    /// A value that does not parse.
    #[error("element {index} of bucket {bucket} does not parse: {problem}")]
    Unparsable {
        /// The bucket.
        bucket: String,
        /// Which, from 0.
        index: u16,
        /// What is wrong.
        problem: String,
    },
    /// Revisions that contradict each other: a key's revision and its value's, or a compaction after the end.
    #[error("{problem}")]
    Inconsistent {
        /// Which, and how.
        problem: String,
    },

    /// One of the two meta pages is not valid. A server would start from the other one.
    #[error("the meta page is not valid: {problem}")]
    Meta {
        /// What is wrong with it.
        problem: String,
    },
    /// The page spans more pages than it needs.
    #[error("it spans {found} pages, its elements fill {expected}")]
    WrongOverflow {
        /// How many it says.
        found: u64,
        /// How many its elements fill.
        expected: u64,
    },
    /// An element begins before the one before it ends, or within the list of the elements.
    #[error("element {index} overlaps what stands before it")]
    Overlap {
        /// Which, from 0.
        index: u16,
    },
    /// A gap where bbolt leaves none.
    #[error("element {index} is not where bbolt puts it")]
    Misplaced {
        /// Which, from 0.
        index: u16,
    },
    /// The bytes after the last element, which bbolt leaves at zero.
    #[error("the rest of the page is not zero")]
    Residue,
    /// A branch's key that is not the first of its child.
    #[error("its first key is not the one that its parent names")]
    StaleKey,
    /// A header field that bbolt leaves at zero.
    #[error("{field} is {found}, expected {expected}")]
    WrongField {
        /// Which.
        field: String,
        /// What stands there.
        found: u64,
        /// What bbolt writes.
        expected: u64,
    },
}
