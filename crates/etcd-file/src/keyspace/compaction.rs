//! What a compaction would remove, found out while the rows come by in the order of their revisions.

use super::groups::Groups;
use super::lives::Life;
use super::new_file::NewFile;
use crate::live_keys::LiveKeys;
use crate::revision::{Revision, RowKey};

/// A compaction at a revision. It is carried out on the counts at the moment when the first later row comes: just then the live keys are
/// those at its revision, each with the row that stays.
#[derive(Debug)]
pub(crate) struct Compaction {
    /// None stands for the last revision, which is known in the end.
    at: Option<i64>,
    keeps_its_tombstones: bool,
    /// Up to its revision.
    rows: u64,
    bytes: u64,
    /// The deletions of the last transaction, which may stay.
    tombstones: Vec<Tombstone>,
    removed: Option<Removed>,
    /// The file after it and a defragmentation.
    pub(crate) file: NewFile,
}

#[derive(Debug, Clone, Copy)]
struct Tombstone {
    revision: Revision,
    row_bytes: u64,
    pair: u32,
}

/// What it removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Removed {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

/// The key of a row and of a tombstone in the bucket.
const ROW_KEY: u64 = 17;
const TOMBSTONE_KEY: u64 = 18;

impl Compaction {
    pub(crate) fn new(at: Option<i64>, keeps_its_tombstones: bool, page_size: u64) -> Self {
        let file = NewFile::new(page_size);
        Self { at, keeps_its_tombstones, rows: 0, bytes: 0, tombstones: Vec::new(), removed: None, file }
    }

    /// Whether this row is the first one after it.
    pub(crate) fn is_due(&self, row: RowKey) -> bool {
        self.removed.is_none() && self.at.is_some_and(|at| at < row.revision.main)
    }

    /// Takes note of a row of this pair.
    pub(crate) fn row(&mut self, row: RowKey, row_bytes: u64, pair: u32) {
        if self.removed.is_some() {
            let key_bytes = if row.tombstone { TOMBSTONE_KEY } else { ROW_KEY };
            self.file.put(key_bytes, row_bytes.saturating_sub(key_bytes));
            return;
        }
        self.rows += 1;
        self.bytes += row_bytes;
        if self.tombstones.last().is_some_and(|last| last.revision.main != row.revision.main) {
            self.tombstones.clear();
        }
        if row.tombstone && self.keeps_its_tombstones {
            self.tombstones.push(Tombstone { revision: row.revision, row_bytes, pair });
        }
    }

    /// Carries it out, once, at its revision or else at the current one.
    pub(crate) fn carry_out(&mut self, current: i64, keys: &LiveKeys<Life>, groups: &mut Groups) -> Removed {
        if let Some(removed) = self.removed {
            return removed;
        }
        let at = self.at.unwrap_or(current);
        self.tombstones.retain(|tombstone| tombstone.revision.main == at);
        groups.set_compactable();
        for tombstone in &self.tombstones {
            if let Some(amounts) = groups.amounts(tombstone.pair) {
                amounts.compactable_rows -= 1;
                amounts.compactable_bytes -= tombstone.row_bytes;
            }
        }
        let kept = self.write_kept(keys);
        let removed = Removed { rows: self.rows - kept.rows, bytes: self.bytes - kept.bytes };
        self.removed = Some(removed);
        removed
    }

    fn write_kept(&mut self, keys: &LiveKeys<Life>) -> Removed {
        let live = keys.iter().map(|(_, life)| (life.main, life.sub, ROW_KEY, u64::from(life.row_bytes)));
        let tombstones = std::mem::take(&mut self.tombstones);
        let sub = |revision: Revision| u32::try_from(revision.sub).unwrap_or(u32::MAX);
        let deleted = tombstones.iter().map(|row| (row.revision.main, sub(row.revision), TOMBSTONE_KEY, row.row_bytes));
        let mut rows: Vec<(i64, u32, u64, u64)> = live.chain(deleted).collect();
        rows.sort_unstable();
        let mut kept = Removed::default();
        for (_, _, key_bytes, row_bytes) in rows {
            self.file.put(key_bytes, row_bytes.saturating_sub(key_bytes));
            kept.rows += 1;
            kept.bytes += row_bytes;
        }
        kept
    }
}
