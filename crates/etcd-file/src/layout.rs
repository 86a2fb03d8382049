//! What a restored data directory looks like in each etcd release: every release reads all of them, and writes its own.

use crate::version::EtcdVersion;

/// The differences between what `etcdctl` 3.4 and `etcdutl` 3.5 to 3.7 write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The log's record of the snapshot names the voters, and so does the bucket `meta`, which also has the term.
    pub(crate) wal_has_conf_state: bool,
    /// Messages of gogo/protobuf carry fields that are zero; those of google.golang.org/protobuf do not.
    pub(crate) writes_zero_fields: bool,
    /// The store of the snapshot file counts a read of a missing key: `RaftCluster.Store` looks for members before it writes them.
    pub(crate) store_gets_fail: u64,
}

/// `server/etcdserver/api/membership` and `etcdutl/snapshot/v3_snapshot.go` of each tag; read from what each tool wrote.
const ROWS: &[(u8, Layout)] = &[
    (4, Layout { wal_has_conf_state: false, writes_zero_fields: true, store_gets_fail: 0 }),
    (5, Layout { wal_has_conf_state: true, writes_zero_fields: true, store_gets_fail: 0 }),
    (6, Layout { wal_has_conf_state: true, writes_zero_fields: true, store_gets_fail: 1 }),
    (7, Layout { wal_has_conf_state: true, writes_zero_fields: false, store_gets_fail: 1 }),
];

impl Layout {
    pub(crate) fn at(version: EtcdVersion) -> Self {
        let mut rows = ROWS.iter().filter(|(minor, _)| *minor <= version.minor());
        rows.next_back().map_or(ROWS[0].1, |(_, layout)| *layout)
    }
}
