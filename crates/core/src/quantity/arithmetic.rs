//! Sums, products, rounding and order: the methods of `Quantity` in apimachinery `pkg/api/resource/quantity.go@v0.36.2`.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::ops::{Add, AddAssign, Sub, SubAssign};

use super::dec::Dec;
use super::unscaled::Unscaled;
use super::{Amount, Quantity, Scale};

impl Quantity {
    /// Adds `other`; upstream's `Add`. The sum is exact: where it leaves 64 bits, the big form takes over.
    ///
    /// A quantity that is zero takes the format of `other`, be that zero as well; otherwise the format stays.
    ///
    /// ```
    /// use trimtab_core::Quantity;
    ///
    /// let mut memory: Quantity = "1Gi".parse()?;
    /// memory.add(&"512Mi".parse()?);
    /// assert_eq!(memory.to_string(), "1536Mi");
    /// memory.add(&"1".parse()?);
    /// assert_eq!(memory.to_string(), "1610612737");
    /// # Ok::<(), trimtab_core::quantity::QuantityError>(())
    /// ```
    pub fn add(&mut self, other: &Self) {
        self.take_format(other);
        if let (Amount::Int(one), Amount::Int(two)) = (&mut self.amount, &other.amount) {
            if let Some(sum) = one.add(*two) {
                *one = sum;
                return;
            }
        }
        self.amount = Amount::Dec(self.amount.to_dec().add(&other.amount.to_dec()));
    }

    /// Subtracts `other`; upstream's `Sub`, with the format taken as in [`add`](Self::add).
    ///
    /// Surprising: the negative of `i64::MIN` wraps to itself, so zero minus −2⁶³ is −2⁶³.
    ///
    /// ```
    /// use trimtab_core::Quantity;
    ///
    /// let mut cpu: Quantity = "2".parse()?;
    /// cpu.sub(&"500m".parse()?);
    /// assert_eq!(cpu.to_string(), "1500m");
    /// # Ok::<(), trimtab_core::quantity::QuantityError>(())
    /// ```
    pub fn sub(&mut self, other: &Self) {
        self.take_format(other);
        if let (Amount::Int(one), Amount::Int(two)) = (&mut self.amount, &other.amount) {
            if let Some(difference) = one.add(two.neg()) {
                *one = difference;
                return;
            }
        }
        self.amount = Amount::Dec(self.amount.to_dec().add(&other.amount.to_dec().neg()));
    }

    /// Becomes its own negative; upstream's `Neg`. That of −2⁶³ in the `i64` form wraps to itself.
    ///
    /// ```
    /// use trimtab_core::Quantity;
    ///
    /// let mut memory: Quantity = "8Gi".parse()?;
    /// memory.neg();
    /// assert_eq!(memory.to_string(), "-8Gi");
    /// # Ok::<(), trimtab_core::quantity::QuantityError>(())
    /// ```
    pub fn neg(&mut self) {
        self.spelling = None;
        self.amount = match &self.amount {
            Amount::Int(int) => Amount::Int(int.neg()),
            Amount::Dec(dec) => Amount::Dec(dec.neg()),
        };
    }

    /// Multiplies by `factor`; upstream's `Mul` (1.29 on). The product is always exact.
    ///
    /// Returns upstream's answer, which is whether the digits of the product fit 64 bits. Upstream documents it as
    /// "false if the result is inexact", which never happens.
    ///
    /// Each call can add 64 bits to the number, so its size grows with the number of calls.
    ///
    /// ```
    /// use trimtab_core::Quantity;
    ///
    /// let mut cpu: Quantity = "100m".parse()?;
    /// assert!(cpu.mul(3));
    /// assert_eq!(cpu.to_string(), "300m");
    /// # Ok::<(), trimtab_core::quantity::QuantityError>(())
    /// ```
    pub fn mul(&mut self, factor: i64) -> bool {
        self.spelling = None;
        if let Amount::Int(int) = self.amount {
            if let Some(product) = int.mul(factor) {
                self.amount = Amount::Int(product);
                return true;
            }
        }
        let product = self.amount.to_dec().mul(factor);
        let fits = product.unscaled.as_i64().is_some();
        self.amount = Amount::Dec(product);
        fits
    }

    /// Compares as [`Ord`] does, with the side effect of upstream's `Cmp`: where one of the two is [big](Self::is_big), the receiver is
    /// afterwards. Its number stays, but values that do not fit 64 bits then wrap instead of giving 0.
    ///
    /// ```
    /// use std::cmp::Ordering;
    /// use trimtab_core::Quantity;
    ///
    /// let mut huge: Quantity = "100E".parse()?;
    /// assert_eq!(huge.value(), 0);
    /// assert_eq!(huge.cmp_in_place(&"0.125Gi".parse()?), Ordering::Greater);
    /// assert_eq!(huge.value(), 7_766_279_631_452_241_920);
    /// # Ok::<(), trimtab_core::quantity::QuantityError>(())
    /// ```
    pub fn cmp_in_place(&mut self, other: &Self) -> Ordering {
        if other.is_big() && !self.is_big() {
            self.amount = Amount::Dec(self.amount.to_dec());
        }
        (*self).cmp(other)
    }

    /// Rounds away from zero to a multiple of 10^`scale`, and says whether that was exact; upstream's `RoundUp`.
    ///
    /// ```
    /// use trimtab_core::quantity::{Quantity, Scale};
    ///
    /// let mut cpu: Quantity = "-1500u".parse()?;
    /// assert!(!cpu.round_up(Scale::MILLI));
    /// assert_eq!(cpu.to_string(), "-2m");
    /// # Ok::<(), trimtab_core::quantity::QuantityError>(())
    /// ```
    pub fn round_up(&mut self, scale: Scale) -> bool {
        let scale = scale.exponent();
        match &self.amount {
            // Upstream keeps the text as well.
            Amount::Int(int) if int.scale >= scale => true,
            Amount::Int(int) => {
                let (rounded, exact) = int.as_scale(scale);
                (self.amount, self.spelling) = (Amount::Int(rounded), None);
                exact
            }
            Amount::Dec(dec) => {
                let rounded = dec.rounded(scale);
                let exact = rounded.cmp(dec).is_eq();
                (self.amount, self.spelling) = (Amount::Dec(rounded), None);
                exact
            }
        }
    }

    fn take_format(&mut self, other: &Self) {
        self.spelling = None;
        if self.is_zero() {
            self.format = other.format;
        }
    }
}

impl Amount {
    pub(super) fn sign(&self) -> Ordering {
        match self {
            Self::Int(int) => int.value.cmp(&0),
            Self::Dec(dec) => dec.unscaled.signum().cmp(&0),
        }
    }

    pub(super) fn to_dec(&self) -> Dec {
        match self {
            Self::Int(int) => Dec::from(*int),
            Self::Dec(dec) => dec.clone(),
        }
    }

    /// The mantissa without factors of ten and its exponent; one per number that is not zero.
    pub(super) fn without_tens(&self) -> (Unscaled, i32) {
        match self {
            Self::Int(int) => {
                let (mantissa, exponent) = int.without_tens();
                (Unscaled::from(mantissa), exponent)
            }
            Self::Dec(Dec { unscaled, scale }) => {
                let (mantissa, tens) = unscaled.without_tens();
                (mantissa, scale.saturating_add_unsigned(tens))
            }
        }
    }
}

/// By the number alone, whatever the format or the text; upstream's `Cmp` and `Equal`.
///
/// DIFFERENCE: comparing changes nothing. Upstream's `Cmp` leaves its receiver in the big form when the other is in it
/// (`AsFloat64Slow` does always), after which negative numbers round differently and `AsInt64` fails.
impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        if let (Amount::Int(one), Amount::Int(two)) = (&self.amount, &other.amount) {
            if let Some(order) = one.cmp_near(*two) {
                return order;
            }
        }
        self.amount.to_dec().cmp(&other.amount.to_dec())
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Quantity {}

impl Hash for Quantity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if self.is_zero() {
            return 0_i128.hash(state);
        }
        let (mantissa, exponent) = self.amount.without_tens();
        mantissa.hash_value(state);
        exponent.hash(state);
    }
}

impl AddAssign<&Quantity> for Quantity {
    fn add_assign(&mut self, other: &Quantity) {
        Quantity::add(self, other);
    }
}

impl SubAssign<&Quantity> for Quantity {
    fn sub_assign(&mut self, other: &Quantity) {
        Quantity::sub(self, other);
    }
}

impl Add<&Quantity> for Quantity {
    type Output = Quantity;

    fn add(mut self, other: &Quantity) -> Quantity {
        self += other;
        self
    }
}

impl Sub<&Quantity> for Quantity {
    type Output = Quantity;

    fn sub(mut self, other: &Quantity) -> Quantity {
        self -= other;
        self
    }
}

impl Add for Quantity {
    type Output = Quantity;

    fn add(self, other: Quantity) -> Quantity {
        self + &other
    }
}

impl Sub for Quantity {
    type Output = Quantity;

    fn sub(self, other: Quantity) -> Quantity {
        self - &other
    }
}
