//! The values of each bucket, parsed as far as etcd itself would.
//!
//! Which bucket holds what: `server/storage/schema/schema.go` and its neighbours (3.7.3); 3.4 and 3.5 have the same buckets.

use crate::protobuf::{Wire, fields};
use crate::revision::Revision;

/// A value of the bucket `key`: `mvccpb.KeyValue`, the bytes of the value passed over.
///
/// A tombstone's has only the key. A restore with `--bump-revision` leaves one that is empty altogether.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct KeyValue<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) create_revision: i64,
    pub(crate) mod_revision: i64,
    pub(crate) version: i64,
    pub(crate) value: &'a [u8],
    pub(crate) lease: i64,
}

impl<'a> KeyValue<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, &'static str> {
        let mut row = Self::default();
        for field in fields(bytes) {
            match field? {
                (1, Wire::Bytes(key)) => row.key = key,
                (2, Wire::Varint(revision)) => row.create_revision = signed(revision),
                (3, Wire::Varint(revision)) => row.mod_revision = signed(revision),
                (4, Wire::Varint(version)) => row.version = signed(version),
                (5, Wire::Bytes(value)) => row.value = value,
                (6, Wire::Varint(lease)) => row.lease = signed(lease),
                (1..=6, _) => return Err("a field of another type than mvccpb.KeyValue's"),
                (_, _) => {}
            }
        }
        Ok(row)
    }
}

/// Protobuf's int64 in a varint: the same bits.
fn signed(varint: u64) -> i64 {
    i64::from_ne_bytes(varint.to_ne_bytes())
}

/// What is wrong with an item of any bucket but `key`, in etcd's own terms.
pub(crate) fn check(bucket: &[u8], key: &[u8], value: &[u8]) -> Result<(), String> {
    match bucket {
        b"meta" => check_meta(key, value),
        b"lease" => check_lease(key, value),
        b"alarm" => well_formed(key),
        b"auth" => match key {
            b"authEnabled" => length(value, 1),
            b"authRevision" => length(value, 8),
            _ => Ok(()),
        },
        b"authUsers" | b"authRoles" => well_formed(value),
        b"members" => member_id(key).and_then(|()| json(value)),
        b"members_removed" => member_id(key),
        b"cluster" if key == b"downgrade" => json(value),
        b"cluster" if key == b"clusterVersion" => version(value),
        _ => Ok(()),
    }
}

fn check_meta(key: &[u8], value: &[u8]) -> Result<(), String> {
    match key {
        b"consistent_index" | b"term" => length(value, 8),
        b"scheduledCompactRev" | b"finishedCompactRev" => {
            Revision::parse(value).map(|_| ()).ok_or_else(|| format!("expected a revision of 17 bytes, found {} bytes", value.len()))
        }
        b"confState" => json(value),
        b"storageVersion" => version(value),
        _ => Ok(()),
    }
}

/// `leasepb.Lease`: an ID, a TTL and what remains of it; its key is the ID.
fn check_lease(key: &[u8], value: &[u8]) -> Result<(), String> {
    let id: [u8; 8] = key.try_into().map_err(|_| format!("expected an id of 8 bytes, found {}", key.len()))?;
    let mut says = 0;
    for field in fields(value) {
        match field? {
            (1, Wire::Varint(lease)) => says = lease,
            (1..=3, Wire::Varint(_)) => {}
            (1..=3, _) => return Err("a field of another type than leasepb.Lease's".to_owned()),
            (_, _) => {}
        }
    }
    if says == u64::from_be_bytes(id) { Ok(()) } else { Err(format!("its id is {says:x}, its key {:x}", u64::from_be_bytes(id))) }
}

fn well_formed(message: &[u8]) -> Result<(), String> {
    fields(message).try_for_each(|field| field.map(|_| ())).map_err(str::to_owned)
}

fn length(value: &[u8], expected: usize) -> Result<(), String> {
    if value.len() == expected { Ok(()) } else { Err(format!("expected {expected} bytes, found {}", value.len())) }
}

fn json(value: &[u8]) -> Result<(), String> {
    serde_json::from_slice::<serde::de::IgnoredAny>(value).map(|_| ()).map_err(|error| error.to_string())
}

/// Members' keys are their ids in hexadecimal digits.
fn member_id(key: &[u8]) -> Result<(), String> {
    let digits = !key.is_empty() && key.len() <= 16 && key.iter().all(u8::is_ascii_hexdigit);
    if digits { Ok(()) } else { Err("expected a member's id in hexadecimal digits".to_owned()) }
}

fn version(value: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(value);
    let parts: Vec<&str> = text.split(['-', '+']).next().unwrap_or_default().split('.').collect();
    let numbers = parts.len() == 3 && parts.iter().all(|part| part.parse::<u32>().is_ok());
    if numbers { Ok(()) } else { Err(format!("expected a version like 3.6.0, found {:?}", text.chars().take(20).collect::<String>())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_value_reads_its_six_fields() {
        let bytes = [0x0A, 1, b'k', 0x10, 5, 0x18, 7, 0x20, 2, 0x2A, 2, b'v', b'w', 0x30, 9];
        let row = KeyValue::parse(&bytes).unwrap();
        assert_eq!(row, KeyValue { key: b"k", create_revision: 5, mod_revision: 7, version: 2, value: b"vw", lease: 9 });
        assert_eq!(KeyValue::parse(b""), Ok(KeyValue::default()));
        assert!(KeyValue::parse(&[0x08, 1]).is_err(), "a key that is a number");
    }

    #[test]
    fn what_etcd_would_not_read_is_named() {
        assert!(check(b"meta", b"term", &[0; 7]).is_err());
        assert!(check(b"meta", b"finishedCompactRev", &[0; 17]).is_err());
        assert!(check(b"meta", b"finishedCompactRev", &Revision { main: 4, sub: 0 }.bytes()).is_ok());
        assert!(check(b"members", b"8e9e05c52164694d", b"{").is_err());
        assert!(check(b"members", b"members", b"{}").is_err());
        assert!(check(b"cluster", b"clusterVersion", b"3.6").is_err());
        assert!(check(b"lease", &[0, 0, 0, 0, 0, 0, 0, 5], &[0x08, 4, 0x10, 60]).is_err());
        assert!(check(b"lease", &[0, 0, 0, 0, 0, 0, 0, 5], &[0x08, 5, 0x10, 60]).is_ok());
    }
}
