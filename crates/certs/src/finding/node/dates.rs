//! When a node's certificates end, and with whom.

use super::super::{Life, Problem, Problems, Severity};
use super::{Look, NodeProblem, say};
use crate::kubeadm::pki::ReadCertificate;
use crate::kubeadm::{CertificateFacts, Item};

impl Look<'_> {
    /// Dates and authority. The certificate in `kubelet.conf` is told of with the kubelet's own.
    pub(super) fn dates(&self, item: Item, problems: &mut Problems) {
        let Some(read) = self.seen.pki.readable(item).filter(|_| item != Item::KubeletConf) else { return };
        let life = Life { not_before: read.not_before, not_after: read.not_after, is_ca: item.is_authority() };
        life.look_at(&self.policy.dates, self.now, problems);
        if item.is_authority() && !read.is_ca {
            say(problems, Severity::Error, NodeProblem::NotAnAuthority { item });
        }
        if let Some(authority) = item.authority().and_then(|authority| self.seen.pki.readable(authority)) {
            self.under(read, authority, problems);
        }
    }

    /// Of a bundle of authorities another one than the first may have signed it, as while one replaces the other.
    fn under(&self, read: &ReadCertificate, authority: &ReadCertificate, problems: &mut Problems) {
        if !read.signed_by_local_ca {
            if authority.certificates == 1 {
                problems.push((Severity::Error, Problem::SignedByAnother { issuer: issuer(read) }));
            }
            return;
        }
        if authority.not_after < read.not_after {
            let severity = if authority.not_after < self.now { Severity::Error } else { Severity::Warning };
            let (not_after, effective_not_after) = (read.not_after, authority.not_after);
            let authority = authority.facts.as_ref().map(CertificateFacts::subject_text).unwrap_or_default();
            problems.push((severity, Problem::ChainDiesFirst { not_after, effective_not_after, authority }));
        }
    }
}

fn issuer(read: &ReadCertificate) -> String {
    read.facts.as_ref().map(CertificateFacts::issuer_text).unwrap_or_default()
}
