//! A serde deserializer over a Python object.

use pyo3::prelude::*;
use pyo3::types::dict::BoundDictIterator;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyIterator, PyList, PyMapping, PyString, PyTuple};
use serde::de::value::StringDeserializer;
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::Problem;
use crate::quantity::PyQuantity;

/// A dictionary that contains itself must end somewhere; the same bound as `serde_json` has.
const MAX_DEPTH: u8 = 128;

/// One Python object, and how deep it lies.
pub(super) struct Reader<'a, 'py> {
    value: &'a Bound<'py, PyAny>,
    depth: u8,
}

impl<'a, 'py> Reader<'a, 'py> {
    pub(super) const fn new(value: &'a Bound<'py, PyAny>) -> Self {
        Self { value, depth: 0 }
    }

    fn deeper(&self) -> Result<u8, Problem> {
        if self.depth < MAX_DEPTH { Ok(self.depth + 1) } else { Err(Problem::custom(format_args!("nested deeper than {MAX_DEPTH} levels"))) }
    }

    /// What is neither a plain value, a list nor a dictionary.
    fn visit_other<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        if let Ok(quantity) = self.value.cast::<PyQuantity>() {
            return visitor.visit_string(quantity.get().0.to_string());
        }
        if let Ok(mapping) = self.value.cast::<PyMapping>() {
            let items = mapping.items()?;
            return visitor.visit_map(Entries { pairs: Items(items.try_iter()?), value: None, depth: self.deeper()? });
        }
        let name = self.value.get_type().name()?.to_string();
        Err(Problem::invalid_type(Unexpected::Other(&format!("a Python {name}")), &visitor))
    }
}

impl<'de> Deserializer<'de> for Reader<'_, '_> {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let value = self.value;
        if let Ok(text) = value.cast::<PyString>() {
            visitor.visit_str(text.to_str()?)
        } else if let Ok(dict) = value.cast::<PyDict>() {
            visitor.visit_map(Entries { pairs: dict.iter(), value: None, depth: self.deeper()? })
        } else if let Ok(list) = value.cast::<PyList>() {
            visitor.visit_seq(Elements { elements: list.iter(), depth: self.deeper()? })
        } else if value.is_none() {
            visitor.visit_unit()
        } else if let Ok(yes) = value.cast::<PyBool>() {
            visitor.visit_bool(yes.is_true())
        } else if let Ok(number) = value.cast::<PyInt>() {
            visit_int(number, visitor)
        } else if let Ok(number) = value.cast::<PyFloat>() {
            visitor.visit_f64(number.value())
        } else if let Ok(tuple) = value.cast::<PyTuple>() {
            visitor.visit_seq(Elements { elements: tuple.iter(), depth: self.deeper()? })
        } else {
            self.visit_other(visitor)
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        if self.value.is_none() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(self, _name: &'static str, _variants: &'static [&'static str], visitor: V) -> Result<V::Value, Problem> {
        if let Ok(text) = self.value.cast::<PyString>() {
            return visitor.visit_enum(text.to_str()?.into_deserializer());
        }
        let depth = self.deeper()?;
        let entry = self.value.cast::<PyDict>().ok().filter(|dict| dict.len() == 1).and_then(|dict| dict.iter().next());
        let Some((key, content)) = entry else {
            return Err(Problem::custom("expected the name of a variant, or a dictionary with it as the only key"));
        };
        visitor.visit_enum(Variant { name: text_of(&key)?, content, depth })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_unit()
    }

    /// A list is no map: serde would take one for a struct, field by field.
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let is_list = self.value.is_instance_of::<PyList>() || self.value.is_instance_of::<PyTuple>();
        if is_list { Err(Problem::invalid_type(Unexpected::Seq, &visitor)) } else { self.deserialize_any(visitor) }
    }

    fn deserialize_struct<V: Visitor<'de>>(self, _name: &'static str, _fields: &'static [&'static str], visitor: V) -> Result<V::Value, Problem> {
        self.deserialize_map(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct
        identifier
    }
}

fn visit_int<'de, V: Visitor<'de>>(number: &Bound<'_, PyInt>, visitor: V) -> Result<V::Value, Problem> {
    if let Ok(number) = number.extract::<i64>() {
        visitor.visit_i64(number)
    } else if let Ok(number) = number.extract::<u64>() {
        visitor.visit_u64(number)
    } else {
        Err(Problem::invalid_value(Unexpected::Other("an integer beyond 64 bits"), &visitor))
    }
}

fn text_of(key: &Bound<'_, PyAny>) -> Result<String, Problem> {
    match key.cast::<PyString>() {
        Ok(text) => Ok(text.to_str()?.to_owned()),
        Err(_) => Err(Problem::custom(format_args!("the key {} is no text", key.repr()?))),
    }
}

struct Elements<I> {
    elements: I,
    depth: u8,
}

impl<'de, 'py, I: Iterator<Item = Bound<'py, PyAny>>> SeqAccess<'de> for Elements<I> {
    type Error = Problem;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Problem> {
        let depth = self.depth;
        self.elements.next().map(|value| seed.deserialize(Reader { value: &value, depth })).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.elements.size_hint().0)
    }
}

/// A key and its value.
type Pair<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);

/// A source of keys and values.
trait Pairs<'py> {
    fn next_pair(&mut self) -> Result<Option<Pair<'py>>, Problem>;
}

impl<'py> Pairs<'py> for BoundDictIterator<'py> {
    fn next_pair(&mut self) -> Result<Option<Pair<'py>>, Problem> {
        Ok(self.next())
    }
}

/// The items of a mapping that is no dictionary.
struct Items<'py>(Bound<'py, PyIterator>);

impl<'py> Pairs<'py> for Items<'py> {
    fn next_pair(&mut self) -> Result<Option<Pair<'py>>, Problem> {
        Ok(self.0.next().map(|item| item?.extract()).transpose()?)
    }
}

struct Entries<'py, P> {
    pairs: P,
    value: Option<Bound<'py, PyAny>>,
    depth: u8,
}

impl<'de, 'py, P: Pairs<'py>> MapAccess<'de> for Entries<'py, P> {
    type Error = Problem;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Problem> {
        let Some((key, value)) = self.pairs.next_pair()? else { return Ok(None) };
        self.value = Some(value);
        match key.cast::<PyString>() {
            Ok(text) => seed.deserialize(Key(text.to_str()?)).map(Some),
            Err(_) => Err(Problem::custom(format_args!("the key {} is no text", key.repr()?))),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Problem> {
        let value = self.value.take().ok_or_else(|| Problem::custom("a value was asked for before its key"))?;
        seed.deserialize(Reader { value: &value, depth: self.depth })
    }
}

/// A key, lent: the name of a field costs no copy.
struct Key<'a>(&'a str);

impl<'de> Deserializer<'de> for Key<'_> {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_str(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map
        struct enum identifier ignored_any
    }
}

/// `{"name": content}`.
struct Variant<'py> {
    name: String,
    content: Bound<'py, PyAny>,
    depth: u8,
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Problem;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Problem> {
        let name: StringDeserializer<Problem> = self.name.clone().into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Problem;

    fn unit_variant(self) -> Result<(), Problem> {
        if self.content.is_none() { Ok(()) } else { Err(Problem::custom(format_args!("{} takes nothing: write it as a text", self.name))) }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Problem> {
        seed.deserialize(Reader { value: &self.content, depth: self.depth })
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Problem> {
        Reader { value: &self.content, depth: self.depth }.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _fields: &'static [&'static str], visitor: V) -> Result<V::Value, Problem> {
        Reader { value: &self.content, depth: self.depth }.deserialize_any(visitor)
    }
}
