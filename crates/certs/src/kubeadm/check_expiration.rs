//! What `kubeadm certs check-expiration` shows.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use trimtab_core::KubeVersion;

use super::command::{ConfigSource, Output, UsageError};
use super::config::Config;
use super::list::{Item, renewable};
use super::pki::{Pki, ReadCertificate};
use super::rules::{KubeadmRules, NamedAuthorities, Residual, TablePrinted};
use super::stop::{Keeper, Stop, keeper, read_to_renew};
use super::table;
use crate::human_duration::{human_duration, short_human_duration};

/// What kubeadm of `version` would show at `now` for what was seen in a cluster with its own etcd. Reads only, as kubeadm does.
///
/// The exit code is 0 for missing, expired and not yet valid certificates; it is 1 for what cannot be read, for an authority whose
/// certificate is missing while something signed by it is there, and for an external PKI that is not complete.
///
/// Source: cmd/kubeadm/app/cmd/certs.go, cmd/kubeadm/app/phases/certs/renewal/manager.go; executed 1.20.15 to 1.37.2, and over one PKI
/// 1.16.15 and 1.18.19. 1.15 is taken to do what 1.16 does; 1.12 to 1.14 have no such command.
///
/// ```
/// use trimtab_certs::kubeadm::{Pki, check_expiration};
///
/// let shown = check_expiration(&Pki::default(), "1.31.0".parse()?, "2026-11-23T06:00:00Z".parse()?);
/// assert_eq!(shown.exit_code, 0);
/// assert!(shown.certificates.iter().all(|entry| entry.missing));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn check_expiration(pki: &Pki, version: KubeVersion, now: Timestamp) -> CheckExpiration {
    let rules = KubeadmRules::at(version);
    show(&Look { pki, rules: &rules, now }, &Config::default(), String::new(), &Output::Text)
}

/// The same with a configuration and a format.
#[must_use]
pub fn check_expiration_with(pki: &Pki, config: &ConfigSource, output: &Output, version: KubeVersion, now: Timestamp) -> CheckExpiration {
    let rules = KubeadmRules::at(version);
    match config.load(&rules) {
        Ok(loaded) => show(&Look { pki, rules: &rules, now }, &loaded, config.lines(COMMAND, pki, &rules), output),
        Err(refusal) => stopped(refusal.into(), String::new(), &rules),
    }
}

fn show(look: &Look<'_>, config: &Config, lines: String, output: &Output) -> CheckExpiration {
    let rules = look.rules;
    if rules.commands.check_expiration.is_none() {
        return stopped(UsageError::UnknownCommand { given: "certs check-expiration".to_owned() }.into(), String::new(), rules);
    }
    let certificates = match look.at_all(renewable(rules, config.external_etcd)) {
        Ok(certificates) => certificates,
        Err(stop) => return stopped(stop, lines, rules),
    };
    let authorities = Item::AUTHORITIES.into_iter().filter(|item| !(config.external_etcd && item.is_of_local_etcd()));
    match look.at_all(authorities.collect()) {
        Ok(authorities) => done(certificates, authorities, lines, output, rules),
        Err(stop) => {
            let early = rules.table == TablePrinted::BeforeAuthorities;
            let table = if early { table::certificates(&certificates) + "\n" } else { String::new() };
            CheckExpiration { certificates, ..stopped(stop, lines + &table, rules) }
        }
    }
}

/// What is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckExpiration {
    /// The exit code.
    pub exit_code: i32,
    /// Why it stops, where it does.
    pub stop: Option<Stop>,
    /// Leaves, by name. Empty where one of them stopped it; then nothing of them is shown in any release.
    pub certificates: Vec<Entry>,
    /// Authorities, by name. Empty where one of them stopped it.
    pub certificate_authorities: Vec<Entry>,
    /// All of the standard output, byte for byte; `None` for formats that are not forecast: KYAML and templates.
    pub stdout: Option<String>,
}

impl CheckExpiration {
    /// The object that `-o json` prints since 1.30: `CertificateExpirationInfo` of `output.kubeadm.k8s.io/v1alpha3`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let list = |entries: &[Entry]| Value::from(entries.iter().map(Entry::to_json).collect::<Vec<_>>());
        json!({
            "kind": "CertificateExpirationInfo",
            "apiVersion": "output.kubeadm.k8s.io/v1alpha3",
            "certificates": list(&self.certificates),
            "certificateAuthorities": list(&self.certificate_authorities),
        })
    }
}

/// One certificate as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Which.
    pub item: Item,
    /// Its last second of validity; `None` where it is missing.
    pub expiration_date: Option<Timestamp>,
    /// How many whole seconds remain, cut towards zero, negative once it has expired. Saturates at 292 years.
    pub residual_time: i64,
    /// The same as the table has it.
    pub residual_text: String,
    /// Whether the key of its authority is elsewhere.
    pub externally_managed: bool,
    /// Its authority; `None` for an authority, where it is missing, and where the release does not name it.
    pub ca_name: Option<Item>,
    /// Whether there is no file.
    pub missing: bool,
}

impl Entry {
    fn missing(item: Item) -> Self {
        Self { item, expiration_date: None, residual_time: 0, residual_text: String::new(), externally_managed: false, ca_name: None, missing: true }
    }

    fn to_json(&self) -> Value {
        let mut entry = json!({
            "name": self.item,
            "expirationDate": self.expiration_date,
            "residualTime": self.residual_time,
            "externallyManaged": self.externally_managed,
        });
        if let Some(ca) = self.ca_name {
            entry["caName"] = json!(ca);
        }
        entry["missing"] = json!(self.missing);
        entry
    }
}

const COMMAND: &str = "check-expiration";

fn stopped(stop: Stop, stdout: String, rules: &KubeadmRules) -> CheckExpiration {
    CheckExpiration {
        exit_code: stop.exit_code(rules),
        stop: Some(stop),
        certificates: Vec::new(),
        certificate_authorities: Vec::new(),
        stdout: Some(stdout),
    }
}

fn done(certificates: Vec<Entry>, authorities: Vec<Entry>, lines: String, output: &Output, rules: &KubeadmRules) -> CheckExpiration {
    let mut shown = CheckExpiration { exit_code: 0, stop: None, certificates, certificate_authorities: authorities, stdout: None };
    let text = match output {
        Output::Text if rules.ca_table => Some(table::certificates(&shown.certificates) + "\n" + &table::authorities(&shown.certificate_authorities)),
        // The same columns as those of authorities, under the name of leaves.
        Output::Text => Some(table::certificates_alone(&shown.certificates)),
        Output::Json => Some(table::json(&shown)),
        Output::Yaml => Some(table::yaml(&shown)),
        Output::Other(_) => None,
    };
    shown.stdout = text.map(|text| lines + &text);
    shown
}

struct Look<'a> {
    pki: &'a Pki,
    rules: &'a KubeadmRules,
    now: Timestamp,
}

impl Look<'_> {
    fn at_all(&self, items: Vec<Item>) -> Result<Vec<Entry>, Stop> {
        items.into_iter().map(|item| self.at(item)).collect()
    }

    /// A missing file wins over whatever is wrong with its authority.
    fn at(&self, item: Item) -> Result<Entry, Stop> {
        if !self.pki.has_certificate_file(item) && self.rules.passes_over_missing {
            return Ok(Entry::missing(item));
        }
        let authority = item.authority().unwrap_or(item);
        let keeper = keeper(authority, self.pki, self.rules, self.now).map_err(super::stop::Broken::into_stop)?;
        let found = read_to_renew(item, self.pki, self.rules)?;
        let remaining = remaining(found, self.now);
        let residual_text = match self.rules.residual {
            Residual::Short => short_human_duration(remaining),
            Residual::Human => human_duration(remaining),
        };
        Ok(Entry {
            item,
            expiration_date: Some(found.not_after),
            residual_time: remaining / 1_000_000_000,
            residual_text,
            externally_managed: keeper == Keeper::External,
            ca_name: item.authority().filter(|_| match self.rules.named_authorities {
                NamedAuthorities::None => false,
                NamedAuthorities::OfFiles => !item.is_kubeconfig(),
                NamedAuthorities::OfAll => true,
            }),
            missing: false,
        })
    }
}

/// Go's `Time.Sub`: nanoseconds, at most 292 years either way.
fn remaining(certificate: &ReadCertificate, now: Timestamp) -> i64 {
    let exact = certificate.not_after.duration_since(now).as_nanos();
    let bounded = exact.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
    i64::try_from(bounded).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubeadm::pki::{CertificateState, ItemState, KeyState};

    fn now() -> Timestamp {
        "2026-11-23T06:00:00Z".parse().unwrap()
    }

    fn state(hours: i64, is_ca: bool) -> ItemState {
        let not_after = now() + jiff::SignedDuration::from_hours(hours);
        let not_before = now() - jiff::SignedDuration::from_hours(10);
        let certificate = ReadCertificate { not_before, not_after, certificates: 1, is_ca, signed_by_local_ca: true, facts: None, kubeconfig: None };
        ItemState { certificate: CertificateState::Readable(Box::new(certificate)), key: KeyState::Present }
    }

    fn pki() -> Pki {
        Pki { items: Item::ALL.into_iter().map(|item| (item, state(100, item.is_authority()))).collect() }
    }

    fn check(pki: &Pki, version: &str) -> CheckExpiration {
        check_expiration(pki, version.parse().unwrap(), now())
    }

    #[test]
    fn a_directory_of_its_own_authorities_is_shown_even_if_all_is_over() {
        let mut pki = pki();
        pki.items.insert(Item::Ca, state(-1, true));
        pki.items.insert(Item::Apiserver, state(-1, false));
        let shown = check(&pki, "1.37");
        assert_eq!(shown.exit_code, 0);
        assert!(shown.stdout.unwrap().contains("<invalid>"));
    }

    #[test]
    fn a_garbage_authority_key_counts_as_local() {
        let mut pki = pki();
        pki.items.get_mut(&Item::Ca).unwrap().key = KeyState::Unreadable { reason: "no PEM".into() };
        let shown = check(&pki, "1.37");
        assert!(shown.certificates.iter().all(|entry| !entry.externally_managed));
    }

    #[test]
    fn an_external_authority_looks_at_keys_and_from_1_21_on_at_dates() {
        let mut pki = pki();
        pki.items.get_mut(&Item::Ca).unwrap().key = KeyState::Absent;
        assert_eq!(check(&pki, "1.20").exit_code, 0);
        pki.items.get_mut(&Item::Apiserver).unwrap().key = KeyState::Mismatch;
        assert_eq!(check(&pki, "1.37").exit_code, 0, "a wrong key is not noticed");
        pki.items.get_mut(&Item::Apiserver).unwrap().key = KeyState::Unreadable { reason: "encrypted".into() };
        assert_eq!(check(&pki, "1.37").exit_code, 1);
        pki.items.insert(Item::Apiserver, state(-1, false));
        assert_eq!(["1.20", "1.21", "1.37"].map(|version| check(&pki, version).exit_code), [0, 1, 1]);
    }

    #[test]
    fn an_unreadable_authority_stops_only_where_something_depends_on_it() {
        let mut pki = pki();
        pki.items.retain(|item, _| *item != Item::FrontProxyClient);
        pki.items.get_mut(&Item::FrontProxyCa).unwrap().certificate = CertificateState::Unreadable { reason: "DER".into() };
        let [old, new] = ["1.29", "1.30"].map(|version| check(&pki, version));
        assert_eq!((old.exit_code, new.exit_code), (1, 1), "the table of authorities depends on it");
        assert!(old.stdout.unwrap().ends_with("\n\n"), "the first table stands there already");
        assert_eq!(new.stdout.unwrap(), "");
        pki.items.remove(&Item::FrontProxyCa);
        assert_eq!(check(&pki, "1.30").exit_code, 0, "nothing is left of it");
    }

    /// Byte for byte what 1.16.15 and 1.18.19 printed of one PKI; here most of its leaves are left out.
    #[test]
    fn the_tables_of_1_16_and_1_18_have_fewer_columns_and_cells() {
        let at = |time: &str| time.parse::<Timestamp>().unwrap();
        let mut pki = pki();
        for (item, state) in &mut pki.items {
            let CertificateState::Readable(certificate) = &mut state.certificate else { panic!("{item}") };
            certificate.not_after = at(if item.is_authority() { "2036-11-22T14:44:30Z" } else { "2027-11-25T14:44:30Z" });
        }
        let shown = |version: &str| check_expiration(&pki, version.parse().unwrap(), at("2026-11-25T14:44:40Z")).stdout.unwrap();
        let [old, new] = [shown("1.16.15"), shown("1.18.19")];
        let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
        assert_eq!((old.len(), new.len()), (11, 16));
        assert_eq!(old[0], "CERTIFICATE                EXPIRES                  RESIDUAL TIME   EXTERNALLY MANAGED");
        assert_eq!(old[1], "admin.conf                 Nov 25, 2027 14:44 UTC   364d            no      ");
        assert_eq!(new[0], "CERTIFICATE                EXPIRES                  RESIDUAL TIME   CERTIFICATE AUTHORITY   EXTERNALLY MANAGED");
        assert_eq!(new[1], "admin.conf                 Nov 25, 2027 14:44 UTC   364d                                    no      ");
        assert_eq!(new[2], "apiserver                  Nov 25, 2027 14:44 UTC   364d            ca                      no      ");
        assert_eq!(
            new[11..14],
            [
                "",
                "CERTIFICATE AUTHORITY   EXPIRES                  RESIDUAL TIME   EXTERNALLY MANAGED",
                "ca                      Nov 22, 2036 14:44 UTC   9y              no      "
            ]
        );
    }

    #[test]
    fn before_1_20_a_missing_file_a_bundle_and_a_key_elsewhere_stop_what_they_stopped() {
        let codes = |pki: &Pki| ["1.16", "1.18", "1.20"].map(|version| check(pki, version).exit_code);
        let mut missing = pki();
        missing.items.remove(&Item::Apiserver);
        assert_eq!(codes(&missing), [1, 0, 0]);
        let mut bundle = pki();
        let CertificateState::Readable(certificate) = &mut bundle.items.get_mut(&Item::Apiserver).unwrap().certificate else { panic!() };
        certificate.certificates = 2;
        assert_eq!(codes(&bundle), [1, 1, 0]);
        let mut external = pki();
        external.items.get_mut(&Item::Ca).unwrap().key = KeyState::Absent;
        assert_eq!(codes(&external), [0, 1, 0]);
        let mut of_etcd = pki();
        of_etcd.items.get_mut(&Item::EtcdCa).unwrap().key = KeyState::Absent;
        assert_eq!(codes(&of_etcd), [0, 0, 0]);
        let managed = |version| check(&of_etcd, version).certificates.iter().filter(|entry| entry.externally_managed).count();
        assert_eq!([managed("1.16"), managed("1.18"), managed("1.20")], [0, 0, 4]);
    }

    #[test]
    fn before_1_15_there_is_no_such_command() {
        assert_eq!(check(&pki(), "1.14").exit_code, 1);
        assert_eq!(check(&pki(), "1.15").exit_code, 0);
    }
}
