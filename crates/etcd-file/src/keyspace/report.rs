//! What a keyspace report says; plain data.

use serde::{Deserialize, Serialize};

use super::encoding::Encoding;
use crate::version::EtcdVersion;

/// What fills an etcd, counted from one file.
///
/// All lists are sorted, the most bytes first and equals by name, so that the same keys give the same report. Its [`Display`] is a table.
/// Names stand in it (of objects, namespaces, encryption keys), contents never do.
///
/// Each row counts once in [`Self::resources`], once in [`Self::namespaces`] and once in [`Self::prefixes`]: each of the three adds up to
/// [`Self::total`].
///
/// [`Display`]: std::fmt::Display
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyspaceReport {
    /// Whose rules [`Self::forecast`] follows.
    pub etcd: EtcdVersion,
    /// The revision that a server has on this file.
    pub revision: i64,
    /// Of the last compaction; -1 where there never was one.
    pub compact_revision: i64,
    /// All rows of the bucket `key`.
    pub total: Amounts,
    /// The same by resource.
    pub resources: Vec<ResourceReport>,
    /// The same by namespace over all resources; objects of the cluster and keys that are not Kubernetes' have none.
    pub namespaces: Vec<NamespaceReport>,
    /// The same by prefix.
    pub prefixes: Vec<PrefixReport>,
    /// The live keys with the largest values.
    pub largest_values: Vec<KeyReport>,
    /// The keys with the most revisions in the file, then the highest version; none that was written only once.
    pub most_rewritten_keys: Vec<KeyReport>,
    /// The keys whose revisions take the most bytes in the file together.
    pub heaviest_keys: Vec<KeyReport>,
    /// The leases, and who holds on to them.
    pub leases: LeaseReport,
    /// All buckets, `key` and etcd's own, in the order of their names.
    pub buckets: Vec<BucketReport>,
    /// The file by what its pages are used for.
    pub pages: PageUse,
    /// What a compaction and a defragmentation would free.
    pub forecast: Forecast,
}

/// Rows of the bucket `key`, and their bytes: key and value of each as they are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Amounts {
    /// Keys that are there, each with its newest row.
    pub live_keys: u64,
    /// Of these rows.
    pub live_bytes: u64,
    /// Older rows of keys, and rows of keys that were deleted since.
    pub history_rows: u64,
    /// Of these rows.
    pub history_bytes: u64,
    /// Rows that say that a key was deleted.
    pub tombstones: u64,
    /// Of these rows.
    pub tombstone_bytes: u64,
    /// Bytes that stay empty behind the last row of a page, each page's shared out to its rows in proportion to their bytes.
    ///
    /// Large values pay most of it: bbolt rounds up to whole pages, so two rows of 5,000 bytes lie on three pages of 4,096.
    pub slack_bytes: u64,
    /// How many of the rows of history and tombstones a compaction at [`Forecast::compact_revision`] would remove.
    pub compactable_rows: u64,
    /// Of these rows.
    pub compactable_bytes: u64,
}

impl Amounts {
    /// Everything that takes room in the file: live rows, history, tombstones and slack.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.live_bytes + self.history_bytes + self.tombstone_bytes + self.slack_bytes
    }

    /// Rows of all three kinds.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.live_keys + self.history_rows + self.tombstones
    }
}

impl std::ops::Add for Amounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            live_keys: self.live_keys + other.live_keys,
            live_bytes: self.live_bytes + other.live_bytes,
            history_rows: self.history_rows + other.history_rows,
            history_bytes: self.history_bytes + other.history_bytes,
            tombstones: self.tombstones + other.tombstones,
            tombstone_bytes: self.tombstone_bytes + other.tombstone_bytes,
            slack_bytes: self.slack_bytes + other.slack_bytes,
            compactable_rows: self.compactable_rows + other.compactable_rows,
            compactable_bytes: self.compactable_bytes + other.compactable_bytes,
        }
    }
}

/// What one resource holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceReport {
    /// As the keys have it: `/registry`. Empty for keys that are no paths.
    pub prefix: String,
    /// What stands between the prefix and the object, as the keys have it: `services/specs`, `example.com/widgets`.
    pub path: String,
    /// The API group where the keys have it: of custom resources, not of built-in ones.
    pub group: Option<String>,
    /// The name that kubectl uses where it is another one: `services`, `nodes` for `minions`. What no API serves (`masterleases`, `ranges`,
    /// `peerserverleases`) keeps the name of its path. Empty for keys that are not grouped any further.
    pub resource: String,
    /// What it holds, over all namespaces.
    #[serde(flatten)]
    pub amounts: Amounts,
    /// How the values of its live keys are stored, the most keys first.
    pub encodings: Vec<EncodingReport>,
    /// The same amounts by namespace.
    pub namespaces: Vec<NamespaceReport>,
}

impl ResourceReport {
    /// As kubectl writes it: `widgets.example.com`, `pods`.
    #[must_use]
    pub fn name(&self) -> String {
        self.group.as_ref().map_or_else(|| self.resource.clone(), |group| format!("{}.{group}", self.resource))
    }
}

/// What one namespace holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceReport {
    /// None for objects of the cluster, and for keys that are not Kubernetes'.
    pub namespace: Option<String>,
    /// What it holds.
    #[serde(flatten)]
    pub amounts: Amounts,
}

/// What the keys under one prefix hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PrefixReport {
    /// As the keys have it: `/registry`. Empty for keys that are no paths, `compact_rev_key` among them.
    pub prefix: String,
    /// What they hold.
    #[serde(flatten)]
    pub amounts: Amounts,
}

/// How many live keys have a value of one encoding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EncodingReport {
    /// Which.
    #[serde(flatten)]
    pub encoding: Encoding,
    /// How many live keys.
    pub live_keys: u64,
    /// Of their values.
    pub value_bytes: u64,
}

/// A key that stands out. A key that was deleted and created again counts anew, as its version does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyReport {
    /// Its name; bytes that are no UTF-8 are replaced.
    pub key: String,
    /// False where it was deleted, with its history still in the file.
    pub live: bool,
    /// Of its newest value; 0 where it was deleted.
    pub value_bytes: u64,
    /// Of its last change.
    pub revision: i64,
    /// How often it was written since it was created: `version` in etcd. Compactions do not lower it. At most 4,294,967,295.
    pub version: u64,
    /// How many of its rows are in the file, its deletion among them.
    pub revisions: u64,
    /// Of these rows.
    pub bytes: u64,
    /// Of the first of these rows.
    pub first_revision: i64,
}

/// The leases, and who holds on to them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaseReport {
    /// Leases in the file.
    pub leases: u64,
    /// Keys and values of the bucket `lease`.
    pub bytes: u64,
    /// Leases that no live key is attached to.
    pub leases_without_keys: u64,
    /// Live keys that are attached to a lease.
    pub attached_keys: u64,
    /// Live keys whose lease is not in the file. Nothing will ever end them.
    pub orphaned_keys: u64,
    /// Their names in order, as many as were asked for.
    pub orphans: Vec<String>,
}

/// What one bucket holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BucketReport {
    /// Its name.
    pub name: String,
    /// How many.
    pub items: u64,
    /// Keys and values of its items.
    pub item_bytes: u64,
    /// All its pages: item bytes, headers, slack, and branches. 0 where the bucket is so small that it lies on the page of the list of buckets.
    pub page_bytes: u64,
    /// Of them, its branches.
    pub branch_bytes: u64,
    /// Of its leaves, the headers of pages and items: 16 bytes each.
    pub header_bytes: u64,
    /// Of its leaves, what stays empty behind the last item.
    pub slack_bytes: u64,
}

/// The file by what its pages are used for. The bytes of the five kinds add up to the size of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PageUse {
    /// The size of one page.
    pub page_size_bytes: u64,
    /// The two meta pages.
    pub meta_bytes: u64,
    /// Pages of the tree without children, which hold the items.
    pub leaf_bytes: u64,
    /// Pages that belong to a leaf or a branch before them, because its items are larger than a page.
    pub overflow_bytes: u64,
    /// Pages of the tree with children.
    pub branch_bytes: u64,
    /// Pages that nothing leads to. etcd fills them again; a defragmentation gives them back.
    pub free_bytes: u64,
    /// The pages of the list of buckets, counted among leaves and branches above.
    pub root_bytes: u64,
    /// What stays empty behind the last element of leaves and branches.
    pub slack_bytes: u64,
}

impl PageUse {
    /// The size of the database: pages times page size.
    #[must_use]
    pub const fn total_bytes(&self) -> u64 {
        self.meta_bytes + self.leaf_bytes + self.overflow_bytes + self.branch_bytes + self.free_bytes
    }
}

/// What a compaction and a defragmentation would free.
///
/// Rows are counted by etcd's own rule: of each key its newest row up to the revision stays, if the key is alive there (`doCompact` in
/// `server/storage/mvcc/key_index.go`). From 3.4.34, 3.5.16 and 3.6 on a tombstone at the very revision stays too.
///
/// Sizes follow bbolt's way of cutting pages, item by item. What is left out are the few pages that the transactions of a defragmentation and
/// of a running server leave behind: measured on 3.4 to 3.7, the real size was within 1 % or 32 KiB of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Forecast {
    /// The compaction.
    pub compact_revision: i64,
    /// How many rows it would remove.
    pub removed_rows: u64,
    /// Of these rows.
    pub removed_bytes: u64,
    /// The size of the database now: pages times page size. A compaction alone does not change it.
    pub size_bytes: u64,
    /// Its size after a defragmentation without a compaction.
    pub defragmented_bytes: u64,
    /// Its size after the compaction and a defragmentation.
    pub compacted_and_defragmented_bytes: u64,
}

impl Forecast {
    /// What a defragmentation without a compaction would give back to the disk.
    #[must_use]
    pub const fn freed_by_defragmentation_bytes(&self) -> u64 {
        self.size_bytes.saturating_sub(self.defragmented_bytes)
    }

    /// What the compaction and a defragmentation would give back to the disk.
    #[must_use]
    pub const fn freed_by_both_bytes(&self) -> u64 {
        self.size_bytes.saturating_sub(self.compacted_and_defragmented_bytes)
    }
}
