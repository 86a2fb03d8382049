//! What a case says was there: its command, its configuration, its files and what is known of them.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use trimtab_certs::kubeadm::facts::{Attribute, AuthorityKeyId, BasicConstraints, CertificateFacts, ExtKeyUsage, Extension, KeyUsage, Rdn, San};
use trimtab_certs::kubeadm::pki::{CertificateState, ItemState, KeyState, ReadCertificate};
use trimtab_certs::kubeadm::write::Umask;
use trimtab_certs::kubeadm::{Command, Config, ConfigSource, Item, KubeadmRules, Pki, init};
use trimtab_core::KubeVersion;

use super::CERTIFICATES_DIR;
use super::made::{at_minor, config};
use crate::topics::equal;

pub(super) fn parsed<T: std::str::FromStr>(input: &Value, field: &str) -> Result<T, String> {
    input[field].as_str().and_then(|text| text.parse().ok()).ok_or_else(|| format!("no {field}"))
}

pub(super) fn command(input: &Value, version: KubeVersion) -> Option<Command> {
    let args: Vec<_> = input["args"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    Command::parse(&args, &KubeadmRules::at(version)).ok()
}

pub(super) fn refused(expected: &Value) -> Result<(), String> {
    equal(&json!(1), &expected["rc"])?;
    equal(&json!([]), expected.get("changed").unwrap_or(&json!([])))
}

pub(super) fn source(input: &Value, command: &Command) -> Result<ConfigSource, String> {
    if command.config.is_none() {
        let certificates_dir = command.cert_dir.clone().unwrap_or_else(|| CERTIFICATES_DIR.to_owned());
        return Ok(ConfigSource::Defaults(Config { certificates_dir, ..Config::default() }));
    }
    config(&input["config"]).map(ConfigSource::File).map_err(|refusal| refusal.to_string())
}

/// What a case says was there, over what is there anyway.
pub(super) fn observed(mut pki: Pki, input: &Value, command: &Command) -> Result<Pki, String> {
    let id = input["id"].as_str().unwrap_or_default();
    for entry in input["state"].as_array().into_iter().flatten() {
        let item: Item = entry["name"].as_str().unwrap_or_default().parse().map_err(|error| format!("{error}"))?;
        let state = state(entry, item, pki.items.remove(&item), id)?;
        pki.items.insert(item, state);
    }
    new_authority_first(&mut pki);
    if command.cert_dir.as_deref().is_some_and(|dir| dir != CERTIFICATES_DIR) {
        pki.items.retain(|item, _| item.is_kubeconfig());
    }
    Ok(pki)
}

fn state(entry: &Value, item: Item, before: Option<ItemState>, id: &str) -> Result<ItemState, String> {
    // That a key stays where its certificate is gone, and that a key is another one's, only the scenario's name tells.
    let name_says_present = ["apiserver", "ca"].iter().any(|name| id.ends_with(&format!("/{name}-crt-missing-key-present")));
    let key = match entry["key_present"].as_bool() {
        _ if id.contains(&format!("/{item}-key-mismatch")) => KeyState::Mismatch,
        Some(true) => KeyState::Present,
        None if item.is_kubeconfig() || name_says_present => KeyState::Present,
        Some(false) | None => KeyState::Absent,
    };
    let certificate = match (entry["present"].as_bool(), entry["readable"].as_bool()) {
        (Some(false), _) => CertificateState::Missing,
        (_, Some(false)) => CertificateState::Unreadable { reason: "as the case says".into() },
        (_, _) => CertificateState::Readable(Box::new(read(entry, item, before)?)),
    };
    Ok(ItemState { certificate, key })
}

fn read(entry: &Value, item: Item, before: Option<ItemState>) -> Result<ReadCertificate, String> {
    let (mut facts, mut kubeconfig) = match before.map(|state| state.certificate) {
        Some(CertificateState::Readable(before)) => (before.facts, before.kubeconfig),
        _ => (None, None),
    };
    let (not_before, not_after) = (parsed(entry, "not_before")?, parsed(entry, "not_after")?);
    if let Some(facts) = &mut facts {
        (facts.not_before, facts.not_after) = (not_before, not_after);
    }
    let signed_by_local_ca = entry["signed_by_local_ca"].as_bool().unwrap_or(true);
    // A kubeconfig of another authority trusts that one.
    if let Some(file) = &mut kubeconfig {
        file.trusts_ca = signed_by_local_ca;
    }
    Ok(ReadCertificate {
        not_before,
        not_after,
        certificates: entry["certificates"].as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or(1),
        is_ca: entry["is_ca"].as_bool().unwrap_or(item.is_authority()),
        signed_by_local_ca,
        facts,
        kubeconfig,
    })
}

/// Of a bundle the state tells the first certificate; that a leaf was signed by the second, whose key is on disk, shows in that it is
/// older than the first.
fn new_authority_first(pki: &mut Pki) {
    let bundle = pki.readable(Item::Ca).filter(|ca| ca.certificates > 1).map(|ca| ca.not_before);
    let Some(start) = bundle else { return };
    let mut newer = false;
    for (item, state) in &mut pki.items {
        if let (Some(Item::Ca), CertificateState::Readable(leaf)) = (item.authority(), &mut state.certificate)
            && leaf.not_before < start
        {
            leaf.signed_by_local_ca = false;
            newer = true;
        }
    }
    if let Some(ca) = pki.items.get_mut(&Item::Ca).filter(|ca| newer && ca.key == KeyState::Present) {
        ca.key = KeyState::Mismatch;
    }
}

/// "Files not listed: present, valid now, signed by their CA": as 1.31 makes them, on ECDSA keys and thirty days old.
pub(super) fn usual(now: Timestamp) -> Result<Pki, String> {
    let config = Config {
        node_name: "node-a".into(),
        advertise_address: "192.0.2.10".into(),
        encryption_algorithm: Some("ECDSA-P256".into()),
        ..Config::default()
    };
    let begin = now - SignedDuration::from_hours(30 * 24);
    let mut pki = init::forecast(&config, &Pki::default(), Umask::default(), at_minor(31)?, begin).pki;
    for state in pki.items.values_mut() {
        if let CertificateState::Readable(made) = &mut state.certificate {
            made.not_before = begin;
            if let Some(facts) = &mut made.facts {
                facts.not_before = begin;
            }
        }
    }
    Ok(pki)
}

pub(super) fn old_facts(pki: &mut Pki, input: &Value) -> Result<(), String> {
    // Only the scenario's name tells that the kubeconfig has the whole bundle in it.
    let bundle = input["id"].as_str().is_some_and(|id| id.ends_with("/kubeconfig-ca-data-bundle"));
    let certificates = pki.readable(Item::Ca).map_or(1, |ca| ca.certificates);
    for (item, state) in &mut pki.items {
        let CertificateState::Readable(found) = &mut state.certificate else { continue };
        if let Some(given) = input["before"].get(item.name()) {
            found.facts = Some(facts(given, found)?);
        }
        if let (true, Some(file)) = (bundle, &mut found.kubeconfig) {
            (file.ca_certificates, file.ca_is_ca_crt) = (certificates, true);
        }
    }
    Ok(())
}

fn facts(given: &Value, found: &ReadCertificate) -> Result<CertificateFacts, String> {
    let types = given["subject_string_types"].as_array().cloned().unwrap_or_default();
    let list = |field: &str| given[field].as_array().cloned().unwrap_or_default();
    let constraints = &given["basic_constraints"];
    let constraints = constraints["ca"].as_bool().map(|ca| BasicConstraints {
        ca,
        path_length: constraints["path_length"].as_u64().and_then(|length| u32::try_from(length).ok()),
        critical: constraints["critical"].as_bool().unwrap_or(false),
    });
    Ok(CertificateFacts {
        subject: name(&list("subject"), &types)?,
        issuer: name(&list("issuer"), &[])?,
        not_before: found.not_before,
        not_after: found.not_after,
        public_key: parsed(given, "public_key")?,
        signature_algorithm: given["signature_algorithm"].as_str().unwrap_or_default().to_owned(),
        san: from_texts::<San>(&list("san"))?,
        key_usage: list("key_usage")
            .into_iter()
            .map(serde_json::from_value::<KeyUsage>)
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string())?,
        ext_key_usage: from_texts::<ExtKeyUsage>(&list("ext_key_usage"))?,
        basic_constraints: constraints,
        subject_key_id: None,
        authority_key_id: AuthorityKeyId::OfIssuer,
        extensions: from_texts::<Extension>(&list("extensions_in_order"))?,
    })
}

fn from_texts<T: std::str::FromStr>(list: &[Value]) -> Result<Vec<T>, String> {
    list.iter().map(|value| value.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| format!("cannot read {value}"))).collect()
}

fn name(rdns: &[Value], types: &[Value]) -> Result<Vec<Rdn>, String> {
    let mut types = types.iter();
    let mut names = Vec::new();
    for rdn in rdns {
        let mut attributes = Vec::new();
        for text in rdn.as_str().unwrap_or_default().split('+') {
            let (kind, value) = text.split_once('=').ok_or_else(|| format!("cannot read the name {rdn}"))?;
            let mut attribute = Attribute::new(kind, value);
            if let Some(string_type) = types.next() {
                attribute.string_type = serde_json::from_value(string_type.clone()).map_err(|error| error.to_string())?;
            }
            attributes.push(attribute);
        }
        names.push(Rdn { attributes });
    }
    Ok(names)
}
