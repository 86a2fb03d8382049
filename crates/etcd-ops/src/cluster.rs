//! What was seen of a cluster: plain data, made by `live::Etcd::observe`, or written by hand for a test.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Error;

/// A member's id, shown as `etcdctl` shows it: hexadecimal without leading zeros.
///
/// ```
/// use trimtab_etcd_ops::MemberId;
///
/// assert_eq!(MemberId(0x8e9e_05c5_2164_694d).to_string(), "8e9e05c52164694d");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub u64);

/// A cluster's id, shown as `etcdctl` shows it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub u64);

/// A whole cluster, as seen at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterSeen {
    /// The cluster.
    pub cluster_id: ClusterId,
    /// Every member of the member list, learners included, by name and then by id.
    pub members: Vec<MemberSeen>,
    /// The alarms that the cluster lists; listing them needs a quorum.
    pub alarms: Alarms,
    /// Up to where history is gone.
    pub compacted: Compacted,
    /// The value of `compact_rev_key`: the revision that kube-apiserver compacted to last (history of the last 5 to 10 minutes stays).
    /// Absent on a young cluster and on one that no kube-apiserver uses.
    pub compact_rev_key: Option<i64>,
    /// What became of each endpoint that was given.
    pub endpoints: Vec<EndpointSeen>,
}

/// A given endpoint and who answered there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointSeen {
    /// As it was given.
    pub endpoint: String,
    /// The member behind it, where one answered.
    pub member: Option<MemberId>,
    /// Why not, where none did.
    pub trouble: Option<Error>,
}

/// One member.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberSeen {
    /// Its id.
    pub id: MemberId,
    /// Its name; empty for a member that was added and never started.
    pub name: String,
    /// A learner takes no part in elections and quorums and refuses to be defragmented.
    pub is_learner: bool,
    /// Where clients reach it, as it advertises.
    pub client_urls: Vec<String>,
    /// How it answered.
    pub state: MemberState,
}

/// How a member answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum MemberState {
    /// It told its status.
    Answers(MemberStatus),
    /// It is defragmenting: it answers metrics and the member list, everything else waits for the end.
    Defragmenting,
    /// It answers the member list but not its status, and no metric says why: a stalled disk, or a defragmentation
    /// that its metrics do not show us.
    Blocked {
        /// What the status call ended with.
        trouble: Error,
    },
    /// It does not answer at all.
    Silent {
        /// Why.
        trouble: Error,
    },
}

/// What a member says of itself; sizes in bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberStatus {
    /// Its etcd version: `3.6.16`.
    pub version: String,
    /// The size of its database file. The quota is compared with this one.
    pub db_size_bytes: i64,
    /// The part of it that holds data. Errs on the high side: after a compaction it falls only when the next write commits,
    /// so while writes are refused it may stay wrong for ever.
    pub db_size_in_use_bytes: i64,
    /// Its quota.
    pub quota: Quota,
    /// The newest revision it has.
    pub revision: i64,
    /// The member that it takes for the leader, where it knows one.
    pub leader: Option<MemberId>,
    /// The raft term.
    pub raft_term: u64,
    /// The highest raft index it knows to be committed.
    pub raft_index: u64,
    /// The highest raft index it has applied.
    pub raft_applied_index: u64,
    /// What it complains about, in its own words.
    pub errors: Vec<String>,
    /// How many snapshots it is sending to somebody, by its own metrics; none where those could not be read. Whoever defragments it
    /// meanwhile hangs it until the last of them has ended.
    #[serde(default)]
    pub open_snapshots: Option<u64>,
}

/// The bound that a database file must stay under for writes to be accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "quota")]
pub enum Quota {
    /// In bytes.
    Bytes {
        /// The bound.
        bytes: i64,
    },
    /// `--quota-backend-bytes` is negative: never out of space.
    Disabled,
    /// Neither Status (3.6 and newer) nor the metric `etcd_server_quota_backend_bytes` told it.
    Unknown {
        /// Why the metric could not be read.
        trouble: Error,
    },
}

/// The alarms that a cluster lists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "alarms")]
pub enum Alarms {
    /// These.
    Listed {
        /// In the order of the answer.
        list: Vec<Alarm>,
    },
    /// The list was not to be had: it needs a quorum.
    Unknown {
        /// Why.
        trouble: Error,
    },
}

/// One alarm of one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alarm {
    /// The member it stands under. For CORRUPT, etcd 3.4 and 3.5 list 0 here.
    pub member: MemberId,
    /// Which.
    pub kind: AlarmKind,
}

/// etcd's alarm types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum AlarmKind {
    /// Out of space: writes are refused in the whole cluster.
    NoSpace,
    /// Members disagree about the data.
    Corrupt,
    /// A number that this version of trimtab does not know.
    Other(i32),
}

/// Up to where history is gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "compacted")]
pub enum Compacted {
    /// Reads at this revision and above are answered; 0 where nothing was ever compacted (or only revision 1, which no read can tell apart).
    Below {
        /// The oldest revision that can be read.
        revision: i64,
    },
    /// It could not be found out.
    Unknown {
        /// Why.
        trouble: Error,
    },
}

impl ClusterSeen {
    /// The member of this id.
    #[must_use]
    pub fn member(&self, id: MemberId) -> Option<&MemberSeen> {
        self.members.iter().find(|member| member.id == id)
    }

    /// The members that vote.
    pub fn voters(&self) -> impl Iterator<Item = &MemberSeen> {
        self.members.iter().filter(|member| !member.is_learner)
    }

    /// Every member that told its status, with it.
    pub fn answering(&self) -> impl Iterator<Item = (&MemberSeen, &MemberStatus)> {
        self.members.iter().filter_map(|member| Some((member, member.status()?)))
    }

    /// How many voters make a quorum.
    #[must_use]
    pub fn quorum(&self) -> usize {
        self.voters().count() / 2 + 1
    }

    /// The leader that every answering voter names; `None` where they name none or differ.
    #[must_use]
    pub fn leader(&self) -> Option<MemberId> {
        let mut named = self.voters().filter_map(MemberSeen::status).map(|status| status.leader);
        let first = named.next()??;
        named.all(|leader| leader == Some(first)).then_some(first)
    }

    /// The newest revision that any member has.
    #[must_use]
    pub fn head(&self) -> Option<i64> {
        self.answering().map(|(_, status)| status.revision).max()
    }

    /// How many raft entries this member still has to apply, measured against the furthest member.
    #[must_use]
    pub fn lag(&self, status: &MemberStatus) -> u64 {
        let committed = self.answering().map(|(_, other)| other.raft_index).max().unwrap_or(0);
        committed.saturating_sub(status.raft_applied_index)
    }

    /// The listed alarms of one kind; empty also where the list is unknown.
    pub fn alarms_of(&self, kind: AlarmKind) -> impl Iterator<Item = Alarm> {
        let list: &[Alarm] = match &self.alarms {
            Alarms::Listed { list } => list,
            Alarms::Unknown { .. } => &[],
        };
        list.iter().copied().filter(move |alarm| alarm.kind == kind)
    }
}

impl MemberSeen {
    /// Its status, where it told one.
    #[must_use]
    pub fn status(&self) -> Option<&MemberStatus> {
        match &self.state {
            MemberState::Answers(status) => Some(status),
            MemberState::Defragmenting | MemberState::Blocked { .. } | MemberState::Silent { .. } => None,
        }
    }

    /// Name and id, for people.
    #[must_use]
    pub fn title(&self) -> String {
        if self.name.is_empty() { format!("member {}", self.id) } else { format!("{} ({})", self.name, self.id) }
    }
}

impl MemberStatus {
    /// The bytes that no data lives in, as far as the member knows; never more than there are.
    #[must_use]
    pub fn free_bytes(&self) -> i64 {
        self.db_size_bytes.saturating_sub(self.db_size_in_use_bytes).max(0)
    }

    /// Whether its database is at or over its quota, so that its next write is refused.
    #[must_use]
    pub fn is_over_quota(&self) -> bool {
        match self.quota {
            Quota::Bytes { bytes } => self.db_size_bytes >= bytes,
            Quota::Disabled | Quota::Unknown { .. } => false,
        }
    }
}

macro_rules! hexadecimal {
    ($id:ident) => {
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:x}", self.0)
            }
        }

        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($id))
            }
        }

        impl Serialize for $id {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $id {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                u64::from_str_radix(&text, 16).map(Self).map_err(serde::de::Error::custom)
            }
        }
    };
}

hexadecimal!(MemberId);
hexadecimal!(ClusterId);
