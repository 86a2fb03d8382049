//! The first segment of a restored member's write-ahead log.
//!
//! `saveWALAndSnap` in `etcdutl/snapshot/v3_snapshot.go`, `wal.go` and `encoder.go` in `server/storage/wal` (3.5: `server/wal`, 3.4: `wal`), `record.proto`,
//! `raft.proto`; byte for byte what etcdutl 3.5.35, 3.6.16, 3.7.3 and etcdctl 3.4.23 write.

use crate::layout::Layout;
use crate::membership::{InitialCluster, Member};
use crate::protobuf_writer::Message;

/// The one name that a first segment has: sequence and index are 0.
pub(crate) const NAME: &str = "0000000000000000-0000000000000000.wal";
/// etcd's `SegmentSizeBytes`. It allocates them when it makes a segment; we only set the file's length, which leaves the rest to be
/// allocated by the server, which does it when it opens the log (`ZeroToEnd`).
#[cfg(feature = "live")]
pub(crate) const SEGMENT_BYTES: u64 = 64_000_000;

/// The term in which all members joined.
pub(crate) const TERM: u64 = 1;

/// The records with which the segment begins; all after them is zero.
pub(crate) fn records(cluster: &InitialCluster, member: &Member, layout: Layout) -> Vec<u8> {
    let mut log = Log::default();
    log.record(Kind::Crc, None);
    log.record(Kind::Metadata, Some(&Message::new().varint(1, member.id().0).varint(2, cluster.id().0).finish()));
    log.record(Kind::Snapshot, Some(&Message::new().varint(1, 0).varint(2, 0).finish()));
    for (index, member) in (1..).zip(cluster.members()) {
        log.record(Kind::Entry, Some(&entry(index, member, layout)));
    }
    log.record(Kind::State, Some(&hard_state(cluster)));
    log.record(Kind::Snapshot, Some(&snapshot(cluster, layout)));
    log.bytes
}

/// `raftpb.ConfState`: who votes.
pub(crate) fn conf_state(cluster: &InitialCluster, layout: Layout) -> Vec<u8> {
    let voters = cluster.members().iter().fold(Message::new(), |message, member| message.varint(1, member.id().0));
    voters.varint_when(layout.writes_zero_fields, 5, 0).finish()
}

/// The index of the last entry: each member joins by one.
pub(crate) fn last_index(cluster: &InitialCluster) -> u64 {
    cluster.members().len() as u64
}

/// The member as JSON, in the order in which etcd writes its fields.
pub(crate) fn member_json(member: &Member) -> String {
    #[derive(serde::Serialize)]
    struct Json<'a> {
        id: u64,
        #[serde(rename = "peerURLs")]
        peer_urls: &'a [String],
        name: &'a str,
    }
    let json = Json { id: member.id().0, peer_urls: member.peer_urls(), name: member.name() };
    let text = serde_json::to_string(&json).unwrap_or_default();
    // Go's encoder writes these so; only a name can have them.
    [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026"), ('\u{2028}', "\\u2028"), ('\u{2029}', "\\u2029")]
        .into_iter()
        .fold(text, |text, (character, escaped)| text.replace(character, escaped))
}

/// `raftpb.Entry` of type 1, a `ConfChange` of type 0 (add a node).
fn entry(index: u64, member: &Member, layout: Layout) -> Vec<u8> {
    let change = Message::new()
        .varint_when(layout.writes_zero_fields, 1, 0)
        .varint(2, 0)
        .varint(3, member.id().0)
        .bytes(4, member_json(member).as_bytes())
        .finish();
    Message::new().varint(1, 1).varint(2, TERM).varint(3, index).bytes(4, &change).finish()
}

fn hard_state(cluster: &InitialCluster) -> Vec<u8> {
    let vote = cluster.members().first().map_or(0, |member| member.id().0);
    Message::new().varint(1, TERM).varint(2, vote).varint(3, last_index(cluster)).finish()
}

/// `walpb.Snapshot`.
fn snapshot(cluster: &InitialCluster, layout: Layout) -> Vec<u8> {
    let message = Message::new().varint(1, last_index(cluster)).varint(2, TERM);
    if layout.wal_has_conf_state { message.bytes(3, &conf_state(cluster, layout)).finish() } else { message.finish() }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Metadata = 1,
    Entry = 2,
    State = 3,
    Crc = 4,
    Snapshot = 5,
}

#[derive(Default)]
struct Log {
    bytes: Vec<u8>,
    crc: u32,
}

impl Log {
    /// A frame: its length (with the padding in the upper byte), the record, zeros up to a multiple of 8.
    fn record(&mut self, kind: Kind, data: Option<&[u8]>) {
        self.crc = crc32c::crc32c_append(self.crc, data.unwrap_or_default());
        let record = Message::new().varint(1, kind as u64).varint(2, u64::from(self.crc));
        let record = match data {
            Some(data) => record.bytes(3, data).finish(),
            None => record.finish(),
        };
        let padding = (8 - record.len() % 8) % 8;
        let mark = if padding == 0 { 0 } else { (0x80 | padding as u64) << 56 };
        self.bytes.extend_from_slice(&(record.len() as u64 | mark).to_le_bytes());
        self.bytes.extend_from_slice(&record);
        self.bytes.resize(self.bytes.len() + padding, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protobuf::{Wire, fields};
    use crate::version::EtcdVersion;

    fn three_members() -> InitialCluster {
        let text = "m0=http://127.0.0.1:2380,m1=http://127.0.0.2:2380,m1=https://127.0.0.2:2381,m2=http://127.0.0.3:2380";
        InitialCluster::parse(text, "tok").unwrap()
    }

    /// Length and CRC-32C of the records that the tools themselves wrote for `m1` of this cluster.
    #[test]
    fn records_are_byte_for_byte_those_of_the_tools() {
        let cluster = three_members();
        for (minor, length, crc) in [(4, 520, 0x9ade_8dd7), (5, 552, 0x7e15_513e), (6, 552, 0x7e15_513e), (7, 552, 0xed79_fc87)] {
            let layout = Layout::at(EtcdVersion::newest_of(minor).unwrap());
            let records = records(&cluster, cluster.member("m1").unwrap(), layout);
            assert_eq!((records.len(), crc32c::crc32c(&records)), (length, crc), "3.{minor}");
        }
    }

    #[test]
    fn every_frame_is_padded_to_eight_bytes_and_carries_the_rolling_crc() {
        let cluster = three_members();
        let layout = Layout::at(EtcdVersion::MAX);
        let bytes = records(&cluster, cluster.member("m0").unwrap(), layout);
        let (mut rest, mut crc, mut kinds) = (bytes.as_slice(), 0, Vec::new());
        while !rest.is_empty() {
            let frame = u64::from_le_bytes(rest[..8].try_into().unwrap());
            let length = usize::try_from(frame & 0x00FF_FFFF_FFFF_FFFF).unwrap();
            let record: Vec<_> = fields(&rest[8..8 + length]).map(Result::unwrap).collect();
            if let Some((3, Wire::Bytes(data))) = record.get(2) {
                crc = crc32c::crc32c_append(crc, data);
            }
            assert_eq!(record[1], (2, Wire::Varint(u64::from(crc))));
            kinds.push(record[0]);
            rest = &rest[8 + length.next_multiple_of(8)..];
        }
        assert_eq!(kinds, [4, 1, 5, 2, 2, 2, 3, 5].map(|kind| (1, Wire::Varint(kind))));
    }
}
