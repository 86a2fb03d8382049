//! What no plan deletes, whatever stands in it: a plan is a file, and a file can be edited.

use crate::object::Kind;
use crate::pruning::Failure;
use crate::rows::HistorySeen;

/// Whether an object that was just read is history at all.
pub(super) fn check(kind: Kind, seen: &HistorySeen) -> Result<(), Failure> {
    let refuse = |problem: &str| Err(Failure::NotHistory { problem: problem.to_owned() });
    match kind {
        Kind::ReplicaSet if seen.replica_sets.first().is_none_or(crate::kind::deployment::ReplicaSet::is_in_use) => refuse("it is in use"),
        Kind::Job if seen.jobs.first().is_none_or(|job| job.finished.is_none()) => refuse("it has not ended"),
        Kind::Pod if seen.pods.first().is_none_or(|pod| !pod.is_terminated()) => refuse("it has not ended"),
        Kind::Secret | Kind::ConfigMap if seen.helm.is_empty() => refuse("it is no record of Helm"),
        Kind::ReplicaSet | Kind::Job | Kind::Pod | Kind::Secret | Kind::ConfigMap | Kind::ControllerRevision | Kind::Event => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn checked(kind: Kind, mut object: Value) -> Result<(), Failure> {
        object["kind"] = json!(kind.as_str());
        object["apiVersion"] = json!(kind.api_version());
        for (field, value) in [("namespace", "shop"), ("name", "a"), ("uid", "u"), ("resourceVersion", "1")] {
            object["metadata"][field] = json!(value);
        }
        check(kind, &HistorySeen::of_dump(object.to_string().as_bytes()).unwrap())
    }

    #[test]
    fn what_runs_or_is_something_else_is_never_deleted() {
        let replicas = |wanted: i32| json!({"spec": {"replicas": wanted, "template": {}}, "status": {"replicas": 0}});
        assert_eq!(checked(Kind::ReplicaSet, replicas(0)), Ok(()));
        assert!(checked(Kind::ReplicaSet, replicas(1)).is_err());
        let phase = |phase: &str| json!({"status": {"phase": phase}});
        assert_eq!(checked(Kind::Pod, phase("Failed")), Ok(()));
        assert!(checked(Kind::Pod, phase("Running")).is_err());
        let job = |kind: &str| json!({"spec": {}, "status": {"conditions": [{"type": kind, "status": "True"}]}});
        assert_eq!(checked(Kind::Job, job("Failed")), Ok(()));
        assert!(checked(Kind::Job, job("Suspended")).is_err());
        let labels = |owner: &str| json!({"metadata": {"labels": {"owner": owner, "name": "web", "version": "1", "status": "failed"}}});
        assert_eq!(checked(Kind::Secret, labels("helm")), Ok(()));
        assert!(checked(Kind::Secret, labels("me")).is_err());
        assert!(check(Kind::Pod, &HistorySeen::default()).is_err());
    }
}
