//! Lists of Helm's records, and what they cost.

use std::collections::BTreeSet;
use std::error::Error;

use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};
use trimtab_history_ops::Policy;
use trimtab_history_ops::live::Cluster;
use trimtab_history_ops::policy::Part;

use crate::measured::{Memory, Moment};

/// As a program of one's own would have it, but that nothing is repeated behind its back.
pub(crate) async fn client(kubeconfig: &str) -> Result<Client, Box<dyn Error>> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    config.default_retry = false;
    Ok(Client::try_from(config)?)
}

/// All but the deployed record of each release are too many.
pub(crate) fn policy() -> Result<Policy, Box<dyn Error>> {
    Ok(Policy { parts: BTreeSet::from([Part::Helm]), helm_history_max: Some(1), ..Policy::new("1.37".parse()?) })
}

pub(crate) async fn observe(kubeconfig: &str) -> Result<Value, Box<dyn Error>> {
    let cluster = Cluster::of(client(kubeconfig).await?);
    // The first connection and its certificates are no part of the list.
    let begun = Policy { parts: BTreeSet::new(), ..policy()? };
    cluster.observe(&begun, |_| ()).await?;
    let before = Before::now()?;
    let mut pages = 0;
    let seen = cluster.observe(&policy()?, |_| pages += 1).await?;
    told(seen.helm.len(), pages, &before)
}

pub(crate) async fn list(kubeconfig: &str) -> Result<Value, Box<dyn Error>> {
    let client = client(kubeconfig).await?;
    client.apiserver_version().await?;
    let before = Before::now()?;
    let found = Api::<Secret>::all(client).list(&ListParams::default().labels("owner=helm")).await?;
    told(found.items.len(), 1, &before)
}

struct Before {
    memory: Memory,
    moment: Moment,
}

impl Before {
    fn now() -> Result<Self, Box<dyn Error>> {
        Ok(Self { memory: Memory::of_this_process()?, moment: Moment::now()? })
    }
}

/// Asked for while the list is held.
fn told(records: usize, pages: usize, before: &Before) -> Result<Value, Box<dyn Error>> {
    let (took, after) = (before.moment.passed()?, Memory::of_this_process()?);
    Ok(json!({
        "records": records,
        "pages": pages,
        "wall_seconds": took.wall_seconds,
        "cpu_seconds": took.cpu_seconds,
        "kept_bytes": after.now.saturating_sub(before.memory.now),
        "passing_bytes": after.peak.saturating_sub(after.now.max(before.memory.now)),
        "peak_bytes": after.peak,
    }))
}
