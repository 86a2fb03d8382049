//! Dumps that are damaged, doubled or none at all: what cannot be read is named, nothing of it is told, and the rest is planned as if it was not there.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use trimtab_history_ops::policy::{Part, Policy};
use trimtab_history_ops::pruning::Notice;
use trimtab_history_ops::rows::UnreadProblem;
use trimtab_history_ops::{Error, HistorySeen, PruningPlan, plan};
use trimtab_kit::history::{self, MARKER, dump, objects};

fn policy() -> Policy {
    use Part::{ControllerRevisions, CronJobs, Events, Helm, JobTtl, Pods, ReplicaSets, UnownedJobs};
    let parts = [ReplicaSets, ControllerRevisions, CronJobs, JobTtl, UnownedJobs, Pods, Helm, Events].into();
    let hour = Some(jiff::SignedDuration::from_hours(1));
    let (helm_history_max, terminated_pod_gc_threshold) = (Some(1), 1);
    Policy {
        parts,
        helm_history_max,
        terminated_pod_gc_threshold,
        events_older_than: hour,
        unowned_jobs_older_than: hour,
        ..Policy::new("1.37.2".parse().unwrap())
    }
}

fn planned(seen: &HistorySeen) -> PruningPlan {
    plan(seen, &policy(), "2026-11-25T12:00:00Z".parse().unwrap()).unwrap()
}

fn read(items: &[Value]) -> HistorySeen {
    HistorySeen::of_dump(&dump(items)).unwrap()
}

fn going(plan: &PruningPlan) -> BTreeSet<&str> {
    plan.steps.iter().map(|step| step.target.as_str()).collect()
}

fn name(object: &Value) -> String {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
    format!("{} {}/{}", object["kind"].as_str().unwrap_or_default(), text("namespace"), text("name"))
}

#[test]
fn every_part_of_the_good_dump_has_something_to_delete() {
    let seen = read(&objects());
    assert_eq!(seen.unread, []);
    let plan = planned(&seen);
    let said = plan.to_string();
    for part in [
        "ReplicaSet shop/web-1",
        "agent-1",
        "db-1",
        "report-1",
        "Job shop/timed",
        "nobodys",
        "Pod shop/batch",
        "helm.release.v1.web.v1",
        "old.v1",
        "web.17a",
    ] {
        assert!(plan.steps.iter().any(|step| step.target.contains(part)), "{part}: {said}");
    }
    assert!(!going(&plan).contains("Secret shop/sh.helm.release.v1.web.v3"), "it is deployed");
}

/// What each kind cannot be planned without.
fn needed(kind: &str) -> &'static [&'static str] {
    match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" => &["metadata.namespace", "metadata.name", "metadata.uid", "spec", "spec.template"],
        "CronJob" => &["metadata.namespace", "metadata.name", "metadata.uid", "spec"],
        "ReplicaSet" => &["metadata.namespace", "metadata.name", "metadata.uid", "metadata.resourceVersion", "spec", "spec.template"],
        "ControllerRevision" => &["metadata.namespace", "metadata.name", "metadata.uid", "metadata.resourceVersion", "revision"],
        "Job" => &["metadata.namespace", "metadata.name", "metadata.uid", "metadata.resourceVersion", "spec"],
        "Pod" | "Event" => &["metadata.namespace", "metadata.name", "metadata.uid", "metadata.resourceVersion"],
        "Secret" => {
            &["metadata.namespace", "metadata.name", "metadata.uid", "metadata.resourceVersion", "metadata.labels.name", "metadata.labels.version"]
        }
        "ConfigMap" => {
            &["metadata.namespace", "metadata.name", "metadata.uid", "metadata.resourceVersion", "metadata.labels.NAME", "metadata.labels.VERSION"]
        }
        _ => &["metadata.uid"],
    }
}

/// Puts another value there, or none.
fn put(object: &mut Value, path: &str, value: Option<Value>) {
    let (parents, last) = path.rsplit_once('.').map_or((None, path), |(parents, last)| (Some(parents), last));
    let parent = parents.into_iter().flat_map(|parents| parents.split('.')).fold(object, |object, field| &mut object[field]);
    match value {
        Some(value) => parent[last] = value,
        None => drop(parent.as_object_mut().unwrap().remove(last)),
    }
}

#[test]
fn a_field_without_which_nothing_can_be_decided_is_missed_by_its_name_and_the_rest_is_planned() {
    let good = objects();
    let whole = planned(&read(&good));
    for index in 0..good.len() {
        let kind = good[index]["kind"].as_str().unwrap();
        for field in needed(kind) {
            for gone in [None, Some(json!(""))] {
                let is_text = field.starts_with("metadata") && !field.to_lowercase().ends_with("labels.version");
                if gone.is_some() && !is_text {
                    continue;
                }
                let mut items = good.clone();
                put(&mut items[index], field, gone);
                let seen = read(&items);
                let unread: Vec<String> = seen.unread.iter().map(ToString::to_string).collect();
                assert_eq!(seen.unread.len(), 1, "{kind} {field}: {unread:?}");
                assert_eq!(seen.unread[0].problem, UnreadProblem::Missing { field: (*field).to_owned() }, "{kind}");
                assert!(unread[0].starts_with(&format!("items[{index}] {kind}")), "{unread:?}");
                let plan = planned(&seen);
                assert!(going(&plan).is_subset(&going(&whole)), "{kind} without {field} makes another one go: {plan}");
                assert!(plan.is_blocked() && !going(&plan).contains(name(&good[index]).as_str()));
                let lost = going(&whole).len() - going(&plan).len();
                assert!(lost <= 4 || kind == "Namespace", "{kind} without {field} loses {lost} steps: {plan}");
            }
        }
    }
}

/// The paths of everything in it, as JSON pointers.
fn paths(value: &Value, here: &str, all: &mut Vec<String>) {
    all.push(here.to_owned());
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                paths(value, &format!("{here}/{}", name.replace('~', "~0").replace('/', "~1")), all);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                paths(item, &format!("{here}/{index}"), all);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn any_field_of_any_type_is_read_or_said_to_be_wrong_and_nothing_of_it_is_told() {
    let huge: Value = serde_json::from_str("123456789012345678901234567890").unwrap();
    let wrong = [json!(MARKER), json!(format!("\u{1b}[2J{MARKER}")), json!(7), json!(-1), huge, json!(true), json!([MARKER]), json!({"a": MARKER})];
    let (mut tried, mut refused) = (0, 0);
    for good in objects() {
        let mut all = Vec::new();
        paths(&good, "", &mut all);
        // What names an object is told, and is what is wrong here.
        let names = [
            "/metadata/name",
            "/metadata/namespace",
            "/metadata/uid",
            "/metadata/resourceVersion",
            "/kind",
            "/apiVersion",
            "/metadata/labels",
            "/metadata/ownerReferences",
            "/status/phase",
        ];
        for path in all {
            for value in &wrong {
                let mut object = good.clone();
                *object.pointer_mut(&path).unwrap() = value.clone();
                let seen = read(&[object, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system", "uid": "c"}})]);
                let plan = planned(&seen);
                let said: Vec<String> = seen.unread.iter().map(ToString::to_string).chain(plan.to_string().lines().map(str::to_owned)).collect();
                assert!(!said.iter().flat_map(|line| line.chars()).any(char::is_control), "{path} = {value}: {said:?}");
                let told = said.iter().any(|line| line.contains(MARKER));
                assert!(!told || path == "/metadata" || names.iter().any(|name| path.starts_with(name)) || uses(&path), "{path} = {value}: {said:?}");
                tried += 1;
                refused += seen.unread.len();
            }
        }
    }
    assert!(tried > 4000 && refused > tried / 4, "{refused} of {tried}");
}

/// Names of `ConfigMaps` and Secrets in a template, which the plan tells when nothing uses them any more.
fn uses(path: &str) -> bool {
    path.contains("/template") || path.contains("/data/spec") || path.contains("/spec/")
}

#[test]
fn what_is_no_dump_is_refused_as_a_whole() {
    let whole = dump(&objects());
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(whole.iter().flat_map(|byte| [*byte, 0])).collect();
    let none: [(&[u8], &str); 14] = [
        (b"", "it ends too soon"),
        (b" \n", "it ends too soon"),
        (&whole[..whole.len() - 1], "it ends too soon"),
        (&whole[..whole.len() / 2], "it ends too soon"),
        (b"apiVersion: v1\nkind: List\nitems: []\n", "no JSON"),
        (b"NAME   READY   STATUS\nweb-1  1/1     Running\n", "no JSON"),
        (&utf16, "no JSON"),
        (b"null", "no list and no object of Kubernetes"),
        (b"7", "no list and no object of Kubernetes"),
        (b"\"List\"", "no list and no object of Kubernetes"),
        (b"[{\"kind\": \"Pod\"}]", "no list and no object of Kubernetes"),
        (b"{\"items\": {}}", "no list and no object of Kubernetes"),
        (b"{}", "neither items nor kind"),
        (br#"{"kind": "Table", "apiVersion": "meta.k8s.io/v1", "rows": []}"#, "a Table holds no objects: ask for JSON"),
    ];
    for (text, wanted) in none {
        match HistorySeen::of_dump(text) {
            Err(Error::NotADump { problem, .. }) => assert_eq!(problem, wanted, "{}", String::from_utf8_lossy(&text[..text.len().min(60)])),
            other => panic!("{other:?}"),
        }
    }
    // Behind a byte order mark, as some shells write it.
    assert!(HistorySeen::of_dump(&[&b"\xef\xbb\xbf"[..], &whole].concat()).is_err());
}

#[test]
fn one_object_or_none_is_a_dump_too() {
    for object in objects() {
        let seen = HistorySeen::of_dump(object.to_string().as_bytes()).unwrap();
        assert_eq!(seen.unread, []);
        assert_eq!(seen.counts().values().sum::<usize>(), usize::from(object["kind"] != "Namespace"), "{object}");
    }
    assert_eq!(read(&[]), HistorySeen::default());
    let unknown =
        HistorySeen::of_dump(br#"{"kind": "Rollout", "apiVersion": "argoproj.io/v1alpha1", "metadata": {"name": "web", "namespace": "shop"}}"#)
            .unwrap();
    assert_eq!(
        unknown.unread[0].to_string(),
        "Rollout shop/web: kind Rollout (argoproj.io/v1alpha1) holds no history that is known here; leave it out of the dump"
    );
}

#[test]
fn an_object_that_stands_twice_counts_once() {
    let good = objects();
    let twice: Vec<Value> = good.iter().chain(&good).cloned().collect();
    let (one, two) = (planned(&read(&good)), planned(&read(&twice)));
    assert_eq!(one.steps, two.steps);
    // Of what is pruned; the namespace and four workloads are not.
    assert!(two.notices.contains(&Notice::SeenTwice { objects: u64::try_from(good.len()).unwrap() - 5 }), "{two}");
}

#[test]
fn what_is_nested_too_deep_is_said_and_what_is_passed_over_may_be_as_deep_as_it_likes() {
    let deep = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let text = String::from_utf8(dump(&objects())).unwrap();
    let whole = planned(&HistorySeen::of_dump(text.as_bytes()).unwrap());
    let template = text.replacen(r#""env":"#, "", 1).replacen(r#""image":"v1""#, &format!(r#""image":"v1","x":{}"#, deep(100_000)), 1);
    let seen = HistorySeen::of_dump(template.as_bytes()).unwrap();
    assert_eq!(seen.unread.len(), 1);
    assert!(seen.unread[0].to_string().contains("ReplicaSet shop/web-1: it is nested too deep"), "{}", seen.unread[0]);
    assert!(going(&planned(&seen)).is_subset(&going(&whole)));
    let passed = text.replace(r#""observedGeneration""#, &format!(r#""x":{},"observedGeneration""#, deep(50_000)));
    assert_eq!(planned(&HistorySeen::of_dump(passed.as_bytes()).unwrap()).steps.len(), whole.steps.len());
    let outside = text.replacen(r#""items""#, &format!(r#""x":{},"items""#, deep(1_000_000)), 1);
    assert_eq!(planned(&HistorySeen::of_dump(outside.as_bytes()).unwrap()).steps.len(), whole.steps.len());
}

#[test]
fn a_name_that_would_be_another_path_is_none() {
    for name in ["", ".", "..", "a/b", "a%2fb", "a\nb"] {
        let mut job = objects().into_iter().find(|object| object["metadata"]["name"] == "timed").unwrap();
        job["metadata"]["name"] = json!(name);
        let seen = read(&[job]);
        assert_eq!((seen.jobs.len(), seen.unread.len()), (0, 1), "{name:?}");
    }
}

#[test]
fn times_that_are_none_are_said_with_the_object_that_has_them() {
    for time in ["yesterday", "2026-13-01T00:00:00Z", "99999-01-01T00:00:00Z", "1764000000"] {
        let mut items = objects();
        let index = items.iter().position(|object| object["kind"] == "Event").unwrap();
        items[index]["lastTimestamp"] = json!(time);
        items[1]["metadata"]["creationTimestamp"] = json!(time);
        let seen = read(&items);
        let unread: Vec<String> = seen.unread.iter().map(ToString::to_string).collect();
        assert_eq!(unread.len(), 2, "{unread:?}");
        assert!(unread[0].starts_with("items[1] Deployment shop/web: ") && unread[1].contains("Event shop/web.17a: "), "{unread:?}");
        assert!(!unread.concat().contains(time), "{unread:?}");
    }
}

#[test]
fn records_that_do_not_decode_stay_each_with_its_reason_and_the_others_are_planned() {
    let release = |version: u64| history::release("web", version, "superseded", &json!({"password": MARKER}));
    let gzip = history::gzip(br#"{"name":"web","version":1}"#);
    let bomb = history::packed(&vec![b' '; (50 << 20) + 4096]);
    let broken: [(String, &str); 8] = [
        ("no base64 at all".to_owned(), "its payload is no base64"),
        (history::base64(b"neither inside"), "its payload is no base64"),
        (history::base64(history::base64(&gzip[..gzip.len() - 9]).as_bytes()), "its payload is gzip that is cut off or damaged"),
        (history::base64(bomb.as_bytes()), "its payload unpacks to more than 52428800 bytes"),
        (history::base64(history::packed(b"[7]").as_bytes()), "its payload is no JSON of a release"),
        (history::base64(release(9).as_bytes()), "its payload says release web revision 9, superseded"),
        (history::base64(history::packed(&vec![b'['; 100_000]).as_bytes()), "its payload is no JSON of a release"),
        (String::new(), "its payload is no JSON of a release"),
    ];
    for (data, wanted) in broken {
        assert!(data.len() < 1 << 20, "a Secret can hold it");
        let mut items = objects();
        let index = items.iter().position(|object| name(object).ends_with("web.v1")).unwrap();
        items[index]["data"] = json!({ "release": data });
        let seen = read(&items);
        let plan = planned(&seen);
        let held: Vec<String> =
            plan.held.iter().filter(|held| held.target.ends_with("release.v1.web.v1")).map(|held| held.reason.to_string()).collect();
        assert_eq!(held, [format!("its labels cannot be trusted: {wanted}")]);
        assert!(going(&plan).contains("Secret shop/sh.helm.release.v1.web.v2"), "{plan}");
        assert!(plan.is_blocked());
    }
    let mut items = objects();
    let index = items.iter().position(|object| name(object).ends_with("web.v1")).unwrap();
    items[index]["metadata"]["labels"]["version"] = json!("one");
    assert_eq!(read(&items).unread[0].problem, UnreadProblem::Invalid { problem: "metadata.labels.version is no number".to_owned() });
}

#[test]
fn nothing_of_a_releases_values_is_in_what_was_read_planned_or_written() {
    let seen = read(&objects());
    let plan = planned(&seen);
    let told = format!("{seen:?} {plan:?} {plan} {} {}", serde_json::to_string(&seen).unwrap(), serde_json::to_string(&plan).unwrap());
    assert!(!told.contains(MARKER) && !told.contains(&history::base64(MARKER.as_bytes())[..20]));
    assert!(seen.helm.len() == 7 && told.contains("sh.helm.release.v1.web.v1"));
}
