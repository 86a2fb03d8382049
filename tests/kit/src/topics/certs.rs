//! Certificates: what they say, when they are renewed.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use trimtab_certs::certificate::{Certificate, CertificateError, GeneralName, certificates};
use trimtab_certs::renewal_time::{InWindow, RenewalRule, RenewalWindow, in_window};
use trimtab_certs::rotation::{PairFile, Template, jittery_duration_ns, rotation_deadline, satisfies_template};

use super::{equal, integer};
use crate::testbed;

pub fn rotation(input: &Value, expected: &Value) -> Result<(), String> {
    match input["op"].as_str() {
        Some("rotation_deadline") => {
            let at = |field: &str| Ok::<_, String>(nanosecond(integer(input, field)?));
            let jitter = input["jitter"].as_str().and_then(|jitter| jitter.strip_prefix("fixed ")).ok_or("the input has no fixed jitter")?;
            let jitter = jitter.parse().map_err(|error| format!("{error}"))?;
            let deadline = rotation_deadline(at("notBefore_ns")?, at("notAfter_ns")?, jitter);
            equal(&json!({"deadline_ns": i64::try_from(deadline.as_nanosecond()).map_err(|error| error.to_string())?}), expected)
        }
        Some("jittery_duration") => {
            let random = input["rand_float64"].as_f64().ok_or("the input has no rand_float64")?;
            equal(&json!({"duration_ns": jittery_duration_ns(integer(input, "total_ns")?, random)}), expected)
        }
        Some("filename") => {
            let prefix = input["prefix"].as_str().ok_or("the input has no prefix")?;
            let file = match input["local_time_or_qualifier"].as_str() {
                Some("current") => PairFile::Current,
                Some("updated") => PairFile::Updated,
                time => PairFile::Made(time.unwrap_or_default().parse().map_err(|error| format!("{error}"))?),
            };
            equal(&json!(file.name(prefix)), expected)
        }
        Some("cert_satisfies_template") => {
            let read = |field: &str| serde_json::from_value::<Option<Template>>(input[field].clone()).map_err(|error| error.to_string());
            equal(&json!(satisfies_template(read("cert")?.as_ref(), read("template")?.as_ref())), expected)
        }
        other => Err(format!("no runner knows the op {other:?}")),
    }
}

/// In seconds, with a fixed part of the life.
pub fn deadline(input: &Value, expected: &Value) -> Result<(), String> {
    let at = |field: &str| Ok::<_, String>(second(integer(input, field)?));
    let part = input["jitter_fraction"].as_f64().ok_or("the input has no jitter_fraction")?;
    let deadline = rotation_deadline(at("not_before_offset_s")?, at("not_after_offset_s")?, part);
    let whole = deadline.as_nanosecond().div_euclid(1_000_000_000);
    equal(&json!({"deadline_offset_s": i64::try_from(whole).map_err(|error| error.to_string())?}), expected)
}

pub fn renewal_time(input: &Value, expected: &Value) -> Result<(), String> {
    if let Some(windows) = input["windows"].as_array() {
        let windows = windows.iter().map(window).collect::<Result<Vec<_>, _>>()?;
        let (target, end) = (second(whole(input, "target_s")?), second(whole(input, "not_after_s")?));
        let (at, error) = match in_window(target, end, &windows) {
            InWindow::At(at) => (at, false),
            InWindow::NoneInTime(at) => (at, true),
        };
        let offset = expected["renewal_offset_s"].as_f64().ok_or("nothing is expected")?;
        let got = json!({"renewal_offset_s": at.as_second(), "error": error});
        let same = got["renewal_offset_s"].as_f64() == Some(offset) && got["error"] == expected["error"];
        return if same { Ok(()) } else { Err(format!("expected {expected}, got {got}")) };
    }
    let percentage = input["renew_before_percentage"].as_i64().map(i32::try_from).transpose().map_err(|error| error.to_string())?;
    let rule = RenewalRule { renew_before: input["renew_before_s"].as_i64().map(SignedDuration::from_secs), renew_before_percentage: percentage };
    if input.get("duration_s").is_some() {
        let before = rule.renew_before(SignedDuration::from_secs(integer(input, "duration_s")?));
        return equal(&json!({"renew_before_s": before.as_secs()}), expected);
    }
    let at = rule.renewal_time(second(integer(input, "not_before_s")?), second(integer(input, "not_after_s")?));
    equal(&json!({"renewal_offset_s": at.as_second()}), expected)
}

fn window(window: &Value) -> Result<RenewalWindow, String> {
    // The runner knows no table of time zones.
    if window["tz"] != "UTC" {
        return Err(format!("no runner knows the zone {}", window["tz"]));
    }
    let cron = window["cron"].as_str().ok_or("a window has no cron")?;
    RenewalWindow::new(cron, SignedDuration::from_secs(integer(window, "duration_s")?), TimeZone::UTC).map_err(|error| error.to_string())
}

/// What pyca/cryptography says of its own vectors, whose package the test bed installs.
pub fn cryptography(input: &Value, expected: &Value) -> Result<(), String> {
    let file = input["file"].as_str().ok_or("the input has no file")?;
    let path = testbed::folder().join("venv").join(file);
    let bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}; run `make testbed`", path.display()))?;
    let found = certificates(&bytes);
    let read = &found.first().ok_or("nothing was found")?.certificate;
    match (read, &expected["parses"]) {
        (Err(_), Value::Bool(false)) => Ok(()),
        (Ok(certificate), Value::Bool(true)) => same_certificate(certificate, expected),
        // It reads a DSA key that inherits its parameters as far as everything but the key goes; cryptography gives up.
        (Ok(certificate), Value::Bool(false)) if file.contains("DSAParameter") && certificate.public_key.kind.to_string() == "DSA" => Ok(()),
        // A version that does not exist, refused here and there.
        (Err(error @ CertificateError::UnknownVersion { .. }), _) if expected["version"].is_null() => Err(format!("refused: {error}")),
        (read, _) => Err(format!("expected {expected}, got {read:?}")),
    }
}

fn same_certificate(got: &Certificate, expected: &Value) -> Result<(), String> {
    let time = |time: Timestamp| time.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string();
    let facts = [
        ("serial", json!(got.serial.to_string())),
        ("not_before", json!(time(got.not_before))),
        ("not_after", json!(time(got.not_after))),
        ("subject_rfc4514", json!(got.subject.to_string())),
        ("issuer_rfc4514", json!(got.issuer.to_string())),
        ("sig_alg_oid", json!(got.signature_algorithm.oid)),
        ("version", json!(format!("v{}", got.version))),
    ];
    for (fact, value) in facts {
        equal(&value, &expected[fact]).map_err(|why| format!("{fact}: {why}"))?;
    }
    match expected["san_error"].as_str() {
        None => {
            equal(&json!(got.extensions.subject_alt_name.as_ref().map(|names| names.iter().map(general_name).collect::<Vec<_>>())), &expected["san"])
        }
        // cryptography reads all extensions or none; here each stands alone, and the one that it stumbles over is another.
        Some(_) if got.problems.is_empty() => unread_alone(got),
        Some(_) => Ok(()),
    }
}

/// Where cryptography finds no list of names, and nothing is wrong with the names here.
fn unread_alone(got: &Certificate) -> Result<(), String> {
    let unread = |name: &GeneralName| matches!(name, GeneralName::Unread { .. });
    let names = got.extensions.subject_alt_name.iter().flatten();
    match names.clone().count() {
        0 => Ok(()),
        _ if names.clone().any(unread) => Ok(()),
        _ => Err(format!("cryptography cannot read the names, and here are {names:?}")),
    }
}

fn general_name(name: &GeneralName) -> String {
    match name {
        GeneralName::Dns { name } => format!("DNSName:{name}"),
        GeneralName::Ip { address } => format!("IPAddress:{address}"),
        GeneralName::Email { address } => format!("RFC822Name:{address}"),
        GeneralName::Uri { uri } => format!("UniformResourceIdentifier:{uri}"),
        GeneralName::Directory { name } => format!("DirectoryName:<Name({name})>"),
        GeneralName::Registered { oid } => format!("RegisteredID:<ObjectIdentifier(oid={oid}, name=Unknown OID)>"),
        GeneralName::Other { oid } => format!("OtherName:{oid}"),
        GeneralName::Unread { tag } => format!("unread {tag}"),
    }
}

fn whole(input: &Value, field: &str) -> Result<i64, String> {
    let number = input[field].as_f64().filter(|number| number.fract() == 0.0).ok_or_else(|| format!("the input has no whole {field}"))?;
    format!("{number:.0}").parse().map_err(|error| format!("{field}: {error}"))
}

fn second(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

fn nanosecond(nanoseconds: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(nanoseconds)).unwrap_or(Timestamp::MAX)
}
