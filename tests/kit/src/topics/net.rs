//! The cluster-proportional-autoscaler.

use serde_json::{Map, Value, json};
use trimtab_net_math::{ClusterSize, ControlMode, Dimension, LadderParams, LinearParams, Mode};

use super::{equal, integer, narrow};

pub fn linear(input: &Value, expected: &Value) -> Result<(), String> {
    if let Some(text) = input["json"].as_str() {
        return parsed(LinearParams::parse(text), expected);
    }
    let params = LinearParams::parse(&input["params"].to_string()).map_err(|error| error.to_string())?;
    match input["fn"].as_str() {
        Some("single") => {
            let (ratio, fields) = (input["resources_per_replica"].as_f64(), params.fields());
            let dimension = if ratio == Some(fields.cores_per_replica) { Dimension::Cores } else { Dimension::Nodes };
            equal(&json!(params.replicas_for(dimension, integer(input, "resources")?)), expected)
        }
        Some(other) => Err(format!("no runner knows the fn {other}")),
        None if input.get("cores").is_some() => equal(&json!(params.replicas(integer(input, "cores")?, integer(input, "nodes")?)), expected),
        None => equal(&json!(params.expected_replicas(&size(input)?)), expected),
    }
}

pub fn ladder(input: &Value, expected: &Value) -> Result<(), String> {
    if let Some(text) = input["json"].as_str() {
        return parsed(LadderParams::parse(text), expected);
    }
    if let Some(mode) = input["mode"].as_str() {
        let mode: ControlMode = mode.parse().map_err(|error| format!("{error}"))?;
        let mode = Mode::parse(mode, &input["config"].to_string()).map_err(|error| error.to_string())?;
        return equal(&json!(mode.expected_replicas(&size(input)?)), expected);
    }
    if let Some(entries) = input.get("entries") {
        let params = read(&json!({"coresToReplicas": entries}))?;
        return equal(&json!(params.sorted().replicas_for(Dimension::Cores, integer(input, "resources")?)), expected);
    }
    let params = read(&json!({
        "coresToReplicas": input["coresToReplicas"],
        "nodesToReplicas": input["nodesToReplicas"],
        "includeUnschedulableNodes": input["includeUnschedulableNodes"],
    }))?;
    match input.get("status") {
        Some(status) => equal(&json!(params.sorted().expected_replicas(&size(status)?)), expected),
        None => equal(&json!(params.sorted().fields().cores_to_replicas), expected),
    }
}

fn read(params: &Value) -> Result<LadderParams, String> {
    LadderParams::parse(&params.to_string()).map_err(|error| error.to_string())
}

/// Named as a case or as Go does; counts that a case leaves out are those of the schedulable nodes.
fn size(input: &Value) -> Result<ClusterSize, String> {
    let count = |names: &[&str]| narrow(input, names.iter().find(|name| input.get(**name).is_some()).unwrap_or(&names[0]));
    Ok(ClusterSize {
        schedulable_cores: count(&["schedulable_cores", "SchedulableCores"])?,
        schedulable_nodes: count(&["schedulable_nodes", "SchedulableNodes"])?,
        total_cores: count(&["total_cores", "TotalCores", "schedulable_cores", "SchedulableCores"])?,
        total_nodes: count(&["total_nodes", "TotalNodes", "schedulable_nodes", "SchedulableNodes"])?,
    })
}

/// `params` carries Go's field names and may leave some out.
fn parsed<T: serde::Serialize, E: std::fmt::Display>(got: Result<T, E>, expected: &Value) -> Result<(), String> {
    match (got, expected["error"].as_bool()) {
        (Err(_), Some(true)) => Ok(()),
        (Ok(params), Some(false)) => {
            let params = go_names(&json!(params));
            let mut wanted = expected["params"].as_object().into_iter().flatten();
            wanted.try_for_each(|(key, value)| same_number(&params[key], value).map_err(|why| format!("{key}: {why}")))
        }
        (got, _) => Err(format!("expected {expected}, got {}", got.map_or_else(|error| error.to_string(), |_| "parameters".to_owned()))),
    }
}

fn go_names(params: &Value) -> Map<String, Value> {
    let title = |key: &str| key.chars().take(1).flat_map(char::to_uppercase).chain(key.chars().skip(1)).collect();
    params.as_object().into_iter().flatten().map(|(key, value)| (title(key), value.clone())).collect()
}

fn same_number(got: &Value, expected: &Value) -> Result<(), String> {
    if got.is_number() && got.as_f64() == expected.as_f64() { Ok(()) } else { equal(got, expected) }
}
