//! Amounts in one unit, for formulas and for callers: read from what people write, computed as whole numbers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::quantity::{Format, Quantity, QuantityError, Scale};

/// An amount of memory or disk in bytes, read from `"8Gi"` or from a whole number of bytes.
///
/// A fraction of a byte is rounded away from zero.
///
/// ```
/// use trimtab_core::Bytes;
///
/// let memory: Bytes = "8Gi".parse()?;
/// assert_eq!((memory.get(), memory.to_string()), (8_589_934_592, "8Gi".to_owned()));
/// assert_eq!(serde_json::from_str::<Bytes>("8589934592").ok(), Some(memory));
/// # Ok::<(), trimtab_core::quantity::QuantityError>(())
/// ```
///
/// What 64 bits do not hold is an error:
///
/// ```
/// # use trimtab_core::Bytes;
/// assert_eq!("8Ei".parse::<Bytes>().map(Bytes::get), Ok(i64::MAX)); // Kubernetes cuts 2⁶³ to this
/// assert_eq!("10E".parse::<Bytes>().unwrap_err().name(), "DoesNotFit");
/// ```
///
/// DIFFERENCE: [`Quantity::value`] wraps there, as the kubelet does with what the API server let through. Here it is
/// the caller's own number, and no limit of a container is negative by accident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(i64);

impl Bytes {
    /// So many bytes; below zero too, where a difference is meant.
    ///
    /// ```
    /// assert_eq!(trimtab_core::Bytes::new(1536 << 20).to_string(), "1536Mi");
    /// ```
    #[must_use]
    pub const fn new(bytes: i64) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

/// An amount of CPU in thousandths, read from `"1500m"`, `"2"` or a number of CPUs.
///
/// A number means what it means in a manifest, so `2` is two CPUs. What is finer than a thousandth is rounded away from zero.
///
/// ```
/// use trimtab_core::MilliCpu;
///
/// let cpu: MilliCpu = "1.5".parse()?;
/// assert_eq!((cpu.get(), cpu.to_string()), (1500, "1500m".to_owned()));
/// assert_eq!(serde_json::from_str::<MilliCpu>("2").ok(), Some(MilliCpu::new(2000)));
/// # Ok::<(), trimtab_core::quantity::QuantityError>(())
/// ```
///
/// DIFFERENCE: as with [`Bytes`], what 64 bits do not hold is an error instead of [`Quantity::milli_value`]'s wrapped number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MilliCpu(i64);

impl MilliCpu {
    /// So many thousandths of a CPU; below zero too, where a difference is meant.
    ///
    /// ```
    /// assert_eq!(trimtab_core::MilliCpu::new(2000).to_string(), "2");
    /// ```
    #[must_use]
    pub const fn new(milli: i64) -> Self {
        Self(milli)
    }

    /// The thousandths of a CPU.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl TryFrom<&Quantity> for Bytes {
    type Error = QuantityError;

    fn try_from(quantity: &Quantity) -> Result<Self, QuantityError> {
        checked(quantity, Scale::ONE, "bytes").map(Self)
    }
}

impl TryFrom<&Quantity> for MilliCpu {
    type Error = QuantityError;

    fn try_from(quantity: &Quantity) -> Result<Self, QuantityError> {
        checked(quantity, Scale::MILLI, "thousandths of a CPU").map(Self)
    }
}

impl FromStr for Bytes {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        Self::try_from(&text.parse::<Quantity>()?)
    }
}

impl FromStr for MilliCpu {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        Self::try_from(&text.parse::<Quantity>()?)
    }
}

impl From<Bytes> for Quantity {
    fn from(bytes: Bytes) -> Self {
        Quantity::from_value(bytes.0, Format::BinarySI)
    }
}

impl From<MilliCpu> for Quantity {
    fn from(cpu: MilliCpu) -> Self {
        Quantity::from_milli(cpu.0, Format::DecimalSI)
    }
}

/// With the largest binary unit that keeps it whole: `8Gi`, `1536Mi`, `1000`.
impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Quantity::from(*self).fmt(f)
    }
}

/// As manifests have it: `1500m`, `2`.
impl fmt::Display for MilliCpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Quantity::from(*self).fmt(f)
    }
}

/// The whole number of bytes.
impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0)
    }
}

/// The text that Display shows: a bare number would read as CPUs.
impl Serialize for MilliCpu {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(&Quantity::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for MilliCpu {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(&Quantity::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// The multiples of 10^`scale`, away from zero, where they fit.
fn checked(quantity: &Quantity, scale: Scale, unit: &'static str) -> Result<i64, QuantityError> {
    quantity.checked_scaled_value(scale).ok_or_else(|| QuantityError::does_not_fit(quantity, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Result<i64, &'static str> {
        text.parse::<Bytes>().map(Bytes::get).map_err(|error| error.name())
    }

    fn millis(text: &str) -> Result<i64, &'static str> {
        text.parse::<MilliCpu>().map(MilliCpu::get).map_err(|error| error.name())
    }

    #[test]
    fn fractions_are_rounded_away_from_zero_on_both_sides() {
        assert_eq!([bytes("1500m"), bytes("-1500m"), bytes("-0.1Ki")], [Ok(2), Ok(-2), Ok(-103)]);
        assert_eq!([millis("1u"), millis("-1u"), millis("0.5")], [Ok(1), Ok(-1), Ok(500)]);
    }

    #[test]
    fn what_does_not_fit_is_refused_and_never_wraps() {
        assert_eq!([bytes("9223372036854775807"), bytes("-9223372036854775808")], [Ok(i64::MAX), Ok(i64::MIN)]);
        assert_eq!([bytes("9223372036854775808"), bytes("-9223372036854775809"), bytes("1e400")], [Err("DoesNotFit"); 3]);
        assert_eq!(
            [millis("9223372036854775807m"), millis("9223372036854775808m"), millis("100P")],
            [Ok(i64::MAX), Err("DoesNotFit"), Err("DoesNotFit")]
        );
    }

    #[test]
    fn serde_reads_back_what_it_wrote() {
        for value in [0, 1, -1, 1500, 8 << 30, i64::MAX, i64::MIN] {
            let json = serde_json::to_string(&(Bytes(value), MilliCpu(value))).unwrap();
            assert_eq!(serde_json::from_str::<(Bytes, MilliCpu)>(&json).unwrap(), (Bytes(value), MilliCpu(value)), "{json}");
        }
    }

    #[test]
    fn null_and_a_wrong_text_are_told_apart() {
        assert_eq!(serde_json::from_str::<Bytes>("null").unwrap(), Bytes(0));
        assert!(serde_json::from_str::<Bytes>("\"8GB\"").unwrap_err().to_string().contains("8GB"));
    }
}
