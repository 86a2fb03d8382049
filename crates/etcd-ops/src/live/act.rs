//! Carries out the steps of a plan on the real cluster.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use etcd_client::{AlarmAction, AlarmOptions, AlarmType, CompactionOptions, PutOptions};
use tokio::time::{Instant, interval, sleep};
use trimtab_core::apply::Site;
use trimtab_core::plan::Step;

use super::Etcd;
use super::link::Link;
use crate::cluster::{ClusterSeen, MemberId, MemberStatus};
use crate::error::Error;
use crate::maintenance::{Action, Maintenance, Mib, is_compact, open_snapshots};

type Progress<'a> = &'a mut (dyn FnMut(String) + Send);

/// A defragmentation rewrites what is in use; 5 MB/s is a slow disk under load (50 to 200 MB/s were measured).
const SLOWEST_BYTES_PER_SECOND: u64 = 5_000_000;
/// What every long step may take whatever the size.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where our proof is written; nothing of Kubernetes' own lives there.
const PROOF_PREFIX: &str = "trimtab/rescue-proof/";
const PROOF_TTL_SECONDS: i64 = 60;

impl Site<Maintenance> for Etcd {
    async fn look(&mut self, step: &Step<Maintenance>, progress: Progress<'_>) -> Result<ClusterSeen, Error> {
        let until = Instant::now() + self.access.patience;
        loop {
            // An earlier run may have left a member defragmenting, of a size that it cannot tell now.
            let seen = self.observe_patiently(self.longest_wait(), progress).await?;
            match sends_snapshots(&step.action, &seen) {
                Some(streams) if Instant::now() < until => progress(format!("waiting: {} is sending {streams} snapshot(s)", step.target)),
                Some(_) | None => return Ok(seen),
            }
            sleep(Duration::from_millis(250)).await;
        }
    }

    async fn act(&mut self, action: &Action, progress: Progress<'_>) -> Result<(), Error> {
        match action {
            // The look before has waited as long as it may.
            Action::Await { member } => Err(Error::Deadline {
                endpoint: format!("member {member}"),
                call: "Defragment".to_owned(),
                after_ms: u64::try_from(self.longest_wait().as_millis()).unwrap_or(u64::MAX),
            }),
            Action::Compact { revision } => self.compact(*revision, progress).await,
            Action::Defragment { member, .. } => self.defragment(*member, progress).await,
            Action::Disarm { member } => self.disarm(*member).await,
            Action::Prove { members } => self.prove(members).await,
        }
    }
}

impl Etcd {
    fn longest_wait(&self) -> Duration {
        self.access.patience.max(PATIENCE * 30)
    }

    async fn compact(&mut self, revision: i64, progress: Progress<'_>) -> Result<(), Error> {
        let seen = self.observe_patiently(Duration::ZERO, progress).await?;
        let largest = seen.answering().map(|(_, status)| status.db_size_bytes).max().unwrap_or(0);
        let deadline = deadline_for(largest);
        let link = self.leader_link(&seen).await?;
        let request = |mut client: etcd_client::Client| async move {
            let physical = CompactionOptions::new().with_physical();
            client.compact(revision, Some(physical)).await.map(|_| ())
        };
        match with_ticks(link.call_within("Compact", deadline, request), progress, "compacting").await {
            Ok(()) | Err(Error::Compacted { .. }) => self.settle(deadline, progress).await,
            Err(error) => Err(error),
        }
    }

    /// `physical` waits only for the member that served the call. The others work through the history in the background and
    /// commit per batch of keys, so their in-use size moves until they are through.
    async fn settle(&mut self, deadline: Duration, progress: Progress<'_>) -> Result<(), Error> {
        const QUIET_LOOKS: u32 = 4;
        let until = Instant::now() + deadline;
        let (mut last, mut quiet) = (BTreeMap::new(), 0);
        while quiet < QUIET_LOOKS && Instant::now() < until {
            sleep(Duration::from_millis(250)).await;
            let seen = self.observe_patiently(Duration::ZERO, progress).await?;
            let sizes: BTreeMap<MemberId, i64> = seen.answering().map(|(member, status)| (member.id, status.db_size_in_use_bytes)).collect();
            quiet = if sizes == last { quiet + 1 } else { 0 };
            last = sizes;
        }
        self.settled = true;
        Ok(())
    }

    async fn defragment(&mut self, member: MemberId, progress: Progress<'_>) -> Result<(), Error> {
        if !self.settled {
            // An earlier run may have been ended right after its compaction, which goes on in the background.
            self.settle(PATIENCE, progress).await?;
        }
        let link = self.member_link(member).await?;
        let before = self.status_of(&link, member).await?;
        let deadline = deadline_for(before.db_size_bytes);
        let request = |mut client: etcd_client::Client| async move { client.defragment().await.map(|_| ()) };
        match with_ticks(link.call_within("Defragment", deadline, request), progress, "defragmenting").await {
            Ok(()) => {}
            // etcd goes on after our deadline, and a second call would queue a second defragmentation: wait, never ask again.
            Err(Error::Deadline { .. }) => progress("the deadline has passed, etcd goes on: waiting for it".to_owned()),
            Err(error) => return Err(error),
        }
        let after = self.wait_until_caught_up(&link, member, deadline, progress).await?;
        progress(format!("{} before, {} after", Mib(before.db_size_bytes), Mib(after.db_size_bytes)));
        if after.db_size_bytes < before.db_size_bytes || is_compact(&after) {
            return Ok(());
        }
        Err(Error::NotDefragmented { member: member.to_string(), db_size_bytes: after.db_size_bytes, free_bytes: after.free_bytes() })
    }

    /// Until the member tells its status again and has applied what the others committed meanwhile.
    async fn wait_until_caught_up(
        &mut self,
        link: &Link,
        member: MemberId,
        deadline: Duration,
        progress: Progress<'_>,
    ) -> Result<MemberStatus, Error> {
        const NEAR_ENTRIES: u64 = 100;
        let until = Instant::now() + deadline;
        loop {
            let seen = self.observe_patiently(deadline, progress).await?;
            if let Some(status) = seen.member(member).and_then(|member| member.status()) {
                if seen.lag(status) <= NEAR_ENTRIES || Instant::now() >= until {
                    return Ok(status.clone());
                }
                progress(format!("catching up: {} raft entries behind", seen.lag(status)));
            } else if Instant::now() >= until {
                return self.status_of(link, member).await;
            }
            sleep(Duration::from_millis(250)).await;
        }
    }

    async fn status_of(&mut self, link: &Link, member: MemberId) -> Result<MemberStatus, Error> {
        let status = link.call("Status", |mut client| async move { client.status().await }).await?;
        super::observe::check_responder(member, link, &status)?;
        Ok(super::observe::read_status(&status, crate::cluster::Quota::Disabled))
    }

    async fn disarm(&mut self, member: MemberId) -> Result<(), Error> {
        let seen = self.observe_patiently(Duration::ZERO, &mut |_| {}).await?;
        let link = self.leader_link(&seen).await?;
        let request = |mut client: etcd_client::Client| async move {
            let mut options = AlarmOptions::new();
            options.with_member(member.0);
            client.alarm(AlarmAction::Deactivate, AlarmType::Nospace, Some(options)).await
        };
        link.call("Alarm", request).await.map(|_| ())
    }

    /// One key through each member: every member checks its own quota.
    async fn prove(&mut self, members: &[MemberId]) -> Result<(), Error> {
        let mut links = Vec::new();
        for member in members {
            links.push((*member, self.member_link(*member).await?));
        }
        let Some((_, first)) = links.first() else { return Ok(()) };
        let lease = first.call("LeaseGrant", |mut client| async move { client.lease_grant(PROOF_TTL_SECONDS, None).await }).await?.id();
        let mut proven = Ok(());
        for (member, link) in &links {
            proven = write_and_read_back(link, *member, lease).await;
            if proven.is_err() {
                break;
            }
        }
        // Ends every key that hangs on it, also those of a proof that failed half-way.
        let revoked = first.call("LeaseRevoke", |mut client| async move { client.lease_revoke(lease).await }).await;
        proven.and(revoked.map(|_| ()))
    }

    async fn leader_link(&mut self, seen: &ClusterSeen) -> Result<Link, Error> {
        let leader = seen.leader().ok_or_else(|| Error::UnknownMember { member: "leader".to_owned() })?;
        self.member_link(leader).await
    }
}

async fn write_and_read_back(link: &Link, member: MemberId, lease: i64) -> Result<(), Error> {
    let key = format!("{PROOF_PREFIX}{member}");
    // The lease is new, so its id tells this proof from any other.
    let value = format!("{lease:x}");
    link.call("Put", |mut client| {
        let (key, value) = (key.clone(), value.clone());
        async move { client.put(key, value, Some(PutOptions::new().with_lease(lease))).await }
    })
    .await?;
    let read = link
        .call("Range", |mut client| {
            let key = key.clone();
            async move { client.get(key, None).await }
        })
        .await?;
    match read.kvs().first() {
        Some(kv) if kv.value() == value.as_bytes() => {}
        Some(_) => return Err(Error::NotReadBack { endpoint: link.endpoint.clone(), problem: "another value".to_owned() }),
        None => return Err(Error::NotReadBack { endpoint: link.endpoint.clone(), problem: "nothing".to_owned() }),
    }
    link.call("DeleteRange", |mut client| {
        let key = key.clone();
        async move { client.delete(key, None).await }
    })
    .await
    .map(|_| ())
}

/// How many snapshots are sent by the member that is to be defragmented, which would hang it.
fn sends_snapshots(action: &Action, seen: &ClusterSeen) -> Option<u64> {
    match action {
        Action::Defragment { member, .. } => Some(open_snapshots(*member, seen)).filter(|streams| *streams > 0),
        Action::Await { .. } | Action::Compact { .. } | Action::Disarm { .. } | Action::Prove { .. } => None,
    }
}

fn deadline_for(size_bytes: i64) -> Duration {
    PATIENCE + Duration::from_secs(u64::try_from(size_bytes).unwrap_or(0) / SLOWEST_BYTES_PER_SECOND)
}

/// Says every second how long a call has taken.
async fn with_ticks<T>(call: impl Future<Output = T>, progress: Progress<'_>, what: &str) -> T {
    let mut ticks = interval(Duration::from_secs(1));
    let begun = Instant::now();
    tokio::pin!(call);
    loop {
        tokio::select! {
            answer = &mut call => return answer,
            _ = ticks.tick() => {
                if begun.elapsed() >= Duration::from_millis(500) {
                    progress(format!("{what}: {} s", begun.elapsed().as_secs()));
                }
            }
        }
    }
}
