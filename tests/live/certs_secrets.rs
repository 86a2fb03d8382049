//! Recognizable secrets, planted wherever keys, tokens and passwords lie: nothing that is shown, saved, raised or logged holds one.

use std::collections::BTreeMap;
use std::fmt::{self, Debug, Display};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use trimtab_certs::certificate::certificates;
use trimtab_certs::finding::textfile;
use trimtab_certs::key::PrivateKey;
use trimtab_certs::kubeadm::Item;
use trimtab_certs::live::{self, Node, Probe};
use trimtab_certs::renew::{KeyPolicy, Policy};
use trimtab_certs::renewal::{RenewalPolicy, cluster, plan};
use trimtab_certs::{FindingPolicy, Inspection, Kubeconfig, findings};
use trimtab_kit::kubeadm::Kubernetes;

const PLANTED: &str = "plantedsecretplantedsecret";

/// Everything that was said, in every form that it has.
#[derive(Default)]
struct Said(Vec<String>);

impl Said {
    fn shown<T: Debug + Display>(&mut self, value: &T) {
        self.0.push(format!("{value:?} {value:#?} {value}"));
    }

    fn saved<T: Debug + Serialize>(&mut self, value: &T) {
        self.0.push(format!("{value:?} {}", serde_json::to_string(value).unwrap()));
    }

    fn result<T: Debug, E: Debug + Display + Serialize>(&mut self, result: &Result<T, E>) {
        match result {
            Ok(done) => self.0.push(format!("{done:?}")),
            Err(error) => {
                self.shown(error);
                self.saved(error);
            }
        }
    }
}

/// Takes what anything below logs, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = fmt::Write::write_fmt(&mut self.0, format_args!(" {field}={value:?}"));
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = Line(span.metadata().name().to_owned());
        span.record(&mut line);
        self.add(line.0);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut line = Line(String::new());
        values.record(&mut line);
        self.add(line.0);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().target().to_owned());
        event.record(&mut line);
        self.add(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn no_secret_is_in_anything_that_is_shown_saved_raised_or_logged() {
    let log = Log::default();
    tracing::subscriber::set_global_default(log.clone()).unwrap();
    tracing::info!(heard = true, "the log is heard");
    let kubernetes = Kubernetes::init("1.31.0", "encryptionAlgorithm: ECDSA-P256\n");
    let folder = kubernetes.folder();
    let (mut said, mut secrets) = (Said::default(), secrets_in(&folder));
    everything(&folder, &mut said);
    secrets.extend(secrets_in(&folder));
    plant(&folder);
    everything(&folder, &mut said);
    secrets.extend(secrets_in(&folder));
    // A secret of its own, and what base64 makes of it in a kubeconfig, without the ends that depend on what is beside.
    secrets.extend([PLANTED.to_owned(), STANDARD.encode(PLANTED)[..32].to_owned()]);
    said.0.append(&mut log.0.lock().unwrap());
    assert!(secrets.len() > 40 && said.0.len() > 300, "{} secrets, {} things said", secrets.len(), said.0.len());
    assert!(said.0.iter().any(|line| line.contains("the log is heard")));
    for secret in &secrets {
        let told = said.0.iter().find(|line| line.contains(secret.as_str()));
        assert!(told.is_none(), "a secret is told in {}…", &told.unwrap()[..200.min(told.unwrap().len())]);
    }
}

/// All that can be asked about a folder, and done to it.
fn everything(folder: &Path, said: &mut Said) {
    let (now, mut inspection) = (Timestamp::now(), Inspection::default());
    for path in files(folder) {
        let contents = fs::read(&path).unwrap();
        let key = PrivateKey::from_pem(&contents);
        if let Ok(key) = &key {
            said.0.push(format!("{:?}", key.to_pem(key.format())));
        }
        said.result(&key);
        said.result(&PrivateKey::from_der(&contents));
        said.saved(&certificates(&contents));
        said.result(&Kubeconfig::read(&contents));
        inspection.append(Inspection::of_file(&path.display().to_string(), &contents));
    }
    for item in Item::ALL.into_iter().filter(|item| !item.is_kubeconfig()) {
        let at = |end: &str| fs::read(folder.join("pki").join(format!("{}.{end}", item.base_name()))).unwrap_or_default();
        inspection.append(Inspection::of_pair(item.name(), &at("crt"), &at("key")));
    }
    inspection.append(Inspection::of_dump("dump", dump(folder).as_bytes()));
    inspection.append(Inspection::of_dump("no dump", PLANTED.as_bytes()));
    said.saved(&inspection);
    let found = findings(&inspection, &FindingPolicy::default(), now);
    for finding in &found {
        said.shown(finding);
    }
    said.saved(&found);
    said.0.push(textfile(&inspection, &found, now));
    a_renewal(folder, said, now);
}

fn a_renewal(folder: &Path, said: &mut Said, now: Timestamp) {
    let mut node = Node::new(folder);
    said.0.push(format!("{node:?}"));
    let seen = node.observe().unwrap();
    said.saved(&seen);
    let renew = Policy { validity: SignedDuration::from_hours(24 * 400), ..Policy::default() };
    let policy = RenewalPolicy { due_within: SignedDuration::from_hours(24 * 3650), renew, ..RenewalPolicy::new("1.31.0".parse().unwrap()) };
    let nodes = BTreeMap::from(["a", "b"].map(|name| (name.to_owned(), seen.clone())));
    let all = cluster::plan(&nodes, &policy, now).unwrap();
    said.shown(&all);
    said.saved(&all);
    let plan = plan(&seen, &policy, now).unwrap();
    said.shown(&plan);
    said.saved(&plan);
    let mut events = Vec::new();
    let report = live::apply(&plan, &mut node, |event| events.push(format!("{event:?}")));
    said.0.append(&mut events);
    said.shown(&report);
    said.saved(&report);
    said.result(&node.recover());
    let backups = node.backups().unwrap();
    said.saved(&backups);
    for backup in &backups {
        said.result(&node.rollback(backup, &mut |_| ()));
    }
    let away = tempfile::tempdir().unwrap();
    for item in Item::ALL {
        said.result(&node.request(item, KeyPolicy::NewSameAlgorithm, away.path()));
        said.result(&node.answer(item, away.path(), PLANTED.as_bytes(), &mut |_| ()));
        let key = fs::read(folder.join("pki").join(format!("{}.key", item.base_name()))).unwrap_or_default();
        said.result(&node.answer(item, away.path(), &key, &mut |_| ()));
        if let Ok(key) = PrivateKey::from_pem(&key) {
            let probe = Probe::new("127.0.0.1", 1).with_identity(&[], key);
            said.0.push(format!("{probe:?}"));
            said.result(&probe.run());
        }
    }
}

/// A Secret with a pair, one with nonsense, and one with a token, as `kubectl get secrets -o json` has them.
fn dump(folder: &Path) -> String {
    let data = |name: &str| STANDARD.encode(fs::read(folder.join("pki").join(name)).unwrap());
    let secret = |name: &str, kind: &str, data: serde_json::Value| serde_json::json!({"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": {"name": name, "namespace": "a"}, "data": data});
    let pair = serde_json::json!({"tls.crt": data("apiserver.crt"), "tls.key": data("etcd/server.key")});
    let nonsense = serde_json::json!({"tls.crt": STANDARD.encode(PLANTED), "tls.key": PLANTED});
    let token = serde_json::json!({"token": STANDARD.encode(PLANTED), "ca.crt": data("ca.crt")});
    let items = [
        secret("pair", "kubernetes.io/tls", pair),
        secret("nonsense", "kubernetes.io/tls", nonsense),
        secret("token", "kubernetes.io/service-account-token", token),
    ];
    serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

/// Broken keys and certificates, and kubeconfigs with tokens and passwords that can be read, and others that cannot.
fn plant(folder: &Path) {
    let write = |name: &str, text: String| fs::write(folder.join(name), text).unwrap();
    write("pki/apiserver.key", format!("-----BEGIN EC PRIVATE KEY-----\n{PLANTED}\n-----END EC PRIVATE KEY-----\n"));
    write("pki/etcd/peer.key", format!("-----BEGIN {PLANTED}-----\n{PLANTED}\n"));
    write("pki/front-proxy-client.crt", format!("-----BEGIN CERTIFICATE-----\n{PLANTED}\n-----END CERTIFICATE-----\n"));
    write("scheduler.conf", format!("users: [{{name: a, user: {{token: {PLANTED}, client-key-data: {PLANTED}}}}}\n"));
    let admin = fs::read_to_string(folder.join("admin.conf")).unwrap();
    let with = |more: &str| admin.replace("    client-key-data:", &format!("{more}\n    client-key-data:"));
    write("admin.conf", with(&format!("    token: {PLANTED}\n    username: a\n    password: {PLANTED}")));
    let key_line = admin.lines().find(|line| line.contains("client-key-data")).unwrap();
    write("controller-manager.conf", admin.replace(key_line, &format!("    client-key-data: {}", STANDARD.encode(PLANTED))));
    write("super-admin.conf", with(&format!("    exec: {{command: a, args: [{PLANTED}], env: [{{name: T, value: {PLANTED}}}]}}\n    {PLANTED}: [")));
}

/// Each line of each private key as it stands in its file, and each piece of what kubeconfigs hold as keys.
fn secrets_in(folder: &Path) -> Vec<String> {
    let mut secrets = Vec::new();
    for path in files(folder) {
        let (name, text) = (path.display().to_string(), fs::read_to_string(&path).unwrap());
        if name.contains(".key") {
            secrets.extend(text.lines().filter(|line| line.len() > 30 && !line.contains("-----")).map(str::to_owned));
        } else if name.contains(".conf") {
            let data = text.lines().filter_map(|line| line.trim().strip_prefix("client-key-data: ")).filter(|data| data.len() > 200);
            secrets.extend(data.flat_map(|data| [data[60..100].to_owned(), data[100..160].to_owned()]));
        }
    }
    secrets
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() { found.extend(files(&entry.path())) } else { found.push(entry.path()) }
    }
    found
}
