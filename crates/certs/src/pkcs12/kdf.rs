//! Keys from passwords: PKCS#12's own way (RFC 7292, appendix B).

use aws_lc_rs::{digest, hmac};
use zeroize::Zeroizing;

use super::error::Pkcs12Error;
use super::{MAX_THINGS, Opened};

/// A hash as PKCS#12 uses it.
pub(super) struct Hash {
    oid: &'static str,
    function: &'static digest::Algorithm,
    pub(super) hmac: hmac::Algorithm,
    /// Of its result, in bytes.
    pub(super) length: usize,
    /// Of the blocks that it works on, in bytes.
    block: usize,
}

static HASHES: [Hash; 5] = [
    Hash { oid: "1.3.14.3.2.26", function: &digest::SHA1_FOR_LEGACY_USE_ONLY, hmac: hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, length: 20, block: 64 },
    Hash { oid: "2.16.840.1.101.3.4.2.4", function: &digest::SHA224, hmac: hmac::HMAC_SHA224, length: 28, block: 64 },
    Hash { oid: "2.16.840.1.101.3.4.2.1", function: &digest::SHA256, hmac: hmac::HMAC_SHA256, length: 32, block: 64 },
    Hash { oid: "2.16.840.1.101.3.4.2.2", function: &digest::SHA384, hmac: hmac::HMAC_SHA384, length: 48, block: 128 },
    Hash { oid: "2.16.840.1.101.3.4.2.3", function: &digest::SHA512, hmac: hmac::HMAC_SHA512, length: 64, block: 128 },
];

impl Hash {
    pub(super) fn of(oid: &str) -> Option<&'static Self> {
        HASHES.iter().find(|hash| hash.oid == oid)
    }

    pub(super) fn sha1() -> &'static Self {
        &HASHES[0]
    }
}

/// What a key is for, as PKCS#12 numbers it.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Key = 1,
    Iv = 2,
    Mac = 3,
}

/// A password in both forms in which it is used.
pub(super) struct Password {
    /// UTF-16, big-endian, with two zeros behind; nothing at all in one form of an empty one.
    wide: Opened,
    /// UTF-8, for PBKDF2.
    pub(super) narrow: Opened,
}

impl Password {
    pub(super) fn of(password: &str) -> Self {
        let wide = password.encode_utf16().chain([0]).flat_map(u16::to_be_bytes).collect();
        Self { wide: Zeroizing::new(wide), narrow: Zeroizing::new(password.as_bytes().to_vec()) }
    }

    /// Of an empty password some tools write nothing, others two zeros.
    pub(super) fn forms(password: &str) -> impl Iterator<Item = Self> {
        let nothing = Self { wide: Zeroizing::default(), narrow: Zeroizing::default() };
        [Self::of(password)].into_iter().chain(password.is_empty().then_some(nothing))
    }
}

/// How many rounds of hashing, and how many things, are left for a file.
pub(super) struct Budget {
    left: u64,
    things: usize,
}

impl Budget {
    pub(super) fn new(limit: u64) -> Self {
        Self { left: limit, things: MAX_THINGS }
    }

    /// Takes them off, or refuses.
    pub(super) fn spend(&mut self, iterations: u64) -> Result<(), Pkcs12Error> {
        let limit = self.left;
        self.left = limit.checked_sub(iterations).ok_or(Pkcs12Error::TooManyIterations { iterations, limit })?;
        Ok(())
    }

    /// Takes one thing off, or refuses.
    pub(super) fn one_more(&mut self) -> Result<(), Pkcs12Error> {
        self.things = self.things.checked_sub(1).ok_or(Pkcs12Error::TooMany { limit: MAX_THINGS })?;
        Ok(())
    }
}

/// A count of iterations from the contents of an INTEGER: one or more; too large ones are the largest number.
pub(super) fn iterations(contents: &[u8]) -> Result<u64, Pkcs12Error> {
    let significant: &[u8] = &contents[contents.iter().take_while(|byte| **byte == 0).count()..];
    let negative = contents.first().is_some_and(|first| first & 0x80 != 0);
    match significant {
        [] => Err(Pkcs12Error::NoIterations),
        _ if negative => Err(Pkcs12Error::NoIterations),
        bytes if bytes.len() > 8 => Ok(u64::MAX),
        bytes => Ok(bytes.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte))),
    }
}

/// `length` bytes for a purpose.
///
/// Source: RFC 7292, appendix B.2.
pub(super) fn derive(
    hash: &Hash,
    purpose: Purpose,
    password: &Password,
    salt: &[u8],
    iterations: u64,
    length: usize,
    budget: &mut Budget,
) -> Result<Opened, Pkcs12Error> {
    let rounds = u64::try_from(length.div_ceil(hash.length)).unwrap_or(u64::MAX);
    budget.spend(iterations.saturating_mul(rounds))?;
    let mut blocks = Zeroizing::new([filled(salt, hash.block), filled(&password.wide, hash.block)].concat());
    let mut derived = Zeroizing::new(Vec::with_capacity(length + hash.length));
    while derived.len() < length {
        let mut first = digest::Context::new(hash.function);
        first.update(&vec![purpose as u8; hash.block]);
        first.update(&blocks);
        let mut round = first.finish();
        for _ in 1..iterations {
            round = digest::digest(hash.function, round.as_ref());
        }
        derived.extend_from_slice(round.as_ref());
        let add = filled_to(round.as_ref(), hash.block);
        blocks.chunks_mut(hash.block).for_each(|block| add_and_one(block, &add));
    }
    derived.truncate(length);
    Ok(derived)
}

/// Repeated until whole blocks are full; nothing stays nothing.
fn filled(bytes: &[u8], block: usize) -> Vec<u8> {
    filled_to(bytes, block * bytes.len().div_ceil(block))
}

fn filled_to(bytes: &[u8], length: usize) -> Vec<u8> {
    bytes.iter().copied().cycle().take(length).collect()
}

/// `block + add + 1`, as big-endian numbers; what does not fit falls off.
fn add_and_one(block: &mut [u8], add: &[u8]) {
    let mut carry = 1_u16;
    for (byte, add) in block.iter_mut().zip(add).rev() {
        let [high, low] = (u16::from(*byte) + u16::from(*add) + carry).to_be_bytes();
        (carry, *byte) = (u16::from(high), low);
    }
}
