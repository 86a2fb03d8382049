//! Replicas by steps: from so many cores or nodes on, so many replicas.

use super::go_json::{self, Pairs, Slot, set_bool};
use super::{ClusterSize, ControlMode, Dimension, wrapped_to_i32};
use crate::error::Error;

/// The parameters of the ladder mode as they were written: checked, their order kept. [`LadderParams::sorted`] makes them ready.
///
/// ```
/// use trimtab_net_math::LadderParams;
///
/// let params = LadderParams::parse(r#"{"coresToReplicas": [[64, 3], [1, 1], [512, 5]], "nodesToReplicas": [[1, 1], [2, 2]]}"#)?;
/// assert_eq!(params.fields().cores_to_replicas[0].threshold, 64);
/// assert_eq!(params.sorted().replicas(800, 1), 5);
/// # Ok::<(), trimtab_net_math::Error>(())
/// ```
///
/// Serializes to the JSON that [`LadderParams::parse`] reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct LadderParams(LadderFields);

/// The fields of the ladder mode as its JSON holds them, unchecked. Source: `ladderParams` in `ladder_controller.go`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LadderFields {
    /// Steps by cores; an empty list asks for 0 replicas.
    pub cores_to_replicas: Vec<LadderEntry>,
    /// Steps by nodes; an empty list asks for 0 replicas.
    pub nodes_to_replicas: Vec<LadderEntry>,
    /// Count all nodes, not only schedulable ones (CPA 1.9.0 and later).
    pub include_unschedulable_nodes: bool,
}

/// One step: from `threshold` cores or nodes on, `replicas` replicas. In JSON it is `[threshold, replicas]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(into = "[i64; 2]")]
pub struct LadderEntry {
    /// Cores or nodes, 0 or more.
    pub threshold: i64,
    /// Replicas, 0 or more.
    pub replicas: i64,
}

impl LadderParams {
    /// Reads the JSON of the `ConfigMap`'s `ladder` key, as Go's `encoding/json` does, then checks it.
    ///
    /// Surprising: an entry of one number is padded with 0 (`[5]` is "from 5 on, none"), numbers after the second are dropped, and
    /// parameters without any list are fine. Keys match in any case, unknown ones are skipped.
    ///
    /// Source: `parseParams` in `pkg/autoscaler/controller/laddercontroller/ladder_controller.go`, CPA 1.10.
    ///
    /// # Errors
    /// [`Error::InvalidJson`] and [`Error::WrongKind`] for the JSON, then that of [`LadderParams::new`].
    ///
    /// ```
    /// # use trimtab_net_math::LadderParams;
    /// let params = LadderParams::parse(r#"{"nodesToReplicas": [[5], [1, 2, 3]]}"#)?;
    /// assert_eq!(params.fields().nodes_to_replicas, [[5, 0].into(), [1, 2].into()]);
    /// # Ok::<(), trimtab_net_math::Error>(())
    /// ```
    pub fn parse(json: &str) -> Result<Self, Error> {
        let (mut cores, mut nodes, mut include_unschedulable_nodes) = (Pairs::default(), Pairs::default(), false);
        for (key, value) in go_json::fields(ControlMode::Ladder, json)? {
            let slot = |field| Slot { mode: ControlMode::Ladder, field };
            let named = |field| go_json::names(&key, field);
            if named("coresToReplicas") {
                cores.set(slot("coresToReplicas"), value)?;
            } else if named("nodesToReplicas") {
                nodes.set(slot("nodesToReplicas"), value)?;
            } else if named("includeUnschedulableNodes") {
                set_bool(slot("includeUnschedulableNodes"), value, &mut include_unschedulable_nodes)?;
            }
        }
        let entries = |pairs: Pairs| pairs.into_entries().into_iter().map(LadderEntry::from).collect();
        Self::new(LadderFields { cores_to_replicas: entries(cores), nodes_to_replicas: entries(nodes), include_unschedulable_nodes })
    }

    /// Checks the entries, cores first, in their order.
    ///
    /// # Errors
    /// [`Error::NegativeEntry`] for the first entry with a number below 0.
    ///
    /// ```
    /// # use trimtab_net_math::{LadderFields, LadderParams};
    /// let fields = LadderFields { cores_to_replicas: vec![[1, -1].into()], ..LadderFields::default() };
    /// let error = LadderParams::new(fields).unwrap_err();
    /// assert!(error.to_string().starts_with("invalid negative values in entry [1 -1] in cores_to_replicas_map"));
    /// ```
    pub fn new(fields: LadderFields) -> Result<Self, Error> {
        no_negative(Dimension::Cores, &fields.cores_to_replicas)?;
        no_negative(Dimension::Nodes, &fields.nodes_to_replicas)?;
        Ok(Self(fields))
    }

    /// The fields, in the order in which they were written.
    #[must_use]
    pub const fn fields(&self) -> &LadderFields {
        &self.0
    }

    /// The ladder with both lists sorted by threshold, ready to be asked.
    ///
    /// DIFFERENCE: entries with equal thresholds keep their order, so the last one written holds. Upstream calls Go's unstable
    /// `sort.Sort`, which does the same for lists of up to 12 entries; for longer ones its order of equals depends on the Go release.
    ///
    /// Source: `SyncConfig` in `ladder_controller.go`, CPA 1.10.
    ///
    /// ```
    /// # use trimtab_net_math::LadderParams;
    /// let ladder = LadderParams::parse(r#"{"nodesToReplicas": [[3, 3], [1, 1], [1, 2]]}"#)?.sorted();
    /// assert_eq!(ladder.fields().nodes_to_replicas, [[1, 1].into(), [1, 2].into(), [3, 3].into()]);
    /// assert_eq!(ladder.replicas(0, 1), 2);
    /// # Ok::<(), trimtab_net_math::Error>(())
    /// ```
    #[must_use]
    pub fn sorted(self) -> Ladder {
        let mut fields = self.0;
        fields.cores_to_replicas.sort_by_key(|entry| entry.threshold);
        fields.nodes_to_replicas.sort_by_key(|entry| entry.threshold);
        Ladder(fields)
    }
}

/// A ladder that can be asked: checked, both lists sorted by threshold.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct Ladder(LadderFields);

impl Ladder {
    /// The fields, in ascending order of their thresholds.
    #[must_use]
    pub const fn fields(&self) -> &LadderFields {
        &self.0
    }

    /// The replicas for that cluster, as upstream writes them into the target's scale.
    ///
    /// Counts the schedulable nodes, or all of them with `includeUnschedulableNodes`. The count is cut to 32 bits without a check.
    ///
    /// Source: `GetExpectedReplicas` in `ladder_controller.go`, CPA 1.10.
    ///
    /// ```
    /// # use trimtab_net_math::{ClusterSize, LadderParams};
    /// let json = r#"{"nodesToReplicas": [[0, 0], [1, 1], [2, 2], [3, 3]], "includeUnschedulableNodes": true}"#;
    /// let size = ClusterSize { schedulable_cores: 8, schedulable_nodes: 2, total_cores: 12, total_nodes: 3 };
    /// assert_eq!(LadderParams::parse(json)?.sorted().expected_replicas(&size), 3);
    /// # Ok::<(), trimtab_net_math::Error>(())
    /// ```
    #[must_use]
    pub fn expected_replicas(&self, size: &ClusterSize) -> i32 {
        let (cores, nodes) = size.counted(self.0.include_unschedulable_nodes);
        wrapped_to_i32(self.replicas(cores.into(), nodes.into()))
    }

    /// The larger of what cores and nodes ask for, before it is cut to 32 bits.
    ///
    /// Surprising: with both lists empty the answer is 0, and the target is scaled to nothing.
    ///
    /// Source: `getExpectedReplicasFromParams` in `ladder_controller.go`, CPA 1.10.
    ///
    /// ```
    /// # use trimtab_net_math::LadderParams;
    /// assert_eq!(LadderParams::parse("{}")?.sorted().replicas(800, 100), 0);
    /// # Ok::<(), trimtab_net_math::Error>(())
    /// ```
    #[must_use]
    pub fn replicas(&self, cores: i64, nodes: i64) -> i64 {
        self.replicas_for(Dimension::Cores, cores).max(self.replicas_for(Dimension::Nodes, nodes))
    }

    /// What one dimension asks for: the replicas of the last step whose threshold is not above `resources`.
    ///
    /// Surprising: below the first threshold the first step holds all the same. An empty list asks for 0.
    ///
    /// Source: `getExpectedReplicasFromEntries` in `ladder_controller.go`, CPA 1.8.5 to 1.10.
    ///
    /// ```
    /// # use trimtab_net_math::{Dimension, LadderParams};
    /// let ladder = LadderParams::parse(r#"{"coresToReplicas": [[10, 2], [20, 4]]}"#)?.sorted();
    /// let at = |cores| ladder.replicas_for(Dimension::Cores, cores);
    /// assert_eq!([at(3), at(10), at(19), at(20), at(900)], [2, 2, 2, 4, 4]);
    /// # Ok::<(), trimtab_net_math::Error>(())
    /// ```
    #[must_use]
    pub fn replicas_for(&self, dimension: Dimension, resources: i64) -> i64 {
        let entries = match dimension {
            Dimension::Cores => &self.0.cores_to_replicas,
            Dimension::Nodes => &self.0.nodes_to_replicas,
        };
        let reached = entries.partition_point(|entry| entry.threshold <= resources);
        entries.get(reached.saturating_sub(1)).map_or(0, |entry| entry.replicas)
    }
}

impl From<[i64; 2]> for LadderEntry {
    fn from([threshold, replicas]: [i64; 2]) -> Self {
        Self { threshold, replicas }
    }
}

impl From<LadderEntry> for [i64; 2] {
    fn from(entry: LadderEntry) -> Self {
        [entry.threshold, entry.replicas]
    }
}

fn no_negative(dimension: Dimension, entries: &[LadderEntry]) -> Result<(), Error> {
    match entries.iter().find(|entry| entry.threshold < 0 || entry.replicas < 0) {
        Some(&LadderEntry { threshold, replicas }) => Err(Error::NegativeEntry { dimension, threshold, replicas }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cores(json: &str) -> Vec<[i64; 2]> {
        LadderParams::parse(json).unwrap().fields().cores_to_replicas.iter().map(|&entry| entry.into()).collect()
    }

    fn refused(json: &str) -> Error {
        LadderParams::parse(json).unwrap_err()
    }

    #[test]
    fn short_entries_are_padded_and_long_ones_cut() {
        assert_eq!(cores(r#"{"CoresToReplicas": [[5], [], null, [1, 2, "x", {}], [null, 7]]}"#), [[5, 0], [0, 0], [0, 0], [1, 2], [0, 7]]);
    }

    #[test]
    fn a_second_list_is_decoded_into_the_memory_of_the_first() {
        assert_eq!(cores(r#"{"coresToReplicas": [[1, 2], [3, 4]], "coresToReplicas": [[null, 9]]}"#), [[1, 9]]);
        let thrice = r#"{"coresToReplicas": [[1, 2], [3, 4]], "coresToReplicas": [[5]], "coresToReplicas": [null, null, null]}"#;
        assert_eq!(cores(thrice), [[5, 0], [3, 4], [0, 0]]);
        assert_eq!(cores(r#"{"coresToReplicas": [[1, 2]], "coresToReplicas": [], "coresToReplicas": [null]}"#), [[0, 0]]);
        assert_eq!(cores(r#"{"coresToReplicas": [[1, 2]], "coresToReplicas": null}"#), [[0, 0]; 0]);
    }

    #[test]
    fn absent_lists_are_fine() {
        for json in ["{}", "null", r#"{"coresToReplicas": null}"#, r#"{"nodesToReplicas": []}"#] {
            assert_eq!(LadderParams::parse(json).unwrap().sorted().replicas(10, 10), 0, "{json}");
        }
    }

    #[test]
    fn what_is_no_list_of_integers_is_refused() {
        for list in [r#"[["1", 1]]"#, "[[1.0, 1]]", "[1, 2]", "{}", "\"[]\"", "[[1, 9223372036854775808]]", "true"] {
            let error = refused(&format!(r#"{{"coresToReplicas": {list}}}"#));
            assert!(matches!(error, Error::WrongKind { field: "coresToReplicas", .. }), "{list}: {error}");
        }
        assert!(matches!(refused(r#"{"coresToReplicas": [[1, 1],]}"#), Error::InvalidJson { mode: ControlMode::Ladder, .. }));
    }

    #[test]
    fn negative_numbers_are_refused_cores_first() {
        let error = refused(r#"{"nodesToReplicas": [[-1, 0]], "coresToReplicas": [[0, 0], [0, -2]]}"#);
        assert_eq!(error, Error::NegativeEntry { dimension: Dimension::Cores, threshold: 0, replicas: -2 });
        let nodes = refused(r#"{"nodesToReplicas": [[-1, 0]]}"#);
        assert_eq!(nodes, Error::NegativeEntry { dimension: Dimension::Nodes, threshold: -1, replicas: 0 });
    }

    #[test]
    fn what_is_serialized_parses_back() {
        let params = LadderParams::parse(r#"{"coresToReplicas": [[2, 2], [1, 1]], "includeUnschedulableNodes": true}"#).unwrap();
        assert_eq!(LadderParams::parse(&serde_json::to_string(&params).unwrap()).unwrap(), params);
    }

    fn any_list() -> impl Strategy<Value = Vec<LadderEntry>> {
        proptest::collection::vec((0..100_i64, 0..100_i64).prop_map(|(threshold, replicas)| LadderEntry { threshold, replicas }), 0..30)
    }

    proptest! {
        #[test]
        fn any_text_gives_params_or_an_error(json in ".{0,60}") {
            let _ = LadderParams::parse(&json);
        }

        #[test]
        fn any_size_gives_the_replicas_of_some_entry_or_none(list in any_list(), resources: i64) {
            let fields = LadderFields { cores_to_replicas: list.clone(), ..LadderFields::default() };
            let answer = LadderParams::new(fields).unwrap().sorted().replicas_for(Dimension::Cores, resources);
            prop_assert!(list.iter().any(|entry| entry.replicas == answer) || (list.is_empty() && answer == 0));
        }

        #[test]
        fn a_ladder_that_only_climbs_never_asks_for_fewer(list in any_list(), resources in 0..120_i64, more in 0..120_i64) {
            let mut replicas: Vec<i64> = list.iter().map(|entry| entry.replicas).collect();
            let mut thresholds: Vec<i64> = list.iter().map(|entry| entry.threshold).collect();
            replicas.sort_unstable();
            thresholds.sort_unstable();
            let climbing = thresholds.into_iter().zip(replicas).map(|(threshold, replicas)| LadderEntry { threshold, replicas });
            let fields = LadderFields { nodes_to_replicas: climbing.collect(), ..LadderFields::default() };
            let ladder = LadderParams::new(fields).unwrap().sorted();
            prop_assert!(ladder.replicas(0, resources) <= ladder.replicas(0, resources + more));
        }
    }
}
