//! Keys that are missing, another one's or elsewhere; and what kubeconfigs trust.

use super::super::{Problem, Problems, Severity};
use super::{Look, NodeProblem, say};
use crate::kubeadm::Item;
use crate::kubeadm::pki::{CertificateState, KeyState};
use crate::renewal::Identity;
use crate::renewal::authority::CSR_COMMAND;

impl Look<'_> {
    pub(super) fn keys(&self, item: Item, problems: &mut Problems) {
        if !self.seen.pki.items.contains_key(&item) {
            return;
        }
        if item == Item::Sa {
            self.service_account(problems);
        } else if item.is_kubeconfig() {
            self.kubeconfig(item, problems);
        } else {
            self.pair(item, problems);
        }
    }

    fn pair(&self, item: Item, problems: &mut Problems) {
        match self.seen.pki.certificate(item) {
            CertificateState::Missing => {
                return say(problems, Severity::Error, NodeProblem::CertificateMissing { item, path: self.path(item, 0) });
            }
            CertificateState::Unreadable { reason } => {
                say(problems, Severity::Error, NodeProblem::CertificateUnusable { item, problem: reason.clone() });
            }
            CertificateState::Readable(_) => {}
        }
        match self.seen.pki.key(item) {
            KeyState::Present => {}
            KeyState::Mismatch => problems.push((Severity::Error, Problem::KeyDiffers)),
            KeyState::Unreadable { reason } => say(problems, Severity::Error, NodeProblem::KeyUnusable { item, problem: reason.clone() }),
            KeyState::Absent => self.without_key(item, problems),
        }
    }

    fn without_key(&self, item: Item, problems: &mut Problems) {
        let path = self.path(item, 1);
        if item.is_authority() {
            let csr_command = CSR_COMMAND.at(self.policy.version).map(str::to_owned);
            // A worker has the certificate alone, and nobody would sign there.
            if self.seen.is_control_plane() {
                say(problems, Severity::Notice, NodeProblem::AuthorityKeyElsewhere { item, path, csr_command });
            }
        } else {
            say(problems, Severity::Error, NodeProblem::KeyMissing { item, path });
        }
    }

    fn service_account(&self, problems: &mut Problems) {
        match self.seen.pki.key(Item::Sa) {
            KeyState::Present => {}
            KeyState::Mismatch => return say(problems, Severity::Error, NodeProblem::SaPairDiffers),
            KeyState::Unreadable { reason } => say(problems, Severity::Error, NodeProblem::KeyUnusable { item: Item::Sa, problem: reason.clone() }),
            KeyState::Absent => say(problems, Severity::Error, NodeProblem::KeyMissing { item: Item::Sa, path: self.path(Item::Sa, 1) }),
        }
        if !self.seen.pki.has_certificate_file(Item::Sa) {
            say(problems, Severity::Error, NodeProblem::SaPublicMissing { path: self.path(Item::Sa, 0) });
        }
    }

    /// One that names files, a token or a program is somebody's choice.
    fn kubeconfig(&self, item: Item, problems: &mut Problems) {
        let identity = self.seen.items.get(&item).map(|seen| &seen.identity);
        match self.seen.pki.certificate(item) {
            CertificateState::Unreadable { .. } if matches!(identity, Some(Identity::Elsewhere { .. })) => {}
            CertificateState::Unreadable { reason } => {
                // kubectl takes some that kubeadm does not.
                let severity = if matches!(identity, Some(Identity::Embedded { .. })) { Severity::Warning } else { Severity::Error };
                say(problems, severity, NodeProblem::CertificateUnusable { item, problem: reason.clone() });
            }
            CertificateState::Missing => {}
            CertificateState::Readable(read) => {
                // While one authority replaces another, a file with the old one alone still works.
                let authority = self.seen.pki.readable(Item::Ca);
                let severity = authority.map(|ca| if ca.certificates == 1 { Severity::Error } else { Severity::Warning });
                let trusts_another = read.kubeconfig.as_ref().is_some_and(|file| !file.trusts_ca);
                if let Some(severity) = severity.filter(|_| trusts_another) {
                    say(problems, severity, NodeProblem::TrustsAnother { item });
                }
            }
        }
        if *self.seen.pki.key(item) == KeyState::Mismatch {
            problems.push((Severity::Error, Problem::KeyDiffers));
        }
    }

    fn path(&self, item: Item, at: usize) -> String {
        self.seen.paths(item).into_iter().nth(at).unwrap_or_default()
    }
}
