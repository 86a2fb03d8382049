//! The names of backups, and what the other names in a store are.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::manifest::Compression;
use crate::cluster::ClusterId;

/// `etcd-CLUSTER-REVISION-TIME.db`, with `.zst` behind it where it is packed.
///
/// The revision has 20 digits and the time is UTC to the second, so that names of one cluster sort by revision.
///
/// ```
/// use trimtab_etcd_ops::backup::{BackupName, Compression};
///
/// let name: BackupName = "etcd-cdf818194e3a8c32-00000000000000004711-20261125T031500Z.db.zst".parse()?;
/// assert_eq!((name.revision(), name.compression()), (4711, Compression::Zstd));
/// assert_eq!(name.manifest(), "etcd-cdf818194e3a8c32-00000000000000004711-20261125T031500Z.db.zst.json");
/// assert!("etcd-backup.db".parse::<BackupName>().is_err());
/// # Ok::<(), trimtab_etcd_ops::backup::name::Foreign>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BackupName {
    cluster_id: ClusterId,
    revision: i64,
    taken_at: Timestamp,
    compression: Compression,
}

/// What an object in a store is, as far as its name tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind", content = "of")]
pub enum ObjectName {
    /// A backup.
    Backup(BackupName),
    /// The manifest of this backup.
    Manifest(BackupName),
    /// What a later verification of this backup found.
    Verification(BackupName),
    /// Something half written: its writer works on it, or was killed. Of one of ours, as far as the name tells.
    Temporary(Option<BackupName>),
    /// What a save of ours receives, `trimtab-save-RANDOM.part`: half written, and of which cluster it does not tell.
    Saving,
    /// Anything else; it is not ours.
    Foreign,
}

/// A name that is no backup's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is no backup's name: expected etcd-CLUSTER-REVISION-TIME.db or .db.zst")]
pub struct Foreign {
    name: String,
}

const MANIFEST: &str = ".json";
const VERIFICATION: &str = ".verified.json";
const TEMPORARY: &str = ".part";
const SAVING: &str = "trimtab-save-";
/// How many hexadecimal digits [`ObjectName::saving`] wants.
const RANDOM_DIGITS: usize = 16;

impl BackupName {
    /// The name of a backup; the time is cut off to the second.
    ///
    /// A revision below 0 becomes 0 and a time before 1970 becomes 1970, which no etcd has: so every name parses again.
    #[must_use]
    pub fn new(cluster_id: ClusterId, revision: i64, taken_at: Timestamp, compression: Compression) -> Self {
        let taken_at = Timestamp::from_second(taken_at.as_second().max(0)).unwrap_or(Timestamp::UNIX_EPOCH);
        Self { cluster_id, revision: revision.max(0), taken_at, compression }
    }

    /// The cluster that it is of.
    #[must_use]
    pub const fn cluster_id(&self) -> ClusterId {
        self.cluster_id
    }

    /// The newest revision in it.
    #[must_use]
    pub const fn revision(&self) -> i64 {
        self.revision
    }

    /// When it was taken, to the second.
    #[must_use]
    pub const fn taken_at(&self) -> Timestamp {
        self.taken_at
    }

    /// How it is packed.
    #[must_use]
    pub const fn compression(&self) -> Compression {
        self.compression
    }

    /// The name of its manifest.
    #[must_use]
    pub fn manifest(&self) -> String {
        format!("{self}{MANIFEST}")
    }

    /// The name of the record of its last verification in the store.
    #[must_use]
    pub fn verification(&self) -> String {
        format!("{self}{VERIFICATION}")
    }

    /// The beginning of every temporary name of it; its writer puts something of its own behind it, and then [`Self::TEMPORARY`].
    #[must_use]
    pub fn temporary_prefix(&self) -> String {
        format!("{self}.")
    }

    /// The end of every temporary name.
    pub const TEMPORARY: &'static str = TEMPORARY;
}

impl ObjectName {
    /// What an object of this name is. Every name has an answer.
    ///
    /// ```
    /// use trimtab_etcd_ops::backup::ObjectName;
    ///
    /// assert_eq!(ObjectName::of("snapshot.db"), ObjectName::Foreign);
    /// assert_eq!(ObjectName::of("snapshot.db.part"), ObjectName::Temporary(None)); // what etcdctl leaves behind
    /// ```
    #[must_use]
    pub fn of(name: &str) -> Self {
        let ours = |end: &str| name.strip_suffix(end).and_then(|name| name.parse().ok());
        if let Ok(backup) = name.parse() {
            Self::Backup(backup)
        } else if let Some(backup) = ours(VERIFICATION) {
            Self::Verification(backup)
        } else if let Some(backup) = ours(MANIFEST) {
            Self::Manifest(backup)
        } else if let Some(rest) = name.strip_suffix(TEMPORARY) {
            if rest.strip_prefix(SAVING).is_some_and(is_random) { Self::Saving } else { Self::Temporary(begins_with(rest)) }
        } else {
            Self::Foreign
        }
    }

    /// The name of what a save receives, told from others by a number.
    #[must_use]
    pub fn saving(random: u64) -> String {
        format!("{SAVING}{random:016x}{TEMPORARY}")
    }
}

/// Whether it is the number in [`ObjectName::saving`], and in the names that a save announces.
pub(crate) fn is_random(text: &str) -> bool {
    text.len() == RANDOM_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The longest backup's name that ends at a point of `text`.
fn begins_with(text: &str) -> Option<BackupName> {
    let ends = [text.len()].into_iter().chain(text.rmatch_indices('.').map(|(at, _)| at));
    ends.filter_map(|end| text.get(..end)).find_map(|name| name.parse().ok())
}

impl FromStr for BackupName {
    type Err = Foreign;

    /// Takes exactly what [`Display`](fmt::Display) writes; a leading zero in the cluster's id is foreign.
    fn from_str(text: &str) -> Result<Self, Foreign> {
        read(text).filter(|name| name.to_string() == text).ok_or_else(|| Foreign { name: text.chars().take(200).collect() })
    }
}

fn read(text: &str) -> Option<BackupName> {
    let (plain, compression) = match text.strip_suffix(".zst") {
        Some(plain) => (plain, Compression::Zstd),
        None => (text, Compression::None),
    };
    let mut parts = plain.strip_prefix("etcd-")?.strip_suffix(".db")?.split('-');
    let cluster_id = ClusterId(u64::from_str_radix(parts.next()?, 16).ok()?);
    let revision = parts.next()?.parse().ok()?;
    let taken_at = read_time(parts.next()?)?;
    let name = BackupName { cluster_id, revision, taken_at, compression };
    parts.next().is_none().then_some(name)
}

/// `20261125T031500Z`
fn read_time(text: &str) -> Option<Timestamp> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i16>().ok();
    let small = |from: usize| number(from, from + 2).and_then(|number| i8::try_from(number).ok());
    let civil = DateTime::new(number(0, 4)?, small(4)?, small(6)?, small(9)?, small(11)?, small(13)?, 0).ok()?;
    TimeZone::UTC.to_timestamp(civil).ok()
}

impl fmt::Display for BackupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = TimeZone::UTC.to_datetime(self.taken_at);
        write!(f, "etcd-{}-{:020}-", self.cluster_id, self.revision)?;
        write!(f, "{:04}{:02}{:02}T", at.year(), at.month(), at.day())?;
        write!(f, "{:02}{:02}{:02}Z.db", at.hour(), at.minute(), at.second())?;
        f.write_str(match self.compression {
            Compression::None => "",
            Compression::Zstd => ".zst",
        })
    }
}

impl TryFrom<String> for BackupName {
    type Error = Foreign;

    fn try_from(text: String) -> Result<Self, Foreign> {
        text.parse()
    }
}

impl From<BackupName> for String {
    fn from(name: BackupName) -> Self {
        name.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_name_is_read_as_what_it_was_written_as(cluster in any::<u64>(), revision in 0..=i64::MAX, second in 0_i64..253_402_207_200, packed in any::<bool>()) {
            let compression = if packed { Compression::Zstd } else { Compression::None };
            let name = BackupName::new(ClusterId(cluster), revision, Timestamp::from_second(second).unwrap(), compression);
            prop_assert_eq!(name.to_string().parse::<BackupName>().unwrap(), name);
            prop_assert_eq!(ObjectName::of(&name.to_string()), ObjectName::Backup(name));
            prop_assert_eq!(ObjectName::of(&name.manifest()), ObjectName::Manifest(name));
            prop_assert_eq!(ObjectName::of(&name.verification()), ObjectName::Verification(name));
            for of in [name.to_string(), name.manifest()] {
                prop_assert_eq!(ObjectName::of(&format!("{of}.part")), ObjectName::Temporary(Some(name)));
                prop_assert_eq!(ObjectName::of(&format!("{of}.5f3a.part")), ObjectName::Temporary(Some(name)));
            }
        }

        #[test]
        fn names_of_one_cluster_sort_by_revision(first in 0..=i64::MAX, second in 0..=i64::MAX) {
            let name = |revision| BackupName::new(ClusterId(1), revision, Timestamp::UNIX_EPOCH, Compression::None).to_string();
            prop_assert_eq!(first.cmp(&second), name(first).cmp(&name(second)));
        }

        #[test]
        fn any_text_has_an_answer(text in any::<String>(), tail in "[-0-9a-zTZ.]{0,60}") {
            let _ = (ObjectName::of(&text), ObjectName::of(&format!("etcd-{tail}")));
        }
    }

    #[test]
    fn what_is_not_written_like_that_is_foreign() {
        for name in [
            "",
            "etcd-1-00000000000000000005-20261125T031500Z",
            "etcd-1-5-20261125T031500Z.db",
            "etcd-01-00000000000000000005-20261125T031500Z.db",
            "etcd-A-00000000000000000005-20261125T031500Z.db",
            "etcd-1-0000000000000000005-20261125T031500Z.db",
            "etcd-1--0000000000000000005-20261125T031500Z.db",
            "etcd-1-00000000000000000005-20261125T036000Z.db",
            "etcd-1-00000000000000000005-20260230T031500Z.db",
            "etcd-1-00000000000000000005-20261125T031500Z.db.gz",
            "etcd-1-00000000000000000005-20261125T031500Z-2.db",
            "../etcd-1-00000000000000000005-20261125T031500Z.db",
            "etcd-1-00000000000000000005-２0261125T031500Z.db",
        ] {
            assert_eq!(ObjectName::of(name), ObjectName::Foreign, "{name}");
        }
    }

    #[test]
    fn what_a_save_receives_is_told_from_what_others_leave_behind() {
        assert_eq!(ObjectName::of(&ObjectName::saving(0xa5)), ObjectName::Saving);
        for of_others in ["trimtab-save-.part", "trimtab-save-xyz.part", "trimtab-save-00112233445566a.part", "snapshot.db.part"] {
            assert_eq!(ObjectName::of(of_others), ObjectName::Temporary(None), "{of_others}");
        }
        assert_eq!(ObjectName::of("trimtab-save-00112233445566aa"), ObjectName::Foreign);
    }

    #[test]
    fn a_fraction_of_a_second_is_cut_off() {
        let at: Timestamp = "2026-11-25T03:15:00.999Z".parse().unwrap();
        let name = BackupName::new(ClusterId(1), 5, at, Compression::None);
        assert_eq!(name.to_string(), "etcd-1-00000000000000000005-20261125T031500Z.db");
    }
}
