//! What was deleted, made again: where that can be done and does no harm.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use trimtab_core::plan::{Domain, Held, Outcome, Plan, Step};

use crate::object::{Controller, Kind, ObjectRef};
use crate::pruning::Failure;

/// The domain of taking deletions back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undoing {}

/// A plan to take deletions back, as [`plan`] makes it.
pub type UndoPlan = Plan<Undoing>;

/// An object made again carries this annotation with the uid that it had, so that a second undo finds it.
pub const RESTORED_ANNOTATION: &str = "trimtab.dev/restored-from";

/// An object out of a journal, without its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackedUp {
    /// Who it was.
    pub object: Arc<ObjectRef>,
    /// Who controlled it.
    pub controller: Option<Controller>,
}

/// One object made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Restore {
    /// Who it was. The new one has another uid.
    pub object: Arc<ObjectRef>,
    /// Who controls it.
    pub controller: Option<Controller>,
}

/// What has to hold right before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "guard")]
pub enum UndoGuard {
    /// It is this cluster.
    Cluster {
        /// The uid of its namespace `kube-system`.
        uid: Arc<str>,
    },
    /// Nothing has its name.
    NameFree,
    /// Its controller is there, the same one: the garbage collector deletes at once what belongs to nobody.
    Controller {
        /// Who.
        controller: Controller,
    },
}

/// What a guard found instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "refusal")]
pub enum UndoRefusal {
    /// It is another cluster.
    #[error("the namespace kube-system has the uid {uid}")]
    AnotherCluster {
        /// Its uid.
        uid: String,
    },
    /// Another object has its name.
    #[error("another object has the name, its uid is {uid}")]
    NameTaken {
        /// Whose.
        uid: String,
    },
    /// Its controller is gone, or another one has its name.
    #[error("it is gone")]
    ControllerGone,
}

/// Why something is not made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "reason")]
#[non_exhaustive]
pub enum UndoReason {
    /// Making it again runs it again.
    #[error("a {kind} that is made again runs again")]
    RunsAgain {
        /// A Job or a Pod.
        kind: Kind,
    },
    /// It says what happened, and not that it happens now.
    #[error("an Event that is made again tells of something as if it happened now")]
    OnlyNews,
}

/// What a plan announces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "notice")]
#[non_exhaustive]
pub enum UndoNotice {
    /// A controller that is at its limit prunes again.
    PrunedAgain,
    /// A part of the journal cannot be read, and what stood there is not in the plan.
    Unreadable {
        /// How many lines, or objects in them.
        count: usize,
    },
}

/// What is seen right before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndoSeen {
    /// The uid of the namespace `kube-system`.
    pub cluster: String,
    /// The uid of the object of that name, if there is any, and of which one it says that it was made.
    pub object: Option<(String, Option<String>)>,
    /// The uid of the controller of that name, if there is any.
    pub controller: Option<String>,
}

impl BackedUp {
    /// Reads who an object was; none where the JSON is no object of a kind that holds history.
    ///
    /// ```
    /// use trimtab_history_ops::undo::BackedUp;
    ///
    /// let json = r#"{"kind": "Secret", "apiVersion": "v1", "metadata": {"namespace": "shop", "name": "v1", "uid": "u", "resourceVersion": "7"}}"#;
    /// assert_eq!(BackedUp::read(json).unwrap().object.to_string(), "Secret shop/v1");
    /// ```
    #[must_use]
    pub fn read(json: &str) -> Option<Self> {
        let object: Value = serde_json::from_str(json).ok()?;
        let kind = Kind::ALL.into_iter().find(|kind| object["kind"] == kind.as_str() && object["apiVersion"] == kind.api_version())?;
        let metadata = &object["metadata"];
        let field = |name: &str| metadata[name].as_str().map(str::to_owned);
        let object =
            ObjectRef { kind, namespace: field("namespace")?, name: field("name")?, uid: field("uid")?, resource_version: field("resourceVersion")? };
        let mut owners = metadata["ownerReferences"].as_array().into_iter().flatten();
        let controller = owners.find(|owner| owner["controller"] == true).and_then(|owner| serde_json::from_value(owner.clone()).ok());
        Some(Self { object: Arc::new(object), controller })
    }
}

/// What is sent to make it again: without what the server gave it, and without its status.
#[must_use]
pub fn body(json: &str, uid: &str) -> Option<Value> {
    let mut object: Value = serde_json::from_str(json).ok()?;
    object.as_object_mut()?.remove("status");
    let metadata = object.get_mut("metadata")?.as_object_mut()?;
    for given in
        ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"]
    {
        metadata.remove(given);
    }
    let annotations = metadata.entry("annotations").or_insert_with(|| Value::Object(serde_json::Map::new()));
    annotations.as_object_mut()?.insert(RESTORED_ANNOTATION.to_owned(), Value::from(uid));
    Some(object)
}

/// Plans to make again what was deleted: the ReplicaSets, ControllerRevisions and records of Helm of a journal, each once. Jobs and Pods would run again,
/// and are held back.
///
/// `cluster` is the uid of `kube-system` that the journal begins with.
#[must_use]
pub fn plan(cluster: &str, backups: &[BackedUp]) -> UndoPlan {
    let identity: Arc<str> = Arc::from(cluster);
    let (mut steps, mut held, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    for backup in backups.iter().filter(|backup| seen.insert(backup.object.uid.as_str())) {
        match reason(backup.object.kind) {
            Some(reason) => held.push(Held { target: backup.object.to_string(), reason }),
            None => steps.push(step(&identity, backup)),
        }
    }
    let controlled = steps.iter().any(|step: &Step<Undoing>| step.action.controller.is_some());
    let notices = controlled.then_some(UndoNotice::PrunedAgain).into_iter().collect();
    Plan { subject: format!("undo of pruning in cluster {cluster}"), notices, steps, held }
}

fn reason(kind: Kind) -> Option<UndoReason> {
    match kind {
        Kind::Job | Kind::Pod => Some(UndoReason::RunsAgain { kind }),
        Kind::Event => Some(UndoReason::OnlyNews),
        Kind::ReplicaSet | Kind::ControllerRevision | Kind::Secret | Kind::ConfigMap => None,
    }
}

fn step(cluster: &Arc<str>, backup: &BackedUp) -> Step<Undoing> {
    let mut guards = vec![UndoGuard::Cluster { uid: Arc::clone(cluster) }, UndoGuard::NameFree];
    guards.extend(backup.controller.clone().map(|controller| UndoGuard::Controller { controller }));
    let action = Restore { object: Arc::clone(&backup.object), controller: backup.controller.clone() };
    Step { target: backup.object.to_string(), action, guards }
}

impl Domain for Undoing {
    type Action = Restore;
    type Guard = UndoGuard;
    type Refusal = UndoRefusal;
    type Reason = UndoReason;
    type Notice = UndoNotice;
    type Failure = Failure;
    type Seen = UndoSeen;

    /// It was never deleted, or was made again.
    fn effect_holds(action: &Restore, seen: &UndoSeen, _acted: &[Restore]) -> bool {
        let was = &action.object.uid;
        seen.object.as_ref().is_some_and(|(uid, restored)| uid == was || restored.as_ref() == Some(was))
    }

    fn check(guard: &UndoGuard, seen: &UndoSeen) -> Result<(), UndoRefusal> {
        match guard {
            UndoGuard::Cluster { uid } if **uid != *seen.cluster => Err(UndoRefusal::AnotherCluster { uid: seen.cluster.clone() }),
            UndoGuard::Cluster { .. } => Ok(()),
            UndoGuard::NameFree => match &seen.object {
                Some((uid, _)) => Err(UndoRefusal::NameTaken { uid: uid.clone() }),
                None => Ok(()),
            },
            UndoGuard::Controller { controller } if seen.controller.as_ref() == Some(&controller.uid) => Ok(()),
            UndoGuard::Controller { .. } => Err(UndoRefusal::ControllerGone),
        }
    }

    fn is_identity(guard: &UndoGuard) -> bool {
        matches!(guard, UndoGuard::Cluster { .. })
    }

    /// What must not be made again is none.
    fn is_obstacle(_reason: &UndoReason) -> bool {
        false
    }

    fn goes_on_after(outcome: &Outcome<Self>) -> bool {
        !matches!(outcome, Outcome::Refused { guard: UndoGuard::Cluster { .. }, .. })
    }
}

impl fmt::Display for Restore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("make it again")
    }
}

impl fmt::Display for UndoGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster { uid } => write!(f, "the cluster's kube-system has the uid {uid}"),
            Self::NameFree => f.write_str("nothing has its name"),
            Self::Controller { controller } => write!(f, "{controller} is there, with the uid {}", controller.uid),
        }
    }
}

impl fmt::Display for UndoNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PrunedAgain => f.write_str("a controller that is at its limit prunes again at its next sync: raise revisionHistoryLimit before"),
            Self::Unreadable { count } => write!(f, "{count} of the journal's lines cannot be read: what they held is not made again"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn backup(kind: &str, api_version: &str, name: &str) -> BackedUp {
        let owner = json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "d", "controller": true}]);
        let metadata = json!({"namespace": "shop", "name": name, "uid": format!("uid-{name}"), "resourceVersion": "7", "ownerReferences": owner});
        BackedUp::read(&json!({"kind": kind, "apiVersion": api_version, "metadata": metadata}).to_string()).unwrap()
    }

    #[test]
    fn what_would_run_again_or_tell_old_news_is_held_back() {
        let backups = [
            backup("ReplicaSet", "apps/v1", "a"),
            backup("Job", "batch/v1", "b"),
            backup("Pod", "v1", "c"),
            backup("Event", "v1", "d"),
            backup("ReplicaSet", "apps/v1", "a"),
        ];
        let plan = plan("c1", &backups);
        assert_eq!(
            plan.to_string(),
            "plan: undo of pruning in cluster c1
  notice: a controller that is at its limit prunes again at its next sync: raise revisionHistoryLimit before
  before each step: only if the cluster's kube-system has the uid c1; nothing has its name; Deployment web (apps/v1) is there, with the uid d
  1. ReplicaSet shop/a: make it again
  held back: Job shop/b: a Job that is made again runs again
  held back: Pod shop/c: a Pod that is made again runs again
  held back: Event shop/d: an Event that is made again tells of something as if it happened now
"
        );
        let back: UndoPlan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
        assert_eq!(back, plan);
    }

    #[test]
    fn what_the_server_gave_is_not_sent_and_the_old_uid_is_remembered() {
        let json = json!({"kind": "Secret", "apiVersion": "v1", "data": {"release": "x"}, "status": {},
            "metadata": {"name": "v1", "namespace": "shop", "uid": "u", "resourceVersion": "7", "creationTimestamp": "2026-01-01T00:00:00Z", "labels": {"owner": "helm"}}});
        let sent = body(&json.to_string(), "u").unwrap();
        let metadata = json!({"name": "v1", "namespace": "shop", "labels": {"owner": "helm"}, "annotations": {RESTORED_ANNOTATION: "u"}});
        assert_eq!(sent, json!({"kind": "Secret", "apiVersion": "v1", "data": {"release": "x"}, "metadata": metadata}));
    }

    #[test]
    fn what_is_there_already_is_done_and_a_name_that_is_taken_is_refused() {
        let action = Restore { object: backup("Secret", "v1", "a").object, controller: None };
        let seen = |uid: &str, from: Option<&str>| UndoSeen {
            cluster: "c1".to_owned(),
            object: Some((uid.to_owned(), from.map(str::to_owned))),
            controller: None,
        };
        assert!(Undoing::effect_holds(&action, &seen("uid-a", None), &[]));
        assert!(Undoing::effect_holds(&action, &seen("new", Some("uid-a")), &[]));
        assert!(!Undoing::effect_holds(&action, &seen("new", None), &[]));
        assert_eq!(Undoing::check(&UndoGuard::NameFree, &seen("new", None)), Err(UndoRefusal::NameTaken { uid: "new".to_owned() }));
    }
}
