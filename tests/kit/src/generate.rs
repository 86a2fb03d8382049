//! Seeded random cases for the oracles, in the form of the vectors' `input`.
//!
//! Uniform noise hardly ever meets a rule's edge, so the generators aim: equal amounts in different spellings, sums that match while the
//! containers do not, values at the limits of 64 bits, sizes around the thresholds. Which fields a release knows is not their business:
//! every release gets all of them, and drops what it does not know.

mod nodes;
mod pod;
mod quantity;
mod resources;

use serde_json::Value;

use crate::random::Rng;

/// What an oracle judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Formula {
    /// The quality-of-service class, the API's defaulting and its create path.
    Qos,
    /// `oom_score_adj` of one container.
    OomScoreAdj,
    /// How many nodes get scored.
    NumFeasibleNodes,
    /// Parsing, printing, rounding and arithmetic of quantities.
    Quantity,
}

/// A release with an oracle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// 1.20: static, mirror and all critical pods are protected; the scheduler clamps percentages.
    V1_20,
    /// 1.26: node-critical pods only; a profile may have its own percentage.
    V1_26,
    /// 1.32: sidecars count, the status' class is trusted, pod-level resources are behind a gate.
    V1_32,
    /// 1.37: the class is decided per container, pod-level resources are on.
    V1_37,
}

/// Cases that one process of an oracle can judge: a process has one set of gates.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The topic whose vectors have this form.
    pub topic: &'static str,
    /// The gates that differ from the release's defaults.
    pub gates: Vec<(&'static str, bool)>,
    /// The cases.
    pub inputs: Vec<Value>,
}

/// `count` cases in all, the same ones for the same arguments. The first batch has the release's default gates and at least half of the
/// cases; other sets of gates, where the formula reads any, share the rest.
pub fn batches(formula: Formula, release: Release, count: usize, seed: u64) -> Vec<Batch> {
    let mut rng = Rng::new(seed ^ formula as u64 ^ ((release as u64) << 8));
    let others = formula.gate_sets(release);
    let each = count / 2 / others.len().max(1) * usize::from(!others.is_empty());
    let sizes = std::iter::once(count - each * others.len()).chain(std::iter::repeat(each));
    let sets = std::iter::once(&[] as Gates).chain(others.iter().copied());
    let batch = |(gates, size): (Gates, usize)| Batch {
        topic: formula.topic(),
        gates: gates.to_vec(),
        inputs: (0..size).map(|_| formula.input(&mut rng, release, gates)).collect(),
    };
    sets.zip(sizes).map(batch).filter(|batch| !batch.inputs.is_empty()).collect()
}

type Gates = &'static [(&'static str, bool)];

/// Upstream refuses to turn `PodLevelResources` off while a gate that depends on it is on.
const NO_POD_LEVEL_1_37: Gates = &[
    ("InPlacePodLevelResourcesVerticalScaling", false),
    ("PodLevelResources", false),
    ("PodLevelResourcesFixDefaulting", false),
    ("PodLevelResourcesFixKubeletQOSClass", false),
];

const SETS_1_32: &[Gates] = &[
    &[("PodLevelResources", true)],
    &[("SidecarContainers", false)],
    &[("PodLevelResources", true), ("SidecarContainers", false)],
    &[("InPlacePodVerticalScaling", true)],
];

const SETS_1_37: &[Gates] = &[
    NO_POD_LEVEL_1_37,
    &[("PodLevelResourcesFixKubeletQOSClass", false)],
    &[("PodLevelResourcesFixDefaulting", false)],
    &[("PodLevelResourcesFixDefaulting", false), ("PodLevelResourcesFixKubeletQOSClass", false)],
    &[("DRANodeAllocatableResources", true)],
];

impl Formula {
    const fn topic(self) -> &'static str {
        match self {
            Self::Qos => "node/qos_by_release",
            Self::OomScoreAdj => "node/oom_score_adj_by_release",
            Self::NumFeasibleNodes => "sched/num_feasible_nodes_by_release",
            Self::Quantity => "node/quantity",
        }
    }

    /// The sets beside the defaults: only gates that the formula reads in that release.
    const fn gate_sets(self, release: Release) -> &'static [Gates] {
        match (self, release) {
            (Self::Qos | Self::OomScoreAdj, Release::V1_32) => SETS_1_32,
            (Self::Qos | Self::OomScoreAdj, Release::V1_37) => SETS_1_37,
            (Self::Qos | Self::OomScoreAdj, Release::V1_20 | Release::V1_26) | (Self::NumFeasibleNodes | Self::Quantity, _) => &[],
        }
    }

    fn input(self, rng: &mut Rng, release: Release, gates: Gates) -> Value {
        let mut input = match self {
            Self::Qos => pod::qos(rng),
            Self::OomScoreAdj => pod::oom_score_adj(rng),
            Self::NumFeasibleNodes => nodes::num_feasible_nodes(rng, release),
            Self::Quantity => quantity::quantity(rng),
        };
        input["version"] = release.version().into();
        input["featureGates"] = gates.iter().map(|&(name, on)| (name.to_owned(), Value::from(on))).collect();
        input
    }
}

impl Release {
    /// All of them, oldest first.
    pub const ALL: [Self; 4] = [Self::V1_20, Self::V1_26, Self::V1_32, Self::V1_37];

    /// The minor release, which names the oracle's folder: `1.37`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1_20 => "1.20",
            Self::V1_26 => "1.26",
            Self::V1_32 => "1.32",
            Self::V1_37 => "1.37",
        }
    }

    /// The patch that the oracle is built from: `1.37.2`.
    pub const fn version(self) -> &'static str {
        match self {
            Self::V1_20 => "1.20.15",
            Self::V1_26 => "1.26.15",
            Self::V1_32 => "1.32.13",
            Self::V1_37 => "1.37.2",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Formula, Release, batches};

    const FORMULAS: [Formula; 4] = [Formula::Qos, Formula::OomScoreAdj, Formula::NumFeasibleNodes, Formula::Quantity];

    #[test]
    fn a_seed_gives_the_same_cases_again_and_another_seed_gives_others() {
        for (formula, release) in FORMULAS.into_iter().zip(Release::ALL.into_iter().cycle()) {
            let cases = |seed| batches(formula, release, 50, seed).into_iter().flat_map(|batch| batch.inputs).collect::<Vec<_>>();
            assert_eq!(cases(1), cases(1));
            assert_ne!(cases(1), cases(2));
        }
    }

    #[test]
    fn the_batches_hold_the_count_and_the_first_has_the_default_gates() {
        for formula in FORMULAS {
            for (release, count) in Release::ALL.into_iter().flat_map(|release| [(release, 1), (release, 101)]) {
                let batches = batches(formula, release, count, 7);
                assert_eq!(batches.iter().map(|batch| batch.inputs.len()).sum::<usize>(), count, "{formula:?} {release:?}");
                assert!(batches[0].gates.is_empty());
                assert!(batches.iter().all(|batch| batch.inputs.len() <= batches[0].inputs.len()));
            }
        }
    }

    #[test]
    fn every_case_names_its_release_and_its_gates() {
        for batch in batches(Formula::Qos, Release::V1_37, 60, 3) {
            for input in &batch.inputs {
                assert_eq!(input["version"], "1.37.2");
                assert_eq!(input["featureGates"].as_object().map(serde_json::Map::len), Some(batch.gates.len()));
            }
        }
    }
}
