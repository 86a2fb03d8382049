//! History: what the controllers and Helm delete.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use trimtab_core::KubeVersion;
use trimtab_history_ops::kind::controller_revision::{ControllerRevision, cleanup_history, truncate_history};
use trimtab_history_ops::kind::cron_job::{End, Finished, Job, cleanup_finished_jobs};
use trimtab_history_ops::kind::deployment::{DeploymentRules, ReplicaSet, Revision, cleanup};
use trimtab_history_ops::kind::helm::{Generation, Record, remove_least_recent};
use trimtab_history_ops::kind::job_ttl::{TimeToLive, time_left};
use trimtab_history_ops::kind::pod_gc::{Pod, PodGcRules, gc_terminated};
use trimtab_history_ops::object::{Kind, Meta, ObjectRef};
use trimtab_history_ops::template::TemplateHash;

use super::{equal, integer};

/// A moment from which offsets count.
const START: Timestamp = Timestamp::constant(1_460_000_000, 0);

pub fn deployment_cleanup(input: &Value, expected: &Value) -> Result<(), String> {
    let old = each(input, "oldReplicaSets", replica_set)?;
    let old: Vec<&ReplicaSet> = old.iter().collect();
    let limit = optional_i32(input, "revisionHistoryLimit")?;
    // The rule that the case does not name is the newest.
    let deleted = cleanup(limit, &old, &DeploymentRules::at(KubeVersion::MAX));
    let names: Vec<&str> = deleted.iter().map(|set| set.meta.object.name.as_str()).collect();
    match expected["deletions"].as_u64() {
        Some(count) => equal(&json!({"deletions": names.len()}), &json!({"deletions": count})),
        None => equal(&json!({"deleted": names}), expected),
    }
}

fn replica_set(index: usize, input: &Value) -> Result<ReplicaSet, String> {
    let minutes = input["creationOffsetMinutes"].as_i64().unwrap_or(0);
    let mut meta = meta(Kind::ReplicaSet, index, input)?;
    meta.created = Some(START + SignedDuration::from_mins(minutes));
    meta.generation = input["generation"].as_i64().unwrap_or(0);
    Ok(ReplicaSet {
        meta,
        revision: Revision::parse(input["revision"].as_str()),
        replicas: i32_of(input, "specReplicas")?,
        status_replicas: i32_of(input, "statusReplicas")?,
        observed_generation: input["observedGeneration"].as_i64().unwrap_or(0),
        template: TemplateHash::of(&Value::Null),
        uses: Arc::default(),
    })
}

pub fn controller_revision(input: &Value, expected: &Value) -> Result<(), String> {
    let limit = i32_of(input, "revisionHistoryLimit")?;
    let stateful = match input["kind"].as_str() {
        Some("StatefulSet") => true,
        Some("DaemonSet") => false,
        other => return Err(format!("the input is of kind {other:?}")),
    };
    let revisions = each(input, if stateful { "revisions" } else { "oldRevisions" }, revision)?;
    let revisions: Vec<&ControllerRevision> = revisions.iter().collect();
    let texts = |field: &str| input[field].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<BTreeSet<&str>>();
    let deleted = if stateful {
        let named = ["currentRevision", "updateRevision"].into_iter().filter_map(|field| input[field].as_str());
        truncate_history(limit, &revisions, &texts("podRevisionLabels").into_iter().chain(named).collect())
    } else {
        cleanup_history(limit, &revisions, &texts("livePodHashes"))
    };
    let names: Vec<&str> = deleted.iter().map(|one| one.meta.object.name.as_str()).collect();
    match (expected["deletedInOrder"].as_array(), expected["maxRemaining"].as_u64().or(expected["historyAtMost"].as_u64())) {
        (Some(_), _) => equal(&json!({"deletedInOrder": names}), expected),
        (None, Some(most)) => {
            let left = u64::try_from(revisions.len() - names.len()).unwrap_or(u64::MAX);
            if left <= most { Ok(()) } else { Err(format!("{left} stay, and {most} may")) }
        }
        (None, None) => Err(format!("nobody knows how to compare {expected}")),
    }
}

fn revision(index: usize, input: &Value) -> Result<ControllerRevision, String> {
    Ok(ControllerRevision {
        meta: meta(Kind::ControllerRevision, index, input)?,
        revision: integer(input, "revision")?,
        hash: input["hash"].as_str().map(str::to_owned),
        labels: BTreeMap::new(),
        template: None,
        uses: Arc::default(),
    })
}

pub fn cron_job(input: &Value, expected: &Value) -> Result<(), String> {
    let jobs = each(input, "jobs", job)?;
    let jobs: Vec<&Job> = jobs.iter().collect();
    let limit = |field: &str| optional_i32(input, field);
    let deleted = cleanup_finished_jobs(limit("successfulJobsHistoryLimit")?, limit("failedJobsHistoryLimit")?, &jobs);
    let mut names: Vec<&str> = deleted.iter().map(|job| job.meta.object.name.as_str()).collect();
    // Upstream's table says which go; in which order its two classes go is not in it.
    names.sort_unstable();
    equal(&json!({"deleted": names}), &json!({"deleted": sorted(&expected["deleted"])}))
}

fn job(index: usize, input: &Value) -> Result<Job, String> {
    let at = match &input["startTime"] {
        Value::Null => None,
        Value::String(time) => Some(time.parse().map_err(|error| format!("{error}"))?),
        other => return Err(format!("startTime is {other}")),
    };
    let how = match input["condition"].as_str() {
        Some("Complete") => Some(End::Complete),
        Some("Failed") => Some(End::Failed),
        Some("FailureTarget" | "SuccessCriteriaMet" | "Suspended") | None => None,
        Some(other) => return Err(format!("no runner knows the condition {other}")),
    };
    Ok(Job {
        meta: meta(Kind::Job, index, input)?,
        finished: how.map(|how| Finished { how, at }),
        start_time: at,
        ttl_seconds_after_finished: None,
        uses: Arc::default(),
    })
}

pub fn job_ttl(input: &Value, expected: &Value) -> Result<(), String> {
    let finished = match (&input["finishedCondition"], input["finishedSecondsBeforeNow"].as_i64()) {
        (Value::Null, _) | (_, None) => None,
        (_, Some(seconds)) => Some(START - SignedDuration::from_secs(seconds)),
    };
    let ended = finished.map(|at| Finished { how: End::Complete, at: Some(at) });
    let ended = ended.or((!input["finishedCondition"].is_null()).then_some(Finished { how: End::Complete, at: None }));
    let mut job = job(0, &json!({"name": "job"}))?;
    job.finished = ended;
    job.ttl_seconds_after_finished = optional_i32(input, "ttlSecondsAfterFinished")?;
    match job.time_to_live(START) {
        TimeToLive::Until { left, .. } => {
            let ttl = job.ttl_seconds_after_finished.unwrap_or_default();
            if time_left(finished, ttl, START) != job.time_to_live(START) {
                return Err("the two functions disagree".to_owned());
            }
            equal(&json!({"timeLeftSeconds": left.as_secs()}), expected)
        }
        TimeToLive::None | TimeToLive::NoFinishTime if expected["error"].is_null() => Err("it has no time to live".to_owned()),
        TimeToLive::None | TimeToLive::NoFinishTime => Ok(()),
    }
}

pub fn pod_gc(input: &Value, expected: &Value) -> Result<(), String> {
    let pods = each(input, "pods", pod)?;
    // Where a case has pods that wait for finalizers it is from upstream's main branch, as its source says.
    let deleted = gc_terminated(i32_of(input, "threshold")?, &pods, PodGcRules::after_1_37());
    let mut names: Vec<&str> = deleted.iter().map(|pod| pod.meta.object.name.as_str()).collect();
    names.sort_unstable();
    equal(&json!({"deleted": names}), &json!({"deleted": sorted(&expected["deleted"])}))
}

fn pod(index: usize, input: &Value) -> Result<Pod, String> {
    let phase = input["phase"].as_str().ok_or("a pod has no phase")?.to_owned();
    let mut meta = meta(Kind::Pod, index, input)?;
    let second = i64::try_from(index).map_err(|error| error.to_string())?;
    meta.created = Some(match &input["creationTimestamp"] {
        Value::String(time) => time.parse().map_err(|error| format!("{error}"))?,
        _ => START + SignedDuration::from_secs(second),
    });
    Ok(Pod {
        meta,
        evicted: phase == "Failed" && (input["reason"].as_str() == Some("Evicted") || input["evicted"] == json!(true)),
        phase,
        deletion_grace_period_seconds: input["deletionGracePeriodSeconds"].as_i64(),
        has_finalizers: input["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty()),
        revision_hash: None,
        uses: Arc::default(),
    })
}

struct Version {
    version: i64,
    deployed: bool,
}

impl Record for Version {
    fn version(&self) -> i64 {
        self.version
    }

    fn is_deployed(&self) -> bool {
        self.deployed
    }
}

pub fn helm(input: &Value, expected: &Value) -> Result<(), String> {
    let record = |record: &Value| Ok::<_, String>(Version { version: integer(record, "version")?, deployed: record["status"] == json!("deployed") });
    let history = each(input, "history", |_, input| record(input))?;
    let records: Vec<&Version> = history.iter().collect();
    let tiller = ["helmVersion", "driver", "generation", "helm"].iter().any(|field| {
        let value = &input[field];
        value.as_i64() == Some(2)
            || value.as_str().is_some_and(|text| text.starts_with('2') || text.starts_with("v2") || text.eq_ignore_ascii_case("tiller"))
    });
    let generation = if tiller { Generation::Tiller } else { Generation::Helm3 };
    let max = usize::try_from(integer(input, "maxHistory")?).map_err(|error| error.to_string())?;
    // Before it writes a record Helm makes room for it; 0 is no limit.
    let deleted = if max == 0 { Vec::new() } else { remove_least_recent(max - 1, &records, &generation.rules()) };
    let deleted: HashSet<i64> = deleted.iter().map(|record| record.version).collect();
    let mut remaining: Vec<i64> = history.iter().map(|record| record.version).filter(|version| !deleted.contains(version)).collect();
    remaining.push(record(&input["create"])?.version);
    remaining.sort_unstable();
    equal(&json!({"remaining": remaining}), &json!({"remaining": expected["remaining"]}))
}

fn meta(kind: Kind, index: usize, input: &Value) -> Result<Meta, String> {
    let name = input["name"].as_str().ok_or("an object has no name")?.to_owned();
    let deleting = match &input["deletionTimestamp"] {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) | Value::String(_) => true,
        other => return Err(format!("deletionTimestamp is {other}")),
    };
    let object = ObjectRef { kind, namespace: "default".to_owned(), name, uid: format!("uid-{index}"), resource_version: "1".to_owned() };
    Ok(Meta {
        object: Arc::new(object),
        created: None,
        deleting,
        generation: 0,
        controller: None,
        has_owners: false,
        opted_out: false,
        json_bytes: None,
    })
}

fn each<T>(input: &Value, field: &str, read: impl Fn(usize, &Value) -> Result<T, String>) -> Result<Vec<T>, String> {
    let items = input[field].as_array().ok_or_else(|| format!("the input has no list {field}"))?;
    items.iter().enumerate().map(|(index, item)| read(index, item)).collect()
}

fn optional_i32(input: &Value, field: &str) -> Result<Option<i32>, String> {
    if input[field].is_null() { Ok(None) } else { i32_of(input, field).map(Some) }
}

fn i32_of(input: &Value, field: &str) -> Result<i32, String> {
    i32::try_from(integer(input, field)?).map_err(|error| error.to_string())
}

fn sorted(names: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = names.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    names.sort_unstable();
    names
}
