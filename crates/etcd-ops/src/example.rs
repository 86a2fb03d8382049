//! Observations written by hand, for examples and for tests of what is built on plans.

use crate::cluster::{
    Alarm, AlarmKind, Alarms, ClusterId, ClusterSeen, Compacted, EndpointSeen, MemberId, MemberSeen, MemberState, MemberStatus, Quota,
};

/// Three members of etcd 3.6.16 with a quota of 16 MiB, a tenth full.
#[must_use]
pub fn healthy() -> ClusterSeen {
    let members: Vec<MemberSeen> = (1..=3).map(|id| member(id, 1_600_000, 1_500_000)).collect();
    let endpoints = members.iter().map(|member| EndpointSeen { endpoint: member.client_urls.concat(), member: Some(member.id), trouble: None });
    ClusterSeen {
        cluster_id: ClusterId(0xcdf8_1819_4e3a_8c32),
        endpoints: endpoints.collect(),
        members,
        alarms: Alarms::Listed { list: Vec::new() },
        compacted: Compacted::Below { revision: 0 },
        compact_rev_key: None,
    }
}

/// The same cluster over its quota, with one NOSPACE alarm and an in-use size that is as large as the file.
#[must_use]
pub fn out_of_space() -> ClusterSeen {
    let members = (1..=3).map(|id| member(id, 17_400_000, 17_300_000)).collect();
    let alarms = Alarms::Listed { list: vec![Alarm { member: MemberId(2), kind: AlarmKind::NoSpace }] };
    ClusterSeen { members, alarms, ..healthy() }
}

fn member(id: u64, db_size_bytes: i64, db_size_in_use_bytes: i64) -> MemberSeen {
    let status = MemberStatus {
        version: "3.6.16".to_owned(),
        db_size_bytes,
        db_size_in_use_bytes,
        quota: Quota::Bytes { bytes: 16 * 1024 * 1024 },
        revision: 1000,
        leader: Some(MemberId(1)),
        raft_term: 2,
        raft_index: 1200,
        raft_applied_index: 1200,
        errors: Vec::new(),
        open_snapshots: Some(0),
    };
    MemberSeen {
        id: MemberId(id),
        name: format!("m{id}"),
        is_learner: false,
        client_urls: vec![format!("http://127.0.0.1:{}", 2378 + id)],
        state: MemberState::Answers(status),
    }
}
