//! What `kubeadm certs renew` does: which files it writes in which order, where it stops, what each certificate loses.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use trimtab_core::KubeVersion;

use super::command::{ConfigSource, Selection, UsageError};
use super::config::Config;
use super::facts::{CertificateFacts, ExtKeyUsage, KeyKind, San};
use super::kubeconfig::KubeconfigChange;
use super::list::{Item, renewable};
use super::loss::{Loss, losses};
use super::make::{self, Signer, Wanted};
use super::pki::{Pki, ReadCertificate};
use super::rules::{KubeadmRules, OrganizationRewrite};
use super::san::AltNames;
use super::stop::{Broken, Keeper, Stop, keeper, read_to_renew, signing_authority};
use super::write::{Umask, Write};

/// A call of `kubeadm certs renew`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Renewal {
    /// Which.
    pub which: Selection,
    /// Where the configuration comes from. Of it count the etcd, the wished key and the validity; names and groups come from the old
    /// certificates.
    pub config: ConfigSource,
    /// What new files do not get.
    pub umask: Umask,
    /// The directory of `--csr-only`: a new key and a request for each, and nothing is renewed. Up to 1.22.
    pub csr_dir: Option<String>,
}

/// What it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RenewForecast {
    /// The exit code.
    pub exit_code: i32,
    /// Why it stops, where it does. What was written before stays renewed, the rest stays as it was.
    pub stop: Option<Stop>,
    /// What comes of each, in the order of working; the one that stopped it is not among them.
    pub outcomes: Vec<Outcome>,
    /// The files it writes, in order.
    pub writes: Vec<Write>,
    /// All of the standard output.
    pub stdout: String,
}

/// What comes of one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It is renewed.
    Renewed(Box<Renewed>),
    /// There is no file, or etcd is external: nothing is done, and the exit code is 0.
    Missing(Item),
    /// The key of its authority is elsewhere: nothing is done, and the exit code is 0.
    External(Item),
    /// A request for it is written, and the certificate stays as it was.
    Requested(Item),
}

/// A renewed certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Renewed {
    /// Which.
    pub item: Item,
    /// First second of validity.
    pub not_before: Timestamp,
    /// Last second of validity; nothing bounds it by that of the authority.
    pub not_after: Timestamp,
    /// The kind of the new key; there always is a new one.
    pub key: KeyKind,
    /// The new certificate; `None` where too little of the old one or of the authority is known.
    pub after: Option<CertificateFacts>,
    /// What the old certificate had and the new one does not.
    pub losses: Vec<Loss>,
    /// What changes in the file around it, where it is a kubeconfig that was read.
    pub kubeconfig: Option<KubeconfigChange>,
}

/// What `version`'s kubeadm would do at `now` to what was seen.
///
/// Every named certificate is renewed, due or not, in the order of names, and the first error ends it. The service's own
/// processes notice nothing: restarting them is up to the caller.
///
/// Source: cmd/kubeadm/app/cmd/certs.go, cmd/kubeadm/app/phases/certs/renewal; executed 1.20.15 to 1.37.2, and 1.16.15 and
/// 1.18.19 over one PKI. What [`KubeadmRules`] has no row for below 1.20 is taken from there.
///
/// ```
/// use trimtab_certs::kubeadm::command::{ConfigSource, Selection};
/// use trimtab_certs::kubeadm::renew::{Outcome, Renewal, forecast};
/// use trimtab_certs::kubeadm::write::Umask;
/// use trimtab_certs::kubeadm::{Config, Item, Pki};
///
/// let one = Selection::One(Item::Apiserver);
/// let renewal = Renewal { which: one, config: ConfigSource::Defaults(Config::default()), umask: Umask::default(), csr_dir: None };
/// let done = forecast(&renewal, &Pki::default(), "1.37".parse()?, "2026-11-23T06:00:00Z".parse()?);
/// assert_eq!(done.outcomes, [Outcome::Missing(Item::Apiserver)]);
/// assert_eq!(done.exit_code, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn forecast(renewal: &Renewal, pki: &Pki, version: KubeVersion, now: Timestamp) -> RenewForecast {
    let rules = KubeadmRules::at(version);
    let forecast = RenewForecast { exit_code: 0, stop: None, outcomes: Vec::new(), writes: Vec::new(), stdout: String::new() };
    let mut run = Run { pki, rules: &rules, now, renewal, forecast };
    if let Err(stop) = run.all() {
        run.forecast.exit_code = stop.exit_code(&rules);
        run.forecast.stop = Some(stop);
    }
    run.forecast
}

struct Run<'a> {
    pki: &'a Pki,
    rules: &'a KubeadmRules,
    now: Timestamp,
    renewal: &'a Renewal,
    forecast: RenewForecast,
}

impl Run<'_> {
    fn all(&mut self) -> Result<(), Stop> {
        self.command_exists()?;
        let config = self.renewal.config.load(self.rules)?;
        self.forecast.stdout = self.renewal.config.lines("renew", self.pki, self.rules);
        match self.renewal.which {
            Selection::One(item) => self.one(item, &config),
            Selection::All => {
                for item in renewable(self.rules, config.external_etcd) {
                    self.one(item, &config)?;
                }
                if self.rules.says_done {
                    self.say("");
                    self.say(DONE);
                }
                Ok(())
            }
        }
    }

    fn command_exists(&self) -> Result<(), UsageError> {
        let Selection::One(item) = self.renewal.which else { return Ok(()) };
        let known = renewable(self.rules, false).contains(&item);
        if known { Ok(()) } else { Err(UsageError::UnknownCommand { given: item.name().to_owned() }) }
    }

    /// A missing file wins over whatever is wrong with its authority.
    fn one(&mut self, item: Item, config: &Config) -> Result<(), Stop> {
        let name = item.long_name();
        let unknown = config.external_etcd && item.is_of_local_etcd();
        if unknown || !self.pki.has_certificate_file(item) && self.rules.passes_over_missing {
            self.say(&format!("MISSING! {name}"));
            self.forecast.outcomes.push(Outcome::Missing(item));
            return Ok(());
        }
        if let Some(dir) = &self.renewal.csr_dir {
            return self.request(item, dir);
        }
        let authority = item.authority().unwrap_or(item);
        match keeper(authority, self.pki, self.rules, self.now).map_err(Broken::into_stop)? {
            Keeper::External => {
                self.say(&format!("Detected external {}, {name} can't be renewed", authority.base_name()));
                self.forecast.outcomes.push(Outcome::External(item));
            }
            Keeper::Local => {
                let renewed = self.renewed(item, authority, config)?;
                self.forecast.writes.extend(Write::pair(item, self.pki, &config.certificates_dir, self.renewal.umask));
                self.say(&format!("{name} renewed"));
                self.forecast.outcomes.push(Outcome::Renewed(Box::new(renewed)));
            }
        }
        Ok(())
    }

    fn renewed(&self, item: Item, authority: Item, config: &Config) -> Result<Renewed, Stop> {
        let old = read_to_renew(item, self.pki, self.rules)?;
        if let Some(facts) = &old.facts {
            is_renewable(item, facts)?;
        }
        let ca = signing_authority(authority, self.pki)?;
        let signer = Signer { not_before: ca.not_before, facts: ca.facts.as_ref() };
        let not_before = make::not_before(self.rules.leaf_not_before, signer, self.now);
        let not_after = make::after(self.now, config.validity_seconds(item));
        let key = config.key_kind(self.rules);
        let wanted = old.facts.as_ref().map(|facts| Wanted {
            common_name: facts.common_name().unwrap_or_default().to_owned(),
            organizations: self.organizations(item, facts),
            san: kept_san(facts),
            ext_key_usage: known_usages(facts),
            key: key.clone(),
            not_before,
            not_after,
        });
        let after = wanted.and_then(|wanted| make::sign(&wanted, signer, self.rules));
        let ca_crt = self.pki.readable(Item::Ca).map_or(1, |ca| ca.certificates);
        let kubeconfig = old.kubeconfig.as_ref().map(|file| file.renewed(ca_crt, self.rules));
        let losses = losses(old, after.as_ref(), kubeconfig.as_ref());
        Ok(Renewed { item, not_before, not_after, key, after, losses, kubeconfig })
    }

    fn organizations(&self, item: Item, facts: &CertificateFacts) -> Vec<String> {
        let old = || facts.organizations().map(str::to_owned);
        let added = match (self.rules.organization_rewrite, item) {
            (OrganizationRewrite::DropSystemMasters, Item::ApiserverKubeletClient) => Some("kubeadm:cluster-admins"),
            (OrganizationRewrite::DropSystemMasters, Item::ApiserverEtcdClient | Item::EtcdHealthcheckClient) => None,
            (OrganizationRewrite::Never | OrganizationRewrite::DropSystemMasters, _) => return old().collect(),
        };
        let kept: BTreeSet<_> = old().filter(|name| name != "system:masters").chain(added.map(str::to_owned)).collect();
        kept.into_iter().collect()
    }

    fn request(&mut self, item: Item, dir: &str) -> Result<(), Stop> {
        read_to_renew(item, self.pki, self.rules)?;
        let path = |ending: &str| format!("{dir}/{item}.{ending}");
        let umask = self.renewal.umask;
        self.forecast.writes.extend([Write::new_file(path("key"), 0o600, umask), Write::new_file(path("csr"), 0o600, umask)]);
        self.forecast.outcomes.push(Outcome::Requested(item));
        Ok(())
    }

    fn say(&mut self, line: &str) {
        self.forecast.stdout.extend([line, "\n"]);
    }
}

const DONE: &str = "Done renewing certificates. You must restart the kube-apiserver, kube-controller-manager, kube-scheduler and etcd, so that they can use the new certificates.";

fn is_renewable(item: Item, facts: &CertificateFacts) -> Result<(), Stop> {
    match (facts.common_name(), known_usages(facts).is_empty()) {
        (None, _) => Err(Stop::NoCommonName { item }),
        (Some(_), true) => Err(Stop::NoExtKeyUsage { item }),
        (Some(_), false) => Ok(()),
    }
}

fn known_usages(facts: &CertificateFacts) -> Vec<ExtKeyUsage> {
    facts.ext_key_usage.iter().filter(|usage| !matches!(usage, ExtKeyUsage::Other(_))).cloned().collect()
}

/// Host names sorted, addresses in order, everything else gone.
fn kept_san(facts: &CertificateFacts) -> Vec<San> {
    let mut names = AltNames::default();
    for name in &facts.san {
        match name {
            San::Dns(name) => names.dns.push(name.clone()),
            San::Ip(address) => names.ip.push(*address),
            San::Uri(_) | San::Email(_) | San::Other(_) => {}
        }
    }
    names.without_duplicates().to_san()
}

/// How many certificates of a file a renewal drops: all but the first.
pub(super) fn extra_certificates(old: &ReadCertificate) -> usize {
    old.certificates.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubeadm::facts::{BasicConstraints, Extension, KeyUsage, Rdn};
    use crate::kubeadm::init;
    use crate::kubeadm::pki::{CertificateState, KeyState};

    fn now() -> Timestamp {
        "2026-11-23T06:00:00Z".parse().unwrap()
    }

    fn config() -> Config {
        Config { advertise_address: "192.0.2.10".into(), node_name: "node-a".into(), ..Config::default() }
    }

    /// A control plane of ten days ago.
    fn pki() -> Pki {
        let begin = now() - jiff::SignedDuration::from_hours(240);
        init::forecast(&config(), &Pki::default(), Umask::default(), "1.31.0".parse().unwrap(), begin).pki
    }

    fn old(pki: &mut Pki, item: Item) -> &mut ReadCertificate {
        match &mut pki.items.get_mut(&item).unwrap().certificate {
            CertificateState::Readable(old) => old,
            CertificateState::Missing | CertificateState::Unreadable { .. } => panic!("{item} is not there"),
        }
    }

    fn renew(pki: &Pki, which: Selection, version: &str) -> RenewForecast {
        let config = ConfigSource::Defaults(Config::default());
        let renewal = Renewal { which, config, umask: Umask::default(), csr_dir: None };
        forecast(&renewal, pki, version.parse().unwrap(), now())
    }

    fn one(pki: &Pki, item: Item, version: &str) -> Renewed {
        match renew(pki, Selection::One(item), version).outcomes.pop() {
            Some(Outcome::Renewed(renewed)) => *renewed,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_kubeadm_made_itself_loses_nothing() {
        assert_eq!(one(&pki(), Item::Apiserver, "1.37").losses, []);
        assert_eq!(one(&pki(), Item::AdminConf, "1.31").losses, []);
    }

    #[test]
    fn every_loss_is_told() {
        let mut pki = pki();
        let old = old(&mut pki, Item::Apiserver);
        old.certificates = 3;
        old.not_after = "2099-01-01T00:00:00Z".parse().unwrap();
        let facts = old.facts.as_mut().unwrap();
        facts.not_after = old.not_after;
        facts.subject.insert(0, Rdn::new("OU", "ops"));
        facts.san.push(San::Uri("spiffe://a/b".into()));
        facts.ext_key_usage.push(ExtKeyUsage::Other("1.2.3".into()));
        facts.key_usage.push(KeyUsage::KeyCertSign);
        facts.basic_constraints = Some(BasicConstraints { ca: true, path_length: None, critical: true });
        facts.extensions.push(Extension::Other("2.5.29.31".into()));
        facts.public_key = KeyKind::EcdsaP256;
        let losses = one(&pki, Item::Apiserver, "1.37").losses;
        let expected = [
            Loss::ExtraCertificates { count: 2 },
            Loss::SubjectAttribute { attribute: "OU=ops".into() },
            Loss::San { name: San::Uri("spiffe://a/b".into()) },
            Loss::ExtKeyUsage { usage: ExtKeyUsage::Other("1.2.3".into()) },
            Loss::KeyUsage { usage: KeyUsage::KeyCertSign },
            Loss::CertificateAuthority,
            Loss::Extension { extension: Extension::Other("2.5.29.31".into()) },
            Loss::KeyKind { from: KeyKind::EcdsaP256, to: KeyKind::Rsa(2048) },
        ];
        assert_eq!(losses.get(..8).unwrap(), expected);
        assert!(matches!(losses.get(8..).unwrap(), [Loss::EarlierEnd { seconds: 1.. }]));
    }

    #[test]
    fn a_second_authority_in_a_kubeconfig_is_lost() {
        let mut pki = pki();
        old(&mut pki, Item::AdminConf).kubeconfig.as_mut().unwrap().ca_certificates = 2;
        assert_eq!(one(&pki, Item::AdminConf, "1.37").losses, [Loss::TrustedAuthorities { before: 2 }]);
    }

    #[test]
    fn the_group_masters_is_lost_with_1_29_alone() {
        let mut pki = pki();
        let facts = old(&mut pki, Item::ApiserverKubeletClient).facts.as_mut().unwrap();
        facts.subject = vec![Rdn::set("O", ["system:masters", "mine"]), Rdn::new("CN", "x")];
        let groups = |version| {
            let after = one(&pki, Item::ApiserverKubeletClient, version).after.unwrap();
            after.organizations().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(groups("1.28"), ["mine", "system:masters"]);
        assert_eq!(groups("1.29"), ["mine", "kubeadm:cluster-admins"]);
        assert_eq!(groups("1.30"), ["mine", "system:masters"]);
    }

    #[test]
    fn it_stops_at_the_first_error_and_what_is_done_stays_done() {
        let mut pki = pki();
        pki.items.get_mut(&Item::EtcdCa).unwrap().key = KeyState::Mismatch;
        let done = renew(&pki, Selection::All, "1.37");
        assert_eq!((done.exit_code, done.outcomes.len()), (1, 2));
        assert_eq!(done.stop, Some(Stop::KeyMismatch { item: Item::EtcdCa }));
        assert!(!done.stdout.contains("Done"));
    }

    #[test]
    fn an_unknown_old_certificate_still_has_dates() {
        let mut pki = pki();
        old(&mut pki, Item::Apiserver).facts = None;
        let renewed = one(&pki, Item::Apiserver, "1.37");
        assert_eq!((renewed.after, renewed.losses), (None, vec![]));
        assert_eq!(renewed.not_after.duration_since(now()).as_secs(), KubeadmRules::VALIDITY_SECONDS);
    }

    #[test]
    fn a_refused_configuration_renews_nothing() {
        let config = Config { encryption_algorithm: Some("ECDSA-P384".into()), ..config() };
        let config = ConfigSource::File(config);
        let renewal = Renewal { which: Selection::All, config, umask: Umask::default(), csr_dir: None };
        let codes = ["1.31.0", "1.34.4"].map(|version| forecast(&renewal, &pki(), version.parse().unwrap(), now()).exit_code);
        assert_eq!(codes, [3, 0]);
    }

    #[test]
    fn requests_leave_the_certificates_alone() {
        let config = ConfigSource::Defaults(Config::default());
        let renewal = Renewal { which: Selection::All, config, umask: Umask::default(), csr_dir: Some("/csr".into()) };
        let done = forecast(&renewal, &pki(), "1.22.17".parse().unwrap(), now());
        assert_eq!((done.exit_code, done.writes.len()), (0, 20));
        assert!(done.writes.iter().all(Write::creates));
        assert_eq!(done.writes.first().map(|write| write.path.as_str()), Some("/csr/admin.conf.key"));
    }

    #[test]
    fn an_expired_authority_signs_all_the_same() {
        let mut pki = pki();
        old(&mut pki, Item::Ca).not_after = now() - jiff::SignedDuration::from_hours(1);
        assert_eq!(renew(&pki, Selection::All, "1.37").exit_code, 0);
    }
}
