//! [`Pki`] out of the files of a node, read as kubeadm reads them.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::facts::{Attribute, AuthorityKeyId, BasicConstraints, CertificateFacts, Extension, KeyIdKind, KeyUsage, Rdn, San, StringType};
use super::kubeconfig::KubeconfigFacts;
use super::list::Item;
use super::pki::{CertificateState, ItemState, KeyState, Pki, ReadCertificate};
use crate::certificate::{Certificate, GeneralName};
use crate::key::{KeyAlgorithm, PrivateKey};
use crate::kubeconfig::{Kubeconfig, Layout, Material};
use crate::name;
use crate::octets::hex;
use crate::pem::blocks;
use crate::renew::{SignatureCheck, check_signature};

/// What is there under a path. A path that is not named is missing; so is a directory, and a symbolic link to nowhere.
#[derive(Clone, PartialEq, Eq)]
pub enum FileSeen {
    /// A file with these bytes.
    Contents(Vec<u8>),
    /// A file that could not be read, and why.
    Unreadable(String),
}

impl std::fmt::Debug for FileSeen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Contents(bytes) => write!(f, "Contents({} bytes)", bytes.len()),
            Self::Unreadable(why) => write!(f, "Unreadable({why:?})"),
        }
    }
}

/// The files of a node, by their paths as kubeadm names them ([`Item::files`]).
pub type Files = BTreeMap<String, FileSeen>;

impl Pki {
    /// What kubeadm would find in these files. `certificates_dir` is its `certificatesDir`: `/etc/kubernetes/pki` by default.
    ///
    /// ```
    /// use trimtab_certs::kubeadm::{Item, Pki, observe::{FileSeen, Files}, pki::CertificateState};
    ///
    /// let mut files = Files::new();
    /// files.insert("/etc/kubernetes/pki/ca.crt".to_owned(), FileSeen::Contents(b"no PEM".to_vec()));
    /// let pki = Pki::of_files(&files, "/etc/kubernetes/pki");
    /// assert!(matches!(pki.items[&Item::Ca].certificate, CertificateState::Unreadable { .. }));
    /// assert!(!pki.items.contains_key(&Item::Apiserver));
    /// ```
    #[must_use]
    pub fn of_files(files: &Files, certificates_dir: &str) -> Self {
        let authorities = Item::AUTHORITIES.into_iter().filter_map(|item| Some((item, first_certificate(files, item, certificates_dir)?))).collect();
        let reader = Reader { files, certificates_dir, authorities };
        Self { items: Item::ALL.into_iter().filter_map(|item| Some((item, reader.item(item)?))).collect() }
    }
}

struct Reader<'a> {
    files: &'a Files,
    certificates_dir: &'a str,
    authorities: BTreeMap<Item, Certificate>,
}

impl Reader<'_> {
    /// None where nothing is there.
    fn item(&self, item: Item) -> Option<ItemState> {
        let paths = item.files(self.certificates_dir);
        let seen = |at: usize| paths.get(at).and_then(|path| self.files.get(path));
        let (first, second) = (seen(0), seen(1));
        first.or(second)?;
        Some(if item == Item::Sa {
            key_pair_of_sa(first, second)
        } else if item.is_kubeconfig() {
            self.kubeconfig(item, first)
        } else {
            self.pair(item, first, second)
        })
    }

    fn pair(&self, item: Item, certificate: Option<&FileSeen>, key: Option<&FileSeen>) -> ItemState {
        let (state, spki) = match certificate.map(contents) {
            None => (CertificateState::Missing, None),
            Some(Err(reason)) => (CertificateState::Unreadable { reason }, None),
            Some(Ok(bytes)) => match certificates_as_kubeadm(bytes) {
                Err(reason) => (CertificateState::Unreadable { reason }, None),
                Ok((first, count)) => (CertificateState::Readable(Box::new(self.read(item, &first, count, None))), Some(first.public_key.spki)),
            },
        };
        ItemState { certificate: state, key: key_state(key, spki.as_deref()) }
    }

    fn kubeconfig(&self, item: Item, file: Option<&FileSeen>) -> ItemState {
        let certificate = match file.map(|file| contents(file).and_then(|bytes| self.embedded(item, bytes))) {
            None => CertificateState::Missing,
            Some(Err(reason)) => CertificateState::Unreadable { reason },
            Some(Ok(read)) => CertificateState::Readable(Box::new(read)),
        };
        ItemState { certificate, key: KeyState::Present }
    }

    /// The certificate of the current context's user, which kubeadm wants to be in the file.
    fn embedded(&self, item: Item, bytes: &[u8]) -> Result<ReadCertificate, String> {
        let config = Kubeconfig::read(bytes).map_err(|error| error.to_string())?;
        let (_, cluster, user) = config.current().ok_or_else(|| format!("missing context {}", name::escaped(&config.current_context)))?;
        if !matches!(cluster.certificate_authority, Some(Material::Embedded { .. })) {
            return Err("no embedded server certificate".to_owned());
        }
        let Some(Material::Embedded { contents }) = &user.client_certificate else {
            return Err("no embedded client certificate".to_owned());
        };
        let (first, count) = certificates_as_kubeadm(contents)?;
        let authority = self.authorities.get(&Item::Ca);
        let embedded_authorities: Vec<Vec<u8>> = match &cluster.certificate_authority {
            Some(Material::Embedded { contents }) => certificate_blocks(contents).collect(),
            Some(Material::NotBase64 | Material::File { .. }) | None => Vec::new(),
        };
        let ca_crt: Vec<Vec<u8>> = self.contents(Item::Ca).map(|bytes| certificate_blocks(bytes).collect()).unwrap_or_default();
        let layout = Layout::of(bytes);
        let facts = KubeconfigFacts {
            top_level_keys: layout.top_level_keys,
            clusters: config.clusters.iter().map(|cluster| cluster.name.clone()).collect(),
            contexts: config.contexts.iter().map(|context| context.name.clone()).collect(),
            users: config.users.iter().map(|user| user.name.clone()).collect(),
            current_context: config.current_context.clone(),
            server: cluster.server.clone(),
            user_fields: layout.user_fields.get(&user.name).cloned().unwrap_or_default(),
            ca_certificates: embedded_authorities.len(),
            ca_is_ca_crt: embedded_authorities == ca_crt,
            trusts_ca: authority.is_some_and(|authority| embedded_authorities.iter().any(|der| der == authority.der())),
            has_preferences: layout.has_preferences,
            has_comments: layout.has_comments,
            unknown_keys: layout.unknown_keys,
        };
        Ok(self.read(item, &first, count, Some(facts)))
    }

    fn read(&self, item: Item, certificate: &Certificate, certificates: usize, kubeconfig: Option<KubeconfigFacts>) -> ReadCertificate {
        let authority = if item.is_authority() { Some(certificate) } else { item.authority().and_then(|authority| self.authorities.get(&authority)) };
        ReadCertificate {
            not_before: certificate.not_before,
            not_after: certificate.not_after,
            certificates,
            is_ca: certificate.extensions.basic_constraints.is_some_and(|constraints| constraints.ca),
            signed_by_local_ca: authority.is_some_and(|authority| is_signed_by(certificate, authority)),
            facts: Some(facts(certificate, authority)),
            kubeconfig,
        }
    }

    fn contents(&self, item: Item) -> Option<&[u8]> {
        contents(self.files.get(item.files(self.certificates_dir).first()?)?).ok()
    }
}

/// The signature, and not the name alone: authorities of the same name are common.
fn is_signed_by(certificate: &Certificate, authority: &Certificate) -> bool {
    let signature = check_signature(certificate.der(), &authority.public_key.spki);
    certificate.issuer == authority.subject && matches!(signature, Ok(SignatureCheck::Good { .. } | SignatureCheck::CannotCheck { .. }))
}

fn contents(file: &FileSeen) -> Result<&[u8], String> {
    match file {
        FileSeen::Contents(bytes) => Ok(bytes),
        FileSeen::Unreadable(why) => Err(why.clone()),
    }
}

fn first_certificate(files: &Files, item: Item, certificates_dir: &str) -> Option<Certificate> {
    let bytes = contents(files.get(item.files(certificates_dir).first()?)?).ok()?;
    certificates_as_kubeadm(bytes).ok().map(|(first, _)| first)
}

/// The blocks that Go takes for certificates: by their label, without headers.
fn certificate_blocks(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let seen = blocks(bytes).flatten().filter(|block| block.label == "CERTIFICATE" && !block.headers && block.skipped_by_go.is_none());
    seen.map(|block| block.contents)
}

/// The first certificate and how many there are. One that cannot be read spoils the file.
///
/// Source: `ParseCertsPEM`, `client-go/util/cert/pem.go@v0.37.2`.
fn certificates_as_kubeadm(bytes: &[u8]) -> Result<(Certificate, usize), String> {
    let read: Vec<Certificate> =
        certificate_blocks(bytes).map(|der| Certificate::from_der(&der).map_err(|error| error.to_string())).collect::<Result<_, _>>()?;
    let count = read.len();
    let first = read.into_iter().next().ok_or_else(|| "no certificate in PEM".to_owned())?;
    Ok((first, count))
}

/// kubeadm loads RSA and ECDSA.
fn key_state(key: Option<&FileSeen>, spki: Option<&[u8]>) -> KeyState {
    let unreadable = |reason: String| KeyState::Unreadable { reason };
    let key = match key.map(contents) {
        None => return KeyState::Absent,
        Some(Err(reason)) => return unreadable(reason),
        Some(Ok(bytes)) => PrivateKey::from_pem(bytes),
    };
    match key {
        Err(error) => unreadable(error.to_string()),
        Ok(key) if key.algorithm() == KeyAlgorithm::Ed25519 => unreadable("an Ed25519 key, which kubeadm does not load".to_owned()),
        Ok(key) if spki.is_none_or(|spki| key.matches(spki)) => KeyState::Present,
        Ok(_) => KeyState::Mismatch,
    }
}

fn key_pair_of_sa(public: Option<&FileSeen>, private: Option<&FileSeen>) -> ItemState {
    let public = public.map(|file| contents(file).ok().and_then(|bytes| blocks(bytes).flatten().find(|block| block.label == "PUBLIC KEY")));
    let spki = public.as_ref().and_then(|block| block.as_ref()).map(|block| block.contents.clone());
    let certificate = match public {
        None => CertificateState::Missing,
        Some(_) => CertificateState::Unreadable { reason: "a public key, no certificate".to_owned() },
    };
    ItemState { certificate, key: key_state(private, spki.as_deref()) }
}

/// A certificate as the forecasts take it.
#[must_use]
pub fn facts(certificate: &Certificate, authority: Option<&Certificate>) -> CertificateFacts {
    let extensions = &certificate.extensions;
    CertificateFacts {
        subject: rdns(&certificate.subject),
        issuer: rdns(&certificate.issuer),
        not_before: certificate.not_before,
        not_after: certificate.not_after,
        public_key: infallible(&certificate.public_key.kind.to_string()),
        signature_algorithm: certificate.signature_algorithm.to_string(),
        san: extensions.subject_alt_name.iter().flatten().map(san).collect(),
        key_usage: extensions.key_usage.iter().flat_map(|usage| &usage.names).filter_map(|name| key_usage(name)).collect(),
        ext_key_usage: extensions.ext_key_usage.iter().flatten().map(|usage| infallible(usage)).collect(),
        basic_constraints: extensions.basic_constraints.map(|constraints| BasicConstraints {
            ca: constraints.ca,
            path_length: constraints.path_length,
            critical: extensions.all.iter().any(|extension| extension.oid == "2.5.29.19" && extension.critical),
        }),
        subject_key_id: extensions.subject_key_id.as_deref().map(|id| key_id_kind(id, &certificate.public_key.spki)),
        authority_key_id: match extensions.authority_key_id.as_ref().and_then(|id| id.key_id.as_ref()) {
            None => AuthorityKeyId::Absent,
            Some(id) if authority.is_some_and(|authority| authority.extensions.subject_key_id.as_ref() == Some(id)) => AuthorityKeyId::OfIssuer,
            Some(_) => AuthorityKeyId::Other,
        },
        extensions: extensions.all.iter().map(|extension| Extension::from_oid(&extension.oid)).collect(),
    }
}

fn infallible<T: std::str::FromStr<Err = std::convert::Infallible>>(text: &str) -> T {
    match text.parse() {
        Ok(value) => value,
        Err(never) => match never {},
    }
}

fn rdns(name: &name::Name) -> Vec<Rdn> {
    let attribute = |attribute: &name::Attribute| Attribute {
        kind: attribute.short_name().to_owned(),
        value: attribute.text.clone().unwrap_or_default(),
        string_type: match attribute.string_type {
            Some(name::StringType::PrintableString) => StringType::PrintableString,
            Some(name::StringType::Utf8String) => StringType::Utf8String,
            Some(name::StringType::Ia5String) => StringType::Ia5String,
            Some(name::StringType::TeletexString) => StringType::TeletexString,
            Some(name::StringType::BmpString) => StringType::BmpString,
            Some(name::StringType::UniversalString) => StringType::UniversalString,
            Some(name::StringType::NumericString | name::StringType::VisibleString) | None => StringType::Other,
        },
    };
    name.rdns.iter().map(|rdn| Rdn { attributes: rdn.iter().map(attribute).collect() }).collect()
}

fn san(name: &GeneralName) -> San {
    match name {
        GeneralName::Dns { name } => San::Dns(name.clone()),
        GeneralName::Ip { address } => San::Ip(address.to_canonical()),
        GeneralName::Email { address } => San::Email(address.clone()),
        GeneralName::Uri { uri } => San::Uri(uri.clone()),
        GeneralName::Directory { name } => San::Other(format!("dirName:{name}")),
        GeneralName::Registered { oid } => San::Other(format!("RID:{oid}")),
        GeneralName::Other { oid } => San::Other(format!("otherName:{oid}")),
        GeneralName::Unread { tag } => San::Other(format!("unread:{tag}")),
    }
}

fn key_usage(name: &str) -> Option<KeyUsage> {
    serde_json::from_value(name.into()).ok()
}

fn key_id_kind(id: &str, spki: &[u8]) -> KeyIdKind {
    let Ok((_, info)) = SubjectPublicKeyInfo::from_der(spki) else { return KeyIdKind::Other };
    let is = |hash: &[u8]| hash.get(..20).is_some_and(|first| hex(first) == id);
    let key = &info.subject_public_key.data;
    if is(digest(&SHA1_FOR_LEGACY_USE_ONLY, key).as_ref()) {
        KeyIdKind::Sha1
    } else if is(digest(&SHA256, key).as_ref()) {
        KeyIdKind::Sha256Truncated
    } else {
        KeyIdKind::Other
    }
}
