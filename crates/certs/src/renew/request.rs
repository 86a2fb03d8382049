//! For a CA whose key is elsewhere: the request that loses nothing, and the check of what comes back.

use jiff::Timestamp;
use serde::Serialize;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::X509Name;

use super::der::{self, Malformed, Reader};
use super::parts::{self, EXT_KEY_USAGE, Extension, Parts, SUBJECT_ALT_NAME, Signed};
use super::{sign, tbs, verify};
use crate::Error;
use crate::error::Role;
use crate::key::PrivateKey;
use crate::name::Name;
use crate::octets::{address, hex};
use crate::pem;

/// A certificate signing request (PKCS#10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningRequest {
    der: Vec<u8>,
}

/// What an external CA sent back, found to be what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Accepted {
    /// Its first second.
    pub not_before: Timestamp,
    /// Its last second.
    pub not_after: Timestamp,
    /// The last second at which anybody believes it: the CA's, where that is earlier. External CAs seldom clamp.
    pub effective_not_after: Timestamp,
    /// Extensions that were asked for and are absent or changed, dotted. Names and usages are not among them: these must be there.
    pub changed_extensions: Vec<String>,
}

impl SigningRequest {
    /// DER.
    #[must_use]
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// A file as every CA takes it, and as `kubeadm certs generate-csr` writes it.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem::encode("CERTIFICATE REQUEST", &self.der)
    }
}

/// A request for the successor of `old_der`, by `key`: the subject byte for byte, and every extension but the two key identifiers, which are the
/// CA's to set, in an extensionRequest.
///
/// Source: RFC 2986 §4, RFC 2985 §5.4.2.
///
/// DIFFERENCE: `kubeadm certs generate-csr` makes its request from the configuration, so that names added by hand are not in it.
///
/// # Errors
/// [`Error::CertificateNotRead`], [`Error::DuplicateExtension`], [`Error::WouldRenewCa`], [`Error::NotSigned`].
pub fn certificate_signing_request(old_der: &[u8], key: &PrivateKey) -> Result<SigningRequest, Error> {
    let old = Parts::read(old_der, Role::Leaf)?;
    if old.is_ca() {
        return Err(Error::WouldRenewCa);
    }
    let wanted: Vec<&[u8]> = tbs::requested(&old).iter().map(|extension| extension.raw).collect();
    let attributes =
        if wanted.is_empty() { Vec::new() } else { der::sequence(&[EXTENSION_REQUEST, &der::element(der::SET, &der::sequence(&wanted))]) };
    let info = der::sequence(&[&der::unsigned_integer(&[0]), old.subject, key.public_key(), &der::element(der::context(0), &attributes)]);
    Ok(SigningRequest { der: sign::signed(&info, key)? })
}

/// Checks the certificate that an external CA sent back against the request and that CA: the same public key and subject, no name and no usage
/// fewer, no CA, signed by the CA, valid now. Lengthening is refused nowhere: more names are the CA's decision.
///
/// Subjects are equal when their bytes are, or when their attributes are, in the same order and with the same bytes, but as another kind of string:
/// many CAs write `UTF8String` for `PrintableString`, and Kubernetes reads them alike.
///
/// # Errors
/// [`Error::RequestNotRead`], [`Error::CertificateNotRead`], [`Error::DuplicateExtension`]; [`Error::AnswerKey`], [`Error::AnswerSubject`],
/// [`Error::AnswerNames`], [`Error::AnswerUsages`], [`Error::AnswerIsCa`], [`Error::AnswerChain`].
pub fn accept(request_der: &[u8], answer_der: &[u8], ca_der: &[u8], now: Timestamp) -> Result<Accepted, Error> {
    let request = Request::read(request_der).map_err(|part| Error::RequestNotRead { part: part.to_owned() })?;
    let (answer, ca) = (Parts::read(answer_der, Role::Answer)?, Parts::read(ca_der, Role::Ca)?);
    if !same_key(request.spki, answer.spki) {
        return Err(Error::AnswerKey);
    }
    if !same_name(request.subject, answer.subject) {
        return Err(Error::AnswerSubject { asked: shown(request.subject), answered: shown(answer.subject) });
    }
    not_fewer(&request, &answer)?;
    if answer.is_ca() {
        return Err(Error::AnswerIsCa);
    }
    let problems = verify::verify_chain(answer_der, ca_der, now)?;
    if !problems.is_empty() {
        return Err(Error::AnswerChain { problems });
    }
    Ok(Accepted {
        not_before: answer.not_before,
        not_after: answer.not_after,
        effective_not_after: answer.not_after.min(ca.not_after),
        changed_extensions: changed(&request, &answer),
    })
}

/// The object identifier of extensionRequest.
const EXTENSION_REQUEST: &[u8] = &[der::OBJECT_IDENTIFIER, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 9, 14];

struct Request<'a> {
    subject: &'a [u8],
    spki: &'a [u8],
    extensions: Vec<Extension<'a>>,
}

impl<'a> Request<'a> {
    fn read(der: &'a [u8]) -> Result<Self, &'static str> {
        let signed = Signed::read(der).map_err(|Malformed| "outside")?;
        let mut info = Reader::inside(signed.message, der::SEQUENCE).map_err(|Malformed| "outside")?;
        info.expect(der::INTEGER).map_err(|Malformed| "version")?;
        let subject = info.expect(der::SEQUENCE).map_err(|Malformed| "subject")?.raw;
        let spki = info.expect(der::SEQUENCE).map_err(|Malformed| "public key")?.raw;
        let attributes = info.optional(der::context(0)).map_err(|Malformed| "attributes")?;
        let extensions = asked(attributes.map_or(&[], |attributes| attributes.contents)).map_err(|Malformed| "attributes")?;
        Ok(Self { subject, spki, extensions })
    }

    fn items(&self, oid: &[u8]) -> Result<Vec<&'a [u8]>, Error> {
        let Some(extension) = self.extensions.iter().find(|extension| extension.oid == oid) else { return Ok(Vec::new()) };
        parts::items(extension.value).map_err(|Malformed| Error::RequestNotRead { part: der::oid_text(oid) })
    }
}

fn asked(attributes: &[u8]) -> Result<Vec<Extension<'_>>, Malformed> {
    let mut attributes = Reader::new(attributes);
    while !attributes.is_empty() {
        let mut attribute = Reader::inside(attributes.expect(der::SEQUENCE)?.raw, der::SEQUENCE)?;
        let oid = attribute.expect(der::OBJECT_IDENTIFIER)?.raw;
        let values = attribute.expect(der::SET)?.contents;
        if oid == EXTENSION_REQUEST {
            return parts::extensions(values);
        }
    }
    Ok(Vec::new())
}

fn same_key(asked: &[u8], answered: &[u8]) -> bool {
    let canonical = verify::canonical_public_key;
    asked == answered || canonical(asked).is_some_and(|key| canonical(answered) == Some(key))
}

fn same_name(asked: &[u8], answered: &[u8]) -> bool {
    asked == answered || matches!((attributes(asked), attributes(answered)), (Ok(asked), Ok(answered)) if asked == answered)
}

type TypeAndValue<'a> = (&'a [u8], &'a [u8]);

/// Each relative name as a sorted list of (type, value). Values of the kinds of string whose bytes mean the same are taken without their tag,
/// as long as they are ASCII; others with it.
fn attributes(name: &[u8]) -> Result<Vec<Vec<TypeAndValue<'_>>>, Malformed> {
    let mut rdns = Vec::new();
    let mut name = Reader::inside(name, der::SEQUENCE)?;
    while !name.is_empty() {
        let mut rdn = Vec::new();
        let mut set = Reader::inside(name.expect(der::SET)?.raw, der::SET)?;
        while !set.is_empty() {
            let mut attribute = Reader::inside(set.expect(der::SEQUENCE)?.raw, der::SEQUENCE)?;
            let oid = attribute.expect(der::OBJECT_IDENTIFIER)?.contents;
            let value = attribute.element()?;
            let alike = LIKE_ASCII.contains(&value.tag) && value.contents.is_ascii();
            rdn.push((oid, if alike { value.contents } else { value.raw }));
        }
        rdn.sort_unstable();
        rdns.push(rdn);
    }
    Ok(rdns)
}

/// `UTF8String`, `NumericString`, `PrintableString`, `TeletexString`, `IA5String`, `VisibleString`.
const LIKE_ASCII: [u8; 6] = [0x0C, 0x12, 0x13, 0x14, 0x16, 0x1A];

fn shown(name: &[u8]) -> String {
    X509Name::from_der(name).map_or_else(|_| hex(name), |(_, name)| Name::read(&name).to_string())
}

fn not_fewer(request: &Request<'_>, answer: &Parts<'_>) -> Result<(), Error> {
    let names = missing(request.items(SUBJECT_ALT_NAME)?, answer, SUBJECT_ALT_NAME)?;
    if !names.is_empty() {
        return Err(Error::AnswerNames { missing: names.into_iter().map(general_name).collect() });
    }
    // Who asks for no usage asks for any; an answer that names some is narrower, unless it names that one too.
    let asked = request.items(EXT_KEY_USAGE)?;
    let narrower = asked.is_empty() && answer.extension(EXT_KEY_USAGE).is_some();
    let usages = missing(if narrower { vec![ANY_USAGE] } else { asked }, answer, EXT_KEY_USAGE)?;
    if !usages.is_empty() {
        return Err(Error::AnswerUsages { missing: usages.into_iter().map(usage).collect() });
    }
    Ok(())
}

/// `anyExtendedKeyUsage` with its tag and length.
const ANY_USAGE: &[u8] = &[0x06, 0x04, 0x55, 0x1D, 0x25, 0x00];

fn missing<'a>(asked: Vec<&'a [u8]>, answer: &Parts<'_>, oid: &[u8]) -> Result<Vec<&'a [u8]>, Error> {
    let given = match answer.extension(oid) {
        Some(extension) => {
            parts::items(extension.value).map_err(|Malformed| Error::CertificateNotRead { role: Role::Answer, part: der::oid_text(oid) })?
        }
        None => Vec::new(),
    };
    Ok(asked.into_iter().filter(|item| !given.contains(item)).collect())
}

fn usage(raw: &[u8]) -> String {
    Reader::new(raw).element().map_or_else(|Malformed| hex(raw), |element| der::oid_text(element.contents))
}

/// One name with its kind, as openssl writes it. Bytes that could deceive a reader are escaped.
fn general_name(raw: &[u8]) -> String {
    let Ok(name) = Reader::new(raw).element() else { return hex(raw) };
    match name.tag {
        0x81 => format!("email:{}", name.contents.escape_ascii()),
        0x82 => format!("DNS:{}", name.contents.escape_ascii()),
        0x86 => format!("URI:{}", name.contents.escape_ascii()),
        0x87 => format!("IP:{}", address(name.contents).map_or_else(|| hex(name.contents), |address| address.to_string())),
        _ => format!("name {}", hex(raw)),
    }
}

fn changed(request: &Request<'_>, answer: &Parts<'_>) -> Vec<String> {
    let must = |oid: &[u8]| oid == SUBJECT_ALT_NAME || oid == EXT_KEY_USAGE;
    let kept = |asked: &Extension<'_>| answer.extension(asked.oid).is_some_and(|given| given.raw == asked.raw);
    request.extensions.iter().filter(|asked| !must(asked.oid) && !kept(asked)).map(|asked| der::oid_text(asked.oid)).collect()
}
