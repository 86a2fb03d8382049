//! The everyday form of a quantity, an `i64` and a power of ten: upstream's `int64Amount`.
//!
//! Source: apimachinery `pkg/api/resource/{amount,math}.go@v0.36.2`.

use std::cmp::Ordering;

/// `value · 10^scale`, exactly.
#[derive(Debug, Clone, Copy)]
pub(super) struct Int {
    pub(super) value: i64,
    pub(super) scale: i32,
}

impl Int {
    pub(super) const ZERO: Self = Self { value: 0, scale: 0 };

    /// The value at scale 0, where no digit lies behind the point and it fits; upstream's `AsInt64`.
    ///
    /// `1000m` is 1 and still `None`: upstream does not reduce what it has parsed.
    pub(super) fn as_int64(self) -> Option<i64> {
        if self.scale < 0 { None } else { scale_up(self.value, self.scale) }
    }

    /// Upstream's `AsScaledInt64` with its `ok` dropped, as `ScaledValue` drops it.
    pub(super) fn scaled(self, scale: i32) -> i64 {
        if self.scale < scale { scale_down(self.value, scale - self.scale).0 } else { scale_up_unchecked(self.value, self.scale - scale) }
    }

    /// As [`scaled`](Self::scaled), or `None` where it does not fit.
    pub(super) fn checked(self, scale: i32) -> Option<i64> {
        if self.scale < scale { Some(scale_down(self.value, scale - self.scale).0) } else { scale_up(self.value, self.scale - scale) }
    }

    /// Rounded away from zero to `scale` where it is finer, and whether nothing was lost; upstream's `AsScale`.
    pub(super) fn as_scale(self, scale: i32) -> (Self, bool) {
        if self.scale >= scale {
            return (self, true);
        }
        let (value, exact) = scale_down(self.value, scale - self.scale);
        (Self { value, scale }, exact)
    }

    /// The sum at the finer scale of both, or `None` where it fits no `i64`; upstream's `Add`.
    pub(super) fn add(self, other: Self) -> Option<Self> {
        if other.value == 0 {
            return Some(self);
        }
        if self.value == 0 {
            return Some(other);
        }
        let scale = self.scale.min(other.scale);
        let value = scale_up(self.value, self.scale - scale)?.checked_add(scale_up(other.value, other.scale - scale)?)?;
        Some(Self { value, scale })
    }

    /// The negative; that of `i64::MIN` wraps to itself, as in Go.
    pub(super) fn neg(self) -> Self {
        Self { value: self.value.wrapping_neg(), scale: self.scale }
    }

    /// The product, or `None` where upstream leaves this form; upstream's `Mul`.
    ///
    /// At a positive scale the whole number must fit an `i64`; at a negative one the product must be a whole number.
    /// The latter looks like a slip upstream (`100m · 2` leaves this form), and what it changes is that
    /// the result answers as the big form does from then on.
    pub(super) fn mul(self, factor: i64) -> Option<Self> {
        if self.value == 0 {
            return Some(self);
        }
        if factor == 0 {
            return Some(Self::ZERO);
        }
        let value = self.value.checked_mul(factor)?;
        let stays = match self.scale.cmp(&0) {
            Ordering::Equal => true,
            Ordering::Greater => scale_up(value, self.scale).is_some(),
            Ordering::Less => scale_down(value, -self.scale).1,
        };
        stays.then_some(Self { value, scale: self.scale })
    }

    /// The value without factors of ten and its exponent; zero has none.
    pub(super) fn without_tens(self) -> (i64, i32) {
        let Self { mut value, mut scale } = self;
        while value % 10 == 0 && value != 0 {
            value /= 10;
            scale += 1;
        }
        (value, scale)
    }

    /// Compares where the difference of the scales is below 18, as upstream does without big integers.
    pub(super) fn cmp_near(self, other: Self) -> Option<Ordering> {
        let scale = self.scale.min(other.scale);
        let at = |int: Self| power_of_ten(int.scale - scale).map(|power| i128::from(int.value) * i128::from(power));
        Some(at(self)?.cmp(&at(other)?))
    }
}

/// `10^digits` where it fits an `i64`: up to 18 digits.
pub(super) fn power_of_ten(digits: i32) -> Option<i64> {
    usize::try_from(digits).ok().and_then(|at| POWERS.get(at)).copied()
}

/// `value · 10^digits` where it fits; upstream's `positiveScaleInt64`. Zero fits at any scale.
fn scale_up(value: i64, digits: i32) -> Option<i64> {
    match power_of_ten(digits) {
        Some(power) => value.checked_mul(power),
        None => (value == 0).then_some(0),
    }
}

/// `value · 10^digits`, or what upstream's `positiveScaleInt64` leaves behind where that overflows.
///
/// It multiplies by 10, 100, 1000, 10^6 and 10^9 in one step, whose wrapped product `ScaledValue` hands out;
/// any other power goes digit by digit and hands out 0, and so does `i64::MIN` in every case.
fn scale_up_unchecked(value: i64, digits: i32) -> i64 {
    match (scale_up(value, digits), power_of_ten(digits)) {
        (Some(product), _) => product,
        (None, Some(power)) if matches!(digits, 1 | 2 | 3 | 6 | 9) && value != i64::MIN => value.wrapping_mul(power),
        (None, _) => 0,
    }
}

/// `value / 10^digits` rounded away from zero, and whether it was exact; upstream's `negativeScaleInt64`.
fn scale_down(value: i64, digits: i32) -> (i64, bool) {
    // Beyond 10^18 every quotient is zero, so the rounding alone decides.
    let Some(power) = power_of_ten(digits) else { return (value.signum(), value == 0) };
    match value % power {
        0 => (value / power, true),
        rest => (value / power + rest.signum(), false),
    }
}

const POWERS: [i64; 19] = {
    let mut powers = [1; 19];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

#[cfg(test)]
mod tests {
    use super::*;

    fn int(value: i64, scale: i32) -> Int {
        Int { value, scale }
    }

    #[test]
    fn scaling_down_rounds_away_from_zero_on_both_sides() {
        assert_eq!([scale_down(1001, 3), scale_down(-1001, 3), scale_down(2000, 3)], [(2, false), (-2, false), (2, true)]);
        assert_eq!([scale_down(1, 19), scale_down(-1, 400), scale_down(0, 400)], [(1, false), (-1, false), (0, true)]);
        assert_eq!(scale_down(i64::MIN, 18), (-10, false));
    }

    #[test]
    fn an_overflow_wraps_in_one_step_and_gives_zero_in_many() {
        assert_eq!(int(i64::MAX, 0).scaled(-3), -1000);
        assert_eq!(int(i64::MAX, 0).scaled(-4), 0);
        assert_eq!(int(i64::MIN, 0).scaled(-3), 0);
        assert_eq!(int(0, 900).scaled(-9), 0);
    }

    #[test]
    fn a_sum_is_kept_at_the_finer_scale_and_never_wraps() {
        let sum = int(2, 3).add(int(5, 0)).unwrap();
        assert_eq!((sum.value, sum.scale), (2005, 0));
        assert!(int(i64::MAX, 0).add(int(1, 0)).is_none());
        assert!(int(1, 20).add(int(1, 0)).is_none());
    }

    #[test]
    fn a_product_behind_the_point_leaves_this_form_unless_it_is_whole() {
        assert!(int(100, -3).mul(2).is_none());
        assert_eq!(int(100, -3).mul(10).map(|product| product.value), Some(1000));
        assert!(int(1, 18).mul(10).is_none());
    }
}
