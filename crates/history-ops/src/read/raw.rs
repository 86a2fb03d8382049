//! The fields of objects that rows are made of, as they stand in JSON. `null` and absent are the same.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::selector::Selector;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Head<'a> {
    #[serde(default, borrow)]
    pub(super) kind: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    pub(super) api_version: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) metadata: Option<Metadata>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Metadata {
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
    pub(super) uid: Option<String>,
    pub(super) resource_version: Option<String>,
    pub(super) generation: Option<i64>,
    pub(super) creation_timestamp: Option<Timestamp>,
    pub(super) deletion_timestamp: Option<Timestamp>,
    pub(super) deletion_grace_period_seconds: Option<i64>,
    pub(super) finalizers: Option<Vec<String>>,
    pub(super) labels: Option<BTreeMap<String, String>>,
    pub(super) annotations: Option<BTreeMap<String, String>>,
    pub(super) owner_references: Option<Vec<OwnerReference>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OwnerReference {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) uid: String,
    #[serde(default)]
    pub(super) controller: Option<bool>,
}

/// `spec` of every workload.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WorkloadSpec {
    pub(super) replicas: Option<i32>,
    pub(super) revision_history_limit: Option<i32>,
    pub(super) paused: Option<bool>,
    pub(super) selector: Option<Selector>,
    pub(super) template: Option<Value>,
    pub(super) ttl_seconds_after_finished: Option<i32>,
    pub(super) successful_jobs_history_limit: Option<i32>,
    pub(super) failed_jobs_history_limit: Option<i32>,
    pub(super) job_template: Option<Value>,
}

/// `status` of every workload and pod.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Status {
    pub(super) observed_generation: Option<i64>,
    pub(super) replicas: Option<i32>,
    pub(super) current_number_scheduled: Option<i32>,
    pub(super) updated_replicas: Option<i32>,
    pub(super) available_replicas: Option<i32>,
    pub(super) current_revision: Option<String>,
    pub(super) update_revision: Option<String>,
    pub(super) start_time: Option<Timestamp>,
    pub(super) conditions: Option<Vec<Condition>>,
    pub(super) phase: Option<String>,
    pub(super) reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub(super) sort: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) last_transition_time: Option<Timestamp>,
}

#[derive(Deserialize)]
pub(super) struct Workload {
    #[serde(default)]
    pub(super) spec: Option<WorkloadSpec>,
    #[serde(default)]
    pub(super) status: Option<Status>,
}

#[derive(Deserialize)]
pub(super) struct PodBody {
    #[serde(default)]
    pub(super) spec: Option<Value>,
    #[serde(default)]
    pub(super) status: Option<Status>,
}

#[derive(Deserialize)]
pub(super) struct RevisionBody {
    #[serde(default)]
    pub(super) revision: Option<i64>,
    #[serde(default)]
    pub(super) data: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventBody {
    #[serde(default)]
    pub(super) last_timestamp: Option<Timestamp>,
    /// The same in `events.k8s.io/v1`.
    #[serde(default)]
    pub(super) deprecated_last_timestamp: Option<Timestamp>,
    #[serde(default)]
    pub(super) event_time: Option<Timestamp>,
    #[serde(default)]
    pub(super) series: Option<Series>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Series {
    #[serde(default)]
    pub(super) last_observed_time: Option<Timestamp>,
}

#[derive(Deserialize)]
pub(super) struct RecordBody<'a> {
    #[serde(default, borrow)]
    pub(super) data: Option<BTreeMap<Cow<'a, str>, Cow<'a, str>>>,
}
