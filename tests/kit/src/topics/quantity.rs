//! apimachinery's `Quantity`, operation by operation.

use std::cmp::Ordering;

use serde_json::{Value, json};
use trimtab_core::quantity::{QuantityError, Scale};
use trimtab_core::{KubeVersion, Quantity};

use super::{narrow, version};

pub fn quantity(input: &Value, expected: &Value) -> Result<(), String> {
    let version = version(input)?;
    let text = |field: &str| input[field].as_str().ok_or_else(|| format!("the input has no text {field}"));
    let read = |field: &str| text(field)?.parse::<Quantity>().map_err(|error| error.to_string());
    match input["op"].as_str() {
        Some("parse") => parsed(text("s")?.parse(), version, expected),
        Some("add") => {
            let mut sum = read("a")?;
            sum.add(&read("b")?);
            subset(&told(&sum, version), expected)
        }
        Some("sub") => {
            let mut difference = read("a")?;
            difference.sub(&read("b")?);
            subset(&told(&difference, version), expected)
        }
        Some("cmp") => subset(&json!(sign(read("a")?.cmp(&read("b")?))), expected),
        Some("round_up") => {
            let mut rounded = read("s")?;
            let scale = Scale::new(narrow(input, "scale")?).map_err(|error| error.to_string())?;
            let exact = rounded.round_up(scale);
            subset(&json!({"exact": exact, "result": told(&rounded, version)}), expected)
        }
        other => Err(format!("no runner knows the op {other:?}")),
    }
}

fn parsed(got: Result<Quantity, QuantityError>, version: KubeVersion, expected: &Value) -> Result<(), String> {
    match (got, expected["error"].as_str()) {
        (Ok(quantity), None) => subset(&told(&quantity, version), expected),
        (Err(error), Some(name)) if error.name() == name => Ok(()),
        (got, _) => Err(format!("expected {expected}, got {:?}", got.map(|quantity| quantity.to_string()))),
    }
}

/// Everything that the vectors tell of a quantity; integers as text, since some do not fit JSON's doubles.
fn told(quantity: &Quantity, version: KubeVersion) -> Value {
    let at = |scale| quantity.scaled_value(scale).to_string();
    let mut told = json!({
        "string": quantity.to_string(),
        "canonical": quantity.canonical(),
        "format": format!("{:?}", quantity.format()),
        "value": quantity.value().to_string(),
        "milli": quantity.milli_value().to_string(),
        "micro": at(Scale::MICRO),
        "nano": at(Scale::NANO),
        "scaled_kilo": at(Scale::KILO),
        "sign": sign(quantity.sign()),
        "is_zero": quantity.is_zero(),
        "stored_as_bigdec": quantity.is_big(),
        "approx_float64": format!("{:?}", quantity.approximate_f64_at(version)),
        "float64_slow": format!("{:?}", quantity.f64_slow()),
    });
    if let (Some(value), Some(told)) = (quantity.as_int64(), told.as_object_mut()) {
        told.insert("as_int64".to_owned(), json!(value.to_string()));
    }
    told
}

fn sign(ordering: Ordering) -> i64 {
    match ordering {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    }
}

/// Both sides have the same keys, and equal values; floats are compared as floats, since Go writes them in its own way.
fn subset(got: &Value, expected: &Value) -> Result<(), String> {
    let (Value::Object(got), Value::Object(expected)) = (got, expected) else {
        return super::equal(got, expected);
    };
    // `AsFloat64Slow` came with 1.32.
    if let Some(key) = got.keys().find(|key| !expected.contains_key(*key) && *key != "float64_slow") {
        return Err(format!("{key} is not expected"));
    }
    expected.iter().try_for_each(|(key, value)| {
        let found = got.get(key).unwrap_or(&Value::Null);
        let same = if key.contains("float64") { same_float(found, value) } else { subset(found, value) };
        same.map_err(|why| format!("{key}: {why}"))
    })
}

fn same_float(got: &Value, expected: &Value) -> Result<(), String> {
    let read = |value: &Value| value.as_str().and_then(|text| text.parse::<f64>().ok());
    match (read(got), read(expected)) {
        (Some(got), Some(expected)) if got.to_bits() == expected.to_bits() || (got.is_nan() && expected.is_nan()) => Ok(()),
        _ => Err(format!("expected {expected}, got {got}")),
    }
}
