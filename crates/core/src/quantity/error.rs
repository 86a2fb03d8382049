//! Why a text is no quantity.

use super::{MAX_DIGITS, MAX_EXPONENT, Quantity};

/// Why a text is no [`Quantity`](super::Quantity), or a number is out of bounds.
///
/// The first three carry upstream's words, apimachinery `pkg/api/resource/quantity.go@v0.36.2`; the others are trimtab's own.
///
/// ```
/// use trimtab_core::quantity::{Quantity, QuantityError};
///
/// let error = "8GB".parse::<Quantity>().unwrap_err();
/// assert_eq!(error.name(), "ErrFormatWrong");
/// assert_eq!("8Kb".parse::<Quantity>().unwrap_err().name(), "ErrFormatWrong");
/// assert_eq!("8K".parse::<Quantity>().unwrap_err(), QuantityError::Suffix { text: "8K".to_owned() });
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuantityError {
    /// A character that no quantity has, or no character at all.
    #[error(
        "{text:?}: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'; write a number and a unit, for example \"500m\" or \"8Gi\""
    )]
    FormatWrong {
        /// What was given, cut to 80 characters.
        text: String,
    },
    /// The unit behind the number is none of n u m k M G T P E, Ki Mi Gi Ti Pi Ei, or an exponent such as `e3`.
    #[error("{text:?}: unable to parse quantity's suffix; it is one of n u m k M G T P E, Ki Mi Gi Ti Pi Ei, or an exponent such as \"e3\"")]
    Suffix {
        /// What was given, cut to 80 characters.
        text: String,
    },
    /// There is no digit before the unit, and the exponent is too small for upstream to read that as zero.
    #[error("{text:?}: unable to parse numeric part of quantity; write digits before the unit")]
    Numeric {
        /// What was given, cut to 80 characters.
        text: String,
    },
    /// More digits than are read.
    #[error("a quantity of {digits} digits is beyond the {MAX_DIGITS} that trimtab reads; write it with a unit or an exponent")]
    TooManyDigits {
        /// How many digits stand behind the leading zeros.
        digits: usize,
    },
    /// An exponent beyond what is read.
    #[error("10^{exponent} is beyond the exponents that trimtab reads, from -{MAX_EXPONENT} to {MAX_EXPONENT}")]
    ExponentOutOfBounds {
        /// The exponent, cut to 32 bits as upstream does.
        exponent: i32,
    },
    /// A good quantity that the unit it was read into cannot hold.
    #[error("{text:?} does not fit {unit} in 64 bits; give a smaller amount")]
    DoesNotFit {
        /// What was given, cut to 80 characters.
        text: String,
        /// The unit: "bytes" or "thousandths of a CPU".
        unit: &'static str,
    },
}

impl QuantityError {
    pub(crate) fn does_not_fit(quantity: &Quantity, unit: &'static str) -> Self {
        Self::DoesNotFit { text: shown(quantity.to_string().as_bytes()), unit }
    }

    /// The name of upstream's error value (`ErrFormatWrong`, `ErrSuffix`, `ErrNumeric`), or of trimtab's own variant.
    ///
    /// ```
    /// use trimtab_core::quantity::Quantity;
    ///
    /// assert_eq!("".parse::<Quantity>().unwrap_err().name(), "ErrFormatWrong");
    /// assert_eq!("1e2000000000".parse::<Quantity>().unwrap_err().name(), "ExponentOutOfBounds");
    /// ```
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::FormatWrong { .. } => "ErrFormatWrong",
            Self::Suffix { .. } => "ErrSuffix",
            Self::Numeric { .. } => "ErrNumeric",
            Self::TooManyDigits { .. } => "TooManyDigits",
            Self::ExponentOutOfBounds { .. } => "ExponentOutOfBounds",
            Self::DoesNotFit { .. } => "DoesNotFit",
        }
    }
}

/// What an error shows of its input; bytes that are no text become U+FFFD.
pub(super) fn shown(input: &[u8]) -> String {
    let head = input.get(..320).unwrap_or(input);
    String::from_utf8_lossy(head).chars().take(80).collect()
}
