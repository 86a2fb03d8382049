//! The certificates that kubeadm makes: from its list, and from an old certificate.

use jiff::{SignedDuration, Timestamp};

use super::config::Config;
use super::facts::{AuthorityKeyId, BasicConstraints, CertificateFacts, ExtKeyUsage, Extension, KeyKind, KeyUsage, Rdn, San};
use super::list::{Item, Spec};
use super::rules::{KubeadmRules, KubeconfigKeys, NotBefore};
use super::san::{AltNames, SanError};

/// What of an authority shows in what it signs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signer<'a> {
    /// Where its own validity starts.
    pub not_before: Timestamp,
    /// The rest of it, where it was read.
    pub facts: Option<&'a CertificateFacts>,
}

/// What is to be signed.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub common_name: String,
    /// In one name, ordered as a set, where there are several.
    pub organizations: Vec<String>,
    pub san: Vec<San>,
    pub ext_key_usage: Vec<ExtKeyUsage>,
    pub key: KeyKind,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
}

/// A new authority. What the signing takes is not much: it comes to the same second.
pub(super) fn authority(spec: &Spec, config: &Config, rules: &KubeadmRules, now: Timestamp) -> CertificateFacts {
    let key = config.key_kind(rules);
    let name = spec.common_name.on(&config.node_name);
    let subject = vec![Rdn::new("CN", &name)];
    let san: Vec<_> = if rules.ca_has_san { vec![San::Dns(name)] } else { Vec::new() };
    let mut extensions = vec![Extension::KeyUsage, Extension::BasicConstraints, Extension::SubjectKeyIdentifier];
    extensions.extend(rules.ca_has_san.then_some(Extension::SubjectAltName));
    CertificateFacts {
        issuer: subject.clone(),
        subject,
        not_before: after(now, -rules.ca_backdate_seconds),
        not_after: after(now, config.validity_seconds(spec.item)),
        signature_algorithm: key.signature_algorithm().to_owned(),
        public_key: key,
        san,
        key_usage: spec.key_usage.clone(),
        ext_key_usage: Vec::new(),
        basic_constraints: Some(BasicConstraints { ca: true, path_length: None, critical: true }),
        subject_key_id: Some(rules.subject_key_id),
        authority_key_id: AuthorityKeyId::Absent,
        extensions,
    }
}

/// What `init phase` asks for.
pub(super) fn wanted(spec: &Spec, config: &Config, signer: Signer<'_>, rules: &KubeadmRules, now: Timestamp) -> Result<Wanted, SanError> {
    let kubeconfig = spec.item.is_kubeconfig();
    let rule = if kubeconfig { rules.kubeconfig_not_before } else { rules.leaf_not_before };
    Ok(Wanted {
        common_name: spec.common_name.on(&config.node_name),
        organizations: spec.organization.map(str::to_owned).into_iter().collect(),
        san: AltNames::of(spec, config)?.to_san(),
        ext_key_usage: spec.ext_key_usage.clone(),
        key: init_key(spec.item, config, rules),
        not_before: not_before(rule, signer, now),
        not_after: after(now, config.validity_seconds(spec.item)),
    })
}

/// The key of what `init phase` makes.
pub(super) fn init_key(item: Item, config: &Config, rules: &KubeadmRules) -> KeyKind {
    match rules.kubeconfig_keys {
        KubeconfigKeys::AlwaysRsa if item.is_kubeconfig() => KeyKind::Rsa(2048),
        KubeconfigKeys::AlwaysRsa | KubeconfigKeys::AsWished => config.key_kind(rules),
    }
}

pub(super) fn not_before(rule: NotBefore, signer: Signer<'_>, now: Timestamp) -> Timestamp {
    match rule {
        NotBefore::OfAuthority => signer.not_before,
        NotBefore::Backdated => after(now, -BACKDATE_SECONDS),
    }
}

/// `CertificateBackdate`, cmd/kubeadm/app/constants/constants.go@v1.31.0.
const BACKDATE_SECONDS: i64 = 300;

/// `now` and so many seconds, at most what can be said.
pub(super) fn after(now: Timestamp, seconds: i64) -> Timestamp {
    let end = if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
    now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(end)
}

/// The certificate that is signed. `None` where nothing but the dates of the authority is known.
///
/// Nothing bounds its end by that of the authority.
pub(super) fn sign(wanted: &Wanted, signer: Signer<'_>, rules: &KubeadmRules) -> Option<CertificateFacts> {
    let ca = signer.facts?;
    let mut subject = Vec::new();
    if !wanted.organizations.is_empty() {
        subject.push(Rdn::set("O", wanted.organizations.iter().map(String::as_str)));
    }
    subject.push(Rdn::new("CN", &wanted.common_name));
    let has_key_id = ca.subject_key_id.is_some();
    let constraints = rules.leaf_basic_constraints.then_some(BasicConstraints { ca: false, path_length: None, critical: true });
    let mut extensions = vec![Extension::KeyUsage, Extension::ExtendedKeyUsage];
    extensions.extend(constraints.is_some().then_some(Extension::BasicConstraints));
    extensions.extend(has_key_id.then_some(Extension::AuthorityKeyIdentifier));
    extensions.extend((!wanted.san.is_empty()).then_some(Extension::SubjectAltName));
    Some(CertificateFacts {
        subject,
        issuer: ca.subject.clone(),
        not_before: wanted.not_before,
        not_after: wanted.not_after,
        public_key: wanted.key.clone(),
        signature_algorithm: ca.public_key.signature_algorithm().to_owned(),
        san: wanted.san.clone(),
        key_usage: vec![KeyUsage::DigitalSignature, KeyUsage::KeyEncipherment],
        ext_key_usage: wanted.ext_key_usage.clone(),
        basic_constraints: constraints,
        subject_key_id: None,
        authority_key_id: if has_key_id { AuthorityKeyId::OfIssuer } else { AuthorityKeyId::Absent },
        extensions,
    })
}
