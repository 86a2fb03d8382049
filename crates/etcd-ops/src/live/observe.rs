//! Reads a whole cluster, member by member; changes nothing.

use std::mem::discriminant;
use std::time::Duration;

use etcd_client::{AlarmAction, AlarmType, GetOptions, MemberListResponse, ResponseHeader, StatusResponse};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::Etcd;
use super::link::Link;
use super::metrics;
use crate::cluster::{
    Alarm, AlarmKind, Alarms, ClusterId, ClusterSeen, Compacted, EndpointSeen, MemberId, MemberSeen, MemberState, MemberStatus, Quota,
};
use crate::error::Error;

/// kube-apiserver's record of its last compaction.
const COMPACT_REV_KEY: &str = "compact_rev_key";
/// 1 while a member defragments; in all of 3.4 to 3.7.
const DEFRAG_INFLIGHT: &str = "etcd_disk_defrag_inflight";
/// What etcd takes where no quota is set.
const DEFAULT_QUOTA_BYTES: i64 = 2 * 1024 * 1024 * 1024;

impl Etcd {
    /// Observes the cluster. A member that is defragmenting is waited for, up to the patience of the access.
    ///
    /// # Errors
    /// Only where no endpoint answered: the error of the first one where all have the same remedy, else [`Error::NoEndpoint`] with all of
    /// them; and [`Error::AnotherCluster`].
    /// Everything else that could not be seen stands in the observation with its reason.
    pub async fn observe(&mut self, progress: &mut (dyn FnMut(String) + Send)) -> Result<ClusterSeen, Error> {
        let patience = self.access.patience;
        self.observe_patiently(patience, progress).await
    }

    pub(super) async fn observe_patiently(&mut self, patience: Duration, progress: &mut (dyn FnMut(String) + Send)) -> Result<ClusterSeen, Error> {
        let until = Instant::now() + patience;
        loop {
            // Boxed once here, so that no caller carries its 22 KB.
            let waits_for = match Box::pin(self.observe_once()).await {
                Ok(seen) => match busy(&seen) {
                    Some(busy) if Instant::now() < until => busy,
                    Some(_) | None => return Ok(seen),
                },
                // A login waits for the end of a defragmentation too, and with it everything else.
                Err(error) if Instant::now() < until => match self.defragmenting_endpoint().await {
                    Some(endpoint) => format!("{endpoint} is defragmenting already"),
                    None => return Err(error),
                },
                Err(error) => return Err(error),
            };
            progress(format!("waiting: {waits_for}"));
            sleep(Duration::from_millis(250)).await;
        }
    }

    async fn observe_once(&mut self) -> Result<ClusterSeen, Error> {
        let (endpoints, identity) = self.identify().await?;
        let mut asked = Vec::new();
        for member in identity.members {
            let links = self.candidates(&member).await;
            asked.push(async move {
                let (state, endpoint) = member_state(member.id, links).await;
                (MemberSeen { state, ..member }, endpoint)
            });
        }
        let mut members = Vec::new();
        for (member, endpoint) in join_all(asked).await {
            self.routes.extend(endpoint.map(|endpoint| (member.id, endpoint)));
            members.push(member);
        }
        members.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        let mut seen = ClusterSeen {
            cluster_id: identity.cluster_id,
            members,
            alarms: Alarms::Unknown { trouble: Error::NoEndpoint { troubles: Vec::new() } },
            compacted: Compacted::Unknown { trouble: Error::NoEndpoint { troubles: Vec::new() } },
            compact_rev_key: None,
            endpoints,
        };
        seen.alarms = self.alarms(&seen).await;
        self.read_revisions(&mut seen).await;
        Ok(seen)
    }

    /// A given endpoint whose metrics say that it is defragmenting; they take no login.
    async fn defragmenting_endpoint(&self) -> Option<String> {
        for endpoint in &self.access.endpoints {
            if self.is_defragmenting(endpoint).await {
                return Some(endpoint.clone());
            }
        }
        None
    }

    async fn is_defragmenting(&self, endpoint: &str) -> bool {
        let tls = self.tls.as_ref().filter(|_| endpoint.starts_with("https://"));
        let read = tokio::time::timeout(self.access.call_deadline, Box::pin(metrics::read(endpoint, tls))).await;
        matches!(read, Ok(Ok(text)) if metrics::gauge(&text, DEFRAG_INFLIGHT).is_some_and(|inflight| inflight > 0.0))
    }

    /// Asks every given endpoint for the member list, all at once: it is answered without a quorum and during a defragmentation.
    async fn identify(&mut self) -> Result<(Vec<EndpointSeen>, Identity), Error> {
        let mut links = Vec::new();
        for endpoint in self.access.endpoints.clone() {
            links.push((endpoint.clone(), self.link(&endpoint).await));
        }
        let asked = links.into_iter().map(|(endpoint, link)| async move {
            let answer = match link {
                Ok(link) => identity(&link).await,
                Err(error) => Err(error),
            };
            (endpoint, answer)
        });
        let mut best: Option<Identity> = None;
        let mut endpoints = Vec::new();
        for (endpoint, answer) in join_all(asked).await {
            match answer {
                Ok(answer) => {
                    check_same_cluster(&endpoint, best.as_ref(), &answer)?;
                    self.routes.insert(answer.responder, endpoint.clone());
                    endpoints.push(EndpointSeen { endpoint, member: Some(answer.responder), trouble: None });
                    best = Some(best.map_or(answer.clone(), |best| best.newer(answer)));
                }
                Err(trouble) => endpoints.push(EndpointSeen { endpoint, member: None, trouble: Some(trouble) }),
            }
        }
        match best {
            Some(best) if !best.members.is_empty() => Ok((endpoints, best)),
            Some(_) | None => Err(nobody(endpoints)),
        }
    }

    /// Where a member may be reached: at the endpoint that led to it, then at the URLs that it advertises.
    async fn candidates(&mut self, member: &MemberSeen) -> Vec<Candidate> {
        let known = self.routes.get(&member.id).cloned();
        let mut links = Vec::new();
        for endpoint in known.iter().chain(member.client_urls.iter().filter(|url| Some(*url) != known.as_ref())) {
            let candidate = match self.link(endpoint).await {
                Ok(link) => Candidate::Linked(Box::new(link)),
                Err(Error::Deadline { .. }) if self.is_defragmenting(endpoint).await => Candidate::Defragmenting,
                Err(trouble) => Candidate::Unlinked(trouble),
            };
            links.push(candidate);
        }
        links
    }

    /// The typed alarm list, from the first voter that has it: it needs a quorum.
    async fn alarms(&mut self, seen: &ClusterSeen) -> Alarms {
        let mut troubles = Vec::new();
        for id in by_progress(seen) {
            let answer = match self.member_link(id).await {
                Ok(link) => link.call("Alarm", |mut client| async move { client.alarm(AlarmAction::Get, AlarmType::None, None).await }).await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(answer) => return Alarms::Listed { list: answer.0.alarms.iter().map(|alarm| read_alarm(alarm.member_id, alarm.alarm)).collect() },
                Err(trouble) => troubles.push(trouble),
            }
        }
        Alarms::Unknown { trouble: one_of(troubles) }
    }

    /// `compact_rev_key` and the oldest readable revision, from the voter that is furthest.
    async fn read_revisions(&mut self, seen: &mut ClusterSeen) {
        let mut troubles = Vec::new();
        for id in by_progress(seen) {
            let head = seen.member(id).and_then(MemberSeen::status).map_or(0, |status| status.revision);
            let found = match self.member_link(id).await {
                Ok(link) => revisions(&link, head).await,
                Err(error) => Err(error),
            };
            match found {
                Ok((oldest, recorded)) => {
                    seen.compacted = Compacted::Below { revision: oldest };
                    seen.compact_rev_key = recorded;
                    return;
                }
                Err(trouble) => troubles.push(trouble),
            }
        }
        seen.compacted = Compacted::Unknown { trouble: one_of(troubles) };
    }
}

/// An endpoint at which a member may be reached.
enum Candidate {
    /// With a connection.
    Linked(Box<Link>),
    /// It lets nobody log in, and its metrics say why.
    Defragmenting,
    /// Without one.
    Unlinked(Error),
}

/// How a member answers, and at which endpoint.
async fn member_state(id: MemberId, candidates: Vec<Candidate>) -> (MemberState, Option<String>) {
    // A member without client URLs has never started.
    let mut trouble = Error::NeverStarted { member: id.to_string() };
    for candidate in candidates {
        match candidate {
            Candidate::Linked(link) => match status(id, &link).await {
                Ok(state) => return (state, Some(link.endpoint)),
                Err(error) => trouble = error,
            },
            Candidate::Defragmenting => return (MemberState::Defragmenting, None),
            Candidate::Unlinked(error) => trouble = error,
        }
    }
    (MemberState::Silent { trouble }, None)
}

/// How the member behind `link` answers; an error where nobody does, or somebody else.
async fn status(id: MemberId, link: &Link) -> Result<MemberState, Error> {
    let late = match link.call("Status", |mut client| async move { client.status().await }).await {
        Ok(status) => {
            check_responder(id, link, &status)?;
            let told = link.metrics().await;
            let quota = quota(link, status.version(), status.db_size_quota(), &told);
            let open_snapshots = told.ok().and_then(|text| metrics::open_snapshots(&text));
            return Ok(MemberState::Answers(MemberStatus { open_snapshots, ..read_status(&status, quota) }));
        }
        Err(late @ Error::Deadline { .. }) => late,
        Err(error) => return Err(error),
    };
    // The status waits for the end of a defragmentation; the metric tells it from a member that hangs.
    match tokio::join!(link.metric(DEFRAG_INFLIGHT), identity(link)) {
        (Ok(Some(inflight)), _) if inflight > 0.0 => Ok(MemberState::Defragmenting),
        (_, Ok(answer)) if answer.responder == id => Ok(MemberState::Blocked { trouble: late }),
        _ => Err(late),
    }
}

/// What an endpoint says of its cluster.
#[derive(Clone)]
struct Identity {
    cluster_id: ClusterId,
    responder: MemberId,
    /// Raft term and revision: the list of the most advanced answer is taken.
    age: (u64, i64),
    /// Their state is not known yet.
    members: Vec<MemberSeen>,
}

impl Identity {
    fn newer(self, other: Self) -> Self {
        let no_list = self.members.is_empty();
        if no_list || (other.age > self.age && !other.members.is_empty()) { other } else { self }
    }
}

async fn identity(link: &Link) -> Result<Identity, Error> {
    match link.call("MemberList", |mut client| async move { client.member_list().await }).await {
        Ok(list) => Ok(read_member_list(&list)),
        // A learner tells only its status.
        Err(Error::Server { message, .. }) if message.contains("not supported for learner") => {
            let status = link.call("Status", |mut client| async move { client.status().await }).await?;
            let header = status.header();
            let (cluster_id, responder) = header.map_or((0, 0), |header| (header.cluster_id(), header.member_id()));
            Ok(Identity { cluster_id: ClusterId(cluster_id), responder: MemberId(responder), age: (0, 0), members: Vec::new() })
        }
        Err(error) => Err(error),
    }
}

/// A balancer may lead anywhere; what is asked of one member must not reach another.
pub(super) fn check_responder(expected: MemberId, link: &Link, status: &StatusResponse) -> Result<(), Error> {
    let found = MemberId(status.header().map_or(0, ResponseHeader::member_id));
    if found == expected {
        return Ok(());
    }
    Err(Error::AnotherMember { endpoint: link.endpoint.clone(), expected: expected.to_string(), found: found.to_string() })
}

fn read_member_list(list: &MemberListResponse) -> Identity {
    let (cluster_id, responder, age) =
        list.header().map_or((0, 0, (0, 0)), |header| (header.cluster_id(), header.member_id(), (header.raft_term(), header.revision())));
    let members = list.0.members.iter().map(|member| MemberSeen {
        id: MemberId(member.id),
        name: member.name.clone(),
        is_learner: member.is_learner,
        client_urls: member.client_ur_ls.clone(),
        state: MemberState::Silent { trouble: Error::UnknownMember { member: MemberId(member.id).to_string() } },
    });
    Identity { cluster_id: ClusterId(cluster_id), responder: MemberId(responder), age, members: members.collect() }
}

fn check_same_cluster(endpoint: &str, best: Option<&Identity>, found: &Identity) -> Result<(), Error> {
    match best {
        Some(best) if best.cluster_id != found.cluster_id => {
            Err(Error::AnotherCluster { endpoint: endpoint.to_owned(), expected: best.cluster_id.to_string(), found: found.cluster_id.to_string() })
        }
        Some(_) | None => Ok(()),
    }
}

pub(super) fn read_status(status: &StatusResponse, quota: Quota) -> MemberStatus {
    MemberStatus {
        version: status.version().to_owned(),
        db_size_bytes: status.db_size(),
        db_size_in_use_bytes: status.raft_used_db_size(),
        quota,
        revision: status.header().map_or(0, ResponseHeader::revision),
        leader: Some(status.leader()).filter(|leader| *leader != 0).map(MemberId),
        raft_term: status.raft_term(),
        raft_index: status.raft_index(),
        raft_applied_index: status.raft_applied_index(),
        errors: status.errors().iter().map(|error| error.trim().to_owned()).collect(),
        open_snapshots: None,
    }
}

/// Status tells the quota from 3.6 on: negative where it is disabled, 0 in 3.6.0 to 3.6.5 where it is the default one.
/// Before that, only the metric does, and it is 0 where the quota is disabled.
fn quota(link: &Link, version: &str, told: i64, metrics: &Result<String, Error>) -> Quota {
    let tells = !(version.starts_with("3.4.") || version.starts_with("3.5."));
    match told {
        bytes if bytes > 0 => return Quota::Bytes { bytes },
        bytes if bytes < 0 => return Quota::Disabled,
        _ if tells => return Quota::Bytes { bytes: DEFAULT_QUOTA_BYTES },
        _ => {}
    }
    match metrics.as_ref().map(|text| metrics::gauge(text, "etcd_server_quota_backend_bytes")) {
        #[expect(clippy::cast_possible_truncation, reason = "a quota in bytes, written by Go as a float64; the cast saturates")]
        Ok(Some(bytes)) if bytes > 0.0 => Quota::Bytes { bytes: bytes as i64 },
        Ok(Some(_)) => Quota::Disabled,
        Ok(None) => Quota::Unknown {
            trouble: Error::Server {
                endpoint: link.endpoint.clone(),
                call: "/metrics".to_owned(),
                code: "200".to_owned(),
                message: "no etcd_server_quota_backend_bytes in it".to_owned(),
            },
        },
        Err(trouble) => Quota::Unknown { trouble: trouble.clone() },
    }
}

fn read_alarm(member: u64, kind: i32) -> Alarm {
    let kind = match kind {
        1 => AlarmKind::NoSpace,
        2 => AlarmKind::Corrupt,
        other => AlarmKind::Other(other),
    };
    Alarm { member: MemberId(member), kind }
}

/// The voters that answer, the furthest first.
fn by_progress(seen: &ClusterSeen) -> Vec<MemberId> {
    let mut voters: Vec<_> =
        seen.answering().filter(|(member, _)| !member.is_learner).map(|(member, status)| (status.raft_applied_index, member.id)).collect();
    voters.sort_by(|a, b| b.cmp(a));
    voters.into_iter().map(|(_, id)| id).collect()
}

/// The oldest readable revision, found by bisection: a read below the compaction is refused, one at it is answered.
/// No call of etcd tells it without hashing the whole keyspace.
async fn revisions(link: &Link, head: i64) -> Result<(i64, Option<i64>), Error> {
    let recorded =
        link.call("Range", |mut client| async move { client.get(COMPACT_REV_KEY, Some(GetOptions::new().with_serializable())).await }).await?;
    let recorded = recorded.kvs().first().and_then(|kv| kv.value_str().ok()?.parse().ok());
    let (mut refused, mut answered) = (0, head.max(1));
    while answered - refused > 1 {
        let middle = refused + (answered - refused) / 2;
        if is_readable(link, middle).await? { answered = middle } else { refused = middle }
    }
    Ok((if answered == 1 { 0 } else { answered }, recorded))
}

async fn is_readable(link: &Link, revision: i64) -> Result<bool, Error> {
    let options = GetOptions::new().with_serializable().with_revision(revision).with_count_only();
    let read = link.call("Range", |mut client| {
        let options = options.clone();
        async move { client.get(COMPACT_REV_KEY, Some(options)).await }
    });
    match read.await {
        Ok(_) => Ok(true),
        Err(Error::Compacted { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Who is alive and answers nothing but the member list, where anybody is.
fn busy(seen: &ClusterSeen) -> Option<String> {
    let told = |member: &MemberSeen| match member.state {
        MemberState::Defragmenting => Some(format!("{} is defragmenting already", member.title())),
        MemberState::Blocked { .. } => Some(format!("{} answers nothing but the member list", member.title())),
        MemberState::Answers(_) | MemberState::Silent { .. } => None,
    };
    let all: Vec<String> = seen.members.iter().filter_map(told).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

fn nobody(endpoints: Vec<EndpointSeen>) -> Error {
    let learner = endpoints.iter().find(|endpoint| endpoint.member.is_some()).map(|endpoint| endpoint.endpoint.clone());
    match learner {
        Some(endpoint) => {
            Error::InvalidEndpoint { endpoint, problem: "only a learner answers there, which tells no member list; give a voter's".to_owned() }
        }
        None => one_of(endpoints.into_iter().filter_map(|endpoint| endpoint.trouble).collect()),
    }
}

/// Where all have the same remedy, the first one says it.
fn one_of(troubles: Vec<Error>) -> Error {
    let same = |other: &Error| troubles.first().is_some_and(|first| discriminant(first) == discriminant(other));
    match troubles.first() {
        Some(first) if troubles.iter().all(same) => first.clone(),
        Some(_) | None => Error::NoEndpoint { troubles },
    }
}
