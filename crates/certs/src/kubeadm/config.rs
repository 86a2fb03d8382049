//! What of an `InitConfiguration` and a `ClusterConfiguration` decides about certificates, and when kubeadm refuses it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::facts::KeyKind;
use super::list::Item;
use super::rules::{Encryption, KubeadmRules};
use super::san::{address, is_dns1123_subdomain, is_wildcard, subnet};

/// A configuration. [`Config::default`] is what kubeadm takes where it is given none, but for the node's name and address, which it asks
/// the machine for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Config {
    /// The API version of the file, without its group: `v1beta4`.
    pub api_version: String,
    /// `localAPIEndpoint.advertiseAddress`.
    pub advertise_address: String,
    /// `localAPIEndpoint.bindPort`.
    pub bind_port: u16,
    /// `nodeRegistration.name`.
    pub node_name: String,
    /// `controlPlaneEndpoint`: `HOST` or `HOST:PORT`; empty where there is none.
    pub control_plane_endpoint: String,
    /// `apiServer.certSANs`.
    pub cert_sans: Vec<String>,
    /// `etcd.local.serverCertSANs`.
    pub etcd_server_cert_sans: Vec<String>,
    /// `etcd.local.peerCertSANs`.
    pub etcd_peer_cert_sans: Vec<String>,
    /// Whether `etcd.external` is there.
    pub external_etcd: bool,
    /// `networking.serviceSubnet`: one network, or two joined by a comma.
    pub service_subnet: String,
    /// `networking.dnsDomain`.
    pub dns_domain: String,
    /// `clusterName`, which kubeconfigs call the cluster.
    pub cluster_name: String,
    /// `certificatesDir`.
    pub certificates_dir: String,
    /// `encryptionAlgorithm` of v1beta4; ignored in older API versions.
    pub encryption_algorithm: Option<String>,
    /// `featureGates`.
    pub feature_gates: BTreeMap<String, bool>,
    /// `certificateValidityPeriod` of v1beta4, in nanoseconds. Zero and less are taken: they make certificates that have expired.
    pub certificate_validity_period: Option<i64>,
    /// `caCertificateValidityPeriod` of v1beta4, in nanoseconds.
    pub ca_certificate_validity_period: Option<i64>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            api_version: "v1beta4".to_owned(),
            advertise_address: String::new(),
            bind_port: 6443,
            node_name: String::new(),
            control_plane_endpoint: String::new(),
            cert_sans: Vec::new(),
            etcd_server_cert_sans: Vec::new(),
            etcd_peer_cert_sans: Vec::new(),
            external_etcd: false,
            service_subnet: "10.96.0.0/12".to_owned(),
            dns_domain: "cluster.local".to_owned(),
            cluster_name: "kubernetes".to_owned(),
            certificates_dir: "/etc/kubernetes/pki".to_owned(),
            encryption_algorithm: None,
            feature_gates: BTreeMap::new(),
            certificate_validity_period: None,
            ca_certificate_validity_period: None,
        }
    }
}

/// Why kubeadm refuses a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "refused")]
pub enum Refusal {
    /// This release does not read the API version, or takes a flag for it.
    #[error("kubeadm.k8s.io/{api_version} is not read by this kubeadm, which reads {}: run `kubeadm config migrate` of a release that reads both", read.join(", "))]
    ApiVersion {
        /// What the file says.
        api_version: String,
        /// What is read.
        read: Vec<String>,
    },
    /// A value is wrong, and found so while defaults are filled in: exit code 1 in every release.
    #[error("{field}: {value:?} is not accepted: {remedy}")]
    Default {
        /// The path in the configuration.
        field: String,
        /// What it says.
        value: String,
        /// What to write instead.
        remedy: String,
    },
    /// A value is wrong, and found so by validation: its exit code depends on the release.
    #[error("{field}: {value:?} is not accepted: {remedy}")]
    Validation {
        /// The path in the configuration.
        field: String,
        /// What it says.
        value: String,
        /// What to write instead.
        remedy: String,
    },
}

impl Refusal {
    /// The exit code of a kubeadm with these rules.
    #[must_use]
    pub fn exit_code(&self, rules: &KubeadmRules) -> i32 {
        match self {
            Self::ApiVersion { .. } | Self::Default { .. } => 1,
            Self::Validation { .. } => rules.validation_exit_code,
        }
    }
}

impl Config {
    /// Reads what matters out of the two documents of a configuration file. Fields that are missing have their defaults; of the group
    /// in `apiVersion` nothing is checked.
    ///
    /// # Errors
    /// The path and the text of a value that is of another type than upstream's.
    pub fn read(init: &Value, cluster: &Value) -> Result<Self, Refusal> {
        let defaults = Self::default();
        let api_version = [init, cluster].into_iter().find_map(|document| document["apiVersion"].as_str()).unwrap_or_default();
        let period = |field: &str| match cluster.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_str().and_then(go_duration).map(Some).ok_or_else(|| not_read(field, value)),
        };
        let config = Self {
            api_version: api_version.rsplit('/').next().unwrap_or_default().to_owned(),
            advertise_address: text(init, &["localAPIEndpoint", "advertiseAddress"], &defaults.advertise_address)?,
            bind_port: typed(&init["localAPIEndpoint"]["bindPort"], "localAPIEndpoint.bindPort")?.unwrap_or(defaults.bind_port),
            node_name: text(init, &["nodeRegistration", "name"], &defaults.node_name)?,
            control_plane_endpoint: text(cluster, &["controlPlaneEndpoint"], "")?,
            cert_sans: texts(cluster, &["apiServer", "certSANs"])?,
            etcd_server_cert_sans: texts(cluster, &["etcd", "local", "serverCertSANs"])?,
            etcd_peer_cert_sans: texts(cluster, &["etcd", "local", "peerCertSANs"])?,
            external_etcd: cluster["etcd"]["external"].is_object(),
            service_subnet: text(cluster, &["networking", "serviceSubnet"], &defaults.service_subnet)?,
            dns_domain: text(cluster, &["networking", "dnsDomain"], &defaults.dns_domain)?,
            cluster_name: text(cluster, &["clusterName"], &defaults.cluster_name)?,
            certificates_dir: text(cluster, &["certificatesDir"], &defaults.certificates_dir)?,
            encryption_algorithm: Some(text(cluster, &["encryptionAlgorithm"], "")?).filter(|name| !name.is_empty()),
            feature_gates: typed(&cluster["featureGates"], "featureGates")?.unwrap_or_default(),
            certificate_validity_period: period("certificateValidityPeriod")?,
            ca_certificate_validity_period: period("caCertificateValidityPeriod")?,
        };
        Ok(config)
    }

    /// Loads the configuration as a kubeadm with these rules does: `certSANs` become lower-case, so that `UPPER.example.test` and even
    /// `1.2.3.L` are accepted, then everything is validated. Those of etcd stay as they are.
    ///
    /// # Errors
    /// [`Refusal`], the first one that kubeadm comes to; it has written nothing then.
    pub fn load(mut self, rules: &KubeadmRules) -> Result<Self, Refusal> {
        for name in &mut self.cert_sans {
            *name = name.to_lowercase();
        }
        self.api_version_is_read(rules)?;
        self.defaults_are_possible()?;
        self.is_valid(rules)?;
        Ok(self)
    }

    /// The host of `controlPlaneEndpoint`, without its port and brackets.
    #[must_use]
    pub fn control_plane_host(&self) -> Option<&str> {
        let endpoint = Some(self.control_plane_endpoint.as_str()).filter(|endpoint| !endpoint.is_empty())?;
        Some(split_port(endpoint).map_or(endpoint, |(host, _)| host))
    }

    /// The URL of the API server on this node.
    #[must_use]
    pub fn local_endpoint(&self) -> String {
        url(&self.advertise_address, &self.bind_port.to_string())
    }

    /// The URL of the control plane: `controlPlaneEndpoint` where there is one, with the node's port if it names none.
    #[must_use]
    pub fn control_plane_url(&self) -> String {
        match (self.control_plane_host(), split_port(&self.control_plane_endpoint)) {
            (Some(host), Some((_, port))) => url(host, port),
            (Some(host), None) => url(host, &self.bind_port.to_string()),
            (None, _) => self.local_endpoint(),
        }
    }

    /// Whether `controlPlaneEndpoint` names another port than the node's own, which kubeadm warns about.
    #[must_use]
    pub fn overrides_port(&self) -> bool {
        split_port(&self.control_plane_endpoint).is_some_and(|(_, port)| port != self.bind_port.to_string())
    }

    /// The kind of key that is wished for.
    #[must_use]
    pub fn key_kind(&self, rules: &KubeadmRules) -> KeyKind {
        let gate = self.feature_gates.get("PublicKeysECDSA").copied().unwrap_or(false);
        let by_gate = if gate { KeyKind::EcdsaP256 } else { KeyKind::Rsa(2048) };
        match (rules.encryption, self.v1beta4_fields().0) {
            (Encryption::None, _) => KeyKind::Rsa(2048),
            (Encryption::Field(_), Some(name)) => name.parse().unwrap_or(by_gate),
            (Encryption::Gate | Encryption::Field(_), _) => by_gate,
        }
    }

    /// How long `item` is made valid, in seconds, a part of a second cut off.
    #[must_use]
    pub fn validity_seconds(&self, item: Item) -> i64 {
        let (_, leaf, authority) = self.v1beta4_fields();
        if item.is_authority() {
            authority.map_or(KubeadmRules::CA_VALIDITY_SECONDS, |nanoseconds| nanoseconds / 1_000_000_000)
        } else {
            leaf.map_or(KubeadmRules::VALIDITY_SECONDS, |nanoseconds| nanoseconds / 1_000_000_000)
        }
    }

    /// The fields that v1beta4 brought; older API versions do not have them, so what stands there is ignored.
    fn v1beta4_fields(&self) -> (Option<&str>, Option<i64>, Option<i64>) {
        if ["v1beta1", "v1beta2", "v1beta3"].contains(&self.api_version.as_str()) || self.api_version.starts_with("v1alpha") {
            return (None, None, None);
        }
        (self.encryption_algorithm.as_deref(), self.certificate_validity_period, self.ca_certificate_validity_period)
    }

    fn api_version_is_read(&self, rules: &KubeadmRules) -> Result<(), Refusal> {
        if rules.config_api_versions.contains(&self.api_version.as_str()) {
            return Ok(());
        }
        let read = rules.config_api_versions.iter().map(|&version| version.to_owned()).collect();
        Err(Refusal::ApiVersion { api_version: self.api_version.clone(), read })
    }

    fn defaults_are_possible(&self) -> Result<(), Refusal> {
        let refuse = |field: &str, value: &str, remedy: &str| {
            Err(Refusal::Default { field: field.to_owned(), value: value.to_owned(), remedy: remedy.to_owned() })
        };
        if address(&self.advertise_address).is_none() {
            return refuse("localAPIEndpoint.advertiseAddress", &self.advertise_address, "give an IPv4 or IPv6 address");
        }
        let port_is_good = split_port(&self.control_plane_endpoint).is_none_or(|(_, port)| is_port(port));
        let host_is_good = self.control_plane_host().is_none_or(|host| address(host).is_some() || is_dns1123_subdomain(host));
        if host_is_good && port_is_good {
            return Ok(());
        }
        refuse("controlPlaneEndpoint", &self.control_plane_endpoint, "give HOST or HOST:PORT, the host an address or a lower-case DNS name")
    }

    fn is_valid(&self, rules: &KubeadmRules) -> Result<(), Refusal> {
        let refuse = |field: &str, value: &str, remedy: &str| {
            Err(Refusal::Validation { field: field.to_owned(), value: value.to_owned(), remedy: remedy.to_owned() })
        };
        for (field, names) in [
            ("apiServer.certSANs", &self.cert_sans),
            ("etcd.local.serverCertSANs", &self.etcd_server_cert_sans),
            ("etcd.local.peerCertSANs", &self.etcd_peer_cert_sans),
        ] {
            let bad = |name: &&String| address(name).is_none() && !is_dns1123_subdomain(name) && !is_wildcard(name);
            if let Some(name) = names.iter().find(bad) {
                return refuse(field, name, "give addresses and lower-case DNS names, these also with a leading *.");
            }
        }
        if !is_dns1123_subdomain(&self.node_name) {
            return refuse("nodeRegistration.name", &self.node_name, "give a lower-case DNS name");
        }
        if !is_dns1123_subdomain(&self.dns_domain) {
            return refuse("networking.dnsDomain", &self.dns_domain, "give a lower-case DNS name");
        }
        if !self.subnets_are_valid(rules) {
            return refuse("networking.serviceSubnet", &self.service_subnet, "give one network, or one of each family");
        }
        match (rules.encryption, self.v1beta4_fields().0) {
            (Encryption::Field(allowed), Some(name)) if !allowed.contains(&name) => {
                refuse("encryptionAlgorithm", name, &format!("give one of {}", allowed.join(", ")))
            }
            (Encryption::None | Encryption::Gate | Encryption::Field(_), _) => Ok(()),
        }
    }

    fn subnets_are_valid(&self, rules: &KubeadmRules) -> bool {
        let networks: Option<Vec<_>> = self.service_subnet.split(',').map(subnet).collect();
        let dual = !rules.dual_stack_takes_gate || self.feature_gates.get("IPv6DualStack").copied().unwrap_or(false);
        match networks.as_deref() {
            Some([_]) => true,
            Some([(a, _), (b, _)]) => dual && a.is_ipv4() != b.is_ipv4(),
            Some(_) | None => false,
        }
    }
}

fn not_read(field: &str, value: &Value) -> Refusal {
    Refusal::Default { field: field.to_owned(), value: value.to_string(), remedy: "give a value of the type that the API has".to_owned() }
}

fn at<'a>(document: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().fold(document, |value, key| &value[*key])
}

/// An empty text is a missing one, as upstream's defaults have it.
fn text(document: &Value, path: &[&str], default: &str) -> Result<String, Refusal> {
    let text: Option<String> = typed(at(document, path), &path.join("."))?;
    Ok(text.filter(|text| !text.is_empty()).unwrap_or_else(|| default.to_owned()))
}

fn texts(document: &Value, path: &[&str]) -> Result<Vec<String>, Refusal> {
    Ok(typed(at(document, path), &path.join("."))?.unwrap_or_default())
}

fn typed<T: serde::de::DeserializeOwned>(value: &Value, field: &str) -> Result<Option<T>, Refusal> {
    serde_json::from_value(value.clone()).map_err(|_| not_read(field, value))
}

/// `HOST:PORT` and `[V6]:PORT`; `None` where no port is named, as in a bare IPv6 address.
fn split_port(endpoint: &str) -> Option<(&str, &str)> {
    if let Some((host, port)) = endpoint.strip_prefix('[').and_then(|rest| rest.split_once("]:")) {
        return Some((host, port));
    }
    endpoint.rsplit_once(':').filter(|(host, _)| !host.contains(':'))
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port > 0)
}

fn url(host: &str, port: &str) -> String {
    if host.contains(':') { format!("https://[{host}]:{port}") } else { format!("https://{host}:{port}") }
}

/// Go's `time.ParseDuration`: `1h30m15s`, a sign, fractions, the units down to `ns`; a bare `0` is zero. In nanoseconds.
fn go_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut total: i64 = 0;
    let mut parts = 0;
    while !rest.is_empty() {
        let (part, after) = go_duration_part(rest)?;
        total = total.checked_add(part)?;
        rest = after;
        parts += 1;
    }
    (parts > 0).then_some(if negative { -total } else { total })
}

/// One number with its unit, and what follows it.
fn go_duration_part(text: &str) -> Option<(i64, &str)> {
    let end_of_number = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, rest) = text.split_at(end_of_number);
    let end_of_unit = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end_of_unit);
    let unit: i64 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let digits = u32::try_from(fraction.len().min(15)).ok()?;
    let fraction: i64 = if digits == 0 { 0 } else { fraction.get(..15).unwrap_or(fraction).parse().ok()? };
    let part = i128::from(fraction) * i128::from(unit) / 10_i128.pow(digits);
    Some((whole.checked_mul(unit)?.checked_add(i64::try_from(part).ok()?)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rules(minor: u64) -> KubeadmRules {
        KubeadmRules::at(trimtab_core::KubeVersion::new(minor).unwrap())
    }

    fn config() -> Config {
        Config { advertise_address: "192.0.2.10".into(), node_name: "node-a".into(), ..Config::default() }
    }

    #[test]
    fn durations_read_as_go_reads_them() {
        let hour = 3_600_000_000_000;
        assert_eq!(go_duration("1h30m15s"), Some(hour + hour / 2 + 15_000_000_000));
        assert_eq!(go_duration("-5h"), Some(-5 * hour));
        assert_eq!(go_duration("0s"), Some(0));
        assert_eq!(go_duration("1.5h"), Some(hour + hour / 2));
        assert_eq!(go_duration(".5s"), Some(500_000_000));
        for text in ["", "h", "1", "1d", "1.2.3h", ".h", "9999999999h", "-"] {
            assert_eq!(go_duration(text), None, "{text}");
        }
    }

    #[test]
    fn names_are_lowered_before_they_are_judged() {
        let given = Config { cert_sans: vec!["UPPER.example.test".into(), "1.2.3.L".into()], ..config() };
        assert_eq!(given.load(&rules(37)).unwrap().cert_sans, ["upper.example.test", "1.2.3.l"]);
        let bad = Config { cert_sans: vec!["bad_name".into()], ..config() };
        let codes = [31, 34].map(|minor| bad.clone().load(&rules(minor)).unwrap_err().exit_code(&rules(minor)));
        assert_eq!(codes, [3, 1]);
        let etcd = Config { etcd_server_cert_sans: vec!["UPPER".into()], ..config() };
        assert!(etcd.load(&rules(37)).is_err());
    }

    #[test]
    fn the_endpoint_is_judged_as_it_was_written() {
        let with = |endpoint: &str| Config { control_plane_endpoint: endpoint.into(), ..config() };
        for minor in [31, 37] {
            assert_eq!(with("API.example.test:8443").load(&rules(minor)).unwrap_err().exit_code(&rules(minor)), 1);
        }
        assert_eq!(with("[2001:db8::1]:8443").control_plane_url(), "https://[2001:db8::1]:8443");
        assert_eq!(with("2001:db8::1").control_plane_url(), "https://[2001:db8::1]:6443");
        assert_eq!(with("api.example.test").control_plane_url(), "https://api.example.test:6443");
        assert_eq!(with("").control_plane_url(), "https://192.0.2.10:6443");
    }

    #[test]
    fn older_api_versions_know_no_algorithm_and_no_periods() {
        let cluster = json!({"apiVersion": "kubeadm.k8s.io/v1beta3", "encryptionAlgorithm": "ECDSA-P256", "certificateValidityPeriod": "1h"});
        let config = Config::read(&Value::Null, &cluster).unwrap();
        assert_eq!(config.key_kind(&rules(34)), KeyKind::Rsa(2048));
        assert_eq!(config.validity_seconds(Item::Apiserver), KubeadmRules::VALIDITY_SECONDS);
    }

    #[test]
    fn two_service_networks_take_a_gate_in_1_20() {
        let two = Config { api_version: "v1beta2".into(), service_subnet: "10.20.0.0/16,fd00:20::/112".into(), ..config() };
        assert!(two.clone().load(&rules(20)).is_err());
        assert!(Config { feature_gates: [("IPv6DualStack".to_owned(), true)].into(), ..two.clone() }.load(&rules(20)).is_ok());
        assert!(two.load(&rules(22)).is_ok());
    }

    #[test]
    fn a_value_of_another_type_is_refused_by_its_path() {
        let refusal = Config::read(&Value::Null, &json!({"apiServer": {"certSANs": "a"}})).unwrap_err();
        assert!(refusal.to_string().starts_with("apiServer.certSANs"), "{refusal}");
    }
}
