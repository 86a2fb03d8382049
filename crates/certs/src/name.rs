//! Distinguished names: every attribute in its order, escaped so that no name can pass for another.

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};
use x509_parser::asn1_rs::{Any, Tag};
use x509_parser::x509::X509Name;

use crate::octets::hex;
use crate::oid::dotted;

/// A distinguished name, as it stands in the certificate.
///
/// `Display` is RFC 4514: the last attribute first, as pyca/cryptography prints it, and what could deceive a reader escaped: not only what the
/// RFC demands, but every control character and every mark that turns the direction of text, as the hex of its UTF-8 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Name {
    /// The relative names, in the order of the certificate; more than one attribute in one of them is rare and allowed.
    pub rdns: Vec<Vec<Attribute>>,
}

/// One attribute of a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attribute {
    /// The attribute's type, dotted.
    pub oid: Cow<'static, str>,
    /// The kind of string that it is stored as, in ASN.1's words (`PrintableString`); none for what is no string.
    pub string_type: Option<StringType>,
    /// Its value; none where the bytes are not what their type says, or are no string.
    pub text: Option<String>,
    /// The bytes of the value, with their tag and length.
    pub raw: Vec<u8>,
}

/// The kinds of string that names are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum StringType {
    /// Letters, digits and a few marks; what Go writes where it can.
    PrintableString,
    /// UTF-8.
    #[serde(rename = "UTF8String")]
    Utf8String,
    /// ASCII.
    #[serde(rename = "IA5String")]
    Ia5String,
    /// Digits and spaces.
    NumericString,
    /// ASCII that can be seen.
    VisibleString,
    /// T.61, read as Latin-1 as everybody does.
    TeletexString,
    /// Two bytes a character.
    #[serde(rename = "BMPString")]
    BmpString,
    /// Four bytes a character.
    UniversalString,
}

/// The attributes that are called by a name rather than a number: dotted, RFC 4514's name where it has one, openssl's name.
const TYPES: &[(&str, bool, &str)] = &[
    ("2.5.4.3", true, "CN"),
    ("2.5.4.10", true, "O"),
    ("2.5.4.11", true, "OU"),
    ("2.5.4.6", true, "C"),
    ("2.5.4.7", true, "L"),
    ("2.5.4.8", true, "ST"),
    ("2.5.4.9", true, "STREET"),
    ("0.9.2342.19200300.100.1.25", true, "DC"),
    ("0.9.2342.19200300.100.1.1", true, "UID"),
    ("2.5.4.5", false, "serialNumber"),
    ("2.5.4.4", false, "SN"),
    ("2.5.4.42", false, "GN"),
    ("2.5.4.12", false, "title"),
    ("2.5.4.17", false, "postalCode"),
    ("2.5.4.46", false, "dnQualifier"),
    ("2.5.4.44", false, "generationQualifier"),
    ("2.5.4.65", false, "pseudonym"),
    ("1.2.840.113549.1.9.1", false, "emailAddress"),
];

impl Name {
    /// The last common name, which is the one that Go reads.
    ///
    /// ```
    /// assert_eq!(trimtab_certs::name::Name::default().common_name(), None);
    /// ```
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        self.attributes().filter(|attribute| attribute.oid == "2.5.4.3").filter_map(|attribute| attribute.text.as_deref()).last()
    }

    /// Every organization, in order: for Kubernetes, the groups of a client.
    pub fn organizations(&self) -> impl Iterator<Item = &str> {
        self.attributes().filter(|attribute| attribute.oid == "2.5.4.10").filter_map(|attribute| attribute.text.as_deref())
    }

    /// Every attribute, in order.
    pub fn attributes(&self) -> impl Iterator<Item = &Attribute> {
        self.rdns.iter().flatten()
    }

    /// Each relative name in the order of the certificate, as openssl calls its types: `O=system:masters`, `O=a+O=b`.
    #[must_use]
    pub fn rdn_strings(&self) -> Vec<String> {
        self.rdns
            .iter()
            .map(|rdn| rdn.iter().map(|attribute| format!("{}={}", attribute.short_name(), attribute.escaped())).collect::<Vec<_>>().join("+"))
            .collect()
    }

    pub(crate) fn read(name: &X509Name<'_>) -> Self {
        Self {
            rdns: name
                .iter_rdn()
                .map(|rdn| rdn.iter().map(|attribute| Attribute::read(dotted(attribute.attr_type()), attribute.attr_value())).collect())
                .collect(),
        }
    }
}

impl Attribute {
    fn read(oid: Cow<'static, str>, value: &Any<'_>) -> Self {
        let (string_type, text) = text_of(value);
        let raw = raw_of(value);
        Self { oid, string_type, text, raw }
    }

    /// openssl's name of the type: `CN`, `emailAddress`; the number where it has none.
    #[must_use]
    pub fn short_name(&self) -> &str {
        TYPES.iter().find(|(oid, ..)| *oid == self.oid).map_or(&self.oid, |(_, _, name)| name)
    }

    /// The name of the type in RFC 4514, which knows nine; the number for all others.
    fn rfc4514_name(&self) -> &str {
        TYPES.iter().find(|(oid, known, _)| *known && *oid == self.oid).map_or(&self.oid, |(_, _, name)| name)
    }

    /// The value with RFC 4514's escapes; `#` and the hex of its bytes where it is no string.
    fn escaped(&self) -> Cow<'_, str> {
        match &self.text {
            Some(text) => escaped(text),
            None => Cow::Owned(format!("#{}", hex(&self.raw))),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, rdn) in self.rdns.iter().rev().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            for (at, attribute) in rdn.iter().enumerate() {
                let plus = if at > 0 { "+" } else { "" };
                write!(f, "{plus}{}={}", attribute.rfc4514_name(), attribute.escaped())?;
            }
        }
        Ok(())
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A text of a certificate, so that it can be printed: what RFC 4514 escapes, control characters, and marks that turn the direction of text.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    let plain = |character: char| !special(character) && !deceptive(character);
    let ends = text.starts_with([' ', '#']) || text.ends_with(' ');
    if !ends && text.chars().all(plain) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    let last = text.chars().count().saturating_sub(1);
    for (at, character) in text.chars().enumerate() {
        let at_an_end = (character == ' ' && (at == 0 || at == last)) || (character == '#' && at == 0);
        if deceptive(character) {
            let mut bytes = [0; 4];
            for byte in character.encode_utf8(&mut bytes).bytes() {
                out.extend(['\\', digit(byte >> 4), digit(byte & 15)]);
            }
        } else {
            if special(character) || at_an_end {
                out.push('\\');
            }
            out.push(character);
        }
    }
    Cow::Owned(out)
}

fn digit(number: u8) -> char {
    char::from_digit(u32::from(number), 16).unwrap_or('0').to_ascii_uppercase()
}

fn special(character: char) -> bool {
    matches!(character, '"' | '+' | ',' | ';' | '<' | '>' | '\\')
}

/// Control characters, and the marks that turn, hide or join text.
fn deceptive(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{061C}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
}

fn text_of(value: &Any<'_>) -> (Option<StringType>, Option<String>) {
    let bytes = value.data;
    let utf8 = || String::from_utf8(bytes.to_vec()).ok();
    let ascii = || bytes.is_ascii().then(|| bytes.iter().copied().map(char::from).collect());
    match value.tag() {
        Tag::PrintableString => (Some(StringType::PrintableString), utf8()),
        Tag::Utf8String => (Some(StringType::Utf8String), utf8()),
        Tag::Ia5String => (Some(StringType::Ia5String), ascii()),
        Tag::NumericString => (Some(StringType::NumericString), ascii()),
        Tag::VisibleString => (Some(StringType::VisibleString), ascii()),
        Tag::T61String => (Some(StringType::TeletexString), Some(bytes.iter().copied().map(char::from).collect())),
        Tag::BmpString => (Some(StringType::BmpString), two_bytes_each(bytes)),
        Tag::UniversalString => (Some(StringType::UniversalString), four_bytes_each(bytes)),
        _ => (None, None),
    }
}

fn two_bytes_each(bytes: &[u8]) -> Option<String> {
    let (pairs, rest) = (bytes.chunks_exact(2), bytes.len() % 2);
    let units: Vec<u16> = pairs.map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    (rest == 0).then(|| String::from_utf16(&units).ok())?
}

fn four_bytes_each(bytes: &[u8]) -> Option<String> {
    let (fours, rest) = (bytes.chunks_exact(4), bytes.len() % 4);
    let text: Option<String> = fours.map(|four| char::from_u32(u32::from_be_bytes([four[0], four[1], four[2], four[3]]))).collect();
    (rest == 0).then_some(text)?
}

/// For what is no string, openssl and pyca show the bytes of the value itself.
fn raw_of(value: &Any<'_>) -> Vec<u8> {
    value.data.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(rdns: &[&[(&str, &str)]]) -> Name {
        let attribute = |(oid, text): &(&str, &str)| Attribute {
            oid: Cow::Owned((*oid).to_owned()),
            string_type: Some(StringType::Utf8String),
            text: Some((*text).to_owned()),
            raw: text.as_bytes().to_vec(),
        };
        Name { rdns: rdns.iter().map(|rdn| rdn.iter().map(attribute).collect()).collect() }
    }

    #[test]
    fn a_common_name_cannot_pass_for_a_group() {
        let deceit = name(&[&[("2.5.4.3", "x, O=system:masters")]]);
        assert_eq!(deceit.to_string(), "CN=x\\, O\\=system:masters".replace("\\=", "="));
        assert_eq!(deceit.organizations().count(), 0);
        assert_eq!(name(&[&[("2.5.4.10", "system:masters")], &[("2.5.4.3", "x")]]).to_string(), "CN=x,O=system:masters");
    }

    #[test]
    fn what_turns_or_hides_text_is_shown_as_bytes() {
        assert_eq!(escaped("a\u{1b}[2Jb"), "a\\1B[2Jb");
        assert_eq!(escaped("a\u{202e}b\0"), "a\\E2\\80\\AEb\\00");
        assert_eq!(escaped(" #a "), "\\ #a\\ ");
        assert_eq!(escaped("#a"), "\\#a");
        assert_eq!(escaped("Delft"), "Delft");
    }

    #[test]
    fn the_order_of_the_certificate_and_shared_relative_names_are_kept() {
        let both = name(&[&[("2.5.4.10", "zeta"), ("2.5.4.10", "alpha")], &[("2.5.4.3", "a")], &[("1.2.3", "b")]]);
        assert_eq!(both.rdn_strings(), ["O=zeta+O=alpha", "CN=a", "1.2.3=b"]);
        assert_eq!(both.to_string(), "1.2.3=b,CN=a,O=zeta+O=alpha");
    }

    #[test]
    fn strings_of_two_and_four_bytes_are_read_or_shown_as_bytes() {
        assert_eq!(two_bytes_each(&[0, b'a', 0x20, 0xAC]).as_deref(), Some("a€"));
        assert_eq!([two_bytes_each(&[0]), two_bytes_each(&[0xD8, 0])], [None, None]);
        assert_eq!(four_bytes_each(&[0, 1, 0xF6, 0]).as_deref(), Some("😀"));
        assert_eq!(four_bytes_each(&[0, 0x11, 0, 0]), None);
    }
}
