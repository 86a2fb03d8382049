//! An owner, right before something of its history goes.

use std::collections::BTreeSet;

use crate::kind::deployment::Moment;
use crate::object::{OwnerKind, OwnerRef};
use crate::pruning::{Failure, OwnerSeen};
use crate::rows::{HistorySeen, OwnerMeta};
use crate::selector::Selector;

use super::act;
use super::api::{Api, WHOLE, collection, encoded};

pub(super) struct Owner {
    pub(super) seen: OwnerSeen,
    /// The revisions that its status names.
    pub(super) named: BTreeSet<String>,
    /// What its objects are listed by; empty where nothing tells them from others.
    pub(super) selector: String,
}

/// The owner of that name, if there is any.
pub(super) async fn look(api: &Api, owner: &OwnerRef) -> Result<Option<Owner>, Failure> {
    let found = get(api, owner.kind, &owner.namespace, &owner.name, WHOLE).await?;
    found.map(|text| read(&text, owner)).transpose()
}

/// A workload as JSON, in the version of its API that the cluster has.
pub(super) async fn get(api: &Api, kind: OwnerKind, namespace: &str, name: &str, accept: &str) -> Result<Option<String>, Failure> {
    for api_version in kind.api_versions() {
        let path = format!("{}/{}", collection(api_version, Some(namespace), kind.plural()), encoded(name));
        let found = act::optional(api.get(&path, accept).await, &format!("{kind} {namespace}/{name}"))?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn read(text: &str, owner: &OwnerRef) -> Result<Owner, Failure> {
    let unreadable = |problem: String| Failure::Api { problem: format!("{owner}: {problem}") };
    let mut seen = HistorySeen::of_dump(text.as_bytes()).map_err(|error| unreadable(error.to_string()))?;
    if let Some(unread) = seen.unread.first() {
        return Err(unreadable(unread.problem.to_string()));
    }
    let always = |meta: OwnerMeta| (meta, true, BTreeSet::new());
    let deployment = seen.deployments.pop().map(|one| (one.meta.clone(), one.moment() != Moment::Incomplete, BTreeSet::new()));
    let stateful_set =
        seen.stateful_sets.pop().map(|one| (one.meta, true, [one.current_revision, one.update_revision].into_iter().flatten().collect()));
    let others = seen.daemon_sets.pop().map(|one| always(one.meta)).or_else(|| seen.cron_jobs.pop().map(|one| always(one.meta)));
    let (meta, rolled_out, named) = deployment.or(stateful_set).or(others).ok_or_else(|| unreadable("it is of another kind".to_owned()))?;
    let seen =
        OwnerSeen { uid: meta.owner.uid.clone(), generation: meta.owner.generation, deleting: meta.deleting, opted_out: meta.opted_out, rolled_out };
    let selector: Selector = serde_json::from_value(act::parsed(text)?["spec"]["selector"].take()).unwrap_or_default();
    Ok(Owner { seen, named, selector: selector.to_string() })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn owner(kind: OwnerKind, object: &Value) -> Owner {
        let owner = OwnerRef { kind, namespace: "shop".to_owned(), name: "web".to_owned(), uid: "u".to_owned(), generation: 1 };
        read(&object.to_string(), &owner).unwrap()
    }

    fn object(kind: &str, status: &Value) -> Value {
        let metadata = json!({"namespace": "shop", "name": "web", "uid": "u", "resourceVersion": "1", "generation": 4,
            "annotations": {"trimtab.dev/keep": "true"}});
        let spec = json!({"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": {}});
        json!({"kind": kind, "apiVersion": "apps/v1", "metadata": metadata, "spec": spec, "status": status})
    }

    #[test]
    fn what_its_rollout_status_and_annotation_say_is_seen() {
        let complete = json!({"observedGeneration": 4, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1});
        let seen = owner(OwnerKind::Deployment, &object("Deployment", &complete)).seen;
        assert!(seen.rolled_out && seen.opted_out && !seen.deleting);
        assert_eq!((seen.uid.as_str(), seen.generation), ("u", 4));
        assert!(!owner(OwnerKind::Deployment, &object("Deployment", &json!({}))).seen.rolled_out);
        let set = owner(OwnerKind::StatefulSet, &object("StatefulSet", &json!({"currentRevision": "web-1", "updateRevision": "web-2"})));
        assert_eq!(set.named, BTreeSet::from(["web-1".to_owned(), "web-2".to_owned()]));
        assert_eq!(set.selector, "app=web");
        assert!(set.seen.rolled_out);
    }
}
