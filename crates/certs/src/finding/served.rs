//! A server that shows another certificate than the one in its file.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use trimtab_core::KubeVersion;

use super::{Finding, Problem, Severity};
use crate::certificate::Certificate;
use crate::inspect::Place;
use crate::kubeadm::Item;
use crate::name::escaped;
use crate::renewal::{Pickup, Process, users};
use crate::served::{Served, ServedBesideFile};

/// What is wrong with what a server shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "finding")]
#[non_exhaustive]
pub enum ServedProblem {
    /// It is another certificate than the one in the file.
    #[error("{}", told(beside, user.as_ref()))]
    ServedDiffers {
        /// How they differ.
        #[serde(flatten)]
        beside: ServedBesideFile,
        /// Who shows the file's certificate, where that is known.
        user: Option<ServedBy>,
    },
}

/// Who shows a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServedBy {
    /// Which process.
    pub process: Process,
    /// How it comes to a new one.
    pub pickup: Pickup,
    /// Its static pod's manifest.
    pub manifest: Option<String>,
}

/// A file whose certificate a server should be showing.
#[derive(Debug, Clone, Copy)]
pub struct ServedFile<'a> {
    /// Its path.
    pub path: &'a str,
    /// Its first certificate.
    pub certificate: &'a Certificate,
    /// Which of kubeadm's it is, where it is one; then it is known who has to be restarted.
    pub item: Option<Item>,
}

/// What is wrong with what a server at `endpoint` shows beside its file; nothing where it is the same. With the severity of an error where what is shown
/// is of no use any more or is another one's.
///
/// ```
/// use trimtab_certs::Certificate;
/// use trimtab_certs::finding::served::{self, ServedFile};
/// use trimtab_certs::kubeadm::Item;
/// use trimtab_certs::served::Served;
/// # fn shown(served: &Served, certificate: &Certificate) -> Result<(), Box<dyn std::error::Error>> {
/// let file = ServedFile { path: "/etc/kubernetes/pki/apiserver.crt", certificate, item: Some(Item::Apiserver) };
/// if let Some(finding) = served::finding(served, file, "127.0.0.1:6443", "1.31".parse()?, "2026-11-25T00:00:00Z".parse()?) {
///     println!("{finding}");
/// }
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn finding(served: &Served, file: ServedFile<'_>, endpoint: &str, version: KubeVersion, now: Timestamp) -> Option<Finding> {
    let beside = served.beside(file.certificate);
    let severity = severity(&beside, now)?;
    let place = Place { node: None, source: file.path.to_owned(), entry: Some(format!("shown at {}", escaped(endpoint))) };
    let subject = file.certificate.subject.to_string();
    let user = file.item.and_then(|item| served_by(item, version));
    Some(Finding { severity, place, position: 0, subject, problem: Problem::Served(ServedProblem::ServedDiffers { beside, user }) })
}

fn severity(beside: &ServedBesideFile, now: Timestamp) -> Option<Severity> {
    match beside {
        ServedBesideFile::Same { .. } => None,
        ServedBesideFile::Older { served_not_after, .. } if now <= *served_not_after => Some(Severity::Warning),
        ServedBesideFile::Newer { .. } => Some(Severity::Warning),
        ServedBesideFile::Older { .. } | ServedBesideFile::Another { .. } | ServedBesideFile::Nothing => Some(Severity::Error),
    }
}

/// Of what kubeadm makes three are shown by servers.
fn served_by(item: Item, version: KubeVersion) -> Option<ServedBy> {
    if !matches!(item, Item::Apiserver | Item::EtcdServer | Item::EtcdPeer) {
        return None;
    }
    let user = users(item, version, &[]).into_iter().next()?;
    let manifest = user.process.manifest().map(|name| format!("/etc/kubernetes/manifests/{name}"));
    Some(ServedBy { process: user.process, pickup: user.pickup, manifest })
}

/// What the comparison says, or more where it is known who reads the file.
fn told(beside: &ServedBesideFile, user: Option<&ServedBy>) -> String {
    let Some(ServedBy { process, pickup, manifest }) = user else { return beside.to_string() };
    let manifest = manifest.as_deref().unwrap_or_default();
    match beside {
        ServedBesideFile::Older { served_not_after, file_not_after } => {
            let when = if pickup.needs_restart() { "restart it" } else { "where it still shows the old one then, restart it" };
            format!(
                "the server shows an older certificate, which ends at {served_not_after}; that of the file ends at {file_not_after}: {process} {pickup}; \
                 {when}, by moving {manifest} away for half a minute and back"
            )
        }
        ServedBesideFile::Newer { .. } | ServedBesideFile::Another { .. } | ServedBesideFile::Nothing => {
            format!("{beside}; {manifest} says which file {process} reads")
        }
        ServedBesideFile::Same { .. } => beside.to_string(),
    }
}

#[cfg(test)]
mod tests;
