//! The hands of an undo: makes objects of a journal again.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use serde_json::value::RawValue;
use trimtab_core::apply::{Event, Site, apply_in_lanes};
use trimtab_core::plan::{Domain as _, Report, Step};

use crate::error::Error;
use crate::object::{Controller, ObjectRef, OwnerKind};
use crate::pruning::Failure;
use crate::undo::{self, BackedUp, RESTORED_ANNOTATION, Release, Restore, UndoGuard, UndoNotice, UndoPlan, UndoSeen, Undoing, body};

use super::act::{self, Shared};
use super::api::{METADATA, METADATA_LIST, Reply, collection, encoded};
use super::lines::{self, Line, Place};
use super::{Cluster, Pace, owner};

/// What of a journal can be planned with; the content stays in its file until it is sent.
pub struct Backups {
    /// The uid of the cluster's `kube-system`.
    pub cluster: String,
    /// Who was backed up.
    pub objects: Vec<BackedUp>,
    /// Lines, and objects in them, that cannot be read: a disk that lost its power leaves such ones. The others are not the worse for it.
    pub unreadable: usize,
    file: File,
    /// Of each uid the last line.
    places: HashMap<String, Place>,
}

impl fmt::Debug for Backups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backups").field("cluster", &self.cluster).field("objects", &self.objects).finish_non_exhaustive()
    }
}

impl Backups {
    /// Reads a journal.
    ///
    /// # Errors
    /// [`Error::Journal`] where it cannot be read, is none, or nothing was done with it.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let wrong = |problem: String| Error::Journal { path: path.display().to_string(), problem };
        let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
        let mut read = Reading::default();
        lines::read(&file, |_, place, line| {
            read.add(place, line);
            Ok(())
        })
        .map_err(wrong)?;
        let cluster = read.cluster.ok_or_else(|| wrong("it names no cluster: nothing was deleted with it".to_owned()))?;
        let kept = read.kept;
        let objects = read.objects.into_iter().map(|backup| BackedUp { kept: kept.contains(&backup.object.uid), ..backup }).collect();
        Ok(Self { cluster, objects, unreadable: read.unreadable, file, places: read.places })
    }

    /// [`undo::plan`] of all of them, which says how much of the journal could not be read.
    #[must_use]
    pub fn plan(&self) -> UndoPlan {
        let mut plan = undo::plan(&self.cluster, &self.objects);
        plan.notices.extend((self.unreadable > 0).then_some(UndoNotice::Unreadable { count: self.unreadable }));
        plan
    }

    fn content(&self, uid: &str) -> Option<Box<RawValue>> {
        match lines::line(&self.file, *self.places.get(uid)?)? {
            Line::Backup(backup) if backup.uid == uid => Some(backup.object),
            Line::Backup(_) | Line::Cluster(_) | Line::Run(_) | Line::Deleted(_) | Line::Kept(_) => None,
        }
    }
}

#[derive(Default)]
struct Reading {
    cluster: Option<String>,
    objects: Vec<BackedUp>,
    unreadable: usize,
    places: HashMap<String, Place>,
    /// What the server refused to delete, by what is said of it last.
    kept: HashSet<String>,
    run: Option<Timestamp>,
}

impl Reading {
    fn add(&mut self, place: Place, line: Option<Line>) {
        match line {
            Some(Line::Cluster(uid)) => self.cluster = Some(uid),
            Some(Line::Backup(backup)) => match BackedUp::read(backup.object.get()).filter(|read| read.object.uid == backup.uid) {
                Some(read) => {
                    self.objects.push(BackedUp { run: self.run, ..read });
                    self.kept.remove(&backup.uid);
                    self.places.insert(backup.uid, place);
                }
                None => self.unreadable += 1,
            },
            Some(Line::Run(at)) => self.run = Some(at),
            Some(Line::Deleted(uid)) => drop(self.kept.remove(&uid)),
            Some(Line::Kept(uid)) => drop(self.kept.insert(uid)),
            None => self.unreadable += 1,
        }
    }
}

struct Hands<'a> {
    shared: Arc<Shared>,
    backups: &'a Backups,
}

impl Cluster {
    /// Makes again what a plan of [`undo::plan`] asks for, out of the journal that it was made of, and reports one outcome for each.
    pub async fn undo<O>(&self, plan: &UndoPlan, backups: &Backups, pace: &Pace, observer: O) -> Report<Undoing>
    where
        O: FnMut(Event<'_, Undoing>) + Send,
    {
        let shared = Shared::new(self.api.clone(), None, pace);
        let mut hands: Vec<Hands<'_>> = (0..pace.width()).map(|_| Hands { shared: Arc::clone(&shared), backups }).collect();
        apply_in_lanes(plan, &mut hands, pace.most_failures.get(), observer).await
    }
}

impl Site<Undoing> for Hands<'_> {
    async fn look(&mut self, step: &Step<Undoing>, _progress: &mut (dyn FnMut(String) + Send)) -> Result<UndoSeen, Failure> {
        let object = &step.action.object;
        if !step.guards.iter().any(Undoing::is_identity) {
            return Err(Failure::Unguarded);
        }
        // Whatever stands in the plan, which is a file that can be edited.
        if let Some(reason) = undo::reason(object.kind) {
            return Err(Failure::NotRestorable { problem: reason.to_string() });
        }
        let cluster = self.shared.cluster().await?;
        if cluster != self.backups.cluster {
            return Err(Failure::NotRestorable { problem: format!("the journal is of cluster {}", self.backups.cluster) });
        }
        let found = act::optional(self.shared.api.get(&act::path(object), METADATA).await, &object.to_string())?;
        let found = found.map(|text| act::parsed(&text)).transpose()?.map(|found| found["metadata"].clone());
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let seen = found.map(|metadata| (text(&metadata["uid"]).unwrap_or_default(), text(&metadata["annotations"][RESTORED_ANNOTATION])));
        let controller = step.guards.iter().find_map(|guard| if let UndoGuard::Controller { controller } = guard { Some(controller) } else { None });
        let controller = match controller {
            Some(controller) => self.controller(object, controller).await?,
            None => None,
        };
        let release = step.guards.iter().find_map(|guard| if let UndoGuard::NewerRecord { release } = guard { Some(release) } else { None });
        let newest = match release {
            Some(release) => self.newest(object, release).await?,
            None => None,
        };
        Ok(UndoSeen { cluster, object: seen, controller, newest })
    }

    async fn act(&mut self, action: &Restore, _progress: &mut (dyn FnMut(String) + Send)) -> Result<(), Failure> {
        let object = &action.object;
        let backup = self.backups.content(&object.uid).and_then(|content| body(content.get(), &object.uid));
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
    /// The newest revision of a release.
    async fn newest(&self, object: &ObjectRef, release: &Release) -> Result<Option<u64>, Failure> {
        let path = collection(object.kind.api_version(), Some(&object.namespace), object.kind.plural());
        let path = format!("{path}?labelSelector={}", encoded(&release.selector));
        let found = act::optional(self.shared.api.get(&path, METADATA_LIST).await, "the records of its release")?;
        Ok(found.map(|text| act::parsed(&text)).transpose()?.as_ref().and_then(Release::newest))
    }

    /// The uid of a controller of this name; none where it is gone, or of a kind that prunes nothing.
    async fn controller(&self, object: &ObjectRef, controller: &Controller) -> Result<Option<String>, Failure> {
        let kinds = [OwnerKind::Deployment, OwnerKind::StatefulSet, OwnerKind::DaemonSet, OwnerKind::CronJob];
        let Some(kind) = kinds.into_iter().find(|kind| kind.is_of(controller)) else { return Ok(None) };
        let found = owner::get(&self.shared.api, kind, &object.namespace, &controller.name, METADATA).await?;
        Ok(found.map(|text| act::parsed(&text)).transpose()?.and_then(|found| found["metadata"]["uid"].as_str().map(str::to_owned)))
    }
}
