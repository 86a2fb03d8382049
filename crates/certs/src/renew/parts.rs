//! A certificate taken apart without changing a byte: raw slices, to be put together again.

use jiff::Timestamp;
use x509_parser::asn1_rs::FromDer as _;
use x509_parser::time::ASN1Time;

use super::der::{self, Malformed, Reader};
use crate::Error;
use crate::error::Role;

/// What a certificate is made of. Slices are raw, with tag and length, unless it says otherwise.
#[derive(Debug, Clone)]
pub(crate) struct Parts<'a> {
    pub(crate) issuer: &'a [u8],
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    pub(crate) subject: &'a [u8],
    pub(crate) spki: &'a [u8],
    /// Contents of the BIT STRING that nobody writes any more.
    pub(crate) subject_unique_id: Option<&'a [u8]>,
    pub(crate) extensions: Vec<Extension<'a>>,
}

/// One extension, of a certificate or of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extension<'a> {
    /// All of it.
    pub(crate) raw: &'a [u8],
    /// Contents of its object identifier.
    pub(crate) oid: &'a [u8],
    /// Whether who does not know it has to refuse the certificate.
    pub(crate) critical: bool,
    /// Contents of the OCTET STRING.
    pub(crate) value: &'a [u8],
}

/// What is signed, how, and the signature: the outside of certificates and requests alike.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signed<'a> {
    /// What is signed, raw.
    pub(crate) message: &'a [u8],
    /// Raw `AlgorithmIdentifier`.
    pub(crate) algorithm: &'a [u8],
    /// The signature's.
    pub(crate) bytes: &'a [u8],
}

pub(crate) const SUBJECT_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1D, 0x0E];
pub(crate) const KEY_USAGE: &[u8] = &[0x55, 0x1D, 0x0F];
pub(crate) const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1D, 0x11];
pub(crate) const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1D, 0x13];
pub(crate) const AUTHORITY_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1D, 0x23];
pub(crate) const EXT_KEY_USAGE: &[u8] = &[0x55, 0x1D, 0x25];

/// Which part could not be read.
type Unread = &'static str;

impl<'a> Parts<'a> {
    /// Reads one certificate of any version, that nothing follows.
    pub(crate) fn read(certificate_der: &'a [u8], role: Role) -> Result<Self, Error> {
        let parts = Self::walk(certificate_der).map_err(|part| Error::CertificateNotRead { role, part: part.to_owned() })?;
        match twice(&parts.extensions) {
            Some(oid) => Err(Error::DuplicateExtension { role, oid: der::oid_text(oid) }),
            None => Ok(parts),
        }
    }

    fn walk(certificate_der: &'a [u8]) -> Result<Self, Unread> {
        let signed = Signed::read(certificate_der).map_err(|Malformed| "outside")?;
        let mut tbs = Reader::inside(signed.message, der::SEQUENCE).map_err(|Malformed| "outside")?;
        tbs.optional(der::context(0)).map_err(|Malformed| "version")?;
        tbs.expect(der::INTEGER).map_err(|Malformed| "serial number")?;
        tbs.expect(der::SEQUENCE).map_err(|Malformed| "signature algorithm")?;
        let issuer = tbs.expect(der::SEQUENCE).map_err(|Malformed| "issuer")?.raw;
        let (not_before, not_after) = validity(&mut tbs).map_err(|Malformed| "validity")?;
        let subject = tbs.expect(der::SEQUENCE).map_err(|Malformed| "subject")?.raw;
        let spki = tbs.expect(der::SEQUENCE).map_err(|Malformed| "public key")?.raw;
        tbs.optional(der::context_primitive(1)).map_err(|Malformed| "issuerUniqueID")?;
        let subject_unique_id = tbs.optional(der::context_primitive(2)).map_err(|Malformed| "subjectUniqueID")?.map(|id| id.contents);
        let extensions = match tbs.optional(der::context(3)).map_err(|Malformed| "extensions")? {
            Some(list) => extensions(list.contents).map_err(|Malformed| "extensions")?,
            None => Vec::new(),
        };
        tbs.end().map_err(|Malformed| "end")?;
        Ok(Self { issuer, not_before, not_after, subject, spki, subject_unique_id, extensions })
    }

    pub(crate) fn extension(&self, oid: &[u8]) -> Option<&Extension<'a>> {
        self.extensions.iter().find(|extension| extension.oid == oid)
    }

    /// Whether it says `CA:TRUE`.
    pub(crate) fn is_ca(&self) -> bool {
        self.extension(BASIC_CONSTRAINTS).is_some_and(|extension| ca_flag(extension.value).unwrap_or(false))
    }

    /// Whether it may sign certificates: by `keyCertSign`, or by having no keyUsage.
    pub(crate) fn may_sign(&self) -> bool {
        self.extension(KEY_USAGE).is_none_or(|extension| key_cert_sign(extension.value).unwrap_or(false))
    }

    /// The bytes of its subjectKeyIdentifier.
    pub(crate) fn subject_key_identifier(&self) -> Option<&'a [u8]> {
        let value = self.extension(SUBJECT_KEY_IDENTIFIER)?.value;
        let mut reader = Reader::new(value);
        let identifier = reader.expect(der::OCTET_STRING).ok()?;
        reader.end().ok()?;
        Some(identifier.contents)
    }

    /// The keyIdentifier of its authorityKeyIdentifier.
    pub(crate) fn authority_key_identifier(&self) -> Option<&'a [u8]> {
        let mut inside = Reader::inside(self.extension(AUTHORITY_KEY_IDENTIFIER)?.value, der::SEQUENCE).ok()?;
        inside.optional(der::context_primitive(0)).ok()?.map(|identifier| identifier.contents)
    }
}

impl<'a> Signed<'a> {
    pub(crate) fn read(whole: &'a [u8]) -> Result<Self, Malformed> {
        let mut outside = Reader::inside(whole, der::SEQUENCE)?;
        let message = outside.expect(der::SEQUENCE)?.raw;
        let algorithm = outside.expect(der::SEQUENCE)?.raw;
        let bytes = outside.whole_bytes()?;
        outside.end()?;
        Ok(Self { message, algorithm, bytes })
    }
}

/// The list of extensions that `list` is: a SEQUENCE of SEQUENCEs.
pub(crate) fn extensions(list: &[u8]) -> Result<Vec<Extension<'_>>, Malformed> {
    let mut list = Reader::inside(list, der::SEQUENCE)?;
    let mut extensions = Vec::new();
    while !list.is_empty() {
        let raw = list.expect(der::SEQUENCE)?.raw;
        let mut inside = Reader::inside(raw, der::SEQUENCE)?;
        let oid = inside.expect(der::OBJECT_IDENTIFIER)?.contents;
        let critical = inside.optional(der::BOOLEAN)?.is_some_and(|flag| flag.contents != [0]);
        let value = inside.expect(der::OCTET_STRING)?.contents;
        inside.end()?;
        extensions.push(Extension { raw, oid, critical, value });
    }
    Ok(extensions)
}

/// The elements of the SEQUENCE that a subjectAltName or an extKeyUsage is, raw.
pub(crate) fn items(value: &[u8]) -> Result<Vec<&[u8]>, Malformed> {
    let mut list = Reader::inside(value, der::SEQUENCE)?;
    let mut items = Vec::new();
    while !list.is_empty() {
        items.push(list.element()?.raw);
    }
    Ok(items)
}

/// The first object identifier that two extensions share. Go reads no such certificate, so nobody could use a renewed one either.
fn twice<'a>(extensions: &[Extension<'a>]) -> Option<&'a [u8]> {
    let mut oids: Vec<_> = extensions.iter().map(|extension| extension.oid).collect();
    oids.sort_unstable();
    oids.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

fn validity(tbs: &mut Reader<'_>) -> Result<(Timestamp, Timestamp), Malformed> {
    let mut inside = Reader::inside(tbs.expect(der::SEQUENCE)?.raw, der::SEQUENCE)?;
    let times = (time(inside.element()?.raw)?, time(inside.element()?.raw)?);
    inside.end()?;
    Ok(times)
}

/// 9999-12-31T23:59:59Z, which means "never" (RFC 5280 §4.1.2.5), lies a day behind the last time that a `Timestamp` holds, and becomes that.
fn time(raw: &[u8]) -> Result<Timestamp, Malformed> {
    let (_, time) = ASN1Time::from_der(raw).map_err(|_| Malformed)?;
    let seconds = time.timestamp();
    Ok(Timestamp::from_second(seconds).unwrap_or(if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX }))
}

fn ca_flag(value: &[u8]) -> Result<bool, Malformed> {
    let mut inside = Reader::inside(value, der::SEQUENCE)?;
    Ok(inside.optional(der::BOOLEAN)?.is_some_and(|flag| flag.contents == [0xFF]))
}

/// Bit 5, counted from the highest one of the first byte.
fn key_cert_sign(value: &[u8]) -> Result<bool, Malformed> {
    let bits = Reader::new(value).expect(der::BIT_STRING)?.contents;
    Ok(bits.get(1).is_some_and(|byte| byte & 0x04 != 0))
}
