//! Kubernetes releases, as clusters report them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A Kubernetes release from 1.12 to 1.37: a minor and, where known, a patch.
///
/// Without a patch the newest one of that minor is meant, so `1.30` sorts after `1.30.14`.
/// Reads what clusters report: a leading `v`, vendor suffixes, a minor with `+`, pre-releases (read as the release they lead to).
///
/// ```
/// use trimtab_core::KubeVersion;
///
/// let gke: KubeVersion = "v1.34.2-gke.1".parse()?;
/// assert_eq!((gke.minor(), gke.patch()), (34, Some(2)));
/// let eks: KubeVersion = "1.21+".parse()?;
/// assert_eq!((eks.minor(), eks.patch()), (21, None));
/// assert!(gke > eks);
/// # Ok::<(), trimtab_core::version::VersionError>(())
/// ```
///
/// Outside the range the error offers the nearest release, and nothing is clamped silently:
///
/// ```
/// use trimtab_core::KubeVersion;
///
/// let error = "1.41.0".parse::<KubeVersion>().unwrap_err();
/// assert_eq!(error.nearest(), Some(KubeVersion::MAX));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KubeVersion {
    minor: u8,
    /// `u16::MAX` stands for "the newest patch of that minor".
    patch: u16,
}

/// Why a text is no [`KubeVersion`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VersionError {
    /// The text does not read as `MAJOR.MINOR[.PATCH][suffix]`.
    #[error("{text:?} is no Kubernetes version: write it as clusters report it, for example \"1.34\" or \"v1.30.4-eks-a1b2c3\"")]
    Unreadable {
        /// What was given, cut to 80 characters.
        text: String,
    },
    /// The release lies outside of what trimtab knows.
    #[error(
        "Kubernetes {text} is outside of {} to {}; the nearest known release is {nearest}, pass that if its rules will do",
        KubeVersion::MIN,
        KubeVersion::MAX
    )]
    OutOfRange {
        /// What was given, cut to 80 characters.
        text: String,
        /// The closest release that trimtab knows.
        nearest: KubeVersion,
    },
}

impl VersionError {
    /// The closest known release, where the text named a release at all.
    #[must_use]
    pub fn nearest(&self) -> Option<KubeVersion> {
        match self {
            Self::Unreadable { .. } => None,
            Self::OutOfRange { nearest, .. } => Some(*nearest),
        }
    }
}

impl KubeVersion {
    /// The oldest release trimtab knows: 1.12.
    pub const MIN: Self = Self { minor: 12, patch: NEWEST };
    /// The newest release trimtab knows: 1.37.
    pub const MAX: Self = Self { minor: 37, patch: NEWEST };

    /// The newest patch of `1.minor`.
    ///
    /// # Errors
    /// [`VersionError::OutOfRange`] where the minor lies outside of 12 to 37.
    ///
    /// ```
    /// # use trimtab_core::KubeVersion;
    /// assert_eq!(KubeVersion::new(34)?.to_string(), "1.34");
    /// # Ok::<(), trimtab_core::version::VersionError>(())
    /// ```
    pub fn new(minor: u64) -> Result<Self, VersionError> {
        Self::ranged(minor, NEWEST, || format!("1.{minor}"))
    }

    /// Exactly `1.minor.patch`; patches above 65,534 count as the newest.
    ///
    /// # Errors
    /// [`VersionError::OutOfRange`] where the minor lies outside of 12 to 37.
    ///
    /// ```
    /// # use trimtab_core::KubeVersion;
    /// assert!(KubeVersion::with_patch(30, 14)? < KubeVersion::new(30)?);
    /// # Ok::<(), trimtab_core::version::VersionError>(())
    /// ```
    pub fn with_patch(minor: u64, patch: u16) -> Result<Self, VersionError> {
        Self::ranged(minor, patch, || format!("1.{minor}.{patch}"))
    }

    /// The release in which a row of a table begins; a wrong one does not compile.
    pub(crate) const fn row(minor: u8, patch: u16) -> Self {
        assert!(minor >= Self::MIN.minor && minor <= Self::MAX.minor, "a row lies within 1.12 to 1.37");
        Self { minor, patch }
    }

    /// The minor, from 12 to 37.
    #[must_use]
    pub const fn minor(self) -> u8 {
        self.minor
    }

    /// The patch, or `None` where the newest one is meant.
    #[must_use]
    pub const fn patch(self) -> Option<u16> {
        if self.patch == NEWEST { None } else { Some(self.patch) }
    }

    /// Compares in constant evaluation, where `Ord` cannot be called.
    pub(crate) const fn is_before(self, other: Self) -> bool {
        self.minor < other.minor || (self.minor == other.minor && self.patch < other.patch)
    }

    fn ranged(minor: u64, patch: u16, text: impl Fn() -> String) -> Result<Self, VersionError> {
        let out = |nearest| VersionError::OutOfRange { text: text(), nearest };
        match u8::try_from(minor) {
            Ok(known) if known < Self::MIN.minor => Err(out(Self::MIN)),
            Ok(known) if known <= Self::MAX.minor => Ok(Self { minor: known, patch }),
            Ok(_) | Err(_) => Err(out(Self::MAX)),
        }
    }
}

impl FromStr for KubeVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let shown: String = text.trim().chars().take(80).collect();
        let Some((major, minor, patch)) = numbers(text.trim()) else {
            return Err(VersionError::Unreadable { text: shown });
        };
        match major {
            0 => Err(VersionError::OutOfRange { text: shown, nearest: Self::MIN }),
            1 => Self::ranged(minor, patch, || shown.clone()),
            _ => Err(VersionError::OutOfRange { text: shown, nearest: Self::MAX }),
        }
    }
}

impl fmt::Display for KubeVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.patch() {
            Some(patch) => write!(f, "1.{}.{patch}", self.minor),
            None => write!(f, "1.{}", self.minor),
        }
    }
}

impl fmt::Debug for KubeVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KubeVersion({self})")
    }
}

impl Serialize for KubeVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KubeVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

const NEWEST: u16 = u16::MAX;

/// Splits `[v]MAJOR.MINOR[.PATCH][suffix]` into its numbers; the suffix starts with `-` or `+`.
fn numbers(text: &str) -> Option<(u64, u64, u16)> {
    let bare = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let end = bare.find(['-', '+']).unwrap_or(bare.len());
    let (release, suffix) = bare.split_at(end);
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.' | '_' | '~');
    if !suffix.chars().all(allowed) {
        return None;
    }
    let mut parts = release.split('.');
    let (major, minor) = (number(parts.next()?)?, number(parts.next()?)?);
    let patch = match parts.next() {
        Some(patch) => number(patch)?.try_into().unwrap_or(NEWEST),
        None => NEWEST,
    };
    parts.next().is_none().then_some((major, minor, patch))
}

/// A run of digits, saturating: a longer one only has to stay out of range.
fn number(digits: &str) -> Option<u64> {
    let valid = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    valid.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> KubeVersion {
        text.parse().unwrap()
    }

    #[test]
    fn what_clusters_report_is_read() {
        for (text, minor, patch) in [
            ("v1.34.2-gke.1", 34, Some(2)),
            ("1.21+", 21, None),
            ("v1.30.4-eks-a1b2c3", 30, Some(4)),
            ("v1.28.5+k3s1", 28, Some(5)),
            ("1.37", 37, None),
            ("v1.25.4+77bec7a", 25, Some(4)),
            ("v1.37.0-alpha.3.12+0123456789abcd", 37, Some(0)),
            (" v1.12.10 ", 12, Some(10)),
        ] {
            assert_eq!((read(text).minor(), read(text).patch()), (minor, patch), "{text}");
        }
    }

    #[test]
    fn a_release_without_patch_means_its_newest() {
        assert!(read("1.30") > read("1.30.14"));
        assert!(read("1.30") < read("1.31.0"));
    }

    #[test]
    fn outside_of_the_range_the_nearest_is_offered_and_never_taken() {
        let nearest = |text: &str| text.parse::<KubeVersion>().unwrap_err().nearest();
        assert_eq!(nearest("1.11.3"), Some(KubeVersion::MIN));
        assert_eq!(nearest("1.38.0"), Some(KubeVersion::MAX));
        assert_eq!(nearest("0.9"), Some(KubeVersion::MIN));
        assert_eq!(nearest("2.0"), Some(KubeVersion::MAX));
        assert_eq!(nearest("1.99999999999999999999999"), Some(KubeVersion::MAX));
    }

    #[test]
    fn garbage_is_unreadable() {
        for text in ["", "1", "v", "1.", "1.x", "one.two", "1.30.4.5", "1.30 beta", "v1.30.", "1.30.4-é", "1.-30"] {
            let error = text.parse::<KubeVersion>().unwrap_err();
            assert!(matches!(error, VersionError::Unreadable { .. }), "{text}: {error}");
        }
    }

    #[test]
    fn serde_keeps_what_display_shows() {
        let json = serde_json::to_string(&read("v1.34.2-gke.1")).unwrap();
        assert_eq!(json, "\"1.34.2\"");
        assert_eq!(serde_json::from_str::<KubeVersion>(&json).unwrap(), read("1.34.2"));
    }

    proptest! {
        #[test]
        fn any_text_gives_a_version_or_an_error(text in ".{0,40}") {
            let _ = text.parse::<KubeVersion>();
        }

        #[test]
        fn what_is_shown_reads_back(minor in 12_u64..=37, patch in 0_u16..2000) {
            let version = KubeVersion::with_patch(minor, patch).unwrap();
            prop_assert_eq!(read(&version.to_string()), version);
        }
    }
}
