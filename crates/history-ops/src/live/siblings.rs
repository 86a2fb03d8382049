//! How many objects of one history are there: so many have to stay.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::object::ObjectRef;
use crate::pruning::Failure;

use super::act;
use super::api::{Api, METADATA_LIST, collection, encoded};

/// Objects in a page.
const PAGE: usize = 500;
/// After this long a history is counted again.
const STALE: Duration = Duration::from_secs(10);

/// The histories that were counted, each by the list that it is counted in. What a lane is about to delete is taken out of the count before, so that two
/// lanes do not rely on the same object.
#[derive(Default)]
pub(super) struct Siblings {
    lists: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Counted>>>>,
}

/// Of which history an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct History {
    /// The list that holds it, and possibly others.
    path: String,
    /// The uid of the owner; none where the list is of one release.
    owner: Option<String>,
}

#[derive(Default)]
struct Counted {
    by_owner: HashMap<Option<String>, u64>,
    /// Taken out, and neither deleted nor given back yet.
    taken: u64,
    at: Option<Instant>,
}

impl History {
    /// The objects of this kind that `owner` controls. `selector` is the owner's, which spares the others of the namespace; empty where it has none.
    pub(super) fn of_owner(object: &ObjectRef, owner: &str, selector: &str) -> Self {
        Self { path: list(object, selector), owner: Some(owner.to_owned()) }
    }

    /// The records of the release that a record is of; none where it is no record.
    pub(super) fn of_release(object: &ObjectRef, labels: &Value) -> Option<Self> {
        let of = |owner: &str, name: &str| {
            let release = labels[name].as_str()?;
            let (key, value) = owner.split_once('=')?;
            (labels[key] == value).then(|| Self { path: list(object, &format!("{owner},{name}={release}")), owner: None })
        };
        of("owner=helm", "name").or_else(|| of("OWNER=TILLER", "NAME"))
    }
}

fn list(object: &ObjectRef, selector: &str) -> String {
    let base = collection(object.kind.api_version(), Some(&object.namespace), object.kind.plural());
    let selector = if selector.is_empty() { String::new() } else { format!("&labelSelector={}", encoded(selector)) };
    format!("{base}?limit={PAGE}{selector}")
}

/// A selector as queries have it.
pub(super) fn selector(selector: &Value) -> String {
    let equal = selector["matchLabels"].as_object().into_iter().flatten();
    let equal = equal.filter_map(|(key, value)| value.as_str().map(|value| format!("{key}={value}")));
    let others = selector["matchExpressions"].as_array().into_iter().flatten().filter_map(expression);
    equal.chain(others).collect::<Vec<_>>().join(",")
}

fn expression(expression: &Value) -> Option<String> {
    let key = expression["key"].as_str()?;
    let values = || expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(",");
    match expression["operator"].as_str()? {
        "In" => Some(format!("{key} in ({})", values())),
        "NotIn" => Some(format!("{key} notin ({})", values())),
        "Exists" => Some(key.to_owned()),
        "DoesNotExist" => Some(format!("!{key}")),
        _ => None,
    }
}

impl Siblings {
    /// How many are there. Where more than `least` are, one of them is taken out until it is [settled](Self::settle).
    pub(super) async fn take(&self, api: &Api, history: &History, least: u64) -> Result<u64, Failure> {
        let list = self.list(history);
        let mut counted = list.lock().await;
        if counted.taken == 0 && counted.at.is_none_or(|at| at.elapsed() > STALE) {
            counted.by_owner = count(api, &history.path).await?;
            counted.at = Some(Instant::now());
        }
        let there = counted.by_owner.get(&history.key()).copied().unwrap_or(0);
        if there > least {
            counted.by_owner.insert(history.key(), there - 1);
            counted.taken += 1;
        }
        Ok(there)
    }

    /// Says what became of the one that was taken out.
    pub(super) async fn settle(&self, history: &History, became: Became) {
        let list = self.list(history);
        let mut counted = list.lock().await;
        counted.taken = counted.taken.saturating_sub(1);
        match became {
            Became::Deleted => {}
            Became::Kept => *counted.by_owner.entry(history.key()).or_default() += 1,
        }
    }

    fn list(&self, history: &History) -> Arc<tokio::sync::Mutex<Counted>> {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(lists.entry(history.path.clone()).or_default())
    }
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Became {
    Deleted,
    Kept,
}

impl History {
    fn key(&self) -> Option<String> {
        self.owner.clone()
    }
}

async fn count(api: &Api, path: &str) -> Result<HashMap<Option<String>, u64>, Failure> {
    let mut by_owner = HashMap::new();
    let mut next = String::new();
    loop {
        let found = act::optional(api.get(&format!("{path}{next}"), METADATA_LIST).await, "the rest of its history")?;
        let page = act::parsed(&found.unwrap_or_else(|| "{}".to_owned()))?;
        for item in page["items"].as_array().into_iter().flatten().filter(|item| item["metadata"]["deletionTimestamp"].is_null()) {
            let mut owners = item["metadata"]["ownerReferences"].as_array().into_iter().flatten();
            let controller = owners.find(|owner| owner["controller"] == true).and_then(|owner| owner["uid"].as_str());
            *by_owner.entry(controller.map(str::to_owned)).or_default() += 1;
        }
        match page["metadata"]["continue"].as_str().filter(|token| !token.is_empty()) {
            Some(token) => next = format!("&continue={}", encoded(token)),
            None => return Ok(by_owner),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::object::Kind;

    #[test]
    fn a_selector_is_written_as_queries_have_it() {
        let expressions = json!([{"key": "tier", "operator": "In", "values": ["a", "b"]}, {"key": "old", "operator": "DoesNotExist"}]);
        let written = selector(&json!({"matchLabels": {"app": "web"}, "matchExpressions": expressions}));
        assert_eq!(written, "app=web,tier in (a,b),!old");
        assert_eq!(selector(&Value::Null), "");
    }

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
