//! Fills a cluster with records of Helm.

use std::cell::RefCell;
use std::error::Error;
use std::io::Write as _;
use std::ops::Range;
use std::rc::Rc;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::Request;
use kube::Client;
use serde_json::{Value, json};
use tokio::task::{JoinSet, LocalSet};

use crate::lists;

pub(crate) const NAMESPACE: &str = "default";
const IN_FLIGHT: usize = 32;

/// The last version of each release is deployed, the others are superseded. Their payloads can be read, and say what their labels say; what else is in them
/// no gzip makes smaller, and is about `bytes` long once it is packed.
pub(crate) async fn fill(kubeconfig: &str, releases: Range<usize>, versions: usize, bytes: usize) -> Result<Value, Box<dyn Error>> {
    let client = lists::client(kubeconfig).await?;
    let begin = Instant::now();
    let records = releases.len() * versions;
    let numbers = Rc::new(RefCell::new(releases.start * versions..releases.end * versions));
    let mut writers = JoinSet::new();
    let local = LocalSet::new();
    for _ in 0..IN_FLIGHT {
        writers.spawn_local_on(write(client.clone(), Rc::clone(&numbers), versions, bytes), &local);
    }
    let written = local.run_until(writers.join_all()).await;
    written.into_iter().collect::<Result<(), String>>()?;
    Ok(json!({"records": records, "seconds": begin.elapsed().as_secs_f64()}))
}

async fn write(client: Client, numbers: Rc<RefCell<Range<usize>>>, versions: usize, bytes: usize) -> Result<(), String> {
    let path = format!("/api/v1/namespaces/{NAMESPACE}/secrets");
    loop {
        let Some(number) = numbers.borrow_mut().next() else { return Ok(()) };
        let record = record(number / versions, number % versions + 1, versions, bytes).map_err(|error| error.to_string())?;
        let body = record.to_string().into_bytes();
        let request = Request::post(&path).header(http::header::CONTENT_TYPE, "application/json").body(body).map_err(|error| error.to_string())?;
        client.request_text(request).await.map_err(|error| error.to_string())?;
    }
}

fn record(release: usize, version: usize, versions: usize, bytes: usize) -> Result<Value, Box<dyn Error>> {
    let name = format!("release-{release}");
    let status = if version == versions { "deployed" } else { "superseded" };
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "helm.sh/release.v1",
        "metadata": {
            "name": format!("sh.helm.release.v1.{name}.v{version}"),
            "labels": {"name": name, "owner": "helm", "status": status, "version": version.to_string(), "modifiedAt": "1764000000"},
        },
        "stringData": {"release": payload(&name, version, status, bytes)?},
    }))
}

fn payload(name: &str, version: usize, status: &str, bytes: usize) -> Result<String, Box<dyn Error>> {
    // A base64 text holds three quarters of its length, and the one within packs to about that again.
    let mut chart = vec![0; bytes * 3 / 4];
    fastrand::fill(&mut chart);
    let release = json!({
        "name": name, "version": version, "namespace": NAMESPACE, "info": {"status": status}, "manifest": STANDARD.encode(chart),
    });
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(release.to_string().as_bytes())?;
    Ok(STANDARD.encode(encoder.finish()?))
}
