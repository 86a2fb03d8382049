//! What Ansible's `community.crypto.x509_certificate_info` says of a certificate: the same keys and the same forms of values.

mod moment;
mod names;
mod public_key;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{AuthorityInfoAccess, AuthorityKeyIdentifier, GeneralName, SubjectAlternativeName};
use x509_parser::prelude::FromDer;

use super::object_names::long_name;
use super::{Certificate, Serial, fingerprint};
use crate::pem;

pub use moment::point_in_time;
pub use public_key::{Number, PublicKeyData};

/// The facts of `community.crypto.x509_certificate_info`, version 3.0.5, under its names.
///
/// Texts are as they stand in the certificate, nothing is escaped: a playbook compares them. [`Certificate::subject`] is what can be printed.
///
/// DIFFERENCE: the module refuses a certificate in which an extension is twice or cannot be read, or whose key it does not know. Here that extension is
/// missing (`extensions_by_oid` has it all the same), and [`Certificate::problems`] says why. An extension is given as it stands there, where the
/// module writes it anew; a key too, where the module writes RSA-PSS as plain RSA. Of a point on a curve that is written in its short form, `y` is missing. Hash functions are those of [`fingerprints`](super::fingerprints).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "the module's own keys")]
pub struct CertificateInfo {
    /// openssl's long name: `sha256WithRSAEncryption`.
    pub signature_algorithm: String,
    /// By openssl's long names; of several of one type the last.
    pub subject: BTreeMap<String, String>,
    /// In the order of the certificate: name and value.
    pub subject_ordered: Vec<[String; 2]>,
    /// By openssl's long names; of several of one type the last.
    pub issuer: BTreeMap<String, String>,
    /// In the order of the certificate: name and value.
    pub issuer_ordered: Vec<[String; 2]>,
    /// 1 or 3.
    pub version: u8,
    /// openssl's long names, sorted: `Digital Signature`.
    pub key_usage: Option<Vec<String>>,
    /// Whether that extension is critical.
    pub key_usage_critical: bool,
    /// openssl's long names, sorted: `TLS Web Server Authentication`.
    pub extended_key_usage: Option<Vec<String>>,
    /// Whether that extension is critical.
    pub extended_key_usage_critical: bool,
    /// `CA:TRUE`, `pathlen:0`.
    pub basic_constraints: Option<Vec<String>>,
    /// Whether that extension is critical.
    pub basic_constraints_critical: bool,
    /// Whether a server has to staple an answer about revocation.
    pub ocsp_must_staple: Option<bool>,
    /// Whether that extension is critical.
    pub ocsp_must_staple_critical: bool,
    /// `DNS:kubernetes`, `IP:10.96.0.1`, in the order of the certificate.
    pub subject_alt_name: Option<Vec<String>>,
    /// Whether that extension is critical.
    pub subject_alt_name_critical: bool,
    /// `20260101000000Z`.
    pub not_before: String,
    /// `20270101000000Z`.
    pub not_after: String,
    /// Whether its last second was before now.
    pub expired: bool,
    /// PEM.
    pub public_key: String,
    /// `RSA`, `ECC`, `Ed25519`, …
    pub public_key_type: String,
    /// Its numbers.
    pub public_key_data: PublicKeyData,
    /// By the name of the hash function, `ab:cd:…`: those of the key.
    pub public_key_fingerprints: BTreeMap<String, String>,
    /// By the name of the hash function, `ab:cd:…`.
    pub fingerprints: BTreeMap<String, String>,
    /// `ab:cd:…`
    pub subject_key_identifier: Option<String>,
    /// `ab:cd:…`
    pub authority_key_identifier: Option<String>,
    /// In the form of `subject_alt_name`.
    pub authority_cert_issuer: Option<Vec<String>>,
    /// The issuer's own number.
    pub authority_cert_serial_number: Option<Serial>,
    /// Its number.
    pub serial_number: Serial,
    /// Every extension by its number.
    pub extensions_by_oid: BTreeMap<String, ExtensionInfo>,
    /// The first one's.
    pub ocsp_uri: Option<String>,
    /// The first one's.
    pub issuer_uri: Option<String>,
    /// For each name that was asked for, whether it is valid then.
    pub valid_at: BTreeMap<String, bool>,
}

/// One extension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExtensionInfo {
    /// Whether who does not know it has to refuse the certificate.
    pub critical: bool,
    /// base64.
    pub value: String,
}

impl Certificate {
    /// The facts of Ansible's `community.crypto.x509_certificate_info`; `valid_at` are the moments that are asked about, by any names.
    ///
    /// Source: `get_info`, `plugins/module_utils/_crypto/module_backends/certificate_info.py` of `community.crypto` 3.0.5.
    #[must_use]
    pub fn info(&self, now: Timestamp, valid_at: &BTreeMap<String, Timestamp>) -> CertificateInfo {
        let raw = Raw::of(self);
        let (subject_ordered, issuer_ordered) = (names::ordered(&self.subject), names::ordered(&self.issuer));
        let (public_key_type, public_key_data) = public_key::data(&self.public_key);
        let extensions = &self.extensions;
        let authority = extensions.authority_key_id.as_ref();
        CertificateInfo {
            signature_algorithm: long_name(&self.signature_algorithm.oid).to_owned(),
            subject: subject_ordered.iter().map(|[name, value]| (name.clone(), value.clone())).collect(),
            subject_ordered,
            issuer: issuer_ordered.iter().map(|[name, value]| (name.clone(), value.clone())).collect(),
            issuer_ordered,
            version: self.version,
            key_usage: extensions.key_usage.as_ref().map(|usage| names::key_usages(&usage.names)),
            key_usage_critical: extensions.key_usage.is_some() && self.is_critical(KEY_USAGE),
            extended_key_usage: extensions.ext_key_usage.as_deref().map(names::ext_key_usages),
            extended_key_usage_critical: extensions.ext_key_usage.is_some() && self.is_critical(EXT_KEY_USAGE),
            basic_constraints: self.basic_constraints(),
            basic_constraints_critical: extensions.basic_constraints.is_some() && self.is_critical(BASIC_CONSTRAINTS),
            ocsp_must_staple: self.extension(TLS_FEATURE).map(|_| extensions.ocsp_must_staple),
            ocsp_must_staple_critical: self.is_critical(TLS_FEATURE),
            subject_alt_name: raw.alt_names,
            subject_alt_name_critical: extensions.subject_alt_name.is_some() && self.is_critical(SUBJECT_ALT_NAME),
            not_before: raw.not_before,
            not_after: raw.not_after,
            expired: self.not_after < now,
            public_key: pem::encode("PUBLIC KEY", &self.public_key.spki),
            public_key_type,
            public_key_data,
            public_key_fingerprints: fingerprint::fingerprints(&self.public_key.spki),
            fingerprints: fingerprint::fingerprints(&self.der),
            subject_key_identifier: extensions.subject_key_id.as_deref().map(names::with_colons),
            authority_key_identifier: authority.and_then(|id| id.key_id.as_deref()).map(names::with_colons),
            authority_cert_issuer: raw.authority_issuer,
            authority_cert_serial_number: raw.authority_serial,
            serial_number: self.serial.clone(),
            extensions_by_oid: self.extensions_by_oid(),
            ocsp_uri: raw.ocsp_uri,
            issuer_uri: raw.issuer_uri,
            valid_at: valid_at.iter().map(|(name, time)| (name.clone(), self.is_valid_at(*time))).collect(),
        }
    }

    /// The first extension of this number.
    fn extension(&self, oid: &str) -> Option<&super::Extension> {
        self.extensions.all.iter().find(|extension| extension.oid == oid)
    }

    fn is_critical(&self, oid: &str) -> bool {
        self.extension(oid).is_some_and(|extension| extension.critical)
    }

    fn basic_constraints(&self) -> Option<Vec<String>> {
        let constraints = self.extensions.basic_constraints.as_ref()?;
        let ca = if constraints.ca { "CA:TRUE" } else { "CA:FALSE" };
        Some(std::iter::once(ca.to_owned()).chain(constraints.path_length.map(|length| format!("pathlen:{length}"))).collect())
    }

    fn extensions_by_oid(&self) -> BTreeMap<String, ExtensionInfo> {
        let info = |extension: &super::Extension| ExtensionInfo { critical: extension.critical, value: STANDARD.encode(&extension.value) };
        self.extensions.all.iter().map(|extension| (extension.oid.to_string(), info(extension))).collect()
    }
}

const KEY_USAGE: &str = "2.5.29.15";
const SUBJECT_ALT_NAME: &str = "2.5.29.17";
const BASIC_CONSTRAINTS: &str = "2.5.29.19";
const AUTHORITY_KEY_ID: &str = "2.5.29.35";
const EXT_KEY_USAGE: &str = "2.5.29.37";
const AUTHORITY_INFO_ACCESS: &str = "1.3.6.1.5.5.7.1.1";
const TLS_FEATURE: &str = "1.3.6.1.5.5.7.1.24";

/// What [`Certificate`] holds escaped, cut to what jiff can hold, or not at all.
#[derive(Default)]
struct Raw {
    not_before: String,
    not_after: String,
    alt_names: Option<Vec<String>>,
    authority_issuer: Option<Vec<String>>,
    authority_serial: Option<Serial>,
    ocsp_uri: Option<String>,
    issuer_uri: Option<String>,
}

impl Raw {
    fn of(certificate: &Certificate) -> Self {
        // It was read from these bytes once.
        let Ok((_, parsed)) = X509Certificate::from_der(certificate.der()) else { return Self::default() };
        let value = |oid: &str| certificate.extension(oid).map(|extension| extension.value.as_slice());
        let authority = value(AUTHORITY_KEY_ID).and_then(read::<AuthorityKeyIdentifier<'_>>);
        let access = value(AUTHORITY_INFO_ACCESS).and_then(read::<AuthorityInfoAccess<'_>>);
        let listed = |names: &[GeneralName<'_>]| names.iter().map(names::general_name).collect::<Vec<_>>();
        Self {
            not_before: asn1_time(parsed.validity.not_before.timestamp()),
            not_after: asn1_time(parsed.validity.not_after.timestamp()),
            alt_names: value(SUBJECT_ALT_NAME).and_then(read::<SubjectAlternativeName<'_>>).map(|names| listed(&names.general_names)),
            authority_issuer: authority.as_ref().and_then(|id| id.authority_cert_issuer.as_deref()).map(listed),
            authority_serial: authority.as_ref().and_then(|id| id.authority_cert_serial).map(Serial::from_bytes),
            ocsp_uri: access.as_ref().and_then(|access| first_uri(access, "1.3.6.1.5.5.7.48.1")),
            issuer_uri: access.as_ref().and_then(|access| first_uri(access, "1.3.6.1.5.5.7.48.2")),
        }
    }
}

fn read<'a, T: FromDer<'a, x509_parser::error::X509Error>>(der: &'a [u8]) -> Option<T> {
    T::from_der(der).ok().map(|(_, read)| read)
}

fn first_uri(access: &AuthorityInfoAccess<'_>, method: &str) -> Option<String> {
    let mut described = access.accessdescs.iter().filter(|description| description.access_method.to_id_string() == method);
    described.find_map(|description| if let GeneralName::URI(uri) = description.access_location { Some(uri.to_owned()) } else { None })
}

/// `20260101000000Z`, also for the last second of the year 9999, which `Timestamp` does not reach.
fn asn1_time(seconds: i64) -> String {
    let epoch = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
    let time = epoch.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(DateTime::MAX);
    let (date, clock) = (time.date(), time.time());
    let day = format!("{:04}{:02}{:02}", date.year(), date.month(), date.day());
    format!("{day}{:02}{:02}{:02}Z", clock.hour(), clock.minute(), clock.second())
}

#[cfg(test)]
mod tests;
