//! Amounts as Kubernetes writes them: "500m", "8Gi", "1e3".

mod arithmetic;
mod canonical;
mod dec;
mod error;
mod float;
mod int;
mod parse;
mod scale;
mod suffix;
#[cfg(test)]
mod tests;
mod unscaled;
mod wire;

use std::cmp::Ordering;
use std::fmt::{self, Write as _};
use std::str::FromStr;

use canonical::Canonical;
use dec::Dec;
use int::Int;

pub use error::QuantityError;
pub use scale::Scale;

/// The most digits that are read, not counting leading zeros.
pub const MAX_DIGITS: usize = 4096;

/// The largest exponent of ten that is read, and the largest in a [`Scale`]; the smallest is its negative.
pub const MAX_EXPONENT: i32 = 4096;

/// A fixed-point number with a unit: upstream's `resource.Quantity`, apimachinery `pkg/api/resource/quantity.go@v0.36.2`,
/// whose reading and printing did not change between 1.12 and 1.37.
///
/// ```
/// use trimtab_core::Quantity;
///
/// let memory: Quantity = "1.5Gi".parse()?;
/// assert_eq!((memory.value(), memory.to_string()), (1_610_612_736, "1536Mi".to_owned()));
/// let cpu: Quantity = "0.1".parse()?;
/// assert_eq!((cpu.milli_value(), cpu.value(), cpu.to_string()), (100, 1, "100m".to_owned()));
/// # Ok::<(), trimtab_core::quantity::QuantityError>(())
/// ```
///
/// Equality, order and hash go by the number alone, like upstream's `Cmp`: `1`, `1000m` and `1e0` are equal.
///
/// # What surprises
///
/// Everything is as upstream has it, bit for bit:
/// - A number has one of two forms, and they answer differently. Up to 18 digits it is an `i64` with an exponent; anything
///   else, and any binary amount with a point or above `99999Gi`, `99Ti`, is big ([`is_big`](Self::is_big)).
///   [`value`](Self::value) rounds negative numbers away from zero in one form (−1.5 gives −2) and one too far up in the other
///   (`-0.1Ki`, −102.4, gives −101), and an overflow gives 0, a wrapped number or `i64::MIN`.
/// - Digits behind nano are rounded away from zero: `0.1n` is `1n`.
/// - Binary amounts are cut to 2⁶³−1, decimal ones are not.
/// - Exponents beyond `E` print without any: `1000E` prints as `1`. The number itself stays right.
/// - A text that upstream takes for canonical prints as it was read: `007.500`.
///
/// # Bounds
///
/// DIFFERENCE: at most [`MAX_DIGITS`] digits and exponents within ±[`MAX_EXPONENT`] are read, where upstream
/// reads any and then needs gigabytes to add `1e2000000000` and `1n`. Sums of what was read stay below four times that
/// many digits (a zero can be that fine, and a sum takes over its exponent), so nothing here panics, takes much longer than
/// a millisecond or needs more than a few kilobytes; only [`mul`](Self::mul), called again and again, goes on growing.
#[derive(Clone)]
pub struct Quantity {
    amount: Amount,
    format: Format,
    /// The text that was read, where it is to be printed and is not canonical.
    spelling: Option<Box<str>>,
}

/// Upstream's fields `i` and `d`, of which one holds.
#[derive(Clone)]
enum Amount {
    Int(Int),
    Dec(Dec),
}

/// How a quantity is printed: upstream's `Format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Format {
    /// With an exponent: `12e6`.
    DecimalExponent,
    /// In powers of 1024: `12Mi`. Within ±1023, or with digits behind the point, it prints as [`DecimalSI`](Self::DecimalSI).
    BinarySI,
    /// In powers of 1000: `12M`.
    DecimalSI,
}

impl Quantity {
    /// Zero, in `DecimalSI`; also the default, and what null reads as.
    ///
    /// DIFFERENCE: upstream's zero value has the empty format. The difference never shows: a zero prints as `0` in every
    /// format, and takes the format of what is added to it.
    ///
    /// ```
    /// use trimtab_core::Quantity;
    ///
    /// assert!(Quantity::zero().is_zero());
    /// assert_eq!(Quantity::default().to_string(), "0");
    /// ```
    #[must_use]
    pub const fn zero() -> Self {
        Self::from_int(Int::ZERO, Format::DecimalSI)
    }

    /// `value` units; upstream's `NewQuantity`.
    ///
    /// ```
    /// use trimtab_core::quantity::{Format, Quantity};
    ///
    /// assert_eq!(Quantity::from_value(8 << 30, Format::BinarySI).to_string(), "8Gi");
    /// ```
    #[must_use]
    pub const fn from_value(value: i64, format: Format) -> Self {
        Self::from_int(Int { value, scale: 0 }, format)
    }

    /// `milli` thousandths; upstream's `NewMilliQuantity`.
    ///
    /// ```
    /// use trimtab_core::quantity::{Format, Quantity};
    ///
    /// assert_eq!(Quantity::from_milli(1500, Format::DecimalSI).to_string(), "1500m");
    /// ```
    #[must_use]
    pub const fn from_milli(milli: i64, format: Format) -> Self {
        Self::from_int(Int { value: milli, scale: -3 }, format)
    }

    /// Reads any bytes; what is no UTF-8 is no quantity. Nothing is trimmed.
    ///
    /// # Errors
    /// As upstream's `ParseQuantity`, and where the digits or the exponent are out of [bounds](Self#bounds).
    ///
    /// ```
    /// use trimtab_core::Quantity;
    ///
    /// assert_eq!(Quantity::from_bytes(b"8Gi")?.value(), 8 << 30);
    /// assert_eq!(Quantity::from_bytes(b"8\xff").unwrap_err().name(), "ErrFormatWrong");
    /// # Ok::<(), trimtab_core::quantity::QuantityError>(())
    /// ```
    #[inline]
    pub fn from_bytes(text: &[u8]) -> Result<Self, QuantityError> {
        parse::parse(text)
    }

    /// The whole units, rounded away from zero (mostly, see [what surprises](Self#what-surprises)); upstream's `Value`.
    ///
    /// ```
    /// use trimtab_core::Quantity;
    ///
    /// assert_eq!("1001m".parse::<Quantity>()?.value(), 2);
    /// assert_eq!("9223372036854775808".parse::<Quantity>()?.value(), i64::MIN);
    /// # Ok::<(), trimtab_core::quantity::QuantityError>(())
    /// ```
    #[must_use]
    pub fn value(&self) -> i64 {
        self.scaled_value(Scale::ONE)
    }

    /// The thousandths, rounded as in [`value`](Self::value); upstream's `MilliValue`.
    ///
    /// ```
    /// use trimtab_core::Quantity;
    ///
    /// assert_eq!("1.5".parse::<Quantity>()?.milli_value(), 1500);
    /// assert_eq!("100P".parse::<Quantity>()?.milli_value(), 0); // more than 64 bits hold
    /// # Ok::<(), trimtab_core::quantity::QuantityError>(())
    /// ```
    #[must_use]
    pub fn milli_value(&self) -> i64 {
        self.scaled_value(Scale::MILLI)
    }

    /// The multiples of 10^`scale`, rounded as in [`value`](Self::value); upstream's `ScaledValue`.
    ///
    /// ```
    /// use trimtab_core::quantity::{Quantity, Scale};
    ///
    /// assert_eq!("1500".parse::<Quantity>()?.scaled_value(Scale::KILO), 2);
    /// # Ok::<(), trimtab_core::quantity::QuantityError>(())
    /// ```
    #[must_use]
    pub fn scaled_value(&self, scale: Scale) -> i64 {
        match &self.amount {
            Amount::Int(int) => int.scaled(scale.exponent()),
            Amount::Dec(dec) => dec.scaled(scale.exponent()),
        }
    }

    /// As [`scaled_value`](Self::scaled_value), but away from zero in either form and `None` where it does not fit.
    ///
    /// DIFFERENCE: trimtab's own, for amounts that a caller gives.
    ///
    /// ```
    /// use trimtab_core::quantity::{Quantity, Scale};
    ///
    /// assert_eq!("-0.1Ki".parse::<Quantity>()?.checked_scaled_value(Scale::ONE), Some(-103));
    /// assert_eq!("100P".parse::<Quantity>()?.checked_scaled_value(Scale::MILLI), None);
    /// # Ok::<(), trimtab_core::quantity::QuantityError>(())
    /// ```
    #[must_use]
    pub fn checked_scaled_value(&self, scale: Scale) -> Option<i64> {
        match &self.amount {
            Amount::Int(int) => int.checked(scale.exponent()),
            Amount::Dec(dec) => dec.rounded(scale.exponent()).unscaled.as_i64(),
        }
    }

    /// The whole number where upstream's `AsInt64` has it: no digit was written behind the point, and it fits.
    ///
    /// ```
    /// use trimtab_core::Quantity;
    ///
    /// assert_eq!("8Gi".parse::<Quantity>()?.as_int64(), Some(8 << 30));
    /// assert_eq!("1000m".parse::<Quantity>()?.as_int64(), None);
    /// assert_eq!("1Pi".parse::<Quantity>()?.as_int64(), None);
    /// # Ok::<(), trimtab_core::quantity::QuantityError>(())
    /// ```
    #[must_use]
    pub fn as_int64(&self) -> Option<i64> {
        match &self.amount {
            Amount::Int(int) => int.as_int64(),
            Amount::Dec(_) => None,
        }
    }

    /// Below, equal to or above zero; upstream's `Sign`.
    ///
    /// ```
    /// use std::cmp::Ordering;
    ///
    /// use trimtab_core::Quantity;
    ///
    /// assert_eq!("-1n".parse::<Quantity>()?.sign(), Ordering::Less);
    /// # Ok::<(), trimtab_core::quantity::QuantityError>(())
    /// ```
    #[must_use]
    pub fn sign(&self) -> Ordering {
        self.amount.sign()
    }

    /// Whether the number is zero.
    ///
    /// ```
    /// # use trimtab_core::Quantity;
    /// assert!("0Ki".parse::<Quantity>()?.is_zero());
    /// # Ok::<(), trimtab_core::quantity::QuantityError>(())
    /// ```
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.sign().is_eq()
    }

    /// How it is printed; given by the suffix that was read.
    ///
    /// ```
    /// use trimtab_core::quantity::{Format, Quantity};
    ///
    /// assert_eq!("1E3".parse::<Quantity>()?.format(), Format::DecimalExponent);
    /// assert_eq!("0.0001Ki".parse::<Quantity>()?.format(), Format::DecimalSI);
    /// # Ok::<(), trimtab_core::quantity::QuantityError>(())
    /// ```
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether it is in upstream's big form (`inf.Dec`), see [what surprises](Self#what-surprises).
    ///
    /// ```
    /// # use trimtab_core::Quantity;
    /// assert!("1.5Gi".parse::<Quantity>()?.is_big());
    /// assert!(!"1536Mi".parse::<Quantity>()?.is_big());
    /// # Ok::<(), trimtab_core::quantity::QuantityError>(())
    /// ```
    #[must_use]
    pub fn is_big(&self) -> bool {
        match self.amount {
            Amount::Int(_) => false,
            Amount::Dec(_) => true,
        }
    }

    /// The canonical text, computed anew: a whole number with the largest suffix; upstream's `CanonicalizeBytes`.
    ///
    /// Display differs from it only where a text was kept as it was read.
    ///
    /// ```
    /// use trimtab_core::Quantity;
    ///
    /// let quantity: Quantity = "007.500".parse()?;
    /// assert_eq!((quantity.canonical(), quantity.to_string()), ("7500m".to_owned(), "007.500".to_owned()));
    /// # Ok::<(), trimtab_core::quantity::QuantityError>(())
    /// ```
    #[must_use]
    pub fn canonical(&self) -> String {
        // Long enough for all but the big ones.
        let mut text = String::with_capacity(24);
        // Writing to a string cannot fail.
        let _ = write!(text, "{}", Canonical::of(&self.amount, self.format));
        text
    }

    const fn from_int(int: Int, format: Format) -> Self {
        Self { amount: Amount::Int(int), format, spelling: None }
    }
}

impl Default for Quantity {
    fn default() -> Self {
        Self::zero()
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    #[inline]
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        Self::from_bytes(text.as_bytes())
    }
}

/// Upstream's `String`.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.spelling {
            Some(text) => f.write_str(text),
            None => Canonical::of(&self.amount, self.format).fmt(f),
        }
    }
}

impl fmt::Debug for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Quantity({self})")
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DecimalExponent => "DecimalExponent",
            Self::BinarySI => "BinarySI",
            Self::DecimalSI => "DecimalSI",
        })
    }
}
