//! The autoscaler's `ConfigMap`: one key, which names the control mode and holds its parameters as JSON.

use serde_json::Value;

use super::{ClusterSize, ControlMode, Ladder, LadderParams, LinearParams};
use crate::error::Error;

/// A control mode with its parameters, ready to be asked.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Replicas in proportion to cores and nodes.
    Linear(LinearParams),
    /// Replicas by steps.
    Ladder(Ladder),
}

impl Mode {
    /// Reads a `ConfigMap` as `kubectl get configmap … -o json` prints it. Only `data` counts; without it there is no entry.
    ///
    /// Source: `EnsureController` in `pkg/autoscaler/controller/plugin/plugin.go`, CPA 1.10.
    ///
    /// # Errors
    /// [`Error::NotAConfigMap`] and [`Error::DataIsNoText`] for a manifest that the API server would not store; then those of
    /// [`Mode::from_data`].
    ///
    /// ```
    /// use trimtab_net_math::{ControlMode, Mode};
    ///
    /// let manifest = serde_json::json!({
    ///     "apiVersion": "v1",
    ///     "kind": "ConfigMap",
    ///     "metadata": {"name": "dns-autoscaler", "namespace": "kube-system"},
    ///     "data": {"linear": "{\"coresPerReplica\": 256, \"nodesPerReplica\": 16}"},
    /// });
    /// assert_eq!(Mode::from_config_map(&manifest)?.control_mode(), ControlMode::Linear);
    /// # Ok::<(), trimtab_net_math::Error>(())
    /// ```
    pub fn from_config_map(manifest: &Value) -> Result<Self, Error> {
        let Value::Object(object) = manifest else {
            return Err(Error::NotAConfigMap { found: kind_of(manifest).to_owned() });
        };
        match object.get("kind") {
            None => {}
            Some(Value::String(kind)) if kind == "ConfigMap" => {}
            Some(other) => return Err(Error::NotAConfigMap { found: other.to_string().chars().take(80).collect() }),
        }
        match object.get("data") {
            None | Some(Value::Null) => Self::from_data::<&str, &str>([]),
            Some(Value::Object(data)) => Self::from_data(texts(data)?),
            Some(other) => Err(Error::DataIsNoText { key: "data".to_owned(), found: kind_of(other) }),
        }
    }

    /// Reads the `data` of a `ConfigMap`: exactly one key, `linear` or `ladder`, whose value is the JSON of the parameters.
    ///
    /// # Errors
    /// [`Error::ExpectedOneEntry`], [`Error::UnsupportedMode`]; then those of [`Mode::parse`].
    ///
    /// ```
    /// # use trimtab_net_math::{Error, Mode};
    /// let both = Mode::from_data([("linear", "{}"), ("ladder", "{}")]);
    /// assert!(matches!(both, Err(Error::ExpectedOneEntry { .. })));
    /// ```
    pub fn from_data<K: AsRef<str>, V: AsRef<str>>(data: impl IntoIterator<Item = (K, V)>) -> Result<Self, Error> {
        let entries: Vec<(K, V)> = data.into_iter().collect();
        match entries.as_slice() {
            [(mode, params)] => Self::parse(mode.as_ref().parse()?, params.as_ref()),
            entries => {
                let mut keys: Vec<String> = entries.iter().map(|(key, _)| key.as_ref().to_owned()).collect();
                keys.sort_unstable();
                Err(Error::ExpectedOneEntry { keys })
            }
        }
    }

    /// Reads the parameters of that mode; a ladder is sorted.
    ///
    /// # Errors
    /// Those of [`LinearParams::parse`] and [`LadderParams::parse`].
    ///
    /// ```
    /// # use trimtab_net_math::{ControlMode, Mode};
    /// let mode = Mode::parse(ControlMode::Ladder, r#"{"nodesToReplicas": [[2, 2], [1, 1]]}"#)?;
    /// assert_eq!(mode.replicas(0, 1), 1);
    /// # Ok::<(), trimtab_net_math::Error>(())
    /// ```
    pub fn parse(mode: ControlMode, params: &str) -> Result<Self, Error> {
        match mode {
            ControlMode::Linear => LinearParams::parse(params).map(Self::Linear),
            ControlMode::Ladder => LadderParams::parse(params).map(|params| Self::Ladder(params.sorted())),
        }
    }

    /// Which of the two it is.
    #[must_use]
    pub const fn control_mode(&self) -> ControlMode {
        match self {
            Self::Linear(_) => ControlMode::Linear,
            Self::Ladder(_) => ControlMode::Ladder,
        }
    }

    /// The replicas for that cluster: [`LinearParams::expected_replicas`] or [`Ladder::expected_replicas`].
    #[must_use]
    pub fn expected_replicas(&self, size: &ClusterSize) -> i32 {
        match self {
            Self::Linear(params) => params.expected_replicas(size),
            Self::Ladder(ladder) => ladder.expected_replicas(size),
        }
    }

    /// The replicas for so many cores and nodes, before they are cut to 32 bits: [`LinearParams::replicas`] or [`Ladder::replicas`].
    #[must_use]
    pub fn replicas(&self, cores: i64, nodes: i64) -> i64 {
        match self {
            Self::Linear(params) => params.replicas(cores, nodes),
            Self::Ladder(ladder) => ladder.replicas(cores, nodes),
        }
    }
}

fn texts(data: &serde_json::Map<String, Value>) -> Result<Vec<(&str, &str)>, Error> {
    let no_text = |(key, value): (&'_ String, &'_ Value)| Error::DataIsNoText { key: key.clone(), found: kind_of(value) };
    data.iter().map(|entry| Ok((entry.0.as_str(), entry.1.as_str().ok_or_else(|| no_text(entry))?))).collect()
}

const fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn no_entry_and_two_entries_are_both_refused() {
        let keys = |manifest: Value| match Mode::from_config_map(&manifest) {
            Err(Error::ExpectedOneEntry { keys }) => keys,
            other => panic!("{other:?}"),
        };
        assert_eq!(keys(json!({})), Vec::<String>::new());
        assert_eq!(keys(json!({"kind": "ConfigMap", "data": null})), Vec::<String>::new());
        assert_eq!(keys(json!({"data": {"linear": "{}", "ladder": "{}"}})), ["ladder", "linear"]);
    }

    #[test]
    fn a_mode_is_spelt_in_lower_case() {
        for mode in ["invalidmode", "Linear", "LADDER", ""] {
            assert_eq!(Mode::from_data([(mode, "{}")]), Err(Error::UnsupportedMode { mode: mode.to_owned() }));
        }
    }

    #[test]
    fn what_is_no_config_map_is_refused() {
        assert!(matches!(Mode::from_config_map(&json!([])), Err(Error::NotAConfigMap { .. })));
        assert!(matches!(Mode::from_config_map(&json!({"kind": "Secret", "data": {"linear": "e30="}})), Err(Error::NotAConfigMap { .. })));
    }

    #[test]
    fn parameters_that_were_not_quoted_are_refused_with_the_key() {
        let unquoted = json!({"data": {"linear": {"coresPerReplica": 2}}});
        assert_eq!(Mode::from_config_map(&unquoted), Err(Error::DataIsNoText { key: "linear".to_owned(), found: "an object" }));
        assert_eq!(Mode::from_config_map(&json!({"data": "x"})), Err(Error::DataIsNoText { key: "data".to_owned(), found: "a text" }));
    }

    #[test]
    fn a_mode_serializes_as_its_config_map_key() {
        let mode = Mode::from_data([("ladder", r#"{"coresToReplicas": [[2, 2], [1, 1]]}"#)]).unwrap();
        let expected = json!({"ladder": {"coresToReplicas": [[1, 1], [2, 2]], "nodesToReplicas": [], "includeUnschedulableNodes": false}});
        assert_eq!(serde_json::to_value(&mode).unwrap(), expected);
    }
}
