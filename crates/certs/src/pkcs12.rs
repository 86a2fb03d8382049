//! PKCS#12 files (`.p12`, `.pfx`): what openssl, Java's keytool and Windows keep certificates and keys in, behind a password.
//!
//! Read are the old way (RC2 and triple DES, a MAC of SHA-1) and the new one (AES, PBKDF2, a MAC of SHA-2). Nothing is written.
//!
//! The containers are walked here, by the strict reader that keys and certificates are read by: the crates that read PKCS#12 bring a source of randomness
//! of their own for writing, give one error for all, and stop at the first item that they do not know. The ciphers are libraries'.

mod cipher;
mod error;
mod kdf;
mod safe;

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::certificate::{Certificate, Found};
use crate::inspect::{Inspected, Inspection, KeyBeside, Place, Unread, UnreadProblem};
use crate::name::escaped;
use crate::renew::der::{self, Reader};

pub use error::Pkcs12Error;

use error::part;
use kdf::{Budget, Hash, Password, Purpose};
use safe::{Bag, Contents, Pairs};

/// The largest file that is read, in bytes: 16 MiB. Java's trust stores have some hundred thousand.
pub const MAX_PKCS12_BYTES: usize = 16 * 1024 * 1024;

/// How many rounds of hashing a whole file may ask for. openssl asks for 2,048 for each thing that it hides, Java for 10,000, the careful for 600,000;
/// a million takes less than a second. Without a limit, a file of some hundred bytes could ask for hours.
pub const MAX_ITERATIONS: u64 = 10_000_000;

/// How many certificates, keys and other things a whole file may hold. Java's trust store has some hundred and fifty. Without a limit, a file of 16 MiB
/// could ask for gigabytes of memory to tell what is wrong with each.
pub const MAX_THINGS: usize = 10_000;

const DATA: &str = "1.2.840.113549.1.7.1";
const ENCRYPTED_DATA: &str = "1.2.840.113549.1.7.6";

impl Inspection {
    /// Looks through a PKCS#12 file: every certificate, with whether the key that belongs to it is there. What cannot be read is told beside it; a file
    /// without a MAC is read as it is.
    ///
    /// A certificate's key is the one of its `localKeyID`, or the one that matches it. The entry of a place is the `friendlyName`.
    ///
    /// ```
    /// use trimtab_certs::Inspection;
    ///
    /// let found = Inspection::of_pkcs12("store.p12", b"nothing", "secret");
    /// assert!(found.unread[0].problem.to_string().starts_with("no PKCS#12"));
    /// ```
    #[must_use]
    pub fn of_pkcs12(path: &str, bytes: &[u8], password: &str) -> Self {
        let place = |entry: Option<String>| Place { node: None, source: path.to_owned(), entry };
        let unread = |entry: Option<String>, pkcs12: Pkcs12Error| Unread { place: place(entry), problem: UnreadProblem::Pkcs12 { pkcs12 } };
        let contents = match read(bytes, password) {
            Ok(contents) => contents,
            Err(problem) => return Self { unread: vec![unread(None, problem)], ..Self::default() },
        };
        let mut found = Self::default();
        let certificates: Vec<_> = contents.certificates.iter().map(|bag| Certificate::from_der(&bag.value)).collect();
        let pairs = Pairs::of(&contents, &certificates);
        for ((at, bag), certificate) in contents.certificates.iter().enumerate().zip(certificates) {
            let key = certificate.as_ref().map_or(KeyBeside::None, |certificate| pairs.key_beside(bag, certificate));
            let certificate = Found { offset: 0, skipped_by_go: None, certificate };
            found.items.push(Inspected { place: place(Some(bag.entry("certificate", at))), position: 0, found: certificate, key });
        }
        found.unread.extend(pairs.keys_alone().map(|(at, bag)| unread(Some(bag.entry("key", at)), Pkcs12Error::KeyAlone)));
        found.unread.extend(contents.problems.iter().map(|problem| unread(None, problem.clone())));
        if found.items.is_empty() && found.unread.is_empty() {
            found.unread.push(unread(None, Pkcs12Error::Empty));
        }
        found
    }
}

impl<T> Bag<T> {
    fn entry(&self, kind: &str, at: usize) -> String {
        self.friendly_name.as_deref().map_or_else(|| format!("{kind}[{at}]"), |name| escaped(name).into_owned())
    }
}

fn read(bytes: &[u8], password: &str) -> Result<Contents, Pkcs12Error> {
    if bytes.len() > MAX_PKCS12_BYTES {
        return Err(Pkcs12Error::TooLarge { bytes: bytes.len(), limit: MAX_PKCS12_BYTES });
    }
    if bytes.first() == Some(&der::SEQUENCE) && bytes.get(1) == Some(&0x80) {
        return Err(Pkcs12Error::Ber);
    }
    let mut pfx = Reader::inside(bytes, der::SEQUENCE).map_err(part("outside"))?;
    let version = pfx.expect(der::INTEGER).map_err(part("version"))?.contents;
    if version != [3] {
        return Err(Pkcs12Error::Version);
    }
    let mut content = Reader::new(pfx.expect(der::SEQUENCE).map_err(part("authSafe"))?.contents);
    let kind = oid(&mut content, "authSafe")?;
    if kind != DATA {
        return Err(Pkcs12Error::NotByPassword { content: kind });
    }
    let explicit = content.expect(der::context(0)).map_err(part("authSafe"))?.contents;
    let safe = Reader::new(explicit).expect(der::OCTET_STRING).map_err(part("authSafe"))?.contents;
    let mut budget = Budget::new(MAX_ITERATIONS);
    let password = proven(pfx.optional(der::SEQUENCE).map_err(part("macData"))?.map(|mac| mac.contents), safe, password, &mut budget)?;
    safe::contents(safe, &password, &mut budget)
}

/// The password in the form that the MAC holds with. An empty one is written in two ways.
fn proven(mac_data: Option<&[u8]>, safe: &[u8], password: &str, budget: &mut Budget) -> Result<Password, Pkcs12Error> {
    let Some(mac_data) = mac_data else { return Ok(Password::of(password)) };
    let mac = Mac::read(mac_data)?;
    for form in Password::forms(password) {
        if mac.holds(safe, &form, budget)? {
            return Ok(form);
        }
    }
    Err(Pkcs12Error::WrongPassword)
}

/// What vouches for the whole.
struct Mac<'a> {
    hash: &'static Hash,
    digest: &'a [u8],
    salt: &'a [u8],
    iterations: u64,
}

impl<'a> Mac<'a> {
    fn read(mac_data: &'a [u8]) -> Result<Self, Pkcs12Error> {
        let mut inside = Reader::new(mac_data);
        let mut info = Reader::new(inside.expect(der::SEQUENCE).map_err(part("macData"))?.contents);
        let mut algorithm = Reader::new(info.expect(der::SEQUENCE).map_err(part("macData"))?.contents);
        let algorithm = oid(&mut algorithm, "macData")?;
        let hash = Hash::of(&algorithm).ok_or(Pkcs12Error::MacAlgorithm { algorithm })?;
        let digest = info.expect(der::OCTET_STRING).map_err(part("macData"))?.contents;
        let salt = inside.expect(der::OCTET_STRING).map_err(part("macData"))?.contents;
        let iterations = inside.optional(der::INTEGER).map_err(part("macData"))?.map_or(Ok(1), |number| kdf::iterations(number.contents))?;
        Ok(Self { hash, digest, salt, iterations })
    }

    fn holds(&self, safe: &[u8], password: &Password, budget: &mut Budget) -> Result<bool, Pkcs12Error> {
        let key = kdf::derive(self.hash, Purpose::Mac, password, self.salt, self.iterations, self.hash.length, budget)?;
        Ok(hmac::verify(&hmac::Key::new(self.hash.hmac, &key), safe, self.digest).is_ok())
    }
}

fn oid(reader: &mut Reader<'_>, place: &'static str) -> Result<String, Pkcs12Error> {
    reader.expect(der::OBJECT_IDENTIFIER).map(|oid| der::oid_text(oid.contents)).map_err(part(place))
}

/// What was hidden, overwritten when dropped.
type Opened = Zeroizing<Vec<u8>>;

#[cfg(test)]
mod tests;
