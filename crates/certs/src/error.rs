//! What can be wrong with what is given to this crate.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::key::{KeyAlgorithm, KeyFormat};
use crate::kubeconfig::KubeconfigError;
use crate::pem::PemError;
use crate::renew::ChainProblem;

/// Any error of this crate; each says who erred and what to do. Never holds a key or a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "error")]
#[non_exhaustive]
pub enum Error {
    /// A window for renewals cannot be.
    #[error("{cron:?} is no window for renewals: {problem}; write five fields like \"0 10 * * 1-5\" and a duration above zero")]
    InvalidWindow {
        /// The cron expression as it was given.
        cron: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The text has no private key in it.
    #[error("no private key in it: give a file with -----BEGIN RSA PRIVATE KEY-----, EC PRIVATE KEY or PRIVATE KEY")]
    NoPrivateKey,
    /// The PEM block around a private key cannot be read.
    #[error("the private key cannot be read: {pem}")]
    KeyPem {
        /// Why.
        pem: PemError,
    },
    /// A private key is behind a password.
    #[error(
        "the private key is behind a password, with which no component of Kubernetes can read it: write it open with `openssl pkey -in FILE -out NEW`"
    )]
    KeyEncrypted,
    /// A private key is another kind of thing than its PEM label says; Go, and so Kubernetes, would not read it.
    #[error("the block says {label} and holds a key of the form {format}, so that no component of Kubernetes reads it: write {} in its BEGIN and END lines", format.label())]
    KeyLabel {
        /// What the block says it is.
        label: String,
        /// What it is.
        format: KeyFormat,
    },
    /// A private key is of an algorithm that certificates of Kubernetes cannot have, or on a curve that nothing here knows.
    #[error("a private key of {algorithm}: Kubernetes and this crate take RSA, ECDSA on P-256, P-384 and P-521, and Ed25519; make a new key")]
    KeyUnsupported {
        /// Which, dotted or by its name.
        algorithm: String,
    },
    /// An RSA key is shorter or longer than what is signed with.
    #[error("an RSA key of {bits} bits: 2048 to 8192 are signed with; make a new key")]
    RsaSize {
        /// The length of its modulus.
        bits: u32,
    },
    /// A private key is damaged: its DER, or its numbers do not belong together.
    #[error("the private key is damaged: it was cut or changed; copy it again from where it came from")]
    KeyNotRead,
    /// A key of this algorithm and size is not made.
    #[error("no new key of {algorithm} can be made: RSA of 2048, 3072, 4096 bits, ECDSA and Ed25519 can; ask for one of these")]
    KeyNotGenerated {
        /// What was asked for.
        algorithm: KeyAlgorithm,
    },
    /// This form does not exist for keys of this algorithm.
    #[error("a key of {algorithm} has no form {format}: write it as PKCS#8")]
    KeyFormat {
        /// The key's.
        algorithm: KeyAlgorithm,
        /// The form that was asked for.
        format: KeyFormat,
    },
    /// The source of randomness failed; nothing was made.
    #[error("the source of randomness failed: try again; if it stays so, the system is not well")]
    Randomness,
    /// A serial number is zero, negative or longer than RFC 5280 allows.
    #[error("a serial number of {bytes} bytes that is not from 1 to 20 bytes long and positive: draw another one")]
    SerialNumber {
        /// Its length.
        bytes: usize,
    },
    /// A certificate is not what a certificate is made of.
    #[error("the {role} cannot be read at its {part}: it was cut or changed; copy it again from where it came from")]
    CertificateNotRead {
        /// Which one.
        role: Role,
        /// Where, in RFC 5280's words.
        part: String,
    },
    /// A certificate has an extension twice; no component of Kubernetes reads it.
    #[error("the {role} has the extension {oid} twice, which Go refuses: let it be issued anew")]
    DuplicateExtension {
        /// Which one.
        role: Role,
        /// The extension, dotted.
        oid: String,
    },
    /// A time lies where certificates have no form for it.
    #[error("the time {time} cannot stand in a certificate: choose years from 0 to 9999")]
    TimeOutOfRange {
        /// Which.
        time: String,
    },
    /// The CA's private key does not belong to its certificate. kubeadm finds that out only when it signs.
    #[error(
        "the CA's key does not belong to the CA's certificate: find the key that was made with it, perhaps on another control-plane node; nothing was signed"
    )]
    CaKeyDiffers,
    /// A certificate that should sign is no CA.
    #[error("the certificate given as CA is none: it does not say CA:TRUE; give the issuer's ca.crt")]
    NotACa,
    /// A CA's keyUsage forbids it to sign certificates.
    #[error("the CA may not sign certificates: its keyUsage lacks keyCertSign; give another CA")]
    CaMayNotSign,
    /// The CA has expired. kubeadm would sign all the same, and nobody would believe it.
    #[error(
        "the CA expired at {not_after}, and it is {now}: what it signs is worth nothing; rotate the CA first (kubernetes.io: Manual Rotation of CA Certificates)"
    )]
    CaExpired {
        /// Its last second.
        not_after: Timestamp,
        /// The time that was given.
        now: Timestamp,
    },
    /// The CA is not valid yet.
    #[error("the CA is valid from {not_before}, and it is {now}: set the clock, or wait")]
    CaNotYetValid {
        /// Its first second.
        not_before: Timestamp,
        /// The time that was given.
        now: Timestamp,
    },
    /// The certificate to renew is a CA. A CA that is signed anew with another key breaks all that it ever signed.
    #[error("the certificate to renew is a CA: rotating a CA is another procedure (kubernetes.io: Manual Rotation of CA Certificates)")]
    WouldRenewCa,
    /// A validity below a second, or a beginning in the future, was asked for.
    #[error("a validity of {validity_seconds} s that begins {backdate_seconds} s ago: the first must be a second or more, the second not below zero")]
    Validity {
        /// How long it was to be valid.
        validity_seconds: i64,
        /// How long ago it was to begin.
        backdate_seconds: i64,
    },
    /// The key that was to be kept does not belong to the certificate to renew.
    #[error("the key to keep does not belong to the certificate to renew: give its own key, or ask for a new one")]
    KeptKeyDiffers,
    /// A new key was asked for, and the old one given.
    #[error("a new key was asked for and the old one given: generate one, or ask for the old one to be kept")]
    NewKeyIsOld,
    /// The new key is of another algorithm than was asked for.
    #[error("a new key of {wanted} was asked for and one of {given} given: generate the one that was asked for")]
    NewKeyAlgorithm {
        /// What was asked for.
        wanted: KeyAlgorithm,
        /// What was given.
        given: KeyAlgorithm,
    },
    /// Signing failed below us.
    #[error("signing failed: the key or the machine's memory is damaged; nothing was made")]
    NotSigned,
    /// What was signed does not stand the test before it is handed out.
    #[error("the renewed certificate was thrown away, since it does not verify: {}", listed(problems))]
    NotVerified {
        /// Why.
        problems: Vec<ChainProblem>,
    },
    /// A certificate signing request is not one.
    #[error("the request cannot be read at its {part}: give the one that was sent to the CA")]
    RequestNotRead {
        /// Where.
        part: String,
    },
    /// The answer of an external CA is about another key than was asked for.
    #[error("the certificate that came back is for another key than the request: it answers another request; find the right pair")]
    AnswerKey,
    /// The answer has another subject, so another user or group, than was asked for.
    #[error(
        "the certificate that came back has the subject {answered:?} instead of {asked:?}: ask the CA to keep it, since Kubernetes takes user and groups from it"
    )]
    AnswerSubject {
        /// RFC 4514.
        asked: String,
        /// RFC 4514.
        answered: String,
    },
    /// The answer lacks names that were asked for.
    #[error("the certificate that came back lacks the names {}: ask the CA to copy the request's subjectAltName", missing.join(", "))]
    AnswerNames {
        /// Each with its kind: `DNS:kubernetes`.
        missing: Vec<String>,
    },
    /// The answer may be used for less than was asked for.
    #[error("the certificate that came back lacks the usages {}: ask the CA to copy the request's extKeyUsage", missing.join(", "))]
    AnswerUsages {
        /// Dotted.
        missing: Vec<String>,
    },
    /// The answer is a CA, which was not asked for.
    #[error("the certificate that came back is a CA, which was not asked for: whoever holds its key could make any certificate; ask for a leaf")]
    AnswerIsCa,
    /// A policy for renewals cannot be followed.
    #[error("the policy cannot be followed: {problem}")]
    InvalidRenewalPolicy {
        /// Why.
        problem: String,
    },
    /// A server cannot be asked for its certificates in this way.
    #[error("{endpoint} cannot be asked: {problem}")]
    InvalidProbe {
        /// Where.
        endpoint: String,
        /// What is wrong with the question.
        problem: String,
    },
    /// Nobody answers there.
    #[error("{endpoint} does not answer: {problem}; look at the address, the port and the way there")]
    Unreachable {
        /// Where.
        endpoint: String,
        /// Why, in the system's words.
        problem: String,
    },
    /// A server is too slow to show its certificates.
    #[error("{endpoint} showed no certificate within {after_ms} ms")]
    ProbeDeadline {
        /// Where.
        endpoint: String,
        /// The time that it had.
        after_ms: u64,
    },
    /// A server that does not speak TLS, or breaks it off before it has shown a certificate.
    #[error("{endpoint} shows no certificate: {problem}; look whether TLS is spoken on this port")]
    NoTls {
        /// Where.
        endpoint: String,
        /// What happened.
        problem: String,
    },
    /// A file or folder of the node cannot be read.
    #[error("{path} cannot be read: {problem}")]
    Unreadable {
        /// Which.
        path: String,
        /// Why, in the system's words.
        problem: String,
    },
    /// A file of the node cannot be written or replaced; what was there is there still.
    #[error("{path} cannot be written: {problem}; what was there is there still")]
    Unwritable {
        /// Which.
        path: String,
        /// Why, in the system's words.
        problem: String,
    },
    /// The disk is full; what was there is there still.
    #[error("{path} cannot be written, since the disk is full: make room; what was there is there still")]
    DiskFull {
        /// Which.
        path: String,
    },
    /// Files were replaced already, and the disk does not take the rest; the journal is there still.
    #[error("{path}: {problem}, and files were replaced already: recover once the disk takes writes, which finishes it or takes it back")]
    LeftHalfway {
        /// Which could not be written, or put on the disk for good.
        path: String,
        /// Why, in the system's words.
        problem: String,
    },
    /// Somebody else is replacing certificates in this folder.
    #[error("another trimtab is at work in {folder}: wait for it")]
    Busy {
        /// Which.
        folder: String,
    },
    /// A file was changed between the look and the replacement, which was not made.
    #[error("{path} was changed meanwhile, and was not replaced: observe and plan again")]
    Changed {
        /// Which.
        path: String,
    },
    /// An earlier replacement was interrupted, and its journal is there still.
    #[error("{journal}: a replacement was interrupted: recover first")]
    Interrupted {
        /// The journal.
        journal: String,
    },
    /// The journal of an interrupted replacement is none.
    #[error("{path} is no journal of a replacement ({problem}): compare the files beside it that have trimtab in their names, and remove it by hand")]
    JournalNotRead {
        /// Which.
        path: String,
        /// Why.
        problem: String,
    },
    /// After an interruption somebody else changed the files, and now key and certificate do not belong together.
    #[error("{item}: key and certificate do not belong together, and somebody changed them after an interruption: put one of the pairs back: {}", backups.join(", "))]
    Torn {
        /// Whose.
        item: crate::kubeadm::Item,
        /// The copies that are there.
        backups: Vec<String>,
    },
    /// A copy of an old pair cannot be put back.
    #[error("{item}: the copy cannot be put back: {problem}")]
    BackupNotUsable {
        /// Whose.
        item: crate::kubeadm::Item,
        /// Why.
        problem: String,
    },
    /// A kubeconfig cannot be given another certificate.
    #[error("{item}: {problem}")]
    KubeconfigNotRewritten {
        /// Which.
        item: crate::kubeadm::Item,
        /// Why.
        problem: String,
    },
    /// What was written came back otherwise; it was thrown away.
    #[error("{path} came back from the disk otherwise than it was written, and was thrown away: the disk or its driver is not well")]
    NotReadBack {
        /// Which.
        path: String,
    },
    /// The certificate that was made is not the one that was planned; it was thrown away.
    #[error("{item}: what was made is not what was planned ({problem}), and was thrown away: observe and plan again")]
    NotAsPlanned {
        /// Which.
        item: crate::kubeadm::Item,
        /// What differs.
        problem: String,
    },
    /// A kubeconfig that others should be held against is none.
    #[error("{path}: {kubeconfig}")]
    NoKubeconfig {
        /// Which.
        path: String,
        /// Why.
        kubeconfig: KubeconfigError,
    },
    /// A kubeconfig that others should be held against has no certificate.
    #[error("{path} has no certificate of its current context's user in it: give a kubeconfig like kubeadm's admin.conf")]
    NoOriginal {
        /// Which.
        path: String,
    },
    /// A name that is none of kubeadm's.
    #[error("{name:?} is no certificate of kubeadm: {}", crate::kubeadm::Item::ALL.map(crate::kubeadm::Item::name).join(", "))]
    UnknownItem {
        /// What was given.
        name: String,
    },
    /// A release's kubeadm refuses a configuration.
    #[error(transparent)]
    ConfigRefused {
        /// Why.
        #[from]
        refusal: crate::kubeadm::Refusal,
    },
    /// A command line that a release's kubeadm does not take.
    #[error(transparent)]
    Usage {
        /// Why.
        #[from]
        usage: crate::kubeadm::command::UsageError,
    },
    /// A configuration of which no names for certificates can be made.
    #[error(transparent)]
    AltNames {
        /// Why.
        #[from]
        alt_names: crate::kubeadm::SanError,
    },
    /// A distribution whose layout is not known.
    #[error("{name:?} is no distribution whose layout is known: kubeadm, k3s, rke2, k0s")]
    UnknownDistribution {
        /// What was given.
        name: String,
    },
    /// The answer was not signed by that CA, or is not valid now.
    #[error("the certificate that came back cannot be used: {}", listed(problems))]
    AnswerChain {
        /// Why.
        problems: Vec<ChainProblem>,
    },
}

/// Which of the certificates at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// The one to renew or to check.
    Leaf,
    /// The issuer's.
    Ca,
    /// What an external CA sent back.
    Answer,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Leaf => "certificate",
            Self::Ca => "CA's certificate",
            Self::Answer => "certificate that came back",
        })
    }
}

fn listed(problems: &[ChainProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubeadm::{Item, Refusal};

    #[test]
    fn what_kubeadm_refuses_is_an_error_of_this_crate_with_its_own_words_and_numbers() {
        fn item(name: &str) -> Result<Item, Error> {
            name.parse()
        }
        assert_eq!(item("apiserver"), Ok(Item::Apiserver));
        assert!(item("nobody").unwrap_err().to_string().starts_with("\"nobody\" is no certificate of kubeadm: ca, apiserver,"));
        let refusal: Refusal =
            crate::kubeadm::Config::read(&serde_json::json!({"localAPIEndpoint": {"bindPort": "x"}}), &serde_json::json!({})).unwrap_err();
        let error = Error::from(refusal.clone());
        assert_eq!(error.to_string(), refusal.to_string());
        let again: Error = serde_json::from_str(&serde_json::to_string(&error).unwrap()).unwrap();
        assert_eq!(again, error);
    }
}
