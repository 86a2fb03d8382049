//! Every certificate of files, Secrets and dumps, each with the place where it was found. What cannot be read is an item too and stops nothing.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use memchr::memchr_iter;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::certificate::{Certificate, CertificateError, Found, each_certificate};
use crate::error::Error;
use crate::key::PrivateKey;
use crate::kubeadm::observe::{FileSeen, Files};
use crate::kubeconfig::{Kubeconfig, KubeconfigError, Material, Secret};
use crate::name::escaped;
use crate::pem::find;

/// Where something was found.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// On which node, where more than one is looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// A path, or an object: `Secret kube-system/web-tls`.
    pub source: String,
    /// What of it, where it holds more than one thing: `users[admin].client-certificate-data`, `data[tls.crt]`.
    pub entry: Option<String>,
}

/// What was found somewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Inspected {
    /// Where.
    pub place: Place,
    /// The how manieth of a bundle, from 0.
    pub position: usize,
    /// A certificate, with how it was found, or why there is none.
    pub found: Found,
    /// What is known of the key beside it.
    pub key: KeyBeside,
}

/// Whether the key beside a certificate is its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "key")]
pub enum KeyBeside {
    /// There is none where it was found, as with an authority that others trust.
    None,
    /// It is its own.
    Own,
    /// It is another one's.
    Differs,
    /// It cannot be read.
    Unreadable {
        /// Why; nothing of the key.
        reason: Box<Error>,
    },
    /// It is in a file of its own.
    InFile {
        /// The path, as the kubeconfig has it.
        path: String,
    },
}

/// What a file or an object holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Inspection {
    /// What was found, in order.
    pub items: Vec<Inspected>,
    /// Files that a kubeconfig points to and that are to be read beside it.
    pub references: Vec<Reference>,
    /// What could not be read as a whole.
    pub unread: Vec<Unread>,
}

/// A certificate that a kubeconfig has in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reference {
    /// Where it says so.
    pub place: Place,
    /// The path; a relative one begins at the folder of the kubeconfig.
    pub path: String,
}

/// What could not be read as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unread {
    /// What.
    pub place: Place,
    /// Why.
    pub problem: UnreadProblem,
}

/// Why something could not be read as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "unread")]
#[non_exhaustive]
pub enum UnreadProblem {
    /// No kubeconfig.
    #[error(transparent)]
    Kubeconfig {
        /// Why.
        kubeconfig: KubeconfigError,
    },
    /// No base64 where there should be.
    #[error("no base64; write it again")]
    NotBase64,
    /// No PKCS#12, not with this password, or something in it cannot be read.
    #[cfg(feature = "pkcs12")]
    #[error(transparent)]
    Pkcs12 {
        /// Why; nothing of a password or a key.
        pkcs12: crate::pkcs12::Pkcs12Error,
    },
    /// No dump of objects.
    #[error("no JSON of `kubectl get … -o json`: line {line}, column {column}")]
    NotADump {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
}

impl Inspection {
    /// Looks through a file: a kubeconfig, or PEM and DER with or without keys, as a kubelet keeps both in one.
    ///
    /// ```
    /// use trimtab_certs::inspect::Inspection;
    ///
    /// let file = Inspection::of_file("admin.conf", b"apiVersion: v1\nkind: Config\nusers:\n- {name: a, user: {client-certificate: a.crt}}\n");
    /// assert_eq!(file.references[0].path, "a.crt");
    /// ```
    #[must_use]
    pub fn of_file(path: &str, bytes: &[u8]) -> Self {
        let place = |entry: Option<String>| Place { node: None, source: path.to_owned(), entry };
        if looks_like_a_kubeconfig(bytes) {
            return match Kubeconfig::read(bytes) {
                Ok(config) => Self::of_kubeconfig(path, &config),
                Err(kubeconfig) => {
                    let unread = Unread { place: place(None), problem: UnreadProblem::Kubeconfig { kubeconfig } };
                    Self { unread: vec![unread], ..Self::default() }
                }
            };
        }
        let mut found = Self::default();
        let key = has_key(bytes).then_some(bytes);
        found.add(&place(None), bytes, key);
        found
    }

    /// Looks at a certificate and the key that is in a file of its own.
    #[must_use]
    pub fn of_pair(path: &str, certificate: &[u8], key: &[u8]) -> Self {
        let mut found = Self::default();
        found.add(&Place { node: None, source: path.to_owned(), entry: None }, certificate, Some(key));
        found
    }

    /// Looks through the files of a machine: each certificate with the key of the same name beside it (`apiserver.crt`, `apiserver.key`); files of keys
    /// alone, `.key` and `.pub`, are no findings of their own.
    ///
    /// ```
    /// use trimtab_certs::Inspection;
    /// use trimtab_certs::kubeadm::observe::{FileSeen, Files};
    ///
    /// let file = |path: &str| (path.to_owned(), FileSeen::Contents(b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n".to_vec()));
    /// assert_eq!(Inspection::of_files(&Files::from([file("a.crt"), file("a.key"), file("b.pem")])).items.len(), 2);
    /// ```
    #[must_use]
    pub fn of_files(files: &Files) -> Self {
        let mut found = Self::default();
        for (path, file) in files {
            let FileSeen::Contents(contents) = file else { continue };
            let key = match path.rsplit_once('.') {
                Some((_, "key" | "pub")) => continue,
                Some((stem, "crt")) => files.get(&format!("{stem}.key")),
                Some(_) | None => None,
            };
            found.append(match key {
                Some(FileSeen::Contents(key)) => Self::of_pair(path, contents, key),
                Some(FileSeen::Unreadable(_)) | None => Self::of_file(path, contents),
            });
        }
        found
    }

    /// Looks at every cluster and every user, not only those of the current context.
    #[must_use]
    pub fn of_kubeconfig(path: &str, config: &Kubeconfig) -> Self {
        let mut found = Self::default();
        for cluster in &config.clusters {
            let place = Place::of(path, "clusters", &cluster.name, "certificate-authority-data");
            found.material(place, cluster.certificate_authority.as_ref(), None);
        }
        for user in &config.users {
            let place = Place::of(path, "users", &user.name, "client-certificate-data");
            found.material(place, user.client_certificate.as_ref(), user.client_key.as_ref());
        }
        found
    }

    /// Looks through what `kubectl get secrets,configmaps,validatingwebhookconfigurations,mutatingwebhookconfigurations,apiservices,crds -A -o json`
    /// prints, or through one object: TLS Secrets with their keys, certificates in other Secrets and `ConfigMaps`, and every `caBundle`.
    ///
    /// ```
    /// use trimtab_certs::inspect::Inspection;
    ///
    /// let dump = br#"{"items": [{"kind": "APIService", "metadata": {"name": "v1.x"}, "spec": {"caBundle": "!"}}]}"#;
    /// assert_eq!(Inspection::of_dump("dump.json", dump).unread[0].place.source, "APIService v1.x");
    /// ```
    #[must_use]
    pub fn of_dump(path: &str, json: &[u8]) -> Self {
        let mut found = Self::default();
        match serde_json::from_slice::<Value>(json) {
            Ok(dump) => match dump["items"].as_array() {
                Some(items) => items.iter().for_each(|object| found.object(object)),
                None => found.object(&dump),
            },
            Err(error) => {
                let problem = UnreadProblem::NotADump { line: error.line(), column: error.column() };
                found.unread.push(Unread { place: Place { node: None, source: path.to_owned(), entry: None }, problem });
            }
        }
        found
    }

    /// Adds what another one found.
    pub fn append(&mut self, mut other: Self) {
        self.items.append(&mut other.items);
        self.references.append(&mut other.references);
        self.unread.append(&mut other.unread);
    }

    /// The same, with the node's name at every place.
    ///
    /// ```
    /// use trimtab_certs::Inspection;
    ///
    /// let found = Inspection::of_file("/etc/kubernetes/pki/ca.crt", b"").on_node("node-a");
    /// assert_eq!(found.items[0].place.to_string(), "node-a: /etc/kubernetes/pki/ca.crt");
    /// ```
    #[must_use]
    pub fn on_node(mut self, name: &str) -> Self {
        let items = self.items.iter_mut().map(|item| &mut item.place);
        let references = self.references.iter_mut().map(|reference| &mut reference.place);
        let unread = self.unread.iter_mut().map(|unread| &mut unread.place);
        items.chain(references).chain(unread).for_each(|place| place.node = Some(escaped(name).into_owned()));
        self
    }

    /// The certificates that could be read, with where they were.
    pub fn certificates(&self) -> impl Iterator<Item = (&Inspected, &Certificate)> {
        self.items.iter().filter_map(|item| Some((item, item.found.certificate.as_ref().ok()?)))
    }

    fn material(&mut self, place: Place, material: Option<&Material>, key: Option<&Secret>) {
        match material {
            None => {}
            Some(Material::NotBase64) => self.unread.push(Unread { place, problem: UnreadProblem::NotBase64 }),
            Some(Material::File { path }) => self.references.push(Reference { place, path: path.clone() }),
            Some(Material::Embedded { contents }) => match key {
                Some(Secret::Embedded { contents: key }) => self.add(&place, contents, Some(key)),
                Some(Secret::NotBase64) => self.add(&place, contents, Some(b"")),
                Some(Secret::File { path }) => {
                    let first = self.items.len();
                    self.add(&place, contents, None);
                    if let Some(item) = self.items.get_mut(first) {
                        item.key = KeyBeside::InFile { path: path.clone() };
                    }
                }
                None => self.add(&place, contents, None),
            },
        }
    }

    /// The key is that of the first certificate of a bundle.
    fn add(&mut self, place: &Place, bytes: &[u8], key: Option<&[u8]>) {
        if self.items.is_empty() {
            self.items.reserve_exact(1);
        }
        let mut position = 0;
        each_certificate(bytes, |found| {
            let key = match (&found.certificate, key) {
                (Ok(certificate), Some(key)) if position == 0 => beside(certificate, key),
                (Ok(_) | Err(_), Some(_) | None) => KeyBeside::None,
            };
            self.items.push(Inspected { place: place.clone(), position, found, key });
            position += 1;
        });
    }

    fn object(&mut self, object: &Value) {
        let kind = object["kind"].as_str().unwrap_or_default();
        let source = named(kind, &object["metadata"]);
        let bundle = |entry: String| Place { node: None, source: source.clone(), entry: Some(entry) };
        match kind {
            "Secret" => self.secret(&source, object),
            "ConfigMap" => {
                for (key, text) in object["data"].as_object().into_iter().flatten() {
                    let text = text.as_str().unwrap_or_default().as_bytes();
                    if mentions_a_certificate(text) {
                        self.add(&bundle(format!("data[{}]", escaped(key))), text, None);
                    }
                }
            }
            "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => {
                for webhook in object["webhooks"].as_array().into_iter().flatten() {
                    let entry = format!("webhooks[{}].clientConfig.caBundle", escaped(webhook["name"].as_str().unwrap_or_default()));
                    self.ca_bundle(bundle(entry), &webhook["clientConfig"]["caBundle"]);
                }
            }
            "APIService" => self.ca_bundle(bundle("spec.caBundle".to_owned()), &object["spec"]["caBundle"]),
            "CustomResourceDefinition" => {
                let config = &object["spec"]["conversion"]["webhook"]["clientConfig"];
                self.ca_bundle(bundle("spec.conversion.webhook.clientConfig.caBundle".to_owned()), &config["caBundle"]);
            }
            _ => {}
        }
    }

    fn secret(&mut self, source: &str, secret: &Value) {
        let data = secret["data"].as_object();
        let read = |key: &str| data.and_then(|data| data.get(key)).and_then(Value::as_str).map(|text| STANDARD.decode(text));
        let is_tls = secret["type"] == "kubernetes.io/tls";
        for key in data.into_iter().flat_map(|data| data.keys()) {
            let place = Place { node: None, source: source.to_owned(), entry: Some(format!("data[{}]", escaped(key))) };
            let tls = is_tls && key == "tls.crt";
            match read(key) {
                Some(Ok(contents)) if tls => {
                    let own = read("tls.key").and_then(Result::ok).map(zeroize::Zeroizing::new);
                    self.add(&place, &contents, own.as_ref().map(|key| key.as_slice()));
                }
                Some(Ok(contents)) if mentions_a_certificate(&contents) => self.add(&place, &contents, None),
                Some(Err(_)) if tls => self.unread.push(Unread { place, problem: UnreadProblem::NotBase64 }),
                Some(Ok(_) | Err(_)) | None => {}
            }
        }
    }

    fn ca_bundle(&mut self, place: Place, bundle: &Value) {
        match bundle.as_str().map(|text| STANDARD.decode(text)) {
            None => {}
            Some(Ok(contents)) if contents.is_empty() => {}
            Some(Ok(contents)) => self.add(&place, &contents, None),
            Some(Err(_)) => self.unread.push(Unread { place, problem: UnreadProblem::NotBase64 }),
        }
    }
}

impl Place {
    pub(crate) fn of(path: &str, list: &str, name: &str, field: &str) -> Self {
        Self { node: None, source: path.to_owned(), entry: Some(format!("{list}[{}].{field}", escaped(name))) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(node) = &self.node {
            write!(f, "{node}: ")?;
        }
        match &self.entry {
            Some(entry) => write!(f, "{} {entry}", self.source),
            None => f.write_str(&self.source),
        }
    }
}

/// `Kind namespace/name`, or `Kind name`.
fn named(kind: &str, metadata: &Value) -> String {
    let text = |field: &str| escaped(metadata[field].as_str().unwrap_or_default()).into_owned();
    match text("namespace") {
        namespace if namespace.is_empty() => format!("{kind} {}", text("name")),
        namespace => format!("{kind} {namespace}/{}", text("name")),
    }
}

fn beside(certificate: &Certificate, key: &[u8]) -> KeyBeside {
    match PrivateKey::from_pem(key) {
        Ok(key) if key.matches(&certificate.public_key.spki) => KeyBeside::Own,
        Ok(_) => KeyBeside::Differs,
        Err(reason) => KeyBeside::Unreadable { reason: Box::new(reason) },
    }
}

/// By what stands at the beginning of a line, or within the braces of JSON and of YAML in one piece.
fn looks_like_a_kubeconfig(bytes: &[u8]) -> bool {
    let keys: [&[u8]; 5] = [b"clusters:", b"users:", b"contexts:", b"current-context:", b"kind: Config"];
    // The lines of a certificate begin like this seldom.
    let begins = |line: &[u8]| matches!(line.first(), Some(b'c' | b'u' | b'k')) && keys.iter().any(|key| line.starts_with(key));
    let yaml = begins(bytes) || memchr_iter(b'\n', bytes).any(|end| begins(&bytes[end + 1..]));
    yaml || without_comments(bytes).starts_with(b"{") && find(bytes, b"users").is_some()
}

/// From the first line on that is no comment of YAML.
fn without_comments(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes.trim_ascii_start();
    while rest.starts_with(b"#") {
        let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
        rest = rest.get(end..).unwrap_or_default().trim_ascii_start();
    }
    rest
}

fn has_key(bytes: &[u8]) -> bool {
    find(bytes, b"PRIVATE KEY-----").is_some()
}

fn mentions_a_certificate(bytes: &[u8]) -> bool {
    find(bytes, b"-----BEGIN CERTIFICATE-----").is_some()
}

/// Why an item has no certificate, in one place with what has one.
impl Inspected {
    /// The certificate, or why there is none.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn certificate(&self) -> Result<&Certificate, &CertificateError> {
        self.found.certificate.as_ref()
    }
}

#[cfg(test)]
mod tests;
