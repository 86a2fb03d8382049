//! From a quantity to its text: `CanonicalizeBytes` of apimachinery `pkg/api/resource/quantity.go@v0.36.2`.

use std::fmt;

use super::dec::Dec;
use super::int::{Int, power_of_ten};
use super::suffix;
use super::unscaled::Unscaled;
use super::{Amount, Format};

/// A whole number and what it is multiplied by.
pub(super) struct Canonical {
    mantissa: Mantissa,
    suffix: Suffix,
}

enum Mantissa {
    Word(i64),
    Big(Unscaled),
}

enum Suffix {
    Letters(&'static str),
    Exponent(i32),
}

impl Canonical {
    pub(super) fn of(amount: &Amount, format: Format) -> Self {
        if amount.sign().is_eq() {
            return Self { mantissa: Mantissa::Word(0), suffix: Suffix::Letters("") };
        }
        match format {
            Format::DecimalSI => Self::letters(amount),
            Format::DecimalExponent => Self::exponent(amount),
            Format::BinarySI => Self::binary(amount).unwrap_or_else(|| Self::letters(amount)),
        }
    }

    fn letters(amount: &Amount) -> Self {
        let (mantissa, exponent) = decimal(amount);
        Self { mantissa, suffix: Suffix::Letters(suffix::decimal(exponent)) }
    }

    fn exponent(amount: &Amount) -> Self {
        let (mantissa, exponent) = decimal(amount);
        let suffix = if exponent == 0 { Suffix::Letters("") } else { Suffix::Exponent(exponent) };
        Self { mantissa, suffix }
    }

    /// Nothing within ±1023 and behind the point, where upstream prints a decimal number "to avoid rounding".
    fn binary(amount: &Amount) -> Option<Self> {
        let (mantissa, power) = match amount {
            Amount::Int(int) => binary_int(*int)?,
            Amount::Dec(dec) => binary_dec(dec)?,
        };
        Some(Self { mantissa, suffix: Suffix::Letters(suffix::binary(power)) })
    }
}

impl fmt::Display for Canonical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.mantissa, &self.suffix) {
            (Mantissa::Word(word), Suffix::Letters(letters)) => return f.write_str(Short::new(*word, letters).text()),
            (Mantissa::Word(word), Suffix::Exponent(_)) => word.fmt(f)?,
            (Mantissa::Big(big), Suffix::Letters(_) | Suffix::Exponent(_)) => big.fmt(f)?,
        }
        match self.suffix {
            Suffix::Letters(letters) => f.write_str(letters),
            Suffix::Exponent(exponent) => write!(f, "e{exponent}"),
        }
    }
}

/// Digits and letters in one piece: half the time of two calls into a formatter.
struct Short {
    bytes: [u8; Self::LEN],
    start: usize,
}

impl Short {
    /// A sign, 19 digits, two letters.
    const LEN: usize = 22;

    fn new(word: i64, letters: &str) -> Self {
        let mut short = Self { bytes: [0; Self::LEN], start: Self::LEN };
        letters.bytes().rev().for_each(|letter| short.push(letter));
        let mut rest = word.unsigned_abs();
        loop {
            short.push(b'0' + (rest % 10).to_le_bytes()[0]);
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if word < 0 {
            short.push(b'-');
        }
        short
    }

    fn push(&mut self, byte: u8) {
        self.start = self.start.saturating_sub(1);
        if let Some(place) = self.bytes.get_mut(self.start) {
            *place = byte;
        }
    }

    fn text(&self) -> &str {
        self.bytes.get(self.start..).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

/// The mantissa whose exponent is a multiple of three, as large as it can be; upstream's `AsCanonicalBytes`.
fn decimal(amount: &Amount) -> (Mantissa, i32) {
    if let Amount::Int(int) = amount {
        let (bare, exponent) = int.without_tens();
        let digits = exponent.rem_euclid(3);
        if let Some(mantissa) = power_of_ten(digits).and_then(|power| bare.checked_mul(power)) {
            return (Mantissa::Word(mantissa), exponent - digits);
        }
    }
    let (bare, exponent) = amount.without_tens();
    let digits = exponent.rem_euclid(3);
    (Mantissa::Big(bare.times_power_of_ten(digits.unsigned_abs())), exponent - digits)
}

/// The mantissa and its power of 1024; upstream's `AsCanonicalBase1024Bytes`.
fn binary_int(int: Int) -> Option<(Mantissa, u32)> {
    let Some(value) = int.as_int64() else { return binary_dec(&Dec::from(int)) };
    match value {
        -1023..=1023 => None,
        // Upstream negates before it divides, which leaves this one negative, so it prints in full instead of as -8Ei.
        i64::MIN => Some((Mantissa::Word(value), 0)),
        _ => {
            let power = value.trailing_zeros() / 10;
            Some((Mantissa::Word(value >> (10 * power)), power))
        }
    }
}

fn binary_dec(dec: &Dec) -> Option<(Mantissa, u32)> {
    let whole = dec.rounded(0);
    let below = Unscaled::from(-1024_i64).cmp(&whole.unscaled).is_lt() && whole.unscaled.cmp(&Unscaled::from(1024_i64)).is_lt();
    if below || whole.cmp(dec).is_ne() {
        return None;
    }
    let (mantissa, power) = whole.unscaled.without_1024s();
    Some((Mantissa::Big(mantissa), power))
}
