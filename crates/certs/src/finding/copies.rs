//! Copies of a kubeconfig that stayed behind: kubeadm renews `admin.conf` and knows of no copy.

use std::collections::HashSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Finding, Problem, Severity, worst_first};
use crate::certificate::{Certificate, certificates};
use crate::error::Error;
use crate::inspect::{Place, UnreadProblem};
use crate::kubeconfig::{Cluster, Kubeconfig, KubeconfigError, Material, User};
use crate::renew::{SignatureCheck, check_signature};

/// What is wrong with a copy of a kubeconfig.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "finding")]
#[non_exhaustive]
pub enum CopyProblem {
    /// It has an older certificate than the original.
    #[error("an older copy of {original}: this one ends at {not_after}, the original at {original_not_after}; copy it again")]
    OlderCopy {
        /// The original's path.
        original: String,
        /// Its last second.
        not_after: Timestamp,
        /// The original's last second.
        original_not_after: Timestamp,
    },
    /// Its certificate has expired.
    #[error("a copy of {original} that expired at {not_after}, the original ends at {original_not_after}; copy it again")]
    ExpiredCopy {
        /// The original's path.
        original: String,
        /// Its last second.
        not_after: Timestamp,
        /// The original's last second.
        original_not_after: Timestamp,
    },
    /// It calls the same API server and trusts another authority.
    #[error("it calls {server} as {original} does, and trusts another authority: it refuses that server; copy certificate-authority-data from there")]
    CopyTrustsAnother {
        /// The original's path.
        original: String,
        /// The API server.
        server: String,
    },
}

/// A kubeconfig that others are held against: the `admin.conf` of a node.
#[derive(Debug, Clone)]
pub struct Original {
    path: String,
    server: String,
    certificate: Certificate,
    authorities: Vec<Certificate>,
}

impl Original {
    /// The cluster and the user of the current context.
    ///
    /// # Errors
    /// [`Error::NoKubeconfig`]; [`Error::NoOriginal`] where they are missing, or the certificate is not in the file.
    ///
    /// ```
    /// use trimtab_certs::Error;
    /// use trimtab_certs::finding::copies::Original;
    ///
    /// assert!(matches!(Original::read("admin.conf", b"kind: Config\n"), Err(Error::NoOriginal { .. })));
    /// ```
    pub fn read(path: &str, file: &[u8]) -> Result<Self, Error> {
        let config = Kubeconfig::read(file).map_err(|kubeconfig| Error::NoKubeconfig { path: path.to_owned(), kubeconfig })?;
        let original = config.current().and_then(|(_, cluster, user)| Self::of(path, cluster, user));
        original.ok_or_else(|| Error::NoOriginal { path: path.to_owned() })
    }

    fn of(path: &str, cluster: &Cluster, user: &User) -> Option<Self> {
        let certificate = first(user)?;
        Some(Self { path: path.to_owned(), server: cluster.server.clone(), certificate, authorities: authorities(cluster) })
    }

    fn trusts_one_of(&self, authorities: &[Certificate]) -> bool {
        authorities.iter().any(|authority| self.authorities.iter().any(|own| own.der() == authority.der()))
    }

    /// By name and signature; kubeadm calls the authorities of all clusters alike.
    fn has_signed(&self, certificate: &Certificate) -> bool {
        self.authorities.iter().any(|authority| {
            let signature = || check_signature(certificate.der(), &authority.public_key.spki);
            certificate.issuer == authority.subject && matches!(signature(), Ok(SignatureCheck::Good { .. }))
        })
    }
}

/// What is wrong with kubeconfigs that may have been copied from `original`, the worst first: every context is looked at.
///
/// A context is a copy if its user has the original's common name and the same authority signed it: kubeadm's administrators have one name in every
/// cluster. What belongs to another cluster is passed over, and so are users without a certificate in the file. The organization may differ, since
/// 1.29 gave `admin.conf` another one.
///
/// ```
/// use trimtab_certs::finding::copies::{self, Original};
/// # fn copied(admin_conf: &[u8], home: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
/// let original = Original::read("/etc/kubernetes/admin.conf", admin_conf)?;
/// for finding in copies::findings(&original, [("/root/.kube/config", home)], "2026-11-25T00:00:00Z".parse()?) {
///     println!("{finding}");
/// }
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn findings<'a>(original: &Original, copies: impl IntoIterator<Item = (&'a str, &'a [u8])>, now: Timestamp) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, file) in copies {
        match Kubeconfig::read(file) {
            Ok(config) => found.extend(of_copy(original, path, &config, now)),
            Err(kubeconfig) => found.push(unread(path, kubeconfig)),
        }
    }
    worst_first(&mut found);
    found
}

fn unread(path: &str, kubeconfig: KubeconfigError) -> Finding {
    let place = Place { node: None, source: path.to_owned(), entry: None };
    let problem = Problem::Unread { around: UnreadProblem::Kubeconfig { kubeconfig } };
    Finding { severity: Severity::Error, place, position: 0, subject: String::new(), problem }
}

/// Two contexts may share a user or a cluster, which is told of once.
fn of_copy(original: &Original, path: &str, config: &Kubeconfig, now: Timestamp) -> Vec<Finding> {
    let (mut users, mut clusters) = (HashSet::new(), HashSet::new());
    let mut found = Vec::new();
    for context in &config.contexts {
        let Some(cluster) = config.clusters.iter().find(|cluster| cluster.name == context.cluster) else { continue };
        if clusters.insert(&context.cluster) {
            found.extend(trusts_another(original, path, cluster));
        }
        let Some(user) = config.users.iter().find(|user| user.name == context.user) else { continue };
        if users.insert(&context.user) {
            found.extend(is_older(original, path, user, now));
        }
    }
    found
}

fn is_older(original: &Original, path: &str, user: &User, now: Timestamp) -> Option<Finding> {
    let certificate = first(user)?;
    let is_copy = certificate.subject.common_name() == original.certificate.subject.common_name() && original.has_signed(&certificate);
    if !is_copy || certificate.der() == original.certificate.der() || certificate.not_after >= original.certificate.not_after {
        return None;
    }
    let (not_after, original_not_after, original) = (certificate.not_after, original.certificate.not_after, original.path.clone());
    let (severity, problem) = if now > not_after {
        (Severity::Error, CopyProblem::ExpiredCopy { original, not_after, original_not_after })
    } else {
        (Severity::Warning, CopyProblem::OlderCopy { original, not_after, original_not_after })
    };
    let place = Place::of(path, "users", &user.name, "client-certificate-data");
    Some(Finding { severity, place, position: 0, subject: certificate.subject.to_string(), problem: Problem::Copy(problem) })
}

fn trusts_another(original: &Original, path: &str, cluster: &Cluster) -> Option<Finding> {
    let trusted = authorities(cluster);
    if cluster.server != original.server || trusted.is_empty() || original.authorities.is_empty() || original.trusts_one_of(&trusted) {
        return None;
    }
    let place = Place::of(path, "clusters", &cluster.name, "certificate-authority-data");
    let subject = trusted.first().map(|authority| authority.subject.to_string()).unwrap_or_default();
    let problem = CopyProblem::CopyTrustsAnother { original: original.path.clone(), server: crate::name::escaped(&cluster.server).into_owned() };
    Some(Finding { severity: Severity::Error, place, position: 0, subject, problem: Problem::Copy(problem) })
}

fn first(user: &User) -> Option<Certificate> {
    let Some(Material::Embedded { contents }) = &user.client_certificate else { return None };
    certificates(contents).into_iter().find_map(|found| found.certificate.ok())
}

fn authorities(cluster: &Cluster) -> Vec<Certificate> {
    let Some(Material::Embedded { contents }) = &cluster.certificate_authority else { return Vec::new() };
    certificates(contents).into_iter().filter_map(|found| found.certificate.ok()).collect()
}

#[cfg(test)]
mod tests;
