//! Names as the module writes them.

use x509_parser::extensions::GeneralName;

use super::super::extensions::USAGES;
use super::super::object_names::{long_name, short_name};
use crate::name::{Attribute, Name};
use crate::octets::{address, colons};

pub(super) fn ordered(name: &Name) -> Vec<[String; 2]> {
    name.attributes().map(|attribute| [long_name(&attribute.oid).to_owned(), value(attribute)]).collect()
}

/// The text; where it is none, its bytes as far as they are one.
fn value(attribute: &Attribute) -> String {
    attribute.text.clone().unwrap_or_else(|| String::from_utf8_lossy(&attribute.raw).into_owned())
}

/// From RFC 5280's words to openssl's; the last two count beside keyAgreement alone.
pub(super) fn key_usages(usages: &[&'static str]) -> Vec<String> {
    let agrees = usages.contains(&"keyAgreement");
    let mut names: Vec<String> = usages
        .iter()
        .filter_map(|usage| match *usage {
            "digitalSignature" => Some("Digital Signature"),
            "contentCommitment" => Some("Non Repudiation"),
            "keyEncipherment" => Some("Key Encipherment"),
            "dataEncipherment" => Some("Data Encipherment"),
            "keyAgreement" => Some("Key Agreement"),
            "keyCertSign" => Some("Certificate Sign"),
            "cRLSign" => Some("CRL Sign"),
            "encipherOnly" => agrees.then_some("Encipher Only"),
            "decipherOnly" => agrees.then_some("Decipher Only"),
            other => Some(other),
        })
        .map(ToOwned::to_owned)
        .collect();
    names.sort_unstable();
    names
}

pub(super) fn ext_key_usages(usages: &[String]) -> Vec<String> {
    let oid = |usage: &'_ str| USAGES.iter().find(|(name, _)| *name == usage).map_or(usage, |(_, oid)| *oid).to_owned();
    let name = |usage: &String| long_name(&oid(usage)).to_owned();
    let mut names: Vec<String> = usages.iter().map(name).collect();
    names.sort_unstable();
    names
}

/// Source: `cryptography_decode_name`, `plugins/module_utils/_crypto/cryptography_support.py`.
pub(super) fn general_name(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(name) => format!("DNS:{name}"),
        GeneralName::RFC822Name(address) => format!("email:{address}"),
        GeneralName::URI(uri) => format!("URI:{uri}"),
        GeneralName::IPAddress(bytes) => address(bytes).map_or_else(|| format!("IP:{}", colons(bytes)), |address| format!("IP:{address}")),
        GeneralName::DirectoryName(name) => directory(&Name::read(name)),
        GeneralName::RegisteredID(oid) => format!("RID:{}", oid.to_id_string()),
        GeneralName::OtherName(oid, value) => format!("otherName:{};{}", oid.to_id_string(), colons(unwrapped(value))),
        GeneralName::X400Address(any) => format!("X400Name:{}", colons(any.data)),
        GeneralName::EDIPartyName(any) => format!("EdiPartyName:{}", colons(any.data)),
        GeneralName::Invalid(tag, bytes) => format!("unknown({}):{}", tag.0, colons(bytes)),
    }
}

/// What stands within `[0]`.
fn unwrapped(value: &[u8]) -> &[u8] {
    use crate::renew::der::{Reader, context};
    Reader::new(value).expect(context(0)).map_or(value, |element| element.contents)
}

/// The last attribute first, every one by itself.
fn directory(name: &Name) -> String {
    let attributes: Vec<String> =
        name.attributes().map(|attribute| format!("{}={}", short_name(&attribute.oid), escaped(&value(attribute)))).collect();
    format!("dirName:{}", attributes.into_iter().rev().collect::<Vec<_>>().join(","))
}

fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            '\\' | ',' | '+' | '<' | '>' | ';' | '"' => out.extend(['\\', character]),
            '\0' => out.push_str("\\00"),
            other => out.push(other),
        }
    }
    if out.starts_with([' ', '#']) {
        out.insert(0, '\\');
    }
    if out.ends_with(' ') {
        out.insert(out.len() - 1, '\\');
    }
    out
}

/// `abcd` as `ab:cd`.
pub(super) fn with_colons(hex: &str) -> String {
    let pairs: Vec<&str> = (0..hex.len() / 2).filter_map(|at| hex.get(2 * at..2 * at + 2)).collect();
    pairs.join(":")
}
