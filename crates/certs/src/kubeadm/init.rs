//! What `kubeadm init phase certs all` and `init phase kubeconfig all` write together: a whole PKI.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use trimtab_core::KubeVersion;

use super::command::Selection;
use super::config::Config;
use super::facts::{CertificateFacts, KeyKind};
use super::init_phase::{self, Phase, PhaseForecast};
use super::list::Item;
use super::pki::{CertificateState, ItemState, KeyState, Pki};
use super::write::Umask;

/// What is there after both commands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Init {
    /// What the first one did.
    pub certs: PhaseForecast,
    /// What the second one did; it runs even if the first one stopped.
    pub kubeconfig: PhaseForecast,
    /// What is there afterwards.
    pub pki: Pki,
    /// The files that are there afterwards, by path.
    pub files: BTreeMap<String, MadeFile>,
}

/// A file of a PKI.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MadeFile {
    /// What it belongs to.
    pub item: Item,
    /// The mode of a new file; `None` where it was there before.
    pub mode: Option<u32>,
    /// The labels of its PEM blocks, where it is PEM and they are known.
    pub pem_labels: Option<Vec<String>>,
}

/// What both commands of `version`'s kubeadm would make at `now` beside what is there already. Making the keys takes time, which is not
/// counted: with RSA-4096 the last certificate is signed many seconds after the first.
///
/// ```
/// use trimtab_certs::kubeadm::write::Umask;
/// use trimtab_certs::kubeadm::{Config, Pki, init};
///
/// let config = Config { advertise_address: "192.0.2.10".into(), node_name: "node-a".into(), ..Config::default() };
/// let init = init::forecast(&config, &Pki::default(), Umask::default(), "1.37".parse()?, "2026-11-23T06:00:00Z".parse()?);
/// assert_eq!(init.files.len(), 27);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn forecast(config: &Config, existing: &Pki, umask: Umask, version: KubeVersion, now: Timestamp) -> Init {
    let mut pki = existing.clone();
    let certs = init_phase::forecast(Phase::Certs(Selection::All), config, &pki, umask, version, now);
    add(&mut pki, &certs);
    let kubeconfig = init_phase::forecast(Phase::Kubeconfig(Selection::All), config, &pki, umask, version, now);
    add(&mut pki, &kubeconfig);
    let mut files = BTreeMap::new();
    for (&item, state) in &pki.items {
        let made = certs.made.get(&item).or_else(|| kubeconfig.made.get(&item));
        files.extend(files_of(item, state, made.map(|made| &made.key), &config.certificates_dir));
    }
    for write in certs.writes.iter().chain(&kubeconfig.writes) {
        if let Some(file) = files.get_mut(&write.path) {
            file.mode = write.mode;
        }
    }
    Init { certs, kubeconfig, pki, files }
}

fn add(pki: &mut Pki, phase: &PhaseForecast) {
    pki.items.extend(phase.made.iter().map(|(&item, made)| (item, made.state())));
}

fn files_of(item: Item, state: &ItemState, made: Option<&KeyKind>, certificates_dir: &str) -> Vec<(String, MadeFile)> {
    let file = |path: String, pem_labels: Option<Vec<String>>| (path, MadeFile { item, mode: None, pem_labels });
    let has_certificate = state.certificate != CertificateState::Missing;
    match <[String; 2]>::try_from(item.files(certificates_dir)) {
        Ok([certificate, key]) => {
            let mut files = Vec::new();
            if has_certificate {
                files.push(file(certificate, certificate_labels(item, state)));
            }
            if state.key != KeyState::Absent {
                files.push(file(key, made.or(own_key(state)).map(|kind| vec![kind.pem_label().to_owned()])));
            }
            files
        }
        Err(paths) => paths.into_iter().filter(|_| has_certificate).map(|path| file(path, None)).collect(),
    }
}

fn certificate_labels(item: Item, state: &ItemState) -> Option<Vec<String>> {
    match &state.certificate {
        _ if item == Item::Sa => Some(vec!["PUBLIC KEY".to_owned()]),
        CertificateState::Readable(certificate) => Some(vec!["CERTIFICATE".to_owned(); certificate.certificates]),
        CertificateState::Missing | CertificateState::Unreadable { .. } => None,
    }
}

fn own_key(state: &ItemState) -> Option<&KeyKind> {
    match (&state.certificate, &state.key) {
        (CertificateState::Readable(certificate), KeyState::Present) => facts_key(certificate.facts.as_ref()),
        (CertificateState::Readable(_) | CertificateState::Missing | CertificateState::Unreadable { .. }, _) => None,
    }
}

fn facts_key(facts: Option<&CertificateFacts>) -> Option<&KeyKind> {
    facts.map(|facts| &facts.public_key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn init(config: &Config, version: &str) -> Init {
        forecast(config, &Pki::default(), Umask::default(), version.parse().unwrap(), "2026-11-23T06:00:00Z".parse().unwrap())
    }

    fn config() -> Config {
        Config { advertise_address: "192.0.2.10".into(), node_name: "node-a".into(), ..Config::default() }
    }

    #[test]
    fn a_refused_configuration_writes_nothing() {
        let init = init(&Config { cert_sans: vec!["bad_name".into()], ..config() }, "1.37");
        assert_eq!((init.certs.exit_code, init.kubeconfig.exit_code, init.files.len()), (1, 1, 0));
    }

    #[test]
    fn running_it_again_changes_nothing() {
        let first = init(&config(), "1.37");
        let now = "2026-11-23T07:00:00Z".parse().unwrap();
        let again = forecast(&config(), &first.pki, Umask::default(), "1.37".parse().unwrap(), now);
        assert!(again.certs.writes.is_empty() && again.kubeconfig.writes.is_empty());
        assert_eq!((again.certs.exit_code, again.kubeconfig.exit_code), (0, 0));
    }

    #[test]
    fn kubeconfigs_follow_the_wish_for_a_key_from_1_31_on() {
        let gate = [("PublicKeysECDSA".to_owned(), true)].into();
        let old = Config { api_version: "v1beta3".into(), feature_gates: gate, ..config() };
        let keys = |version| {
            let init = init(&old, version);
            [Item::Apiserver, Item::AdminConf].map(|item| init.pki.readable(item).unwrap().facts.clone().unwrap().public_key)
        };
        assert_eq!(keys("1.30"), [KeyKind::EcdsaP256, KeyKind::Rsa(2048)]);
        assert_eq!(keys("1.31"), [KeyKind::EcdsaP256, KeyKind::EcdsaP256]);
    }

    #[test]
    fn a_leaf_may_outlive_its_authority() {
        let hours = |hours: i64| Some(hours * 3_600_000_000_000);
        let short = Config { ca_certificate_validity_period: hours(1), ..config() };
        let init = init(&short, "1.37");
        let ends = [Item::Ca, Item::Apiserver].map(|item| init.pki.readable(item).unwrap().not_after);
        assert!(ends[0] < ends[1]);
    }
}
