//! Fingerprints: hashes by which people compare certificates.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA3_256, SHA3_384, SHA3_512, SHA224, SHA256, SHA384, SHA512, digest};

use crate::octets::colons;

/// The hash functions by Python's names. openssl shows SHA-1 unless it is asked otherwise.
static FUNCTIONS: [(&str, &Algorithm); 8] = [
    ("sha1", &SHA1_FOR_LEGACY_USE_ONLY),
    ("sha224", &SHA224),
    ("sha256", &SHA256),
    ("sha384", &SHA384),
    ("sha512", &SHA512),
    ("sha3_256", &SHA3_256),
    ("sha3_384", &SHA3_384),
    ("sha3_512", &SHA3_512),
];

/// The fingerprints of bytes by the name of the hash function: `ab:cd:…`.
///
/// DIFFERENCE: Ansible's `community.crypto` has those of MD5, SHA3-224, BLAKE2 and SHAKE too, where Python has them; the Python door adds them.
///
/// ```
/// let of_nothing = trimtab_certs::certificate::fingerprints(b"");
/// assert!(of_nothing["sha256"].starts_with("e3:b0:c4:42"));
/// assert_eq!(of_nothing.len(), 8);
/// ```
#[must_use]
pub fn fingerprints(bytes: &[u8]) -> BTreeMap<String, String> {
    FUNCTIONS.iter().map(|(name, function)| ((*name).to_owned(), colons(digest(function, bytes).as_ref()))).collect()
}
