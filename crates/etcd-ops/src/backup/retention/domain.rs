//! The nouns of a retention, and the pure decisions about one step.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use trimtab_core::plan::{Domain, Outcome};

use super::rule::{Rule, listed};
use crate::backup::catalog::{Object, Unverified};
use crate::backup::span::Span;
use crate::cluster::ClusterId;
use crate::error::Error;
use crate::maintenance::Mib;

/// The domain of deletions in a store of backups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "action")]
pub enum Action {
    /// Deletes these objects, in this order. A run that is ended in between leaves something that goes by the same rule: of a backup its
    /// manifest, of a file that does not count the file.
    Delete {
        /// Their names in the store.
        names: Vec<String>,
        /// What they occupy together.
        size_bytes: u64,
    },
}

/// What has to hold right before a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "guard")]
pub enum Guard {
    /// It is the store that was listed.
    Store {
        /// Where: `s3://bucket/prefix`, or a directory.
        location: String,
    },
    /// The newest verified backup of the cluster, with its sidecars, is there as it was listed.
    Stays {
        /// The file first.
        objects: Vec<Object>,
    },
    /// What is to be deleted is as it was listed, where it is still there.
    Unchanged {
        /// The file first.
        objects: Vec<Object>,
    },
    /// There is no object of this name.
    Absent {
        /// The name.
        name: String,
    },
}

/// What a guard found instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "found")]
pub enum Refusal {
    /// Another store.
    AnotherStore {
        /// Where.
        location: String,
    },
    /// An object that has to stay is gone.
    Gone {
        /// Its name.
        name: String,
    },
    /// An object was written again.
    Changed {
        /// As it was listed.
        listed: Box<Object>,
        /// As it is.
        now: Box<Object>,
    },
    /// An object has appeared.
    Appeared {
        /// As it is.
        object: Object,
    },
}

/// Why something stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "reason")]
pub enum Reason {
    /// The policy keeps it.
    Kept {
        /// By every one of these rules.
        rules: Vec<Rule>,
    },
    /// It was taken after now: one of the clocks is wrong. It counts for nothing until then.
    FromTheFuture {
        /// When, by its name.
        taken_at: Timestamp,
        /// Now, as it was given.
        now: Timestamp,
    },
    /// It does not count as a backup.
    Unverified {
        /// Why it does not count.
        why: Unverified,
        /// Why it stays all the same.
        stays: Stays,
    },
    /// It is half written.
    Unfinished {
        /// Why it stays.
        stays: Stays,
    },
    /// Its backup is gone, which the policy would have kept: the trace of a loss.
    FileMissing {
        /// By these rules.
        rules: Vec<Rule>,
    },
    /// Its name is not one of ours, so it is never touched.
    Foreign,
    /// It is of another cluster than the one that was asked for.
    OtherCluster {
        /// Which.
        cluster_id: ClusterId,
    },
    /// The cluster has no backup that counts.
    NoVerified {
        /// How many files have a backup's name.
        files: usize,
    },
}

/// Why something that does not count stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "stays")]
pub enum Stays {
    /// The policy does not ask for its deletion.
    NotAsked,
    /// It may still be worked on.
    Young {
        /// Its age.
        age_seconds: u64,
        /// From which age on it goes.
        after_seconds: u64,
    },
    /// No newer backup counts: it may be the best there is.
    NoNewerVerified,
    /// A newer trimtab wrote its manifest, or the record of its verification.
    NewerFormat,
    /// Only the record of its verification cannot be read.
    MayBeSound,
    /// It does not tell its cluster, and the policy is for one.
    OfNoCluster,
}

/// What the plan announces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "notice")]
pub enum Notice {
    /// What goes and what stays.
    Frees {
        /// How many entries go.
        files: usize,
        /// What they occupy.
        freed_bytes: u64,
        /// How many verified backups stay, in however many forms.
        kept: usize,
    },
}

/// What is seen right before a step: the objects that it and its guards name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreSeen {
    /// Where.
    pub location: String,
    /// Those that are there.
    pub objects: Vec<Object>,
}

impl StoreSeen {
    fn object(&self, name: &str) -> Option<&Object> {
        self.objects.iter().find(|object| object.name == name)
    }
}

impl Action {
    /// What is deleted, in this order.
    #[must_use]
    pub fn names(&self) -> &[String] {
        match self {
            Self::Delete { names, .. } => names,
        }
    }

    /// What it frees.
    #[must_use]
    pub const fn size_bytes(&self) -> u64 {
        match self {
            Self::Delete { size_bytes, .. } => *size_bytes,
        }
    }
}

impl Domain for Retention {
    type Action = Action;
    type Guard = Guard;
    type Refusal = Refusal;
    type Reason = Reason;
    type Notice = Notice;
    type Failure = Error;
    type Seen = StoreSeen;

    fn effect_holds(action: &Action, seen: &StoreSeen, _acted: &[Action]) -> bool {
        match action {
            Action::Delete { names, .. } => names.iter().all(|name| seen.object(name).is_none()),
        }
    }

    fn check(guard: &Guard, seen: &StoreSeen) -> Result<(), Refusal> {
        match guard {
            Guard::Store { location } if *location == seen.location => Ok(()),
            Guard::Store { .. } => Err(Refusal::AnotherStore { location: seen.location.clone() }),
            Guard::Stays { objects } => objects.iter().try_for_each(|listed| match seen.object(&listed.name) {
                Some(_) => unchanged(listed, seen),
                None => Err(Refusal::Gone { name: listed.name.clone() }),
            }),
            Guard::Unchanged { objects } => objects.iter().try_for_each(|listed| unchanged(listed, seen)),
            Guard::Absent { name } => seen.object(name).map_or(Ok(()), |object| Err(Refusal::Appeared { object: object.clone() })),
        }
    }

    /// In another store every effect "already holds".
    fn is_identity(guard: &Guard) -> bool {
        matches!(guard, Guard::Store { .. })
    }

    fn is_obstacle(reason: &Reason) -> bool {
        match reason {
            Reason::NoVerified { .. } => true,
            Reason::Kept { .. }
            | Reason::FromTheFuture { .. }
            | Reason::Unverified { .. }
            | Reason::Unfinished { .. }
            | Reason::FileMissing { .. }
            | Reason::Foreign
            | Reason::OtherCluster { .. } => false,
        }
    }

    /// One object that the store will not delete, one under a lock for instance, says nothing about the others.
    fn goes_on_after(outcome: &Outcome<Self>) -> bool {
        matches!(outcome, Outcome::Failed { failure: Error::StoreRefuses { .. } })
    }
}

fn unchanged(listed: &Object, seen: &StoreSeen) -> Result<(), Refusal> {
    match seen.object(&listed.name) {
        Some(now) if now != listed => Err(Refusal::Changed { listed: Box::new(listed.clone()), now: Box::new(now.clone()) }),
        Some(_) | None => Ok(()),
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Delete { names, size_bytes } = self;
        let size = Mib(i64::try_from(*size_bytes).unwrap_or(i64::MAX));
        match names.len() {
            0 | 1 => write!(f, "delete ({size})"),
            2 => write!(f, "delete with its sidecar ({size})"),
            more => write!(f, "delete with its {} sidecars ({size})", more - 1),
        }
    }
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store { location } => write!(f, "it is {location}"),
            Self::Stays { objects } => {
                write!(f, "the newest verified backup, {}, is there as it was listed", objects.first().map_or("", |object| object.name.as_str()))
            }
            Self::Unchanged { objects } => match objects.first() {
                Some(object) => write!(f, "it is as it was listed ({} bytes, {})", object.size_bytes, object.last_modified),
                None => f.write_str("it is as it was listed"),
            },
            Self::Absent { name } => write!(f, "{name} is not there"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AnotherStore { location } => write!(f, "it is {location}"),
            Self::Gone { name } => write!(f, "{name} is gone: list the store and plan again"),
            Self::Changed { listed, now } => write!(
                f,
                "{} has {} bytes of {} now, it was listed with {} of {}: list the store and plan again",
                now.name, now.size_bytes, now.last_modified, listed.size_bytes, listed.last_modified
            ),
            Self::Appeared { object } => write!(f, "{} is there since {}: list the store and plan again", object.name, object.last_modified),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept { rules } => f.write_str(&listed(rules)),
            Self::FromTheFuture { taken_at, now } => {
                write!(f, "taken on {taken_at}, and now is {now}: one of the clocks is wrong; it counts for nothing until then")
            }
            Self::Unverified { why, stays } => write!(f, "does not count: {why}; {stays}"),
            Self::Unfinished { stays } => write!(f, "half written; {stays}"),
            Self::FileMissing { rules } => write!(f, "its backup is gone and would have been kept ({})", listed(rules)),
            Self::Foreign => f.write_str("not one of ours"),
            Self::OtherCluster { cluster_id } => write!(f, "of cluster {cluster_id}"),
            Self::NoVerified { files: 0 } => f.write_str("it has no backup here: take one"),
            Self::NoVerified { files: 1 } => f.write_str("1 file and no backup that counts: take one"),
            Self::NoVerified { files } => write!(f, "{files} files and no backup that counts: take one"),
        }
    }
}

impl fmt::Display for Stays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAsked => f.write_str("the policy does not ask for its deletion"),
            Self::Young { age_seconds, after_seconds } => {
                write!(f, "{} old, may be worked on up to {}", Span(*age_seconds), Span(*after_seconds))
            }
            Self::NoNewerVerified => f.write_str("no newer backup counts"),
            Self::NewerFormat => f.write_str("a newer trimtab wrote it"),
            Self::MayBeSound => f.write_str("it may be sound"),
            Self::OfNoCluster => f.write_str("it does not tell its cluster"),
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frees { files, freed_bytes, kept } => {
                let size = Mib(i64::try_from(*freed_bytes).unwrap_or(i64::MAX));
                let stay = if *kept == 1 { "1 verified backup stays".to_owned() } else { format!("{kept} verified backups stay") };
                write!(f, "deletes {files}, {size} together; {stay}")
            }
        }
    }
}
