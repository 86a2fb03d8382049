//! The number of a certificate that is about to be made.

use super::der;
use crate::Error;

/// A serial number as RFC 5280 §4.1.2.2 wants it: above zero, at most 20 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NewSerial {
    /// Big-endian, without zeros in front.
    bytes: Vec<u8>,
}

impl NewSerial {
    /// From its bytes, big-endian.
    ///
    /// # Errors
    /// [`Error::SerialNumber`] for zero, and for what takes more than 20 bytes with the zero that a first bit of one needs before it.
    ///
    /// ```
    /// use trimtab_certs::renew::NewSerial;
    ///
    /// assert!(NewSerial::from_bytes(&[0x7F; 20]).is_ok());
    /// assert!(NewSerial::from_bytes(&[0x80; 20]).is_err());
    /// assert!(NewSerial::from_bytes(&[0, 0]).is_err());
    /// ```
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let significant = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
        let length = significant.len() + usize::from(significant.first().is_some_and(|first| first & 0x80 != 0));
        if (1..=20).contains(&length) { Ok(Self { bytes: significant.to_vec() }) } else { Err(Error::SerialNumber { bytes: bytes.len() }) }
    }

    /// Draws one of 127 bits. `random` fills what it is given with random bytes.
    ///
    /// DIFFERENCE: kubeadm draws 63 bits; RFC 5280 leaves room for 159, and two never meet.
    ///
    /// # Errors
    /// What `random` says; [`Error::SerialNumber`] if it gives zeros only, so is none.
    ///
    /// ```
    /// use trimtab_certs::renew::NewSerial;
    ///
    /// let serial = NewSerial::draw(&mut |bytes| Ok(bytes.fill(0xFF)))?;
    /// assert_eq!(serial.as_bytes()[..2], [0x7F, 0xFF]);
    /// # Ok::<(), trimtab_certs::Error>(())
    /// ```
    pub fn draw(random: &mut dyn FnMut(&mut [u8]) -> Result<(), Error>) -> Result<Self, Error> {
        let mut bytes = [0; 16];
        random(&mut bytes)?;
        bytes[0] &= 0x7F;
        Self::from_bytes(&bytes)
    }

    /// Its bytes, big-endian, without zeros in front.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn to_der(&self) -> Vec<u8> {
        der::unsigned_integer(&self.bytes)
    }
}

/// The system's randomness, for [`NewSerial::draw`].
///
/// # Errors
/// [`Error::Randomness`].
pub fn system_random(bytes: &mut [u8]) -> Result<(), Error> {
    aws_lc_rs::rand::fill(bytes).map_err(|_| Error::Randomness)
}
