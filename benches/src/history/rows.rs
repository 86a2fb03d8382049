//! Rows made in memory, and the plan over them.

use std::error::Error;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use trimtab_history_ops::kind::deployment::{Deployment, DeploymentStatus, ReplicaSet, Revision};
use trimtab_history_ops::object::{Controller, Kind, Meta, ObjectRef, OwnerKind, OwnerRef};
use trimtab_history_ops::rows::OwnerMeta;
use trimtab_history_ops::template::TemplateHash;
use trimtab_history_ops::uses::Use;
use trimtab_history_ops::{HistorySeen, Policy, plan as planned};

use crate::measured::{Memory, Moment};

/// Of one Deployment; with the default limit of 10 its controller deletes nine.
const REVISIONS: i64 = 20;
const PER_NAMESPACE: usize = 50;

/// What the plan alone takes, and the memory that rows and plan need.
pub(crate) fn plan(replica_sets: usize) -> Result<Value, Box<dyn Error>> {
    let before = Memory::of_this_process()?;
    let seen = history(replica_sets)?;
    let with_rows = Memory::of_this_process()?;
    let policy = Policy::new("1.37".parse()?);
    let now: Timestamp = "2026-11-25T12:00:00Z".parse()?;
    let begin = Moment::now()?;
    let plan = planned(&seen, &policy, now)?;
    let took = begin.passed()?;
    let with_plan = Memory::of_this_process()?;
    Ok(json!({
        "replica_sets": seen.replica_sets.len(),
        "deployments": seen.deployments.len(),
        "deleted": plan.steps.len(),
        "held": plan.held.len(),
        "notices": plan.notices.len(),
        "wall_seconds": took.wall_seconds,
        "cpu_seconds": took.cpu_seconds,
        "rows_bytes": with_rows.now - before.now,
        "plan_bytes": with_plan.now - with_rows.now,
        "peak_bytes": with_plan.peak,
    }))
}

fn history(replica_sets: usize) -> Result<HistorySeen, Box<dyn Error>> {
    let begin: Timestamp = "2026-01-01T00:00:00Z".parse()?;
    let mut seen = HistorySeen { cluster: Some("00000000-0000-4000-8000-000000000000".into()), ..HistorySeen::default() };
    seen.replica_sets.reserve_exact(replica_sets);
    for number in 0..replica_sets / usize::try_from(REVISIONS)? {
        let owner = Arc::new(OwnerRef {
            kind: OwnerKind::Deployment,
            namespace: format!("team-{:05}", number / PER_NAMESPACE),
            name: format!("service-{number:06}"),
            uid: format!("{number:08x}-0000-4000-8000-000000000001"),
            generation: REVISIONS,
        });
        seen.deployments.push(deployment(&owner));
        // As the API lists them, by name. Names end with a hash, so that revisions come in no order.
        seen.replica_sets.extend((0..REVISIONS).map(|place| replica_set(&owner, place, place * 7 % REVISIONS + 1, begin)));
    }
    Ok(seen)
}

fn deployment(owner: &Arc<OwnerRef>) -> Deployment {
    Deployment {
        meta: OwnerMeta { owner: Arc::clone(owner), deleting: false, opted_out: false },
        replicas: 3,
        revision_history_limit: Some(10),
        paused: false,
        rolling_back: false,
        template: template(REVISIONS),
        status: DeploymentStatus { observed_generation: REVISIONS, replicas: 3, updated_replicas: 3, available_replicas: 3 },
        uses: uses(owner, REVISIONS),
    }
}

fn replica_set(owner: &OwnerRef, place: i64, revision: i64, begin: Timestamp) -> ReplicaSet {
    let object = ObjectRef {
        kind: Kind::ReplicaSet,
        namespace: owner.namespace.clone(),
        name: format!("{}-{:010x}", owner.name, place * 0x1357_9bdf),
        uid: format!("{}-0000-4000-8001-{revision:012x}", owner.uid.split('-').next().unwrap_or_default()),
        resource_version: format!("{}", 1_000_000 + revision),
    };
    let controller =
        Controller { api_version: "apps/v1".to_owned(), kind: "Deployment".to_owned(), name: owner.name.clone(), uid: owner.uid.clone() };
    let replicas = if revision == REVISIONS { 3 } else { 0 };
    ReplicaSet {
        meta: Meta {
            object: Arc::new(object),
            created: Some(begin + SignedDuration::from_hours(revision)),
            deleting: false,
            generation: 2,
            controller: Some(controller),
            has_owners: true,
            opted_out: false,
            json_bytes: Some(3000),
        },
        revision: Revision::Number(revision),
        replicas,
        status_replicas: replicas,
        observed_generation: 2,
        template: template(revision),
        uses: uses(owner, revision),
    }
}

fn template(revision: i64) -> TemplateHash {
    TemplateHash::of(&json!({"spec": {"containers": [{"name": "main", "image": format!("registry.example/service:{revision}")}]}}))
}

/// A ConfigMap with a hash in its name, of which every second revision has another one, and a Secret of all.
fn uses(owner: &OwnerRef, revision: i64) -> Arc<[Use]> {
    Arc::new([Use::ConfigMap(format!("{}-config-{}", owner.name, revision / 2)), Use::Secret(format!("{}-password", owner.name))])
}
