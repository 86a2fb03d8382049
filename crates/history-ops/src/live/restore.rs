//! The hands of an undo: makes objects of a journal again.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use trimtab_core::apply::{Event, Site, apply_in_lanes};
use trimtab_core::plan::{Report, Step};

use crate::error::Error;
use crate::object::{Controller, ObjectRef, OwnerKind};
use crate::pruning::Failure;
use crate::undo::{BackedUp, RESTORED_ANNOTATION, Restore, UndoGuard, UndoPlan, UndoSeen, Undoing, body};

use super::act::{self, Shared};
use super::api::{METADATA, Reply, collection, encoded};
use super::{Cluster, Journal, Pace};

/// What of a journal can be planned with, and the content that it takes.
pub struct Backups {
    /// The uid of the cluster's `kube-system`.
    pub cluster: String,
    /// Who was backed up.
    pub objects: Vec<BackedUp>,
    /// As JSON, by uid.
    content: HashMap<String, String>,
}

impl std::fmt::Debug for Backups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backups").field("cluster", &self.cluster).field("objects", &self.objects).finish_non_exhaustive()
    }
}

impl Backups {
    /// Reads a journal.
    ///
    /// # Errors
    /// [`Error::Journal`] where it cannot be read, is none, or nothing was done with it.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let content = Journal::content(path)?;
        let problem = || Error::Journal { path: path.display().to_string(), problem: "it names no cluster: nothing was deleted with it".to_owned() };
        let (cluster, backups) = (content.cluster.ok_or_else(problem)?, content.backups);
        let objects = backups.iter().filter_map(|(backup, _)| BackedUp::read(backup.object.get())).collect();
        let content = backups.into_iter().map(|(backup, _)| (backup.uid, backup.object.get().to_owned())).collect();
        Ok(Self { cluster, objects, content })
    }
}

struct Hands<'a> {
    shared: Arc<Shared>,
    backups: &'a Backups,
}

impl Cluster {
    /// Makes again what a plan of [`undo::plan`](crate::undo::plan) asks for, out of the journal that it was made of, and reports one outcome for each.
    pub async fn undo<O>(&self, plan: &UndoPlan, backups: &Backups, pace: &Pace, observer: O) -> Report<Undoing>
    where
        O: FnMut(Event<'_, Undoing>) + Send,
    {
        let shared = Shared::new(self.api.clone(), None, pace);
        let mut hands: Vec<Hands<'_>> = (0..pace.lanes.get()).map(|_| Hands { shared: Arc::clone(&shared), backups }).collect();
        apply_in_lanes(plan, &mut hands, pace.most_failures.get(), observer).await
    }
}

impl Site<Undoing> for Hands<'_> {
    async fn look(&mut self, step: &Step<Undoing>, _progress: &mut (dyn FnMut(String) + Send)) -> Result<UndoSeen, Failure> {
        let cluster = self.shared.cluster().await?;
        let object = &step.action.object;
        let found = act::optional(self.shared.api.get(&act::path(object), METADATA).await, &object.to_string())?;
        let found = found.map(|text| act::parsed(&text)).transpose()?.map(|found| found["metadata"].clone());
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let seen = found.map(|metadata| (text(&metadata["uid"]).unwrap_or_default(), text(&metadata["annotations"][RESTORED_ANNOTATION])));
        let controller = step.guards.iter().find_map(|guard| if let UndoGuard::Controller { controller } = guard { Some(controller) } else { None });
        let controller = match controller {
            Some(controller) => self.controller(object, controller).await?,
            None => None,
        };
        Ok(UndoSeen { cluster, object: seen, controller })
    }

    async fn act(&mut self, action: &Restore, _progress: &mut (dyn FnMut(String) + Send)) -> Result<(), Failure> {
        let object = &action.object;
        let backup = self.backups.content.get(&object.uid).and_then(|content| body(content, &object.uid));
        let body = backup.ok_or_else(|| Failure::Api { problem: format!("{object} is not in this journal") })?;
        self.shared.limiter.pass().await;
        let path = collection(object.kind.api_version(), Some(&object.namespace), object.kind.plural());
        match self.shared.api.create(&path, &body).await {
            Reply::Ok(_) => Ok(()),
            Reply::Conflict => Err(Failure::Conflict),
            Reply::Denied(problem) => Err(Failure::Denied { problem }),
            Reply::Forbidden => Err(act::forbidden("create", object)),
            other @ (Reply::NotFound | Reply::Expired(_) | Reply::Failed(_) | Reply::NoAnswer(_)) => Err(act::failure(other, &object.to_string())),
        }
    }
}

impl Hands<'_> {
    /// The uid of a controller of this name; none where it is gone, or of a kind that prunes nothing.
    async fn controller(&self, object: &ObjectRef, controller: &Controller) -> Result<Option<String>, Failure> {
        let kinds = [OwnerKind::Deployment, OwnerKind::StatefulSet, OwnerKind::DaemonSet, OwnerKind::CronJob];
        let Some(kind) = kinds.into_iter().find(|kind| kind.is_of(controller)) else { return Ok(None) };
        let path = format!("{}/{}", collection(kind.api_version(), Some(&object.namespace), kind.plural()), encoded(&controller.name));
        let found = act::optional(self.shared.api.get(&path, METADATA).await, &controller.to_string())?;
        Ok(found.map(|text| act::parsed(&text)).transpose()?.and_then(|found| found["metadata"]["uid"].as_str().map(str::to_owned)))
    }
}
