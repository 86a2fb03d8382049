//! A server on 127.0.0.1 that answers by a table of objects, and by a rule of the test's own before it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use trimtab_history_ops::live::Pace;
use trimtab_history_ops::policy::{Part, Policy};
use trimtab_history_ops::{HistorySeen, PruningPlan, plan};

type Rule = dyn Fn(&str, &str) -> Option<(u16, String)> + Send + Sync;

#[derive(Clone)]
pub(crate) struct Fake {
    port: u16,
    objects: Arc<Mutex<BTreeMap<String, Value>>>,
    rule: Arc<Rule>,
}

/// A file of this test's own, which is not there yet.
pub(crate) fn fresh(name: &str) -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let path = std::env::temp_dir().join(format!("trimtab-answers-{}-{}-{name}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)));
    let _ = std::fs::remove_file(&path);
    path
}

pub(crate) fn status(code: u16, message: &str) -> (u16, String) {
    (code, json!({"kind": "Status", "apiVersion": "v1", "code": code, "message": message}).to_string())
}

pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// One after the other, so that the order of a report is known.
pub(crate) fn pace() -> Pace {
    Pace { deletes_per_second: None, lanes: 1.try_into().unwrap(), ..Pace::default() }
}

pub(crate) fn kubeconfig(server: &str, user: &Value) -> PathBuf {
    let path = fresh("kubeconfig");
    let text = json!({"apiVersion": "v1", "kind": "Config", "current-context": "a",
        "clusters": [{"name": "a", "cluster": {"server": server}}], "users": [{"name": "a", "user": user}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}]});
    std::fs::write(&path, text.to_string()).unwrap();
    path
}

impl Fake {
    /// The rule is given the method and the path.
    pub(crate) fn start(rule: impl Fn(&str, &str) -> Option<(u16, String)> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let fake = Self { port: listener.local_addr().unwrap().port(), objects: Arc::default(), rule: Arc::new(rule) };
        let server = fake.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, server) = (stream.unwrap(), server.clone());
                std::thread::spawn(move || server.serve(&stream));
            }
        });
        fake
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        kubeconfig(&self.url(), &json!({}))
    }

    pub(crate) fn objects(&self) -> MutexGuard<'_, BTreeMap<String, Value>> {
        self.objects.lock().unwrap()
    }

    /// The revisions 1 to `last` of a release of Helm, the last one deployed.
    pub(crate) fn install(&self, release: &str, last: u32) {
        for version in 1..=last {
            let (path, object) = record(release, version, if version == last { "deployed" } else { "superseded" });
            self.objects().insert(path, object);
        }
    }

    /// A plan that leaves `most` revisions of each release.
    pub(crate) fn plan(&self, most: u32) -> PruningPlan {
        let mut items: Vec<Value> = self.objects().values().cloned().collect();
        items.push(json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "kube-system", "uid": "c1"}}));
        let seen = HistorySeen::of_dump(json!({"items": items}).to_string().as_bytes()).unwrap();
        let policy = Policy { parts: [Part::Helm].into(), helm_history_max: Some(most), ..Policy::new("1.34".parse().unwrap()) };
        plan(&seen, &policy, "2026-11-25T11:00:00Z".parse().unwrap()).unwrap()
    }

    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Some((method, path, body)) = request(&mut reader) {
            let (code, text) = (self.rule)(&method, &path).unwrap_or_else(|| self.usual(&method, &path, &body));
            let head = format!("HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", text.len());
            if (&mut &*stream).write_all(format!("{head}{text}").as_bytes()).is_err() {
                return;
            }
        }
    }

    fn usual(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        if path == "/api/v1/namespaces/kube-system" {
            return (200, json!({"metadata": {"uid": "c1"}}).to_string());
        }
        let mut objects = self.objects();
        if let Some((folder, _)) = path.split_once('?') {
            let items: Vec<&Value> = objects.iter().filter(|(at, _)| at.starts_with(&format!("{folder}/"))).map(|(_, object)| object).collect();
            return (200, json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "items": items}).to_string());
        }
        match method {
            "GET" => objects.get(path).map_or_else(|| status(404, "not found"), |object| (200, object.to_string())),
            "DELETE" => objects.remove(path).map_or_else(|| status(404, "not found"), |_| status(200, "")),
            "POST" => {
                let mut object: Value = serde_json::from_str(body).unwrap();
                let at = format!("{path}/{}", object["metadata"]["name"].as_str().unwrap());
                if objects.contains_key(&at) {
                    return status(409, "already exists");
                }
                object["metadata"]["uid"] = json!(format!("another-{}", objects.len()));
                object["metadata"]["resourceVersion"] = json!("1000");
                objects.insert(at, object.clone());
                (201, object.to_string())
            }
            _ => status(405, "no"),
        }
    }
}

fn request(reader: &mut BufReader<&TcpStream>) -> Option<(String, String, String)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        if header.trim().is_empty() {
            break;
        }
        if let Some(value) = header.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((method, path, String::from_utf8(body).ok()?))
}

/// A record of Helm and where it is.
pub(crate) fn record(release: &str, version: u32, status: &str) -> (String, Value) {
    let name = format!("sh.helm.release.v1.{release}.v{version}");
    let inside = json!({"name": release, "version": version, "info": {"status": status}, "namespace": "shop"}).to_string();
    let payload = BASE64_STANDARD.encode(BASE64_STANDARD.encode(inside));
    let labels = json!({"name": release, "owner": "helm", "status": status, "version": version.to_string()});
    let metadata = json!({"namespace": "shop", "name": name, "uid": format!("{release}-{version}"), "resourceVersion": version.to_string(),
        "creationTimestamp": "2026-01-01T00:00:00Z", "labels": labels});
    let object = json!({"kind": "Secret", "apiVersion": "v1", "type": "helm.sh/release.v1", "metadata": metadata, "data": {"release": payload}});
    (place(release, version), object)
}

pub(crate) fn place(release: &str, version: u32) -> String {
    format!("/api/v1/namespaces/shop/secrets/sh.helm.release.v1.{release}.v{version}")
}

pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}
