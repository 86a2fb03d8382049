//! The snapshot beside the members: `HashKV` at its revision, asked of each.

use std::time::Duration;

use etcd_client::{Client, ResponseHeader};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};
use trimtab_etcd_file::HashKv;

use crate::backup::{Compared, MemberHash, NotCompared};
use crate::cluster::MemberId;
use crate::error::Error;
use crate::live::link::Link;

/// How long a member that is a little behind may take to get to the snapshot's revision.
const CATCH_UP: Duration = Duration::from_secs(5);
/// How often a difference is looked at before it is believed: right after a compaction a member may answer wrongly for some ten
/// milliseconds.
const LOOKS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(250);

/// A member and what it should answer: the snapshot's hash by the rules of that member's release.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) id: MemberId,
    /// Or why it is not even asked.
    pub(super) expected: Result<(Link, HashKv), NotCompared>,
}

/// Asks every member, all at once. `deadline` is what a hash over a file of this size may take.
///
/// # Errors
/// [`Error::MembersDiffer`] for the first that has other data.
pub(super) async fn compare(source: MemberId, peers: Vec<Peer>, deadline: Duration) -> Result<Vec<MemberHash>, Error> {
    let asked = peers.into_iter().map(|peer| async move {
        let compared = match peer.expected {
            Ok((link, ours)) => match Box::pin(compare_one(&link, ours, deadline)).await {
                Verdict::Told(compared) => compared,
                Verdict::Differs { found } => return Err(differs(peer.id, source, ours, found)),
            },
            Err(why) => Compared::NotCompared { why },
        };
        Ok(MemberHash { member_id: peer.id, compared })
    });
    join_all(asked).await.into_iter().collect()
}

fn differs(member: MemberId, source: MemberId, ours: HashKv, found: u32) -> Error {
    let (member, source_member) = (member.to_string(), source.to_string());
    Error::MembersDiffer { member, source_member, revision: ours.revision, expected: ours.hash, found }
}

enum Verdict {
    Told(Compared),
    Differs { found: u32 },
}

async fn compare_one(link: &Link, ours: HashKv, deadline: Duration) -> Verdict {
    let not_compared = |why| Verdict::Told(Compared::NotCompared { why });
    let mut looks = LOOKS;
    loop {
        let found = match ask(link, ours.revision, deadline).await {
            Answer::Hash { compact_revision, .. } if compact_revision != ours.compact_revision => {
                return not_compared(NotCompared::OtherCompaction { compact_revision });
            }
            Answer::Hash { hash, .. } if hash == ours.hash => return Verdict::Told(Compared::Agrees),
            Answer::Hash { hash, .. } => hash,
            Answer::No(why) => return not_compared(why),
        };
        looks -= 1;
        if looks == 0 {
            return Verdict::Differs { found };
        }
        sleep(PAUSE).await;
    }
}

enum Answer {
    Hash { hash: u32, compact_revision: i64 },
    No(NotCompared),
}

/// One member's `HashKV`, waited for where it is behind.
async fn ask(link: &Link, revision: i64, deadline: Duration) -> Answer {
    let until = Instant::now() + CATCH_UP;
    loop {
        let request = |mut client: Client| async move { client.hash_kv(revision).await };
        match link.call_within("HashKV", deadline, request).await {
            Ok(answer) => return Answer::Hash { hash: answer.hash(), compact_revision: answer.compact_version() },
            Err(Error::Compacted { .. }) => return Answer::No(NotCompared::CompactedAway),
            Err(Error::Server { message, .. }) if message.contains("future revision") => {
                if Instant::now() >= until {
                    return Answer::No(NotCompared::Behind { revision: head(link).await });
                }
                sleep(PAUSE).await;
            }
            Err(trouble) => return Answer::No(NotCompared::Silent { trouble }),
        }
    }
}

/// How far a member has got; 0 where it does not tell.
async fn head(link: &Link) -> i64 {
    let status = link.call("Status", |mut client: Client| async move { client.status().await }).await;
    status.ok().and_then(|status| status.header().map(ResponseHeader::revision)).unwrap_or(0)
}
