//! What is wrong with certificates, or soon will be: each with its place, its numbers and what to do.

mod chain;
pub mod cluster;
pub mod copies;
pub mod kubelet;
pub mod node;
mod prometheus;
pub mod served;

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::certificate::{Certificate, CertificateError, ExtensionProblem, Weakness};
use crate::error::Error;
use crate::inspect::{Inspected, Inspection, KeyBeside, Place, UnreadProblem};
use crate::pem::SkippedByGo;

use chain::Chains;

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FindingPolicy {
    /// A certificate that ends within this is a warning; 30 days by default.
    pub expiring_within: SignedDuration,
    /// An authority that ends within this is one; a year by default, since replacing it takes long.
    pub authority_expiring_within: SignedDuration,
    /// A leaf that lives longer than this is one; ten years and a day by default. Nobody will remember how it was made.
    pub longest_life: SignedDuration,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// Worth to be known.
    Notice,
    /// It will be in the way, or may be.
    Warning,
    /// It does not work now.
    Error,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Where.
    pub place: Place,
    /// The how manieth certificate of the place, from 0.
    pub position: usize,
    /// Whose certificate, as RFC 4514 writes it; empty where it could not be read.
    pub subject: String,
    /// What is wrong.
    #[serde(flatten)]
    pub problem: Problem,
}

/// What is wrong with a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "finding")]
#[non_exhaustive]
pub enum Problem {
    /// Its time is over.
    #[error("expired at {not_after}: renew it, and restart what has loaded it")]
    Expired {
        /// Its last second.
        not_after: Timestamp,
    },
    /// Its time is nearly over.
    #[error("expires at {not_after}, in {remaining_days} days: renew it")]
    Expiring {
        /// Its last second.
        not_after: Timestamp,
        /// Whole days.
        remaining_days: i64,
    },
    /// Its time has not begun.
    #[error("not valid before {not_before}: look at the clocks of this machine and of the one that signed it")]
    NotYetValid {
        /// Its first second.
        not_before: Timestamp,
    },
    /// An authority above it ends before it does, and it dies with it.
    #[error("dies at {effective_not_after} with its authority {authority}, not at {not_after}: replace the authority before, then renew this")]
    ChainDiesFirst {
        /// Its own last second.
        not_after: Timestamp,
        /// The last second of the chain.
        effective_not_after: Timestamp,
        /// Whose end that is.
        authority: String,
    },
    /// An authority whose end is near. Replacing it is a work of its own.
    #[error(
        "an authority that expires at {not_after}, in {remaining_days} days: rotating it is not done here; follow Kubernetes' \"Manual Rotation of CA Certificates\""
    )]
    AuthorityExpiring {
        /// Its last second.
        not_after: Timestamp,
        /// Whole days.
        remaining_days: i64,
    },
    /// An authority whose time is over, and with it that of everything that it signed.
    #[error(
        "an authority that expired at {not_after}, and with it all that it signed: rotating it is not done here; follow Kubernetes' \"Manual Rotation of CA Certificates\""
    )]
    AuthorityExpired {
        /// Its last second.
        not_after: Timestamp,
    },
    /// The key beside it is another one's.
    #[error("the key beside it is another one's: put the pair back together from a backup, or renew it")]
    KeyDiffers,
    /// The key beside it cannot be read.
    #[error("the key beside it cannot be read: {reason}")]
    KeyUnreadable {
        /// Why; nothing of the key.
        reason: Box<Error>,
    },
    /// None of the authorities that were looked at signed it, though one has the name.
    #[error("says that {issuer} signed it, and no authority of that name here did: a second one was made by accident, or it is another cluster's")]
    SignedByAnother {
        /// Who it says.
        issuer: String,
    },
    /// It lives longer than anybody remembers.
    #[error("lives {years} years: a key that leaks is good for as long; renew it with a year")]
    LongLived {
        /// Whole years.
        years: i64,
    },
    /// It is too weak.
    #[error(transparent)]
    Weak {
        /// In what.
        weak: Weakness,
    },
    /// Something in it is wrong.
    #[error(transparent)]
    Flawed {
        /// What.
        flaw: ExtensionProblem,
    },
    /// It cannot be read.
    #[error(transparent)]
    Unreadable {
        /// Why.
        certificate: CertificateError,
    },
    /// What is around it cannot be read.
    #[error(transparent)]
    Unread {
        /// Why.
        around: UnreadProblem,
    },
    /// Others read it, and no component of Kubernetes does.
    #[error("{}", skipped(*.why))]
    SkippedByGo {
        /// Why.
        why: SkippedByGo,
    },
    /// One of a node, where it is known what each certificate is for.
    #[error(transparent)]
    #[serde(untagged)]
    Node(node::NodeProblem),
    /// One between nodes.
    #[error(transparent)]
    #[serde(untagged)]
    Cluster(cluster::ClusterProblem),
    /// One of a kubelet's configuration or its signing requests.
    #[error(transparent)]
    #[serde(untagged)]
    Kubelet(kubelet::KubeletProblem),
    /// One of a copy of a kubeconfig.
    #[error(transparent)]
    #[serde(untagged)]
    Copy(copies::CopyProblem),
    /// One of what a server shows.
    #[error(transparent)]
    #[serde(untagged)]
    Served(served::ServedProblem),
}

fn skipped(why: SkippedByGo) -> &'static str {
    match why {
        SkippedByGo::ByteOrderMark => "a byte order mark stands before it, so that no component of Kubernetes sees it: write the file without one",
        SkippedByGo::Indented => "it is indented, so that no component of Kubernetes sees it: write it from the beginning of the line",
    }
}

impl Default for FindingPolicy {
    fn default() -> Self {
        let days = |days: i64| SignedDuration::from_hours(24 * days);
        Self { expiring_within: days(30), authority_expiring_within: days(365), longest_life: days(3653) }
    }
}

/// What is wrong with what was found, the worst first and otherwise in its order.
///
/// A chain is followed among all that was found: a certificate dies with the first authority above it. Which one signed it is told by names and
/// key identifiers, and by the signature where more than one could have.
///
/// ```
/// use trimtab_certs::finding::{FindingPolicy, findings};
/// use trimtab_certs::inspect::Inspection;
///
/// let found = findings(&Inspection::of_file("ca.crt", b"nothing"), &FindingPolicy::default(), "2026-11-25T00:00:00Z".parse()?);
/// assert_eq!(found[0].to_string(), "error: ca.crt: no certificate in it: 7 bytes, of which 0 PEM blocks are something else; \
///     give a file with -----BEGIN CERTIFICATE----- or DER");
/// # Ok::<(), jiff::Error>(())
/// ```
#[must_use]
pub fn findings(inspection: &Inspection, policy: &FindingPolicy, now: Timestamp) -> Vec<Finding> {
    let chains = Chains::of(inspection);
    let unread = inspection.unread.iter().map(|unread| Finding {
        severity: Severity::Error,
        place: unread.place.clone(),
        position: 0,
        subject: String::new(),
        problem: Problem::Unread { around: unread.problem.clone() },
    });
    let mut found: Vec<Finding> = unread.collect();
    for (index, item) in inspection.items.iter().enumerate() {
        let mut problems = Vec::new();
        match item.certificate() {
            Err(error) => problems.push((Severity::Error, Problem::Unreadable { certificate: error.clone() })),
            Ok(certificate) => {
                look_at(certificate, policy, now, &mut problems);
                chains.look_at(index, certificate, now, &mut problems);
                look_beside(item, &mut problems);
            }
        }
        let subject = || item.certificate().map(|certificate| certificate.subject.to_string()).unwrap_or_default();
        let finding = |(severity, problem)| Finding { severity, place: item.place.clone(), position: item.position, subject: subject(), problem };
        found.extend(problems.into_iter().map(finding));
    }
    worst_first(&mut found);
    found
}

/// Otherwise in its order.
fn worst_first(found: &mut [Finding]) {
    found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
}

type Problems = Vec<(Severity, Problem)>;

fn look_at(certificate: &Certificate, policy: &FindingPolicy, now: Timestamp, problems: &mut Problems) {
    let life = Life { not_before: certificate.not_before, not_after: certificate.not_after, is_ca: certificate.is_ca() };
    life.look_at(policy, now, problems);
    problems.extend(certificate.weaknesses().into_iter().map(|weak| (Severity::Warning, Problem::Weak { weak })));
    problems.extend(certificate.problems.iter().map(|flaw| (Severity::Warning, Problem::Flawed { flaw: flaw.clone() })));
}

/// What matters of a certificate's dates.
#[derive(Clone, Copy)]
struct Life {
    not_before: Timestamp,
    not_after: Timestamp,
    is_ca: bool,
}

impl Life {
    fn look_at(self, policy: &FindingPolicy, now: Timestamp, problems: &mut Problems) {
        let Self { not_before, not_after, is_ca } = self;
        let remaining = not_after.duration_since(now);
        let remaining_days = remaining.as_hours() / 24;
        if now > not_after {
            let problem = if is_ca { Problem::AuthorityExpired { not_after } } else { Problem::Expired { not_after } };
            problems.push((Severity::Error, problem));
        } else if is_ca && remaining < policy.authority_expiring_within {
            problems.push((Severity::Warning, Problem::AuthorityExpiring { not_after, remaining_days }));
        } else if !is_ca && remaining < policy.expiring_within {
            problems.push((Severity::Warning, Problem::Expiring { not_after, remaining_days }));
        }
        if now < not_before {
            problems.push((Severity::Error, Problem::NotYetValid { not_before }));
        }
        let life = not_after.duration_since(not_before);
        if !is_ca && life > policy.longest_life {
            problems.push((Severity::Notice, Problem::LongLived { years: life.as_hours() / 24 / 365 }));
        }
    }
}

fn look_beside(item: &Inspected, problems: &mut Problems) {
    match &item.key {
        KeyBeside::Differs => problems.push((Severity::Error, Problem::KeyDiffers)),
        KeyBeside::Unreadable { reason } => problems.push((Severity::Error, Problem::KeyUnreadable { reason: reason.clone() })),
        KeyBeside::None | KeyBeside::Own | KeyBeside::InFile { .. } => {}
    }
    if let Some(why) = item.found.skipped_by_go {
        problems.push((Severity::Error, Problem::SkippedByGo { why }));
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity, self.place)?;
        if self.position > 0 {
            write!(f, " certificate {}", self.position + 1)?;
        }
        if !self.subject.is_empty() {
            write!(f, " ({})", self.subject)?;
        }
        write!(f, ": {}", self.problem)
    }
}

pub use prometheus::textfile;

#[cfg(test)]
mod tests;
