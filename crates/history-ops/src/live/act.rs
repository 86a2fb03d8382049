//! The hands: looks at one object, backs it up, deletes it.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::OnceCell;
use trimtab_core::apply::Site;
use trimtab_core::plan::{Domain as _, Step};

use crate::object::{Kind, ObjectRef, OwnerRef};
use crate::pruning::{Delete, Failure, Guard, Pruning, Seen};
use crate::rows::HistorySeen;

use super::api::{Api, METADATA, METADATA_LIST, Reply, WHOLE, collection, encoded};
use super::floor;
use super::journal::Journal;
use super::owner::{self, Owner};
use super::pace::{Limiter, Pace};
use super::siblings::{Became, History, Siblings};

/// What was looked at so short a time ago counts as seen now.
const AT_ONCE: Duration = Duration::from_millis(50);

/// What the lanes share.
pub(super) struct Shared {
    pub(super) api: Api,
    /// None in a dry run.
    journal: Option<Journal>,
    pub(super) limiter: Limiter,
    cluster: OnceCell<String>,
    /// What this user may not delete, and where: it is not asked again.
    forbidden: Mutex<HashSet<(Kind, String)>>,
    siblings: Siblings,
}

/// One lane's hands.
pub(super) struct Hands {
    shared: Arc<Shared>,
    /// What the last look found, whole, as it goes into the journal.
    found: Option<String>,
    /// The history that it was taken out of, until it is gone.
    taken: Option<History>,
}

impl Shared {
    pub(super) fn new(api: Api, journal: Option<Journal>, pace: &Pace) -> Arc<Self> {
        Arc::new(Self {
            api,
            journal,
            limiter: Limiter::new(pace),
            cluster: OnceCell::new(),
            forbidden: Mutex::default(),
            siblings: Siblings::default(),
        })
    }

    /// The cluster's identity, asked for once: a connection does not change clusters.
    pub(super) async fn cluster(&self) -> Result<String, Failure> {
        let ask = || async {
            let what = "namespace kube-system";
            let found = optional(self.api.get("/api/v1/namespaces/kube-system", METADATA).await, what)?;
            let text = found.ok_or_else(|| Failure::Api { problem: format!("it has no {what}") })?;
            let uid = parsed(&text)?["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
            self.journal.as_ref().map_or(Ok(()), |journal| journal.belongs_to(&uid)).map_err(|error| self.unkept(&error))?;
            Ok(uid)
        };
        self.cluster.get_or_try_init(ask).await.cloned()
    }

    fn forbidden(&self) -> MutexGuard<'_, HashSet<(Kind, String)>> {
        self.forbidden.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unkept(&self, error: &crate::Error) -> Failure {
        let path = self.journal.as_ref().map(|journal| journal.path().display().to_string()).unwrap_or_default();
        Failure::Backup { path, problem: error.to_string() }
    }
}

impl Hands {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), found: None, taken: None }
    }

    /// Uid and version of the object; none where it is gone or going.
    async fn object(&mut self, object: &ObjectRef) -> Result<Option<(String, String)>, Failure> {
        let reply = self.shared.api.get(&path(object), WHOLE).await;
        if matches!(reply, Reply::Forbidden) {
            return Err(forbidden("get", object));
        }
        let Some(text) = optional(reply, &object.to_string())? else { return Ok(None) };
        let metadata = parsed(&text)?["metadata"].take();
        self.found = Some(text);
        if !metadata["deletionTimestamp"].is_null() {
            return Ok(None);
        }
        let field = |name: &str| metadata[name].as_str().unwrap_or_default().to_owned();
        Ok(Some((field("uid"), field("resourceVersion"))))
    }

    /// As [`Self::object`], after the wait that the rate asks for: what is looked at is what is deleted at once. What is done already, and what this user
    /// may not delete, is not waited for.
    async fn object_in_time(&mut self, object: &ObjectRef) -> Result<Option<(String, String)>, Failure> {
        let found = self.object(object).await?;
        if found.as_ref().is_none_or(|(uid, _)| *uid != object.uid) {
            return Ok(found);
        }
        if self.shared.forbidden().contains(&(object.kind, object.namespace.clone())) {
            return Err(forbidden("delete", object));
        }
        let before = Instant::now();
        self.shared.limiter.pass().await;
        if before.elapsed() > AT_ONCE { self.object(object).await } else { Ok(found) }
    }

    /// Which of these revisions the owner's pods run.
    async fn running(&self, owner: &OwnerRef, names: &BTreeSet<String>) -> Result<BTreeSet<String>, Failure> {
        let values = names.iter().map(String::as_str).collect::<Vec<_>>().join(",");
        let selector = encoded(&format!("controller-revision-hash in ({values})"));
        let path = format!("{}?labelSelector={selector}", collection("v1", Some(&owner.namespace), "pods"));
        let found = optional(self.shared.api.get(&path, METADATA_LIST).await, "the list of pods")?;
        let list = parsed(&found.ok_or_else(|| Failure::Api { problem: "it has no pods".to_owned() })?)?;
        let is_its = |pod: &&Value| pod["metadata"]["ownerReferences"].as_array().into_iter().flatten().any(|by| by["uid"] == json!(owner.uid));
        let label = |pod: &Value| pod["metadata"]["labels"]["controller-revision-hash"].as_str().map(str::to_owned);
        Ok(list["items"].as_array().into_iter().flatten().filter(is_its).filter_map(label).collect())
    }

    /// The uid of a record of Helm, if it is there and `deployed`.
    async fn deployed(&self, object: &ObjectRef) -> Result<Option<String>, Failure> {
        let Some(text) = optional(self.shared.api.get(&path(object), METADATA).await, &object.to_string())? else { return Ok(None) };
        let found = parsed(&text)?;
        let labels = &found["metadata"]["labels"];
        let status = labels["status"].as_str().or(labels["STATUS"].as_str()).unwrap_or_default();
        Ok(found["metadata"]["uid"].as_str().filter(|_| status.eq_ignore_ascii_case("deployed")).map(str::to_owned))
    }

    /// Whether an object is there still, after a deletion that was not answered.
    async fn is_gone(&mut self, object: &ObjectRef) -> bool {
        self.object(object).await.is_ok_and(|seen| seen.is_none_or(|(uid, _)| uid != object.uid))
    }

    /// Which of these revisions are live: their owner's status names them, or its pods run them.
    async fn live(&self, action: &Delete, owner: Option<&Owner>, names: &BTreeSet<String>) -> Result<BTreeSet<String>, Failure> {
        let mut live = owner.map(|owner| owner.named.clone()).unwrap_or_default();
        if let Some(owner) = &action.owner {
            live.append(&mut self.running(owner, names).await?);
        }
        Ok(live)
    }

    /// How many of the history of an object are there; it is taken out of the count where more than `least` are.
    async fn take(&mut self, action: &Delete, owner: Option<&Owner>, least: u64) -> Result<Option<u64>, Failure> {
        let history = match owner {
            Some(owner) => Some(History::of_owner(&action.object, &owner.seen.uid, &owner.selector)),
            None => self
                .found
                .as_ref()
                .map(|text| parsed(text))
                .transpose()?
                .and_then(|found| History::of_release(&action.object, &found["metadata"]["labels"])),
        };
        let Some(history) = history else { return Ok(None) };
        let there = self.shared.siblings.take(&self.shared.api, &history, least).await?;
        self.taken = Some(history).filter(|_| there > least);
        Ok(Some(there))
    }

    async fn back_up(&self, object: &ObjectRef) -> Result<(), Failure> {
        let Some(journal) = &self.shared.journal else { return Ok(()) };
        let found = self.found.as_ref().ok_or_else(|| Failure::Api { problem: format!("{object} was not seen before its deletion") })?;
        journal.back_up(&object.uid, found).await.map_err(|error| self.shared.unkept(&error))
    }

    fn confirm(&self, object: &ObjectRef) -> Result<(), Failure> {
        let Some(journal) = &self.shared.journal else { return Ok(()) };
        journal.confirm(&object.uid).map_err(|error| Failure::Unconfirmed { path: journal.path().display().to_string(), problem: error.to_string() })
    }

    /// That it cannot be noted hides nothing of what the server said, and an undo finds the object there.
    fn kept(&self, object: &ObjectRef) {
        let _ = self.shared.journal.as_ref().map(|journal| journal.kept(&object.uid));
    }

    fn options(&self, action: &Delete) -> Value {
        let object = &action.object;
        let mut options = json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": action.propagation,
            "preconditions": {"uid": object.uid, "resourceVersion": object.resource_version},
        });
        if object.kind == Kind::Pod {
            // It has ended; as its collector has it.
            options["gracePeriodSeconds"] = json!(0);
        }
        if self.shared.journal.is_none() {
            options["dryRun"] = json!(["All"]);
        }
        options
    }
}

impl Site<Pruning> for Hands {
    async fn look(&mut self, step: &Step<Pruning>, _progress: &mut (dyn FnMut(String) + Send)) -> Result<Seen, Failure> {
        self.found = None;
        let cluster = self.shared.cluster().await?;
        if !step.guards.iter().any(Pruning::is_identity) {
            return Err(Failure::Unguarded);
        }
        let object = self.object_in_time(&step.action.object).await?;
        let mut seen = Seen { cluster, object, owner: None, live: BTreeSet::new(), there: None, payload: None, deployed: None };
        if seen.object.as_ref().is_none_or(|(uid, _)| *uid != step.action.object.uid) {
            return Ok(seen);
        }
        let row = HistorySeen::of_dump(self.found.as_deref().unwrap_or_default().as_bytes()).unwrap_or_default();
        floor::check(step.action.object.kind, &row)?;
        seen.payload = row.helm.into_iter().next().and_then(|record| record.payload);
        let owner = match &step.action.owner {
            Some(owner) => owner::look(&self.shared.api, owner).await?,
            None => None,
        };
        seen.owner = owner.as_ref().map(|owner| owner.seen.clone());
        for guard in &step.guards {
            match guard {
                Guard::NotLive { names } => seen.live = self.live(&step.action, owner.as_ref(), names).await?,
                Guard::Deployed { object } => seen.deployed = self.deployed(object).await?,
                Guard::Owner { .. }
                | Guard::RecordAgrees
                | Guard::RolledOut
                | Guard::Stay { .. }
                | Guard::Cluster { .. }
                | Guard::Unchanged { .. } => {}
            }
        }
        // Last, and only where nothing else is in the way: it is counted as gone from here on.
        let least = step.guards.iter().find_map(|guard| if let Guard::Stay { least } = guard { Some(*least) } else { None });
        let others_hold = step.guards.iter().filter(|guard| !matches!(guard, Guard::Stay { .. })).all(|guard| Pruning::check(guard, &seen).is_ok());
        if let Some(least) = least.filter(|_| others_hold) {
            seen.there = self.take(&step.action, owner.as_ref(), least).await?;
        }
        Ok(seen)
    }

    async fn act(&mut self, action: &Delete, _progress: &mut (dyn FnMut(String) + Send)) -> Result<(), Failure> {
        let deleted = self.delete(action).await;
        if let Some(history) = self.taken.take() {
            let became = match &deleted {
                Ok(()) | Err(Failure::Unconfirmed { .. }) => Became::Deleted,
                Err(Failure::Api { .. }) => Became::Unknown,
                Err(_) => Became::Kept,
            };
            self.shared.siblings.settle(&history, became).await;
        }
        deleted
    }
}

impl Hands {
    async fn delete(&mut self, action: &Delete) -> Result<(), Failure> {
        let object = &action.object;
        self.back_up(object).await?;
        match self.shared.api.delete(&path(object), &self.options(action)).await {
            Reply::Ok(_) | Reply::NotFound => self.confirm(object),
            // Not answered, or answered with a conflict because it runs already (Foreground gives the object another version): where it is gone or going,
            // nothing is left to be done.
            Reply::Conflict | Reply::NoAnswer(_) | Reply::Failed(_) if self.shared.journal.is_some() && self.is_gone(object).await => {
                self.confirm(object)
            }
            Reply::Conflict => {
                self.kept(object);
                Err(Failure::Conflict)
            }
            Reply::Denied(problem) => {
                self.kept(object);
                Err(Failure::Denied { problem })
            }
            Reply::Forbidden => {
                self.kept(object);
                self.shared.forbidden().insert((object.kind, object.namespace.clone()));
                Err(forbidden("delete", object))
            }
            other @ (Reply::Expired(_) | Reply::Failed(_) | Reply::NoAnswer(_)) => Err(failure(other, &object.to_string())),
        }
    }
}

/// What is there, or that nothing is.
pub(super) fn optional(reply: Reply, what: &str) -> Result<Option<String>, Failure> {
    match reply {
        Reply::Ok(text) => Ok(Some(text)),
        Reply::NotFound => Ok(None),
        other @ (Reply::Conflict | Reply::Forbidden | Reply::Expired(_) | Reply::Denied(_) | Reply::Failed(_) | Reply::NoAnswer(_)) => {
            Err(failure(other, what))
        }
    }
}

pub(super) fn path(object: &ObjectRef) -> String {
    format!("{}/{}", collection(object.kind.api_version(), Some(&object.namespace), object.kind.plural()), encoded(&object.name))
}

pub(super) fn parsed(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::Api { problem: format!("it answered no JSON: line {}", error.line()) })
}

pub(super) fn forbidden(verb: &str, object: &ObjectRef) -> Failure {
    Failure::Forbidden { verb: verb.to_owned(), kind: object.kind, namespace: Some(object.namespace.clone()) }
}

pub(super) fn failure(reply: Reply, what: &str) -> Failure {
    let crate::Error::Api { problem } = super::observe::failed(reply) else { return Failure::Api { problem: what.to_owned() } };
    Failure::Api { problem: format!("{what}: {problem}") }
}
