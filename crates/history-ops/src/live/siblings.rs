//! The rest of a history: so many objects of it have to stay.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::kind::helm::Payload;
use crate::object::ObjectRef;
use crate::pruning::Failure;
use crate::rows::HistorySeen;

use super::act;
use super::api::{Api, METADATA_LIST, WHOLE, collection, encoded};

/// Objects in a page.
const PAGE: usize = 500;
/// After this long a history is listed again.
const STALE: Duration = Duration::from_secs(10);

/// The histories that were listed. What a lane is about to delete is taken out before, so that two lanes do not rely on each other's.
#[derive(Default)]
pub(super) struct Siblings {
    lists: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Listed>>>>,
}

/// Of which history an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct History {
    /// The list that holds it, and possibly others.
    path: String,
    /// The uid of the owner; none where the list is of one release.
    owner: Option<String>,
    /// The uid of the object.
    uid: String,
}

#[derive(Default)]
struct Listed {
    /// The uids of each history, without those that were taken out.
    there: HashMap<Option<String>, HashSet<String>>,
    /// Taken out, and neither deleted nor given back yet.
    taken: HashSet<String>,
    /// Of a release: uid and path of its records, the newest first.
    newest_first: Vec<(String, String)>,
    /// What is known of the payloads of records: whether Helm can read them.
    readable: HashMap<String, bool>,
    at: Option<Instant>,
}

impl History {
    /// The objects of this kind that `owner` controls. `selector` is the owner's, which spares the others of the namespace; empty where it has none.
    pub(super) fn of_owner(object: &ObjectRef, owner: &str, selector: &str) -> Self {
        Self { path: list(object, selector), owner: Some(owner.to_owned()), uid: object.uid.clone() }
    }

    /// The records of the release that a record is of; none where it is no record.
    pub(super) fn of_release(object: &ObjectRef, labels: &Value) -> Option<Self> {
        let of = |owner: &str, name: &str| {
            let release = labels[name].as_str()?;
            let (key, value) = owner.split_once('=')?;
            let path = list(object, &format!("{owner},{name}={release}"));
            (labels[key] == value).then(|| Self { path, owner: None, uid: object.uid.clone() })
        };
        of("owner=helm", "name").or_else(|| of("OWNER=TILLER", "NAME"))
    }
}

fn list(object: &ObjectRef, selector: &str) -> String {
    let base = collection(object.kind.api_version(), Some(&object.namespace), object.kind.plural());
    let selector = if selector.is_empty() { String::new() } else { format!("&labelSelector={}", encoded(selector)) };
    format!("{base}?limit={PAGE}{selector}")
}

impl Siblings {
    /// How many are there, as far as it was counted. Where `least` are beside this one, it is taken out until it is [settled](Self::settle).
    ///
    /// Of a release only records count whose payload can be read, as for Helm.
    pub(super) async fn take(&self, api: &Api, history: &History, least: u64) -> Result<u64, Failure> {
        let list = self.list(history);
        let mut listed = list.lock().await;
        if listed.at.is_none_or(|at| at.elapsed() > STALE) {
            listed.read(api, &history.path).await?;
        }
        let others = match history.owner {
            Some(_) => listed.others(history),
            None => listed.readable_others(api, history, least).await?,
        };
        if others >= least {
            if let Some(there) = listed.there.get_mut(&history.owner) {
                there.remove(&history.uid);
            }
            listed.taken.insert(history.uid.clone());
        }
        Ok(others + 1)
    }

    /// Says what became of the one that was taken out.
    pub(super) async fn settle(&self, history: &History, became: Became) {
        let list = self.list(history);
        let mut listed = list.lock().await;
        listed.taken.remove(&history.uid);
        match became {
            Became::Deleted => {
                if let Some(there) = listed.there.get_mut(&history.owner) {
                    there.remove(&history.uid);
                }
            }
            Became::Kept => drop(listed.there.entry(history.owner.clone()).or_default().insert(history.uid.clone())),
            // The next one lists anew.
            Became::Unknown => listed.at = None,
        }
    }

    fn list(&self, history: &History) -> Arc<tokio::sync::Mutex<Listed>> {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(lists.entry(history.path.clone()).or_default())
    }
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Became {
    Deleted,
    Kept,
    /// Nobody answered.
    Unknown,
}

impl Listed {
    fn others(&self, history: &History) -> u64 {
        let there = self.there.get(&history.owner);
        let all = there.map_or(0, HashSet::len);
        let itself = there.is_some_and(|there| there.contains(&history.uid));
        u64::try_from(all - usize::from(itself)).unwrap_or(u64::MAX)
    }

    /// Up to `least` of them, from the newest on: no more are read than have to be.
    async fn readable_others(&mut self, api: &Api, history: &History, least: u64) -> Result<u64, Failure> {
        let mut found = 0;
        let there = self.there.get(&history.owner);
        for (uid, path) in &self.newest_first {
            if found >= least {
                break;
            }
            if *uid == history.uid || there.is_none_or(|there| !there.contains(uid)) {
                continue;
            }
            if !self.readable.contains_key(uid) {
                self.readable.insert(uid.clone(), readable(api, path, uid).await?);
            }
            found += u64::from(self.readable.get(uid) == Some(&true));
        }
        Ok(found)
    }

    async fn read(&mut self, api: &Api, path: &str) -> Result<(), Failure> {
        let mut fresh = Self::default();
        let mut records = Vec::new();
        let mut next = String::new();
        loop {
            let found = act::optional(api.get(&format!("{path}{next}"), METADATA_LIST).await, "the rest of its history")?;
            let page = act::parsed(&found.unwrap_or_else(|| "{}".to_owned()))?;
            let all = page["items"].as_array().into_iter().flatten().map(|item| &item["metadata"]);
            for metadata in all.filter(|metadata| metadata["deletionTimestamp"].is_null()) {
                let mut owners = metadata["ownerReferences"].as_array().into_iter().flatten();
                let controller = owners.find(|owner| owner["controller"] == true).and_then(|owner| owner["uid"].as_str());
                let uid = metadata["uid"].as_str().unwrap_or_default().to_owned();
                records.extend(version(metadata).zip(metadata["name"].as_str()).map(|(version, name)| (version, uid.clone(), name.to_owned())));
                // A release has no owners: its records are all of one history.
                let of = controller.map(str::to_owned);
                fresh.there.entry(of).or_default().insert(uid);
            }
            match page["metadata"]["continue"].as_str().filter(|token| !token.is_empty()) {
                Some(token) => next = format!("&continue={}", encoded(token)),
                None => break,
            }
        }
        records.sort_unstable_by_key(|(version, _, _)| std::cmp::Reverse(*version));
        let base = path.split('?').next().unwrap_or_default();
        fresh.newest_first = records.into_iter().map(|(_, uid, name)| (uid, format!("{base}/{}", encoded(&name)))).collect();
        for there in fresh.there.values_mut() {
            there.retain(|uid| !self.taken.contains(uid));
        }
        // What is known of payloads goes too: somebody may have written them since.
        *self = Self { taken: std::mem::take(&mut self.taken), at: Some(Instant::now()), ..fresh };
        Ok(())
    }
}

/// The version of a record of Helm.
fn version(metadata: &Value) -> Option<i64> {
    let labels = &metadata["labels"];
    labels["version"].as_str().or(labels["VERSION"].as_str())?.parse().ok()
}

/// Whether Helm can read a record.
async fn readable(api: &Api, path: &str, uid: &str) -> Result<bool, Failure> {
    let Some(text) = act::optional(api.get(path, WHOLE).await, "the rest of its history")? else { return Ok(false) };
    let seen = HistorySeen::of_dump(text.as_bytes()).unwrap_or_default();
    let agrees = |payload: &Option<Payload>| *payload == Some(Payload::Agrees);
    Ok(seen.helm.first().is_some_and(|record| record.meta.object.uid == uid && agrees(&record.payload)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::object::Kind;

    #[test]
    fn a_record_is_counted_with_its_release() {
        let object = ObjectRef {
            kind: Kind::Secret,
            namespace: "shop".to_owned(),
            name: "v1".to_owned(),
            uid: "u".to_owned(),
            resource_version: "1".to_owned(),
        };
        let path = |labels: Value| History::of_release(&object, &labels).map(|history| history.path);
        let expected = "/api/v1/namespaces/shop/secrets?limit=500&labelSelector=owner%3Dhelm%2Cname%3Dweb";
        assert_eq!(path(json!({"owner": "helm", "name": "web"})).as_deref(), Some(expected));
        assert!(path(json!({"OWNER": "TILLER", "NAME": "web"})).unwrap().ends_with("OWNER%3DTILLER%2CNAME%3Dweb"));
        assert_eq!(path(json!({"app": "web"})), None);
    }
}
