//! A node to try plans on, without a disk: what kubeadm would have made.

use std::collections::BTreeMap;

use jiff::Timestamp;
use trimtab_core::KubeVersion;

use super::seen::{Fingerprint, Identity, ItemSeen, KubeletSeen, KubeletState, NodeSeen};
use crate::kubeadm::write::Umask;
use crate::kubeadm::{Config, Item, KubeadmRules, Pki, init};

/// A control-plane node `node-a` at 192.0.2.10 that this release's kubeadm set up at `made`. Its fingerprints are made up of the items' names.
///
/// ```
/// use trimtab_certs::renewal::example;
///
/// let seen = example::node("1.37".parse()?, "2026-01-05T00:00:00Z".parse()?);
/// assert_eq!(seen.items.len(), 16);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn node(version: KubeVersion, made: Timestamp) -> NodeSeen {
    let api_version = KubeadmRules::at(version).config_api_versions.last().copied().unwrap_or_default().to_owned();
    let config = Config { api_version, advertise_address: "192.0.2.10".to_owned(), node_name: "node-a".to_owned(), ..Config::default() };
    let pki = init::forecast(&config, &Pki::default(), Umask::default(), version, made).pki;
    let items: BTreeMap<_, _> = pki.items.keys().map(|item| (*item, item_seen(*item, &pki))).collect();
    let (not_before, not_after) = pki.readable(Item::KubeletConf).map_or((made, made), |kubelet| (kubelet.not_before, kubelet.not_after));
    let target = "/var/lib/kubelet/pki/kubelet-client-2026-01-05-00-00-00.pem".to_owned();
    let certificate_sha256 = items.get(&Item::KubeletConf).and_then(|conf: &ItemSeen| conf.certificate_sha256.clone());
    let state = KubeletState::Link { target, not_before, not_after, certificate_sha256 };
    NodeSeen {
        folder: "/etc/kubernetes".to_owned(),
        certificates_dir: config.certificates_dir,
        pki,
        items,
        kubelet: KubeletSeen { path: "/var/lib/kubelet/pki/kubelet-client-current.pem".to_owned(), state },
        kubelet_server: None,
        unfinished: Vec::new(),
    }
}

fn item_seen(item: Item, pki: &Pki) -> ItemSeen {
    let file = pki.readable(item).and_then(|read| read.kubeconfig.as_ref());
    let user = || file.and_then(|file| file.users.first().cloned()).unwrap_or_default();
    let made_up = |what: &str| Some(Fingerprint::of(format!("{what} {item}").as_bytes()));
    ItemSeen {
        certificate: None,
        key: None,
        certificate_sha256: made_up(if item == Item::Sa { "key" } else { "certificate" }),
        public_key_sha256: made_up("key"),
        identity: if item.is_kubeconfig() { Identity::Embedded { user: user() } } else { Identity::Pair },
        server_name: file.and_then(|file| file.server.strip_prefix("https://")?.split(':').next().map(str::to_owned)),
    }
}
