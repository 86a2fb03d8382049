//! Deletions: by a plan, and in the loop that one writes without.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::time::interval;
use trimtab_history_ops::live::{Cluster, Journal, Pace};
use trimtab_history_ops::plan;

use crate::fill::NAMESPACE;
use crate::lists;
use crate::measured::Moment;

/// As a user would: every object read again, backed up on the disk, deleted with preconditions. Only this is measured, not the plan.
pub(crate) async fn by_plan(kubeconfig: &str, journal: &str, rate: f64) -> Result<Value, Box<dyn Error>> {
    let client = lists::client(kubeconfig).await?;
    let cluster = Cluster::of(client.clone());
    let policy = lists::policy()?;
    let plan = plan(&cluster.observe(&policy, |_| ()).await?, &policy, cluster.now())?;
    let journal = Journal::open(Path::new(journal))?;
    let pace = Pace { deletes_per_second: Some(rate).filter(|rate| *rate > 0.0), ..Pace::default() };
    let requests = requests(&client).await?;
    let begin = Moment::now()?;
    let report = cluster.apply(&plan, &journal, &pace, |_| ()).await;
    let told = told(&begin, report.acted())?;
    if report.is_done() { with_requests(told, &client, requests).await } else { Err(report.to_string().into()) }
}

/// The names first, as every such loop does; then one request each.
pub(crate) async fn by_loop(kubeconfig: &str, rate: f64) -> Result<Value, Box<dyn Error>> {
    let client = lists::client(kubeconfig).await?;
    let api = Api::<Secret>::namespaced(client.clone(), NAMESPACE);
    let found = api.list_metadata(&ListParams::default().labels("owner=helm,status!=deployed")).await?;
    let names: Vec<String> = found.items.into_iter().filter_map(|secret| secret.metadata.name).collect();
    let requests = requests(&client).await?;
    let begin = Moment::now()?;
    let mut ticks = (rate > 0.0).then(|| interval(Duration::from_secs_f64(1.0 / rate)));
    for name in &names {
        if let Some(ticks) = &mut ticks {
            ticks.tick().await;
        }
        api.delete(name, &DeleteParams::default()).await?;
    }
    let told = told(&begin, names.len())?;
    with_requests(told, &client, requests).await
}

/// The last of them, for the next turn.
pub(crate) async fn sweep(kubeconfig: &str) -> Result<Value, Box<dyn Error>> {
    let api = Api::<Secret>::namespaced(lists::client(kubeconfig).await?, NAMESPACE);
    let of_helm = ListParams::default().labels("owner=helm");
    let left = api.list_metadata(&of_helm).await?.items.len();
    api.delete_collection(&DeleteParams::default(), &of_helm).await?;
    Ok(json!({"deleted": left}))
}

fn told(begin: &Moment, deleted: usize) -> Result<Value, Box<dyn Error>> {
    let took = begin.passed()?;
    Ok(json!({"deleted": deleted, "wall_seconds": took.wall_seconds, "cpu_seconds": took.cpu_seconds}))
}

async fn with_requests(mut told: Value, client: &Client, before: u64) -> Result<Value, Box<dyn Error>> {
    told["requests"] = json!(requests(client).await? - before);
    Ok(told)
}

/// How many requests about Secrets the API server has answered. It asks itself for none.
async fn requests(client: &Client) -> Result<u64, Box<dyn Error>> {
    let text = client.request_text(http::Request::get("/metrics").body(Vec::new())?).await?;
    let counted = text.lines().filter(|line| line.starts_with("apiserver_request_total{") && line.contains(r#"resource="secrets""#));
    let counts = counted.map(|line| line.rsplit(' ').next().unwrap_or_default().parse::<f64>());
    let total: f64 = counts.sum::<Result<f64, _>>()?;
    Ok(format!("{total:.0}").parse()?)
}
