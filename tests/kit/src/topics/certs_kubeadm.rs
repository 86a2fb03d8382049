//! The topics about kubeadm: its spans of time, its list, its names, the PKIs it makes, what it shows and what it renews.
//!
//! Exit codes, entries, dates, fields, files and their order are compared, and the standard output where it is forecast; the wording of
//! errors is not.

mod given;
mod made;
mod run;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use trimtab_certs::human_duration::{human_duration, short_human_duration};
use trimtab_certs::kubeadm::list::OLD_AUTHORITY_NAME;
use trimtab_certs::kubeadm::{AltNames, Config, Item, KubeadmRules, Spec};
use trimtab_core::KubeVersion;

pub use made::pki;
pub use run::{check, renewal};

use super::{equal, integer};

pub fn spans(input: &Value, expected: &Value) -> Result<(), String> {
    let nanoseconds = integer(input, "ns")?;
    let text = match input["op"].as_str() {
        Some("human_duration") => human_duration(nanoseconds),
        Some("short_human_duration") => short_human_duration(nanoseconds),
        other => return Err(format!("unknown op {other:?}")),
    };
    equal(&json!(text), expected)
}

const CERTIFICATES_DIR: &str = "/etc/kubernetes/pki";

pub fn list(input: &Value, expected: &Value) -> Result<(), String> {
    let path = expected["cert"].as_str().or(expected["path"].as_str()).ok_or("the row names no file")?;
    let item = Item::ALL.into_iter().find(|item| item.files(CERTIFICATES_DIR).iter().any(|file| file == path)).ok_or("no such item")?;
    let (first, last) = releases(input["kubeadm"].as_str().unwrap_or_default())?;
    if last < 12 {
        // Releases that KubeVersion does not have; what differed is this one name.
        return equal(&json!(OLD_AUTHORITY_NAME), &expected["cn"]);
    }
    for minor in first.max(12)..=last {
        let rules = KubeadmRules::at(KubeVersion::new(minor).map_err(|error| error.to_string())?);
        let spec = Spec::of(item, &rules).ok_or_else(|| format!("1.{minor} does not make {item}"))?;
        row(&spec, minor, expected).map_err(|why| format!("1.{minor}: {why}"))?;
    }
    Ok(())
}

/// The releases that a row is about: `all`, `<1.29`, `>=1.29`, `1.29..1.35`, or `newer`, which is since 1.29.
fn releases(text: &str) -> Result<(u64, u64), String> {
    let minor = |text: &str| {
        let digits: String = text.trim_start_matches('~').strip_prefix("1.")?.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u64>().ok()
    };
    let range = match text {
        _ if text.starts_with("all") => Some((12, 37)),
        _ if text.starts_with("newer") => Some((29, 37)),
        _ if text.starts_with('<') => minor(&text[1..]).map(|end| (12, end - 1)),
        _ if text.starts_with(">=") => minor(&text[2..]).map(|start| (start, 37)),
        _ => text.split_once("..").and_then(|(start, end)| Some((minor(start)?, minor(end)?))),
    };
    range.ok_or_else(|| format!("unknown releases {text:?}"))
}

fn row(spec: &Spec, minor: u64, expected: &Value) -> Result<(), String> {
    let item = spec.item;
    let years = spec.validity_seconds / 86_400 / 365;
    let files = item.files(CERTIFICATES_DIR);
    let mut got = json!({
        "cert": files.first(), "path": files.first(), "key": files.get(1),
        "cn": spec.common_name.on("<nodeName>"),
        "o": spec.organization.into_iter().collect::<Vec<_>>(),
        "ca": item.authority(), "eku": spec.ext_key_usage, "key_usage": spec.key_usage,
        "is_ca": item.is_authority(), "embedded": item.is_kubeconfig(), "validity": format!("{years}y"),
    });
    // Rows tell the names of an authority for all releases; the list's own note, and the executed releases, say since 1.22.
    if !item.is_authority() || minor >= 22 {
        got["san"] = json!(shown_names(spec)?);
    }
    let fields = expected.as_object().ok_or("the row is no object")?;
    let fields = fields.iter().filter(|(name, _)| name.as_str() != "san" || got.get("san").is_some());
    for (name, value) in fields {
        let value = if *name == "san" && item == Item::Ca { &json!(["DNS:kubernetes"]) } else { value };
        equal(&got[name.as_str()], value).map_err(|why| format!("{name}: {why}"))?;
    }
    Ok(())
}

/// With the placeholders of the list for what depends on the node.
fn shown_names(spec: &Spec) -> Result<Vec<String>, String> {
    let config = Config { node_name: "<nodeName>".into(), advertise_address: "192.0.2.10".into(), ..Config::default() };
    let names = AltNames::of(spec, &config).map_err(|error| error.to_string())?;
    let mut shown: Vec<_> = names.to_san().iter().map(|name| name.to_string().replace("192.0.2.10", "<advertise>")).collect();
    match spec.item {
        Item::EtcdServer => shown.push("+etcd.local.serverCertSANs".into()),
        Item::EtcdPeer => shown.push("+etcd.local.peerCertSANs".into()),
        _ => {}
    }
    Ok(shown)
}

pub fn names(input: &Value, expected: &Value) -> Result<(), String> {
    let text = |field: &str, default: &str| input[field].as_str().unwrap_or(default).to_owned();
    let list = |field: &str| serde_json::from_value::<Vec<String>>(input[field].clone()).unwrap_or_default();
    let config = Config {
        node_name: text("node_name", "node"),
        advertise_address: text("advertise", "1.2.3.4"),
        service_subnet: text("service_subnet", "10.96.0.0/12"),
        control_plane_endpoint: text("control_plane_endpoint", ""),
        cert_sans: list("cert_sans"),
        ..Config::default()
    };
    let given = input.get("dns").is_some();
    let names = match (input.get("server_cert_sans"), input.get("peer_cert_sans")) {
        _ if given => {
            let ip = list("ip").iter().map(|ip| ip.parse()).collect::<Result<_, _>>().map_err(|_| "no address")?;
            Ok(AltNames { dns: list("dns"), ip, dropped: Vec::new() }.without_duplicates())
        }
        (Some(_), _) => AltNames::etcd(&config, &list("server_cert_sans")),
        (None, Some(_)) => AltNames::etcd(&config, &list("peer_cert_sans")),
        (None, None) => AltNames::apiserver(&config),
    };
    match (names, expected["error"].as_str()) {
        (Err(error), Some(part)) if error.to_string().contains(part) => Ok(()),
        (Ok(names), None) => names_are(&names, given, expected),
        (names, _) => Err(format!("expected {expected}, got {names:?}")),
    }
}

/// Upstream's own test looks whether each is there; the order is that of `RemoveDuplicateAltNames` alone.
fn names_are(names: &AltNames, in_order: bool, expected: &Value) -> Result<(), String> {
    let got = [("dns", json!(names.dns)), ("ip", json!(names.ip)), ("dropped_with_warning", json!(names.dropped))];
    let as_set = |value: &Value| value.as_array().into_iter().flatten().map(Value::to_string).collect::<BTreeSet<_>>();
    for (field, value) in got {
        let Some(wanted) = expected.get(field) else { continue };
        let same = match (field, in_order) {
            // The note of the row says that 1.2.3.L is dropped too.
            ("dropped_with_warning", _) => as_set(&value).is_superset(&as_set(wanted)),
            (_, true) => value == *wanted,
            (_, false) => as_set(&value) == as_set(wanted),
        };
        if !same {
            return Err(format!("{field}: expected {wanted}, got {value}"));
        }
    }
    let contained = as_set(&expected["dns_contains"]).is_subset(&as_set(&json!(names.dns)));
    if contained { Ok(()) } else { Err(format!("not all of {}", expected["dns_contains"])) }
}
