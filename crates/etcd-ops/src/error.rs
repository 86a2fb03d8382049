//! What can go wrong between us and an etcd; each variant has a remedy of its own.

use serde::{Deserialize, Serialize};

/// Any error of this crate: who erred, and what to do.
///
/// Plain data, since it also stands in observations, plans and reports. Never holds a password, a key or a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "error")]
#[non_exhaustive]
pub enum Error {
    /// An endpoint cannot be read.
    #[error("{endpoint:?} is no etcd endpoint: {problem}; write it like https://10.0.0.1:2379")]
    InvalidEndpoint {
        /// As it was given.
        endpoint: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The policy asks for something that cannot be.
    #[error("the policy cannot be followed: {problem}")]
    InvalidPolicy {
        /// What is wrong with it, and what would be right.
        problem: String,
    },
    /// A certificate or key that was given to us cannot be used.
    #[error("the {what} cannot be used: {problem}")]
    InvalidCredentials {
        /// Which: `CA certificate`, `client certificate`, `client key`.
        what: String,
        /// What is wrong with it, and what would be right.
        problem: String,
    },
    /// Our own client certificate is not valid at this time, so etcd would drop the connection without saying why.
    #[error("the client certificate {subject:?} is valid from {not_before} to {not_after}, not now: renew it (kubeadm: `kubeadm certs renew`)")]
    ClientCertificateExpired {
        /// Its subject.
        subject: String,
        /// The beginning of its validity.
        not_before: String,
        /// The end of its validity.
        not_after: String,
    },
    /// The member's certificate does not convince us: another CA, expired, another name.
    #[error("{endpoint} shows a certificate that the given CA does not vouch for: {problem}; check the CA file and the host name")]
    ServerCertificate {
        /// Where.
        endpoint: String,
        /// What TLS said.
        problem: String,
    },
    /// The member does not accept our client certificate, or wants one.
    #[error("{endpoint} ended the TLS handshake: {problem}; give a client certificate that its --trusted-ca-file vouches for")]
    ClientCertificateRejected {
        /// Where.
        endpoint: String,
        /// What TLS said.
        problem: String,
    },
    /// Nobody listens, or the connection broke.
    #[error("{endpoint} cannot be reached: {problem}; check that etcd runs there, and http against https")]
    Unreachable {
        /// Where.
        endpoint: String,
        /// What the network said.
        problem: String,
    },
    /// No answer in time: stopped, overloaded, or without a quorum.
    #[error("{endpoint} did not answer {call} within {after_ms} ms: it hangs, or it has no quorum")]
    Deadline {
        /// Where.
        endpoint: String,
        /// Which call.
        call: String,
        /// How long we waited, in milliseconds.
        after_ms: u64,
    },
    /// User or password are wrong.
    #[error("{endpoint} refuses the login of user {user:?}: check user and password")]
    LoginRefused {
        /// Where.
        endpoint: String,
        /// Who.
        user: String,
    },
    /// The cluster has authentication on, and no user was given.
    #[error("{endpoint} wants a user for {call}: give user and password")]
    LoginNeeded {
        /// Where.
        endpoint: String,
        /// Which call.
        call: String,
    },
    /// The user may not do this.
    #[error("{endpoint} does not allow {call} to this user: it takes a user with the role root")]
    AccessDenied {
        /// Where.
        endpoint: String,
        /// Which call.
        call: String,
    },
    /// The cluster is out of space.
    #[error("{endpoint} refuses {call}: mvcc: database space exceeded; observe and plan a rescue")]
    NoSpace {
        /// Where.
        endpoint: String,
        /// Which call.
        call: String,
    },
    /// The cluster has a CORRUPT alarm.
    #[error("{endpoint} refuses {call}: the cluster is corrupt; compare the members' HashKV and replace the one that differs")]
    Corrupt {
        /// Where.
        endpoint: String,
        /// Which call.
        call: String,
    },
    /// A read at a revision that is compacted away.
    #[error("{endpoint}: the revision of {call} has been compacted")]
    Compacted {
        /// Where.
        endpoint: String,
        /// Which call.
        call: String,
    },
    /// The endpoints that were given belong to different clusters.
    #[error("{endpoint} belongs to cluster {found}, another endpoint to {expected}: give endpoints of one cluster")]
    AnotherCluster {
        /// The endpoint that differs.
        endpoint: String,
        /// The cluster of the endpoints before it.
        expected: String,
        /// Its own.
        found: String,
    },
    /// A member was added to the list and has never started, so it has neither a name nor client URLs.
    #[error("member {member} was added and has never started: start it, or remove it from the cluster")]
    NeverStarted {
        /// Which.
        member: String,
    },
    /// An endpoint leads to another member than the one that is meant: a balancer, or an address that was given to somebody else.
    #[error("{endpoint} leads to member {found} and not to {expected}: give each member's own endpoint, not a balancer's")]
    AnotherMember {
        /// The endpoint.
        endpoint: String,
        /// The member that is meant.
        expected: String,
        /// The one that answered.
        found: String,
    },
    /// None of the endpoints answered.
    #[error("no endpoint answered: {}", .troubles.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    NoEndpoint {
        /// Why, one for each.
        troubles: Vec<Error>,
    },
    /// A member is in the plan and not within reach.
    #[error("member {member} is not in the member list, or none of its client URLs is known: observe and plan again")]
    UnknownMember {
        /// Which.
        member: String,
    },
    /// A defragmentation was answered, and the file did not shrink as it does after one.
    #[error("{member} still holds {db_size_bytes} bytes with {free_bytes} of them free after its defragmentation: look at its log and its disk")]
    NotDefragmented {
        /// Which member.
        member: String,
        /// Its file's size.
        db_size_bytes: i64,
        /// How much of it is free.
        free_bytes: i64,
    },
    /// What was written was not read back.
    #[error("a write through {endpoint} was accepted and not read back: {problem}")]
    NotReadBack {
        /// Where it was written.
        endpoint: String,
        /// What was read instead.
        problem: String,
    },
    /// Anything else that a member said.
    #[error("{endpoint} answered {call} with {code}: {message}")]
    Server {
        /// Where.
        endpoint: String,
        /// Which call.
        call: String,
        /// The gRPC code.
        code: String,
        /// The message.
        message: String,
    },
}
