//! Serial numbers, of any length and sign.

use std::fmt;

use num_bigint::BigInt;
use serde::{Serialize, Serializer};

use crate::octets::hex;

/// The number of a certificate among those of its issuer. RFC 5280 wants it positive and of 20 bytes at most; others are met.
///
/// `Display` is decimal, as Kubernetes and pyca print it; one of more than 1024 bytes, which no authority gives, is hexadecimal after `0x`, since making it
/// decimal takes time by the square of its length.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Serial {
    bytes: Vec<u8>,
}

impl Serial {
    /// From the contents of an ASN.1 INTEGER: big-endian, two's complement.
    ///
    /// ```
    /// use trimtab_certs::certificate::Serial;
    ///
    /// assert_eq!(Serial::from_bytes(&[0x01, 0x00]).to_string(), "256");
    /// assert_eq!(Serial::from_bytes(&[0xFF]).to_string(), "-1");
    /// ```
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec() }
    }

    /// As it stands in the certificate.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it is above zero, as RFC 5280 wants it.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        self.bytes.first().is_some_and(|first| *first < 0x80) && self.bytes.iter().any(|byte| *byte != 0)
    }
}

/// In bytes.
pub(super) const LONGEST_DECIMAL: usize = 1024;

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Most fit a machine word.
        match <[u8; 8]>::try_from(padded(&self.bytes).as_slice()) {
            Ok(word) => write!(f, "{}", i64::from_be_bytes(word)),
            Err(_) if self.bytes.len() > LONGEST_DECIMAL => write!(f, "0x{}", hex(&self.bytes)),
            Err(_) => write!(f, "{}", BigInt::from_signed_bytes_be(&self.bytes)),
        }
    }
}

impl Serialize for Serial {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn padded(bytes: &[u8]) -> Vec<u8> {
    let sign = if bytes.first().is_some_and(|first| *first >= 0x80) { 0xFF } else { 0 };
    std::iter::repeat_n(sign, 8_usize.saturating_sub(bytes.len())).chain(bytes.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_that_is_longer_than_any_is_hexadecimal() {
        assert_eq!(Serial::from_bytes(&[0x7F; LONGEST_DECIMAL]).to_string().len(), 2466);
        let long = Serial::from_bytes(&vec![0x7F; 4 << 20]).to_string();
        assert_eq!((&long[..6], long.len()), ("0x7f7f", 2 + (8 << 20)));
    }

    #[test]
    fn zero_and_less_are_not_positive() {
        let positive = |bytes: &[u8]| Serial::from_bytes(bytes).is_positive();
        assert_eq!([positive(&[]), positive(&[0, 0]), positive(&[0x80]), positive(&[0, 0x80])], [false, false, false, true]);
    }

    proptest! {
        #[test]
        fn any_number_is_printed_as_the_number_that_it_is(number in any::<i128>()) {
            prop_assert_eq!(Serial::from_bytes(&number.to_be_bytes()).to_string(), number.to_string());
        }
    }
}
