//! Powers of ten, as callers name them: upstream's `Scale`.

use super::{MAX_EXPONENT, QuantityError};

/// A power of ten: `Scale::MILLI` is 10⁻³. Upstream's `Scale`, apimachinery `pkg/api/resource/amount.go@v0.36.2`.
///
/// DIFFERENCE: upstream takes any `int32`, and rounding to 10^2000000000 would then need a gigabyte. Here it lies
/// within ±[`MAX_EXPONENT`], like the exponents that are read.
///
/// ```
/// use trimtab_core::quantity::{Quantity, Scale};
///
/// let memory: Quantity = "1500k".parse()?;
/// assert_eq!(memory.scaled_value(Scale::MEGA), 2);
/// assert_eq!(memory.scaled_value(Scale::new(5)?), 15);
/// # Ok::<(), trimtab_core::quantity::QuantityError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scale(i32);

impl Scale {
    /// 10⁻⁹, the finest that a parsed quantity keeps.
    pub const NANO: Self = Self(-9);
    /// 10⁻⁶.
    pub const MICRO: Self = Self(-6);
    /// 10⁻³.
    pub const MILLI: Self = Self(-3);
    /// 10⁰, for which upstream writes 0.
    pub const ONE: Self = Self(0);
    /// 10³.
    pub const KILO: Self = Self(3);
    /// 10⁶.
    pub const MEGA: Self = Self(6);
    /// 10⁹.
    pub const GIGA: Self = Self(9);
    /// 10¹².
    pub const TERA: Self = Self(12);
    /// 10¹⁵.
    pub const PETA: Self = Self(15);
    /// 10¹⁸.
    pub const EXA: Self = Self(18);

    /// 10^`exponent`.
    ///
    /// # Errors
    /// [`QuantityError::ExponentOutOfBounds`] beyond ±[`MAX_EXPONENT`].
    ///
    /// ```
    /// use trimtab_core::quantity::Scale;
    ///
    /// assert_eq!(Scale::new(-3)?, Scale::MILLI);
    /// assert!(Scale::new(i32::MIN).is_err());
    /// # Ok::<(), trimtab_core::quantity::QuantityError>(())
    /// ```
    pub const fn new(exponent: i32) -> Result<Self, QuantityError> {
        if exponent < -MAX_EXPONENT || exponent > MAX_EXPONENT {
            return Err(QuantityError::ExponentOutOfBounds { exponent });
        }
        Ok(Self(exponent))
    }

    /// The exponent of ten.
    #[must_use]
    pub const fn exponent(self) -> i32 {
        self.0
    }
}
