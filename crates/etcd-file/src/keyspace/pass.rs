//! The pass over a file that a keyspace report is counted in.

use std::collections::HashMap;

use super::KeyspaceQuery;
use super::compaction::Compaction;
use super::encoding::Encodings;
use super::groups::Groups;
use super::lives::{Life, State, Top};
use super::new_file::NewFile;
use super::registry_path::Prefixes;
use super::report::{BucketReport, Forecast, KeyReport, KeyspaceReport, LeaseReport, PageUse};
use crate::error::Error;
use crate::hash_kv::{key_value, row_key};
use crate::live_keys::LiveKeys;
use crate::page::{ELEMENT, HEADER};
use crate::revision::RowKey;
use crate::tree::{Flow, Item, Leaf, PageSeen, Visit};
use crate::value::KeyValue;
use crate::version::{EtcdVersion, Rules};

pub(super) struct Pass {
    compact_revision: i64,
    last: i64,
    groups: Groups,
    encodings: Encodings,
    keys: LiveKeys<Life>,
    /// How many live keys are attached to each lease.
    leases: HashMap<i64, u64>,
    rewritten: Top,
    heaviest: Top,
    buckets: Vec<BucketReport>,
    pages: PageUse,
    compaction: Compaction,
    defragmented: NewFile,
}

impl Pass {
    pub(super) fn new(query: &KeyspaceQuery, compact_revision: i64, rules: Rules, page_size: u64) -> Self {
        // The releases that pass over these tombstones in a HashKV are those whose compaction keeps them: it was one change.
        let keeps_its_tombstones = rules.hash_kv_skips_tombstone_at_compaction;
        Self {
            compact_revision,
            last: 0,
            groups: Groups::new(Prefixes::new(&query.prefixes)),
            encodings: Encodings::default(),
            keys: LiveKeys::default(),
            leases: HashMap::new(),
            rewritten: Top::new(query.top),
            heaviest: Top::new(query.top),
            buckets: Vec::new(),
            pages: PageUse { page_size_bytes: page_size, meta_bytes: 2 * page_size, ..PageUse::default() },
            compaction: Compaction::new(query.compact_revision, keeps_its_tombstones, page_size),
            defragmented: NewFile::new(page_size),
        }
    }

    /// The revision that a server starts with on this file.
    pub(super) fn current_revision(&self) -> i64 {
        self.last.max(self.compact_revision).max(1)
    }

    pub(super) fn report(mut self, query: &KeyspaceQuery, etcd: EtcdVersion, free_pages: u64) -> KeyspaceReport {
        self.pages.free_bytes = free_pages.saturating_mul(self.pages.page_size_bytes);
        let revision = self.current_revision();
        let removed = self.compaction.carry_out(revision, &self.keys, &mut self.groups);
        let (largest_values, leases) = self.live_keys(query.top);
        KeyspaceReport {
            etcd,
            revision,
            compact_revision: self.compact_revision,
            total: self.groups.total(),
            resources: self.groups.resources(&self.encodings),
            namespaces: self.groups.namespaces(),
            prefixes: self.groups.prefixes(),
            largest_values,
            most_rewritten_keys: self.rewritten.reports(),
            heaviest_keys: self.heaviest.reports(),
            leases,
            buckets: self.buckets,
            pages: self.pages,
            forecast: Forecast {
                compact_revision: query.compact_revision.unwrap_or(revision),
                removed_rows: removed.rows,
                removed_bytes: removed.bytes,
                size_bytes: self.pages.total_bytes(),
                defragmented_bytes: self.defragmented.bytes(),
                compacted_and_defragmented_bytes: self.compaction.file.bytes(),
            },
        }
    }

    /// What can be said of the live keys only in the end.
    fn live_keys(&mut self, top: usize) -> (Vec<KeyReport>, LeaseReport) {
        let mut largest = Top::new(top);
        let mut orphans = Top::new(top);
        let mut report = LeaseReport::default();
        for (name, life) in self.keys.iter() {
            self.groups.add_live(life);
            largest.offer((life.value_bytes.into(), life.bytes), name, life, State::Live);
            self.heaviest.offer((life.bytes, life.revisions.into()), name, life, State::Live);
            if life.version > 1 || life.revisions > 1 {
                self.rewritten.offer((life.revisions.into(), life.version.into()), name, life, State::Live);
            }
            match self.leases.get_mut(&life.lease) {
                _ if life.lease == 0 => {}
                Some(attached) => *attached += 1,
                None => {
                    report.orphaned_keys += 1;
                    orphans.offer((0, 0), name, life, State::Live);
                }
            }
        }
        report.leases = self.leases.len() as u64;
        report.leases_without_keys = self.leases.values().filter(|attached| **attached == 0).count() as u64;
        report.attached_keys = report.orphaned_keys + self.leases.values().sum::<u64>();
        report.bytes = self.buckets.iter().find(|bucket| bucket.name == "lease").map_or(0, |bucket| bucket.item_bytes);
        report.orphans = orphans.reports().into_iter().map(|report| report.key).collect();
        (largest.reports(), report)
    }

    fn row(&mut self, row: RowKey, value: &KeyValue<'_>, row_bytes: u64, slack_bytes: u64) {
        if self.compaction.is_due(row) {
            self.compaction.carry_out(row.revision.main, &self.keys, &mut self.groups);
        }
        self.last = row.revision.main;
        let pair = if row.tombstone { self.tombstone(row, value.key, row_bytes) } else { self.put(row, value, row_bytes) };
        self.compaction.row(row, row_bytes, pair);
        if let Some(amounts) = self.groups.amounts(pair) {
            amounts.slack_bytes += slack_bytes;
        }
    }

    /// A key is written: the row before is history from now on.
    fn put(&mut self, row: RowKey, value: &KeyValue<'_>, row_bytes: u64) -> u32 {
        let mut newest = Life {
            main: row.revision.main,
            sub: u32::try_from(row.revision.sub).unwrap_or(u32::MAX),
            first: row.revision.main,
            lease: value.lease,
            bytes: row_bytes,
            pair: 0,
            row_bytes: u32::try_from(row_bytes).unwrap_or(u32::MAX),
            value_bytes: u32::try_from(value.value.len()).unwrap_or(u32::MAX),
            revisions: 1,
            version: u32::try_from(value.version.max(0)).unwrap_or(u32::MAX),
            encoding: self.encodings.number_of(value.value),
        };
        if let Some(life) = self.keys.find_mut(value.key) {
            let older_bytes = life.row_bytes;
            life.goes_on(newest);
            let pair = life.pair;
            self.add_history(pair, older_bytes);
            return pair;
        }
        newest.pair = self.groups.pair_of(value.key);
        self.keys.insert(value.key, newest);
        newest.pair
    }

    /// A key is deleted. Where a compaction has removed all its other rows, it was not known.
    fn tombstone(&mut self, row: RowKey, key: &[u8], row_bytes: u64) -> u32 {
        let life = self.keys.remove(key);
        let pair = life.map_or_else(|| self.groups.pair_of(key), |life| life.pair);
        if let Some(life) = life {
            self.add_history(pair, life.row_bytes);
            let life = life.ended(row.revision, row_bytes);
            self.rewritten.offer((life.revisions.into(), life.version.into()), key, &life, State::Deleted);
            self.heaviest.offer((life.bytes, life.revisions.into()), key, &life, State::Deleted);
        }
        if let Some(amounts) = self.groups.amounts(pair) {
            amounts.tombstones += 1;
            amounts.tombstone_bytes += row_bytes;
        }
        pair
    }

    fn add_history(&mut self, pair: u32, row_bytes: u32) {
        if let Some(amounts) = self.groups.amounts(pair) {
            amounts.history_rows += 1;
            amounts.history_bytes += u64::from(row_bytes);
        }
    }

    fn rows(&mut self, leaf: &Leaf<'_>) -> Result<(), Error> {
        let mut shares = Shares::of(leaf);
        for item in leaf.items() {
            let row = row_key(leaf, item.index, item.key)?;
            let value = key_value(leaf, item.index, item.value)?;
            self.defragmented.put(item.key.len() as u64, item.value.len() as u64);
            self.row(row, &value, item_bytes(item), shares.next(item));
        }
        Ok(())
    }

    fn items(&mut self, leaf: &Leaf<'_>) {
        for item in leaf.items() {
            self.defragmented.put(item.key.len() as u64, item.value.len() as u64);
            self.compaction.file.put(item.key.len() as u64, item.value.len() as u64);
            if let (b"lease", Ok(id)) = (leaf.bucket, item.key.try_into()) {
                self.leases.insert(i64::from_be_bytes(id), 0);
            }
        }
    }
}

impl Visit for Pass {
    fn bucket(&mut self, name: &[u8]) -> Result<(), Error> {
        // What a compaction keeps has to be in its bucket before the next one begins.
        if self.buckets.last().is_some_and(|bucket| bucket.name == "key") {
            self.compaction.carry_out(self.current_revision(), &self.keys, &mut self.groups);
        }
        self.defragmented.bucket(name.len() as u64);
        self.compaction.file.bucket(name.len() as u64);
        let name = String::from_utf8_lossy(name).into_owned();
        let (items, item_bytes, page_bytes, branch_bytes, header_bytes, slack_bytes) = (0, 0, 0, 0, 0, 0);
        self.buckets.push(BucketReport { name, items, item_bytes, page_bytes, branch_bytes, header_bytes, slack_bytes });
        Ok(())
    }

    fn leaf(&mut self, leaf: &Leaf<'_>) -> Result<Flow, Error> {
        if let Some(bucket) = self.buckets.last_mut() {
            bucket.items += u64::from(leaf.count());
            bucket.item_bytes += leaf.items().map(item_bytes).sum::<u64>();
        }
        if leaf.bucket == b"key" {
            self.rows(leaf)?;
        } else {
            self.items(leaf);
        }
        Ok(Flow::On)
    }

    fn page(&mut self, bucket: &[u8], page: PageSeen) {
        let page_size = self.pages.page_size_bytes;
        let overflow_bytes = u64::from(page.overflow) * page_size;
        let bytes = page_size + overflow_bytes;
        self.pages.overflow_bytes += overflow_bytes;
        self.pages.slack_bytes += page.slack_bytes;
        if page.is_branch {
            self.pages.branch_bytes += page_size;
        } else {
            self.pages.leaf_bytes += page_size;
        }
        match self.buckets.last_mut().filter(|_| !bucket.is_empty()) {
            None => self.pages.root_bytes += bytes,
            Some(bucket) => {
                bucket.page_bytes += bytes;
                if page.is_branch {
                    bucket.branch_bytes += bytes;
                } else {
                    bucket.header_bytes += HEADER as u64 + u64::from(page.elements) * ELEMENT as u64;
                    bucket.slack_bytes += page.slack_bytes;
                }
            }
        }
    }
}

/// Shares a leaf's slack out to its items, in proportion to their bytes and to the byte.
struct Shares {
    slack_bytes: u64,
    all_bytes: u64,
    bytes_so_far: u64,
    given: u64,
}

impl Shares {
    fn of(leaf: &Leaf<'_>) -> Self {
        let all_bytes = leaf.items().map(|item| ELEMENT as u64 + item_bytes(item)).sum();
        Self { slack_bytes: leaf.slack_bytes(), all_bytes, bytes_so_far: 0, given: 0 }
    }

    fn next(&mut self, item: Item<'_>) -> u64 {
        self.bytes_so_far += ELEMENT as u64 + item_bytes(item);
        let up_to_here = u128::from(self.slack_bytes) * u128::from(self.bytes_so_far) / u128::from(self.all_bytes.max(1));
        let share = u64::try_from(up_to_here).unwrap_or(u64::MAX) - self.given;
        self.given += share;
        share
    }
}

fn item_bytes(item: Item<'_>) -> u64 {
    item.key.len() as u64 + item.value.len() as u64
}
