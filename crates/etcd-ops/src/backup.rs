//! Backups: what one is, what a store holds of them, which may go.
//!
//! A backup is an object `etcd-CLUSTER-REVISION-TIME.db` (or `.db.zst`) and beside it a sidecar of the same name and `.json`: its
//! [`Manifest`], written last, after the verification. A file without a manifest that matches it is never counted as a backup.
//!
//! - [`name`]: the names, parsed and formatted.
//! - [`manifest`]: what was proven of a backup when it was made.
//! - [`catalog`]: what a store holds, as plain data.
//! - [`finding`]: what is wrong with it.
//! - [`retention`]: which backups may go, as a plan.
//! - [`save`]: how the next one is taken, as a plan.

pub mod catalog;
pub mod example;
pub mod finding;
pub mod manifest;
pub mod name;
pub mod retention;
pub mod save;
mod span;

pub use catalog::{Catalog, Entry, Object, Unverified};
pub use finding::{BackupFinding, Expectations};
pub use manifest::{Compared, Compression, Manifest, MemberHash, NotCompared, SnapshotStatus, Stored};
pub use name::{BackupName, ObjectName};
pub use retention::{RetentionPlan, RetentionPolicy};
