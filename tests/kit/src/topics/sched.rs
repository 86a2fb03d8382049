//! How many nodes get scored.

use serde_json::{Value, json};
use trimtab_sched_math::{PercentageOfNodesToScore, SampleRules, ScannedNodes, next_start_node_index, num_feasible_nodes_to_find};

use super::{equal, integer, narrow, version};

pub fn num_feasible_nodes(input: &Value, expected: &Value) -> Result<(), String> {
    let rules = SampleRules::at(version(input)?);
    let nodes: i32 = narrow(input, "num_all_nodes")?;
    let found = num_feasible_nodes_to_find(nodes, percentage(input)?, &rules);
    match input["op"].as_str() {
        None | Some("num_feasible_nodes") => equal(&json!(found), expected),
        Some("next_start_node_index") => {
            let mut start = 0;
            let (all, processed) = (narrow(input, "num_all_nodes")?, u32::try_from(found).map_err(|error| error.to_string())?);
            for _ in 0..integer(input, "pods_scheduled")? {
                start = next_start_node_index(start, processed, ScannedNodes::all(all), &rules).map_err(|error| error.to_string())?;
            }
            equal(&json!({"feasible_found": found, "next_start_node_index": start}), expected)
        }
        Some(other) => Err(format!("no runner knows the op {other}")),
    }
}

fn percentage(input: &Value) -> Result<PercentageOfNodesToScore, String> {
    if input.get("global_percentage").is_none() {
        return Ok(PercentageOfNodesToScore::global(narrow(input, "percentage_of_nodes_to_score")?));
    }
    let profile = match &input["profile_percentage"] {
        Value::Null => None,
        _ => Some(narrow(input, "profile_percentage")?),
    };
    Ok(PercentageOfNodesToScore { global: narrow(input, "global_percentage")?, profile })
}
