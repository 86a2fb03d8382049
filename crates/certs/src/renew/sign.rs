//! The signature under what was built: the one step that needs a private key.

use super::der;
use super::tbs::{ToBeSigned, signature_algorithm};
use crate::Error;
use crate::key::PrivateKey;

/// Signs, and gives the whole certificate in DER. RSA and Ed25519 give the same bytes each time; ECDSA does not.
///
/// That the key is the CA's is [`super::CertificateAuthority`]'s to know; here only its algorithm has to fit.
///
/// # Errors
/// [`Error::CaKeyDiffers`] for a key of another algorithm or size than the CA's; [`Error::NotSigned`].
pub fn sign(certificate: &ToBeSigned, key: &PrivateKey) -> Result<Vec<u8>, Error> {
    if key.algorithm() != certificate.signer() {
        return Err(Error::CaKeyDiffers);
    }
    signed(certificate.as_der(), key)
}

/// `{what is signed, how, signature}`: certificates and requests alike.
pub(crate) fn signed(to_be_signed: &[u8], key: &PrivateKey) -> Result<Vec<u8>, Error> {
    let signature = der::bit_string(&key.sign(to_be_signed)?);
    Ok(der::sequence(&[to_be_signed, signature_algorithm(key.algorithm()), &signature]))
}
