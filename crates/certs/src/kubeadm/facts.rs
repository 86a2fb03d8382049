//! What is known of one certificate, as plain data: what kubeadm would write, or what was read from a file.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::name::escaped;

/// The facts of a certificate that kubeadm's renewal keeps, changes or loses. No key material.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateFacts {
    /// The subject, in the order of the certificate.
    pub subject: Vec<Rdn>,
    /// The issuer, in the order of the certificate.
    pub issuer: Vec<Rdn>,
    /// First second of validity.
    pub not_before: Timestamp,
    /// Last second of validity.
    pub not_after: Timestamp,
    /// The algorithm and size of its own key.
    pub public_key: KeyKind,
    /// How the issuer signed it, in Go's words: `SHA256-RSA`, `ECDSA-SHA256`, …
    pub signature_algorithm: String,
    /// Subject alternative names in order; empty where there is no such extension.
    pub san: Vec<San>,
    /// Key usages, in the order of their bits.
    pub key_usage: Vec<KeyUsage>,
    /// Extended key usages in order; empty where there is no such extension.
    pub ext_key_usage: Vec<ExtKeyUsage>,
    /// Basic constraints, where there are any.
    pub basic_constraints: Option<BasicConstraints>,
    /// How the subject key identifier was computed, where there is one.
    pub subject_key_id: Option<KeyIdKind>,
    /// Whether the authority key identifier is the subject key identifier of the issuer.
    pub authority_key_id: AuthorityKeyId,
    /// The extensions in order.
    pub extensions: Vec<Extension>,
}

impl CertificateFacts {
    /// The last common name, as Go's `pkix.Name` keeps it; `None` where there is none or it is empty.
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        let names = self.attributes().filter(|attribute| attribute.kind == "CN");
        names.last().map(|attribute| attribute.value.as_str()).filter(|name| !name.is_empty())
    }

    /// Every organization, in order.
    pub fn organizations(&self) -> impl Iterator<Item = &str> {
        self.attributes().filter(|attribute| attribute.kind == "O").map(|attribute| attribute.value.as_str())
    }

    /// The subject as RFC 4514 writes it, for people: the last one first, with what could deceive escaped.
    #[must_use]
    pub fn subject_text(&self) -> String {
        rfc4514(&self.subject)
    }

    /// The issuer, likewise.
    #[must_use]
    pub fn issuer_text(&self) -> String {
        rfc4514(&self.issuer)
    }

    fn attributes(&self) -> impl Iterator<Item = &Attribute> {
        self.subject.iter().flat_map(|rdn| &rdn.attributes)
    }

    /// Whether the certificate may sign others.
    #[must_use]
    pub fn is_ca(&self) -> bool {
        self.basic_constraints.is_some_and(|constraints| constraints.ca)
    }
}

fn rfc4514(name: &[Rdn]) -> String {
    let attribute = |attribute: &Attribute| format!("{}={}", attribute.kind, escaped(&attribute.value));
    let rdn = |rdn: &Rdn| rdn.attributes.iter().map(attribute).collect::<Vec<_>>().join("+");
    name.iter().rev().map(rdn).collect::<Vec<_>>().join(",")
}

/// One relative distinguished name; more than one attribute where it is multi-valued. Displays as `O=zeta+O=alpha`, unescaped: compare,
/// do not parse it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rdn {
    /// The attributes, in the order of their encoding.
    pub attributes: Vec<Attribute>,
}

impl Rdn {
    /// A name with one attribute, its string type chosen as Go chooses it.
    #[must_use]
    pub fn new(kind: &str, value: &str) -> Self {
        Self { attributes: vec![Attribute::new(kind, value)] }
    }

    /// One name for several values of the same kind, ordered as DER orders a set: by length first, so `zeta` comes before `alpha`.
    #[must_use]
    pub fn set<'a>(kind: &str, values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut attributes: Vec<_> = values.into_iter().map(|value| Attribute::new(kind, value)).collect();
        attributes.sort_by(|a, b| a.der_order().cmp(&b.der_order()));
        Self { attributes }
    }
}

impl fmt::Display for Rdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, attribute) in self.attributes.iter().enumerate() {
            let plus = if index == 0 { "" } else { "+" };
            write!(f, "{plus}{}={}", attribute.kind, attribute.value)?;
        }
        Ok(())
    }
}

/// One attribute of a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attribute {
    /// `CN`, `O`, … or a dotted object identifier.
    pub kind: String,
    /// The text.
    pub value: String,
    /// How the text is encoded.
    pub string_type: StringType,
}

impl Attribute {
    /// An attribute as Go writes it: a `PrintableString` where every character allows it, else a `UTF8String`.
    ///
    /// Go counts `*` and `&` as not printable here, and `_` and `@` never were.
    #[must_use]
    pub fn new(kind: &str, value: &str) -> Self {
        let printable = |c: char| c.is_ascii_alphanumeric() || " '()+,-./:=?".contains(c);
        let string_type = if value.chars().all(printable) { StringType::PrintableString } else { StringType::Utf8String };
        Self { kind: kind.to_owned(), value: value.to_owned(), string_type }
    }

    /// Sorts as the encodings of two attributes of the same kind do: length, then tag, then bytes.
    fn der_order(&self) -> (usize, u8, &[u8]) {
        let tag = match self.string_type {
            StringType::Utf8String => 12,
            StringType::PrintableString => 19,
            StringType::TeletexString => 20,
            StringType::Ia5String => 22,
            StringType::UniversalString => 28,
            StringType::BmpString | StringType::Other => 30,
        };
        (self.value.len(), tag, self.value.as_bytes())
    }
}

/// The string types of X.509 names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StringType {
    /// `PrintableString`, what Go writes for plain text.
    PrintableString,
    /// `UTF8String`, what most other tools write.
    #[serde(rename = "UTF8String")]
    Utf8String,
    /// `IA5String`, for mail addresses.
    #[serde(rename = "IA5String")]
    Ia5String,
    /// `TeletexString` (T61).
    TeletexString,
    /// `BMPString`.
    #[serde(rename = "BMPString")]
    BmpString,
    /// `UniversalString`.
    UniversalString,
    /// Anything else.
    Other,
}

/// Basic constraints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BasicConstraints {
    /// Whether it may sign certificates.
    pub ca: bool,
    /// How many more authorities may follow; kubeadm sets none.
    pub path_length: Option<u32>,
    /// Whether the extension is critical.
    pub critical: bool,
}

/// How a subject key identifier was made out of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KeyIdKind {
    /// SHA-1 of the key, as Go did up to 1.24.
    Sha1,
    /// The first twenty bytes of SHA-256 of the key, as Go does since 1.25.
    Sha256Truncated,
    /// Made some other way.
    Other,
}

/// The authority key identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AuthorityKeyId {
    /// None.
    Absent,
    /// The subject key identifier of the issuer.
    OfIssuer,
    /// Something else.
    Other,
}

/// Reads and writes a type as its text in serde.
macro_rules! as_text {
    ($type:ty, $what:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(|_| serde::de::Error::custom(format!(concat!("{:?} is no ", $what), text)))
            }
        }
    };
}

/// The algorithm and size of a key: `RSA-2048`, `ECDSA-P256`, `Ed25519`, …
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// RSA with a modulus of so many bits.
    Rsa(u32),
    /// NIST P-256.
    EcdsaP256,
    /// NIST P-384.
    EcdsaP384,
    /// NIST P-521.
    EcdsaP521,
    /// Ed25519; kubeadm loads no such key.
    Ed25519,
    /// Anything else, by name.
    Other(String),
}

impl KeyKind {
    /// The label of the PEM block that kubeadm writes such a key in: PKCS#1 for RSA, SEC 1 for the curves.
    #[must_use]
    pub fn pem_label(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RSA PRIVATE KEY",
            Self::EcdsaP256 | Self::EcdsaP384 | Self::EcdsaP521 => "EC PRIVATE KEY",
            Self::Ed25519 | Self::Other(_) => "PRIVATE KEY",
        }
    }

    /// The signature Go chooses for such a signing key.
    #[must_use]
    pub fn signature_algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "SHA256-RSA",
            Self::EcdsaP256 | Self::Other(_) => "ECDSA-SHA256",
            Self::EcdsaP384 => "ECDSA-SHA384",
            Self::EcdsaP521 => "ECDSA-SHA512",
            Self::Ed25519 => "Ed25519",
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa(bits) => write!(f, "RSA-{bits}"),
            Self::EcdsaP256 => f.write_str("ECDSA-P256"),
            Self::EcdsaP384 => f.write_str("ECDSA-P384"),
            Self::EcdsaP521 => f.write_str("ECDSA-P521"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Other(name) => f.write_str(name),
        }
    }
}

impl FromStr for KeyKind {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bits = text.strip_prefix("RSA-").and_then(|bits| bits.parse().ok());
        Ok(match (bits, text) {
            (Some(bits), _) => Self::Rsa(bits),
            (None, "ECDSA-P256") => Self::EcdsaP256,
            (None, "ECDSA-P384") => Self::EcdsaP384,
            (None, "ECDSA-P521") => Self::EcdsaP521,
            (None, "Ed25519") => Self::Ed25519,
            (None, other) => Self::Other(other.to_owned()),
        })
    }
}

as_text!(KeyKind, "key kind");

/// A subject alternative name: `DNS:…`, `IP:…`, `URI:…`, `email:…`, or the name of another kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum San {
    /// A host name.
    Dns(String),
    /// An address; an IPv4 address inside an IPv6 one is the IPv4 address.
    Ip(IpAddr),
    /// A URI; renewal loses it.
    Uri(String),
    /// A mail address; renewal loses it.
    Email(String),
    /// Any other kind; renewal loses it.
    Other(String),
}

impl fmt::Display for San {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => write!(f, "DNS:{name}"),
            Self::Ip(address) => write!(f, "IP:{address}"),
            Self::Uri(uri) => write!(f, "URI:{uri}"),
            Self::Email(address) => write!(f, "email:{address}"),
            Self::Other(name) => f.write_str(name),
        }
    }
}

impl FromStr for San {
    type Err = std::net::AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.split_once(':') {
            Some(("DNS", name)) => Self::Dns(name.to_owned()),
            Some(("IP", address)) => Self::Ip(address.parse::<IpAddr>()?.to_canonical()),
            Some(("URI", uri)) => Self::Uri(uri.to_owned()),
            Some(("email", address)) => Self::Email(address.to_owned()),
            Some(_) | None => Self::Other(text.to_owned()),
        })
    }
}

as_text!(San, "subject alternative name");

/// Declares an enum of named values with an `Other` for the rest.
macro_rules! named {
    ($(#[$doc:meta])* $type:ident, $what:literal, $($(#[$variant_doc:meta])* $variant:ident = $name:literal / $oid:literal),+ $(,)?) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum $type {
            $($(#[$variant_doc])* $variant,)+
            /// Any other, as a dotted object identifier.
            Other(String),
        }

        impl $type {
            /// The value with this object identifier; `Other` where upstream gives it no name.
            #[must_use]
            pub fn from_oid(oid: &str) -> Self {
                match oid {
                    $($oid => Self::$variant,)+
                    other => Self::Other(other.to_owned()),
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$variant => $name,)+
                    Self::Other(oid) => oid,
                })
            }
        }

        impl FromStr for $type {
            type Err = std::convert::Infallible;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Ok(match text {
                    $($name => Self::$variant,)+
                    other => Self::from_oid(other),
                })
            }
        }

        as_text!($type, $what);
    };
}

named!(
    /// An extended key usage. The named ones are those that Go's `crypto/x509` knows; a renewal keeps them in order and drops the rest.
    ExtKeyUsage,
    "extended key usage",
    /// Any.
    Any = "anyExtendedKeyUsage" / "2.5.29.37.0",
    /// A TLS server.
    ServerAuth = "serverAuth" / "1.3.6.1.5.5.7.3.1",
    /// A TLS client.
    ClientAuth = "clientAuth" / "1.3.6.1.5.5.7.3.2",
    /// Code signing.
    CodeSigning = "codeSigning" / "1.3.6.1.5.5.7.3.3",
    /// Mail.
    EmailProtection = "emailProtection" / "1.3.6.1.5.5.7.3.4",
    /// `IPsec` end system.
    IpsecEndSystem = "ipsecEndSystem" / "1.3.6.1.5.5.7.3.5",
    /// `IPsec` tunnel.
    IpsecTunnel = "ipsecTunnel" / "1.3.6.1.5.5.7.3.6",
    /// `IPsec` user.
    IpsecUser = "ipsecUser" / "1.3.6.1.5.5.7.3.7",
    /// Time stamping.
    TimeStamping = "timeStamping" / "1.3.6.1.5.5.7.3.8",
    /// OCSP answers.
    OcspSigning = "OCSPSigning" / "1.3.6.1.5.5.7.3.9",
    /// Microsoft server gated crypto.
    MicrosoftServerGatedCrypto = "msSGC" / "1.3.6.1.4.1.311.10.3.3",
    /// Netscape server gated crypto.
    NetscapeServerGatedCrypto = "nsSGC" / "2.16.840.1.113730.4.1",
    /// Microsoft commercial code signing.
    MicrosoftCommercialCodeSigning = "msCodeCom" / "1.3.6.1.4.1.311.2.1.22",
    /// Microsoft kernel code signing.
    MicrosoftKernelCodeSigning = "msKernelCode" / "1.3.6.1.4.1.311.61.1.1",
);

named!(
    /// An extension. The named ones are those that kubeadm's certificates carry; a renewal loses all others.
    Extension,
    "extension",
    /// Key usage.
    KeyUsage = "keyUsage" / "2.5.29.15",
    /// Extended key usage.
    ExtendedKeyUsage = "extendedKeyUsage" / "2.5.29.37",
    /// Basic constraints.
    BasicConstraints = "basicConstraints" / "2.5.29.19",
    /// Subject key identifier.
    SubjectKeyIdentifier = "subjectKeyIdentifier" / "2.5.29.14",
    /// Authority key identifier.
    AuthorityKeyIdentifier = "authorityKeyIdentifier" / "2.5.29.35",
    /// Subject alternative name.
    SubjectAltName = "subjectAltName" / "2.5.29.17",
);

/// A key usage bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KeyUsage {
    /// Signatures in a handshake.
    DigitalSignature,
    /// Non-repudiation, also called content commitment.
    #[serde(alias = "nonRepudiation")]
    ContentCommitment,
    /// RSA key exchange.
    KeyEncipherment,
    /// Direct encipherment of data.
    DataEncipherment,
    /// Key agreement.
    KeyAgreement,
    /// Signing certificates; on kubeadm's authorities.
    KeyCertSign,
    /// Signing revocation lists.
    #[serde(rename = "cRLSign", alias = "crlSign")]
    CrlSign,
    /// Key agreement to encipher only.
    EncipherOnly,
    /// Key agreement to decipher only.
    DecipherOnly,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_organizations_become_one_set_ordered_by_length() {
        assert_eq!(Rdn::set("O", ["custom:group", "second"]).to_string(), "O=second+O=custom:group");
        assert_eq!(Rdn::set("O", ["zeta", "alpha"]).to_string(), "O=zeta+O=alpha");
        assert_eq!(Rdn::set("O", ["b", "a"]).to_string(), "O=a+O=b");
    }

    #[test]
    fn go_writes_a_printable_string_unless_a_character_forbids_it() {
        for (text, expected) in [
            ("system:masters", StringType::PrintableString),
            ("kübe", StringType::Utf8String),
            ("*.x", StringType::Utf8String),
            ("a_b", StringType::Utf8String),
            ("a@b", StringType::Utf8String),
        ] {
            assert_eq!(Attribute::new("CN", text).string_type, expected, "{text}");
        }
    }

    #[test]
    fn texts_read_back() {
        for text in ["RSA-3072", "ECDSA-P384", "Ed25519", "DSA-1024"] {
            assert_eq!(text.parse::<KeyKind>().unwrap().to_string(), text);
        }
        for text in ["DNS:a.b", "IP:::1", "URI:spiffe://a/b", "email:a@b", "RegisteredID"] {
            assert_eq!(text.parse::<San>().unwrap().to_string(), text);
        }
        assert_eq!("IP:::ffff:10.0.0.1".parse::<San>().unwrap().to_string(), "IP:10.0.0.1");
        assert!("IP:x".parse::<San>().is_err());
        assert_eq!(ExtKeyUsage::from_oid("1.3.6.1.5.5.7.3.1"), ExtKeyUsage::ServerAuth);
        assert_eq!("1.2.3".parse::<ExtKeyUsage>().unwrap(), ExtKeyUsage::Other("1.2.3".into()));
    }
}
