//! Whether each certificate may be used for what it is there for.

use super::super::{Problems, Severity};
use super::{Look, NodeProblem, say};
use crate::kubeadm::facts::ExtKeyUsage;
use crate::kubeadm::{Item, Spec};

impl Look<'_> {
    /// Uses beside those that are wanted do no harm. Go takes a certificate without the extension for every use.
    ///
    /// Source: `isValid` and `checkChainForKeyUsage`, `crypto/x509/verify.go@go1.26`; what kubeadm stops at: `NewSignedCert`,
    /// `cmd/kubeadm/app/util/pkiutil/pki_helpers.go@v1.37.2`.
    pub(super) fn usages(&self, item: Item, problems: &mut Problems) {
        let Some(facts) = self.seen.pki.readable(item).and_then(|read| read.facts.as_ref()) else { return };
        let wanted = Spec::of(item, &self.rules).map(|spec| spec.ext_key_usage).unwrap_or_default();
        if wanted.is_empty() {
            return;
        }
        let has = &facts.ext_key_usage;
        if has.is_empty() {
            return say(problems, Severity::Notice, NodeProblem::NoUsages { item, wanted });
        }
        let missing: Vec<_> = wanted.into_iter().filter(|usage| !has.contains(usage) && !has.contains(&ExtKeyUsage::Any)).collect();
        if !missing.is_empty() {
            let command = self.maker(item);
            say(problems, severity(item, &missing), NodeProblem::UsagesMissing { item, has: has.clone(), missing, command });
        }
    }

    /// The command of this kubeadm that makes an item where there is none.
    pub(super) fn maker(&self, item: Item) -> String {
        let commands = self.rules.commands;
        if item.is_kubeconfig() {
            let name = item.name().trim_end_matches(".conf");
            return format!("{} {name} --config FILE", commands.init_kubeconfig);
        }
        format!("{} {} --config FILE", commands.init_certs, item.name())
    }
}

/// etcd serves without being a client as well; its gateway of HTTP then is refused by itself (etcd issue 9785).
fn severity(item: Item, missing: &[ExtKeyUsage]) -> Severity {
    if item == Item::EtcdServer && missing == [ExtKeyUsage::ClientAuth] { Severity::Warning } else { Severity::Error }
}
