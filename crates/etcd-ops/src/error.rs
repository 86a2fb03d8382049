//! What can go wrong between us and an etcd or a store of backups; each variant has a remedy of its own.

use serde::{Deserialize, Serialize};
use trimtab_etcd_file::Sha256;

use crate::backup::Unverified;

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
    /// A snapshot stream stands still: the member hangs, or the network does.
    #[error("{endpoint} sent {received_bytes} bytes of the snapshot and then nothing for {after_ms} ms: it hangs; save from another member")]
    Stalled {
        /// Where.
        endpoint: String,
        /// How many bytes of the database had come by then.
        received_bytes: u64,
        /// How long we waited, in milliseconds.
        after_ms: u64,
    },
    /// A snapshot stream ended, or its bytes are no good. Nothing of it was kept.
    #[error("the snapshot from {endpoint} is no good: {problem}")]
    BrokenSnapshot {
        /// Where it came from.
        endpoint: String,
        /// What is wrong with it.
        problem: Box<trimtab_etcd_file::Error>,
    },
    /// A member's `HashKV` is not the snapshot's at the same revision and compaction. The snapshot was not kept.
    #[error(
        "member {member} has other data than the snapshot from {source_member}: at revision {revision} its HashKV is {found}, the snapshot's {expected}; \
         one of the two is corrupt: compare all members' HashKV, and save from a member by name to keep its data"
    )]
    MembersDiffer {
        /// The member that differs.
        member: String,
        /// The member that the snapshot came from.
        source_member: String,
        /// The revision that both hashes are of.
        revision: i64,
        /// The snapshot's hash.
        expected: u32,
        /// The member's.
        found: u32,
    },
    /// The disk has no room for a backup. Nothing of it was kept.
    #[error("{path} has no room: {needed_bytes} bytes are needed, {free_bytes} are free; make room, or save elsewhere")]
    DiskFull {
        /// The directory.
        path: String,
        /// The size of the snapshot in bytes, as far as the member tells it.
        needed_bytes: u64,
        /// What was free for us in bytes, with nothing of the snapshot written.
        free_bytes: u64,
    },
    /// A directory or a file in it cannot be written, or read.
    #[error("{path} cannot be used: {problem}")]
    Unwritable {
        /// The directory or file.
        path: String,
        /// What the system said.
        problem: String,
    },
    /// The destination is there already, and was not touched.
    #[error("{path} is there already: nothing is overwritten; save into another directory, or remove it")]
    DestinationExists {
        /// The file.
        path: String,
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
    /// A file is no sound etcd snapshot.
    #[error("{name} is no sound backup: {problem}")]
    BackupFile {
        /// The object, or the file.
        name: String,
        /// What is wrong with it.
        problem: Box<trimtab_etcd_file::Error>,
    },
    /// What lies in the store is not what was put there.
    #[error(
        "{name} is not what was put there: expected {expected_bytes} bytes with SHA-256 {expected}, found {found_bytes} with {found}; take another backup"
    )]
    StoredDiffers {
        /// The object.
        name: String,
        /// Its size by the manifest.
        expected_bytes: u64,
        /// Its size.
        found_bytes: u64,
        /// The SHA-256 of its bytes by the manifest.
        expected: Box<Sha256>,
        /// The SHA-256 of its bytes.
        found: Box<Sha256>,
    },
    /// A sound snapshot, but another one than its manifest tells of.
    #[error("{name} and its manifest do not belong together: the manifest says {field} {expected}, the snapshot {found}")]
    NotItsManifest {
        /// The object, or the file.
        name: String,
        /// Which field of the manifest.
        field: Box<str>,
        /// What the manifest says.
        expected: String,
        /// What the snapshot says.
        found: String,
    },
    /// A packed backup does not unpack.
    #[error("{name} does not unpack: {problem}; take another backup")]
    NotUnpacked {
        /// The object.
        name: String,
        /// What zstd said.
        problem: String,
    },
    /// The backup is of an etcd whose data this trimtab cannot judge. It says nothing about the backup.
    #[error("{name} is of etcd {etcd_version:?}, which this trimtab does not know: use a newer trimtab")]
    UnknownRelease {
        /// The object.
        name: String,
        /// The etcd version in its manifest.
        etcd_version: String,
    },
    /// There is nothing to verify the object against.
    #[error("{name} does not count as a backup: {why}")]
    Unverified {
        /// The object.
        name: String,
        /// Why.
        why: Box<Unverified>,
    },
    /// The settings of a store cannot be right.
    #[error("the store {store} cannot be used like this: {problem}")]
    InvalidStore {
        /// The store.
        store: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// The bucket or the directory is not there.
    #[error("{store} is not there ({operation}): {problem}; create it, or give another one")]
    NoSuchStore {
        /// The store.
        store: String,
        /// What was tried.
        operation: String,
        /// What it said.
        problem: String,
    },
    /// The store is there, the object is not.
    #[error("{name} is not in {store}: list it again")]
    NoSuchObject {
        /// The store.
        store: String,
        /// The object.
        name: String,
    },
    /// The object is there already, and was not touched.
    #[error("{name} is in {store} already: nothing is overwritten")]
    ObjectExists {
        /// The store.
        store: String,
        /// The object.
        name: String,
    },
    /// The store knows us and does not allow it, or does not know us.
    #[error("{store} refuses to {operation}: {problem}; check the credentials and what they may do")]
    StoreRefuses {
        /// The store.
        store: String,
        /// What was tried.
        operation: String,
        /// What it said.
        problem: String,
    },
    /// The store has no space left.
    #[error("{store} is full ({operation}): {problem}; make space, or plan a retention")]
    StoreFull {
        /// The store.
        store: String,
        /// What was tried.
        operation: String,
        /// What it said.
        problem: String,
    },
    /// The store cannot be reached, or broke off.
    #[error("{store} cannot be reached to {operation}: {problem}; check that it runs there, and http against https")]
    StoreUnreachable {
        /// The store.
        store: String,
        /// What was tried.
        operation: String,
        /// What the network said.
        problem: String,
    },
    /// The store did not answer in time.
    #[error("{store} did not go on to {operation} within {after_ms} ms: it hangs, or the network does")]
    StoreDeadline {
        /// The store.
        store: String,
        /// What was tried.
        operation: String,
        /// How long we waited for the next bytes, in milliseconds.
        after_ms: u64,
    },
    /// Anything else that a store said.
    #[error("{store} failed to {operation}: {problem}")]
    Store {
        /// The store.
        store: String,
        /// What was tried.
        operation: String,
        /// What it said.
        problem: String,
    },
}
