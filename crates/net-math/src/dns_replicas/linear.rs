//! Replicas in proportion to cores and nodes.

use super::go_json::{self, Slot, set_bool, set_float, set_int};
use super::{ClusterSize, ControlMode, Dimension, wrapped_to_i32};
use crate::error::Error;

/// The parameters of the linear mode, checked.
///
/// ```
/// use trimtab_net_math::LinearParams;
///
/// let params = LinearParams::parse(r#"{"coresPerReplica": 2, "nodesPerReplica": 2.5, "max": 100}"#)?;
/// assert_eq!(params.replicas(30, 49), 20);
/// assert_eq!(params.fields().min, 1);
/// # Ok::<(), trimtab_net_math::Error>(())
/// ```
///
/// Serializes to the JSON that [`LinearParams::parse`] reads.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[serde(transparent)]
pub struct LinearParams(LinearFields);

/// The fields of the linear mode as its JSON holds them, unchecked. Source: `linearParams` in `linear_controller.go`.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LinearFields {
    /// Cores per replica, above 0; 0 leaves cores out, which then ask for 1 replica.
    pub cores_per_replica: f64,
    /// Nodes per replica, above 0; 0 leaves nodes out, which then ask for 1 replica.
    pub nodes_per_replica: f64,
    /// The least number of replicas that a dimension asks for; 0 becomes 1.
    pub min: i64,
    /// The largest number of replicas that a dimension asks for; 0 is no limit.
    pub max: i64,
    /// From two nodes on, ask for at least two replicas. This comes after `max`: a `max` of 1 does not hold it back.
    pub prevent_single_point_failure: bool,
    /// Count all nodes, not only schedulable ones.
    pub include_unschedulable_nodes: bool,
}

impl LinearParams {
    /// Reads the JSON of the `ConfigMap`'s `linear` key, as Go's `encoding/json` does, then checks it.
    ///
    /// Surprising: keys match in any case, unknown ones (and misspelt ones) are skipped, the last of duplicates wins, `null` counts as
    /// absent, and `"min": 2.0` is an error.
    ///
    /// Source: `parseParams` in `pkg/autoscaler/controller/linearcontroller/linear_controller.go`, CPA 1.8.0 to 1.10.
    ///
    /// # Errors
    /// [`Error::InvalidJson`] and [`Error::WrongKind`] for the JSON, then those of [`LinearParams::new`].
    ///
    /// ```
    /// # use trimtab_net_math::{Error, LinearParams};
    /// let typo = LinearParams::parse(r#"{"coresPerReplicas": 256}"#);
    /// assert_eq!(typo, Err(Error::NoRatio));
    /// ```
    pub fn parse(json: &str) -> Result<Self, Error> {
        let mut read = LinearFields::default();
        for (key, value) in go_json::fields(ControlMode::Linear, json)? {
            let slot = |field| Slot { mode: ControlMode::Linear, field };
            let named = |field| go_json::names(&key, field);
            if named("coresPerReplica") {
                set_float(slot("coresPerReplica"), value, &mut read.cores_per_replica)?;
            } else if named("nodesPerReplica") {
                set_float(slot("nodesPerReplica"), value, &mut read.nodes_per_replica)?;
            } else if named("min") {
                set_int(slot("min"), value, &mut read.min)?;
            } else if named("max") {
                set_int(slot("max"), value, &mut read.max)?;
            } else if named("preventSinglePointFailure") {
                set_bool(slot("preventSinglePointFailure"), value, &mut read.prevent_single_point_failure)?;
            } else if named("includeUnschedulableNodes") {
                set_bool(slot("includeUnschedulableNodes"), value, &mut read.include_unschedulable_nodes)?;
            }
        }
        Self::new(read)
    }

    /// Checks the fields in upstream's order and sets a `min` of 0 to 1.
    ///
    /// # Errors
    /// [`Error::NotFinite`], which only a caller can cause; then as upstream [`Error::NegativeMin`], [`Error::MaxBelowMin`] (a negative
    /// `max` too), [`Error::NoRatio`], [`Error::NegativeRatio`] for cores, then for nodes.
    ///
    /// ```
    /// # use trimtab_net_math::{Error, LinearFields, LinearParams};
    /// let fields = LinearFields { nodes_per_replica: 16.0, min: 3, max: 2, ..LinearFields::default() };
    /// assert_eq!(LinearParams::new(fields), Err(Error::MaxBelowMin { max: 2, min: 3 }));
    /// ```
    pub fn new(fields: LinearFields) -> Result<Self, Error> {
        let ratios = [(Dimension::Cores, fields.cores_per_replica), (Dimension::Nodes, fields.nodes_per_replica)];
        if let Some((dimension, value)) = ratios.into_iter().find(|(_, ratio)| !ratio.is_finite()) {
            return Err(Error::NotFinite { dimension, value });
        }
        if fields.min < 0 {
            return Err(Error::NegativeMin { min: fields.min });
        }
        let min = if fields.min == 0 { 1 } else { fields.min };
        if fields.max != 0 && fields.max < min {
            return Err(Error::MaxBelowMin { max: fields.max, min });
        }
        if ratios.iter().all(|(_, ratio)| *ratio == 0.0) {
            return Err(Error::NoRatio);
        }
        if let Some((dimension, value)) = ratios.into_iter().find(|(_, ratio)| *ratio < 0.0) {
            return Err(Error::NegativeRatio { dimension, value });
        }
        Ok(Self(LinearFields { min, ..fields }))
    }

    /// The fields, with the default of `min` filled in.
    #[must_use]
    pub const fn fields(&self) -> &LinearFields {
        &self.0
    }

    /// The replicas for that cluster, as upstream writes them into the target's scale.
    ///
    /// Counts the schedulable nodes, or all of them with `includeUnschedulableNodes`.
    /// Surprising: the count is cut to 32 bits without a check, so an absurdly small ratio can give any number, also a negative one.
    ///
    /// Source: `GetExpectedReplicas` in `linear_controller.go`, CPA 1.10.
    ///
    /// ```
    /// # use trimtab_net_math::{ClusterSize, LinearParams};
    /// let params = LinearParams::parse(r#"{"nodesPerReplica": 1, "includeUnschedulableNodes": true}"#)?;
    /// let size = ClusterSize { schedulable_cores: 8, schedulable_nodes: 2, total_cores: 12, total_nodes: 3 };
    /// assert_eq!(params.expected_replicas(&size), 3);
    /// # Ok::<(), trimtab_net_math::Error>(())
    /// ```
    #[must_use]
    pub fn expected_replicas(&self, size: &ClusterSize) -> i32 {
        let (cores, nodes) = size.counted(self.0.include_unschedulable_nodes);
        wrapped_to_i32(self.replicas(cores.into(), nodes.into()))
    }

    /// The larger of what cores and nodes ask for, before it is cut to 32 bits.
    ///
    /// Surprising: `preventSinglePointFailure` raises the nodes' answer to 2 after `max` was applied.
    ///
    /// Source: `getExpectedReplicasFromParams` in `linear_controller.go`, CPA 1.8.0 to 1.10.
    ///
    /// ```
    /// # use trimtab_net_math::LinearParams;
    /// let params = LinearParams::parse(r#"{"nodesPerReplica": 16, "max": 1, "preventSinglePointFailure": true}"#)?;
    /// assert_eq!([params.replicas(4, 1), params.replicas(8, 2)], [1, 2]);
    /// # Ok::<(), trimtab_net_math::Error>(())
    /// ```
    #[must_use]
    pub fn replicas(&self, cores: i64, nodes: i64) -> i64 {
        let from_cores = self.replicas_for(Dimension::Cores, cores);
        let mut from_nodes = self.replicas_for(Dimension::Nodes, nodes);
        if self.0.prevent_single_point_failure && nodes > 1 && from_nodes < 2 {
            from_nodes = 2;
        }
        from_cores.max(from_nodes)
    }

    /// What one dimension asks for: `resources` divided by its ratio, rounded up, then held within `min` and `max`.
    ///
    /// A dimension that is left out asks for 1, whatever `min` says. The division is done in binary floating point, so a ratio that is no
    /// binary fraction can round up once too often, as upstream's does:
    ///
    /// ```
    /// # use trimtab_net_math::{Dimension, LinearParams};
    /// let params = LinearParams::parse(r#"{"coresPerReplica": 0.7}"#)?;
    /// assert_eq!(params.replicas_for(Dimension::Cores, 21), 31);
    /// assert_eq!(params.replicas_for(Dimension::Nodes, 21), 1);
    /// # Ok::<(), trimtab_net_math::Error>(())
    /// ```
    ///
    /// Source: `getExpectedReplicasFromParam` in `linear_controller.go`, CPA 1.8.0 to 1.10.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "upstream divides in float64")]
    pub fn replicas_for(&self, dimension: Dimension, resources: i64) -> i64 {
        let ratio = match dimension {
            Dimension::Cores => self.0.cores_per_replica,
            Dimension::Nodes => self.0.nodes_per_replica,
        };
        if ratio == 0.0 {
            return 1;
        }
        let wanted = (resources as f64 / ratio).ceil();
        let capped = if self.0.max == 0 { wanted } else { wanted.min(self.0.max as f64) };
        to_int(capped.max(self.0.min as f64))
    }
}

const TWO_TO_THE_63: f64 = 9_223_372_036_854_775_808.0;

/// Go's `int(f)` on amd64: truncation, and the smallest integer for what does not fit. (An arm64 autoscaler saturates instead.)
#[expect(clippy::cast_possible_truncation, reason = "the range is checked, and Go truncates too")]
fn to_int(value: f64) -> i64 {
    if (-TWO_TO_THE_63..TWO_TO_THE_63).contains(&value) { value as i64 } else { i64::MIN }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn params(json: &str) -> LinearParams {
        LinearParams::parse(json).unwrap()
    }

    fn refused(json: &str) -> Error {
        LinearParams::parse(json).unwrap_err()
    }

    #[test]
    fn keys_match_in_any_case_and_the_last_of_duplicates_wins() {
        let read = params(r#"{"CORESPERREPLICA": 3, "nodeſperreplica": 9, "Min": 2, "min": 4, "note": {"deep": [[]]}, "m\u0061x": 7}"#);
        let expected = LinearFields { cores_per_replica: 3.0, min: 4, max: 7, ..LinearFields::default() };
        assert_eq!(*read.fields(), LinearFields { nodes_per_replica: 9.0, ..expected });
    }

    #[test]
    fn null_leaves_what_stood_before() {
        let read = params(r#"{"coresPerReplica": 2, "coresPerReplica": null, "max": null, "preventSinglePointFailure": null}"#);
        assert_eq!(*read.fields(), LinearFields { cores_per_replica: 2.0, min: 1, ..LinearFields::default() });
        assert_eq!(refused("null"), Error::NoRatio);
    }

    #[test]
    fn an_integer_field_takes_integer_literals_only() {
        for literal in ["1.5", "1.0", "1e2", "\"2\"", "9223372036854775808", "true", "[]", "{}"] {
            let error = refused(&format!(r#"{{"coresPerReplica": 1, "min": {literal}}}"#));
            assert!(matches!(error, Error::WrongKind { field: "min", .. }), "{literal}: {error}");
        }
        assert_eq!(params(r#"{"coresPerReplica": 1, "min": -0}"#).fields().min, 1);
    }

    #[test]
    fn a_ratio_takes_any_number_that_fits() {
        for literal in ["1e400", "\"2\"", "false", "[1]"] {
            let error = refused(&format!(r#"{{"coresPerReplica": {literal}}}"#));
            assert!(matches!(error, Error::WrongKind { field: "coresPerReplica", .. }), "{literal}: {error}");
        }
        assert_eq!(refused(r#"{"coresPerReplica": 1e-400}"#), Error::NoRatio);
        assert_eq!(refused(r#"{"coresPerReplica": -0.0}"#), Error::NoRatio);
    }

    #[test]
    fn what_is_no_json_is_refused_before_what_is_wrong_in_it() {
        for json in ["", "{", r#"{"coresPerReplica": 2,}"#, r#"{"min": "x", "coresPerReplica": 2} x"#, "{coresPerReplica: 2}", r#"{"min": 01}"#] {
            assert!(matches!(refused(json), Error::InvalidJson { .. }), "{json}");
        }
        assert!(matches!(refused("[]"), Error::WrongKind { field: "the document", .. }));
    }

    #[test]
    fn the_checks_come_in_upstreams_order() {
        assert_eq!(refused(r#"{"min": -1, "max": -5}"#), Error::NegativeMin { min: -1 });
        assert_eq!(refused(r#"{"max": -5}"#), Error::MaxBelowMin { max: -5, min: 1 });
        assert_eq!(refused(r#"{"max": 5}"#), Error::NoRatio);
        assert_eq!(refused(r#"{"coresPerReplica": -1, "nodesPerReplica": -2}"#), Error::NegativeRatio { dimension: Dimension::Cores, value: -1.0 });
        assert_eq!(refused(r#"{"nodesPerReplica": -2}"#), Error::NegativeRatio { dimension: Dimension::Nodes, value: -2.0 });
    }

    #[test]
    fn a_ratio_that_json_cannot_say_is_refused() {
        let infinite = LinearFields { cores_per_replica: f64::INFINITY, ..LinearFields::default() };
        assert!(matches!(LinearParams::new(infinite), Err(Error::NotFinite { dimension: Dimension::Cores, .. })));
        let nothing = LinearFields { nodes_per_replica: f64::NAN, ..LinearFields::default() };
        assert!(matches!(LinearParams::new(nothing), Err(Error::NotFinite { dimension: Dimension::Nodes, .. })));
    }

    #[test]
    fn no_nodes_and_no_cores_ask_for_min() {
        assert_eq!(params(r#"{"coresPerReplica": 2, "nodesPerReplica": 1, "min": 3}"#).replicas(0, 0), 3);
    }

    #[test]
    fn a_dimension_that_is_left_out_asks_for_one_whatever_min_says() {
        let by_nodes = params(r#"{"nodesPerReplica": 10, "min": 5}"#);
        assert_eq!([by_nodes.replicas_for(Dimension::Cores, 900), by_nodes.replicas_for(Dimension::Nodes, 1)], [1, 5]);
    }

    #[test]
    fn an_absurd_ratio_wraps_as_upstream_does() {
        let size = |cores| ClusterSize { schedulable_cores: cores, schedulable_nodes: 1, total_cores: cores, total_nodes: 1 };
        assert_eq!(params(r#"{"coresPerReplica": 0.0000001}"#).expected_replicas(&size(300)), -1_294_967_296);
        // Beyond 64 bits the cores' answer is the smallest integer, and the nodes' 1 is larger.
        assert_eq!(params(r#"{"coresPerReplica": 1e-300}"#).replicas(1, 1), 1);
    }

    #[test]
    fn what_is_serialized_parses_back() {
        let read = params(r#"{"coresPerReplica": 0.1, "max": 9, "preventSinglePointFailure": true}"#);
        assert_eq!(params(&serde_json::to_string(&read).unwrap()), read);
    }

    fn any_fields() -> impl Strategy<Value = LinearFields> {
        (any::<f64>(), any::<f64>(), any::<i64>(), any::<i64>(), any::<bool>()).prop_map(|(cores, nodes, min, max, prevent)| LinearFields {
            cores_per_replica: cores,
            nodes_per_replica: nodes,
            min,
            max,
            prevent_single_point_failure: prevent,
            include_unschedulable_nodes: false,
        })
    }

    fn sane_params() -> impl Strategy<Value = LinearParams> {
        (0.01..500.0_f64, 0.01..500.0_f64, 0..10_i64, 0..1_000_i64, any::<bool>()).prop_filter_map("checked", |(cores, nodes, min, max, prevent)| {
            LinearParams::new(LinearFields {
                cores_per_replica: cores,
                nodes_per_replica: nodes,
                min,
                max,
                prevent_single_point_failure: prevent,
                include_unschedulable_nodes: false,
            })
            .ok()
        })
    }

    proptest! {
        #[test]
        fn any_text_gives_params_or_an_error(json in ".{0,60}") {
            let _ = LinearParams::parse(&json);
        }

        #[test]
        fn any_fields_give_params_or_an_error_and_any_size_an_answer(fields in any_fields(), cores: i64, nodes: i64) {
            if let Ok(params) = LinearParams::new(fields) {
                let _ = params.replicas(cores, nodes);
            }
        }

        #[test]
        fn tiny_ratios_and_huge_clusters_give_an_answer(exponent in -1074..0_i32, cores: i64, nodes: i64, max in 0..=i64::MAX) {
            let fields = LinearFields { cores_per_replica: 2.0_f64.powi(exponent), max, ..LinearFields::default() };
            if let Ok(params) = LinearParams::new(fields) {
                let _ = params.replicas(cores, nodes);
            }
        }

        #[test]
        fn a_larger_cluster_never_asks_for_fewer(params in sane_params(), cores in 0..200_000_i64, nodes in 0..20_000_i64, more in 0..1_000_i64) {
            prop_assert!(params.replicas(cores, nodes) <= params.replicas(cores + more, nodes));
            prop_assert!(params.replicas(cores, nodes) <= params.replicas(cores, nodes + more));
        }

        #[test]
        fn the_answer_lies_within_min_and_max_but_for_the_second_replica(params in sane_params(), cores in 0..200_000_i64, nodes in 0..20_000_i64) {
            let (min, max) = (params.fields().min, params.fields().max);
            let answer = params.replicas(cores, nodes);
            prop_assert!(answer >= min && (max == 0 || answer <= max.max(2)), "{answer}");
        }
    }
}
