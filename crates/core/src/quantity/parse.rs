//! From bytes to a quantity: `ParseQuantity` of apimachinery `pkg/api/resource/quantity.go@v0.36.2`.
//!
//! What upstream accepts is wider than the regular expression in its error: no digit is needed at all, so
//! `"."`, `"-"`, `"Ki"` and `"e3"` are zero, and `"5."`, `".5"`, `"1.Ki"` are fine. Only the empty text is refused.

use super::dec::Dec;
use super::error::shown;
use super::int::Int;
use super::suffix::{self, Unit};
use super::unscaled::Unscaled;
use super::{Amount, Format, MAX_DIGITS, MAX_EXPONENT, Quantity, QuantityError, Scale};

/// Reads a quantity. Nothing is trimmed, and only ASCII is accepted.
pub(super) fn parse(text: &[u8]) -> Result<Quantity, QuantityError> {
    let Some(parts) = split(text) else { return Err(QuantityError::FormatWrong { text: shown(text) }) };
    let Some(unit) = suffix::read(parts.suffix) else { return Err(QuantityError::Suffix { text: shown(text) }) };
    within_bounds(&parts, unit)?;
    if let Some(int) = fast(&parts, unit) {
        let spelling = if is_kept(&parts, unit, int) { spelling(text, &parts) } else { None };
        return Ok(Quantity { amount: Amount::Int(int), format: unit.format(), spelling });
    }
    if parts.any_digit { Ok(from_dec(&parts, unit)) } else { Err(QuantityError::Numeric { text: shown(text) }) }
}

/// A text taken apart.
struct Parts<'t> {
    negative: bool,
    /// There is a digit, be it a leading zero.
    any_digit: bool,
    /// There is no `+`, no leading zero and no point.
    plain: bool,
    /// The digits before the point, from the first that is not zero.
    num: &'t [u8],
    /// The digits behind the point.
    denom: &'t [u8],
    suffix: &'t [u8],
    /// All digits as one number; right up to 18 of them.
    low: u64,
}

impl Parts<'_> {
    /// Upstream counts a missing number as the one digit "0".
    fn digits(&self) -> usize {
        self.num.len().max(1) + self.denom.len()
    }

    fn is_zero(&self) -> bool {
        self.num.is_empty() && self.denom.iter().all(|digit| *digit == b'0')
    }
}

/// Takes a text apart in one pass, or says that upstream has `ErrFormatWrong`.
fn split(text: &[u8]) -> Option<Parts<'_>> {
    let (negative, plus, signless) = match text {
        [] => return None,
        [b'-', rest @ ..] => (true, false, rest),
        [b'+', rest @ ..] => (false, true, rest),
        [..] => (false, false, text),
    };
    let zeros = signless.iter().take_while(|byte| **byte == b'0').count();
    let mut low = 0;
    let (num, rest) = take_digits(signless.split_at(zeros).1, &mut low);
    let (denom, suffix, point) = match rest {
        [b'.', fraction @ ..] => {
            let (denom, suffix) = take_digits(fraction, &mut low);
            (denom, suffix, true)
        }
        [..] => (&[][..], rest, false),
    };
    let any_digit = zeros + num.len() + denom.len() > 0;
    let plain = !plus && zeros == 0 && !point;
    is_suffix(suffix).then_some(Parts { negative, any_digit, plain, num, denom, suffix, low })
}

/// The leading digits, appended to `low` as well, and what follows them.
fn take_digits<'t>(text: &'t [u8], low: &mut u64) -> (&'t [u8], &'t [u8]) {
    let mut end = 0;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        *low = low.wrapping_mul(10).wrapping_add(u64::from(digit));
        end += 1;
    }
    text.split_at(end)
}

/// Whether upstream's scanner gets to the end: letters, a sign, digits, each of them optional.
fn is_suffix(suffix: &[u8]) -> bool {
    let letter = |byte: &u8| matches!(byte, b'e' | b'E' | b'i' | b'n' | b'u' | b'm' | b'k' | b'K' | b'M' | b'G' | b'T' | b'P');
    let Some(letters) = suffix.iter().position(|byte| !letter(byte)) else { return true };
    match suffix.split_at(letters).1 {
        [b'+' | b'-', digits @ ..] | digits => digits.iter().all(u8::is_ascii_digit),
    }
}

/// DIFFERENCE: upstream reads any number of digits and any 32-bit exponent, and then needs gigabytes to add `1e2000000000`
/// and `1n`. Here both are bounded once, so whatever is computed from what was read stays small.
fn within_bounds(parts: &Parts<'_>, unit: Unit) -> Result<(), QuantityError> {
    if parts.digits() > MAX_DIGITS {
        return Err(QuantityError::TooManyDigits { digits: parts.digits() });
    }
    match unit {
        // A zero is cheap as long as no point stands that far behind it.
        Unit::Exponent(exponent) if exponent > 0 && parts.is_zero() => Ok(()),
        Unit::Exponent(exponent) => Scale::new(exponent).map(drop),
        Unit::Decimal(_) | Unit::Binary(_) => Ok(()),
    }
}

/// The `i64` form where upstream takes it: up to 18 digits that are no finer than nano, or a whole binary number
/// whose digits and exponent stay below an estimate of 15 digits (`99999Gi`, `99Ti`, but neither `1Pi` nor `1.5Gi`).
fn fast(parts: &Parts<'_>, unit: Unit) -> Option<Int> {
    let positive = match unit {
        Unit::Decimal(exponent) | Unit::Exponent(exponent) => {
            // Only a zero can be above the bound, and one zero is as good as the other.
            let scale = exponent.min(MAX_EXPONENT) - i32::try_from(parts.denom.len()).ok()?;
            let fits = parts.digits() <= 18 && scale >= Scale::NANO.exponent();
            fits.then_some(Int { value: i64::try_from(parts.low).ok()?, scale })?
        }
        Unit::Binary(exponent) => {
            let estimate = parts.digits() + usize::try_from(exponent * 3 / 10 + 1).ok()?;
            let fits = parts.denom.is_empty() && estimate <= 15;
            fits.then_some(Int { value: i64::try_from(parts.low).ok()?.checked_mul(1 << exponent)?, scale: 0 })?
        }
    };
    Some(if parts.negative { positive.neg() } else { positive })
}

/// Whether upstream takes the text for canonical and prints it again. It looks at the digits only, so `007.500`, `+1`,
/// `1.Ki` and `1E3` are kept as they are, where `1000m` and `8Gi` are not (the latter prints the same anyway).
fn is_kept(parts: &Parts<'_>, unit: Unit, int: Int) -> bool {
    match unit {
        Unit::Binary(_) => parts.low & 7 != 0,
        Unit::Decimal(_) | Unit::Exponent(_) => int.scale % 3 == 0 && !parts.num.is_empty() && parts.low % 1000 != 0,
    }
}

/// A kept text where it differs from the canonical one, which is seldom: it has a `+`, a leading zero, a point,
/// or an exponent that is zero or written in another way.
fn spelling(text: &[u8], parts: &Parts<'_>) -> Option<Box<str>> {
    let same = match parts.suffix {
        // Ten digits are the least that lose their high bits.
        [b'e', b'1'..=b'9', rest @ ..] | [b'e', b'-', b'1'..=b'9', rest @ ..] => rest.len() < 9,
        [b'e' | b'E', _, ..] => false,
        [..] => true,
    };
    if same && parts.plain { None } else { std::str::from_utf8(text).ok().map(Box::from) }
}

/// The big form: rounded away from zero to nano, and binary ones cut to what 64 bits hold.
///
/// A zero is not rounded and keeps its scale (`0e-20`), which a sum with it takes over.
#[inline(never)] // its large frame would slow down the everyday way
fn from_dec(parts: &Parts<'_>, unit: Unit) -> Quantity {
    let digits = if parts.digits() <= 18 { Unscaled::from(i128::from(parts.low)) } else { Unscaled::from_digits(parts.num, parts.denom) };
    let behind_point = i32::try_from(parts.denom.len()).unwrap_or(i32::MAX);
    let (unscaled, scale) = match unit {
        Unit::Decimal(exponent) | Unit::Exponent(exponent) => (digits, exponent.min(MAX_EXPONENT) - behind_point),
        Unit::Binary(exponent) => (digits.mul(1 << exponent), -behind_point),
    };
    let exact = Dec { unscaled, scale };
    let rounded = if exact.unscaled.signum() == 0 { exact } else { exact.rounded(Scale::NANO.exponent()) };
    let (positive, format) = match unit {
        Unit::Decimal(_) | Unit::Exponent(_) => (rounded, unit.format()),
        Unit::Binary(_) => binary(rounded),
    };
    let dec = if parts.negative { positive.neg() } else { positive };
    Quantity { amount: Amount::Dec(dec), format, spelling: None }
}

/// Binary numbers above 2⁶³−1 are cut to it, decimal ones never. Those below 1 become `DecimalSI`.
fn binary(positive: Dec) -> (Dec, Format) {
    let max = Dec::from(Int { value: i64::MAX, scale: 0 });
    let one = Dec::from(Int { value: 1, scale: 0 });
    if positive.cmp(&max).is_gt() {
        (max, Format::BinarySI)
    } else if positive.cmp(&one).is_lt() && positive.unscaled.signum() > 0 {
        (positive, Format::DecimalSI)
    } else {
        (positive, Format::BinarySI)
    }
}
