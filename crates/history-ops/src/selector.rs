//! Label selectors of workloads.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// `spec.selector` of a workload. Source: `LabelSelectorAsSelector`, `k8s.io/apimachinery/pkg/apis/meta/v1/helpers.go@v0.37.2`.
///
/// ```
/// use std::collections::BTreeMap;
/// use trimtab_history_ops::selector::Selector;
///
/// let selector: Selector = serde_json::from_str(r#"{"matchLabels": {"app": "web"}}"#)?;
/// let labels = BTreeMap::from([("app".to_owned(), "web".to_owned())]);
/// assert!(selector.matches(&labels) && !selector.matches(&BTreeMap::new()));
/// assert_eq!(selector.to_string(), "app=web");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Selector {
    /// Labels with these values.
    pub match_labels: Option<BTreeMap<String, String>>,
    /// And these.
    pub match_expressions: Option<Vec<Expression>>,
}

/// One requirement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Expression {
    /// Of which label.
    pub key: String,
    /// What of it.
    pub operator: Operator,
    /// For `In` and `NotIn`.
    #[serde(default)]
    pub values: Option<Vec<String>>,
}

/// What is required of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operator {
    /// One of the values.
    In,
    /// None of the values; being absent will do.
    NotIn,
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
}

impl Selector {
    /// Whether labels match. One that asks for nothing matches everything.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let equal = self.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
        equal && self.match_expressions.iter().flatten().all(|expression| expression.matches(labels))
    }
}

impl Expression {
    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let found = labels.get(&self.key);
        let listed = || found.is_some_and(|found| self.values.iter().flatten().any(|value| value == found));
        match self.operator {
            Operator::In => listed(),
            Operator::NotIn => !listed(),
            Operator::Exists => found.is_some(),
            Operator::DoesNotExist => found.is_none(),
        }
    }
}

impl fmt::Display for Selector {
    /// As queries of the API have it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let equal = self.match_labels.iter().flatten().map(|(key, value)| format!("{key}={value}"));
        let others = self.match_expressions.iter().flatten().map(ToString::to_string);
        f.write_str(&equal.chain(others).collect::<Vec<_>>().join(","))
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, values) = (&self.key, self.values.as_deref().unwrap_or_default().join(","));
        match self.operator {
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::Exists => write!(f, "{key}"),
            Operator::DoesNotExist => write!(f, "!{key}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_operator_is_asked_and_written_as_queries_have_it() {
        let expressions = json!([
            {"key": "tier", "operator": "In", "values": ["a", "b"]}, {"key": "zone", "operator": "NotIn", "values": ["c"]},
            {"key": "app", "operator": "Exists"}, {"key": "old", "operator": "DoesNotExist"},
        ]);
        let selector: Selector = serde_json::from_value(json!({"matchLabels": {"app": "web"}, "matchExpressions": expressions})).unwrap();
        assert_eq!(selector.to_string(), "app=web,tier in (a,b),zone notin (c),app,!old");
        let with = |pairs: &[(&str, &str)]| selector.matches(&pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect());
        assert!(with(&[("app", "web"), ("tier", "b")]));
        for other in [
            &[("app", "web")][..],
            &[("tier", "a")],
            &[("app", "web"), ("tier", "c")],
            &[("app", "web"), ("tier", "a"), ("zone", "c")],
            &[("app", "web"), ("tier", "a"), ("old", "")],
        ] {
            assert!(!with(other), "{other:?}");
        }
    }
}
