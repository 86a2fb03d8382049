//! The database of a restored member: every item of the file in its order, with what a restore changes.

use std::collections::BTreeMap;
use std::io::{self, Seek, Write};

use crate::bolt_writer::BoltWriter;
use crate::error::Error;
use crate::file::EtcdFile;
use crate::layout::Layout;
use crate::restore::RestorePlan;
use crate::restore::plan::DATABASE;
use crate::revision::Revision;
use crate::source::ReadAt;
use crate::tree::{Flow, Leaf, Visit, Walk};
use crate::wal::{TERM, last_index, member_json};

impl RestorePlan {
    /// Writes the database into `out`, which is empty; returns its length in bytes. `progress` is told how many of the file's items are done.
    ///
    /// One pass over the file; memory is that of a walk, and for each level of the new tree a page and up to four of the largest values.
    /// Buckets that etcd has and the file lacks are made, as a server would.
    ///
    /// # Errors
    /// What reading says; [`Error::Changed`], [`Error::Written`], [`Error::AnotherFile`] where the file is not the one of the plan;
    /// [`Error::Unwritable`]. What was written by then is of no use.
    pub fn write_database<S: ReadAt, W: Write + Seek>(&self, file: &EtcdFile<S>, out: W, progress: &mut dyn FnMut(u64)) -> Result<u64, Error> {
        self.check_source(file)?;
        let page_size = u32::try_from(self.source.page_size).unwrap_or(u32::MAX);
        let out = BoltWriter::new(out, page_size).map_err(unwritable)?;
        let mut rewrite = Rewrite { out, edits: self.edits(), edit: Edit::default(), items: 0, hash: 0, progress };
        let walked = Walk::new(file).all(&mut rewrite).and_then(|()| rewrite.check_hash(self.source.status_hash));
        file.unchanged(walked)?;
        rewrite.finish()
    }

    fn check_source<S: ReadAt>(&self, file: &EtcdFile<S>) -> Result<(), Error> {
        let (before_bytes, after_bytes) = (self.source.file_bytes, file.length());
        if before_bytes != after_bytes {
            return Err(Error::Changed { before_bytes, after_bytes });
        }
        let (before, after) = (self.source.transaction, file.meta().txid);
        if before == after { Ok(()) } else { Err(Error::Written { before, after }) }
    }

    /// What is different in the new database, bucket by bucket.
    fn edits(&self) -> BTreeMap<&'static [u8], Edit> {
        let mut edits: BTreeMap<&[u8], Edit> = BUCKETS.into_iter().map(|bucket| (bucket, Edit::default())).collect();
        edits.insert(b"key", self.key_edit());
        edits.insert(b"members", self.members_edit());
        edits.insert(b"members_removed", Edit { keeps: Keeps::Nothing, puts: BTreeMap::new() });
        edits.insert(b"meta", self.meta_edit());
        edits
    }

    fn key_edit(&self) -> Edit {
        let row = Revision { main: self.revisions.after, sub: 0 }.bytes().to_vec();
        let puts = if self.is_bumped() { BTreeMap::from([(row, Vec::new())]) } else { BTreeMap::new() };
        Edit { keeps: Keeps::Others, puts }
    }

    fn members_edit(&self) -> Edit {
        let put = |member| (crate::membership::Member::id(member).to_string().into_bytes(), member_json(member).into_bytes());
        Edit { keeps: Keeps::Nothing, puts: self.cluster.members().iter().map(put).collect() }
    }

    fn meta_edit(&self) -> Edit {
        let mut puts = BTreeMap::from([(b"consistent_index".to_vec(), last_index(&self.cluster).to_be_bytes().to_vec())]);
        if Layout::at(self.etcd).wal_has_conf_state {
            let voters: Vec<u64> = self.cluster.members().iter().map(|member| member.id().0).collect();
            let conf_state = serde_json::json!({ "voters": voters, "auto_leave": false });
            puts.insert(b"confState".to_vec(), conf_state.to_string().into_bytes());
            puts.insert(b"term".to_vec(), TERM.to_be_bytes().to_vec());
        }
        if self.is_bumped() {
            let revision = Revision { main: self.revisions.after, sub: 0 };
            puts.insert(b"scheduledCompactRev".to_vec(), revision.bytes().to_vec());
        }
        Edit { keeps: Keeps::Others, puts }
    }

    fn is_bumped(&self) -> bool {
        self.revisions.after != self.revisions.before
    }
}

/// The buckets of an etcd of these releases, in their order: `server/storage/schema/bucket.go`.
const BUCKETS: [&[u8]; 10] = [b"alarm", b"auth", b"authRoles", b"authUsers", b"cluster", b"key", b"lease", b"members", b"members_removed", b"meta"];

/// What becomes of a bucket.
#[derive(Debug, Default)]
struct Edit {
    keeps: Keeps,
    /// Items that are new, or stand for one of the file.
    puts: BTreeMap<Vec<u8>, Vec<u8>>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Keeps {
    /// Every item but those that are put anew.
    #[default]
    Others,
    Nothing,
}

/// A walk that writes down what it sees.
struct Rewrite<'p, W> {
    out: BoltWriter<W>,
    /// Of the buckets that are still to come.
    edits: BTreeMap<&'static [u8], Edit>,
    /// Of this bucket: what of it is still to come.
    edit: Edit,
    items: u64,
    /// The file's [`Status::hash`](crate::Status::hash) so far.
    hash: u32,
    progress: &'p mut dyn FnMut(u64),
}

impl<W: Write + Seek> Visit for Rewrite<'_, W> {
    fn bucket(&mut self, name: &[u8]) -> Result<(), Error> {
        self.hash = crc32c::crc32c_append(self.hash, name);
        self.buckets_until(Some(name)).map_err(unwritable)?;
        self.edit = self.edits.remove(name).unwrap_or_default();
        self.out.bucket(name).map_err(unwritable)
    }

    fn leaf(&mut self, leaf: &Leaf<'_>) -> Result<Flow, Error> {
        if let Some(packed) = leaf.packed() {
            self.hash = crc32c::crc32c_append(self.hash, packed);
        }
        for item in leaf.items() {
            if leaf.packed().is_none() {
                self.hash = crc32c::crc32c_append(crc32c::crc32c_append(self.hash, item.key), item.value);
            }
            self.item(item.key, item.value).map_err(unwritable)?;
        }
        self.items += u64::from(leaf.count());
        (self.progress)(self.items);
        Ok(Flow::On)
    }
}

impl<W: Write + Seek> Rewrite<'_, W> {
    fn item(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.puts_until(Some(key))?;
        match (self.edit.puts.remove(key), self.edit.keeps) {
            (Some(put), _) => self.out.put(key, &put),
            (None, Keeps::Others) => self.out.put(key, value),
            (None, Keeps::Nothing) => Ok(()),
        }
    }

    /// Writes the new items that come before this key; all of them where there is none.
    fn puts_until(&mut self, key: Option<&[u8]>) -> io::Result<()> {
        while let Some(put) = self.edit.puts.first_entry().filter(|put| key.is_none_or(|key| put.key().as_slice() < key)) {
            let (key, value) = put.remove_entry();
            self.out.put(&key, &value)?;
        }
        Ok(())
    }

    /// Ends this bucket, and writes those that come before the next one and that the file lacks.
    fn buckets_until(&mut self, name: Option<&[u8]>) -> io::Result<()> {
        self.puts_until(None)?;
        while let Some(entry) = self.edits.first_entry().filter(|entry| name.is_none_or(|name| *entry.key() < name)) {
            let (name, edit) = entry.remove_entry();
            self.out.bucket(name)?;
            self.edit = edit;
            self.puts_until(None)?;
        }
        Ok(())
    }

    fn check_hash(&self, expected: u32) -> Result<(), Error> {
        if self.hash == expected { Ok(()) } else { Err(Error::AnotherFile { expected, found: self.hash }) }
    }

    fn finish(mut self) -> Result<u64, Error> {
        self.buckets_until(None).map_err(unwritable)?;
        let (_, written) = self.out.finish().map_err(unwritable)?;
        Ok(written.bytes)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "what map_err gives")]
fn unwritable(error: io::Error) -> Error {
    Error::Unwritable { path: DATABASE.to_owned(), problem: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::example;
    use crate::restore::{BumpRevision, InitialCluster, Restore, observe, plan};
    use crate::verify::{Verified, Verify};

    type Pair<'a> = (&'a [u8], &'a [u8]);
    type Items = BTreeMap<(String, Vec<u8>), Vec<u8>>;

    fn items<S: ReadAt>(file: &EtcdFile<S>) -> Items {
        let mut items = Items::new();
        let mut visit = |bucket: &[u8], key: &[u8], value: &[u8]| {
            items.insert((String::from_utf8(bucket.to_vec()).unwrap(), key.to_vec()), value.to_vec());
            Ok(())
        };
        file.for_each(&mut visit).unwrap();
        items
    }

    fn restored(restore: &Restore) -> (Items, Verified) {
        let file = EtcdFile::open(example::snapshot()).unwrap();
        let plan = plan(&observe(&file, &Verify::snapshot()).unwrap(), restore, "m0").unwrap();
        let mut out = Cursor::new(Vec::new());
        let bytes = plan.write_database(&file, &mut out, &mut |_| ()).unwrap();
        let database = EtcdFile::open(out.into_inner()).unwrap();
        assert_eq!((bytes, bytes), (database.length(), database.total_size_bytes()));
        (items(&database), database.verify(&Verify::data_directory()).unwrap())
    }

    fn restore() -> Restore {
        Restore::new(InitialCluster::parse("m0=http://a:1,m1=http://b:1", "tok").unwrap())
    }

    #[test]
    fn every_item_is_kept_but_those_that_a_restore_changes() {
        let before = items(&EtcdFile::open(example::snapshot()).unwrap());
        let (mut after, _) = restored(&restore());
        for (name, key) in [("consistent_index", 2), ("term", 1)] {
            assert_eq!(after.remove(&("meta".to_owned(), name.as_bytes().to_vec())).unwrap(), [0, 0, 0, 0, 0, 0, 0, key]);
        }
        let conf_state = after.remove(&("meta".to_owned(), b"confState".to_vec())).unwrap();
        let members: Vec<_> = after.extract_members();
        assert_eq!(members.len(), 2);
        for (id, member) in members {
            let number = u64::from_str_radix(&id, 16).unwrap().to_string();
            assert!(member.starts_with(&format!(r#"{{"id":{number},"peerURLs":["http://"#)), "{member}");
            assert!(String::from_utf8_lossy(&conf_state).contains(&number));
        }
        let kept = before.into_iter().filter(|((bucket, key), _)| bucket != "meta" || (key != b"consistent_index" && key != b"term"));
        assert_eq!(after, kept.collect());
    }

    trait Members {
        fn extract_members(&mut self) -> Vec<(String, String)>;
    }

    impl Members for Items {
        fn extract_members(&mut self) -> Vec<(String, String)> {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let members = self.iter().filter(|((bucket, _), _)| bucket == "members").map(|((_, key), value)| (text(key), text(value))).collect();
            self.retain(|(bucket, _), _| bucket != "members");
            members
        }
    }

    /// A source with everything that a restore drops, changes or keeps, and without most of etcd's buckets.
    fn old_cluster() -> Vec<u8> {
        let mut out = BoltWriter::new(Cursor::new(Vec::new()), 4096).unwrap();
        let member = br#"{"id":1,"peerURLs":["http://old:1"],"name":"old","isLearner":true}"#;
        let buckets: [(&str, &[Pair<'_>]); 6] = [
            ("alarm", &[(&[8, 1, 16, 1], b"")]),
            ("cluster", &[(b"clusterVersion", b"3.5.0"), (b"downgrade", br#"{"target-version":"3.4.0","enabled":true}"#)]),
            ("key", &[]),
            ("members", &[(b"1", member)]),
            ("members_removed", &[(b"2", b"removed")]),
            ("meta", &[(b"confState", br#"{"voters":[1],"auto_leave":false}"#), (b"consistent_index", &[9; 8]), (b"zoo", b"kept")]),
        ];
        for (bucket, items) in buckets {
            out.bucket(bucket.as_bytes()).unwrap();
            for (key, value) in items {
                out.put(key, value).unwrap();
            }
        }
        out.finish().unwrap().0.into_inner()
    }

    #[test]
    fn the_old_cluster_goes_and_all_else_stays() {
        let file = EtcdFile::open(old_cluster()).unwrap();
        let seen = observe(&file, &Verify::data_directory()).unwrap();
        assert_eq!((seen.voters, seen.learners, seen.alarms, seen.is_downgrading), (0, 1, 1, true));
        let plan = plan(&seen, &restore(), "m0").unwrap();
        let mut out = Cursor::new(Vec::new());
        plan.write_database(&file, &mut out, &mut |_| ()).unwrap();
        let database = EtcdFile::open(out.into_inner()).unwrap();
        let names: Vec<_> = Walk::new(&database).names().unwrap();
        assert_eq!(names, BUCKETS, "etcd's buckets are all there");
        let mut after = items(&database);
        assert_eq!(after.extract_members().len(), 2);
        let left: Vec<_> = after.keys().map(|(bucket, key)| format!("{bucket}/{}", key.escape_ascii())).collect();
        let expected = [
            r"alarm/\x08\x01\x10\x01",
            "cluster/clusterVersion",
            "cluster/downgrade",
            "meta/confState",
            "meta/consistent_index",
            "meta/term",
            "meta/zoo",
        ];
        assert_eq!(left, expected);
        assert!(!after.values().any(|value| value == br#"{"voters":[1],"auto_leave":false}"#));
    }

    #[test]
    fn hash_kv_is_that_of_the_file() {
        let before = EtcdFile::open(example::snapshot()).unwrap().verify(&Verify::snapshot()).unwrap();
        let (_, after) = restored(&restore());
        assert_eq!(after.hash_kv, before.hash_kv);
        assert_eq!((after.status.total_key, after.free_pages, after.irregularity), (before.status.total_key, 0, None));
    }

    #[test]
    fn a_bump_adds_one_empty_row_and_marks_all_as_compacted() {
        let (plain, _) = restored(&restore());
        let (mut bumped, verified) = restored(&restore().with_bump_revision(BumpRevision::by(1000).unwrap()));
        let row = Revision { main: 1004, sub: 0 }.bytes().to_vec();
        assert_eq!(bumped.remove(&("key".to_owned(), row.clone())), Some(Vec::new()));
        assert_eq!(bumped.remove(&("meta".to_owned(), b"scheduledCompactRev".to_vec())), Some(row));
        assert_eq!(bumped, plain);
        assert_eq!((verified.status.current_revision, verified.hash_kv.compact_revision), (1004, 1004));
    }

    #[test]
    fn a_plan_for_another_file_is_refused() {
        let file = EtcdFile::open(example::snapshot()).unwrap();
        let plan = plan(&observe(&file, &Verify::snapshot()).unwrap(), &restore(), "m0").unwrap();
        let write = |plan: &RestorePlan, bytes: Vec<u8>| {
            let file = EtcdFile::open(bytes).unwrap();
            plan.write_database(&file, Cursor::new(Vec::new()), &mut |_| ()).unwrap_err()
        };
        let longer = [example::snapshot(), vec![0; 512]].concat();
        assert!(matches!(write(&plan, longer), Error::Changed { .. }));
        let mut other_transaction = plan.clone();
        other_transaction.source.transaction += 1;
        assert!(matches!(write(&other_transaction, example::snapshot()), Error::Written { .. }));
        let mut changed = example::snapshot();
        let value = changed.windows(5).position(|bytes| bytes == b"three").unwrap();
        changed[value] ^= 1;
        assert!(matches!(write(&plan, changed), Error::AnotherFile { .. }));
    }
}
