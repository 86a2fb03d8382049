//! What can be wrong with a node, with its numbers and what to do.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::kubeadm::facts::{ExtKeyUsage, San};
use crate::kubeadm::{Item, SanError};
use crate::renewal::words::listed;

/// What is wrong with a certificate, a key or a link because of what it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "finding")]
#[non_exhaustive]
pub enum NodeProblem {
    /// It may not be used for what it is there for.
    #[error(
        "{item} may be used for {}, and lacks {}: whoever it is shown to refuses it, and a renewal keeps that; move it and its key away, then `{command}`",
        listed(has),
        listed(missing)
    )]
    UsagesMissing {
        /// Which.
        item: Item,
        /// What it may be used for.
        has: Vec<ExtKeyUsage>,
        /// What it has to be.
        missing: Vec<ExtKeyUsage>,
        /// What makes a new one.
        command: String,
    },
    /// It says nothing of uses. Go takes it for all of them, kubeadm cannot renew it.
    #[error(
        "{item} names no use (extKeyUsage), which serves for everything, but stops `kubeadm certs renew`: renew it with {} here, or make it anew",
        listed(wanted)
    )]
    NoUsages {
        /// Which.
        item: Item,
        /// What kubeadm writes.
        wanted: Vec<ExtKeyUsage>,
    },
    /// It does not stand for all the names by which it is called.
    #[error("{item} does not stand for {}: a renewal keeps the old names and adds none; move it and its key away, then `{command}`", listed(missing))]
    NamesMissing {
        /// Which.
        item: Item,
        /// Which names, and who asks for them.
        missing: Vec<MissingName>,
        /// What makes a new one.
        command: String,
    },
    /// The configuration does not say which names there should be.
    #[error("which names {item} should stand for is not known: {problem}")]
    NamesUnknown {
        /// Which.
        item: Item,
        /// What is wrong with the configuration.
        problem: SanError,
    },
    /// The certificate in an authority's file may not sign.
    #[error("the certificate of {item} says that it is no authority (CA:FALSE): another file lies in its place; put the right one there")]
    NotAnAuthority {
        /// Which.
        item: Item,
    },
    /// The authority's key is not on this node.
    #[error(
        "the key of {item} is not here ({path}): an external authority, or one whose key is on another node. Neither kubeadm nor trimtab can sign here; {}",
        requests(csr_command.as_deref())
    )]
    AuthorityKeyElsewhere {
        /// Which.
        item: Item,
        /// Where it would be.
        path: String,
        /// The command of this kubeadm that writes signing requests, where it has one.
        csr_command: Option<String>,
    },
    /// There is a certificate, and its key is not there.
    #[error("{item} has no key ({path} is missing): nobody can use it; put the key back from a backup, or make the pair anew")]
    KeyMissing {
        /// Which.
        item: Item,
        /// Where it would be.
        path: String,
    },
    /// Its key cannot be loaded.
    #[error("the key of {item} cannot be used: {problem}")]
    KeyUnusable {
        /// Which.
        item: Item,
        /// Why, for people; nothing of the key.
        problem: String,
    },
    /// There is a key, and no certificate.
    #[error(
        "{item} has a key and no certificate ({path} is missing): put the certificate back from a backup, or remove the key and make the pair anew"
    )]
    CertificateMissing {
        /// Which.
        item: Item,
        /// Where it would be.
        path: String,
    },
    /// Its certificate cannot be read.
    #[error("{item} cannot be used by kubeadm: {problem}")]
    CertificateUnusable {
        /// Which.
        item: Item,
        /// Why, for people.
        problem: String,
    },
    /// A kubeconfig trusts another authority than the one that is here.
    #[error(
        "{item} trusts another authority than ca.crt: whoever uses it refuses the API server; put the contents of ca.crt into certificate-authority-data"
    )]
    TrustsAnother {
        /// Which.
        item: Item,
    },
    /// The two halves of the service account keys do not belong together.
    #[error(
        "sa.key and sa.pub are not a pair: tokens that the controller manager signs are refused by API servers that read sa.pub; write it anew, `openssl pkey -in sa.key -pubout -out sa.pub`, on every node alike"
    )]
    SaPairDiffers,
    /// The public half of the service account keys is missing.
    #[error("sa.pub is missing ({path}): the API server does not start without it; `openssl pkey -in sa.key -pubout -out sa.pub`")]
    SaPublicMissing {
        /// Where it would be.
        path: String,
    },
    /// `kubelet.conf` has a certificate of its own, which nobody renews.
    #[error("kubelet.conf holds a certificate of its own until {not_after}, which nobody renews, {}", beside(current, path))]
    KubeletConfEmbedded {
        /// Its last second.
        not_after: Timestamp,
        /// What the kubelet's own file is beside it.
        current: EmbeddedBeside,
        /// The kubelet's own file.
        path: String,
    },
    /// The link is a file.
    #[error(
        "it is a file and has to be a symbolic link: the kubelet will not renew it any more (\"to be a symlink but it is a file\"); stop the kubelet, move the file beside itself under a name with its date, link to it, and start the kubelet"
    )]
    CurrentIsFile,
    /// The link points to nothing.
    #[error("it points to {target}, where nothing is: the kubelet has no certificate at its next start; link it to the newest file beside it")]
    CurrentDangles {
        /// Where it points.
        target: String,
    },
    /// `kubelet.conf` names the link, and there is none.
    #[error("kubelet.conf names it, and it is not there: the kubelet has no certificate at its next start; link it to the newest file beside it")]
    CurrentMissing,
    /// What the link points to cannot be read.
    #[error("it cannot be read: {problem}")]
    CurrentUnreadable {
        /// Why, for people.
        problem: String,
    },
    /// The kubelet should have renewed it by now.
    #[error(
        "the kubelet should have renewed it by {latest}, and it ends at {not_after}: look at its signing requests (`kubectl get csr`) and its log"
    )]
    RotationLate {
        /// When nine tenths of its life were over.
        latest: Timestamp,
        /// Its last second.
        not_after: Timestamp,
    },
    /// A replacement was interrupted.
    #[error("{journal}: a replacement of {item} was interrupted; recover, which finishes it or takes it back")]
    Unfinished {
        /// Which.
        item: Item,
        /// The journal's path.
        journal: String,
    },
}

/// A name that a certificate should stand for, and who asks for it. Displays as `IP:10.96.0.1 (the first service address)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MissingName {
    /// Which.
    pub name: San,
    /// Who asks for it.
    #[serde(flatten)]
    pub because: Because,
}

/// Who asks for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "because")]
#[non_exhaustive]
pub enum Because {
    /// It is the node's.
    NodeName,
    /// Pods call the API server so.
    ServiceName,
    /// It is the address of the `kubernetes` service, the first of the service network.
    ServiceAddress,
    /// It is `localAPIEndpoint.advertiseAddress`.
    AdvertiseAddress,
    /// It is the host of `controlPlaneEndpoint`.
    ControlPlaneEndpoint,
    /// The configuration lists it: `apiServer.certSANs`, `etcd.local.serverCertSANs`, `etcd.local.peerCertSANs`.
    Configured,
    /// It is this machine itself, through which the API server and the probes come to etcd.
    Loopback,
    /// A kubeconfig of this node calls the API server so.
    Kubeconfig {
        /// Which.
        item: Item,
    },
}

/// What the kubelet's own certificate is beside the one in `kubelet.conf`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "current")]
pub enum EmbeddedBeside {
    /// The very same one; it will not stay so.
    Same,
    /// Another one: the kubelet has renewed its own.
    Other {
        /// The last second of the kubelet's own.
        current_not_after: Timestamp,
    },
    /// There is none, or none that can be read.
    None,
}

impl fmt::Display for MissingName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", crate::name::escaped(&self.name.to_string()), self.because)
    }
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NodeName => "the node's name",
            Self::ServiceName => "as pods call the API server",
            Self::ServiceAddress => "the first service address",
            Self::AdvertiseAddress => "the advertise address",
            Self::ControlPlaneEndpoint => "controlPlaneEndpoint",
            Self::Configured => "listed in the configuration",
            Self::Loopback => "the machine itself",
            Self::Kubeconfig { item } => return write!(f, "the server of {item}"),
        })
    }
}

fn requests(command: Option<&str>) -> String {
    match command {
        Some(command) => format!("have requests signed instead (`{command}`, or trimtab's)"),
        None => "have requests signed instead".to_owned(),
    }
}

fn beside(current: &EmbeddedBeside, path: &str) -> String {
    let remedy = format!("let client-certificate and client-key name {path} instead of the data");
    match current {
        EmbeddedBeside::Same => format!("and {path} is the same one only until the kubelet renews that: {remedy}"),
        EmbeddedBeside::Other { current_not_after } => {
            format!("while the kubelet has renewed its own in {path} until {current_not_after}: a start after its end finds no way back; {remedy}")
        }
        EmbeddedBeside::None => format!("and {path} is not there to take its place: see that the kubelet rotates, then {remedy}"),
    }
}
