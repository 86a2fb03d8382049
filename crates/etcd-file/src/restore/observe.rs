//! What matters of a file for a restore.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::file::EtcdFile;
use crate::source::ReadAt;
use crate::tree::{Flow, Leaf, Visit, Walk};
use crate::verify::{Verified, Verify};

/// A proven file, and what stands in it besides keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreSeen {
    /// What its verification said.
    pub verified: Verified,
    /// The length of the file in bytes.
    pub file_bytes: u64,
    /// bbolt's last transaction in it: with the length and the status hash what the file is known by again.
    pub transaction: u64,
    /// How many voters the old cluster had, as far as this member knew.
    pub voters: u64,
    /// How many learners.
    pub learners: u64,
    /// How many alarms are raised.
    pub alarms: u64,
    /// How many leases there are.
    pub leases: u64,
    /// Whether a downgrade of the cluster was enabled.
    pub is_downgrading: bool,
}

/// Proves the file and reads what matters for a restore.
///
/// # Errors
/// What [`EtcdFile::verify`] says.
pub fn observe<S: ReadAt>(file: &EtcdFile<S>, how: &Verify) -> Result<RestoreSeen, Error> {
    let verified = file.verify(how)?;
    let mut seen = RestoreSeen {
        verified,
        file_bytes: file.length(),
        transaction: file.meta().txid,
        voters: 0,
        learners: 0,
        alarms: 0,
        leases: 0,
        is_downgrading: false,
    };
    for bucket in [b"alarm".as_slice(), b"cluster", b"lease", b"members"] {
        Walk::new(file).only(bucket, &mut seen)?;
    }
    Ok(seen)
}

impl Visit for RestoreSeen {
    fn leaf(&mut self, leaf: &Leaf<'_>) -> Result<Flow, Error> {
        for item in leaf.items() {
            let field = |name: &str| serde_json::from_slice::<serde_json::Value>(item.value).ok()?.get(name)?.as_bool();
            match (leaf.bucket, item.key) {
                (b"alarm", _) => self.alarms += 1,
                (b"lease", _) => self.leases += 1,
                (b"members", _) if field("isLearner") == Some(true) => self.learners += 1,
                (b"members", _) => self.voters += 1,
                (b"cluster", b"downgrade") => self.is_downgrading = field("enabled") == Some(true),
                _ => {}
            }
        }
        Ok(Flow::On)
    }
}
