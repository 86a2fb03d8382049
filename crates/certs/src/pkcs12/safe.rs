//! The bags of a PKCS#12 file: certificates and keys. One that cannot be read stops no other.

use std::collections::{HashMap, HashSet};

use super::cipher::open;
use super::error::{Pkcs12Error, part};
use super::kdf::{Budget, Password};
use super::{DATA, ENCRYPTED_DATA, Opened, oid};
use crate::Error;
use crate::certificate::{Certificate, CertificateError};
use crate::inspect::KeyBeside;
use crate::key::PrivateKey;
use crate::renew::der::{self, Element, Malformed, Reader};
use crate::renew::verify::canonical_public_key;

/// What is in a file.
#[derive(Default)]
pub(super) struct Contents {
    pub(super) certificates: Vec<Bag<Vec<u8>>>,
    keys: Vec<Bag<Result<PrivateKey, Error>>>,
    /// What could not be opened, beside the rest.
    pub(super) problems: Vec<Pkcs12Error>,
}

/// One thing, with what says to which others it belongs.
pub(super) struct Bag<T> {
    pub(super) friendly_name: Option<String>,
    local_key_id: Option<Vec<u8>>,
    pub(super) value: T,
}

/// Bags in bags are allowed, and nobody writes them.
const MAX_DEPTH: usize = 4;
const X509: &str = "1.2.840.113549.1.9.22.1";

/// Which keys and certificates belong together: by the identifier that both have, or by the key itself. Looked up, since comparing each with each would
/// take minutes for a file of ten thousand.
pub(super) struct Pairs<'a> {
    keys: &'a [Bag<Result<PrivateKey, Error>>],
    /// The first key of each identifier.
    by_id: HashMap<&'a [u8], &'a Result<PrivateKey, Error>>,
    public_keys: HashSet<&'a [u8]>,
    /// What certificates have.
    ids: HashSet<&'a [u8]>,
    certified: HashSet<Vec<u8>>,
}

impl<'a> Pairs<'a> {
    /// `certificates` are those of `contents`, in their order.
    pub(super) fn of(contents: &'a Contents, certificates: &[Result<Certificate, CertificateError>]) -> Self {
        let mut by_id = HashMap::new();
        for key in &contents.keys {
            if let Some(id) = key.local_key_id.as_deref() {
                by_id.entry(id).or_insert(&key.value);
            }
        }
        let public_keys = contents.keys.iter().filter_map(|key| Some(key.value.as_ref().ok()?.public_key())).collect();
        let ids = contents.certificates.iter().filter_map(|bag| bag.local_key_id.as_deref()).collect();
        let mut certified = HashSet::new();
        if !contents.keys.is_empty() {
            certified.extend(certificates.iter().flatten().flat_map(|certificate| forms(&certificate.public_key.spki)));
        }
        Self { keys: &contents.keys, by_id, public_keys, ids, certified }
    }

    pub(super) fn key_beside(&self, bag: &Bag<Vec<u8>>, certificate: &Certificate) -> KeyBeside {
        let spki = &certificate.public_key.spki;
        match bag.local_key_id.as_deref().and_then(|id| self.by_id.get(id)) {
            Some(Ok(key)) if key.matches(spki) => KeyBeside::Own,
            Some(Ok(_)) => KeyBeside::Differs,
            Some(Err(reason)) => KeyBeside::Unreadable { reason: Box::new(reason.clone()) },
            None if self.keys.is_empty() => KeyBeside::None,
            None if forms(spki).any(|form| self.public_keys.contains(form.as_slice())) => KeyBeside::Own,
            None => KeyBeside::None,
        }
    }

    /// Keys that belong to no certificate.
    pub(super) fn keys_alone(&self) -> impl Iterator<Item = (usize, &'a Bag<Result<PrivateKey, Error>>)> {
        self.keys.iter().enumerate().filter(|(_, key)| {
            let named = key.local_key_id.as_deref().is_some_and(|id| self.ids.contains(id));
            let matching = key.value.as_ref().is_ok_and(|key| self.certified.contains(key.public_key()));
            !named && !matching
        })
    }
}

/// A public key as it stands there, and as [`PrivateKey::public_key`] writes it.
fn forms(spki: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    [Some(spki.to_vec()), canonical_public_key(spki)].into_iter().flatten()
}

impl Contents {
    fn bags(&mut self, list: &[u8], depth: usize, password: &Password, budget: &mut Budget) -> Result<(), Pkcs12Error> {
        if depth > MAX_DEPTH {
            return Err(Pkcs12Error::TooDeep);
        }
        let mut list = Reader::inside(list, der::SEQUENCE).map_err(part("SafeContents"))?;
        while !list.is_empty() {
            budget.one_more()?;
            let bag = list.expect(der::SEQUENCE).map_err(part("SafeBag"))?.contents;
            match self.bag(bag, depth, password, budget) {
                Err(too_many @ Pkcs12Error::TooMany { .. }) => return Err(too_many),
                Err(problem) => self.problems.push(problem),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    fn bag(&mut self, bag: &[u8], depth: usize, password: &Password, budget: &mut Budget) -> Result<(), Pkcs12Error> {
        let mut inside = Reader::new(bag);
        let kind = oid(&mut inside, "bagId")?;
        let value = inside.expect(der::context(0)).map_err(part("bagValue"))?.contents;
        let (friendly_name, local_key_id) = inside.optional(der::SET).map_err(part("bagAttributes"))?.map_or((None, None), attributes);
        match kind.as_str() {
            "1.2.840.113549.1.12.10.1.1" => {
                self.keys.push(Bag { friendly_name, local_key_id, value: PrivateKey::from_der(value) });
            }
            "1.2.840.113549.1.12.10.1.2" => {
                let mut hidden = Reader::inside(value, der::SEQUENCE).map_err(part("EncryptedPrivateKeyInfo"))?;
                let algorithm = hidden.expect(der::SEQUENCE).map_err(part("EncryptedPrivateKeyInfo"))?.contents;
                let bytes = hidden.expect(der::OCTET_STRING).map_err(part("EncryptedPrivateKeyInfo"))?.contents;
                let key = open(algorithm, bytes, password, budget)?;
                self.keys.push(Bag { friendly_name, local_key_id, value: PrivateKey::from_der(&key) });
            }
            "1.2.840.113549.1.12.10.1.3" => {
                self.certificates.push(Bag { friendly_name, local_key_id, value: certificate(value)?.to_vec() });
            }
            "1.2.840.113549.1.12.10.1.6" => self.bags(value, depth + 1, password, budget)?,
            // Lists of revoked certificates, and secrets of any kind, which are nobody's business here.
            _ => {}
        }
        Ok(())
    }
}

/// Every `ContentInfo` of the `AuthenticatedSafe`; one that does not open does not hide the others.
pub(super) fn contents(safe: &[u8], password: &Password, budget: &mut Budget) -> Result<Contents, Pkcs12Error> {
    let mut list = Reader::inside(safe, der::SEQUENCE).map_err(part("AuthenticatedSafe"))?;
    let mut contents = Contents::default();
    while !list.is_empty() {
        budget.one_more()?;
        let info = list.expect(der::SEQUENCE).map_err(part("ContentInfo"))?.contents;
        match content(info, password, budget).and_then(|bags| contents.bags(&bags, 0, password, budget)) {
            Err(too_many @ Pkcs12Error::TooMany { .. }) => return Err(too_many),
            Err(problem) => contents.problems.push(problem),
            Ok(()) => {}
        }
    }
    Ok(contents)
}

fn content(info: &[u8], password: &Password, budget: &mut Budget) -> Result<Opened, Pkcs12Error> {
    let mut inside = Reader::new(info);
    let kind = oid(&mut inside, "ContentInfo")?;
    let explicit = inside.expect(der::context(0)).map_err(part("ContentInfo"))?.contents;
    match kind.as_str() {
        DATA => {
            let bytes = Reader::new(explicit).expect(der::OCTET_STRING).map_err(part("data"))?.contents;
            Ok(Opened::new(bytes.to_vec()))
        }
        ENCRYPTED_DATA => {
            let mut hidden = Reader::inside(explicit, der::SEQUENCE).map_err(part("EncryptedData"))?;
            hidden.expect(der::INTEGER).map_err(part("EncryptedData"))?;
            let mut info = Reader::new(hidden.expect(der::SEQUENCE).map_err(part("EncryptedContentInfo"))?.contents);
            info.expect(der::OBJECT_IDENTIFIER).map_err(part("EncryptedContentInfo"))?;
            let algorithm = info.expect(der::SEQUENCE).map_err(part("EncryptedContentInfo"))?.contents;
            let bytes = info.expect(der::context_primitive(0)).map_err(part("EncryptedContentInfo"))?.contents;
            open(algorithm, bytes, password, budget)
        }
        _ => Err(Pkcs12Error::NotByPassword { content: kind }),
    }
}

fn certificate(value: &[u8]) -> Result<&[u8], Pkcs12Error> {
    let mut inside = Reader::inside(value, der::SEQUENCE).map_err(part("CertBag"))?;
    let kind = oid(&mut inside, "CertBag")?;
    if kind != X509 {
        return Err(Pkcs12Error::CertificateKind { kind });
    }
    let explicit = inside.expect(der::context(0)).map_err(part("CertBag"))?.contents;
    Ok(Reader::new(explicit).expect(der::OCTET_STRING).map_err(part("CertBag"))?.contents)
}

/// `friendlyName` and `localKeyID`; attributes that cannot be read say nothing.
fn attributes(set: Element<'_>) -> (Option<String>, Option<Vec<u8>>) {
    let mut list = Reader::new(set.contents);
    let (mut name, mut id) = (None, None);
    while let Ok((kind, value)) = attribute(&mut list) {
        match kind.as_str() {
            "1.2.840.113549.1.9.20" => name = wide_text(value.contents),
            "1.2.840.113549.1.9.21" => id = Some(value.contents.to_vec()),
            _ => {}
        }
    }
    (name, id)
}

fn attribute<'a>(list: &mut Reader<'a>) -> Result<(String, Element<'a>), Malformed> {
    let mut inside = Reader::new(list.expect(der::SEQUENCE)?.contents);
    let kind = der::oid_text(inside.expect(der::OBJECT_IDENTIFIER)?.contents);
    Ok((kind, Reader::new(inside.expect(der::SET)?.contents).element()?))
}

fn wide_text(bytes: &[u8]) -> Option<String> {
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    String::from_utf16(&units).ok()
}
