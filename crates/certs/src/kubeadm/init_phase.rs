//! What `kubeadm init phase certs` and `init phase kubeconfig` do where files are there already.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use trimtab_core::KubeVersion;

use super::command::Selection;
use super::config::Config;
use super::facts::{CertificateFacts, ExtKeyUsage, KeyKind, San};
use super::kubeconfig::KubeconfigFacts;
use super::list::{Item, KUBERNETES_DIR, Spec};
use super::make::{self, Signer};
use super::pki::{CertificateState, ItemState, KeyState, Pki, ReadCertificate};
use super::rules::{EndpointWarning, KubeadmRules, KubeconfigCa, Verification};
use super::stop::{Broken, Keeper, Stop, certificate, keeper, loadable_key, signing_authority, verify};
use super::write::{Umask, Write};

/// One of the two commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// `init phase certs`.
    Certs(Selection),
    /// `init phase kubeconfig`.
    Kubeconfig(Selection),
}

/// What a phase does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PhaseForecast {
    /// The exit code.
    pub exit_code: i32,
    /// Why it stops, where it does. What was written before stays written.
    pub stop: Option<Stop>,
    /// The files it writes, in order.
    pub writes: Vec<Write>,
    /// What it makes.
    pub made: BTreeMap<Item, Made>,
    /// All of the standard output.
    pub stdout: String,
}

/// What a phase makes of one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Made {
    /// The certificate; `None` for the service account keys. Its facts are `None` where too little of the authority is known.
    pub certificate: Option<ReadCertificate>,
    /// The key.
    pub key: KeyKind,
}

impl Made {
    /// What is seen of it afterwards.
    #[must_use]
    pub fn state(&self) -> ItemState {
        let public_key = || CertificateState::Unreadable { reason: "a public key".to_owned() };
        let certificate = self.certificate.clone().map_or_else(public_key, |made| CertificateState::Readable(Box::new(made)));
        ItemState { certificate, key: KeyState::Present }
    }
}

/// What `phase` of `version`'s kubeadm would do at `now` to what was seen, with a configuration file.
///
/// An existing file is never overwritten. That it lacks names which the configuration has, has another purpose or subject, or that its
/// key is missing or wrong goes unnoticed, and the exit code is 0; so does an authority that has expired.
///
/// Source: cmd/kubeadm/app/cmd/phases/init/{certs,kubeconfig}.go, cmd/kubeadm/app/phases/{certs/certs,kubeconfig/kubeconfig}.go;
/// executed 1.20.15 to 1.37.2.
///
/// ```
/// use trimtab_certs::kubeadm::init_phase::{Phase, forecast};
/// use trimtab_certs::kubeadm::command::Selection;
/// use trimtab_certs::kubeadm::write::Umask;
/// use trimtab_certs::kubeadm::{Config, Pki};
///
/// let config = Config { advertise_address: "192.0.2.10".into(), node_name: "node-a".into(), ..Config::default() };
/// let now = "2026-11-23T06:00:00Z".parse()?;
/// let made = forecast(Phase::Certs(Selection::All), &config, &Pki::default(), Umask::default(), "1.37".parse()?, now);
/// assert_eq!((made.exit_code, made.writes.len()), (0, 22));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn forecast(phase: Phase, config: &Config, pki: &Pki, umask: Umask, version: KubeVersion, now: Timestamp) -> PhaseForecast {
    let rules = KubeadmRules::at(version);
    let mut run = Run { pki: pki.clone(), rules, now, umask, forecast: nothing() };
    if let Err(stop) = run.phase(phase, config) {
        run.forecast.exit_code = stop.exit_code(&rules);
        run.forecast.stop = Some(stop);
    }
    run.forecast
}

fn nothing() -> PhaseForecast {
    PhaseForecast { exit_code: 0, stop: None, writes: Vec::new(), made: BTreeMap::new(), stdout: String::new() }
}

/// A phase under way: what it makes is there for what comes after.
struct Run {
    pki: Pki,
    rules: KubeadmRules,
    now: Timestamp,
    umask: Umask,
    forecast: PhaseForecast,
}

impl Run {
    fn phase(&mut self, phase: Phase, config: &Config) -> Result<(), Stop> {
        let config = config.clone().load(&self.rules)?;
        let external = self.external_authority()?;
        match phase {
            Phase::Certs(selection) => {
                if selection == Selection::All {
                    self.say(&format!("[certs] Using certificateDir folder \"{}\"", config.certificates_dir));
                }
                self.each(selection, |item| !item.is_kubeconfig(), |run, item| run.certs(item, &config, external))
            }
            Phase::Kubeconfig(selection) => {
                if selection == Selection::All {
                    self.say(&format!("[kubeconfig] Using kubeconfig folder \"{KUBERNETES_DIR}\""));
                }
                self.each(selection, Item::is_kubeconfig, |run, item| run.kubeconfig(item, &config, external))
            }
        }
    }

    fn each(
        &mut self,
        selection: Selection,
        of_phase: impl Fn(Item) -> bool,
        mut make: impl FnMut(&mut Self, Item) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        match selection {
            Selection::All => Item::ALL.into_iter().filter(|item| of_phase(*item)).try_for_each(|item| make(self, item)),
            Selection::One(item) => make(self, item),
        }
    }

    /// Whether the key of `ca` is elsewhere. Then everything it signs has to be in order, kubeconfigs as well. An authority that cannot
    /// be read is passed over here: the phase itself comes to it.
    fn external_authority(&self) -> Result<bool, Stop> {
        let external = match keeper(Item::Ca, &self.pki, &self.rules, self.now) {
            Ok(Keeper::External) => true,
            Ok(Keeper::Local) | Err(Broken::Authority(_)) => false,
            Err(Broken::Leaves(stop)) => return Err(stop),
        };
        if external {
            let kubeconfigs = Item::ALL.into_iter().filter(|item| item.is_kubeconfig() && Spec::of(*item, &self.rules).is_some());
            for item in kubeconfigs {
                self.kubeconfig_is_usable(item)?;
            }
        }
        match keeper(Item::FrontProxyCa, &self.pki, &self.rules, self.now) {
            Err(Broken::Leaves(stop)) => Err(stop),
            Ok(Keeper::External | Keeper::Local) | Err(Broken::Authority(_)) => Ok(external),
        }
    }

    /// Its server may be another one: that is a warning only.
    fn kubeconfig_is_usable(&self, item: Item) -> Result<(), Stop> {
        let found = certificate(item, &self.pki)?;
        let trusts = found.kubeconfig.as_ref().map_or(found.signed_by_local_ca, |file| match self.rules.kubeconfig_ca {
            KubeconfigCa::Equal => file.trusts_ca && file.ca_certificates == 1,
            KubeconfigCa::Contained => file.trusts_ca,
        });
        if trusts { Ok(()) } else { Err(Stop::WrongCa { item }) }
    }

    fn certs(&mut self, item: Item, config: &Config, external: bool) -> Result<(), Stop> {
        if item == Item::Sa {
            return self.service_account(config, external);
        }
        let Some(spec) = Spec::of(item, &self.rules) else { return Ok(()) };
        let kind = if item.is_authority() { "certificate authority" } else { "certificate" };
        if config.external_etcd && item.is_of_local_etcd() {
            self.say(&format!("[certs] External etcd mode: Skipping {} {kind} generation", item.base_name()));
            return Ok(());
        }
        if item.is_authority() { self.authority(&spec, config) } else { self.leaf(&spec, config) }
    }

    fn authority(&mut self, spec: &Spec, config: &Config) -> Result<(), Stop> {
        let item = spec.item;
        if self.pki.readable(item).is_some() {
            let keyless = if self.pki.key(item).is_loadable() { "" } else { "keyless " };
            self.say(&format!("[certs] Using existing {} {keyless}certificate authority", item.base_name()));
            return Ok(());
        }
        if self.pki.has_certificate_file(item) || *self.pki.key(item) != KeyState::Absent {
            certificate(item, &self.pki)?;
        }
        let facts = make::authority(spec, config, &self.rules, self.now);
        let key = facts.public_key.clone();
        self.say(&format!("[certs] Generating \"{}\" certificate and key", item.base_name()));
        let mut certificate = signed(facts.not_before, facts.not_after, Some(facts));
        certificate.is_ca = true;
        self.made(item, Made { certificate: Some(certificate), key }, config);
        Ok(())
    }

    fn leaf(&mut self, spec: &Spec, config: &Config) -> Result<(), Stop> {
        let item = spec.item;
        let authority = item.authority().unwrap_or(item);
        if let Some(existing) = self.existing(item) {
            let ca = certificate(authority, &self.pki)?;
            verify(item, existing, ca, &self.rules, self.now)?;
            self.say(&format!("[certs] Using existing {} certificate and key on disk", item.base_name()));
            return Ok(());
        }
        let ca = signing_authority(authority, &self.pki)?;
        if !ca.is_ca {
            return Err(Stop::NotACa { item: authority });
        }
        let signer = Signer { not_before: ca.not_before, facts: ca.facts.as_ref() };
        let wanted = make::wanted(spec, config, signer, &self.rules, self.now)?;
        let facts = make::sign(&wanted, signer, &self.rules);
        if self.pki.has_certificate_file(item) || *self.pki.key(item) != KeyState::Absent {
            certificate(item, &self.pki)?;
            loadable_key(item, &self.pki)?;
        }
        self.say(&format!("[certs] Generating \"{}\" certificate and key", item.base_name()));
        if wanted.ext_key_usage.contains(&ExtKeyUsage::ServerAuth) {
            self.say(&served(item, &wanted.san));
        }
        let certificate = signed(wanted.not_before, wanted.not_after, facts);
        self.made(item, Made { certificate: Some(certificate), key: wanted.key }, config);
        Ok(())
    }

    /// The certificate that is there, where this release takes it for one: the older ones load its key as well.
    fn existing(&self, item: Item) -> Option<&ReadCertificate> {
        let with_key = match self.rules.verification {
            Verification::SignatureOfPair => self.pki.key(item).is_loadable(),
            Verification::Chain => true,
        };
        self.pki.readable(item).filter(|_| with_key)
    }

    /// The public key is not looked at: it is written only together with a new private one.
    fn service_account(&mut self, config: &Config, external: bool) -> Result<(), Stop> {
        if external {
            self.say("[certs] Using existing sa keys");
            return Ok(());
        }
        match self.pki.key(Item::Sa) {
            KeyState::Present | KeyState::Mismatch => self.say("[certs] Using the existing \"sa\" key"),
            KeyState::Unreadable { reason } => return Err(Stop::KeyUnreadable { item: Item::Sa, reason: reason.clone() }),
            KeyState::Absent => {
                self.say("[certs] Generating \"sa\" key and public key");
                self.made(Item::Sa, Made { certificate: None, key: config.key_kind(&self.rules) }, config);
            }
        }
        Ok(())
    }

    /// The client certificate of an existing file may have expired: nobody looks.
    fn kubeconfig(&mut self, item: Item, config: &Config, external: bool) -> Result<(), Stop> {
        let Some(spec) = Spec::of(item, &self.rules) else { return Ok(()) };
        if external {
            self.say(&format!("[kubeconfig] External CA mode: Using user provided {item}"));
            return Ok(());
        }
        if config.overrides_port() && self.rules.endpoint_warning == EndpointWarning::Stdout {
            self.say("[endpoint] WARNING: port specified in controlPlaneEndpoint overrides bindPort in the controlplane address");
        }
        let ca = signing_authority(Item::Ca, &self.pki)?;
        if self.pki.has_certificate_file(item) {
            self.kubeconfig_is_usable(item)?;
            self.say(&format!("[kubeconfig] Using existing kubeconfig file: \"{KUBERNETES_DIR}/{item}\""));
            return Ok(());
        }
        let signer = Signer { not_before: ca.not_before, facts: ca.facts.as_ref() };
        let wanted = make::wanted(&spec, config, signer, &self.rules, self.now)?;
        let facts = make::sign(&wanted, signer, &self.rules);
        let kubeconfig = KubeconfigFacts::made(item, config, ca.certificates, &self.rules);
        self.say(&format!("[kubeconfig] Writing \"{item}\" kubeconfig file"));
        let certificate = ReadCertificate { kubeconfig, ..signed(wanted.not_before, wanted.not_after, facts) };
        self.made(item, Made { certificate: Some(certificate), key: wanted.key }, config);
        Ok(())
    }

    fn made(&mut self, item: Item, made: Made, config: &Config) {
        let writes = Write::pair(item, &self.pki, &config.certificates_dir, self.umask);
        self.forecast.writes.extend(writes);
        self.pki.items.insert(item, made.state());
        self.forecast.made.insert(item, made);
    }

    fn say(&mut self, line: &str) {
        self.forecast.stdout.extend([line, "\n"]);
    }
}

/// A leaf that was just signed.
fn signed(not_before: Timestamp, not_after: Timestamp, facts: Option<CertificateFacts>) -> ReadCertificate {
    ReadCertificate { not_before, not_after, certificates: 1, is_ca: false, signed_by_local_ca: true, facts, kubeconfig: None }
}

fn served(item: Item, san: &[San]) -> String {
    let (mut dns, mut ip) = (Vec::new(), Vec::new());
    for name in san {
        match name {
            San::Dns(name) => dns.push(name.clone()),
            San::Ip(address) => ip.push(address.to_string()),
            San::Uri(_) | San::Email(_) | San::Other(_) => {}
        }
    }
    format!("[certs] {} serving cert is signed for DNS names [{}] and IPs [{}]", item.base_name(), dns.join(" "), ip.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubeadm::init;

    fn now() -> Timestamp {
        "2026-11-23T06:00:00Z".parse().unwrap()
    }

    fn config() -> Config {
        let api_version = "v1beta3".to_owned();
        Config { api_version, advertise_address: "192.0.2.10".into(), node_name: "node-a".into(), ..Config::default() }
    }

    fn pki() -> Pki {
        init::forecast(&config(), &Pki::default(), Umask::default(), "1.31.0".parse().unwrap(), now()).pki
    }

    fn run(phase: Phase, pki: &Pki, version: &str) -> PhaseForecast {
        let config = Config { api_version: if version == "1.20.15" { "v1beta2".into() } else { "v1beta3".into() }, ..config() };
        forecast(phase, &config, pki, Umask::default(), version.parse().unwrap(), now())
    }

    const CERTS: Phase = Phase::Certs(Selection::All);
    const APISERVER: Phase = Phase::Certs(Selection::One(Item::Apiserver));

    #[test]
    fn a_missing_key_is_noticed_by_releases_that_load_the_pair() {
        let mut pki = pki();
        pki.items.get_mut(&Item::Apiserver).unwrap().key = KeyState::Absent;
        let codes = ["1.20.15", "1.22.17", "1.34.4"].map(|version| run(APISERVER, &pki, version).exit_code);
        assert_eq!(codes, [1, 0, 0]);
    }

    #[test]
    fn a_missing_pair_is_made_anew_and_the_rest_is_left_alone() {
        let mut pki = pki();
        pki.items.remove(&Item::EtcdPeer);
        let done = run(CERTS, &pki, "1.34.4");
        let paths: Vec<_> = done.writes.iter().map(|write| write.path.as_str()).collect();
        assert_eq!(paths, ["/etc/kubernetes/pki/etcd/peer.key", "/etc/kubernetes/pki/etcd/peer.crt"]);
        assert_eq!(done.exit_code, 0);
    }

    #[test]
    fn a_missing_leaf_of_a_keyless_etcd_authority_stops_it_half_way() {
        let mut pki = pki();
        pki.items.remove(&Item::EtcdPeer);
        pki.items.remove(&Item::Apiserver);
        pki.items.get_mut(&Item::EtcdCa).unwrap().key = KeyState::Absent;
        let done = run(CERTS, &pki, "1.34.4");
        assert_eq!(done.stop, Some(Stop::KeyMissing { item: Item::EtcdCa }));
        assert_eq!(done.writes.len(), 2, "the API server's pair is written before");
    }

    #[test]
    fn an_external_etcd_is_passed_over() {
        let external = Config { external_etcd: true, ..config() };
        let done = forecast(CERTS, &external, &Pki::default(), Umask::default(), "1.34.4".parse().unwrap(), now());
        assert_eq!((done.exit_code, done.writes.len()), (0, 12));
        assert!(done.stdout.contains("[certs] External etcd mode: Skipping etcd/ca certificate authority generation\n"));
    }

    #[test]
    fn a_service_account_key_that_cannot_be_read_stops_it() {
        let mut pki = pki();
        pki.items.get_mut(&Item::Sa).unwrap().key = KeyState::Unreadable { reason: "encrypted".into() };
        assert_eq!(run(CERTS, &pki, "1.34.4").exit_code, 1);
        pki.items.get_mut(&Item::Sa).unwrap().key = KeyState::Absent;
        let writes = run(CERTS, &pki, "1.34.4").writes;
        assert_eq!(writes.iter().map(Write::creates).collect::<Vec<_>>(), [true, false], "sa.pub is overwritten");
    }

    #[test]
    fn two_authorities_in_a_kubeconfig_are_wrong_before_1_31() {
        let mut pki = pki();
        if let CertificateState::Readable(admin) = &mut pki.items.get_mut(&Item::AdminConf).unwrap().certificate {
            admin.kubeconfig.as_mut().unwrap().ca_certificates = 2;
        }
        let phase = Phase::Kubeconfig(Selection::One(Item::AdminConf));
        assert_eq!(["1.30.4", "1.31.0"].map(|version| run(phase, &pki, version).exit_code), [1, 0]);
    }
}
