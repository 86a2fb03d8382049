//! Whether what servers show stands for every name by which they are called.

use std::net::{IpAddr, Ipv4Addr};

use super::super::{Problems, Severity};
use super::problem::{Because, MissingName};
use super::{Look, NodeProblem, say};
use crate::kubeadm::facts::{CertificateFacts, San};
use crate::kubeadm::list::SanRule;
use crate::kubeadm::{AltNames, Config, Item, SanError, Spec};

/// An advertise address that nobody knows; no certificate stands for it.
const UNKNOWN: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

impl Look<'_> {
    pub(super) fn names(&self, item: Item, problems: &mut Problems) {
        let Some(facts) = self.seen.pki.readable(item).and_then(|read| read.facts.as_ref()) else { return };
        let Some(spec) = Spec::of(item, &self.rules).filter(|spec| is_server(spec.san)) else { return };
        let wanted = self.wanted(&spec).unwrap_or_else(|problem| {
            say(problems, Severity::Warning, NodeProblem::NamesUnknown { item, problem });
            Vec::new()
        });
        let mut missing: Vec<MissingName> = Vec::new();
        for wish in wanted.into_iter().chain(self.called(item)) {
            if !stands_for(facts, &wish.name) && missing.iter().all(|known| known.name != wish.name) {
                missing.push(wish);
            }
        }
        if let Some(severity) = missing.iter().map(|wish| severity(wish.because)).max() {
            let command = self.maker(item);
            say(problems, severity, NodeProblem::NamesMissing { item, missing, command });
        }
    }

    /// What kubeadm would write for this configuration, or of it what holds in every cluster.
    fn wanted(&self, spec: &Spec) -> Result<Vec<MissingName>, SanError> {
        let mut config = self.policy.config.clone().unwrap_or_default();
        if config.node_name.is_empty() {
            self.name.unwrap_or_default().clone_into(&mut config.node_name);
        }
        if config.advertise_address.is_empty() {
            config.advertise_address = UNKNOWN.to_string();
        }
        // As kubeadm's loading does it.
        config.cert_sans.iter_mut().for_each(|name| *name = name.to_lowercase());
        let names = AltNames::of(spec, &config)?;
        let wishes = names.to_san().into_iter().map(|name| MissingName { because: because(&name, spec.san, &config), name });
        Ok(wishes.filter(|wish| is_known(wish, self.policy.config.is_some())).collect())
    }

    /// The names by which this node's kubeconfigs call the API server.
    fn called(&self, item: Item) -> Vec<MissingName> {
        let wish = |(item, name): (Item, &String)| MissingName { name: san(name), because: Because::Kubeconfig { item } };
        let servers = self.seen.items.iter().filter_map(|(item, seen)| Some((*item, seen.server_name.as_ref()?)));
        if item == Item::Apiserver { servers.map(wish).collect() } else { Vec::new() }
    }
}

fn is_server(rule: SanRule) -> bool {
    match rule {
        SanRule::Apiserver | SanRule::EtcdServer | SanRule::EtcdPeer => true,
        SanRule::None | SanRule::CommonName => false,
    }
}

/// Without a configuration nobody knows the service network, nor the domain of the cluster.
fn is_known(wish: &MissingName, configured: bool) -> bool {
    let unknown = match &wish.name {
        San::Dns(name) => name.is_empty() || !configured && name.starts_with("kubernetes.default.svc."),
        San::Ip(address) => *address == UNKNOWN || !configured && wish.because == Because::ServiceAddress,
        San::Uri(_) | San::Email(_) | San::Other(_) => true,
    };
    !unknown
}

fn because(name: &San, rule: SanRule, config: &Config) -> Because {
    let text = match name {
        San::Dns(name) => name.clone(),
        San::Ip(address) => address.to_string(),
        San::Uri(_) | San::Email(_) | San::Other(_) => String::new(),
    };
    let is = |other: &str| san(other) == *name;
    if is(&config.node_name) {
        Because::NodeName
    } else if is(&config.advertise_address) {
        Because::AdvertiseAddress
    } else if config.control_plane_host().is_some_and(is) && rule == SanRule::Apiserver {
        Because::ControlPlaneEndpoint
    } else if rule != SanRule::Apiserver {
        let loopback = matches!(name, San::Ip(address) if address.is_loopback()) || text == "localhost";
        if loopback { Because::Loopback } else { Because::Configured }
    } else if text == "kubernetes" || text == "kubernetes.default" || text.starts_with("kubernetes.default.svc") {
        Because::ServiceName
    } else if config.cert_sans.iter().any(|listed| is(listed)) {
        Because::Configured
    } else {
        Because::ServiceAddress
    }
}

fn severity(because: Because) -> Severity {
    match because {
        Because::ServiceName | Because::ServiceAddress | Because::AdvertiseAddress | Because::ControlPlaneEndpoint => Severity::Error,
        // Who calls it so may come another way, or not at all.
        Because::NodeName | Because::Configured | Because::Loopback | Because::Kubeconfig { .. } => Severity::Warning,
    }
}

fn san(name: &str) -> San {
    name.parse().map_or_else(|_| San::Dns(name.to_lowercase()), |address: IpAddr| San::Ip(address.to_canonical()))
}

/// As Go compares: addresses exactly, names in any case and with or without a dot at their end, and a first label of `*` for any one label.
///
/// Source: `VerifyHostname`, `matchHostnames`, `crypto/x509/verify.go@go1.26`.
fn stands_for(facts: &CertificateFacts, wanted: &San) -> bool {
    facts.san.iter().any(|has| match (has, wanted) {
        (San::Dns(has), San::Dns(wanted)) => {
            let wanted = wanted.strip_suffix('.').unwrap_or(wanted);
            has.eq_ignore_ascii_case(wanted) || is_under_wildcard(has, wanted)
        }
        (has, wanted) => has == wanted,
    })
}

fn is_under_wildcard(pattern: &str, name: &str) -> bool {
    let rest = pattern.strip_prefix("*.");
    rest.is_some_and(|rest| name.split_once('.').is_some_and(|(first, below)| !first.is_empty() && rest.eq_ignore_ascii_case(below)))
}
