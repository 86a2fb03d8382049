//! A serde serializer into Python objects: dictionaries, lists, texts, numbers, `None`.

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use serde::ser::{
    Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple, SerializeTupleStruct,
    SerializeTupleVariant, Serializer,
};

use super::Problem;
use crate::error::{OrRaise, Trouble};

/// As a Python object; the order of a struct's fields is kept.
pub(crate) fn write<'py, T: Serialize + ?Sized>(py: Python<'py>, value: &T) -> PyResult<Bound<'py, PyAny>> {
    value.serialize(Writer { py }).map_err(|problem| Trouble::unwritable(&problem.to_string())).or_raise()
}

/// As a dictionary, where a struct or a map is written.
pub(crate) fn write_dict<'py, T: Serialize + ?Sized>(py: Python<'py>, value: &T) -> PyResult<Bound<'py, PyDict>> {
    Ok(write(py, value)?.cast_into::<PyDict>()?)
}

#[derive(Clone, Copy)]
struct Writer<'py> {
    py: Python<'py>,
}

type Written<'py> = Result<Bound<'py, PyAny>, Problem>;

impl<'py> Writer<'py> {
    fn plain<T: IntoPyObject<'py>>(self, value: T) -> Written<'py> {
        value.into_bound_py_any(self.py).map_err(Problem::from)
    }

    fn list(self) -> List<'py> {
        List { writer: self, elements: Vec::new(), variant: None }
    }

    fn dict(self) -> Dict<'py> {
        Dict { writer: self, entries: PyDict::new(self.py), key: None, variant: None }
    }

    /// `{variant: content}`, or the content alone where it is in no variant.
    fn within(self, variant: Option<&'static str>, content: Bound<'py, PyAny>) -> Written<'py> {
        let Some(variant) = variant else { return Ok(content) };
        let dict = PyDict::new(self.py);
        dict.set_item(variant, content)?;
        Ok(dict.into_any())
    }
}

macro_rules! plain {
    ($($method:ident: $type:ty),+ $(,)?) => {
        $(fn $method(self, value: $type) -> Written<'py> {
            self.plain(value)
        })+
    };
}

impl<'py> Serializer for Writer<'py> {
    type Ok = Bound<'py, PyAny>;
    type Error = Problem;
    type SerializeSeq = List<'py>;
    type SerializeTuple = List<'py>;
    type SerializeTupleStruct = List<'py>;
    type SerializeTupleVariant = List<'py>;
    type SerializeMap = Dict<'py>;
    type SerializeStruct = Dict<'py>;
    type SerializeStructVariant = Dict<'py>;

    plain! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
        serialize_f32: f32, serialize_f64: f64, serialize_char: char, serialize_str: &str,
    }

    fn serialize_bytes(self, value: &[u8]) -> Written<'py> {
        Ok(PyBytes::new(self.py, value).into_any())
    }

    fn serialize_none(self) -> Written<'py> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Written<'py> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Written<'py> {
        Ok(self.py.None().into_bound(self.py))
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Written<'py> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _name: &'static str, _index: u32, variant: &'static str) -> Written<'py> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _name: &'static str, value: &T) -> Written<'py> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(self, _name: &'static str, _index: u32, variant: &'static str, value: &T) -> Written<'py> {
        let content = value.serialize(self)?;
        self.within(Some(variant), content)
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<List<'py>, Problem> {
        Ok(self.list())
    }

    fn serialize_tuple(self, _len: usize) -> Result<List<'py>, Problem> {
        Ok(self.list())
    }

    fn serialize_tuple_struct(self, _name: &'static str, _len: usize) -> Result<List<'py>, Problem> {
        Ok(self.list())
    }

    fn serialize_tuple_variant(self, _name: &'static str, _index: u32, variant: &'static str, _len: usize) -> Result<List<'py>, Problem> {
        Ok(List { variant: Some(variant), ..self.list() })
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Dict<'py>, Problem> {
        Ok(self.dict())
    }

    fn serialize_struct(self, _name: &'static str, _len: usize) -> Result<Dict<'py>, Problem> {
        Ok(self.dict())
    }

    fn serialize_struct_variant(self, _name: &'static str, _index: u32, variant: &'static str, _len: usize) -> Result<Dict<'py>, Problem> {
        Ok(Dict { variant: Some(variant), ..self.dict() })
    }
}

/// A list that is being filled.
struct List<'py> {
    writer: Writer<'py>,
    elements: Vec<Bound<'py, PyAny>>,
    variant: Option<&'static str>,
}

impl<'py> List<'py> {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Problem> {
        self.elements.push(value.serialize(self.writer)?);
        Ok(())
    }

    fn finish(self) -> Written<'py> {
        let list = PyList::new(self.writer.py, self.elements)?;
        self.writer.within(self.variant, list.into_any())
    }
}

macro_rules! list {
    ($($trait:ident: $push:ident),+ $(,)?) => {
        $(impl<'py> $trait for List<'py> {
            type Ok = Bound<'py, PyAny>;
            type Error = Problem;

            fn $push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Problem> {
                self.push(value)
            }

            fn end(self) -> Written<'py> {
                self.finish()
            }
        })+
    };
}

list! {
    SerializeSeq: serialize_element, SerializeTuple: serialize_element, SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field,
}

/// A dictionary that is being filled.
struct Dict<'py> {
    writer: Writer<'py>,
    entries: Bound<'py, PyDict>,
    key: Option<Bound<'py, PyAny>>,
    variant: Option<&'static str>,
}

impl<'py> Dict<'py> {
    fn put<T: Serialize + ?Sized>(&self, field: &'static str, value: &T) -> Result<(), Problem> {
        Ok(self.entries.set_item(field, value.serialize(self.writer)?)?)
    }

    fn finish(self) -> Written<'py> {
        self.writer.within(self.variant, self.entries.into_any())
    }
}

macro_rules! dict {
    ($($trait:ident),+ $(,)?) => {
        $(impl<'py> $trait for Dict<'py> {
            type Ok = Bound<'py, PyAny>;
            type Error = Problem;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, field: &'static str, value: &T) -> Result<(), Problem> {
                self.put(field, value)
            }

            fn end(self) -> Written<'py> {
                self.finish()
            }
        })+
    };
}

dict! { SerializeStruct, SerializeStructVariant }

impl<'py> SerializeMap for Dict<'py> {
    type Ok = Bound<'py, PyAny>;
    type Error = Problem;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Problem> {
        self.key = Some(key.serialize(self.writer)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Problem> {
        let key = self.key.take().ok_or_else(|| Problem::custom("a value was given before its key"))?;
        Ok(self.entries.set_item(key, value.serialize(self.writer)?)?)
    }

    fn end(self) -> Written<'py> {
        self.finish()
    }
}
