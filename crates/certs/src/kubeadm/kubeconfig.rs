//! The kubeconfigs of a control plane: what kubeadm writes, and what of it a renewal changes.

use serde::{Deserialize, Serialize};

use super::config::Config;
use super::list::{Item, Spec};
use super::rules::{KubeadmRules, KubeletServer};

/// What is known of a kubeconfig. No credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "each is one independent thing that was seen")]
pub struct KubeconfigFacts {
    /// The keys at the top, in the order of the file.
    pub top_level_keys: Vec<String>,
    /// Names of the clusters.
    pub clusters: Vec<String>,
    /// Names of the contexts.
    pub contexts: Vec<String>,
    /// Names of the users.
    pub users: Vec<String>,
    /// The current context.
    pub current_context: String,
    /// The server of the current context's cluster.
    pub server: String,
    /// The keys of the current context's user, in the order of the file.
    pub user_fields: Vec<String>,
    /// How many certificates the embedded authority data of the current context's cluster holds.
    pub ca_certificates: usize,
    /// Whether that data is all of `ca.crt`.
    pub ca_is_ca_crt: bool,
    /// Whether the first certificate of `ca.crt` is in that data.
    pub trusts_ca: bool,
    /// Whether `preferences` has anything in it.
    pub has_preferences: bool,
    /// Whether there are comments; a renewal loses them.
    pub has_comments: bool,
    /// Keys that client-go does not know, by their paths; a renewal loses them.
    pub unknown_keys: Vec<String>,
}

impl KubeconfigFacts {
    /// The file that `init phase kubeconfig` writes for `item`; `ca_certificates` is how many `ca.crt` holds, of which the first one
    /// is embedded. `None` where the release makes no such file.
    #[must_use]
    pub fn made(item: Item, config: &Config, ca_certificates: usize, rules: &KubeadmRules) -> Option<Self> {
        let user = Spec::of(item, rules).filter(|_| item.is_kubeconfig())?.common_name.on(&config.node_name);
        let cluster = config.cluster_name.clone();
        let context = format!("{user}@{cluster}");
        Some(Self {
            top_level_keys: written_keys(false, false, rules),
            clusters: vec![cluster],
            contexts: vec![context.clone()],
            users: vec![user],
            current_context: context,
            server: server(item, config, rules),
            user_fields: ["client-certificate-data", "client-key-data"].map(str::to_owned).into(),
            ca_certificates: 1,
            ca_is_ca_crt: ca_certificates == 1,
            trusts_ca: true,
            has_preferences: false,
            has_comments: false,
            unknown_keys: Vec::new(),
        })
    }

    /// What a renewal makes of the file; `ca_certificates` is how many `ca.crt` holds.
    ///
    /// client-go reads the file and writes it anew, in alphabetical order: other clusters, users and contexts stay, also `namespace`,
    /// `proxy-url`, `tls-server-name`, `as` and extensions; comments and what it does not know are lost. The authority data becomes the
    /// first certificate of `ca.crt`: a bundle of the old and the new authority collapses, which breaks a rotation half-way.
    #[must_use]
    pub fn renewed(&self, ca_certificates: usize, rules: &KubeadmRules) -> KubeconfigChange {
        let has_extensions = self.top_level_keys.iter().any(|key| key == "extensions");
        let after = written_keys(self.has_preferences, has_extensions, rules);
        let ca_data_kept = self.ca_certificates == 1 && self.trusts_ca || !rules.refreshes_ca_data;
        let changed: &[&str] = if ca_data_kept { &["users"] } else { &["clusters", "users"] };
        KubeconfigChange {
            lost_top_level_keys: self.top_level_keys.iter().filter(|key| !after.contains(key)).cloned().collect(),
            top_level_keys: after,
            changed_sections: changed.iter().map(|&section| section.to_owned()).collect(),
            ca_certificates_before: self.ca_certificates,
            ca_certificates: if rules.refreshes_ca_data { 1 } else { self.ca_certificates },
            ca_data_kept,
            ca_is_ca_crt: if rules.refreshes_ca_data { ca_certificates == 1 } else { self.trusts_ca && self.ca_certificates == ca_certificates },
            comments_lost: self.has_comments,
            lost_keys: self.unknown_keys.clone(),
        }
    }
}

/// What a renewal changes in a kubeconfig.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KubeconfigChange {
    /// The keys at the top afterwards, in order.
    pub top_level_keys: Vec<String>,
    /// Those that are gone. From 1.34 on `preferences` is, where it was empty.
    pub lost_top_level_keys: Vec<String>,
    /// The sections with other content than before: `users`, and `clusters` where the authority data changed.
    pub changed_sections: Vec<String>,
    /// How many certificates the authority data held before.
    pub ca_certificates_before: usize,
    /// How many it holds: one, whatever there was.
    pub ca_certificates: usize,
    /// Whether the authority data stayed as it was.
    pub ca_data_kept: bool,
    /// Whether it is all of `ca.crt`.
    pub ca_is_ca_crt: bool,
    /// Whether comments are gone.
    pub comments_lost: bool,
    /// The unknown keys that are gone, by their paths.
    pub lost_keys: Vec<String>,
}

/// What client-go writes at the top, in its order.
fn written_keys(has_preferences: bool, has_extensions: bool, rules: &KubeadmRules) -> Vec<String> {
    let written = |key: &&str| match *key {
        "extensions" => has_extensions,
        "preferences" => has_preferences || rules.writes_empty_preferences,
        _ => true,
    };
    let keys = ["apiVersion", "clusters", "contexts", "current-context", "extensions", "kind", "preferences", "users"];
    keys.into_iter().filter(written).map(str::to_owned).collect()
}

/// Controller manager and scheduler talk to their own node's API server in every release.
fn server(item: Item, config: &Config, rules: &KubeadmRules) -> String {
    let local = match item {
        Item::ControllerManagerConf | Item::SchedulerConf => true,
        Item::KubeletConf => rules.kubelet_server == KubeletServer::LocalApiEndpoint,
        Item::Ca
        | Item::Apiserver
        | Item::ApiserverKubeletClient
        | Item::FrontProxyCa
        | Item::FrontProxyClient
        | Item::EtcdCa
        | Item::EtcdServer
        | Item::EtcdPeer
        | Item::EtcdHealthcheckClient
        | Item::ApiserverEtcdClient
        | Item::Sa
        | Item::AdminConf
        | Item::SuperAdminConf => false,
    };
    if local { config.local_endpoint() } else { config.control_plane_url() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_core::KubeVersion;

    fn rules(minor: u64) -> KubeadmRules {
        KubeadmRules::at(KubeVersion::new(minor).unwrap())
    }

    fn admin() -> KubeconfigFacts {
        let config = Config { advertise_address: "192.0.2.10".into(), node_name: "node-a".into(), ..Config::default() };
        KubeconfigFacts::made(Item::AdminConf, &config, 1, &rules(31)).unwrap()
    }

    #[test]
    fn a_renewal_loses_comments_unknown_keys_and_the_second_authority() {
        let keys = ["apiVersion", "mine", "clusters", "contexts", "current-context", "kind", "users"].map(str::to_owned).to_vec();
        let file = KubeconfigFacts { top_level_keys: keys, ca_certificates: 2, has_comments: true, unknown_keys: vec!["mine".into()], ..admin() };
        let change = file.renewed(2, &rules(31));
        assert_eq!(change.lost_top_level_keys, ["mine"]);
        assert_eq!(change.changed_sections, ["clusters", "users"]);
        assert!(change.comments_lost && !change.ca_data_kept && !change.ca_is_ca_crt);
        assert_eq!((change.ca_certificates_before, change.ca_certificates), (2, 1));
    }

    #[test]
    fn empty_preferences_are_lost_from_1_34_on_and_full_ones_never() {
        let lost = |has_preferences, minor| KubeconfigFacts { has_preferences, ..admin() }.renewed(1, &rules(minor)).lost_top_level_keys;
        assert!(lost(false, 33).is_empty());
        assert_eq!(lost(false, 34), ["preferences"]);
        assert!(lost(true, 34).is_empty());
    }

    #[test]
    fn a_pair_of_keys_is_no_kubeconfig() {
        assert_eq!(KubeconfigFacts::made(Item::Apiserver, &Config::default(), 1, &rules(31)), None);
        assert_eq!(KubeconfigFacts::made(Item::SuperAdminConf, &Config::default(), 1, &rules(28)), None);
    }
}
