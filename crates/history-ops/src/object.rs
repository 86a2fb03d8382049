//! Who an object is, and who controls it.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The kinds that hold history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// `apps/v1`: a revision of a Deployment.
    ReplicaSet,
    /// `apps/v1`: a revision of a StatefulSet or a DaemonSet.
    ControllerRevision,
    /// `batch/v1`.
    Job,
    /// `v1`.
    Pod,
    /// `v1`: a record of Helm.
    Secret,
    /// `v1`: a record of Helm.
    ConfigMap,
    /// `v1`.
    Event,
}

impl Kind {
    /// Every one.
    pub const ALL: [Self; 7] = [Self::ReplicaSet, Self::ControllerRevision, Self::Job, Self::Pod, Self::Secret, Self::ConfigMap, Self::Event];

    /// As `kind` has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReplicaSet => "ReplicaSet",
            Self::ControllerRevision => "ControllerRevision",
            Self::Job => "Job",
            Self::Pod => "Pod",
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
            Self::Event => "Event",
        }
    }

    /// As `apiVersion` has it.
    #[must_use]
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::ReplicaSet | Self::ControllerRevision => "apps/v1",
            Self::Job => "batch/v1",
            Self::Pod | Self::Secret | Self::ConfigMap | Self::Event => "v1",
        }
    }

    /// As paths of the API have it.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::ReplicaSet => "replicasets",
            Self::ControllerRevision => "controllerrevisions",
            Self::Job => "jobs",
            Self::Pod => "pods",
            Self::Secret => "secrets",
            Self::ConfigMap => "configmaps",
            Self::Event => "events",
        }
    }
}

/// One object at one moment: its name, which one of that name it is, and which version of it was seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `metadata.uid`: another object of the same name has another one.
    pub uid: String,
    /// `metadata.resourceVersion`: any write gives it another one.
    pub resource_version: String,
}

/// The controller of an object: the owner reference with `controller: true`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Controller {
    /// `apps/v1`.
    pub api_version: String,
    /// `Deployment`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// What every object has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// Who it is.
    pub object: Arc<ObjectRef>,
    /// `metadata.creationTimestamp`; none in an object that was never stored.
    pub created: Option<Timestamp>,
    /// Whether `metadata.deletionTimestamp` is set.
    pub deleting: bool,
    /// `metadata.generation`.
    pub generation: i64,
    /// Who controls it.
    pub controller: Option<Controller>,
    /// Whether `metadata.ownerReferences` names anybody, whether he controls it or not.
    pub has_owners: bool,
    /// Whether it carries [`KEEP_ANNOTATION`] with another value than `false`.
    pub opted_out: bool,
    /// Its size as compact JSON, in bytes; none where only metadata was read.
    pub json_bytes: Option<u64>,
}

/// An object with this annotation stays, and so does everything that an owner with it controls; `false` takes it back.
pub const KEEP_ANNOTATION: &str = "trimtab.dev/keep";

/// A workload that controls history, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnerRef {
    /// What it is.
    pub kind: OwnerKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// `metadata.generation`: another one, and another revision may be the new one.
    pub generation: i64,
}

impl OwnerRef {
    /// By what its history names it: an object of another namespace is none of its own, whatever it names.
    pub(crate) fn key(&self) -> (&str, &str) {
        (&self.namespace, &self.uid)
    }
}

/// The workloads whose controllers prune.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum OwnerKind {
    /// `apps/v1`: its ReplicaSets.
    Deployment,
    /// `apps/v1`: its ControllerRevisions.
    StatefulSet,
    /// `apps/v1`: its ControllerRevisions.
    DaemonSet,
    /// `batch/v1`: its finished Jobs.
    CronJob,
}

impl OwnerKind {
    /// As `kind` has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::CronJob => "CronJob",
        }
    }

    /// Where the API has it, the newest first: a `CronJob` is `batch/v1` since 1.21.
    #[must_use]
    pub const fn api_versions(self) -> &'static [&'static str] {
        match self {
            Self::Deployment | Self::StatefulSet | Self::DaemonSet => &["apps/v1"],
            Self::CronJob => &["batch/v1", "batch/v1beta1"],
        }
    }

    /// As paths of the API have it.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Deployment => "deployments",
            Self::StatefulSet => "statefulsets",
            Self::DaemonSet => "daemonsets",
            Self::CronJob => "cronjobs",
        }
    }

    /// Whether a controller reference names this kind; its version may be an older one of the same group.
    #[must_use]
    pub fn is_of(self, controller: &Controller) -> bool {
        let found = group(&controller.api_version);
        let old = matches!(self, Self::Deployment | Self::DaemonSet) && found == "extensions";
        controller.kind == self.as_str() && (self.api_versions().iter().any(|version| group(version) == found) || old)
    }
}

fn group(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for OwnerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

impl fmt::Display for OwnerRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.kind, self.name, self.api_version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_another_group_is_another_kind() {
        let by = |api_version: &str, kind: &str| Controller {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            name: "web".to_owned(),
            uid: "1".to_owned(),
        };
        assert!(OwnerKind::Deployment.is_of(&by("apps/v1", "Deployment")));
        assert!(OwnerKind::Deployment.is_of(&by("extensions/v1beta1", "Deployment")));
        assert!(!OwnerKind::Deployment.is_of(&by("example.com/v1", "Deployment")));
        assert!(!OwnerKind::Deployment.is_of(&by("argoproj.io/v1alpha1", "Rollout")));
        assert!(!OwnerKind::CronJob.is_of(&by("extensions/v1beta1", "CronJob")));
    }
}
