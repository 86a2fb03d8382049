//! JSON into numbers the way Go's `encoding/json` fills a struct, which is how upstream reads its parameters.
//!
//! Keys match without regard to case, unknown ones are skipped, a duplicate overwrites, `null` leaves a value as it was, an integer
//! field takes only an integer literal. Source: `encoding/json/decode.go`, Go 1.26, tried against it with random documents.
//!
//! DIFFERENCE: Go refuses documents nested deeper than 10,000 levels; here depth has no limit. It matters only inside unknown keys.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::ControlMode;
use crate::error::Error;

/// The fields of a document that must be an object or `null`, in their order, duplicates included.
pub(super) fn fields(mode: ControlMode, json: &str) -> Result<Vec<(String, &RawValue)>, Error> {
    let document: &RawValue = syntax(mode, json)?;
    match document.get().as_bytes().first() {
        Some(b'n') => Ok(Vec::new()),
        Some(b'{') => syntax::<Fields<'_>>(mode, document.get()).map(|fields| fields.0),
        _ => Err(wrong(Slot { mode, field: "the document" }, "an object", document)),
    }
}

/// Whether Go takes this key for that field: letters match without regard to case, in Unicode's simple folding.
pub(super) fn names(key: &str, field: &str) -> bool {
    // U+017F and U+212A are the only letters beyond ASCII that fold to ASCII ones.
    let folded = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    key.chars().map(folded).eq(field.chars().map(folded))
}

/// Where a value is going, for the error.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    pub(super) mode: ControlMode,
    pub(super) field: &'static str,
}

/// Fills an `int`: 64 bits, integer literals only (`1.0` and `1e2` are errors).
pub(super) fn set_int(slot: Slot, value: &RawValue, into: &mut i64) -> Result<(), Error> {
    if is_null(value) {
        return Ok(());
    }
    *into = value.get().parse().map_err(|_| wrong(slot, "an integer of 64 bits, without fraction or exponent", value))?;
    Ok(())
}

/// Fills a `float64`, correctly rounded. A literal beyond the range is an error, one too small to represent becomes 0.
pub(super) fn set_float(slot: Slot, value: &RawValue, into: &mut f64) -> Result<(), Error> {
    if is_null(value) {
        return Ok(());
    }
    let number = value.get().as_bytes().first().is_some_and(|&b| b == b'-' || b.is_ascii_digit());
    let parsed = value.get().parse::<f64>().ok().filter(|parsed| number && parsed.is_finite());
    *into = parsed.ok_or_else(|| wrong(slot, "a number", value))?;
    Ok(())
}

/// Fills a `bool`.
pub(super) fn set_bool(slot: Slot, value: &RawValue, into: &mut bool) -> Result<(), Error> {
    match value.get() {
        "null" => {}
        "true" => *into = true,
        "false" => *into = false,
        _ => return Err(wrong(slot, "true or false", value)),
    }
    Ok(())
}

/// A `[][2]int` with the memory that Go keeps behind it.
///
/// Go decodes a second occurrence of a key into the entries of the first: a `null` or a missing number there shows what stood before.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    /// Every entry since the list was last emptied.
    memory: Vec<[i64; 2]>,
    len: usize,
}

impl Pairs {
    /// Fills the list: short entries are padded with 0, numbers after the second are dropped unseen.
    pub(super) fn set(&mut self, slot: Slot, value: &RawValue) -> Result<(), Error> {
        let Some(entries) = elements(slot, "a list of [threshold, replicas]", value)? else {
            *self = Self::default();
            return Ok(());
        };
        if entries.is_empty() {
            *self = Self::default();
        }
        for (at, entry) in entries.iter().enumerate() {
            if at == self.memory.len() {
                self.memory.push([0, 0]);
            }
            if let Some(pair) = self.memory.get_mut(at) {
                set_pair(slot, entry, pair)?;
            }
        }
        self.len = entries.len();
        Ok(())
    }

    /// The entries, in their order.
    pub(super) fn into_entries(mut self) -> Vec<[i64; 2]> {
        self.memory.truncate(self.len);
        self.memory
    }
}

fn set_pair(slot: Slot, value: &RawValue, pair: &mut [i64; 2]) -> Result<(), Error> {
    let Some(numbers) = elements(slot, "entries of the form [threshold, replicas]", value)? else {
        return Ok(());
    };
    for (at, into) in pair.iter_mut().enumerate() {
        match numbers.get(at) {
            Some(number) => set_int(slot, number, into)?,
            None => *into = 0,
        }
    }
    Ok(())
}

/// The elements of an array, or `None` for `null`.
fn elements<'a>(slot: Slot, wanted: &'static str, value: &'a RawValue) -> Result<Option<Vec<&'a RawValue>>, Error> {
    match value.get().as_bytes().first() {
        Some(b'n') => Ok(None),
        Some(b'[') => syntax(slot.mode, value.get()).map(Some),
        _ => Err(wrong(slot, wanted, value)),
    }
}

fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

fn syntax<'a, T: Deserialize<'a>>(mode: ControlMode, json: &'a str) -> Result<T, Error> {
    serde_json::from_str(json).map_err(|error| Error::InvalidJson { mode, detail: error.to_string() })
}

fn wrong(slot: Slot, wanted: &'static str, value: &RawValue) -> Error {
    Error::WrongKind { mode: slot.mode, field: slot.field, wanted, found: value.get().chars().take(80).collect() }
}

/// An object as a list, so that order and duplicates are kept.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder).map(Fields)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some((Key(key), value)) = map.next_entry()? {
            fields.push((key, value));
        }
        Ok(fields)
    }
}

/// A key as Go reads it: half of a surrogate pair becomes U+FFFD, where a Rust string would be an error.
struct Key(String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(Lossy).map(Key)
    }
}

struct Lossy;

impl Visitor<'_> for Lossy {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_bytes<E>(self, key: &[u8]) -> Result<String, E> {
        Ok(String::from_utf8_lossy(key).into_owned())
    }
}
