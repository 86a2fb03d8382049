//! One object into its row.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::kind::controller_revision::{ControllerRevision, DaemonSet, StatefulSet};
use crate::kind::cron_job::{CronJob, End, Finished, Job};
use crate::kind::deployment::{Deployment, DeploymentStatus, ReplicaSet, Revision};
use crate::kind::helm::{Generation, HelmRecord, Labels, Payload};
use crate::kind::pod_gc::Pod;
use crate::object::{Controller, KEEP_ANNOTATION, Kind, Meta, ObjectRef, OwnerKind, OwnerRef};
use crate::record::{self, RecordProblem};
use crate::rows::{Event, HistorySeen, OwnerMeta, UnreadProblem};
use crate::template::TemplateHash;
use crate::uses::{Use, of_pod_spec};

use super::raw::{EventBody, Head, Metadata, PodBody, RecordBody, RevisionBody, Status, Workload, WorkloadSpec};
use super::wrong::{invalid, named, printable};

/// Which object, for people, and why it is not read.
type Unreadable = (String, UnreadProblem);

pub(super) fn add(seen: &mut HistorySeen, raw: &RawValue, of_list: Option<(&str, &str)>) -> Result<(), Unreadable> {
    // serde reads an array as if its items were the fields in their order.
    if !raw.get().starts_with('{') {
        return Err((String::new(), UnreadProblem::Invalid { problem: "expected an object".to_owned() }));
    }
    let head: Head<'_> = serde_json::from_str(raw.get()).map_err(|error| (named(raw, of_list), invalid(&error)))?;
    let own = head.kind.as_deref().filter(|kind| *kind != "PartialObjectMetadata").zip(head.api_version.as_deref());
    let (kind, api_version) = own.or(of_list).map(|(kind, api_version)| (kind.to_owned(), api_version.to_owned())).unwrap_or_default();
    let metadata = head.metadata.unwrap_or_default();
    one(seen, raw, &kind, &api_version, metadata).map_err(|problem| (named(raw, of_list), problem))
}

fn one(seen: &mut HistorySeen, raw: &RawValue, kind: &str, api_version: &str, metadata: Metadata) -> Result<(), UnreadProblem> {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    match (group, kind) {
        ("", "Namespace") => {
            if metadata.name.as_deref() == Some("kube-system") {
                seen.cluster = Some(text(metadata.uid, "metadata.uid")?.into());
            }
        }
        ("apps" | "extensions", "Deployment") => seen.deployments.push(deployment(raw, &metadata)?),
        ("apps" | "extensions", "ReplicaSet") => seen.replica_sets.push(replica_set(raw, metadata)?),
        ("apps", "StatefulSet") => seen.stateful_sets.push(stateful_set(raw, &metadata)?),
        ("apps" | "extensions", "DaemonSet") => seen.daemon_sets.push(daemon_set(raw, &metadata)?),
        ("apps", "ControllerRevision") => seen.controller_revisions.push(controller_revision(raw, metadata)?),
        ("batch", "CronJob") => seen.cron_jobs.push(cron_job(raw, &metadata)?),
        ("batch", "Job") => seen.jobs.push(job(raw, metadata)?),
        ("", "Pod") => seen.pods.push(pod(raw, metadata)?),
        ("", "Secret") => seen.helm.extend(record(raw, metadata, Kind::Secret)?),
        ("", "ConfigMap") => seen.helm.extend(record(raw, metadata, Kind::ConfigMap)?),
        ("" | "events.k8s.io", "Event") => seen.events.push(event(raw, metadata)?),
        _ => return Err(UnreadProblem::UnknownKind { api_version: printable(api_version), kind: printable(kind) }),
    }
    Ok(())
}

fn body<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, UnreadProblem> {
    serde_json::from_str(raw.get()).map_err(|error| invalid(&error))
}

fn needed<T>(value: Option<T>, field: &str) -> Result<T, UnreadProblem> {
    value.ok_or_else(|| UnreadProblem::Missing { field: field.to_owned() })
}

/// What names an object in a path of the API: never empty, else the path would be that of all of them; and nothing that means something else in a path.
/// Source: `IsValidPathSegmentName`, `pkg/api/validation/path/name.go` of apimachinery v0.37.2.
fn name(value: Option<String>, field: &str) -> Result<String, UnreadProblem> {
    let name = text(value, field)?;
    if matches!(name.as_str(), "." | "..") || name.contains(['/', '%']) {
        return Err(UnreadProblem::Invalid { problem: format!("{field} is no name that the API server allows") });
    }
    Ok(name)
}

/// Of what the API server allows as the value of a label, which is asked for in selectors: nothing in it ends one.
fn is_label(value: &str) -> bool {
    value.len() <= 63 && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// An empty one is none: it would guard nothing.
fn text(value: Option<String>, field: &str) -> Result<String, UnreadProblem> {
    let text = needed(value.filter(|value| !value.is_empty()), field)?;
    if text.chars().any(char::is_control) {
        return Err(UnreadProblem::Invalid { problem: format!("{field} has control characters") });
    }
    Ok(text)
}

fn opted_out(metadata: &Metadata) -> bool {
    let annotation = metadata.annotations.as_ref().and_then(|annotations| annotations.get(KEEP_ANNOTATION));
    annotation.is_some_and(|value| value != "false")
}

fn meta(raw: &RawValue, kind: Kind, metadata: &mut Metadata) -> Result<Meta, UnreadProblem> {
    let opted_out = opted_out(metadata);
    let object = ObjectRef {
        kind,
        namespace: name(metadata.namespace.take(), "metadata.namespace")?,
        name: name(metadata.name.take(), "metadata.name")?,
        uid: text(metadata.uid.take(), "metadata.uid")?,
        resource_version: text(metadata.resource_version.take(), "metadata.resourceVersion")?,
    };
    let references = metadata.owner_references.take().unwrap_or_default();
    let controller = references.into_iter().find(|reference| reference.controller == Some(true));
    let controller = controller.map(|found| Controller {
        api_version: printable(&found.api_version),
        kind: printable(&found.kind),
        name: printable(&found.name),
        uid: found.uid,
    });
    Ok(Meta {
        object: Arc::new(object),
        created: metadata.creation_timestamp,
        deleting: metadata.deletion_timestamp.is_some(),
        generation: metadata.generation.unwrap_or(0),
        controller,
        opted_out,
        json_bytes: Some(compact_length(raw.get())),
    })
}

fn owner(kind: OwnerKind, metadata: &Metadata) -> Result<OwnerMeta, UnreadProblem> {
    let owner = OwnerRef {
        kind,
        namespace: name(metadata.namespace.clone(), "metadata.namespace")?,
        name: name(metadata.name.clone(), "metadata.name")?,
        uid: text(metadata.uid.clone(), "metadata.uid")?,
        generation: metadata.generation.unwrap_or(0),
    };
    Ok(OwnerMeta { owner: Arc::new(owner), deleting: metadata.deletion_timestamp.is_some(), opted_out: opted_out(metadata) })
}

/// The length of JSON without the blanks between its tokens, as which indentation of a dump would count.
fn compact_length(json: &str) -> u64 {
    let (mut length, mut in_text, mut escaped) = (0, false, false);
    for byte in json.bytes() {
        if in_text {
            length += 1;
            in_text = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else {
            in_text = byte == b'"';
            length += u64::from(!matches!(byte, b' ' | b'\n' | b'\r' | b'\t'));
        }
    }
    length
}

fn template(spec: &WorkloadSpec) -> Result<(TemplateHash, Arc<[Use]>), UnreadProblem> {
    let template = needed(spec.template.as_ref(), "spec.template")?;
    Ok((TemplateHash::of(template), of_pod_spec(&template["spec"]).into()))
}

fn parts(raw: &RawValue) -> Result<(WorkloadSpec, Status), UnreadProblem> {
    let workload: Workload = body(raw)?;
    Ok((needed(workload.spec, "spec")?, workload.status.unwrap_or_default()))
}

fn deployment(raw: &RawValue, metadata: &Metadata) -> Result<Deployment, UnreadProblem> {
    let (spec, status) = parts(raw)?;
    let (template, uses) = template(&spec)?;
    let rollback = metadata.annotations.as_ref().and_then(|annotations| annotations.get("deprecated.deployment.rollback.to"));
    Ok(Deployment {
        meta: owner(OwnerKind::Deployment, metadata)?,
        replicas: spec.replicas.unwrap_or(1),
        revision_history_limit: spec.revision_history_limit,
        paused: spec.paused.unwrap_or(false),
        // Upstream ignores what is no number.
        rolling_back: rollback.is_some_and(|revision| revision.parse::<i64>().is_ok()),
        template,
        status: DeploymentStatus {
            observed_generation: status.observed_generation.unwrap_or(0),
            replicas: status.replicas.unwrap_or(0),
            updated_replicas: status.updated_replicas.unwrap_or(0),
            available_replicas: status.available_replicas.unwrap_or(0),
        },
        uses,
    })
}

fn replica_set(raw: &RawValue, mut metadata: Metadata) -> Result<ReplicaSet, UnreadProblem> {
    let (spec, status) = parts(raw)?;
    let (template, uses) = template(&spec)?;
    let annotation = metadata.annotations.as_ref().and_then(|annotations| annotations.get("deployment.kubernetes.io/revision"));
    let revision = Revision::parse(annotation.map(String::as_str));
    Ok(ReplicaSet {
        meta: meta(raw, Kind::ReplicaSet, &mut metadata)?,
        revision,
        replicas: spec.replicas.unwrap_or(1),
        status_replicas: status.replicas.unwrap_or(0),
        observed_generation: status.observed_generation.unwrap_or(0),
        template,
        uses,
    })
}

/// What the API server makes of an absent limit, in every `apps/v1`.
const REVISION_HISTORY_LIMIT: i32 = 10;

fn stateful_set(raw: &RawValue, metadata: &Metadata) -> Result<StatefulSet, UnreadProblem> {
    let (spec, status) = parts(raw)?;
    let (_, uses) = template(&spec)?;
    Ok(StatefulSet {
        meta: owner(OwnerKind::StatefulSet, metadata)?,
        revision_history_limit: spec.revision_history_limit.unwrap_or(REVISION_HISTORY_LIMIT),
        observed_generation: status.observed_generation.unwrap_or(0),
        current_revision: status.current_revision.filter(|name| !name.is_empty()),
        update_revision: status.update_revision.filter(|name| !name.is_empty()),
        uses,
    })
}

fn daemon_set(raw: &RawValue, metadata: &Metadata) -> Result<DaemonSet, UnreadProblem> {
    let (spec, status) = parts(raw)?;
    let (template, uses) = template(&spec)?;
    Ok(DaemonSet {
        meta: owner(OwnerKind::DaemonSet, metadata)?,
        revision_history_limit: spec.revision_history_limit.unwrap_or(REVISION_HISTORY_LIMIT),
        observed_generation: status.observed_generation.unwrap_or(0),
        template,
        uses,
    })
}

fn controller_revision(raw: &RawValue, mut metadata: Metadata) -> Result<ControllerRevision, UnreadProblem> {
    let found: RevisionBody = body(raw)?;
    let hash = metadata.labels.as_mut().and_then(|labels| labels.remove("controller-revision-hash"));
    if hash.as_deref().is_some_and(|hash| !is_label(hash)) {
        return Err(UnreadProblem::Invalid { problem: "metadata.labels.controller-revision-hash is no value that a label can have".to_owned() });
    }
    let template = found.data.as_ref().map(|data| &data["spec"]["template"]).filter(|template| template.is_object());
    Ok(ControllerRevision {
        meta: meta(raw, Kind::ControllerRevision, &mut metadata)?,
        revision: needed(found.revision, "revision")?,
        hash,
        template: template.map(TemplateHash::of),
        uses: template.map(|template| of_pod_spec(&template["spec"])).unwrap_or_default().into(),
    })
}

fn cron_job(raw: &RawValue, metadata: &Metadata) -> Result<CronJob, UnreadProblem> {
    let (spec, status) = parts(raw)?;
    let uid = |reference: &Value| reference["uid"].as_str().map(str::to_owned);
    let active: BTreeSet<String> = status.active.iter().filter_map(Value::as_array).flatten().filter_map(uid).collect();
    let template = spec.job_template.unwrap_or_default();
    Ok(CronJob {
        meta: owner(OwnerKind::CronJob, metadata)?,
        successful_jobs_history_limit: spec.successful_jobs_history_limit,
        failed_jobs_history_limit: spec.failed_jobs_history_limit,
        active,
        uses: of_pod_spec(&template["spec"]["template"]["spec"]).into(),
    })
}

fn job(raw: &RawValue, mut metadata: Metadata) -> Result<Job, UnreadProblem> {
    let (spec, status) = parts(raw)?;
    let end = |sort: &str| match sort {
        "Complete" => Some(End::Complete),
        "Failed" => Some(End::Failed),
        _ => None,
    };
    let conditions = status.conditions.unwrap_or_default();
    let mut finished = conditions.iter().filter(|condition| condition.status == "True");
    let finished = finished.find_map(|condition| end(&condition.sort).map(|how| Finished { how, at: condition.last_transition_time }));
    Ok(Job {
        meta: meta(raw, Kind::Job, &mut metadata)?,
        finished,
        start_time: status.start_time,
        ttl_seconds_after_finished: spec.ttl_seconds_after_finished,
        uses: spec.template.map(|template| of_pod_spec(&template["spec"])).unwrap_or_default().into(),
    })
}

fn pod(raw: &RawValue, mut metadata: Metadata) -> Result<Pod, UnreadProblem> {
    let found: PodBody = body(raw)?;
    let status = found.status.unwrap_or_default();
    let phase = status.phase.unwrap_or_default();
    let hash = metadata.labels.as_mut().and_then(|labels| labels.remove("controller-revision-hash"));
    Ok(Pod {
        deletion_grace_period_seconds: metadata.deletion_grace_period_seconds,
        has_finalizers: metadata.finalizers.as_ref().is_some_and(|finalizers| !finalizers.is_empty()),
        meta: meta(raw, Kind::Pod, &mut metadata)?,
        evicted: phase == "Failed" && status.reason.as_deref() == Some("Evicted"),
        phase,
        revision_hash: hash.filter(|hash| !hash.is_empty()),
        uses: found.spec.map(|spec| of_pod_spec(&spec)).unwrap_or_default().into(),
    })
}

fn event(raw: &RawValue, mut metadata: Metadata) -> Result<Event, UnreadProblem> {
    let found: EventBody = body(raw)?;
    let observed = found.series.and_then(|series| series.last_observed_time);
    let meta = meta(raw, Kind::Event, &mut metadata)?;
    let last = [found.last_timestamp, found.event_time, observed, meta.created].into_iter().flatten().max();
    Ok(Event { meta, last })
}

/// None for a Secret or a ConfigMap that is no record of Helm.
fn record(raw: &RawValue, mut metadata: Metadata, kind: Kind) -> Result<Option<HelmRecord>, UnreadProblem> {
    let Some(labels) = metadata.labels.as_ref().and_then(Labels::of) else { return Ok(None) };
    let found: RecordBody<'_> = body(raw)?;
    let mut meta = meta(raw, kind, &mut metadata)?;
    let field = |upper: &str, lower: &str| format!("metadata.labels.{}", if labels.generation == Generation::Tiller { upper } else { lower });
    let label = field("VERSION", "version");
    let has_label = metadata.labels.as_ref().is_some_and(|labels| labels.contains_key("version") || labels.contains_key("VERSION"));
    let version = match labels.version {
        None if has_label => return Err(UnreadProblem::Invalid { problem: format!("{label} is no number") }),
        version => needed(version, &label)?,
    };
    if labels.release.is_empty() {
        return Err(UnreadProblem::Missing { field: field("NAME", "name") });
    }
    if !is_label(&labels.release) || !is_label(&labels.status) {
        return Err(UnreadProblem::Invalid { problem: format!("{} or the status is no value that a label can have", field("NAME", "name")) });
    }
    // Only metadata was asked for: what is not there was not read.
    let payload = found.data.map(|data| data.get("release").map_or(NO_PAYLOAD, |text| payload(text, kind, &labels, version)));
    if payload.is_none() {
        meta.json_bytes = None;
    }
    let Labels { generation, release, status, modified, .. } = labels;
    Ok(Some(HelmRecord { meta, generation, release, version, status, modified, payload }))
}

const NO_PAYLOAD: Payload = Payload::Unreadable { problem: RecordProblem::NoPayload };

fn payload(text: &str, kind: Kind, labels: &Labels, version: i64) -> Payload {
    let plain = if kind == Kind::Secret { STANDARD.decode(text).map_err(|_| RecordProblem::NotBase64) } else { Ok(text.as_bytes().to_vec()) };
    // Helm 2 packs protobuf, which is not read here: its labels are all there is.
    if labels.generation == Generation::Tiller {
        return plain.map_or_else(|problem| Payload::Unreadable { problem }, |_| Payload::Agrees);
    }
    match plain.and_then(|plain| record::decode(&plain)) {
        Err(problem) => Payload::Unreadable { problem },
        Ok(facts) if (facts.name.as_str(), facts.version, facts.status.as_str()) == (labels.release.as_str(), version, labels.status.as_str()) => {
            Payload::Agrees
        }
        Ok(facts) => {
            Payload::Differs { says: format!("release {} revision {}, {}", printable(&facts.name), facts.version, printable(&facts.status)) }
        }
    }
}
