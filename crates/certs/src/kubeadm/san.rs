//! Which names and addresses the certificates of a control plane carry.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::config::Config;
use super::facts::San;
use super::list::{Item, SanRule, Spec};

/// The alternative names of a certificate. Upstream's `AltNames`, client-go `util/cert`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AltNames {
    /// Host names.
    pub dns: Vec<String>,
    /// Addresses.
    pub ip: Vec<IpAddr>,
    /// What the configuration asked for and is neither an address nor an RFC 1123 name nor one with a leading `*.`: dropped with a
    /// warning. The configuration's own validation refuses such names before it comes to that.
    pub dropped: Vec<String>,
}

/// An address or a network that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", tag = "error")]
pub enum SanError {
    /// The advertise address is no address.
    #[error("localAPIEndpoint.advertiseAddress: {value:?} is not a valid textual representation of an IP address")]
    AdvertiseAddress {
        /// What was given.
        value: String,
    },
    /// The first service subnet is no network.
    #[error("networking.serviceSubnet: {value:?} is no network: write it as 10.96.0.0/12")]
    ServiceSubnet {
        /// What was given.
        value: String,
    },
    /// The first service subnet has no room for the address of the `kubernetes` service.
    #[error("networking.serviceSubnet: {value:?} has no address beside its own: widen it")]
    ServiceSubnetTooSmall {
        /// What was given.
        value: String,
    },
}

impl AltNames {
    /// The names of `item`, as written: without duplicates, host names sorted by bytes, addresses in order.
    ///
    /// ```
    /// use trimtab_certs::kubeadm::{AltNames, Config, Item, KubeadmRules, Spec};
    /// use trimtab_core::KubeVersion;
    ///
    /// let config = Config { advertise_address: "192.0.2.10".into(), node_name: "node-a".into(), ..Config::default() };
    /// let spec = Spec::of(Item::EtcdPeer, &KubeadmRules::at(KubeVersion::MAX)).unwrap();
    /// let names = AltNames::of(&spec, &config)?;
    /// assert_eq!(names.dns, ["localhost", "node-a"]);
    /// # Ok::<(), trimtab_certs::kubeadm::SanError>(())
    /// ```
    ///
    /// # Errors
    /// [`SanError`] where the advertise address or the first service subnet cannot be read.
    pub fn of(spec: &Spec, config: &Config) -> Result<Self, SanError> {
        let names = match spec.san {
            SanRule::None => Self::default(),
            SanRule::CommonName => Self { dns: vec![spec.common_name.on(&config.node_name)], ..Self::default() },
            SanRule::Apiserver => Self::apiserver(config)?,
            SanRule::EtcdServer => Self::etcd(config, &config.etcd_server_cert_sans)?,
            SanRule::EtcdPeer => Self::etcd(config, &config.etcd_peer_cert_sans)?,
        };
        Ok(names.without_duplicates())
    }

    /// The API server's names in the order in which they are gathered: the node, the service's four names, the control plane's endpoint
    /// and `certSANs`; addresses: the service's (the first of the first network alone, also with two), the advertise address, the
    /// endpoint's, `certSANs`.
    ///
    /// Source: `GetAPIServerAltNames`, `cmd/kubeadm/app/util/pkiutil/pki_helpers.go`@v1.34.4.
    ///
    /// # Errors
    /// [`SanError`], as [`AltNames::of`].
    pub fn apiserver(config: &Config) -> Result<Self, SanError> {
        let service = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"].map(str::to_owned);
        let mut names = Self::default();
        names.dns.push(config.node_name.clone());
        names.dns.extend(service);
        names.dns.push(format!("kubernetes.default.svc.{}", config.dns_domain));
        names.ip = vec![first_of(&config.service_subnet)?, advertise_address(config)?];
        if let Some(host) = config.control_plane_host() {
            match address(host) {
                Some(ip) => names.ip.push(ip),
                None => names.dns.push(host.to_owned()),
            }
        }
        names.append(&config.cert_sans);
        Ok(names)
    }

    /// etcd's names: the node, `localhost` and the configuration's; addresses: the advertise address, both loopbacks, the
    /// configuration's.
    ///
    /// # Errors
    /// [`SanError`], as [`AltNames::of`].
    pub fn etcd(config: &Config, extra: &[String]) -> Result<Self, SanError> {
        let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        let mut names =
            Self { dns: vec![config.node_name.clone(), "localhost".to_owned()], ip: vec![advertise_address(config)?], dropped: Vec::new() };
        names.ip.extend(loopback);
        names.append(extra);
        Ok(names)
    }

    /// Removes what is there twice, sorts host names by bytes (`*` comes first) and keeps the order of addresses. Addresses are compared
    /// as Go prints them: an IPv4 address inside an IPv6 one is the IPv4 address.
    #[must_use]
    pub fn without_duplicates(mut self) -> Self {
        self.dns.sort();
        self.dns.dedup();
        let mut seen: Vec<IpAddr> = Vec::new();
        for ip in self.ip {
            let ip = ip.to_canonical();
            if !seen.contains(&ip) {
                seen.push(ip);
            }
        }
        Self { ip: seen, ..self }
    }

    /// As they stand in the certificate: host names before addresses.
    #[must_use]
    pub fn to_san(&self) -> Vec<San> {
        self.dns.iter().cloned().map(San::Dns).chain(self.ip.iter().copied().map(San::Ip)).collect()
    }

    fn append(&mut self, extra: &[String]) {
        for name in extra {
            match address(name) {
                Some(ip) => self.ip.push(ip),
                None if is_dns1123_subdomain(name) || is_wildcard(name) => self.dns.push(name.clone()),
                None => self.dropped.push(name.clone()),
            }
        }
    }
}

/// Which items carry the configuration's names, and so go stale when it changes: renewal reads the old certificate instead.
pub const WITH_CONFIGURED_NAMES: [Item; 3] = [Item::Apiserver, Item::EtcdServer, Item::EtcdPeer];

fn advertise_address(config: &Config) -> Result<IpAddr, SanError> {
    address(&config.advertise_address).ok_or_else(|| SanError::AdvertiseAddress { value: config.advertise_address.clone() })
}

/// The address of the `kubernetes` service: one after the network's own, of the first network of the list.
fn first_of(subnets: &str) -> Result<IpAddr, SanError> {
    let first = subnets.split(',').next().unwrap_or_default();
    let wrong = || SanError::ServiceSubnet { value: first.to_owned() };
    let small = || SanError::ServiceSubnetTooSmall { value: first.to_owned() };
    let (base, length) = subnet(first).ok_or_else(wrong)?;
    match base {
        IpAddr::V4(base) => {
            let network = u32::from(base) & u32::MAX.checked_shl(32 - length).unwrap_or(0);
            if length >= 32 { Err(small()) } else { Ok(Ipv4Addr::from(network + 1).into()) }
        }
        IpAddr::V6(base) => {
            let network = u128::from(base) & u128::MAX.checked_shl(128 - length).unwrap_or(0);
            if length >= 128 { Err(small()) } else { Ok(Ipv6Addr::from(network + 1).into()) }
        }
    }
}

/// A network as its address and the length of its prefix.
pub(super) fn subnet(text: &str) -> Option<(IpAddr, u32)> {
    let (base, length) = text.split_once('/')?;
    let base = address(base)?;
    let most = if base.is_ipv4() { 32 } else { 128 };
    let length = length.parse().ok().filter(|length| *length <= most)?;
    Some((base, length))
}

/// Go's `ParseIPSloppy`, k8s.io/utils/net: zeros may lead the four numbers of an IPv4 address.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    let sloppy = || {
        let parts: Option<Vec<u8>> = text.split('.').map(number).collect();
        let octets: [u8; 4] = parts?.try_into().ok()?;
        Some(IpAddr::V4(octets.into()))
    };
    text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical()).or_else(sloppy)
}

fn number(text: &str) -> Option<u8> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// `IsDNS1123Subdomain`: up to 253 characters, labels of lower-case letters, digits and inner dashes. A label's own length is not looked
/// at.
pub(super) fn is_dns1123_subdomain(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let label = |label: &str| !label.is_empty() && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-');
    text.len() <= 253 && text.split('.').all(label)
}

/// `IsWildcardDNS1123Subdomain`: the same after a leading `*.`.
pub(super) fn is_wildcard(text: &str) -> bool {
    text.len() <= 253 && text.strip_prefix("*.").is_some_and(is_dns1123_subdomain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_address_is_the_first_of_the_first_network() {
        let first = |text| first_of(text).map(|ip| ip.to_string());
        assert_eq!(first("10.96.0.0/12").unwrap(), "10.96.0.1");
        assert_eq!(first("10.20.0.7/16,fd00:20::/112").unwrap(), "10.20.0.1");
        assert_eq!(first("fd00:20::/112").unwrap(), "fd00:20::1");
        assert_eq!(first("0.0.0.0/0").unwrap(), "0.0.0.1");
        assert!(matches!(first("10.0.0.1/32"), Err(SanError::ServiceSubnetTooSmall { .. })));
        assert!(matches!(first("10.96.0.0/33"), Err(SanError::ServiceSubnet { .. })));
        assert!(matches!(first(""), Err(SanError::ServiceSubnet { .. })));
    }

    #[test]
    fn zeros_may_lead_in_an_ipv4_address() {
        assert_eq!(address("010.000.0.1"), Some(IpAddr::V4([10, 0, 0, 1].into())));
        assert_eq!(address("::ffff:10.0.0.1"), Some(IpAddr::V4([10, 0, 0, 1].into())));
        for text in ["1.2.3", "1.2.3.L", "1.2.3.256", "1.2.3.+4", ""] {
            assert_eq!(address(text), None, "{text}");
        }
    }

    #[test]
    fn a_wildcard_stands_alone_in_front() {
        assert!(is_wildcard("*.example.test"));
        for text in ["*", "*.", "a.*.b", "**.a", "*.A"] {
            assert!(!is_wildcard(text), "{text}");
        }
    }
}
