//! An etcd database file, read and written without a server: snapshots, and the `member/snap/db` of a data directory, of etcd 3.4 to 3.7.
//!
//! The nouns: an [`EtcdFile`] is opened over anything that can be read at an offset ([`ReadAt`]); [`EtcdFile::verify`] proves it and tells its
//! [`Status`] and its [`HashKv`]; a [`SnapshotStream`] proves a snapshot while it comes in. A [`KeyspaceReport`] says what fills it, and
//! [`restore`] makes a new cluster of it.
//!
//! ```
//! use trimtab_etcd_file::{EtcdFile, Verify, example};
//!
//! let verified = EtcdFile::open(example::snapshot())?.verify(&Verify::snapshot())?;
//! assert_eq!(verified.status.revision, 4);
//! # Ok::<(), trimtab_etcd_file::Error>(())
//! ```
//!
//! No bytes make it panic, read out of bounds or loop: the first fault comes with its page and its offset ([`Error::Broken`]). Nothing is
//! mapped and nothing is kept of the file but what its live keys need.
//!
//! The feature `live` adds the disk (`live::open`, `restore::restore_member`) and costs no dependency.

mod bolt_node;
mod bolt_writer;
mod digest;
mod error;
pub mod example;
mod file;
mod hash_kv;
mod keyspace;
mod layout;
mod live_keys;
mod membership;
mod page;
mod protobuf;
mod protobuf_writer;
pub mod restore;
mod revision;
mod snap;
mod source;
mod status;
mod stream;
mod tree;
mod value;
mod verify;
mod version;
mod wal;

#[cfg(feature = "live")]
pub mod live;

pub use digest::{InvalidSha256, Sha256};
pub use error::{Error, Fault};
pub use file::{EtcdFile, VisitItem};
pub use hash_kv::HashKv;
pub use keyspace::{
    Amounts, BucketReport, Encoding, EncodingReport, Forecast, KeyReport, KeyspaceQuery, KeyspaceReport, LeaseReport, NamespaceReport, PageUse,
    PrefixReport, ResourceReport,
};
pub use source::ReadAt;
pub use status::Status;
pub use stream::{Received, SnapshotStream};
pub use verify::{Verified, Verify};
pub use version::EtcdVersion;
