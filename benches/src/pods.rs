//! The `oom_score_adj` of every container of many pods.

use std::error::Error;
use std::hint::black_box;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde_json::{Value, json};
use trimtab_core::view::Pod;
use trimtab_core::{FeatureGates, KubeVersion};
use trimtab_node_math::oom::{MemoryCapacity, oom_score_adjs};

use crate::rounds::Took;

/// The release and the node's memory that `benches/peers.py` has too.
const VERSION: &str = "1.34";
const MEMORY_BYTES: i64 = 64 << 30;

/// From which form a round starts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Work {
    /// From JSON text.
    Read,
    /// From pods that were read before.
    Score,
}

impl FromStr for Work {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "read" => Ok(Self::Read),
            "score" => Ok(Self::Score),
            _ => Err(format!("{text} is none of read, score")),
        }
    }
}

pub(crate) fn measure(work: Work, lines: &[&str], rounds: NonZeroU32) -> Result<Value, Box<dyn Error>> {
    let pods = u32::try_from(lines.len())?;
    let node = Node::new()?;
    let took = match work {
        Work::Read => Took::over(rounds, || lines.iter().for_each(|line| drop(black_box(node.scores(black_box(line)))))),
        Work::Score => {
            let read: Vec<Pod> = lines.iter().map(|line| Pod::from_json(line)).collect::<Result<_, _>>()?;
            Took::over(rounds, || read.iter().for_each(|pod| drop(black_box(node.scores_of(black_box(pod))))))
        }
    };
    Ok(json!({
        "pods": pods,
        "rounds": rounds,
        "ns_per_pod": took.mean_nanoseconds(pods),
        "ns_per_pod_best_round": took.best_nanoseconds(pods),
    }))
}

/// What all pods are asked about.
pub(crate) struct Node {
    capacity: MemoryCapacity,
    gates: FeatureGates,
}

impl Node {
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        Ok(Self { capacity: MemoryCapacity::from_bytes(MEMORY_BYTES), gates: FeatureGates::at(VERSION.parse::<KubeVersion>()?) })
    }

    pub(crate) fn scores(&self, line: &str) -> Result<Vec<i64>, Box<dyn Error>> {
        self.scores_of(&Pod::from_json(line)?)
    }

    fn scores_of(&self, pod: &Pod) -> Result<Vec<i64>, Box<dyn Error>> {
        Ok(oom_score_adjs(pod, self.capacity, &self.gates)?.into_iter().map(|line| line.oom_score_adj).collect())
    }
}
