//! etcd releases, and what changed between them in how a file is read.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// An etcd release from 3.4 to 3.7: a minor and, where known, a patch.
///
/// Without a patch the newest one of that minor is meant, so `3.5` sorts after `3.5.35`.
///
/// ```
/// use trimtab_etcd_file::EtcdVersion;
///
/// let version: EtcdVersion = "v3.5.35".parse()?;
/// assert_eq!((version.minor(), version.patch()), (5, Some(35)));
/// assert!(version < EtcdVersion::newest_of(5)?);
/// assert!("3.3.27".parse::<EtcdVersion>().is_err());
/// # Ok::<(), trimtab_etcd_file::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EtcdVersion {
    minor: u8,
    /// `u16::MAX` stands for "the newest patch of that minor".
    patch: u16,
}

const NEWEST: u16 = u16::MAX;

impl EtcdVersion {
    /// The oldest minor that is supported.
    pub const MIN: Self = Self { minor: 4, patch: 0 };
    /// The newest minor that is supported.
    pub const MAX: Self = Self { minor: 7, patch: NEWEST };

    /// The newest patch of `3.minor`.
    ///
    /// # Errors
    /// [`Error::InvalidVersion`] outside of 3.4 to 3.7.
    pub fn newest_of(minor: u8) -> Result<Self, Error> {
        Self { minor, patch: NEWEST }.checked(&format!("3.{minor}"))
    }

    /// The minor: 6 of 3.6.16.
    #[must_use]
    pub const fn minor(self) -> u8 {
        self.minor
    }

    /// The patch: 16 of 3.6.16; none where the newest one is meant.
    #[must_use]
    pub const fn patch(self) -> Option<u16> {
        if self.patch == NEWEST { None } else { Some(self.patch) }
    }

    fn checked(self, text: &str) -> Result<Self, Error> {
        let known = Self::MIN.minor <= self.minor && self.minor <= Self::MAX.minor;
        if known { Ok(self) } else { Err(invalid(text)) }
    }
}

fn invalid(text: &str) -> Error {
    Error::InvalidVersion { text: text.chars().take(40).collect() }
}

impl FromStr for EtcdVersion {
    type Err = Error;

    /// Reads `3.6.16`, `v3.6.16`, `3.6`, and suffixes behind a patch (`3.5.0-rc.1`, `3.5.9+vendor`), which are passed over.
    fn from_str(text: &str) -> Result<Self, Error> {
        let plain = text.strip_prefix('v').unwrap_or(text);
        let plain = plain.split_once(['-', '+']).map_or(plain, |(release, _)| release);
        let mut parts = plain.split('.');
        let (major, minor, patch) = (parts.next(), parts.next(), parts.next());
        let (Some("3"), Some(minor), None) = (major, minor, parts.next()) else { return Err(invalid(text)) };
        let patch = patch.map_or(Ok(NEWEST), str::parse).map_err(|_| invalid(text))?;
        Self { minor: minor.parse().map_err(|_| invalid(text))?, patch }.checked(text)
    }
}

impl TryFrom<String> for EtcdVersion {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<EtcdVersion> for String {
    fn from(version: EtcdVersion) -> Self {
        version.to_string()
    }
}

impl fmt::Display for EtcdVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.patch() {
            Some(patch) => write!(f, "3.{}.{patch}", self.minor),
            None => write!(f, "3.{}", self.minor),
        }
    }
}

/// What a release of etcd does with a file where others do something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    /// HashKV passes over a tombstone that stands at the compaction's revision, so that releases that keep it and releases that drop it agree.
    pub(crate) hash_kv_skips_tombstone_at_compaction: bool,
    /// HashKV at the compaction's own revision is refused as compacted.
    pub(crate) hash_kv_refuses_compaction_itself: bool,
}

struct Row {
    since: EtcdVersion,
    rules: Rules,
}

const fn row(minor: u8, patch: u16, skips: bool, refuses: bool) -> Row {
    let rules = Rules { hash_kv_skips_tombstone_at_compaction: skips, hash_kv_refuses_compaction_itself: refuses };
    Row { since: EtcdVersion { minor, patch }, rules }
}

/// `server/mvcc/hash.go` and `kvstore.go` of each tag (3.4: `mvcc/kvstore.go`).
const RULES: &[Row] = &[
    row(4, 0, false, true),
    row(4, 27, false, false),
    row(4, 34, true, false),
    row(5, 0, false, true),
    row(5, 10, false, false),
    row(5, 16, true, false),
    row(6, 0, true, false),
];

impl Rules {
    pub(crate) fn at(version: EtcdVersion) -> Self {
        let mut found = RULES[0].rules;
        for row in RULES.iter().filter(|row| row.since <= version) {
            found = row.rules;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_ascend_and_begin_with_the_oldest_release() {
        assert_eq!(RULES[0].since, EtcdVersion::MIN);
        assert!(RULES.windows(2).all(|pair| pair[0].since < pair[1].since));
    }

    #[test]
    fn a_backported_fix_holds_in_its_own_minor_only() {
        let skips = |text: &str| Rules::at(text.parse().unwrap()).hash_kv_skips_tombstone_at_compaction;
        assert_eq!(["3.4.33", "3.4.34", "3.5.1", "3.5.15", "3.5.16", "3.6.0", "3.7"].map(skips), [false, true, false, false, true, true, true]);
    }

    #[test]
    fn what_is_no_version_is_refused_by_name() {
        for text in ["", "3", "4.0.0", "3.8.0", "3.3.1", "3.x", "3.5.x", "3.5.1.2", "v"] {
            assert_eq!(text.parse::<EtcdVersion>(), Err(Error::InvalidVersion { text: text.to_owned() }));
        }
        assert_eq!("3.5.0-rc.1".parse::<EtcdVersion>().unwrap().to_string(), "3.5.0");
        assert_eq!("3.6".parse::<EtcdVersion>().unwrap().to_string(), "3.6");
    }
}
