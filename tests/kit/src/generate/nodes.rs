//! Cluster sizes and percentages for the number of nodes to score.

use serde_json::{Value, json};

use super::{Release, Rng};

/// Half of the cases have one percentage; in releases with profiles the others have two, or a profile without its own.
pub(super) fn num_feasible_nodes(rng: &mut Rng, release: Release) -> Value {
    let nodes = num_all_nodes(rng);
    if !has_profiles(release) || rng.percent(50) {
        return json!({"num_all_nodes": nodes, "percentage_of_nodes_to_score": percentage(rng)});
    }
    let profile = if rng.percent(25) { Value::Null } else { json!(percentage(rng)) };
    json!({"num_all_nodes": nodes, "global_percentage": percentage(rng), "profile_percentage": profile})
}

const fn has_profiles(release: Release) -> bool {
    match release {
        Release::V1_20 => false,
        Release::V1_26 | Release::V1_32 | Release::V1_37 => true,
    }
}

/// 100 nodes are always scored; every 125 nodes the adaptive percentage loses a point, down to 5 at 5625; `nodes * percentage` leaves 32
/// bits at 2³¹ / percentage.
fn num_all_nodes(rng: &mut Rng) -> i64 {
    match rng.below(8) {
        0 => rng.between(0, 120),
        1 => rng.between(1, 60) * 125 + rng.between(-1, 1),
        2 => rng.pick(&[100, 1000, 5000, 5500, 5624, 5625, 5626, 15_000]) + rng.between(-2, 2),
        3 => 1 << rng.between(0, 30),
        4 => (1 << 31) / rng.between(2, 120) + rng.between(-3, 3),
        5 => i64::from(i32::MAX) - rng.between(0, 200),
        6 => rng.between(-50, -1),
        _ => rng.between(100, 20_000),
    }
}

fn percentage(rng: &mut Rng) -> i64 {
    match rng.below(10) {
        0 | 1 => 0,
        2 => rng.pick(&[1, 2, 4, 5, 6, 49, 50, 51, 99, 100, 101]),
        3 => rng.between(-200, -1),
        4 => rng.between(101, 300),
        5 => i64::from(rng.pick(&[i32::MIN, i32::MAX, i32::MIN + 1, 1 << 24, -(1 << 24)])),
        _ => rng.between(1, 100),
    }
}
