//! As much of protobuf as etcd's values need: fields one after the other, nothing allocated.

/// A field of a message, in its wire form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// The fields of a message as they come; the iterator ends with the first error.
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
    failed: bool,
}

pub(crate) fn fields(message: &[u8]) -> Fields<'_> {
    Fields { rest: message, failed: false }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Wire<'a>), &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() || self.failed {
            return None;
        }
        let field = self.field();
        self.failed = field.is_err();
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Result<(u64, Wire<'a>), &'static str> {
        let tag = self.varint()?;
        let (number, kind) = (tag >> 3, tag & 7);
        if number == 0 || number > 0x1FFF_FFFF {
            return Err("a field number out of range");
        }
        let wire = match kind {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| "a length beyond the message")?;
                Wire::Bytes(self.take(length)?)
            }
            5 => Wire::Fixed32(u32::from_le_bytes(self.array()?)),
            // 3 and 4 are groups, which no message of etcd has.
            _ => return Err("an unknown wire type"),
        };
        Ok((number, wire))
    }

    fn varint(&mut self) -> Result<u64, &'static str> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return if shift == 63 && byte > 1 { Err("a varint of more than 64 bits") } else { Ok(value) };
            }
        }
        Err("a varint of more than 10 bytes")
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], &'static str> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or("a field beyond the end of the message")?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        self.take(N)?.try_into().map_err(|_| "a field beyond the end of the message")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_in_their_order() {
        let message = [0x08, 0x96, 0x01, 0x12, 2, b'h', b'i', 0x1D, 1, 0, 0, 0];
        let all: Vec<_> = fields(&message).collect();
        assert_eq!(all, [Ok((1, Wire::Varint(150))), Ok((2, Wire::Bytes(b"hi"))), Ok((3, Wire::Fixed32(1)))]);
    }

    #[test]
    fn what_is_cut_or_too_long_is_an_error_and_ends_the_fields() {
        for message in
            [&[0x08][..], &[0x12, 5, 1], &[0x0B], &[0x00, 1], &[0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02], &[0x09, 1]]
        {
            assert!(fields(message).last().is_some_and(|last| last.is_err()), "{message:?}");
        }
        assert_eq!(fields(&[0x0B, 0x08, 0x01]).count(), 1);
    }
}
