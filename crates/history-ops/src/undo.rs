//! What was deleted, made again: where that can be done and does no harm.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
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
    /// Which release of Helm it is a record of.
    #[serde(default)]
    pub release: Option<Release>,
    /// Whether the API server refused to delete it.
    #[serde(default)]
    pub kept: bool,
    /// When the deletions began that it was backed up for, by the clock of the machine: whoever takes back only the last ones keeps what is not older.
    #[serde(default)]
    pub run: Option<Timestamp>,
}

/// A revision of a release of Helm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Release {
    /// The labels that all records of the release have, as `kubectl get -l` takes them.
    pub selector: String,
    /// Its revision.
    pub version: u64,
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
    /// A newer record of its release is there. Where the release was uninstalled or installed anew since, Helm would take what is made again for its
    /// newest revision.
    NewerRecord {
        /// Which.
        release: Release,
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
    /// The release is gone, or begins anew.
    #[error("{}", newest.map_or_else(|| "the release is gone".to_owned(), |newest| format!("its newest is revision {newest}")))]
    NoNewerRecord {
        /// Its newest revision, if there is any.
        newest: Option<u64>,
    },
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
    /// It was never deleted.
    #[error("the API server refused to delete it")]
    NotDeleted,
    /// A later one of the same name is in the journal: what came after it was of that one.
    #[error("a later one of its name is in the journal")]
    Older,
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
    /// The newest revision of its release of Helm, if there is any.
    pub newest: Option<u64>,
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
        Some(Self { object: Arc::new(object), controller, release: Release::read(&metadata["labels"]), kept: false, run: None })
    }
}

impl Release {
    /// By the labels of Helm 3 and 4, and of Helm 2 (`pkg/storage/driver/secrets.go@v3.19.0`, `@v2.17.0`).
    fn read(labels: &Value) -> Option<Self> {
        let of = |owner: &str, [is, name, version]: [&str; 3]| {
            let release = labels[name].as_str().filter(|_| labels[is] == owner)?;
            Some(Self { selector: format!("{is}={owner},{name}={release}"), version: labels[version].as_str()?.parse().ok()? })
        };
        of("helm", ["owner", "name", "version"]).or_else(|| of("TILLER", ["OWNER", "NAME", "VERSION"]))
    }

    /// The newest revision among records.
    #[cfg(feature = "live")]
    pub(crate) fn newest(records: &Value) -> Option<u64> {
        records["items"].as_array()?.iter().filter_map(|record| Self::read(&record["metadata"]["labels"])).map(|release| release.version).max()
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

/// Plans to make again what was deleted: the ReplicaSets, ControllerRevisions and records of Helm of a journal, of each name the last one. Jobs and Pods
/// would run again, and are held back, and so is what the API server refused to delete.
///
/// `cluster` is the uid of `kube-system` that the journal begins with; the backups are in its order.
#[must_use]
pub fn plan(cluster: &str, backups: &[BackedUp]) -> UndoPlan {
    let identity: Arc<str> = Arc::from(cluster);
    let (mut steps, mut held, mut uids, mut names) = (Vec::new(), Vec::new(), HashSet::new(), HashSet::new());
    for backup in backups.iter().rev().filter(|backup| uids.insert(backup.object.uid.as_str())) {
        let object = &backup.object;
        let is_last = names.insert((object.kind, object.namespace.as_str(), object.name.as_str()));
        let not_deleted = backup.kept.then_some(UndoReason::NotDeleted);
        match reason(object.kind).or(not_deleted).or((!is_last).then_some(UndoReason::Older)) {
            Some(reason) => held.push(Held { target: object.to_string(), reason }),
            None => steps.push(step(&identity, backup)),
        }
    }
    steps.reverse();
    held.reverse();
    let controlled = steps.iter().any(|step: &Step<Undoing>| step.action.controller.is_some());
    let notices = controlled.then_some(UndoNotice::PrunedAgain).into_iter().collect();
    Plan { subject: format!("undo of pruning in cluster {cluster}"), notices, steps, held }
}

pub(crate) fn reason(kind: Kind) -> Option<UndoReason> {
    match kind {
        Kind::Job | Kind::Pod => Some(UndoReason::RunsAgain { kind }),
        Kind::Event => Some(UndoReason::OnlyNews),
        Kind::ReplicaSet | Kind::ControllerRevision | Kind::Secret | Kind::ConfigMap => None,
    }
}

fn step(cluster: &Arc<str>, backup: &BackedUp) -> Step<Undoing> {
    let mut guards = vec![UndoGuard::Cluster { uid: Arc::clone(cluster) }, UndoGuard::NameFree];
    guards.extend(backup.controller.clone().map(|controller| UndoGuard::Controller { controller }));
    guards.extend(backup.release.clone().map(|release| UndoGuard::NewerRecord { release }));
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
            UndoGuard::NewerRecord { release } if seen.newest.is_some_and(|newest| newest > release.version) => Ok(()),
            UndoGuard::NewerRecord { .. } => Err(UndoRefusal::NoNewerRecord { newest: seen.newest }),
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
            Self::NewerRecord { release } => write!(f, "a revision of its release above {} is there", release.version),
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
            newest: None,
        };
        assert!(Undoing::effect_holds(&action, &seen("uid-a", None), &[]));
        assert!(Undoing::effect_holds(&action, &seen("new", Some("uid-a")), &[]));
        assert!(!Undoing::effect_holds(&action, &seen("new", None), &[]));
        assert_eq!(Undoing::check(&UndoGuard::NameFree, &seen("new", None)), Err(UndoRefusal::NameTaken { uid: "new".to_owned() }));
    }

    #[test]
    fn of_each_name_the_last_one_is_made_again_and_nothing_that_was_not_deleted() {
        let named = |name: &str, uid: &str, kept: bool| {
            let backup = backup("ReplicaSet", "apps/v1", name);
            BackedUp { object: Arc::new(ObjectRef { uid: uid.to_owned(), ..(*backup.object).clone() }), kept, ..backup }
        };
        let plan =
            plan("c1", &[named("a", "1", false), named("b", "2", true), named("a", "3", false), named("c", "4", false), named("a", "3", false)]);
        assert_eq!(plan.steps.iter().map(|step| step.action.object.uid.as_str()).collect::<Vec<_>>(), ["4", "3"]);
        let held = plan.held.iter().map(|held| (held.target.as_str(), held.reason.clone())).collect::<Vec<_>>();
        assert_eq!(held, [("ReplicaSet shop/a", UndoReason::Older), ("ReplicaSet shop/b", UndoReason::NotDeleted)]);
    }

    #[test]
    fn a_record_of_helm_needs_a_newer_one_of_its_release() {
        let read = |labels: Value| {
            let metadata = json!({"namespace": "shop", "name": "v2", "uid": "u", "resourceVersion": "7", "labels": labels});
            BackedUp::read(&json!({"kind": "Secret", "apiVersion": "v1", "metadata": metadata}).to_string()).unwrap()
        };
        let backup = read(json!({"owner": "helm", "name": "web", "version": "2"}));
        let release = Release { selector: "owner=helm,name=web".to_owned(), version: 2 };
        assert_eq!(backup.release.as_ref(), Some(&release));
        assert_eq!(read(json!({"OWNER": "TILLER", "NAME": "web", "VERSION": "2"})).release.unwrap().selector, "OWNER=TILLER,NAME=web");
        assert_eq!(read(json!({"name": "web", "version": "2"})).release, None);
        let guard = UndoGuard::NewerRecord { release };
        assert!(plan("c1", &[backup]).steps[0].guards.contains(&guard));
        let seen = |newest| UndoSeen { cluster: "c1".to_owned(), object: None, controller: None, newest };
        assert_eq!(Undoing::check(&guard, &seen(Some(3))), Ok(()));
        assert_eq!(Undoing::check(&guard, &seen(Some(2))), Err(UndoRefusal::NoNewerRecord { newest: Some(2) }));
        assert_eq!(Undoing::check(&guard, &seen(None)).unwrap_err().to_string(), "the release is gone");
    }
}
