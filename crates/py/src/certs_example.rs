//! A certificate and its CA for examples and tests, of keys that are made anew each time.

use jiff::{SignedDuration, Timestamp};
use pyo3::prelude::*;
use trimtab::certs::certificate::Certificate;
use trimtab::certs::key::{KeyAlgorithm, PrivateKey};
use trimtab::certs::renew::{Fresh, NewSerial, ToBeSigned, sign};
use trimtab::certs::{Error, pem};

use crate::certs::PyCertificate;
use crate::certs_renew::PyPrivateKey;
use crate::error::OrRaise;
use crate::etcd_backup::Moment;

/// A certificate as kubeadm 1.37 makes that of an API server, its key, its CA and the CA's key, for examples and tests. It is valid for a
/// year of 365 days from `now` on, the CA for ten; the keys are made anew each time.
///
/// >>> from trimtab import certs
/// >>> old, key, ca, ca_key = certs.example_pair(now="2026-01-01T00:00:00Z")
/// >>> old.subject, old.not_after, key.matches(old), ca.not_after, ca_key.matches(ca)
/// ('CN=kube-apiserver', '2027-01-01T00:00:00Z', True, '2035-12-30T00:00:00Z', True)
#[pyfunction]
#[pyo3(signature = (*, now))]
pub(crate) fn example_pair(py: Python<'_>, now: Moment) -> PyResult<(PyCertificate, PyPrivateKey, PyCertificate, PyPrivateKey)> {
    let (leaf, key, ca, ca_key) = py.detach(|| pair(now.0)).or_raise()?;
    let certificate = |der: &[u8]| Certificate::from_der(der).or_raise().map(PyCertificate);
    Ok((certificate(&leaf)?, PyPrivateKey(key), certificate(&ca)?, PyPrivateKey(ca_key)))
}

type Pair = (Vec<u8>, PrivateKey, Vec<u8>, PrivateKey);

fn pair(now: Timestamp) -> Result<Pair, Error> {
    let (key, ca_key) = (PrivateKey::generate(KeyAlgorithm::EcdsaP256)?, PrivateKey::generate(KeyAlgorithm::EcdsaP256)?);
    let year = SignedDuration::from_hours(8760);
    let again = |old: &[u8], ca: &[u8], serial: u8, life: SignedDuration, of: &PrivateKey| {
        let serial = NewSerial::from_bytes(&[serial])?;
        let fresh = Fresh { serial, not_before: now, not_after: now.saturating_add(life).unwrap_or(now), spki_der: of.public_key() };
        sign(&ToBeSigned::new(old, ca, &fresh)?, &ca_key)
    };
    // Its issuer's key identifier is its own, which is known only once it is there.
    let other_issuer = again(&der(CA), &der(CA), 1, year * 10, &ca_key)?;
    let ca = again(&other_issuer, &other_issuer, 1, year * 10, &ca_key)?;
    let leaf = again(&der(LEAF), &ca, 2, year, &key)?;
    Ok((leaf, key, ca, ca_key))
}

fn der(text: &[u8]) -> Vec<u8> {
    pem::blocks(text).flatten().next().map(|block| block.contents).unwrap_or_default()
}

/// Of both only names and extensions are taken. Nobody has their keys.
const CA: &[u8] = b"\
-----BEGIN CERTIFICATE-----\n\
MIIBcjCCARigAwIBAgIBATAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwprdWJlcm5l\n\
dGVzMB4XDTI2MDEwMTAwMDAwMFoXDTM2MDEwMTAwMDAwMFowFTETMBEGA1UEAxMK\n\
a3ViZXJuZXRlczBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABJiwNt/7xScLLES2\n\
n9060GXWViUWwFHzvyEYW533SC5vvfzN4oOPvTxGSPZL4EINHg3dQj6/EoSBFKpF\n\
eNzFwc2jWTBXMA4GA1UdDwEB/wQEAwICpDAPBgNVHRMBAf8EBTADAQH/MB0GA1Ud\n\
DgQWBBRH+wxx1k5Zmsaxg52c7zcmyigSNTAVBgNVHREEDjAMggprdWJlcm5ldGVz\n\
MAoGCCqGSM49BAMCA0gAMEUCIQCVAwc1Xtt9z4NlC2JTuyqH8Eywdm8ETMlVgik+\n\
iJbyPwIgUcQbeCGEJ2nVTU8bLSs5xe1UXKhq3GHP7fSBqes0aHM=\n\
-----END CERTIFICATE-----\n\
";

const LEAF: &[u8] = b"\
-----BEGIN CERTIFICATE-----\n\
MIIBnzCCAUWgAwIBAgIBAjAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwprdWJlcm5l\n\
dGVzMB4XDTI2MDEwMTAwMDAwMFoXDTI3MDEwMTAwMDAwMFowGTEXMBUGA1UEAxMO\n\
a3ViZS1hcGlzZXJ2ZXIwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARt93n6pQKM\n\
auxvEmHJET2qitWG3Ume94g2WwMi8NlJepBlSECryu1fDbjOw/tuTJICSg8zl062\n\
dpf7UlHUlO6jo4GBMH8wDgYDVR0PAQH/BAQDAgWgMBMGA1UdJQQMMAoGCCsGAQUF\n\
BwMBMAwGA1UdEwEB/wQCMAAwHwYDVR0jBBgwFoAUR/sMcdZOWZrGsYOdnO83Jsoo\n\
EjUwKQYDVR0RBCIwIIIKa3ViZXJuZXRlc4IGbm9kZS1hhwQKYAABhwTAAAIKMAoG\n\
CCqGSM49BAMCA0gAMEUCIFbkQMwgDksjkBqaxDpMups2OL9rygYTjPgiJhexyYb+\n\
AiEAgWohBIaYCMAI0UJolKQ/d5fsVOs8pdSXgqLthBjPfuo=\n\
-----END CERTIFICATE-----\n\
";
