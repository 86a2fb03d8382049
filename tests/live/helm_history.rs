//! Records that real Helm of both majors wrote: trimtab leaves of them what Helm leaves, and Helm goes on with what is left. What Helm 2 wrote, what is
//! damaged, and what nobody may read.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};
use trimtab_core::Report;
use trimtab_core::plan::Outcome;
use trimtab_history_ops::kind::helm::Payload;
use trimtab_history_ops::live::{Cluster as Pruned, Journal, Pace};
use trimtab_history_ops::policy::{Part, Policy, Retention};
use trimtab_history_ops::pruning::{Guard, Notice, Pruning, Reason, Refusal};
use trimtab_history_ops::{HistorySeen, PruningPlan, plan};
use trimtab_kit::control_plane::{CONFIG_MAPS, ControlPlane, Object, Options, Resource, SECRETS};
use trimtab_kit::etcd::{self, Cluster};
use trimtab_kit::helm::{self, Helm};
use trimtab_kit::history::{self, MARKER};
use trimtab_kit::wait;

/// Who prunes as trimtab.
const PRUNER: &str = "pruner";
const DRIVERS: [(&str, &Resource); 2] = [("secret", &SECRETS), ("configmap", &CONFIG_MAPS)];
/// What trimtab leaves, and Helm before it writes one more.
const LEFT: u32 = 2;

/// With an audit log of what the pruner listed and what it was answered, and of every deletion.
async fn plane(cluster: &Cluster) -> ControlPlane {
    let records = json!([{"group": "", "resources": ["secrets", "configmaps"]}]);
    let lists = json!({"level": "RequestResponse", "users": [PRUNER], "verbs": ["list"], "resources": records});
    let deletions = json!({"level": "Request", "users": [PRUNER], "verbs": ["delete", "deletecollection"]});
    ControlPlane::start_as(cluster, &Options::new().with_audit_rules(&json!([lists, deletions, {"level": "None"}]))).await
}

fn etcd() -> Cluster {
    Cluster::start(&etcd::Options::new("3.6.16", 1))
}

/// trimtab, as a user that may do no more than it needs.
async fn pruner(plane: &ControlPlane) -> Pruned {
    let user = plane.user(PRUNER);
    let rules = json!([
        {"apiGroups": [""], "resources": ["secrets", "configmaps"], "verbs": ["get", "list", "delete"]},
        {"apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["kube-system"], "verbs": ["get"]},
    ]);
    plane.grant(&user, "", &rules).await;
    let mut config = user.config().await;
    config.default_retry = false;
    Pruned::of(kube::Client::try_from(config).unwrap())
}

fn policy(namespace: &str, most: u32) -> Policy {
    let namespaces = Some(BTreeSet::from([namespace.to_owned()]));
    let helm = Retention { max_kept: Some(most), ..Retention::default() };
    Policy { parts: BTreeSet::from([Part::Helm]), namespaces, helm, ..Policy::new("1.37.2".parse().unwrap()) }
}

fn fast() -> Pace {
    Pace { deletes_per_second: None, lanes: NonZeroUsize::new(4).unwrap(), ..Pace::default() }
}

/// The chart of the kit, with one more object whose name is a value: a name that the API server refuses makes an upgrade fail; and with a hook that
/// never ends where it is asked for.
fn chart(helm: &Helm) -> String {
    let chart = helm.chart("tiny");
    let write = |file: &str, text: &str| std::fs::write(chart.join("templates").join(file), text).unwrap();
    write("named.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-{{ .Values.value }}\n");
    let job = "spec:\n  template:\n    spec:\n      restartPolicy: Never\n      containers: [{name: c, image: c}]\n";
    let annotations = "  annotations:\n    helm.sh/hook: pre-upgrade\n";
    write(
        "hook.yaml",
        &format!("{{{{ if .Values.hang }}}}\napiVersion: batch/v1\nkind: Job\nmetadata:\n  name: hook\n{annotations}{job}{{{{ end }}}}\n"),
    );
    chart.to_str().unwrap().to_owned()
}

/// One release in one namespace.
struct Release<'a> {
    helm: &'a Helm,
    chart: &'a str,
    namespace: &'a str,
    resource: &'a Resource,
}

impl Release<'_> {
    fn arguments<'a>(&'a self, verb: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
        [&[verb, "shop"], rest, &["--namespace", self.namespace]].concat()
    }

    fn run(&self, verb: &str, rest: &[&str]) -> Result<String, String> {
        let output = self.helm.run(&self.arguments(verb, rest));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    fn upgrade(&self, value: &str, max: &str) -> Result<String, String> {
        self.run("upgrade", &[self.chart, "--history-max", max, "--set", &format!("value={MARKER}-{value}")])
    }

    /// Eight revisions: the fifth, a rollback, is deployed, and what came before and after it failed.
    fn live_through_much(&self) {
        self.run("install", &[self.chart, "--create-namespace", "--set", &format!("value={MARKER}-1")]).unwrap();
        self.upgrade("2", "0").unwrap();
        self.upgrade("NO_NAME-3", "0").unwrap_err();
        self.upgrade("4", "0").unwrap();
        self.run("rollback", &["2", "--history-max", "0"]).unwrap();
        for revision in ["6", "7", "8"] {
            self.upgrade(&format!("NO_NAME-{revision}"), "0").unwrap_err();
        }
    }

    /// Version and status of every record, by its labels.
    async fn records(&self, plane: &ControlPlane) -> Vec<(u64, String)> {
        let objects = plane.list_in(self.namespace, self.resource).await;
        let labels = objects.iter().map(|object| &object["metadata"]["labels"]).filter(|labels| labels["owner"] == "helm");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut records: Vec<(u64, String)> = labels.map(|labels| (text(&labels["version"]).parse().unwrap(), text(&labels["status"]))).collect();
        records.sort();
        records
    }

    /// The whole objects, as a dump has them.
    async fn dump(&self, plane: &ControlPlane) -> HistorySeen {
        let items = plane.list_in(self.namespace, self.resource).await;
        let list = json!({"kind": format!("{}List", self.resource.kind), "apiVersion": "v1", "items": items});
        let mut seen = HistorySeen::of_dump(list.to_string().as_bytes()).unwrap();
        let cluster = plane.read(&Object::namespace("kube-system")).await["metadata"]["uid"].as_str().unwrap().into();
        seen.cluster = Some(cluster);
        seen
    }
}

fn owned(records: &[(u64, &str)]) -> Vec<(u64, String)> {
    records.iter().map(|(version, status)| (*version, (*status).to_owned())).collect()
}

/// Carries out a plan, and looks for the marker in everything that was told about it.
async fn carry_out(cluster: &Pruned, seen: &HistorySeen, plan: &PruningPlan, path: &Path) -> Report<Pruning> {
    let journal = Journal::open(path).unwrap();
    let mut told = Vec::new();
    let report = cluster.apply(plan, &journal, &fast(), |event| told.push(format!("{event:?}"))).await;
    told.extend([format!("{seen:?}"), format!("{plan:?}"), plan.to_string(), serde_json::to_string(plan).unwrap(), format!("{journal:?}")]);
    told.extend([report.to_string(), format!("{report:?}"), serde_json::to_string(&report).unwrap(), serde_json::to_string(seen).unwrap()]);
    told.push(format!("{:?}", Journal::backups(path).unwrap()));
    assert!(told.iter().all(|text| !text.contains(MARKER)), "a value of a release is told");
    report
}

/// The journal has each record whole, values and all, and nobody else may read it.
fn journal_keeps_what_went(path: &Path, wanted: usize) {
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let backups = Journal::backups(path).unwrap();
    assert_eq!(backups.len(), wanted);
    for (backup, _) in backups {
        let object: Value = serde_json::from_str(backup.object.get()).unwrap();
        let data = object["data"]["release"].as_str().unwrap();
        let data = if object["kind"] == "Secret" { data.to_owned() } else { history::base64(data.as_bytes()) };
        assert!(history::unpacked(&data).contains(MARKER));
    }
}

/// Every list of the pruner was answered with metadata alone.
fn only_metadata_was_listed(plane: &ControlPlane) {
    let lists: Vec<Value> = plane.audit_events().into_iter().filter(|event| event["verb"] == "list").collect();
    let mut listed = 0;
    for list in lists {
        assert_eq!(list["responseObject"]["kind"], "PartialObjectMetadataList", "{}", list["requestURI"]);
        let items = list["responseObject"]["items"].as_array().into_iter().flatten();
        listed += items.inspect(|item| assert!(item["data"].is_null())).count();
    }
    assert!(listed >= DRIVERS.len() * 8, "{listed}");
}

async fn twins(version: &str) {
    let cluster = etcd();
    let plane = plane(&cluster).await;
    let dir = tempfile::tempdir().unwrap();
    let ours = pruner(&plane).await;
    for (driver, resource) in DRIVERS {
        let helm = Helm::new(version, &plane.kubeconfig()).with_driver(driver);
        let chart = chart(&helm);
        let names = [format!("theirs-{driver}"), format!("ours-{driver}")];
        let [theirs, mine] = names.each_ref().map(|namespace| Release { helm: &helm, chart: &chart, namespace, resource });
        theirs.live_through_much();
        mine.live_through_much();
        let before = mine.records(&plane).await;
        let statuses = ["superseded", "superseded", "failed", "superseded", "deployed", "failed", "failed", "failed"];
        assert_eq!(before, owned(&(1..).zip(statuses).collect::<Vec<_>>()), "helm {version}, {driver}");
        assert_eq!(theirs.records(&plane).await, before);

        let policy = policy(mine.namespace, LEFT);
        let seen = ours.observe(&policy, |_| ()).await.unwrap();
        assert!(seen.helm.len() == 8 && seen.unread.is_empty());
        assert!(seen.helm.iter().all(|record| record.payload.is_none() && record.meta.json_bytes.is_none()), "only metadata is read");
        let plan = plan(&seen, &policy, ours.now()).unwrap();
        let whole = mine.dump(&plane).await;
        assert!(whole.helm.iter().all(|record| record.payload == Some(Payload::Agrees)), "{:?}", whole.helm);
        let by_dump = trimtab_history_ops::plan(&whole, &policy, ours.now()).unwrap();
        assert_eq!(revisions(&by_dump), revisions(&plan), "from the payloads and from the labels alone");
        assert_eq!(revisions(&plan), [1, 2, 3, 4, 6, 7]);
        let lost = Notice::HelmRollbackLost { release: format!("{}/shop", mine.namespace), revisions: revisions(&plan) };
        assert!(plan.notices.contains(&lost), "{plan}");
        let path = dir.path().join(driver);
        let report = carry_out(&ours, &seen, &plan, &path).await;
        assert_eq!((report.acted(), report.is_done()), (6, true), "{report}");
        journal_keeps_what_went(&path, 6);

        theirs.upgrade("9", &(LEFT + 1).to_string()).unwrap();
        mine.upgrade("9", "0").unwrap();
        let survivors = mine.records(&plane).await;
        assert_eq!(survivors, owned(&[(5, "superseded"), (8, "failed"), (9, "deployed")]), "helm {version}, {driver}");
        assert_eq!(theirs.records(&plane).await, survivors, "helm {version}, {driver}");
        helm_goes_on(&mine, &survivors);
    }
    only_metadata_was_listed(&plane);
    for deletion in plane.deletions() {
        assert!(deletion.uid.is_some() && deletion.resource_version.is_some() && deletion.propagation_policy.is_some(), "{deletion:?}");
    }
}

fn revisions(plan: &PruningPlan) -> Vec<i64> {
    plan.steps.iter().filter_map(|step| step.action.revision).collect()
}

fn helm_goes_on(release: &Release<'_>, survivors: &[(u64, String)]) {
    let history: Value = serde_json::from_str(&release.run("history", &["--output", "json"]).unwrap()).unwrap();
    let listed: Vec<u64> = history.as_array().unwrap().iter().map(|revision| revision["revision"].as_u64().unwrap()).collect();
    assert_eq!(listed, survivors.iter().map(|(version, _)| *version).collect::<Vec<_>>());
    let values = release.helm.succeed(&["get", "values", "shop", "--namespace", release.namespace, "--revision", "5"]);
    assert!(values.contains(&format!("{MARKER}-2")), "{values}");
    let lost = release.run("rollback", &["4"]).unwrap_err();
    assert!(lost.contains("release has no 4 version"), "{lost}");
    release.run("rollback", &["5"]).unwrap();
    release.upgrade("11", "10").unwrap();
}

#[tokio::test]
async fn what_trimtab_leaves_of_helm_3s_records_is_what_helm_3_leaves_and_goes_on_with() {
    twins(helm::VERSIONS[0]).await;
}

#[tokio::test]
async fn what_trimtab_leaves_of_helm_4s_records_is_what_helm_4_leaves_and_goes_on_with() {
    twins(helm::VERSIONS[1]).await;
}

#[tokio::test]
async fn a_release_that_was_interrupted_keeps_everything_and_one_that_was_uninstalled_keeps_its_newest_records() {
    let cluster = etcd();
    let plane = plane(&cluster).await;
    let ours = pruner(&plane).await;
    let dir = tempfile::tempdir().unwrap();
    for version in helm::VERSIONS {
        let helm = Helm::new(version, &plane.kubeconfig());
        let (chart, namespace) = (chart(&helm), format!("helm-{}", &version[..1]));
        let release = Release { helm: &helm, chart: &chart, namespace: &namespace, resource: &SECRETS };
        release.live_through_much();
        let set = format!("value={MARKER}-9,hang=true");
        let mut upgrade = helm.start(&release.arguments("upgrade", &[&chart, "--history-max", "0", "--set", &set]));
        let pending = async || match release.records(&plane).await.last() {
            Some((9, status)) if status == "pending-upgrade" => Ok(()),
            other => Err(format!("{other:?}")),
        };
        wait::until_async("helm to wait for its hook", wait::LONG, pending).await.unwrap();
        upgrade.kill().unwrap();
        upgrade.wait().unwrap();
        let policy = policy(&namespace, 1);
        let interrupted = planned(&ours, &policy).await;
        assert!(interrupted.is_empty() && interrupted.is_blocked(), "{interrupted}");
        let reason = Reason::Pending { status: "pending-upgrade".to_owned() };
        assert!(interrupted.held.len() == 9 && interrupted.held.iter().all(|held| held.reason == reason), "{interrupted}");
        // Its own next upgrade says the same.
        assert!(release.upgrade("10", "0").unwrap_err().contains("another operation"));

        release.run("rollback", &["5", "--history-max", "0"]).unwrap();
        release.run("uninstall", &["--keep-history"]).unwrap();
        let before = release.records(&plane).await;
        assert_eq!(before.last(), Some(&(10, "uninstalled".to_owned())), "{before:?}");
        let policy = Policy { helm: Retention { max_kept: Some(2), ..policy.helm }, ..policy };
        let seen = ours.observe(&policy, |_| ()).await.unwrap();
        let plan = plan(&seen, &policy, ours.now()).unwrap();
        let report = carry_out(&ours, &seen, &plan, &dir.path().join(version)).await;
        assert_eq!(report.acted(), 8, "{report}");
        assert_eq!(release.records(&plane).await, before[8..], "nothing is deployed, and the newest stay");
        // Helm can take it up again.
        release.run("rollback", &["10"]).unwrap();
    }
}

async fn planned(cluster: &Pruned, policy: &Policy) -> PruningPlan {
    let seen = cluster.observe(policy, |_| ()).await.unwrap();
    plan(&seen, policy, cluster.now()).unwrap()
}

/// An object of the kit's as a test creates it.
fn stored(namespace: &str, object: &Value) -> Object {
    let resource = if object["kind"] == "Secret" { &SECRETS } else { &CONFIG_MAPS };
    let mut fields = json!({"metadata": {"labels": object["metadata"]["labels"]}, "data": object["data"]});
    if object["type"].is_string() {
        fields["type"] = object["type"].clone();
    }
    Object::new(resource, namespace, object["metadata"]["name"].as_str().unwrap(), fields)
}

#[tokio::test]
async fn helm_2_loses_old_records_of_what_was_deployed_and_none_of_what_never_was() {
    let cluster = etcd();
    let plane = plane(&cluster).await;
    let namespace = "kube-system";
    let good = (1..=5).map(|version| history::tiller_map("good", version, if version == 4 { "DEPLOYED" } else { "FAILED" }));
    let never = (1..=5).map(|version| history::tiller_map("never", version, "FAILED"));
    // Ten comes after nine.
    let long = (8..=11).map(|version| history::tiller_map("long", version, if version == 11 { "DEPLOYED" } else { "SUPERSEDED" }));
    let records: Vec<Value> = good.chain(never).chain(long).collect();
    plane.create_all(records.iter().map(|record| stored(namespace, record))).await;
    let ours = pruner(&plane).await;
    assert!(planned(&ours, &Policy { helm: Retention::default(), ..policy(namespace, 2) }).await.is_empty(), "Tiller has no limit by default");
    let policy = policy(namespace, 2);
    let seen = ours.observe(&policy, |_| ()).await.unwrap();
    let plan = plan(&seen, &policy, ours.now()).unwrap();
    let never = plan.held.iter().filter(|held| held.reason == Reason::NeverDeployed { release: "never".to_owned() }).count();
    assert_eq!(never, 5, "{plan}");
    let dir = tempfile::tempdir().unwrap();
    let report = carry_out(&ours, &seen, &plan, &dir.path().join("journal")).await;
    assert!(report.is_done(), "{report}");
    let left: BTreeSet<String> = plane.names_in(namespace, &CONFIG_MAPS).await.into_iter().filter(|name| name.contains(".v")).collect();
    let wanted = ["good.v4", "good.v5", "long.v10", "long.v11", "never.v1", "never.v2", "never.v3", "never.v4", "never.v5"];
    assert_eq!(left, wanted.map(str::to_owned).into());
}

/// Releases of three records, the first of which is damaged, each in its own way: what is wrong with it.
fn damaged_releases() -> Vec<(&'static str, Vec<Value>, &'static str)> {
    let release = |name: &str, version: u64, status: &str| history::release(name, version, status, &json!({"password": MARKER}));
    let cut = history::gzip(br#"{"name":"cut","version":1,"info":{"status":"superseded"}}"#);
    let broken = [
        ("text", "no base64!".to_owned(), "its payload is no base64"),
        ("cut", history::base64(&cut[..cut.len() - 9]), "its payload is gzip that is cut off or damaged"),
        ("bomb", history::packed(&vec![b' '; (50 << 20) + 4096]), "its payload unpacks to more than 52428800 bytes"),
        ("other", history::packed(b"[7]"), "its payload is no JSON of a release"),
        ("relabelled", release("relabelled", 7, "superseded"), "its payload says release relabelled revision 7, superseded"),
        ("restated", release("restated", 1, "deployed"), "its payload says release restated revision 1, deployed"),
    ];
    let releases = broken.into_iter().map(|(name, payload, problem)| {
        let mut records: Vec<Value> =
            (1..=3).map(|version| history::helm_secret(name, version, if version == 3 { "deployed" } else { "superseded" })).collect();
        records[0]["data"]["release"] = json!(history::base64(payload.as_bytes()));
        (name, records, problem)
    });
    let mut empty: Vec<Value> =
        (1..=3).map(|version| history::helm_secret("empty", version, if version == 3 { "deployed" } else { "superseded" })).collect();
    empty[0]["data"] = json!({"other": history::base64(b"x")});
    releases.chain([("empty", empty, "it has no data.release")]).collect()
}

#[tokio::test]
async fn damaged_records_stay_whether_a_dump_shows_them_or_only_the_look_before_their_deletion() {
    let cluster = etcd();
    let plane = plane(&cluster).await;
    let namespace = "shop";
    plane.create_namespace(namespace).await;
    let releases = damaged_releases();
    plane.create_all(releases.iter().flat_map(|(_, records, _)| records).map(|record| stored(namespace, record))).await;
    let mut unnumbered = stored(namespace, &history::helm_secret("unnumbered", 1, "superseded"));
    unnumbered.fields["metadata"]["labels"]["version"] = json!("first");
    plane.create_all([unnumbered, stored(namespace, &history::helm_secret("unnumbered", 2, "deployed"))]).await;
    let first = |name: &str| format!("Secret {namespace}/sh.helm.release.v1.{name}.v1");
    let unread = format!("Secret {namespace}/sh.helm.release.v1.unnumbered.v1: metadata.labels.version is no number");

    // A dump shows what is inside: they are held back, and the others are planned.
    let policy = policy(namespace, 1);
    let helm = Helm::new(helm::VERSIONS[1], &plane.kubeconfig());
    let whole = Release { helm: &helm, chart: "", namespace, resource: &SECRETS }.dump(&plane).await;
    let ours = pruner(&plane).await;
    let by_dump = plan(&whole, &policy, ours.now()).unwrap();
    assert_eq!(by_dump.steps.len(), releases.len(), "{by_dump}");
    assert!(by_dump.steps.iter().all(|step| step.action.revision == Some(2)), "{by_dump}");
    for (name, _, problem) in &releases {
        let reasons: Vec<&Reason> = by_dump.held.iter().filter(|held| held.target == first(name)).map(|held| &held.reason).collect();
        assert_eq!(reasons, [&Reason::Untrusted { problem: (*problem).to_owned() }], "{name}");
    }
    assert!(whole.unread.len() == 1 && whole.unread[0].to_string().ends_with(&unread), "{:?}", whole.unread);

    // Their metadata shows nothing of it: each is refused when it is looked at, and the others go.
    let seen = ours.observe(&policy, |_| ()).await.unwrap();
    assert!(seen.unread.len() == 1 && seen.unread[0].to_string().ends_with(&unread), "{:?}", seen.unread);
    let plan = plan(&seen, &policy, ours.now()).unwrap();
    assert_eq!(plan.steps.len(), 2 * releases.len(), "{plan}");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let report = carry_out(&ours, &seen, &plan, &path).await;
    assert_eq!(report.acted(), releases.len(), "{report}");
    for (name, _, problem) in &releases {
        let step = report.steps.iter().find(|step| step.target == first(name)).unwrap();
        let Outcome::Refused { guard: Guard::RecordAgrees, found } = &step.outcome else { panic!("{name}: {}", step.outcome) };
        assert_eq!(*found, Refusal::Untrusted { problem: (*problem).to_owned() });
    }
    journal_keeps_what_went(&path, releases.len());
    let left = plane.names_in(namespace, &SECRETS).await;
    assert_eq!(left.len(), 2 * releases.len() + 2, "{left:?}");
    assert!(left.iter().all(|name| !name.contains(".v2") || name.contains("unnumbered")), "{left:?}");
}
