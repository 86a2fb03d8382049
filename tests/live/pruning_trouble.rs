//! What stands in the way of pruning on a real API server: another cluster, owners and objects that change, users with few rights, admission, a busy server,
//! a compaction between two pages, a process that is killed.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};
use trimtab_history_ops::live::{Backups, Cluster as Pruned, Journal, Pace};
use trimtab_history_ops::policy::{Part, Policy};
use trimtab_history_ops::{PruningPlan, plan, undo};
use trimtab_kit::control_plane::{ControlPlane, DEPLOYMENTS, Object, Options, REPLICA_SETS, SECRETS};
use trimtab_kit::etcd::{self, Cluster};
use trimtab_kit::helm_soak;

const NAMESPACE: &str = "shop";

fn etcd() -> Cluster {
    Cluster::start(&etcd::Options::new("3.6.16", 1))
}

async fn plane(cluster: &Cluster, args: &[&str]) -> ControlPlane {
    let plane = ControlPlane::start_as(cluster, &Options::new().with_args(args).with_audit_of_deletions()).await;
    plane.create_namespace(NAMESPACE).await;
    plane
}

fn over(mut config: kube::Config) -> Pruned {
    config.default_retry = false;
    Pruned::of(kube::Client::try_from(config).unwrap())
}

fn policy(part: Part, most: u32) -> Policy {
    Policy { parts: BTreeSet::from([part]), helm_history_max: Some(most), ..Policy::new("1.37.2".parse().unwrap()) }
}

fn fast() -> Pace {
    Pace { deletes_per_second: None, lanes: NonZeroUsize::new(4).unwrap(), ..Pace::default() }
}

/// A record as Helm 3 wrote it before it packed them, with a manifest of so many bytes.
fn record(release: &str, version: usize, status: &str, bytes: usize) -> Object {
    let payload = json!({"name": release, "version": version, "info": {"status": status}, "manifest": "x".repeat(bytes)});
    let payload = base64::engine::general_purpose::STANDARD.encode(payload.to_string());
    let labels = json!({"name": release, "owner": "helm", "status": status, "version": version.to_string(), "modifiedAt": "1764000000"});
    let fields = json!({"metadata": {"labels": labels}, "type": "helm.sh/release.v1", "stringData": {"release": payload}});
    Object::new(&SECRETS, NAMESPACE, &format!("sh.helm.release.v1.{release}.v{version}"), fields)
}

/// `releases` of `versions` records each, the last of which is deployed.
async fn install(plane: &ControlPlane, releases: usize, versions: usize, bytes: usize) {
    let all = (0..releases).flat_map(|release| (1..=versions).map(move |version| (release, version)));
    let status = |version: usize| if version == versions { "deployed" } else { "superseded" };
    plane.create_many(all.map(|(release, version)| record(&format!("r{release}"), version, status(version), bytes))).await;
}

async fn planned(cluster: &Pruned, policy: &Policy) -> PruningPlan {
    let seen = cluster.observe(policy, |_| ()).await.unwrap();
    plan(&seen, policy, cluster.now()).unwrap()
}

fn outcomes(report: &trimtab_core::Report<trimtab_history_ops::Pruning>) -> Vec<String> {
    report.steps.iter().map(|step| step.outcome.to_string()).collect()
}

#[tokio::test]
async fn a_plan_for_another_cluster_is_refused_whole() {
    let (one, other) = (etcd(), etcd());
    let (first, second) = (plane(&one, &[]).await, plane(&other, &[]).await);
    install(&first, 1, 4, 10).await;
    install(&second, 1, 4, 10).await;
    let plan = planned(&over(first.config().await), &policy(Part::Helm, 2)).await;
    assert_eq!(plan.steps.len(), 2);
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(&dir.path().join("journal")).unwrap();
    let report = over(second.config().await).apply(&plan, &journal, &Pace { lanes: NonZeroUsize::MIN, ..fast() }, |_| ()).await;
    let outcomes = outcomes(&report);
    assert!(outcomes[0].starts_with("refused: not true that the cluster's kube-system has the uid"), "{report}");
    assert_eq!(outcomes[1], "not reached");
    assert_eq!(second.list_in(NAMESPACE, &SECRETS).await.len(), 4);
}

/// Three old ReplicaSets and a new one, made by hand: no controller runs.
async fn deployment(plane: &ControlPlane) -> Object {
    let template = |value: &str| json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": value}]}});
    let selector = json!({"matchLabels": {"app": "web"}});
    let spec = json!({"replicas": 0, "revisionHistoryLimit": 1, "selector": selector, "template": template("v4")});
    let object = Object::new(&DEPLOYMENTS, NAMESPACE, "web", json!({ "spec": spec }));
    let owner = plane.create(&object).await;
    let by = json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": owner["metadata"]["uid"], "controller": true}]);
    for revision in 1..=4 {
        let annotations = json!({"deployment.kubernetes.io/revision": revision.to_string()});
        let spec = json!({"replicas": 0, "selector": selector, "template": template(&format!("v{revision}"))});
        let metadata = json!({"ownerReferences": by, "annotations": annotations, "labels": {"app": "web"}});
        let fields = json!({ "metadata": metadata, "spec": spec });
        let set = Object::new(&REPLICA_SETS, NAMESPACE, &format!("web-{revision}"), fields);
        plane.create(&set).await;
        status(plane, &set).await;
    }
    status(plane, &object).await;
    object
}

/// What the controller would write: that it has seen the object.
async fn status(plane: &ControlPlane, object: &Object) {
    let mut seen = plane.read(object).await;
    seen["status"] = json!({"observedGeneration": seen["metadata"]["generation"], "replicas": 0});
    let answer = plane.ask(reqwest::Method::PUT, &format!("{}/status", object.path()), &[], Some(seen)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

async fn annotate(plane: &ControlPlane, object: &Object) {
    let patch = json!({"metadata": {"annotations": {"seen": "again"}}});
    let headers = [("Content-Type", "application/merge-patch+json")];
    let answer = plane.ask(reqwest::Method::PATCH, &object.path(), &headers, Some(patch)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn an_owner_or_an_object_that_was_changed_since_the_plan_is_left_alone() {
    let cluster = etcd();
    let plane = plane(&cluster, &[]).await;
    let owner = deployment(&plane).await;
    let ours = over(plane.config().await);
    let policy = policy(Part::ReplicaSets, 1);
    let plan = planned(&ours, &policy).await;
    assert_eq!(plan.steps.iter().map(|step| step.action.object.name.as_str()).collect::<Vec<_>>(), ["web-1", "web-2"]);
    annotate(&plane, &Object::new(&REPLICA_SETS, NAMESPACE, "web-1", Value::Null)).await;
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(&dir.path().join("journal")).unwrap();
    let report = ours.apply(&plan, &journal, &fast(), |_| ()).await;
    let said = outcomes(&report);
    assert!(said[0].starts_with("refused: not true that it is at resourceVersion"), "{report}");
    assert_eq!(said[1], "done");
    // A change of the Deployment may make another ReplicaSet the new one.
    let plan = planned(&ours, &policy).await;
    assert_eq!(plan.steps.len(), 1);
    let mut scaled = plane.read(&owner).await;
    scaled["spec"]["minReadySeconds"] = json!(5);
    assert_eq!(plane.ask(reqwest::Method::PUT, &owner.path(), &[], Some(scaled)).await.status, 200);
    let report = ours.apply(&plan, &journal, &fast(), |_| ()).await;
    assert!(outcomes(&report)[0].contains("it was changed: its generation is 2; plan again"), "{report}");
    plane.delete(&owner).await;
    let report = ours.apply(&plan, &journal, &fast(), |_| ()).await;
    assert!(outcomes(&report)[0].contains("it is gone, and the garbage collector takes the rest"), "{report}");
    assert_eq!(plane.names_in(NAMESPACE, &REPLICA_SETS).await, ["web-1", "web-3", "web-4"]);
}

async fn patch(plane: &ControlPlane, object: &Object, patch: Value) {
    let headers = [("Content-Type", "application/merge-patch+json")];
    let answer = plane.ask(reqwest::Method::PATCH, &object.path(), &headers, Some(patch)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn what_no_generation_tells_of_is_asked_again_right_before_too() {
    let cluster = etcd();
    let plane = plane(&cluster, &[]).await;
    let owner = deployment(&plane).await;
    let ours = over(plane.config().await);
    let plan = planned(&ours, &policy(Part::ReplicaSets, 1)).await;
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(&dir.path().join("journal")).unwrap();
    // Pods of the new one fail an hour later: now one may want to go back.
    let mut failing = plane.read(&owner).await;
    failing["status"] = json!({"observedGeneration": 1, "replicas": 1, "unavailableReplicas": 1});
    let path = format!("{}/status", owner.path());
    assert_eq!(plane.ask(reqwest::Method::PUT, &path, &[], Some(failing)).await.status, 200);
    let report = ours.apply(&plan, &journal, &fast(), |_| ()).await;
    assert!(outcomes(&report).iter().all(|said| said.contains("its rollout is not complete any more")), "{report}");
    status(&plane, &owner).await;
    // Somebody deletes what the plan keeps: what is left is what may stay.
    plane.delete(&Object::new(&REPLICA_SETS, NAMESPACE, "web-3", Value::Null)).await;
    let report = ours.apply(&plan, &journal, &fast(), |_| ()).await;
    let said = outcomes(&report);
    let refusals = said.iter().filter(|said| said.contains("others are gone since the plan; plan again")).count();
    assert_eq!((refusals, report.acted()), (1, 1), "{report}");
    assert_eq!(plane.names_in(NAMESPACE, &REPLICA_SETS).await.len(), 2, "the limit is one, and the new one");
}

#[tokio::test]
async fn a_record_that_does_not_say_what_its_labels_do_is_left_alone() {
    let cluster = etcd();
    let plane = plane(&cluster, &[]).await;
    install(&plane, 1, 6, 10).await;
    let version = |version: usize| Object::new(&SECRETS, NAMESPACE, &format!("sh.helm.release.v1.r0.v{version}"), Value::Null);
    patch(&plane, &version(1), json!({"stringData": {"release": "!"}})).await;
    // What somebody calls revision 2 is revision 5.
    let fifth = plane.read(&version(5)).await["data"]["release"].clone();
    patch(&plane, &version(2), json!({"data": {"release": fifth}})).await;
    let ours = over(plane.config().await);
    let plan = planned(&ours, &policy(Part::Helm, 2)).await;
    assert_eq!(plan.steps.len(), 4, "only the labels are seen: {plan}");
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(&dir.path().join("journal")).unwrap();
    let said = outcomes(&ours.apply(&plan, &journal, &fast(), |_| ()).await);
    assert!(said[0].contains("its payload is no base64"), "{said:?}");
    assert!(said[1].contains("its payload says release r0 revision 5, superseded"), "{said:?}");
    assert_eq!(said[2..], ["done", "done"]);
}

#[tokio::test]
async fn a_writer_at_the_same_time_never_loses_what_it_wrote() {
    let cluster = etcd();
    let plane = plane(&cluster, &[]).await;
    install(&plane, 1, 60, 10).await;
    let ours = over(plane.config().await);
    let plan = planned(&ours, &policy(Part::Helm, 1)).await;
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(&dir.path().join("journal")).unwrap();
    let written = async {
        // From the end on, so that the two meet.
        let mut written = Vec::new();
        for version in (1..60).rev() {
            let object = Object::new(&SECRETS, NAMESPACE, &format!("sh.helm.release.v1.r0.v{version}"), Value::Null);
            let patch = json!({"metadata": {"annotations": {"mine": "yes"}}});
            let headers = [("Content-Type", "application/merge-patch+json")];
            let answer = plane.ask(reqwest::Method::PATCH, &object.path(), &headers, Some(patch)).await;
            if answer.status == 200 {
                written.push(object.name);
            }
        }
        written
    };
    let pace = fast();
    let (report, written) = tokio::join!(ours.apply(&plan, &journal, &pace, |_| ()), written);
    let left: BTreeSet<String> = plane.names_in(NAMESPACE, &SECRETS).await.into_iter().collect();
    assert!(!written.is_empty() && report.acted() > 0, "{} written, {} deleted", written.len(), report.acted());
    assert!(written.iter().all(|name| left.contains(name)), "{report}");
    assert_eq!(left.len(), written.len() + 1 + (59 - written.len() - report.acted()));
}

#[tokio::test]
async fn what_a_user_may_not_do_is_said_once_and_the_rest_is_done() {
    let cluster = etcd();
    let plane = plane(&cluster, &[]).await;
    install(&plane, 1, 6, 10).await;
    deployment(&plane).await;
    let user = plane.user("limited");
    let rules = json!([
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]},
        {"apiGroups": ["apps"], "resources": ["replicasets"], "verbs": ["get", "list", "delete"]},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list"]},
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]},
    ]);
    plane.grant(&user, "", &rules).await;
    let ours = over(user.config().await);
    let parts = BTreeSet::from([Part::Helm, Part::ReplicaSets, Part::Events]);
    let policy = Policy { parts, ..policy(Part::Helm, 2) };
    let seen = ours.observe(&policy, |_| ()).await.unwrap();
    let unread: Vec<String> = seen.unread.iter().map(ToString::to_string).collect();
    assert!(unread.iter().any(|said| said == "events: this user may not list them: grant `list`, or leave this part out"), "{unread:?}");
    let plan = plan(&seen, &policy, ours.now()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(&dir.path().join("journal")).unwrap();
    let report = ours.apply(&plan, &journal, &Pace { lanes: NonZeroUsize::MIN, ..fast() }, |_| ()).await;
    let said = outcomes(&report);
    assert_eq!(said.iter().filter(|said| *said == "done").count(), 2, "{report}");
    assert_eq!(
        said.iter().filter(|said| said.starts_with("failed: delete Secret is not allowed to this user in namespace shop")).count(),
        4,
        "{report}"
    );
    let asked = plane.deletions().into_iter().filter(|deletion| deletion.resource == "secrets").count();
    assert_eq!(asked, 1, "a right that is missing is not asked for again");
}

#[tokio::test]
async fn what_admission_refuses_stays_and_the_dry_run_says_so_before() {
    let cluster = etcd();
    let plane = plane(&cluster, &[]).await;
    plane.refuse_deletions_of("trimtab.example/kept").await;
    install(&plane, 1, 3, 10).await;
    let mut kept = record("r1", 1, "superseded", 10);
    kept.fields["metadata"]["labels"]["trimtab.example/kept"] = json!("");
    plane.create_all([kept, record("r1", 2, "deployed", 10)]).await;
    let ours = over(plane.config().await);
    let plan = planned(&ours, &policy(Part::Helm, 1)).await;
    assert_eq!(plan.steps.len(), 3);
    let dry = ours.dry_run(&plan, &fast(), |_| ()).await;
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(&dir.path().join("journal")).unwrap();
    assert_eq!(plane.list_in(NAMESPACE, &SECRETS).await.len(), 5, "a dry run deletes nothing");
    let report = ours.apply(&plan, &journal, &fast(), |_| ()).await;
    for report in [&dry, &report] {
        let said = outcomes(report);
        assert!(said[2].starts_with("failed: admission refused it:") && said[2].contains("trimtab.example/kept is kept"), "{report}");
        assert_eq!(said[..2], ["done", "done"], "{report}");
    }
    assert_eq!(plane.list_in(NAMESPACE, &SECRETS).await.len(), 3);
}

#[tokio::test]
async fn a_server_that_is_too_busy_is_asked_again() {
    let cluster = etcd();
    let plane = plane(&cluster, &[]).await;
    install(&plane, 2, 12, 10).await;
    let user = plane.user("throttled");
    let rules = json!([
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "delete"]},
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]},
    ]);
    plane.grant(&user, "", &rules).await;
    plane.throttle(&user).await;
    let ours = over(user.config().await);
    let plan = planned(&ours, &policy(Part::Helm, 10)).await;
    assert_eq!(plan.steps.len(), 4);
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(&dir.path().join("journal")).unwrap();
    let report = ours.apply(&plan, &journal, &Pace { lanes: NonZeroUsize::new(8).unwrap(), ..fast() }, |_| ()).await;
    assert!(report.is_done(), "{report}");
}

#[tokio::test]
async fn a_list_that_expires_between_two_pages_is_read_to_its_end() {
    let cluster = etcd();
    let plane = plane(&cluster, &["--watch-cache=false"]).await;
    install(&plane, 60, 20, 10).await;
    let ours = over(plane.config().await);
    let mut compacted = false;
    let seen = ours
        .observe(&policy(Part::Helm, 10), |page| {
            if page == "secrets page 1" && !compacted {
                // The moment of the list has to be before the compaction.
                let written = cluster.etcdctl_at(&cluster.endpoints()[0], &["put", "/elsewhere", "1"]);
                assert!(written.status.success(), "{written:?}");
                cluster.compact();
                compacted = true;
            }
        })
        .await
        .unwrap();
    assert!(compacted);
    assert_eq!(seen.of_two_moments, ["secrets"]);
    assert_eq!(seen.helm.len(), 1200);
    let names: BTreeSet<&str> = seen.helm.iter().map(|record| record.meta.object.name.as_str()).collect();
    assert_eq!(names.len(), 1200, "no record is seen twice");
}

/// 2,000 records of 20 releases; `make soak` takes 28,000. Only the memory is a figure: whatever differs ends the test.
#[tokio::test]
async fn thousands_of_helm_records_are_pruned_although_the_process_is_killed_again_and_again() {
    let figures = helm_soak::run(2000, || Command::new(env!("CARGO_BIN_EXE_prune"))).await;
    println!("{figures}");
    assert!(figures.peak_kb < 200_000, "{figures}");
}

#[tokio::test]
async fn what_was_deleted_comes_back_as_it_was_and_once() {
    let cluster = etcd();
    let plane = plane(&cluster, &[]).await;
    install(&plane, 1, 4, 500).await;
    let owner = deployment(&plane).await;
    let before = plane.read(&Object::new(&SECRETS, NAMESPACE, "sh.helm.release.v1.r0.v1", Value::Null)).await;
    let ours = over(plane.config().await);
    let parts = BTreeSet::from([Part::Helm, Part::ReplicaSets]);
    let plan = planned(&ours, &Policy { parts, ..policy(Part::Helm, 2) }).await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let journal = Journal::open(&path).unwrap();
    assert_eq!(ours.apply(&plan, &journal, &fast(), |_| ()).await.acted(), 4);
    drop(journal);
    let backups = Backups::read(&path).unwrap();
    let undo = undo::plan(&backups.cluster, &backups.objects);
    // Somebody was faster with one of the names.
    plane.create(&record("r0", 2, "failed", 3)).await;
    let report = ours.undo(&undo, &backups, &fast(), |_| ()).await;
    let said: Vec<String> = report.steps.iter().map(|step| step.outcome.to_string()).collect();
    assert_eq!(said.iter().filter(|said| *said == "done").count(), 3, "{report}");
    assert_eq!(said.iter().filter(|said| said.starts_with("refused: not true that nothing has its name")).count(), 1, "{report}");
    let after = plane.read(&Object::new(&SECRETS, NAMESPACE, "sh.helm.release.v1.r0.v1", Value::Null)).await;
    for field in ["data", "type", "kind"] {
        assert_eq!(after[field], before[field], "{field}");
    }
    assert_eq!(after["metadata"]["labels"], before["metadata"]["labels"]);
    let again = ours.undo(&undo, &backups, &fast(), |_| ()).await;
    assert_eq!(again.acted(), 0, "{again}");
    // Without its Deployment a ReplicaSet would be collected at once.
    plane.delete(&Object::new(&REPLICA_SETS, NAMESPACE, "web-1", Value::Null)).await;
    plane.delete(&owner).await;
    let orphaned = ours.undo(&undo, &backups, &fast(), |_| ()).await;
    assert!(
        orphaned.to_string().contains("ReplicaSet shop/web-1: make it again: refused: not true that Deployment web (apps/v1) is there"),
        "{orphaned}"
    );
}

#[tokio::test]
async fn records_that_helm_cannot_read_take_no_place_in_a_release() {
    let cluster = etcd();
    let plane = plane(&cluster, &[]).await;
    install(&plane, 1, 12, 10).await;
    let version = |version: usize| Object::new(&SECRETS, NAMESPACE, &format!("sh.helm.release.v1.r0.v{version}"), Value::Null);
    for broken in 8..=11 {
        patch(&plane, &version(broken), json!({"stringData": {"release": "!"}})).await;
    }
    let ours = over(plane.config().await);
    // Helm reads eight of them, so that of six it would keep two are over; labels say that six are.
    let plan = planned(&ours, &policy(Part::Helm, 6)).await;
    assert_eq!(plan.steps.len(), 6);
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(&dir.path().join("journal")).unwrap();
    let report = ours.apply(&plan, &journal, &Pace { lanes: NonZeroUsize::MIN, ..fast() }, |_| ()).await;
    assert_eq!(report.acted(), 2, "{report}");
    assert!(outcomes(&report)[2..].iter().all(|said| said.contains("others are gone since the plan")), "{report}");
    assert_eq!(plane.list_in(NAMESPACE, &SECRETS).await.len(), 10);
}

#[tokio::test]
async fn what_is_deleted_by_others_while_a_plan_runs_counts() {
    let cluster = etcd();
    let plane = plane(&cluster, &[]).await;
    install(&plane, 1, 160, 10).await;
    let ours = over(plane.config().await);
    let plan = planned(&ours, &policy(Part::Helm, 10)).await;
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(&dir.path().join("journal")).unwrap();
    let pace = Pace { deletes_per_second: Some(10.0), ..fast() };
    let others = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        for version in 152..158 {
            plane.delete(&Object::new(&SECRETS, NAMESPACE, &format!("sh.helm.release.v1.r0.v{version}"), Value::Null)).await;
        }
    };
    let (report, ()) = tokio::join!(ours.apply(&plan, &journal, &pace, |_| ()), others);
    assert_eq!(plane.list_in(NAMESPACE, &SECRETS).await.len(), 10, "as many as the plan keeps, although others took six of them");
    assert_eq!(report.acted(), 144);
}

#[tokio::test]
async fn a_plan_whose_guards_somebody_took_out_deletes_nothing_that_is_no_history() {
    let cluster = etcd();
    let plane = plane(&cluster, &[]).await;
    install(&plane, 1, 3, 10).await;
    let password = Object::new(&SECRETS, NAMESPACE, "password", json!({"stringData": {"password": "x"}}));
    let password = plane.create(&password).await;
    let ours = over(plane.config().await);
    let plan = planned(&ours, &policy(Part::Helm, 1)).await;
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(&dir.path().join("journal")).unwrap();
    let mut edited = serde_json::to_value(&plan).unwrap();
    edited["steps"][0]["guards"] = json!([]);
    let bare: PruningPlan = serde_json::from_value(edited.clone()).unwrap();
    let report = ours.apply(&bare, &journal, &fast(), |_| ()).await;
    assert!(outcomes(&report)[0].contains("has no guard that names its cluster"), "{report}");
    // With the guard of the cluster alone, and another object.
    edited["steps"][0]["guards"] = json!([serde_json::to_value(&plan.steps[0].guards[0]).unwrap()]);
    for (field, value) in [("name", &password["metadata"]["name"]), ("uid", &password["metadata"]["uid"])] {
        edited["steps"][0]["action"]["object"][field] = value.clone();
    }
    edited["steps"][0]["action"]["object"]["resourceVersion"] = password["metadata"]["resourceVersion"].clone();
    let other: PruningPlan = serde_json::from_value(edited).unwrap();
    let report = ours.apply(&other, &journal, &fast(), |_| ()).await;
    assert!(outcomes(&report)[0].contains("it is no record of Helm: no plan deletes such an object"), "{report}");
    assert!(plane.names_in(NAMESPACE, &SECRETS).await.contains(&"password".to_owned()));
}

#[tokio::test]
async fn where_a_user_may_not_delete_the_other_namespaces_are_pruned_all_the_same() {
    let cluster = etcd();
    let plane = plane(&cluster, &[]).await;
    plane.create_namespace("a-closed-one").await;
    let closed = (1..=30).map(|version| Object { namespace: "a-closed-one".to_owned(), ..record("closed", version, "superseded", 10) });
    plane.create_many(closed).await;
    install(&plane, 1, 4, 10).await;
    let user = plane.user("limited");
    let looks = json!([
        {"apiGroups": [""], "resources": ["secrets", "configmaps"], "verbs": ["get", "list"]},
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]},
    ]);
    plane.grant(&user, "", &looks).await;
    plane.grant(&user, NAMESPACE, &json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["delete"]}])).await;
    let ours = over(user.config().await);
    let plan = planned(&ours, &policy(Part::Helm, 2)).await;
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(&dir.path().join("journal")).unwrap();
    let report = ours.apply(&plan, &journal, &fast(), |_| ()).await;
    assert_eq!(report.acted(), 2, "{report}");
    assert_eq!(plane.list_in("a-closed-one", &SECRETS).await.len(), 30);
}
