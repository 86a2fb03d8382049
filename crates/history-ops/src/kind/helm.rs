//! Records of Helm: `removeLeastRecent` of its storage.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::object::Meta;

/// One record: one revision of one release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HelmRecord {
    /// Who it is.
    pub meta: Meta,
    /// Which Helm wrote it.
    pub generation: Generation,
    /// The label `name` (`NAME` for Tiller): the release.
    pub release: String,
    /// The label `version` (`VERSION`).
    pub version: i64,
    /// The label `status` (`STATUS`), in lower case: `deployed`, `superseded`, `failed`, `uninstalled`, `pending-upgrade`.
    pub status: String,
    /// The label `modifiedAt` (`MODIFIED_AT`), else `createdAt`; none in a record of the first install.
    pub modified: Option<Timestamp>,
    /// What its payload says, where it was read; none where only its metadata was.
    pub payload: Option<Payload>,
}

impl HelmRecord {
    /// What is wrong with its name: Helm finds and deletes a record by that alone, so that a copy under another name is none of its own.
    ///
    /// Source: `makeKey`, `pkg/storage/storage.go` of helm v2.17.0 and v4.3.1.
    pub(crate) fn misnamed(&self) -> Option<String> {
        let name = match self.generation {
            Generation::Helm3 => format!("sh.helm.release.v1.{}.v{}", self.release, self.version),
            Generation::Tiller => format!("{}.v{}", self.release, self.version),
        };
        (self.meta.object.name != name).then(|| format!("by them its name would be {name}"))
    }
}

/// Which Helm wrote a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Generation {
    /// Helm 3 and 4: label `owner=helm`.
    Helm3,
    /// Helm 2: label `OWNER=TILLER`, in Tiller's namespace.
    Tiller,
}

/// Whether the payload of a record can be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "payload")]
pub enum Payload {
    /// It is a release, and the labels tell what it says.
    Agrees,
    /// It is a release, and the labels tell something else: somebody edited them.
    Differs {
        /// What it says: name, version, status.
        says: String,
    },
    /// It cannot be read. Helm does not see such a record, so that it never counts and never prunes it.
    Unreadable {
        /// Why.
        problem: crate::record::RecordProblem,
    },
}

/// How Helm prunes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HelmRules {
    /// What happens where no record is `deployed`.
    pub without_deployed: WithoutDeployed,
}

/// What happens where no record is `deployed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithoutDeployed {
    /// It prunes: Helm 3 and 4.
    Prunes,
    /// It fails, and never prunes a release that never succeeded: Helm 2.
    Fails,
}

impl Generation {
    /// How this Helm prunes. Source: `pkg/storage/storage.go` of helm v2.17.0 and v4.1.
    #[must_use]
    pub const fn rules(self) -> HelmRules {
        match self {
            Self::Helm3 => HelmRules { without_deployed: WithoutDeployed::Prunes },
            Self::Tiller => HelmRules { without_deployed: WithoutDeployed::Fails },
        }
    }

    /// How many records it keeps where nobody says otherwise; 0 is no limit.
    #[must_use]
    pub const fn default_max_history(self) -> u32 {
        match self {
            Self::Helm3 => 10,
            Self::Tiller => 0,
        }
    }
}

/// A record as the rule looks at it: its version, and whether it is `deployed`.
pub trait Record {
    /// The revision of the release.
    fn version(&self) -> i64;
    /// Whether its status is `deployed`.
    fn is_deployed(&self) -> bool;
}

impl Record for HelmRecord {
    fn version(&self) -> i64 {
        self.version
    }

    fn is_deployed(&self) -> bool {
        self.status == "deployed"
    }
}

/// Which records Helm deletes so that at most `most` stay, oldest first; the highest that is `deployed` always stays, whatever its place.
///
/// Before it writes a new record Helm asks for one less than `--history-max`; what is there already is pruned with the whole of it.
/// Source: `removeLeastRecent`, `pkg/storage/storage.go` of helm v4.1; v2.17.0 but for `rules`.
#[must_use]
pub fn remove_least_recent<'a, R: Record>(most: usize, records: &[&'a R], rules: &HelmRules) -> Vec<&'a R> {
    let mut sorted = records.to_vec();
    sorted.sort_by_key(|record| record.version());
    let kept = sorted.iter().rev().find(|record| record.is_deployed()).map(|record| record.version());
    if kept.is_none() && rules.without_deployed == WithoutDeployed::Fails {
        return Vec::new();
    }
    let over = sorted.len().saturating_sub(most);
    sorted.into_iter().filter(|record| Some(record.version()) != kept).take(over).collect()
}

/// The labels of a record, as they stand in `metadata.labels`; none where they are no record's.
pub(crate) struct Labels {
    pub(crate) generation: Generation,
    pub(crate) release: String,
    pub(crate) version: Option<i64>,
    pub(crate) status: String,
    pub(crate) modified: Option<Timestamp>,
}

impl Labels {
    pub(crate) fn of(labels: &BTreeMap<String, String>) -> Option<Self> {
        let (generation, upper) = match (labels.get("owner").map(String::as_str), labels.get("OWNER").map(String::as_str)) {
            (Some("helm"), _) => (Generation::Helm3, false),
            (_, Some("TILLER")) => (Generation::Tiller, true),
            _ => return None,
        };
        let label = |small: &str, big: &str| labels.get(if upper { big } else { small });
        let second = |text: &String| text.parse().ok().and_then(|second| Timestamp::from_second(second).ok());
        Some(Self {
            generation,
            release: label("name", "NAME").cloned().unwrap_or_default(),
            version: label("version", "VERSION").and_then(|version| version.parse().ok()),
            status: label("status", "STATUS").map(|status| status.to_lowercase()).unwrap_or_default(),
            modified: label("modifiedAt", "MODIFIED_AT").or(label("createdAt", "CREATED_AT")).and_then(second),
        })
    }
}
