//! What the extensions say. One that cannot be read is a problem, and hides no other.

use std::borrow::Cow;
use std::collections::HashSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use x509_parser::asn1_rs::{FromDer as _, Oid};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{DistributionPointName, GeneralName as Parsed, KeyUsage as ParsedUsage, ParsedExtension, X509Extension};

use crate::name::{Name, escaped};
use crate::octets::{address, hex};
use crate::oid::dotted;

/// The extensions that are understood, and the names of all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Extensions {
    /// What the key may be used for.
    pub key_usage: Option<KeyUsage>,
    /// For whom: `serverAuth`, `clientAuth`, a number where it has no name; in the order of the certificate.
    pub ext_key_usage: Option<Vec<String>>,
    /// Whether it may sign others.
    pub basic_constraints: Option<BasicConstraints>,
    /// The names that it stands for, in the order of the certificate.
    pub subject_alt_name: Option<Vec<GeneralName>>,
    /// The name of its own key, hex.
    pub subject_key_id: Option<String>,
    /// The name of the key that signed it.
    pub authority_key_id: Option<AuthorityKeyId>,
    /// Where its issuer's certificate is.
    pub issuer_uris: Vec<String>,
    /// Who answers whether it was revoked.
    pub ocsp_uris: Vec<String>,
    /// Where lists of revoked certificates are.
    pub crl_uris: Vec<String>,
    /// Whether a server has to staple an answer about revocation (RFC 7633).
    pub ocsp_must_staple: bool,
    /// Every extension, in the order of the certificate.
    pub all: Vec<Extension>,
}

/// An extension, understood or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Extension {
    /// Dotted.
    pub oid: Cow<'static, str>,
    /// Whether somebody who does not know it has to refuse the certificate.
    pub critical: bool,
    /// Its contents.
    #[serde(skip)]
    pub value: Vec<u8>,
}

/// What the key may be used for, in RFC 5280's words and order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct KeyUsage {
    /// `digitalSignature`, `keyEncipherment`, `keyCertSign`, …
    pub names: Vec<&'static str>,
}

/// Whether it may sign others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BasicConstraints {
    /// Whether it is a CA.
    pub ca: bool,
    /// How many CAs may stand below it.
    pub path_length: Option<u32>,
}

/// The name of the key that signed a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorityKeyId {
    /// The issuer's [`Extensions::subject_key_id`], hex.
    pub key_id: Option<String>,
    /// The issuer's own issuer.
    pub issuer: Vec<GeneralName>,
    /// The issuer's serial number, hex.
    pub serial: Option<String>,
}

/// A name that a certificate stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum GeneralName {
    /// A DNS name, as it stands there.
    Dns {
        /// The name.
        name: String,
    },
    /// An address.
    Ip {
        /// The address.
        address: IpAddr,
    },
    /// An electronic mail address.
    Email {
        /// The address.
        address: String,
    },
    /// A URI.
    Uri {
        /// The URI.
        uri: String,
    },
    /// A distinguished name.
    Directory {
        /// The name.
        name: Name,
    },
    /// A number that somebody registered.
    Registered {
        /// The number.
        oid: String,
    },
    /// A name of a kind of its own.
    Other {
        /// The kind, dotted.
        oid: String,
    },
    /// A name that cannot be read, or is of a kind that nobody uses (X.400, EDI).
    Unread {
        /// The number of its kind in RFC 5280.
        tag: u32,
    },
}

/// What is wrong in an extension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "problem")]
#[non_exhaustive]
pub enum ExtensionProblem {
    /// An extension stands there twice; the first is the one that counts here, and Go refuses the certificate.
    #[error("the extension {oid} stands there twice: Go refuses such a certificate; make it again")]
    Duplicate {
        /// Which, dotted.
        oid: String,
    },
    /// The contents are not what they should be.
    #[error("the extension {oid} cannot be read: {detail}; make the certificate again")]
    Unreadable {
        /// Which, dotted.
        oid: String,
        /// What the parser met.
        detail: String,
    },
    /// An address of another length than 4 or 16 bytes.
    #[error("an IP address of {bytes} bytes among the names: 4 or 16 are right; Go refuses such a certificate")]
    AddressLength {
        /// How many it has.
        bytes: usize,
    },
    /// A name of a kind of its own whose value is not wrapped as it has to be; Go passes over such names.
    #[error("the value of the name of kind {oid} is not wrapped in [0]: Go passes over it, others refuse the certificate; make it again")]
    OtherNameMalformed {
        /// The kind, dotted.
        oid: String,
    },
    /// A name that is no text.
    #[error("a name of kind {tag} that is no text: Go refuses such a certificate; make it again")]
    NameNotText {
        /// The number of its kind in RFC 5280.
        tag: u32,
    },
}

impl Extensions {
    pub(super) fn read(certificate: &X509Certificate<'_>, problems: &mut Vec<ExtensionProblem>) -> Self {
        let all = certificate.extensions();
        let mut read = Self { all: Vec::with_capacity(all.len()), ..Self::default() };
        let mut seen = HashSet::with_capacity(all.len());
        for extension in all {
            let oid = dotted(&extension.oid);
            if seen.insert(extension.oid.as_bytes()) {
                read.take(extension, &oid, problems);
            } else {
                problems.push(ExtensionProblem::Duplicate { oid: oid.clone().into_owned() });
            }
            read.all.push(Extension { oid, critical: extension.critical, value: extension.value.to_vec() });
        }
        read
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the parser's own list, of which the rest says nothing here")]
    fn take(&mut self, extension: &X509Extension<'_>, oid: &str, problems: &mut Vec<ExtensionProblem>) {
        match extension.parsed_extension() {
            ParsedExtension::KeyUsage(usage) => self.key_usage = Some(key_usage(*usage)),
            ParsedExtension::ExtendedKeyUsage(_) => {
                let usages = ext_key_usage(extension.value);
                if usages.is_empty() {
                    problems.push(ExtensionProblem::Unreadable {
                        oid: oid.to_owned(),
                        detail: "it is empty, RFC 5280 wants one usage or more".to_owned(),
                    });
                }
                self.ext_key_usage = Some(usages);
            }
            ParsedExtension::BasicConstraints(constraints) => {
                self.basic_constraints = Some(BasicConstraints { ca: constraints.ca, path_length: constraints.path_len_constraint });
            }
            ParsedExtension::SubjectAlternativeName(names) => {
                self.subject_alt_name = Some(names.general_names.iter().map(|name| GeneralName::read(name, problems)).collect());
            }
            ParsedExtension::SubjectKeyIdentifier(id) => self.subject_key_id = Some(hex(id.0)),
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                let issuer = id.authority_cert_issuer.iter().flatten().map(|name| GeneralName::read(name, problems)).collect();
                self.authority_key_id = Some(AuthorityKeyId {
                    key_id: id.key_identifier.as_ref().map(|id| hex(id.0)),
                    issuer,
                    serial: id.authority_cert_serial.map(hex),
                });
            }
            ParsedExtension::AuthorityInfoAccess(access) => {
                for description in &access.accessdescs {
                    let Parsed::URI(uri) = description.access_location else { continue };
                    match description.access_method.to_id_string().as_str() {
                        "1.3.6.1.5.5.7.48.1" => self.ocsp_uris.push(escaped(uri).into_owned()),
                        "1.3.6.1.5.5.7.48.2" => self.issuer_uris.push(escaped(uri).into_owned()),
                        _ => {}
                    }
                }
            }
            ParsedExtension::CRLDistributionPoints(points) => {
                for point in &points.points {
                    let Some(DistributionPointName::FullName(names)) = &point.distribution_point else { continue };
                    self.crl_uris
                        .extend(names.iter().filter_map(|name| if let Parsed::URI(uri) = name { Some(escaped(uri).into_owned()) } else { None }));
                }
            }
            ParsedExtension::ParseError { error } => problems.push(ExtensionProblem::Unreadable { oid: oid.to_owned(), detail: error.to_string() }),
            _ if oid == "1.3.6.1.5.5.7.1.24" => self.ocsp_must_staple = extension.value.windows(3).any(|feature| feature == [0x02, 0x01, 0x05]),
            _ => {}
        }
    }

    /// Whether a key is made for this use: `serverAuth`, `clientAuth`. Without the extension it is for all.
    #[must_use]
    pub fn allows(&self, usage: &str) -> bool {
        self.ext_key_usage.as_ref().is_none_or(|usages| usages.iter().any(|allowed| allowed == usage || allowed == "anyExtendedKeyUsage"))
    }
}

impl GeneralName {
    fn read(name: &Parsed<'_>, problems: &mut Vec<ExtensionProblem>) -> Self {
        match name {
            Parsed::DNSName(name) => Self::Dns { name: (*name).to_owned() },
            Parsed::RFC822Name(address) => Self::Email { address: (*address).to_owned() },
            Parsed::URI(uri) => Self::Uri { uri: (*uri).to_owned() },
            Parsed::DirectoryName(name) => Self::Directory { name: Name::read(name) },
            Parsed::RegisteredID(oid) => Self::Registered { oid: oid.to_id_string() },
            Parsed::OtherName(oid, value) => {
                let oid = oid.to_id_string();
                if value.first() != Some(&0xA0) {
                    problems.push(ExtensionProblem::OtherNameMalformed { oid: oid.clone() });
                }
                Self::Other { oid }
            }
            Parsed::IPAddress(bytes) => address(bytes).map_or_else(
                || {
                    problems.push(ExtensionProblem::AddressLength { bytes: bytes.len() });
                    Self::Unread { tag: 7 }
                },
                |address| Self::Ip { address },
            ),
            Parsed::X400Address(_) => Self::Unread { tag: 3 },
            Parsed::EDIPartyName(_) => Self::Unread { tag: 5 },
            Parsed::Invalid(tag, _) => {
                problems.push(ExtensionProblem::NameNotText { tag: tag.0 });
                Self::Unread { tag: tag.0 }
            }
        }
    }
}

fn key_usage(usage: ParsedUsage) -> KeyUsage {
    let all = [
        (usage.digital_signature(), "digitalSignature"),
        (usage.non_repudiation(), "contentCommitment"),
        (usage.key_encipherment(), "keyEncipherment"),
        (usage.data_encipherment(), "dataEncipherment"),
        (usage.key_agreement(), "keyAgreement"),
        (usage.key_cert_sign(), "keyCertSign"),
        (usage.crl_sign(), "cRLSign"),
        (usage.encipher_only(), "encipherOnly"),
        (usage.decipher_only(), "decipherOnly"),
    ];
    KeyUsage { names: all.into_iter().filter_map(|(set, name)| set.then_some(name)).collect() }
}

/// In the order of the certificate, as the bytes have it: the parser keeps only which are there.
fn ext_key_usage(value: &[u8]) -> Vec<String> {
    let usages = Vec::<Oid<'_>>::from_der(value).map(|(_, usages)| usages).unwrap_or_default();
    usages.iter().map(|usage| usage_name(usage).into_owned()).collect()
}

/// Extended key usages by RFC 5280's names.
pub(super) const USAGES: [(&str, &str); 7] = [
    ("serverAuth", "1.3.6.1.5.5.7.3.1"),
    ("clientAuth", "1.3.6.1.5.5.7.3.2"),
    ("anyExtendedKeyUsage", "2.5.29.37.0"),
    ("codeSigning", "1.3.6.1.5.5.7.3.3"),
    ("emailProtection", "1.3.6.1.5.5.7.3.4"),
    ("timeStamping", "1.3.6.1.5.5.7.3.8"),
    ("OCSPSigning", "1.3.6.1.5.5.7.3.9"),
];

fn usage_name(usage: &Oid<'_>) -> Cow<'static, str> {
    let oid = dotted(usage);
    USAGES.iter().find(|(_, known)| *known == oid).map_or(oid, |(name, _)| Cow::Borrowed(*name))
}
