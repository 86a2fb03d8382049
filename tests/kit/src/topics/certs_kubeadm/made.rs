//! The PKIs that kubeadm makes: their files and the facts of each certificate.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use trimtab_certs::kubeadm::facts::{AuthorityKeyId, CertificateFacts, KeyIdKind, KeyKind, Rdn, StringType};
use trimtab_certs::kubeadm::pki::{CertificateState, ItemState, KeyState, ReadCertificate};
use trimtab_certs::kubeadm::rules::NotBefore;
use trimtab_certs::kubeadm::write::Umask;
use trimtab_certs::kubeadm::{Config, Item, KubeadmRules, Pki, Refusal, init};
use trimtab_core::KubeVersion;

use super::CERTIFICATES_DIR;
use crate::topics::{equal, integer, version};

pub fn pki(input: &Value, expected: &Value) -> Result<(), String> {
    let version = version(input)?;
    match input["op"].as_str() {
        Some("config_api_version") => {
            let api_version = input["api_version"].as_str().ok_or("no api_version")?.to_owned();
            let config = Config { api_version, node_name: "node-a".into(), advertise_address: "192.0.2.10".into(), ..Config::default() };
            let rules = KubeadmRules::at(version);
            let exit_code = config.load(&rules).err().map_or(0, |refusal| refusal.exit_code(&rules));
            equal(&json!(exit_code), &expected["rc"])?;
            equal(&json!(exit_code == 0), &expected["accepted"])
        }
        Some("list_files") => files(&made(input, version)?, expected),
        Some("file_facts") => file(&made(input, version)?, input, version, expected),
        other => Err(format!("unknown op {other:?}")),
    }
}

/// When the PKI of a case is made; its dates are told relative to that.
const START: &str = "2026-11-23T06:00:00Z";

fn start() -> Result<Timestamp, String> {
    START.parse().map_err(|error| format!("{error}"))
}

fn made(input: &Value, version: KubeVersion) -> Result<init::Init, String> {
    let config = config(&input["config"]).map_err(|refusal| refusal.to_string())?;
    let mut existing = Pki::default();
    for entry in input["config"]["pre"].as_array().into_iter().flatten() {
        let item: Item = entry["name"].as_str().unwrap_or_default().parse().map_err(|error| format!("{error}"))?;
        let facts = elsewhere(item, integer(entry, "not_before_minus_signing_s")?, integer(entry, "not_after_minus_signing_s")?)?;
        existing.items.insert(item, ItemState { certificate: readable(&facts), key: KeyState::Present });
    }
    Ok(init::forecast(&config, &existing, Umask::default(), version, start()?))
}

/// Authorities "made elsewhere": by Python's cryptography, which writes a `UTF8String`.
fn elsewhere(item: Item, not_before: i64, not_after: i64) -> Result<CertificateFacts, String> {
    let config = Config { node_name: "node-a".into(), advertise_address: "192.0.2.10".into(), ..Config::default() };
    let init = init::forecast(&config, &Pki::default(), Umask::default(), at_minor(31)?, start()?);
    let mut facts = init.pki.readable(item).and_then(|made| made.facts.clone()).ok_or("no such authority")?;
    for attribute in facts.subject.iter_mut().chain(&mut facts.issuer).flat_map(|rdn| &mut rdn.attributes) {
        attribute.string_type = StringType::Utf8String;
    }
    facts.not_before = start()? + SignedDuration::from_secs(not_before);
    facts.not_after = start()? + SignedDuration::from_secs(not_after);
    Ok(facts)
}

pub(super) fn at_minor(minor: u64) -> Result<KubeVersion, String> {
    KubeVersion::new(minor).map_err(|error| error.to_string())
}

fn readable(facts: &CertificateFacts) -> CertificateState {
    CertificateState::Readable(Box::new(ReadCertificate {
        not_before: facts.not_before,
        not_after: facts.not_after,
        certificates: 1,
        is_ca: facts.is_ca(),
        signed_by_local_ca: true,
        facts: Some(facts.clone()),
        kubeconfig: None,
    }))
}

pub(super) fn config(given: &Value) -> Result<Config, Refusal> {
    let init = json!({
        "apiVersion": given["apiVersion"],
        "localAPIEndpoint": {"advertiseAddress": given["advertiseAddress"]},
        "nodeRegistration": {"name": given["nodeName"]},
    });
    Config::read(&init, &given["cluster"])
}

fn files(init: &init::Init, expected: &Value) -> Result<(), String> {
    for (result, phase) in expected["results"].as_array().into_iter().flatten().zip([&init.certs, &init.kubeconfig]) {
        equal(&json!(phase.exit_code), &result["rc"])?;
        if phase.exit_code == 0 {
            equal(&json!(phase.stdout), &result["stdout"])?;
        }
    }
    let Some(wanted) = expected.get("files") else { return Ok(()) };
    let got = init.files.iter().map(|(path, file)| {
        let mode = file.mode.unwrap_or_else(|| usual_mode(path));
        json!({"path": path, "mode": format!("{mode:o}"), "pem_labels": file.pem_labels})
    });
    equal(&Value::from(got.collect::<Vec<_>>()), wanted)
}

/// The mode of a file that was there before.
pub(super) fn usual_mode(path: &str) -> u32 {
    if path.strip_suffix(".crt").is_some() { 0o644 } else { 0o600 }
}

fn file(init: &init::Init, input: &Value, version: KubeVersion, expected: &Value) -> Result<(), String> {
    let item: Item = input["file"].as_str().unwrap_or_default().parse().map_err(|error| format!("{error}"))?;
    let found = init.pki.readable(item).ok_or_else(|| format!("{item} is not made"))?;
    let facts = found.facts.as_ref().ok_or("nothing is known of it")?;
    let key = init.certs.made.get(&item).or_else(|| init.kubeconfig.made.get(&item)).map_or(&facts.public_key, |made| &made.key);
    equal(&json!(item.files(CERTIFICATES_DIR).first()), &expected["path"])?;
    equal(&json!(found.certificates), &expected["certificates_in_file"])?;
    facts_are(facts, item, expected)?;
    dates_are(facts, start()?, &slack(facts, starts_with_authority(item, version)), expected)?;
    same_start(init, facts, item, version, expected)?;
    let labels = json!([key.pem_label()]);
    match (&found.kubeconfig, expected.get("kubeconfig")) {
        (None, None) => equal(&labels, &expected["key_pem_labels"]),
        (Some(file), Some(expected)) => {
            let got = json!({
                "clusters": file.clusters, "server": file.server, "contexts": file.contexts, "current_context": file.current_context,
                "users": file.users, "user_fields": file.user_fields, "top_level_keys_in_order": file.top_level_keys,
                "ca_data_equals_ca_crt": file.ca_is_ca_crt, "key_pem_labels": labels,
            });
            equal(&got, expected)
        }
        (got, _) => Err(format!("a kubeconfig in one and not in the other: {got:?}")),
    }
}

/// How far dates may be from the forecast, which does not count the making of keys.
pub(super) struct Slack {
    /// Of what is told relative to the file's own time.
    written: i64,
    /// Between both ends of the validity.
    lifetime: i64,
}

/// Since 1.31 both ends of a leaf's validity are reckoned from the start of the command; before, and in new kubeconfigs ever since, one
/// end is the authority's.
pub(super) fn slack(facts: &CertificateFacts, of_authority: bool) -> Slack {
    let large = matches!(facts.public_key, KeyKind::Rsa(bits) if bits > 2048);
    let making_keys = if large { 90 } else { 30 };
    Slack { written: making_keys, lifetime: if of_authority { making_keys } else { 3 } }
}

/// Whether what `init` makes of it starts when its authority does.
fn starts_with_authority(item: Item, version: KubeVersion) -> bool {
    let rules = KubeadmRules::at(version);
    let rule = if item.is_kubeconfig() { rules.kubeconfig_not_before } else { rules.leaf_not_before };
    !item.is_authority() && rule == NotBefore::OfAuthority
}

pub(super) fn dates_are(facts: &CertificateFacts, signing: Timestamp, slack: &Slack, expected: &Value) -> Result<(), String> {
    let lifetime = facts.not_after.duration_since(facts.not_before).as_secs();
    let since = |time: Timestamp| time.duration_since(signing).as_secs();
    for (field, got, slack) in [
        ("lifetime_s", lifetime, slack.lifetime),
        ("not_before_minus_signing_s", since(facts.not_before), slack.written),
        ("not_after_minus_signing_s", since(facts.not_after), slack.written),
    ] {
        let Some(wanted) = expected[field].as_i64() else { continue };
        if (got - wanted).abs() > slack {
            return Err(format!("{field}: expected {wanted}, got {got}"));
        }
    }
    Ok(())
}

/// Whether it starts when its authority does. A leaf that is back-dated as its new authority is may start in the same second or not.
fn same_start(init: &init::Init, facts: &CertificateFacts, item: Item, version: KubeVersion, expected: &Value) -> Result<(), String> {
    let authority = item.authority().unwrap_or(item);
    let start = init.pki.readable(authority).map(|ca| ca.not_before);
    let backdated = !item.is_authority() && !starts_with_authority(item, version);
    if backdated && init.certs.made.contains_key(&authority) {
        return Ok(());
    }
    equal(&json!(start == Some(facts.not_before)), &expected["not_before_equals_issuer_not_before"])
}

/// The fields of a certificate that a case names.
pub(super) fn facts_are(facts: &CertificateFacts, item: Item, expected: &Value) -> Result<(), String> {
    let authority = item.authority().unwrap_or(item);
    let or_null = |list: Value| if list == json!([]) { Value::Null } else { list };
    let written = |name: &[Rdn]| json!(name.iter().map(ToString::to_string).collect::<Vec<_>>());
    let types: Vec<_> = facts.subject.iter().flat_map(|rdn| &rdn.attributes).map(|attribute| attribute.string_type).collect();
    let key_id = match facts.subject_key_id {
        None => Value::Null,
        Some(KeyIdKind::Sha1) => json!("sha1(spk)"),
        Some(KeyIdKind::Sha256Truncated) => json!("sha256(spk)[:20]"),
        Some(KeyIdKind::Other) => json!("other"),
    };
    let authority_key_id = match facts.authority_key_id {
        AuthorityKeyId::Absent => Value::Null,
        AuthorityKeyId::OfIssuer => json!(format!("= SKI of {authority}")),
        AuthorityKeyId::Other => json!("other"),
    };
    let constraints = facts.basic_constraints;
    let constraints = constraints.map(|known| json!({"ca": known.ca, "path_length": known.path_length, "critical": known.critical}));
    let got = json!({
        "subject": written(&facts.subject), "subject_string_types": types, "issuer": written(&facts.issuer),
        "signature_algorithm": facts.signature_algorithm, "public_key": facts.public_key,
        "san": or_null(json!(facts.san)), "key_usage": or_null(json!(facts.key_usage)), "ext_key_usage": or_null(json!(facts.ext_key_usage)),
        "basic_constraints": constraints, "subject_key_id": key_id, "authority_key_id": authority_key_id,
        "extensions_in_order": facts.extensions, "signed_by": authority,
    });
    for (name, got) in got.as_object().into_iter().flatten() {
        if let Some(wanted) = expected.get(name) {
            equal(got, wanted).map_err(|why| format!("{name}: {why}"))?;
        }
    }
    Ok(())
}
