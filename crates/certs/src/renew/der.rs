//! DER, as much as certificates and keys are made of: a writer, and a strict walker whose raw slices are spliced unchanged.
//!
//! Strict means: tags of one byte, lengths definite and as short as they can be. Go's `encoding/asn1` and cryptobyte refuse the rest too.
//!
//! Source: ITU-T X.690 §8 and §10; the two forms of a time by RFC 5280 §4.1.2.5.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use x509_parser::asn1_rs::Oid;

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const NULL: u8 = 0x05;
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// The tag `[number]`, explicit: constructed. Numbers up to 30.
pub(crate) const fn context(number: u8) -> u8 {
    0xA0 | number
}

/// The tag `[number]`, implicit over something primitive.
pub(crate) const fn context_primitive(number: u8) -> u8 {
    0x80 | number
}

/// Tag, length, contents.
pub(crate) fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut der = Vec::with_capacity(contents.len() + 6);
    der.push(tag);
    push_length(&mut der, contents.len());
    der.extend_from_slice(contents);
    der
}

/// Elements behind each other in a SEQUENCE.
pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(SEQUENCE, &parts.concat())
}

/// A whole number from its big-endian bytes: no more zeros in front than its sign needs.
pub(crate) fn unsigned_integer(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let mut contents = bytes[zeros..].to_vec();
    if contents.first().is_none_or(|first| first & 0x80 != 0) {
        contents.insert(0, 0);
    }
    element(INTEGER, &contents)
}

/// Whole bytes as a BIT STRING.
pub(crate) fn bit_string(bytes: &[u8]) -> Vec<u8> {
    element(BIT_STRING, &[&[0], bytes].concat())
}

/// The second in which `time` lies: `UTCTime` from 1950 to 2049, `GeneralizedTime` otherwise; none before the year 0, which has no form.
pub(crate) fn time(time: Timestamp) -> Option<Vec<u8>> {
    let utc = TimeZone::UTC.to_datetime(time);
    let year = u16::try_from(utc.year()).ok()?;
    let rest = format!("{:02}{:02}{:02}{:02}{:02}Z", utc.month(), utc.day(), utc.hour(), utc.minute(), utc.second());
    Some(match year {
        1950..=2049 => element(UTC_TIME, format!("{:02}{rest}", year % 100).as_bytes()),
        _ => element(GENERALIZED_TIME, format!("{year:04}{rest}").as_bytes()),
    })
}

fn push_length(der: &mut Vec<u8>, length: usize) {
    let bytes = length.to_be_bytes();
    let significant = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    match significant {
        [] => der.push(0),
        [short @ 0..0x80] => der.push(*short),
        // Eight bytes at most, so it always fits beside the flag.
        long => {
            der.push(0x80 | u8::try_from(long.len()).unwrap_or(8));
            der.extend_from_slice(long);
        }
    }
}

/// What is not DER, or not the element that has to stand here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// One element, with everything that was read of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Element<'a> {
    /// As it stands there.
    pub(crate) tag: u8,
    /// Without tag and length.
    pub(crate) contents: &'a [u8],
    /// With them.
    pub(crate) raw: &'a [u8],
}

/// Walks over elements that stand behind each other.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(der: &'a [u8]) -> Self {
        Self { rest: der }
    }

    /// The inside of the one element, of this tag, that `der` is.
    pub(crate) fn inside(der: &'a [u8], tag: u8) -> Result<Self, Malformed> {
        let mut reader = Self::new(der);
        let contents = reader.expect(tag)?.contents;
        reader.end()?;
        Ok(Self::new(contents))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Whatever stands here.
    pub(crate) fn element(&mut self) -> Result<Element<'a>, Malformed> {
        let (&tag, after_tag) = self.rest.split_first().ok_or(Malformed)?;
        // Tags of several bytes stand in no certificate and no key.
        if tag & 0x1F == 0x1F {
            return Err(Malformed);
        }
        let (length, body) = length(after_tag)?;
        let contents = body.get(..length).ok_or(Malformed)?;
        let whole = self.rest.len() - body.len() + length;
        let (raw, rest) = self.rest.split_at(whole);
        self.rest = rest;
        Ok(Element { tag, contents, raw })
    }

    /// An element of this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Result<Element<'a>, Malformed> {
        let element = self.element()?;
        if element.tag == tag { Ok(element) } else { Err(Malformed) }
    }

    /// An element of this tag, if one stands here.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>, Malformed> {
        match self.rest.first() {
            Some(next) if *next == tag => self.element().map(Some),
            Some(_) | None => Ok(None),
        }
    }

    /// A BIT STRING of whole bytes.
    pub(crate) fn whole_bytes(&mut self) -> Result<&'a [u8], Malformed> {
        self.expect(BIT_STRING)?.contents.strip_prefix(&[0]).ok_or(Malformed)
    }

    /// That nothing follows.
    pub(crate) fn end(&self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

/// The length at the beginning of `der`, and what stands behind it.
fn length(der: &[u8]) -> Result<(usize, &[u8]), Malformed> {
    let (&first, rest) = der.split_first().ok_or(Malformed)?;
    if first < 0x80 {
        return Ok((usize::from(first), rest));
    }
    let count = usize::from(first & 0x7F);
    // 0x80 would be the indefinite form; four bytes are 4 GiB.
    if !(1..=4).contains(&count) || rest.len() < count {
        return Err(Malformed);
    }
    let (bytes, rest) = rest.split_at(count);
    let length = bytes.iter().fold(0, |length: usize, byte| (length << 8) | usize::from(*byte));
    if bytes[0] == 0 || length < 0x80 {
        return Err(Malformed);
    }
    Ok((length, rest))
}

/// An object identifier like `2.5.29.17` from the contents of its element.
pub(crate) fn oid_text(contents: &[u8]) -> String {
    Oid::new(contents.into()).to_id_string()
}

#[cfg(test)]
mod tests {
    use num_bigint::{BigInt, BigUint, Sign};
    use proptest::prelude::*;
    use x509_parser::asn1_rs::{Any, FromDer as _};
    use x509_parser::time::ASN1Time;

    use super::*;

    #[test]
    fn lengths_take_as_few_bytes_as_they_can() {
        let head = |length: usize| element(OCTET_STRING, &vec![0; length])[..4].to_vec();
        assert_eq!(head(127)[..2], [4, 0x7F]);
        assert_eq!(head(128)[..3], [4, 0x81, 0x80]);
        assert_eq!(head(256), [4, 0x82, 1, 0]);
        assert_eq!(element(NULL, &[]), [5, 0]);
    }

    #[test]
    fn whole_numbers_never_look_negative() {
        assert_eq!(unsigned_integer(&[]), [2, 1, 0]);
        assert_eq!(unsigned_integer(&[0, 0, 1]), [2, 1, 1]);
        assert_eq!(unsigned_integer(&[0x80]), [2, 2, 0, 0x80]);
    }

    #[test]
    fn the_form_of_a_time_changes_in_1950_and_2050() {
        let form = |text: &str| String::from_utf8(time(text.parse().unwrap()).unwrap()[2..].to_vec()).unwrap();
        assert_eq!(form("2049-12-31T23:59:59.9Z"), "491231235959Z");
        assert_eq!(form("2050-01-01T00:00:00Z"), "20500101000000Z");
        assert_eq!(form("1950-01-01T00:00:00Z"), "500101000000Z");
        assert_eq!(form("1949-12-31T23:59:59Z"), "19491231235959Z");
        assert_eq!(time("-000001-01-01T00:00:00Z".parse().unwrap()), None);
    }

    #[test]
    fn what_is_not_strict_der_is_refused() {
        for bad in [&[][..], &[0x30], &[0x30, 0x80, 0, 0], &[0x30, 0x81, 1, 0], &[0x30, 2, 0], &[0x1F, 1, 0], &[0x30, 0x82, 0, 0x80]] {
            assert_eq!(Reader::new(bad).element(), Err(Malformed), "{bad:02x?}");
        }
    }

    proptest! {
        #[test]
        fn another_reader_reads_what_is_written(tag in prop::sample::select(vec![OCTET_STRING, SEQUENCE, SET, context(0), context(3)]), contents in prop::collection::vec(any::<u8>(), 0..70_000)) {
            let der = element(tag, &contents);
            let (rest, read) = Any::from_der(&der).unwrap();
            prop_assert!(rest.is_empty());
            prop_assert_eq!(read.data, &contents[..]);
            let ours = Reader::new(&der).element().unwrap();
            prop_assert_eq!((ours.tag, ours.contents, ours.raw), (tag, &contents[..], &der[..]));
        }

        #[test]
        fn another_reader_reads_the_same_number(bytes in prop::collection::vec(any::<u8>(), 0..24)) {
            let der = unsigned_integer(&bytes);
            let (_, read) = Any::from_der(&der).unwrap();
            let (sign, number) = BigInt::from_signed_bytes_be(read.data).into_parts();
            prop_assert!(sign != Sign::Minus);
            prop_assert_eq!(number, BigUint::from_bytes_be(&bytes));
        }

        #[test]
        fn another_reader_reads_the_same_time(seconds in -62_000_000_000_i64..250_000_000_000) {
            let der = time(Timestamp::from_second(seconds).unwrap()).unwrap();
            let (_, read) = ASN1Time::from_der(&der).unwrap();
            prop_assert_eq!(read.timestamp(), seconds);
        }

        #[test]
        fn any_bytes_are_walked_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut reader = Reader::new(&bytes);
            let mut length = 0;
            while let Ok(element) = reader.element() {
                length += element.raw.len();
            }
            prop_assert!(length <= bytes.len());
        }
    }
}
