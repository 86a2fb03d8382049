//! What was seen of one control-plane node: facts, places and fingerprints, and no private key.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::certificate::{Certificate, certificates};
use crate::key::PrivateKey;
use crate::kubeadm::list::KUBERNETES_DIR;
use crate::kubeadm::observe::{FileSeen, Files};
use crate::kubeadm::pki::KeyState;
use crate::kubeadm::{Item, Pki};
use crate::kubeconfig::{Kubeconfig, Material, Secret, User};
use crate::octets::hex;
use crate::pem::blocks;
use crate::renew::verify::canonical_public_key;
use crate::rotation::PairFile;

/// Where a kubelet keeps its own certificates where nobody says otherwise.
pub(crate) const KUBELET_DIR: &str = "/var/lib/kubelet/pki";

/// One control-plane node, as a plan takes it. Made by `live::observe`, by [`Self::of_files`], or by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeSeen {
    /// The folder that stands for `/etc/kubernetes`.
    pub folder: String,
    /// kubeadm's `certificatesDir`, as kubeadm names it.
    pub certificates_dir: String,
    /// What the certificates, keys and kubeconfigs say.
    pub pki: Pki,
    /// Where each is, and which one it is. An item that is not named is missing.
    pub items: BTreeMap<Item, ItemSeen>,
    /// What the kubelet has as client.
    pub kubelet: KubeletSeen,
    /// What the kubelet shows as server, `kubelet-server-current.pem`; none where nobody looked.
    #[serde(default)]
    pub kubelet_server: Option<KubeletSeen>,
    /// Replacements that were interrupted and not finished yet.
    pub unfinished: Vec<Unfinished>,
}

/// Where an item is, and which one it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemSeen {
    /// The file of the certificate, or the kubeconfig.
    pub certificate: Option<FilePlace>,
    /// The file of the key; none for a kubeconfig.
    pub key: Option<FilePlace>,
    /// SHA-256 of the certificate's DER, the first one of its file; of `sa` that of the public key in `sa.pub`.
    pub certificate_sha256: Option<Fingerprint>,
    /// SHA-256 of the public half of the private key, a `SubjectPublicKeyInfo` in DER.
    pub public_key_sha256: Option<Fingerprint>,
    /// Where certificate and key are kept.
    pub identity: Identity,
    /// The name or address that a kubeconfig wants the API server's certificate to stand for.
    #[serde(default)]
    pub server_name: Option<String>,
}

/// Where certificate and key of an item are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kept")]
pub enum Identity {
    /// In two files of their own.
    Pair,
    /// Both in the kubeconfig, at this user.
    Embedded {
        /// The name of the current context's user.
        user: String,
    },
    /// The kubeconfig points elsewhere.
    Elsewhere {
        /// Which file it names, or what it has instead of a certificate: `token`, `exec`.
        place: String,
    },
    /// The kubeconfig has no certificate with its key.
    Nowhere {
        /// What is wrong with it, for people.
        problem: String,
    },
}

/// A file on the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FilePlace {
    /// Its path.
    pub path: String,
    /// Where it is, if the path is a symbolic link.
    pub target: Option<String>,
    /// Its mode, the twelve lower bits.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

/// What a kubelet has as client or shows as server: `kubelet-client-current.pem`, `kubelet-server-current.pem`, which it renews by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KubeletSeen {
    /// Its path.
    pub path: String,
    /// What is there.
    pub state: KubeletState,
}

/// What is there of a kubelet's `-current.pem`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "state")]
pub enum KubeletState {
    /// Nobody looked, as where the files of `/etc/kubernetes` alone were given.
    NotLookedAt,
    /// Nothing.
    Missing,
    /// A symbolic link to nothing.
    Dangling {
        /// Where it points.
        target: String,
    },
    /// A symbolic link to a certificate with its key, as it should be.
    Link {
        /// Where it points.
        target: String,
        /// First second of validity.
        not_before: Timestamp,
        /// Last second of validity.
        not_after: Timestamp,
        /// SHA-256 of the certificate's DER, the first one of its file.
        #[serde(default)]
        certificate_sha256: Option<Fingerprint>,
    },
    /// A regular file, which stops the kubelet's rotation for good.
    RegularFile,
    /// It cannot be read, or holds no certificate.
    Unreadable {
        /// Why, for people.
        problem: String,
    },
}

/// A replacement that was interrupted: its journal is there still.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unfinished {
    /// What was being replaced.
    pub item: Item,
    /// The journal's path.
    pub journal: String,
}

/// SHA-256 in lower-case hexadecimal. Displays its first sixteen digits; [`Self::as_str`] has all of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Of these bytes.
    ///
    /// ```
    /// use trimtab_certs::renewal::Fingerprint;
    ///
    /// assert_eq!(Fingerprint::of(b"").to_string(), "e3b0c44298fc1c14");
    /// ```
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(hex(digest(&SHA256, bytes).as_ref()))
    }

    /// All 64 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.get(..16).unwrap_or(&self.0))
    }
}

impl NodeSeen {
    /// What these files say. `places` are the same files by the same names, as they lie on the disk; a kubeconfig's key and a key file are
    /// looked at for their public half alone.
    #[must_use]
    pub fn of_files(folder: &str, certificates_dir: &str, files: &Files, places: &BTreeMap<String, FilePlace>, kubelet: KubeletSeen) -> Self {
        let item = |item: Item| Some((item, ItemSeen::of_files(item, &item.files(certificates_dir), files, places)?));
        let mut pki = Pki::of_files(files, certificates_dir);
        for (item, state) in &mut pki.items {
            let file = item.files(certificates_dir).first().and_then(|name| files.get(name));
            if item.is_kubeconfig() && !is_matching_kubeconfig(file) {
                state.key = KeyState::Mismatch;
            }
        }
        Self {
            folder: folder.to_owned(),
            certificates_dir: certificates_dir.to_owned(),
            pki,
            items: Item::ALL.into_iter().filter_map(item).collect(),
            kubelet,
            kubelet_server: None,
            unfinished: Vec::new(),
        }
    }

    /// What these files say where nothing but their contents is known. The kubelet's `-current.pem` may be among them, by their usual paths; whether they
    /// are links nobody sees in contents, and they are taken for such.
    ///
    /// ```
    /// use trimtab_certs::kubeadm::observe::{FileSeen, Files};
    /// use trimtab_certs::renewal::{KubeletState, NodeSeen};
    ///
    /// let files = Files::from([("/etc/kubernetes/pki/ca.crt".to_owned(), FileSeen::Contents(b"no PEM".to_vec()))]);
    /// let seen = NodeSeen::of_contents("/etc/kubernetes/pki", &files);
    /// assert_eq!((seen.items.len(), seen.kubelet.state), (1, KubeletState::NotLookedAt));
    /// ```
    #[must_use]
    pub fn of_contents(certificates_dir: &str, files: &Files) -> Self {
        let kubelet = KubeletSeen::of_contents("kubelet-client", files).unwrap_or_else(|path| KubeletSeen { path, state: KubeletState::NotLookedAt });
        let seen = Self::of_files(KUBERNETES_DIR, certificates_dir, files, &BTreeMap::new(), kubelet);
        Self { kubelet_server: KubeletSeen::of_contents("kubelet-server", files).ok(), ..seen }
    }

    /// Whether it runs a part of a control plane, and is no worker.
    #[must_use]
    pub fn is_control_plane(&self) -> bool {
        let items = [Item::Apiserver, Item::EtcdServer, Item::ControllerManagerConf, Item::SchedulerConf];
        items.into_iter().any(|item| self.pki.has_certificate_file(item))
    }

    /// Whether etcd is somewhere else: nothing of a local one is there. The certificate of its authority, without the key, is there all the same: the API
    /// server has to know whom to believe.
    ///
    /// Source: kubernetes.io, "Creating Highly Available Clusters with kubeadm", "Set up the etcd cluster".
    #[must_use]
    pub fn has_external_etcd(&self) -> bool {
        let local = [Item::EtcdServer, Item::EtcdPeer, Item::EtcdHealthcheckClient];
        let has_authority = self.pki.has_certificate_file(Item::EtcdCa) && *self.pki.key(Item::EtcdCa) != KeyState::Absent;
        !has_authority && !local.into_iter().any(|item| self.pki.has_certificate_file(item))
    }

    /// The paths of an item on the node, certificate first.
    #[must_use]
    pub fn paths(&self, item: Item) -> Vec<String> {
        let seen = self.items.get(&item);
        let places = [seen.and_then(|seen| seen.certificate.as_ref()), seen.and_then(|seen| seen.key.as_ref())];
        let named = item.files(&self.certificates_dir).into_iter();
        named.zip(places).map(|(name, place)| place.map_or(name, |place| place.path.clone())).collect()
    }
}

impl KubeletSeen {
    /// Or the path where it would be.
    fn of_contents(prefix: &str, files: &Files) -> Result<Self, String> {
        let path = format!("{KUBELET_DIR}/{}", PairFile::Current.name(prefix));
        let state = match files.get(&path) {
            None => return Err(path),
            Some(FileSeen::Contents(bytes)) => KubeletState::of_link("", bytes),
            Some(FileSeen::Unreadable(problem)) => KubeletState::Unreadable { problem: problem.clone() },
        };
        Ok(Self { path, state })
    }
}

impl KubeletState {
    /// A link to a file with these contents.
    pub(crate) fn of_link(target: &str, contents: &[u8]) -> Self {
        match first_certificate(contents) {
            Some(certificate) => Self::Link {
                target: target.to_owned(),
                not_before: certificate.not_before,
                not_after: certificate.not_after,
                certificate_sha256: Some(Fingerprint::of(certificate.der())),
            },
            None if target.is_empty() => Self::Unreadable { problem: "there is no certificate in it".to_owned() },
            None => Self::Unreadable { problem: format!("it points to {target}, which has no certificate") },
        }
    }
}

impl ItemSeen {
    fn of_files(item: Item, names: &[String], files: &Files, places: &BTreeMap<String, FilePlace>) -> Option<Self> {
        let seen = |at: usize| names.get(at).and_then(|name| files.get(name));
        let place = |at: usize| names.get(at).and_then(|name| places.get(name)).cloned();
        seen(0).or(seen(1))?;
        let (certificate, key, identity) =
            if item.is_kubeconfig() { of_kubeconfig(seen(0)) } else { (first(seen(0)), of_key(seen(1)), Identity::Pair) };
        let of_certificate = || certificate.map(|certificate| Fingerprint::of(certificate.der()));
        Some(Self {
            certificate: place(0),
            key: place(1),
            certificate_sha256: if item == Item::Sa { of_public_key(seen(0)) } else { of_certificate() },
            public_key_sha256: key,
            identity,
            server_name: if item.is_kubeconfig() { server_name(seen(0)) } else { None },
        })
    }
}

fn contents(file: Option<&FileSeen>) -> Option<&[u8]> {
    match file {
        Some(FileSeen::Contents(bytes)) => Some(bytes),
        Some(FileSeen::Unreadable(_)) | None => None,
    }
}

fn first(file: Option<&FileSeen>) -> Option<Certificate> {
    first_certificate(contents(file)?)
}

/// The first certificate of a text, if it can be read: the one that is used.
pub(crate) fn first_certificate(text: &[u8]) -> Option<Certificate> {
    certificates(text).into_iter().find(|found| found.skipped_by_go.is_none())?.certificate.ok()
}

fn of_key(file: Option<&FileSeen>) -> Option<Fingerprint> {
    PrivateKey::from_pem(contents(file)?).ok().map(|key| Fingerprint::of(key.public_key()))
}

fn of_public_key(file: Option<&FileSeen>) -> Option<Fingerprint> {
    let block = blocks(contents(file)?).flatten().find(|block| block.label == "PUBLIC KEY")?;
    canonical_public_key(&block.contents).map(|key| Fingerprint::of(&key))
}

fn server_name(file: Option<&FileSeen>) -> Option<String> {
    let config = Kubeconfig::read(contents(file)?).ok()?;
    let (_, cluster, _) = config.current()?;
    cluster.server_name().map(str::to_owned)
}

/// Certificate and key in a kubeconfig belong together, as far as both can be read. For kubeadm a kubeconfig's key always does.
fn is_matching_kubeconfig(file: Option<&FileSeen>) -> bool {
    match of_kubeconfig(file) {
        (Some(certificate), Some(key), _) => Fingerprint::of(&certificate.public_key.spki) == key,
        (None, _, _) | (_, None, _) => true,
    }
}

type OfKubeconfig = (Option<Certificate>, Option<Fingerprint>, Identity);

fn of_kubeconfig(file: Option<&FileSeen>) -> OfKubeconfig {
    let Some(Ok(config)) = contents(file).map(Kubeconfig::read) else { return nowhere("the file cannot be read") };
    config.current().map_or_else(|| nowhere("the current context, its cluster or its user is missing"), |(_, _, user)| of_user(user))
}

fn nowhere(problem: &str) -> OfKubeconfig {
    (None, None, Identity::Nowhere { problem: problem.to_owned() })
}

fn of_user(user: &User) -> OfKubeconfig {
    let elsewhere = |place: String| (None, None, Identity::Elsewhere { place });
    match (&user.client_certificate, &user.client_key) {
        (Some(Material::Embedded { contents: certificate }), Some(Secret::Embedded { contents: key })) => {
            let key = PrivateKey::from_pem(key).ok().map(|key| Fingerprint::of(key.public_key()));
            (first_certificate(certificate), key, Identity::Embedded { user: user.name.clone() })
        }
        (Some(Material::File { path }), _) | (_, Some(Secret::File { path })) => elsewhere(path.clone()),
        (Some(Material::NotBase64), _) | (_, Some(Secret::NotBase64)) => nowhere("what is in it is no base64"),
        (Some(_), None) => nowhere("there is no client-key-data"),
        (None, _) if user.other_credentials.is_empty() => nowhere("there is no client certificate"),
        (None, _) => elsewhere(user.other_credentials.join(", ")),
    }
}
