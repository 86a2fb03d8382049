//! Whether two pod templates are the same one.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use trimtab_core::Quantity;

/// A pod template, as its SHA-256: two of one cluster are equal where `apiequality.Semantic.DeepEqual` says so after `pod-template-hash` was taken out.
///
/// Both come from the same API server, which has set the defaults; what is left are the order of fields, `null`, lists that are empty, and quantities that
/// are one amount in two forms (`1Gi`, `1073741824`). Source: `EqualIgnoreHash`, `pkg/controller/deployment/util/deployment_util.go` v1.37.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TemplateHash([u8; 32]);

/// The label that a Deployment gives to the pods of one ReplicaSet.
const HASH_LABEL: &str = "pod-template-hash";

impl TemplateHash {
    /// Of a `PodTemplateSpec` as JSON.
    ///
    /// ```
    /// use serde_json::json;
    /// use trimtab_history_ops::template::TemplateHash;
    ///
    /// let one = json!({"metadata": {"labels": {"app": "web", "pod-template-hash": "6d4cf56db6"}}, "spec": {"containers": []}});
    /// let other = json!({"spec": {}, "metadata": {"creationTimestamp": null, "labels": {"app": "web"}}});
    /// assert_eq!(TemplateHash::of(&one), TemplateHash::of(&other));
    /// ```
    #[must_use]
    pub fn of(template: &Value) -> Self {
        let mut hash = Sha256::new();
        let Value::Object(fields) = template else {
            write(template, &mut hash);
            return Self(hash.finalize().into());
        };
        let metadata = fields.get("metadata").map(without_hash);
        // Beside `metadata` and `spec` only `$patch` may stand there, in a revision of a DaemonSet.
        write(&metadata.unwrap_or_default(), &mut hash);
        write_spec(fields.get("spec").unwrap_or(&Value::Null), &mut hash);
        Self(hash.finalize().into())
    }
}

fn without_hash(metadata: &Value) -> Value {
    let mut metadata = metadata.clone();
    if let Some(fields) = metadata.as_object_mut() {
        if let Some(labels) = fields.get_mut("labels").and_then(Value::as_object_mut) {
            labels.remove(HASH_LABEL);
        }
        // Maps of texts: empty or absent is the same. An empty object elsewhere is a struct that is there.
        fields.retain(|_, value| value.as_object().is_none_or(|object| !object.is_empty()));
    }
    metadata
}

/// Fields of a pod spec that are maps of quantities, and those that are one.
const QUANTITIES: [&str; 3] = ["limits", "requests", "overhead"];
const QUANTITY: [&str; 2] = ["sizeLimit", "divisor"];

/// As [`write`], with every quantity as its amount.
fn write_spec(value: &Value, hash: &mut Sha256) {
    object_or_list(value, hash, |name, value, hash| {
        if value.is_object() && QUANTITIES.contains(&name) {
            object_or_list(value, hash, |_, value, hash| write_amount(value, hash));
        } else if QUANTITY.contains(&name) {
            write_amount(value, hash);
        } else {
            write_spec(value, hash);
        }
    });
}

/// One more than the amount, since a sum has the form of its first part: one text for each amount.
fn write_amount(value: &Value, hash: &mut Sha256) {
    let quantity = value.as_str().and_then(|text| text.parse::<Quantity>().ok());
    match (quantity, "1".parse::<Quantity>()) {
        (Some(quantity), Ok(mut sum)) => {
            sum.add(&quantity);
            text(&sum.canonical(), hash);
        }
        _ => write(value, hash),
    }
}

/// Each value with its length before it, so that no two different ones are written alike.
fn write(value: &Value, hash: &mut Sha256) {
    object_or_list(value, hash, |_, value, hash| write(value, hash));
}

/// Of an object each field by `each`, of a list each item, without a name; anything else as it is.
fn object_or_list(value: &Value, hash: &mut Sha256, each: impl Fn(&str, &Value, &mut Sha256)) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<(&String, &Value)> = fields.iter().filter(|(_, value)| !is_absent(value)).collect();
            fields.sort_by_key(|(name, _)| *name);
            mark(b'{', fields.len(), hash);
            for (name, value) in fields {
                text(name, hash);
                each(name, value, hash);
            }
        }
        Value::Array(items) => {
            mark(b'[', items.len(), hash);
            for item in items {
                each("", item, hash);
            }
        }
        Value::String(string) => text(string, hash),
        Value::Number(number) => {
            let digits = number.to_string();
            mark(b'0', digits.len(), hash);
            hash.update(digits.as_bytes());
        }
        Value::Bool(true) => mark(b't', 0, hash),
        Value::Bool(false) => mark(b'f', 0, hash),
        Value::Null => mark(b'n', 0, hash),
    }
}

fn is_absent(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

fn mark(sort: u8, length: usize, hash: &mut Sha256) {
    hash.update([sort]);
    hash.update((length as u64).to_le_bytes());
}

fn text(text: &str, hash: &mut Sha256) {
    mark(b'"', text.len(), hash);
    hash.update(text.as_bytes());
}

impl fmt::Display for TemplateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl From<TemplateHash> for String {
    fn from(hash: TemplateHash) -> Self {
        hash.to_string()
    }
}

impl TryFrom<String> for TemplateHash {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let wrong = || format!("{text:?} is no SHA-256: 64 hexadecimal digits are wanted");
        let digit = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()).ok_or_else(wrong);
        let mut bytes = [0; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = digit(2 * index)?;
        }
        if text.len() == 64 { Ok(Self(bytes)) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn another_image_label_or_order_of_containers_is_another_template() {
        let template = json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "a"}, {"name": "b"}]}});
        let mut image = template.clone();
        image["spec"]["containers"][0]["image"] = json!("nginx");
        let mut label = template.clone();
        label["metadata"]["labels"]["app"] = json!("shop");
        let turned = json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "b"}, {"name": "a"}]}});
        for other in [&image, &label, &turned] {
            assert_ne!(TemplateHash::of(&template), TemplateHash::of(other), "{other}");
        }
    }

    #[test]
    fn one_amount_in_two_forms_is_one_template_and_another_amount_is_not() {
        let with = |memory: &str, limit: &str| {
            let container = json!({"resources": {"requests": {"memory": memory, "cpu": "100m"}}});
            TemplateHash::of(&json!({"spec": {"containers": [container], "volumes": [{"emptyDir": {"sizeLimit": limit}}]}}))
        };
        assert_eq!(with("1Gi", "1k"), with("1073741824", "1000"));
        assert_ne!(with("1Gi", "1k"), with("1G", "1k"));
        assert_ne!(with("1Gi", "1k"), with("1Gi", "1Ki"));
        let label = |value: &str| TemplateHash::of(&json!({"metadata": {"labels": {"sizeLimit": value}}}));
        assert_ne!(label("1k"), label("1000"), "a label is a text");
    }

    #[test]
    fn a_struct_that_is_there_and_empty_is_not_one_that_is_absent() {
        let with = json!({"spec": {"securityContext": {}}});
        assert_ne!(TemplateHash::of(&with), TemplateHash::of(&json!({"spec": {}})));
    }

    #[test]
    fn a_hash_survives_its_text() {
        let hash = TemplateHash::of(&json!({"spec": {}}));
        assert_eq!(TemplateHash::try_from(String::from(hash)), Ok(hash));
        assert!(TemplateHash::try_from("12".to_owned()).is_err());
    }
}
