//! A dump, as `kubectl get namespaces,deployments,replicasets -A -o json` prints it.

use std::error::Error;
use std::fs;

use jiff::Timestamp;
use serde_json::{Value, json};
use trimtab_history_ops::{HistorySeen, Policy};

pub(crate) fn read(file: &str) -> Result<Value, Box<dyn Error>> {
    let seen = HistorySeen::of_dump(&fs::read(file)?)?;
    Ok(json!({"replicaSets": seen.replica_sets.len(), "deployments": seen.deployments.len(), "unread": seen.unread.len()}))
}

/// By the rule of the newest controller and nothing else, as `benches/replica_sets.py` has it.
pub(crate) fn plan(file: &str) -> Result<Value, Box<dyn Error>> {
    let seen = HistorySeen::of_dump(&fs::read(file)?)?;
    let plan = trimtab_history_ops::plan(&seen, &Policy::new("1.37".parse()?), Timestamp::UNIX_EPOCH)?;
    let mut deleted: Vec<String> = plan.steps.iter().map(|step| format!("{}/{}", step.action.object.namespace, step.action.object.name)).collect();
    deleted.sort_unstable();
    Ok(json!({"replicaSets": seen.replica_sets.len(), "deleted": deleted}))
}
