//! The big form of a quantity: upstream's `infDecAmount` over `gopkg.in/inf.v0@v0.9.1`.
//!
//! Source: apimachinery `pkg/api/resource/{amount,scale_int}.go@v0.36.2`.

use std::cmp::Ordering;

use super::int::{Int, power_of_ten};
use super::unscaled::Unscaled;

/// `unscaled · 10^scale`, exactly. The scale has the sign of [`Int`]'s; upstream's `inf.Scale` is upside down.
#[derive(Debug, Clone)]
pub(super) struct Dec {
    pub(super) unscaled: Unscaled,
    pub(super) scale: i32,
}

impl From<Int> for Dec {
    fn from(int: Int) -> Self {
        Self { unscaled: Unscaled::from(int.value), scale: int.scale }
    }
}

impl Dec {
    /// Rounded away from zero to `scale`; a coarser value gets zeros, as upstream's `Round` gives it.
    pub(super) fn rounded(&self, scale: i32) -> Self {
        let (digits, finer) = (self.scale.abs_diff(scale), scale < self.scale);
        let unscaled = if finer {
            self.unscaled.times_power_of_ten(digits)
        } else {
            match self.unscaled.over_power_of_ten(digits) {
                (quotient, 0) => quotient,
                (quotient, sign) => quotient.add(&Unscaled::from(i64::from(sign))),
            }
        };
        Self { unscaled, scale }
    }

    /// Upstream's `scaledValue`, with all it does beyond 64 bits and below zero.
    ///
    /// - Scaling up multiplies the low 64 bits and wraps; above 10^18 the factor itself is out of range and Go on amd64
    ///   makes it `i64::MIN`.
    /// - Scaling down by less than 19 digits truncates toward zero and then adds one, also below zero: −102.4 gives −101,
    ///   where the `i64` form gives −103. Every number below 2⁶³−1 goes this way, so one far below −2⁶³ is cut to its low 64 bits first.
    /// - Any other scaling down rounds toward +∞ and hands out the low 64 bits.
    pub(super) fn scaled(&self, scale: i32) -> i64 {
        let digits = self.scale.abs_diff(scale);
        match scale.cmp(&self.scale) {
            Ordering::Equal => self.unscaled.low_i64(),
            Ordering::Less => self.unscaled.low_i64().wrapping_mul(small_power(digits).unwrap_or(i64::MIN)),
            Ordering::Greater => match small_power(digits) {
                Some(power) if self.unscaled.cmp(&Unscaled::from(i64::MAX)).is_lt() => {
                    let value = self.unscaled.low_i64();
                    value / power + i64::from(value % power != 0)
                }
                Some(_) | None => self.ceiling(digits),
            },
        }
    }

    /// Divided by `10^digits` toward +∞, the low 64 bits. Upstream's Euclidean `DivMod` floors, then one is added.
    fn ceiling(&self, digits: u32) -> i64 {
        let (quotient, cut) = self.unscaled.over_power_of_ten(digits);
        // Cut toward zero is already the ceiling of a negative number.
        quotient.low_i64().wrapping_add(i64::from(cut > 0))
    }

    pub(super) fn add(&self, other: &Self) -> Self {
        let scale = self.scale.min(other.scale);
        Self { unscaled: self.unscaled_at(scale).add(&other.unscaled_at(scale)), scale }
    }

    pub(super) fn neg(&self) -> Self {
        Self { unscaled: self.unscaled.neg(), scale: self.scale }
    }

    pub(super) fn mul(&self, factor: i64) -> Self {
        Self { unscaled: self.unscaled.mul(factor), scale: self.scale }
    }

    pub(super) fn cmp(&self, other: &Self) -> Ordering {
        let scale = self.scale.min(other.scale);
        self.unscaled_at(scale).cmp(&other.unscaled_at(scale))
    }

    /// The integer that this is at a scale that is not coarser.
    fn unscaled_at(&self, scale: i32) -> Unscaled {
        self.unscaled.times_power_of_ten(self.scale.abs_diff(scale))
    }
}

fn small_power(digits: u32) -> Option<i64> {
    i32::try_from(digits).ok().and_then(power_of_ten)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dec(unscaled: i128, scale: i32) -> Dec {
        Dec { unscaled: Unscaled::from(unscaled), scale }
    }

    #[test]
    fn a_negative_number_is_cut_toward_zero_and_then_raised() {
        assert_eq!(dec(-102_400_000_000, -9).scaled(0), -101);
        assert_eq!(dec(102_400_000_000, -9).scaled(0), 103);
    }

    #[test]
    fn beyond_64_bits_the_ceiling_wraps() {
        assert_eq!(dec(9_223_372_036_854_775_808_000_000_000, -9).scaled(0), i64::MIN);
        assert_eq!(dec(i128::from(i64::MAX), 0).scaled(-3), -1000);
        assert_eq!(dec(3, 20).scaled(0), i64::MIN);
    }

    #[test]
    fn far_below_zero_only_the_low_bits_are_divided() {
        // −(2⁶⁴ + 2000) has the low bits of −2000.
        assert_eq!(dec(-(1_i128 << 64) - 2000, -3).scaled(0), -2);
    }

    #[test]
    fn rounding_goes_away_from_zero_and_appends_zeros_to_what_is_coarser() {
        let rounded = |unscaled, scale, to| dec(unscaled, scale).rounded(to).unscaled.small();
        assert_eq!([rounded(1001, -3, 0), rounded(-1001, -3, 0), rounded(5, 0, -3)], [Some(2), Some(-2), Some(5000)]);
        assert_eq!(rounded(1, -900, -9), Some(1));
    }
}
