//! bbolt's pages as they lie in a file. The format is the same in bbolt 1.3 (etcd 3.4, 3.5), 1.4 (3.6) and 1.5 (3.7).
//!
//! Everything is little-endian. Sources: bbolt `page.go`, `db.go`, `bucket.go`, `node.go` at v1.3.12, v1.4.3, v1.5.0.

/// The header of a page, and an element of either kind, in bytes.
pub(crate) const HEADER: usize = 16;
pub(crate) const ELEMENT: usize = 16;
/// What a meta page uses of its page: the header, 56 bytes of fields and their checksum.
pub(crate) const META: usize = HEADER + 64;
/// The header of a bucket: its root page and a sequence that etcd never uses.
pub(crate) const BUCKET: usize = 16;

pub(crate) const BRANCH: u16 = 0x01;
pub(crate) const LEAF: u16 = 0x02;
pub(crate) const META_FLAG: u16 = 0x04;
/// A leaf's element that is a bucket.
pub(crate) const BUCKET_ELEMENT: u32 = 0x01;

pub(crate) const MAGIC: u32 = 0xED0C_DAED;
pub(crate) const VERSION: u32 = 2;
/// Stands for "there is no list of free pages": etcd always opens its file so, and has it rebuilt by a scan.
pub(crate) const NO_FREELIST: u64 = u64::MAX;
/// The page sizes that are looked for: what operating systems have, with room on both sides.
pub(crate) const PAGE_SIZES: std::ops::RangeInclusive<u32> = 512..=1 << 20;

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at.checked_add(2)?)?.try_into().ok().map(u16::from_le_bytes)
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at.checked_add(8)?)?.try_into().ok().map(u64::from_le_bytes)
}

/// The beginning of every page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) id: u64,
    pub(crate) flags: u16,
    pub(crate) count: u16,
    /// How many pages follow that belong to this one.
    pub(crate) overflow: u32,
}

impl Header {
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self { id: u64_at(bytes, 0)?, flags: u16_at(bytes, 8)?, count: u16_at(bytes, 10)?, overflow: u32_at(bytes, 12)? })
    }
}

/// One of the two meta pages. Each transaction overwrites the older one, so one of them is always whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) page_size: u32,
    /// The root of the bucket of buckets.
    pub(crate) root: u64,
    pub(crate) freelist: u64,
    /// How many pages there are: bbolt's high-water mark.
    pub(crate) pages: u64,
    pub(crate) txid: u64,
}

impl Meta {
    /// Reads a page's first [`META`] bytes; an error says what was found.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let field = |at: usize| HEADER + at;
        let short = || format!("{} bytes", bytes.len());
        let magic = u32_at(bytes, field(0)).ok_or_else(short)?;
        if magic != MAGIC {
            return Err(format!("magic {magic:#010x}"));
        }
        let version = u32_at(bytes, field(4)).ok_or_else(short)?;
        if version != VERSION {
            return Err(format!("version {version}"));
        }
        let fields = bytes.get(HEADER..HEADER + 56).ok_or_else(short)?;
        let (says, is) = (u64_at(bytes, field(56)).ok_or_else(short)?, fnv1a(fields));
        if says != is {
            return Err(format!("checksum {says:016x} over bytes that give {is:016x}"));
        }
        let meta = Self {
            page_size: u32_at(bytes, field(8)).ok_or_else(short)?,
            root: u64_at(bytes, field(16)).ok_or_else(short)?,
            freelist: u64_at(bytes, field(32)).ok_or_else(short)?,
            pages: u64_at(bytes, field(40)).ok_or_else(short)?,
            txid: u64_at(bytes, field(48)).ok_or_else(short)?,
        };
        meta.plausible()
    }

    fn plausible(self) -> Result<Self, String> {
        if !PAGE_SIZES.contains(&self.page_size) || !self.page_size.is_power_of_two() {
            return Err(format!("page size {}", self.page_size));
        }
        let bytes = self.pages.checked_mul(u64::from(self.page_size));
        if self.pages < 3 || bytes.is_none() || self.root < 2 || self.root >= self.pages {
            return Err(format!("root page {} of {} pages", self.root, self.pages));
        }
        Ok(self)
    }

    /// Pages times page size; [`Self::plausible`] has seen that it fits.
    pub(crate) fn bytes(&self) -> u64 {
        self.pages.saturating_mul(u64::from(self.page_size))
    }
}

/// FNV-1a with 64 bits, which guards the meta pages and nothing else in the file.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The header of a bucket, with the page that lies in it where it is small enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bucket<'a> {
    pub(crate) sequence: u64,
    pub(crate) body: Body<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body<'a> {
    Root(u64),
    Inline(&'a [u8]),
}

impl<'a> Bucket<'a> {
    pub(crate) fn parse(value: &'a [u8]) -> Option<Self> {
        let (root, sequence) = (u64_at(value, 0)?, u64_at(value, 8)?);
        let body = if root == 0 { Body::Inline(value.get(BUCKET..)?) } else { Body::Root(root) };
        Some(Self { sequence, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_fnv_1a() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn every_flipped_bit_of_a_meta_page_is_seen() {
        let mut page = vec![0; META];
        for (at, value) in [(0, u64::from(MAGIC) | u64::from(VERSION) << 32), (8, 4096), (16, 3), (32, NO_FREELIST), (40, 5), (48, 7)] {
            page[HEADER + at..HEADER + at + 8].copy_from_slice(&u64::to_le_bytes(value));
        }
        let sum = fnv1a(&page[HEADER..HEADER + 56]);
        page[HEADER + 56..].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(Meta::parse(&page), Ok(Meta { page_size: 4096, root: 3, freelist: NO_FREELIST, pages: 5, txid: 7 }));
        for bit in HEADER * 8..META * 8 {
            page[bit / 8] ^= 1 << (bit % 8);
            assert!(Meta::parse(&page).is_err(), "bit {bit}");
            page[bit / 8] ^= 1 << (bit % 8);
        }
        assert!((0..META).all(|length| Meta::parse(&page[..length]).is_err()), "a cut page");
    }
}
