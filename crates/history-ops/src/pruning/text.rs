//! How the nouns of pruning read.

use std::fmt;

use crate::kind::cron_job::End;
use crate::policy::Part;

use super::{Delete, Guard, LimitBy, Notice, Why};

pub(super) fn within(limit: Option<&u64>) -> String {
    limit.map_or_else(|| "there is no limit".to_owned(), |limit| format!("the limit is {limit}"))
}

pub(super) fn in_namespace(namespace: Option<&String>) -> String {
    namespace.map(|namespace| format!(" in namespace {namespace}")).unwrap_or_default()
}

impl fmt::Display for Delete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("delete")?;
        if let Some(revision) = self.revision {
            write!(f, " revision {revision}")?;
        }
        write!(f, ": {}", self.why)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OverLimit { limit, set_by } => write!(f, "over the limit of {limit} ({set_by})"),
            Self::TooOld { since } => write!(f, "of {since}, older than the policy allows"),
            Self::TimeToLiveOver { expired } => write!(f, "its time to live was over at {expired}"),
            Self::OverThreshold { threshold } => write!(f, "over the threshold of {threshold} pods that have ended"),
        }
    }
}

impl fmt::Display for LimitBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Workload => "the workload's own",
            Self::Policy => "the policy's",
            Self::Helm => "Helm's default",
        })
    }
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster { uid } => write!(f, "the cluster's kube-system has the uid {uid}"),
            Self::Owner { owner } => write!(f, "{owner} is at generation {}", owner.generation),
            Self::Unchanged { object } => write!(f, "it is at resourceVersion {}", object.resource_version),
            Self::NotLive { names } => write!(f, "nothing runs {}", names.iter().map(String::as_str).collect::<Vec<_>>().join(" or ")),
            Self::RolledOut => f.write_str("its owner's rollout is complete, or it is paused"),
            Self::Stay { least } => write!(f, "more than {least} of this history are there"),
            Self::RecordAgrees => f.write_str("its payload tells what its labels do"),
            Self::Deployed { object } => write!(f, "{object} is deployed"),
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Total { part, objects, json_bytes: 0 } => write!(f, "{part}: {objects} objects, whose size was not read"),
            Self::Total { part, objects, json_bytes } => write!(f, "{part}: {objects} objects, {json_bytes} bytes of JSON"),
            Self::RollbackLost { owner, revisions } => write!(f, "{owner}: no rollback any more to revision {}", listed(revisions)),
            Self::HelmRollbackLost { release, revisions } => write!(f, "release {release}: no rollback any more to revision {}", listed(revisions)),
            Self::OfTwoMoments { list } => write!(f, "{list} changed while they were read, and are of more than one moment; every step looks again"),
            Self::SeenTwice { objects } => write!(f, "{objects} objects stand in it a second time; each counts once"),
            Self::NoLongerUsed { namespace, what, last } => {
                write!(f, "{what} in namespace {namespace} was used last, as far as was seen, by {}, which goes", last.name)
            }
        }
    }
}

fn listed(revisions: &[i64]) -> String {
    revisions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReplicaSets => "ReplicaSets",
            Self::ControllerRevisions => "ControllerRevisions",
            Self::CronJobs => "Jobs of CronJobs",
            Self::JobTtl => "Jobs with a time to live",
            Self::UnownedJobs => "Jobs of nobody",
            Self::Pods => "Pods",
            Self::Helm => "records of Helm",
            Self::Events => "Events",
        })
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Complete => "complete",
            Self::Failed => "failed",
        })
    }
}
