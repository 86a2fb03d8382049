//! The kubelet's own certificates, and the one that may lie in `kubelet.conf`.

use super::super::{Finding, Problem, Problems, Severity};
use super::problem::EmbeddedBeside;
use super::{Look, NodeProblem, say};
use crate::kubeadm::pki::ReadCertificate;
use crate::kubeadm::{CertificateFacts, Item};
use crate::renewal::{Identity, KubeletSeen, KubeletState};
use crate::rotation::{PairFile, RotationWindow};

impl Look<'_> {
    pub(super) fn kubelets(&self) -> Vec<Finding> {
        let mut found = self.current(&self.seen.kubelet, self.names_current());
        found.extend(self.seen.kubelet_server.iter().flat_map(|server| self.current(server, false)));
        found.extend(self.embedded());
        found
    }

    /// `expected`: whether its absence is a fault, which it is where `kubelet.conf` names it.
    fn current(&self, seen: &KubeletSeen, expected: bool) -> Vec<Finding> {
        let mut problems = Problems::new();
        match &seen.state {
            KubeletState::Missing if expected => say(&mut problems, Severity::Error, NodeProblem::CurrentMissing),
            KubeletState::Missing | KubeletState::NotLookedAt => {}
            KubeletState::Dangling { target } => say(&mut problems, Severity::Error, NodeProblem::CurrentDangles { target: target.clone() }),
            KubeletState::RegularFile => say(&mut problems, Severity::Error, NodeProblem::CurrentIsFile),
            KubeletState::Unreadable { problem } => {
                say(&mut problems, Severity::Error, NodeProblem::CurrentUnreadable { problem: problem.clone() });
            }
            KubeletState::Link { not_before, not_after, .. } => {
                let latest = RotationWindow::of(*not_before, *not_after).latest;
                if self.now > *not_after {
                    problems.push((Severity::Error, Problem::Expired { not_after: *not_after }));
                } else if self.now > latest {
                    say(&mut problems, Severity::Warning, NodeProblem::RotationLate { latest, not_after: *not_after });
                }
            }
        }
        let finding = |(severity, problem)| Finding { severity, place: self.place(&seen.path), position: 0, subject: String::new(), problem };
        problems.into_iter().map(finding).collect()
    }

    /// Whether `kubelet.conf` names the link.
    fn names_current(&self) -> bool {
        let link = PairFile::Current.name("kubelet-client");
        match self.seen.items.get(&Item::KubeletConf).map(|seen| &seen.identity) {
            Some(Identity::Elsewhere { place }) => place.rsplit('/').next() == Some(link.as_str()),
            Some(Identity::Pair | Identity::Embedded { .. } | Identity::Nowhere { .. }) | None => false,
        }
    }

    fn embedded(&self) -> Option<Finding> {
        let read = self.seen.pki.readable(Item::KubeletConf)?;
        let current = self.beside(read)?;
        let severity = if self.now > read.not_after { Severity::Error } else { Severity::Warning };
        let problem = NodeProblem::KubeletConfEmbedded { not_after: read.not_after, current, path: self.seen.kubelet.path.clone() };
        let subject = read.facts.as_ref().map(CertificateFacts::subject_text).unwrap_or_default();
        Some(Finding { severity, place: self.place_of(Item::KubeletConf), position: 0, subject, problem: Problem::Node(problem) })
    }

    /// A kubelet that starts for the first time makes its own out of the one in `kubelet.conf`, which is none of our business then.
    fn beside(&self, read: &ReadCertificate) -> Option<EmbeddedBeside> {
        let link = match &self.seen.kubelet.state {
            KubeletState::Link { not_after, certificate_sha256, .. } => Some((*not_after, certificate_sha256.as_ref())),
            KubeletState::NotLookedAt
            | KubeletState::Missing
            | KubeletState::Dangling { .. }
            | KubeletState::RegularFile
            | KubeletState::Unreadable { .. } => None,
        };
        let own = self.seen.items.get(&Item::KubeletConf).and_then(|seen| seen.certificate_sha256.as_ref());
        match link {
            Some((_, current)) if own.is_some() && own == current => Some(EmbeddedBeside::Same),
            Some((current_not_after, _)) => Some(EmbeddedBeside::Other { current_not_after }),
            None => self.is_near_its_end(read).then_some(EmbeddedBeside::None),
        }
    }

    fn is_near_its_end(&self, read: &ReadCertificate) -> bool {
        read.not_after.duration_since(self.now) < self.policy.dates.expiring_within
    }
}
