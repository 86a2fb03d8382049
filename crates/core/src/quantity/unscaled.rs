//! An integer of any size that costs no allocation below 2¹²⁷, for [`Dec`](super::dec::Dec).
//!
//! "1.5Gi" and "1Pi" take upstream's big form; 2⁶³ at nano scale has 93 bits, so nearly every value stays in an `i128` here.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use num_bigint::{BigInt, BigUint, Sign};

/// Upstream's `big.Int`.
#[derive(Debug, Clone)]
pub(super) enum Unscaled {
    Small(Packed),
    /// Only what no `i128` holds.
    Large(Box<BigInt>),
}

/// An `i128` in two words, which keeps a quantity at eight bytes' alignment and a third smaller.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packed {
    high: i64,
    low: u64,
}

impl Packed {
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of the word are wanted")]
    #[expect(clippy::cast_sign_loss, reason = "the low half carries no sign")]
    fn new(value: i128) -> Self {
        Self { high: (value >> 64) as i64, low: value as u64 }
    }

    fn value(self) -> i128 {
        (i128::from(self.high) << 64) | i128::from(self.low)
    }
}

impl From<i128> for Unscaled {
    fn from(value: i128) -> Self {
        Self::Small(Packed::new(value))
    }
}

impl From<i64> for Unscaled {
    fn from(value: i64) -> Self {
        Self::from(i128::from(value))
    }
}

impl From<BigInt> for Unscaled {
    fn from(value: BigInt) -> Self {
        match i128::try_from(&value) {
            Ok(small) => Self::from(small),
            Err(_) => Self::Large(Box::new(value)),
        }
    }
}

impl Unscaled {
    /// Reads ASCII digits, high to low; there are none but digits.
    pub(super) fn from_digits(num: &[u8], denom: &[u8]) -> Self {
        let digits = num.iter().chain(denom).map(|digit| digit - b'0');
        if num.len() + denom.len() <= SURE_DIGITS {
            return Self::from(digits.fold(0_i128, |value, digit| value * 10 + i128::from(digit)));
        }
        let digits: Vec<u8> = digits.collect();
        Self::from(BigInt::from(BigUint::from_radix_be(&digits, 10).unwrap_or_default()))
    }

    pub(super) fn small(&self) -> Option<i128> {
        match self {
            Self::Small(packed) => Some(packed.value()),
            Self::Large(_) => None,
        }
    }

    pub(super) fn to_big(&self) -> BigInt {
        match self {
            Self::Small(packed) => BigInt::from(packed.value()),
            Self::Large(big) => BigInt::clone(big),
        }
    }

    pub(super) fn signum(&self) -> i32 {
        match self {
            Self::Small(packed) => sign_of(packed.value().cmp(&0)),
            Self::Large(big) => match big.sign() {
                Sign::Minus => -1,
                Sign::NoSign => 0,
                Sign::Plus => 1,
            },
        }
    }

    pub(super) fn neg(&self) -> Self {
        self.small().and_then(i128::checked_neg).map_or_else(|| Self::from(-self.to_big()), Self::from)
    }

    pub(super) fn add(&self, other: &Self) -> Self {
        let small = || self.small()?.checked_add(other.small()?);
        small().map_or_else(|| Self::from(self.to_big() + other.to_big()), Self::from)
    }

    pub(super) fn mul(&self, factor: i64) -> Self {
        let small = || self.small()?.checked_mul(i128::from(factor));
        small().map_or_else(|| Self::from(self.to_big() * factor), Self::from)
    }

    pub(super) fn times_power_of_ten(&self, digits: u32) -> Self {
        let small = || self.small()?.checked_mul(power_of_ten(digits)?);
        match small() {
            Some(product) => Self::from(product),
            None if self.signum() == 0 => Self::from(0_i128),
            None => Self::from(self.to_big() * big_power_of_ten(digits)),
        }
    }

    /// Divided by `10^digits` toward zero, and the sign of what was cut off.
    pub(super) fn over_power_of_ten(&self, digits: u32) -> (Self, i32) {
        if let Some(value) = self.small() {
            // Beyond 10³⁸ nothing of an `i128` is left.
            let Some(power) = power_of_ten(digits) else { return (Self::from(0_i128), self.signum()) };
            return (Self::from(value / power), sign_of((value % power).cmp(&0)));
        }
        let (value, power) = (self.to_big(), big_power_of_ten(digits));
        let quotient = &value / &power;
        let exact = &quotient * power == value;
        (Self::from(quotient), if exact { 0 } else { self.signum() })
    }

    /// The low 64 bits in two's complement: Go's `big.Int.Int64` on a value that does not fit.
    pub(super) fn low_i64(&self) -> i64 {
        match self {
            Self::Small(packed) => wrapped(packed.low),
            Self::Large(big) => {
                let low = wrapped(big.iter_u64_digits().next().unwrap_or(0));
                if big.sign() == Sign::Minus { low.wrapping_neg() } else { low }
            }
        }
    }

    /// The value where it fits an `i64`.
    pub(super) fn as_i64(&self) -> Option<i64> {
        i64::try_from(self.small()?).ok()
    }

    /// Without its factors of ten, and how many there were. Zero has none.
    pub(super) fn without_tens(&self) -> (Self, u32) {
        let (mut rest, mut tens) = (self.clone(), 0);
        if rest.signum() == 0 {
            return (rest, 0);
        }
        // From the largest power of two that can be in it down, each at most once: a division per bit of the answer.
        let mut power = match self {
            Self::Small(_) => 32,
            // A third of the bits is a little more than the digits.
            Self::Large(big) => u32::try_from(big.bits() / 3).unwrap_or(u32::MAX >> 1).next_power_of_two(),
        };
        while power > 0 {
            if let (quotient, 0) = rest.over_power_of_ten(power) {
                (rest, tens) = (quotient, tens + power);
            }
            power /= 2;
        }
        (rest, tens)
    }

    /// Without its factors of 1024, and how many there were. Zero has none.
    pub(super) fn without_1024s(&self) -> (Self, u32) {
        match self {
            Self::Small(packed) if packed.value() == 0 => (self.clone(), 0),
            Self::Small(packed) => {
                let power = packed.value().trailing_zeros() / 10;
                (Self::from(packed.value() >> (10 * power)), power)
            }
            Self::Large(big) => {
                let power = big.trailing_zeros().unwrap_or(0) / 10;
                (Self::from(BigInt::clone(big) >> (10 * power)), u32::try_from(power).unwrap_or(u32::MAX))
            }
        }
    }

    /// The same for equal numbers, whichever way they were computed.
    pub(super) fn hash_value<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Small(packed) => packed.value().hash(state),
            Self::Large(big) => big.hash(state),
        }
    }

    pub(super) fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Small(one), Self::Small(two)) => one.value().cmp(&two.value()),
            (Self::Large(one), Self::Large(two)) => one.cmp(two),
            // What is large lies beyond everything small, on the side of its sign.
            (Self::Large(_), Self::Small(_)) => self.signum().cmp(&0),
            (Self::Small(_), Self::Large(_)) => 0.cmp(&other.signum()),
        }
    }
}

impl fmt::Display for Unscaled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Small(packed) => packed.value().fmt(f),
            Self::Large(big) => big.fmt(f),
        }
    }
}

/// Every number of that many digits fits an `i128`.
const SURE_DIGITS: usize = 38;

/// `10^digits` where it fits an `i128`: up to 38 digits.
pub(super) fn power_of_ten(digits: u32) -> Option<i128> {
    usize::try_from(digits).ok().and_then(|at| POWERS.get(at)).copied()
}

/// `10^digits`; the bounds of what is read keep it to a few thousand digits.
pub(super) fn big_power_of_ten(digits: u32) -> BigInt {
    BigInt::from(10).pow(digits)
}

fn sign_of(order: Ordering) -> i32 {
    match order {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    }
}

#[expect(clippy::cast_possible_wrap, reason = "Go converts between the two in the same way")]
fn wrapped(low: u64) -> i64 {
    low as i64
}

const POWERS: [i128; 39] = {
    let mut powers = [1; 39];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};
