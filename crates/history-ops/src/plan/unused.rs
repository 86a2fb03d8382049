//! ConfigMaps and Secrets that nothing uses once the plan is done.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use trimtab_core::plan::Step;

use crate::object::{Kind, ObjectRef};
use crate::pruning::{Notice, Pruning};
use crate::rows::HistorySeen;
use crate::uses::Use;

type Key<'a> = (&'a str, &'a Use);

/// Said only of what was seen: a pod or a workload that is not in the dump may use it still.
///
/// Few of many names are left in the end, so that only what goes is gathered, what anything else uses is taken out again, and the rest is sorted.
pub(super) fn announce(notices: &mut Vec<Notice>, steps: &[Step<Pruning>], seen: &HistorySeen) {
    let revision = |kind: Kind| matches!(kind, Kind::ReplicaSet | Kind::ControllerRevision);
    let going = steps.iter().map(|step| &step.action.object).filter(|object| revision(object.kind));
    let going: HashSet<&str> = going.map(|object| object.uid.as_str()).collect();
    if going.is_empty() {
        return;
    }
    let (mut last, mut kept) = (HashMap::new(), Vec::new());
    for (object, uses) in revisions(seen).filter(|(_, uses)| !uses.is_empty()) {
        if going.contains(object.uid.as_str()) {
            last.extend(uses.iter().map(|what| ((object.namespace.as_str(), what), object)));
        } else {
            kept.push((object.namespace.as_str(), uses));
        }
    }
    let kept = kept.into_iter().flat_map(|(namespace, uses)| each(namespace, uses));
    for used in kept.chain(others(seen)) {
        last.remove(&used);
    }
    let mut unused: Vec<_> = last.into_iter().collect();
    unused.sort_unstable_by_key(|(key, _)| *key);
    notices.extend(unused.into_iter().map(|((namespace, what), object)| Notice::NoLongerUsed {
        namespace: namespace.to_owned(),
        what: what.clone(),
        last: Arc::clone(object),
    }));
}

fn revisions(seen: &HistorySeen) -> impl Iterator<Item = (&Arc<ObjectRef>, &[Use])> {
    let sets = seen.replica_sets.iter().map(|set| (&set.meta.object, &*set.uses));
    sets.chain(seen.controller_revisions.iter().map(|one| (&one.meta.object, &*one.uses)))
}

fn others(seen: &HistorySeen) -> impl Iterator<Item = Key<'_>> {
    let deployments = seen.deployments.iter().flat_map(|one| each(&one.meta.owner.namespace, &one.uses));
    let stateful_sets = seen.stateful_sets.iter().flat_map(|one| each(&one.meta.owner.namespace, &one.uses));
    let daemon_sets = seen.daemon_sets.iter().flat_map(|one| each(&one.meta.owner.namespace, &one.uses));
    let cron_jobs = seen.cron_jobs.iter().flat_map(|one| each(&one.meta.owner.namespace, &one.uses));
    let jobs = seen.jobs.iter().flat_map(|one| each(&one.meta.object.namespace, &one.uses));
    let pods = seen.pods.iter().flat_map(|one| each(&one.meta.object.namespace, &one.uses));
    deployments.chain(stateful_sets).chain(daemon_sets).chain(cron_jobs).chain(jobs).chain(pods)
}

fn each<'a>(namespace: &'a str, uses: &'a [Use]) -> impl Iterator<Item = Key<'a>> {
    uses.iter().map(move |what| (namespace, what))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::policy::Policy;

    /// A workload whose template takes its settings from a ConfigMap, beside a Secret of all of them.
    fn workload(kind: &str, name: &str, config: &str, more: &Value) -> Value {
        let env = json!([{"configMapRef": {"name": config}}, {"secretRef": {"name": "password"}}]);
        let spec = json!({"containers": [{"name": "main", "image": config, "envFrom": env}]});
        let mut object = json!({
            "kind": kind, "apiVersion": "apps/v1",
            "metadata": {"namespace": "shop", "name": name, "uid": name, "resourceVersion": "1", "generation": 1},
            "spec": {"replicas": 0, "revisionHistoryLimit": 1, "template": {"spec": spec}},
            "status": {"observedGeneration": 1, "replicas": 0},
        });
        for (field, value) in more.as_object().into_iter().flatten() {
            object["metadata"][field] = value.clone();
        }
        object
    }

    fn replica_set(revision: i64, config: &str) -> Value {
        let owner = json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "web", "controller": true}]);
        let annotations = json!({"deployment.kubernetes.io/revision": revision.to_string()});
        workload("ReplicaSet", &format!("web-{revision}"), config, &json!({"ownerReferences": owner, "annotations": annotations}))
    }

    fn said(mut items: Vec<Value>) -> Vec<String> {
        items.push(json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "kube-system", "uid": "c"}}));
        let seen = HistorySeen::of_dump(json!({ "items": items }).to_string().as_bytes()).unwrap();
        let plan = crate::plan(&seen, &Policy::new("1.34".parse().unwrap()), jiff::Timestamp::UNIX_EPOCH).unwrap();
        let unused = |notice: &Notice| {
            let Notice::NoLongerUsed { what, last, .. } = notice else { return None };
            Some(format!("{what:?} {}", last.name))
        };
        plan.notices.iter().filter_map(unused).collect()
    }

    fn rolled() -> Vec<Value> {
        let configs = ["b", "a", "a", "shared", "kept", "new"];
        let sets = configs.iter().zip(1..).map(|(config, revision)| replica_set(revision, config));
        std::iter::once(workload("Deployment", "web", "new", &json!({}))).chain(sets).collect()
    }

    #[test]
    fn what_only_the_deleted_revisions_used_is_told_once_in_order_with_the_last_of_them() {
        assert_eq!(said(rolled()), [r#"ConfigMap("a") web-3"#, r#"ConfigMap("b") web-1"#, r#"ConfigMap("shared") web-4"#]);
    }

    #[test]
    fn what_a_pod_or_another_workload_uses_is_not_told() {
        let mut items = rolled();
        items.push(workload("StatefulSet", "database", "shared", &json!({})));
        let container = json!({"name": "main", "envFrom": [{"configMapRef": {"name": "b"}}]});
        let metadata = |namespace: &str| json!({"namespace": namespace, "name": "pod", "uid": namespace, "resourceVersion": "1"});
        let pod = |namespace| json!({"kind": "Pod", "apiVersion": "v1", "metadata": metadata(namespace), "spec": {"containers": [container]}});
        items.extend([pod("shop"), pod("elsewhere")]);
        assert_eq!(said(items), [r#"ConfigMap("a") web-3"#]);
    }

    #[test]
    fn a_revision_that_stands_twice_in_a_dump_goes_twice() {
        assert_eq!(said([rolled(), rolled().split_off(1)].concat()), said(rolled()));
    }

    #[test]
    fn the_same_name_in_another_namespace_is_another_one() {
        let mut items = rolled();
        let mut other = workload("StatefulSet", "database", "b", &json!({}));
        other["metadata"]["namespace"] = json!("elsewhere");
        items.push(other);
        assert!(said(items).contains(&r#"ConfigMap("b") web-1"#.to_owned()));
    }
}
