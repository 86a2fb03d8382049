//! Damages databases: one bit, a cut, or many bytes at once where it hurts most. Each comes from a seed.

use std::collections::BTreeSet;

use trimtab_etcd_file::{EtcdFile, EtcdVersion, KeyspaceQuery, Sha256, SnapshotStream, Verified, Verify};

use crate::random::Rng;

/// A database, what was found in it, and which of its pages belong to it.
#[derive(Debug)]
pub struct Subject {
    pub name: String,
    pub bytes: Vec<u8>,
    whole: Verified,
    page_size: usize,
    reachable: BTreeSet<usize>,
}

impl Subject {
    pub fn new(name: String, bytes: Vec<u8>) -> Result<Self, String> {
        let file = EtcdFile::open(bytes.as_slice()).map_err(|error| format!("{name}: {error}"))?;
        let how = if file.trailer().is_some() { Verify::snapshot() } else { Verify::data_directory() };
        let whole = file.verify(&how).map_err(|error| format!("{name}: {error}"))?;
        let page_size = usize::try_from(file.page_size()).map_err(|error| error.to_string())?;
        let mut reachable = BTreeSet::from([0, 1]);
        let root = number(&bytes, best_meta(&bytes, page_size) + 32, 8);
        reach(&bytes, page_size, root, &mut reachable);
        Ok(Self { name, bytes, whole, page_size, reachable })
    }

    pub fn is_snapshot(&self) -> bool {
        self.whole.sha256.is_some()
    }

    /// The database without its SHA-256.
    fn database(&self) -> Vec<u8> {
        let end = self.bytes.len() - if self.is_snapshot() { Sha256::BYTES } else { 0 };
        self.bytes[..end].to_vec()
    }

    /// With the SHA-256 there, a flipped bit anywhere is refused.
    pub fn flip_with_sha256(&self, rng: &mut Rng) -> Result<(), String> {
        let mut bytes = self.bytes.clone();
        let at = flip(rng, &mut bytes);
        let verified = EtcdFile::open(bytes).and_then(|file| file.verify(&Verify::snapshot()));
        if verified.is_err() { Ok(()) } else { Err(format!("byte {at} was changed, and it was accepted")) }
    }

    /// With the SHA-256 there, the beginning of a file is refused, however much of it there is.
    pub fn cut_with_sha256(&self, rng: &mut Rng) -> Result<(), String> {
        let length = rng.index(self.bytes.len());
        let verified = EtcdFile::open(&self.bytes[..length]).and_then(|file| file.verify(&Verify::snapshot()));
        if verified.is_err() { Ok(()) } else { Err(format!("cut to {length} bytes, and it was accepted")) }
    }

    /// Without it, a flipped bit is refused, or shows in the hashes, or lies in a page that nothing leads to.
    pub fn flip_without_sha256(&self, rng: &mut Rng) -> Result<(), String> {
        let mut bytes = self.database();
        let at = flip(rng, &mut bytes);
        let Ok(found) = EtcdFile::open(bytes).and_then(|file| file.verify(&Verify::data_directory().with_etcd(self.whole.etcd))) else {
            return Ok(());
        };
        let shows = found.status.hash != self.whole.status.hash || found.hash_kv != self.whole.hash_kv;
        if shows || !self.reachable.contains(&(at / self.page_size)) { Ok(()) } else { Err(format!("byte {at} was changed, and nothing shows it")) }
    }

    /// Many changes at once, made for a reader of pages: numbers at the limits, pages swapped, pointers into circles; and whole again in
    /// the checksums, so that they are not what stops it. Everything that reads a file has to come back with an answer.
    pub fn survive(&self, rng: &mut Rng) {
        let mut bytes = self.database();
        for _ in 0..=rng.index(6) {
            self.damage(rng, &mut bytes);
        }
        if rng.percent(70) {
            mend_metas(&mut bytes, self.page_size);
        }
        if rng.percent(50) {
            let digest = Sha256::of(&bytes);
            bytes.extend_from_slice(digest.as_bytes());
        }
        read(&bytes, rng.between(0, 2 * self.whole.status.current_revision));
    }

    fn damage(&self, rng: &mut Rng, bytes: &mut Vec<u8>) {
        if bytes.len() < 2 * self.page_size {
            return;
        }
        let page = rng.index(bytes.len() / self.page_size) * self.page_size;
        match rng.below(9) {
            0 => drop(flip(rng, bytes)),
            // A header or an element: id, flags, count, overflow; position, lengths, child.
            1..=4 => {
                let at = page + 4 * rng.index(40);
                let value: u64 = rng.pick(&[0, 1, 2, 3, 15, 16, 17, 255, 4096, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF, u64::MAX, u64::MAX >> 1]);
                let width = rng.pick(&[2, 4, 8]);
                overwrite(bytes, at, &value.to_le_bytes()[..width]);
            }
            5 => {
                let child = rng.index(bytes.len() / self.page_size) as u64;
                overwrite(bytes, page + 16 + 16 * rng.index(8) + 8, &child.to_le_bytes());
            }
            6 => {
                let other = rng.index(bytes.len() / self.page_size) * self.page_size;
                let copy = bytes[other..other + self.page_size].to_vec();
                overwrite(bytes, page, &copy);
            }
            7 => stretch(bytes, page, self.page_size, rng.below(2) == 0),
            _ => bytes.truncate(rng.index(bytes.len())),
        }
    }
}

/// Makes of everything from a page to the end of the file one leaf, with ascending keys, whose values each reach to the end, and has the meta
/// pages lead to it: whoever copies them wants the file's size times thousands.
fn stretch(bytes: &mut [u8], page: usize, page_size: usize, buckets: bool) {
    let run = bytes.len() / page_size * page_size - page;
    let count = u16::try_from(run / 32).unwrap_or(u16::MAX);
    let (list, overflow) = (16 * usize::from(count), u32::try_from(run / page_size - 1).unwrap_or(0));
    for meta in [0, page_size] {
        overwrite(bytes, meta + 32, &((page / page_size) as u64).to_le_bytes());
    }
    overwrite(bytes, page + 8, &[&2_u16.to_le_bytes()[..], &count.to_le_bytes(), &overflow.to_le_bytes()].concat());
    for index in 0..usize::from(count) {
        let (element, key) = (16 + 16 * index, 16 + list + 8 * index);
        let fields = [usize::from(buckets), key - element, 8, run.saturating_sub(key + 8)];
        let fields = fields.map(|field| u32::try_from(field).unwrap_or(u32::MAX).to_le_bytes());
        overwrite(bytes, page + element, &fields.concat());
        overwrite(bytes, page + key, &(index as u64).to_be_bytes());
    }
}

/// For a fuzzer that knows nothing of checksums: they are made right first.
pub fn read_everything(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    mend_metas(&mut bytes, 4096);
    let revision = bytes.last().copied().unwrap_or_default();
    read(&bytes, revision.into());
    let digest = Sha256::of(&bytes);
    bytes.extend_from_slice(digest.as_bytes());
    read(&bytes, revision.into());
}

/// Everything that reads a file.
fn read(bytes: &[u8], revision: i64) {
    let mut stream = SnapshotStream::new();
    let _ = bytes.chunks(1000).try_for_each(|piece| stream.push(piece));
    let _ = stream.finish();
    let Ok(file) = EtcdFile::open(bytes) else { return };
    let _ = file.verify(&Verify::snapshot());
    let _ = file.verify(&Verify::data_directory());
    let _ = file.hash_kv(Some(revision), EtcdVersion::MIN);
    let _ = file.hash_kv(None, EtcdVersion::MAX);
    let _ = file.keyspace(&KeyspaceQuery::new()).map(|report| report.to_string());
    let mut items = 0_u64;
    let _ = file.for_each(&mut |_, _, _| {
        items += 1;
        Ok(())
    });
}

fn flip(rng: &mut Rng, bytes: &mut [u8]) -> usize {
    let at = rng.index(bytes.len());
    bytes[at] ^= 1 << rng.below(8);
    at
}

fn overwrite(bytes: &mut [u8], at: usize, with: &[u8]) {
    let end = bytes.len().min(at + with.len());
    if at < end {
        bytes[at..end].copy_from_slice(&with[..end - at]);
    }
}

/// Gives both meta pages the checksum that their bytes have now: FNV-1a over 56 bytes.
fn mend_metas(bytes: &mut [u8], page_size: usize) {
    for page in [0, page_size] {
        let Some(fields) = bytes.get(page + 16..page + 72) else { return };
        let sum = fields.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
        overwrite(bytes, page + 72, &sum.to_le_bytes());
    }
}

// Reads a whole database on its own, without the crate under test and without any care: which pages does the tree lead to?

fn best_meta(bytes: &[u8], page_size: usize) -> usize {
    if number(bytes, 64, 8) >= number(bytes, page_size + 64, 8) { 0 } else { page_size }
}

fn number(bytes: &[u8], at: usize, width: usize) -> usize {
    bytes[at..at + width].iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

fn reach(bytes: &[u8], page_size: usize, page: usize, reachable: &mut BTreeSet<usize>) {
    let base = page * page_size;
    reachable.extend(page..=page + number(bytes, base + 12, 4));
    let is_branch = number(bytes, base + 8, 2) == 1;
    for element in (0..number(bytes, base + 10, 2)).map(|index| base + 16 + 16 * index) {
        if is_branch {
            reach(bytes, page_size, number(bytes, element + 8, 8), reachable);
        } else if number(bytes, element, 4) == 1 {
            let root = number(bytes, element + number(bytes, element + 4, 4) + number(bytes, element + 8, 4), 8);
            if root != 0 {
                reach(bytes, page_size, root, reachable);
            }
        }
    }
}
