//! The keyspace report: what fills an etcd, from one file in one pass.

mod compaction;
mod encoding;
mod groups;
mod lives;
mod new_file;
mod pass;
mod registry_path;
mod report;
mod table;
#[cfg(test)]
mod tests;

use crate::error::Error;
use crate::file::EtcdFile;
use crate::source::ReadAt;
use crate::tree::Walk;
use crate::version::{EtcdVersion, Rules};

pub use encoding::Encoding;
use pass::Pass;
use registry_path::DEFAULT_PREFIXES;
pub use report::{
    Amounts, BucketReport, EncodingReport, Forecast, KeyReport, KeyspaceReport, LeaseReport, NamespaceReport, PageUse, PrefixReport, ResourceReport,
};

/// What is to be reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyspaceQuery {
    compact_revision: Option<i64>,
    top: usize,
    prefixes: Vec<String>,
    etcd: Option<EtcdVersion>,
}

impl Default for KeyspaceQuery {
    fn default() -> Self {
        Self::new()
    }
}

impl KeyspaceQuery {
    /// Everything as it is now: a compaction at the last revision, 20 keys in each list, `/registry` and `OpenShift`'s `/kubernetes.io` and
    /// `/openshift.io` for Kubernetes' prefixes.
    #[must_use]
    pub fn new() -> Self {
        Self { compact_revision: None, top: 20, prefixes: DEFAULT_PREFIXES.map(str::to_owned).to_vec(), etcd: None }
    }

    /// Forecasts the compaction at this revision instead of the last one.
    #[must_use]
    pub fn with_compaction_at(self, revision: i64) -> Self {
        Self { compact_revision: Some(revision), ..self }
    }

    /// So many keys in each list.
    #[must_use]
    pub fn with_top(self, keys: usize) -> Self {
        Self { top: keys, ..self }
    }

    /// Expects Kubernetes' layout under this prefix too: kube-apiserver's `--etcd-prefix`. Slashes at its ends do not matter.
    #[must_use]
    pub fn with_prefix(mut self, prefix: &str) -> Self {
        self.prefixes.push(prefix.to_owned());
        self
    }

    /// The rules of this etcd for the compaction, instead of the newest patch of the minor that wrote the file.
    #[must_use]
    pub fn with_etcd(self, version: EtcdVersion) -> Self {
        Self { etcd: Some(version), ..self }
    }
}

impl<S: ReadAt> EtcdFile<S> {
    /// Counts what fills the file, in one pass over its pages.
    ///
    /// Memory: the live keys (their bytes and 100 to 220 more for each), each lease, the deletions of one transaction, a few hundred bytes for
    /// each pair of resource and namespace, and a page for each level of the tree; whatever the file's size and history.
    ///
    /// # Errors
    /// [`Error::Compacted`] and [`Error::FutureRevision`] for a compaction that a server would refuse; otherwise the first fault of the file.
    /// Nothing is verified beyond what is read: [`EtcdFile::verify`] does that.
    ///
    /// ```
    /// use trimtab_etcd_file::{Error, EtcdFile, KeyspaceQuery, example};
    ///
    /// let file = EtcdFile::open(example::snapshot())?;
    /// let report = file.keyspace(&KeyspaceQuery::new())?;
    /// let pods = &report.resources[0];
    /// assert_eq!((pods.name().as_str(), pods.amounts.live_keys, pods.amounts.history_rows), ("pods", 2, 1));
    /// assert_eq!(report.most_rewritten_keys[0].key, "/registry/pods/default/a");
    /// assert_eq!(report.forecast.removed_rows, 1);
    ///
    /// // At revision 3 the row that revision 4 replaced was still the newest one.
    /// assert_eq!(file.keyspace(&KeyspaceQuery::new().with_compaction_at(3))?.forecast.removed_rows, 0);
    /// let error = file.keyspace(&KeyspaceQuery::new().with_compaction_at(5)).unwrap_err();
    /// assert!(matches!(error, Error::FutureRevision { current: 4, .. }));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn keyspace(&self, query: &KeyspaceQuery) -> Result<KeyspaceReport, Error> {
        self.unchanged(self.keyspace_now(query))
    }

    fn keyspace_now(&self, query: &KeyspaceQuery) -> Result<KeyspaceReport, Error> {
        let meta = self.meta_bucket()?;
        let etcd = query.etcd.map_or_else(|| meta.etcd(), Ok)?;
        let compacted = meta.compactions.compact_revision();
        // `compact` in `kvstore.go`: the last compaction's own revision is refused too.
        if let Some(revision) = query.compact_revision.filter(|revision| *revision <= compacted) {
            return Err(Error::Compacted { revision, compacted });
        }
        let mut pass = Pass::new(query, compacted, Rules::at(etcd), self.page_size());
        let mut walk = Walk::new(self);
        walk.all(&mut pass)?;
        let current = pass.current_revision();
        if let Some(revision) = query.compact_revision.filter(|revision| *revision > current) {
            return Err(Error::FutureRevision { revision, current });
        }
        let free_pages = self.meta().pages - walk.reached_pages();
        Ok(pass.report(query, etcd, free_pages))
    }
}
