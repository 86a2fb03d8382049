//! Quantities as floating point numbers, with upstream's two ways of rounding.
//!
//! Source: apimachinery `pkg/api/resource/quantity.go@v0.36.2`, Go's `math.Pow10` and `math/big.Float`.

use num_bigint::BigUint;

use super::dec::Dec;
use super::unscaled::{Unscaled, big_power_of_ten};
use super::{Amount, Format, Quantity};
use crate::since::{Row, Since};
use crate::version::KubeVersion;

impl Quantity {
    /// The number as a float, by one multiplication; upstream's `AsApproximateFloat64`. May miss the nearest float.
    ///
    /// Beyond the range of a float it is infinite. Surprising: a zero with an exponent above 308 (`0e400`) is NaN,
    /// as it is upstream.
    ///
    /// ```
    /// use trimtab_core::Quantity;
    ///
    /// assert_eq!("100m".parse::<Quantity>()?.approximate_f64(), 0.1);
    /// assert_eq!("1.5Gi".parse::<Quantity>()?.approximate_f64(), 1_610_612_736.0);
    /// # Ok::<(), trimtab_core::quantity::QuantityError>(())
    /// ```
    #[must_use]
    pub fn approximate_f64(&self) -> f64 {
        let (base, exponent) = self.base_and_exponent();
        if exponent == 0 { base } else { base * pow10(exponent) }
    }

    /// The number as the `AsApproximateFloat64` of that release gave it: from 1.23 on [`Self::approximate_f64`].
    ///
    /// Surprising: 1.20, which brought the function, to 1.22 took the power of ten of a `BinarySI` quantity for one of 1024, so that
    /// 1001.2Mi came out as almost nothing. Releases before 1.20 do not have the function; for them the answer is that of 1.20.
    /// Source: apimachinery `pkg/api/resource/quantity.go`, v0.20.0 to v0.22.17 and v0.23.0.
    ///
    /// ```
    /// use trimtab_core::{KubeVersion, Quantity};
    ///
    /// let memory: Quantity = "1001.2Mi".parse()?;
    /// assert_eq!(memory.approximate_f64_at(KubeVersion::new(22)?), 8.480_493_867_910_055e-10);
    /// assert_eq!(memory.approximate_f64_at(KubeVersion::new(23)?), 1_049_834_291.2);
    /// # Ok::<(), trimtab_core::Error>(())
    /// ```
    #[must_use]
    pub fn approximate_f64_at(&self, version: KubeVersion) -> f64 {
        match (BASE_OF_EXPONENT.at(version), self.format) {
            (BaseOfExponent::ByFormat, Format::BinarySI) => {
                let (base, exponent) = self.base_and_exponent();
                if exponent == 0 { base } else { base * f64::from(exponent.saturating_mul(10)).exp2() }
            }
            (BaseOfExponent::ByFormat, Format::DecimalExponent | Format::DecimalSI) | (BaseOfExponent::Ten, _) => self.approximate_f64(),
        }
    }

    fn base_and_exponent(&self) -> (f64, i32) {
        match &self.amount {
            Amount::Int(int) => (float_of_i128(int.value.into()), int.scale),
            Amount::Dec(dec) => (float_of(&dec.unscaled), dec.scale),
        }
    }

    /// The number as a float, by way of a big float; upstream's `AsFloat64Slow` (1.32 on).
    ///
    /// Nearly always the nearest float. It is rounded twice where digits stand behind the point: first to 64 bits
    /// (or as many as the digits have), then to 53.
    ///
    /// ```
    /// use trimtab_core::Quantity;
    ///
    /// assert_eq!("1.1".parse::<Quantity>()?.f64_slow(), 1.1);
    /// assert_eq!("1e400".parse::<Quantity>()?.f64_slow(), f64::INFINITY);
    /// # Ok::<(), trimtab_core::quantity::QuantityError>(())
    /// ```
    #[must_use]
    pub fn f64_slow(&self) -> f64 {
        let Dec { unscaled, scale } = self.amount.to_dec();
        if scale >= 0 {
            return float_of(&unscaled.times_power_of_ten(scale.unsigned_abs()));
        }
        let magnitude = unscaled.to_big().magnitude().clone();
        with_sign(&unscaled, divided(magnitude, big_power_of_ten(scale.unsigned_abs()).magnitude()))
    }
}

/// What the exponent of a quantity was taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BaseOfExponent {
    /// A power of 1024 for `BinarySI`, of ten for the others.
    ByFormat,
    /// A power of ten, which it is.
    Ten,
}

static BASE_OF_EXPONENT: Since<BaseOfExponent> = Since::new(&[
    Row::new(12, BaseOfExponent::ByFormat, "apimachinery pkg/api/resource/quantity.go@v0.20.0, v0.22.17"),
    Row::new(23, BaseOfExponent::Ten, "apimachinery pkg/api/resource/quantity.go@v0.23.0"),
]);

/// `dividend / divisor`, rounded to the precision that Go gives the dividend and then to a float.
fn divided(dividend: BigUint, divisor: &BigUint) -> f64 {
    let precision = dividend.bits().max(64);
    // Two bits more than wanted, and a third that says whether anything is left.
    let shift = (precision + 2 + divisor.bits()).saturating_sub(dividend.bits());
    let shifted = dividend << shift;
    let quotient = &shifted / divisor;
    let left = u8::from(&quotient * divisor != shifted);
    let (rounded, dropped) = round_to(&((quotient << 1_u8) | BigUint::from(left)), precision);
    let exponent = i64::try_from(dropped).unwrap_or(i64::MAX) - i64::try_from(shift + 1).unwrap_or(i64::MAX);
    to_float(&rounded, exponent)
}

/// The upper `precision` bits, half to even, and how many bits were dropped.
fn round_to(value: &BigUint, precision: u64) -> (BigUint, u64) {
    let dropped = value.bits().saturating_sub(precision);
    if dropped == 0 {
        return (value.clone(), 0);
    }
    let kept = value >> dropped;
    let above_half = value.bit(dropped - 1) && (value.trailing_zeros() < Some(dropped - 1) || kept.bit(0));
    (kept + u8::from(above_half), dropped)
}

/// `value · 2^exponent`, to the nearest float, half to even. The smallest quantity is 10⁻⁹, so no float is subnormal.
fn to_float(value: &BigUint, exponent: i64) -> f64 {
    let (rounded, dropped) = round_to(value, 53);
    let exponent = exponent.saturating_add_unsigned(dropped);
    let whole = rounded.iter_u64_digits().next().unwrap_or(0);
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact, and the carry of their rounding is a power of two")]
    let mantissa = whole as f64;
    mantissa * power_of_two(exponent)
}

fn power_of_two(exponent: i64) -> f64 {
    match u64::try_from(exponent + 1023) {
        Ok(biased @ 1..=2046) => f64::from_bits(biased << 52),
        Ok(1..) => f64::INFINITY,
        Ok(0) | Err(_) => 0.0,
    }
}

fn float_of(unscaled: &Unscaled) -> f64 {
    match unscaled.small() {
        Some(small) => float_of_i128(small),
        None => with_sign(unscaled, to_float(unscaled.to_big().magnitude(), 0)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "the nearest float is wanted, half to even, which is what the cast gives")]
fn float_of_i128(value: i128) -> f64 {
    value as f64
}

fn with_sign(unscaled: &Unscaled, magnitude: f64) -> f64 {
    if unscaled.signum() < 0 { -magnitude } else { magnitude }
}

/// Go's `math.Pow10`: two table entries multiplied or divided, which is not always the nearest float.
fn pow10(exponent: i32) -> f64 {
    let (tens, rest) = (exponent.unsigned_abs() / 32, exponent.unsigned_abs() % 32);
    let at = |table: &[f64], index: u32| usize::try_from(index).ok().and_then(|index| table.get(index)).copied();
    match exponent {
        0..=308 => at(&UP_BY_32, tens).zip(at(&UP, rest)).map_or(f64::INFINITY, |(high, low)| high * low),
        309.. => f64::INFINITY,
        -323..0 => at(&DOWN_BY_32, tens).zip(at(&UP, rest)).map_or(0.0, |(high, low)| high / low),
        ..-323 => 0.0,
    }
}

const UP: [f64; 32] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22, 1e23, 1e24, 1e25,
    1e26, 1e27, 1e28, 1e29, 1e30, 1e31,
];
const UP_BY_32: [f64; 10] = [1e0, 1e32, 1e64, 1e96, 1e128, 1e160, 1e192, 1e224, 1e256, 1e288];
const DOWN_BY_32: [f64; 11] = [1e0, 1e-32, 1e-64, 1e-96, 1e-128, 1e-160, 1e-192, 1e-224, 1e-256, 1e-288, 1e-320];

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "each float is meant to the bit")]
mod tests {
    fn read(text: &str) -> crate::Quantity {
        text.parse().unwrap()
    }

    #[test]
    fn the_approximation_may_miss_by_a_bit_and_the_slow_way_does_not() {
        let quantity = read("1.3m");
        assert_eq!(quantity.f64_slow(), 0.0013);
        assert_eq!(read("-2.5Gi").f64_slow(), -2_684_354_560.0);
    }

    #[test]
    fn a_zero_with_a_large_exponent_is_no_number() {
        assert!(read("0e400").approximate_f64().is_nan());
        assert_eq!(read("0e400").f64_slow(), 0.0);
    }

    #[test]
    fn what_no_float_holds_is_infinite() {
        for text in ["1e309", "1e400", "12345678901234567890123e300"] {
            assert_eq!([read(text).approximate_f64(), read(text).f64_slow()], [f64::INFINITY; 2], "{text}");
        }
        assert_eq!(read("-1e400").f64_slow(), f64::NEG_INFINITY);
    }

    #[test]
    fn numbers_beyond_128_bits_go_to_the_nearest_float() {
        let text = "123456789012345678901234567890123456789012345";
        assert_eq!(read(text).f64_slow(), text.parse::<f64>().unwrap());
    }
}
