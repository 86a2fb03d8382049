//! As much of protobuf as a write-ahead log and a snapshot file are written with.

/// A message that grows field by field; the order of the calls is the order of the fields.
#[derive(Debug, Clone, Default)]
pub(crate) struct Message(Vec<u8>);

impl Message {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn varint(mut self, field: u8, value: u64) -> Self {
        self.push_varint(u64::from(field) << 3);
        self.push_varint(value);
        self
    }

    /// A field that stands there only `when`.
    pub(crate) fn varint_when(self, when: bool, field: u8, value: u64) -> Self {
        if when { self.varint(field, value) } else { self }
    }

    pub(crate) fn bytes(mut self, field: u8, value: &[u8]) -> Self {
        self.push_varint(u64::from(field) << 3 | 2);
        self.push_varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }

    fn push_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(lowest_byte(value) | 0x80);
            value >>= 7;
        }
        self.0.push(lowest_byte(value));
    }
}

fn lowest_byte(value: u64) -> u8 {
    let [byte, ..] = value.to_le_bytes();
    byte
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protobuf::{Wire, fields};

    #[test]
    fn what_is_written_reads_back() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let message = Message::new().varint(1, value).bytes(2, b"hi").varint_when(false, 3, 7).finish();
            let read: Vec<_> = fields(&message).collect();
            assert_eq!(read, [Ok((1, Wire::Varint(value))), Ok((2, Wire::Bytes(b"hi")))]);
        }
    }
}
