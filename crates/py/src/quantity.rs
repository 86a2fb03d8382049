//! `trimtab.Quantity`, and the arguments that are amounts of bytes.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyInt, PyString};
use trimtab::quantity::{Format, Quantity, Scale};
use trimtab::{Bytes, quantity::QuantityError};

use crate::error::OrRaise;

/// A fixed-point number with a unit, as Kubernetes writes amounts: `"500m"`, `"8Gi"`, `"1e3"`; exactly apimachinery's
/// `resource.Quantity` (`pkg/api/resource/quantity.go`, the same from 1.12 to 1.37), bit for bit.
///
/// Made of a text or of a whole number; immutable. Equality, order and hash go by the number alone, so `Quantity("1")`
/// equals `Quantity("1000m")`; `str()` keeps what upstream prints.
///
/// Raises `InvalidInput` for what is no quantity, and beyond 4096 digits or exponents of 4096. A float is a `TypeError`:
/// write a text, so that nobody has to guess its digits.
///
/// >>> from trimtab import Quantity
/// >>> memory = Quantity("1.5Gi")
/// >>> memory.value(), str(memory), str(memory + Quantity("512Mi"))
/// (1610612736, '1536Mi', '2Gi')
/// >>> Quantity("0.1").milli_value(), Quantity("0.1").value()
/// (100, 1)
///
/// What surprises: a whole value is rounded away from zero, negative numbers in one of two forms toward it
/// (`Quantity("-0.1Ki").value()` is -101); what 64 bits do not hold wraps, as it does in the kubelet.
#[pyclass(name = "Quantity", module = "trimtab", frozen, eq, ord, hash)]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PyQuantity(pub(crate) Quantity);

#[pymethods]
impl PyQuantity {
    #[new]
    #[pyo3(signature = (amount, /))]
    fn new(amount: Amount) -> Self {
        Self(amount.0)
    }

    /// The whole units, rounded away from zero (mostly, see the class); wraps at 64 bits. Upstream's `Value`.
    ///
    /// >>> from trimtab import Quantity
    /// >>> Quantity("1001m").value(), Quantity("9223372036854775808").value()
    /// (2, -9223372036854775808)
    fn value(&self) -> i64 {
        self.0.value()
    }

    /// The thousandths, rounded as in `value`. Upstream's `MilliValue`.
    ///
    /// >>> from trimtab import Quantity
    /// >>> Quantity("1.5").milli_value(), Quantity("100P").milli_value()  # more than 64 bits hold
    /// (1500, 0)
    fn milli_value(&self) -> i64 {
        self.0.milli_value()
    }

    /// The multiples of 10 to the power of `scale` (-4096 to 4096), rounded as in `value`. Upstream's `ScaledValue`.
    ///
    /// >>> from trimtab import Quantity
    /// >>> Quantity("1500").scaled_value(3)
    /// 2
    #[pyo3(signature = (scale, /))]
    fn scaled_value(&self, scale: i32) -> PyResult<i64> {
        Ok(self.0.scaled_value(Scale::new(scale).or_raise()?))
    }

    /// As `scaled_value`, but always away from zero, and `None` where it does not fit 64 bits. trimtab's own.
    ///
    /// >>> from trimtab import Quantity
    /// >>> Quantity("-0.1Ki").checked_scaled_value(0), Quantity("100P").checked_scaled_value(-3)
    /// (-103, None)
    #[pyo3(signature = (scale, /))]
    fn checked_scaled_value(&self, scale: i32) -> PyResult<Option<i64>> {
        Ok(self.0.checked_scaled_value(Scale::new(scale).or_raise()?))
    }

    /// The whole number where upstream's `AsInt64` has it (no digit was written behind the point, and it fits), else `None`.
    ///
    /// >>> from trimtab import Quantity
    /// >>> Quantity("8Gi").as_int64(), Quantity("1000m").as_int64()
    /// (8589934592, None)
    fn as_int64(&self) -> Option<i64> {
        self.0.as_int64()
    }

    /// -1, 0 or 1. Upstream's `Sign`.
    ///
    /// >>> from trimtab import Quantity
    /// >>> Quantity("-1n").sign
    /// -1
    #[getter]
    fn sign(&self) -> i8 {
        self.0.sign() as i8
    }

    /// Whether the number is zero.
    ///
    /// >>> from trimtab import Quantity
    /// >>> Quantity("0Ki").is_zero
    /// True
    #[getter]
    fn is_zero(&self) -> bool {
        self.0.is_zero()
    }

    /// Whether it is in upstream's big form (`inf.Dec`), which rounds negative numbers the other way.
    ///
    /// >>> from trimtab import Quantity
    /// >>> Quantity("1.5Gi").is_big, Quantity("1536Mi").is_big
    /// (True, False)
    #[getter]
    fn is_big(&self) -> bool {
        self.0.is_big()
    }

    /// How it is printed: `"DecimalSI"`, `"BinarySI"` or `"DecimalExponent"`, given by the suffix that was read.
    ///
    /// >>> from trimtab import Quantity
    /// >>> Quantity("1E3").format, Quantity("1Ki").format
    /// ('DecimalExponent', 'BinarySI')
    #[getter]
    fn format(&self) -> String {
        self.0.format().to_string()
    }

    /// The canonical text: a whole number with the largest suffix. `str()` differs only where a text was kept as it was read.
    ///
    /// >>> from trimtab import Quantity
    /// >>> Quantity("007.500").canonical(), str(Quantity("007.500"))
    /// ('7500m', '007.500')
    fn canonical(&self) -> String {
        self.0.canonical()
    }

    /// The number as a float, by one multiplication; may miss the nearest float. Upstream's `AsApproximateFloat64`.
    ///
    /// >>> from trimtab import Quantity
    /// >>> Quantity("100m").approximate_f64()
    /// 0.1
    fn approximate_f64(&self) -> f64 {
        self.0.approximate_f64()
    }

    /// The number as a float, nearly always the nearest one; also what `float()` gives. Upstream's `AsFloat64Slow`.
    ///
    /// >>> from trimtab import Quantity
    /// >>> float(Quantity("1.1")), Quantity("1e400").f64_slow()
    /// (1.1, inf)
    fn f64_slow(&self) -> f64 {
        self.0.f64_slow()
    }

    /// Rounded away from zero to a multiple of 10 to the power of `scale`, and whether that was exact. Upstream's `RoundUp`.
    ///
    /// >>> from trimtab import Quantity
    /// >>> Quantity("-1500u").round_up(-3)
    /// (Quantity('-2m'), False)
    #[pyo3(signature = (scale, /))]
    fn round_up(&self, scale: i32) -> PyResult<(Self, bool)> {
        let mut rounded = self.0.clone();
        let exact = rounded.round_up(Scale::new(scale).or_raise()?);
        Ok((Self(rounded), exact))
    }

    fn __add__(&self, other: Number) -> Self {
        Self(self.0.clone() + other.0)
    }

    fn __radd__(&self, other: Number) -> Self {
        Self(other.0 + &self.0)
    }

    fn __sub__(&self, other: Number) -> Self {
        Self(self.0.clone() - other.0)
    }

    fn __rsub__(&self, other: Number) -> Self {
        Self(other.0 - &self.0)
    }

    fn __mul__(&self, factor: i64) -> Self {
        let mut product = self.0.clone();
        product.mul(factor);
        Self(product)
    }

    fn __rmul__(&self, factor: i64) -> Self {
        self.__mul__(factor)
    }

    fn __neg__(&self) -> Self {
        let mut negative = self.0.clone();
        negative.neg();
        Self(negative)
    }

    fn __bool__(&self) -> bool {
        !self.0.is_zero()
    }

    fn __float__(&self) -> f64 {
        self.0.f64_slow()
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("Quantity('{}')", self.0)
    }

    /// The text. Where that says another number (upstream prints `1000E` as `1`), the same number with an exponent.
    fn __getnewargs__(&self) -> (String,) {
        let text = self.0.to_string();
        if text.parse::<Quantity>().as_ref() == Ok(&self.0) {
            return (text,);
        }
        let one = Quantity::from_value(1, Format::DecimalExponent);
        ((one.clone() + &self.0 - one).to_string(),)
    }
}

/// An argument: a `Quantity`, a text or a whole number.
pub(crate) struct Amount(pub(crate) Quantity);

impl<'py> FromPyObject<'_, 'py> for Amount {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(text) = given.cast::<PyString>() {
            return text.to_string_lossy().parse().or_raise().map(Self);
        }
        given.extract::<Number>().map(|number| Self(number.0))
    }
}

/// The other side of a sum: a `Quantity` or a whole number.
pub(crate) struct Number(Quantity);

impl<'py> FromPyObject<'_, 'py> for Number {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(quantity) = given.cast::<PyQuantity>() {
            return Ok(Self(quantity.get().0.clone()));
        }
        if given.is_instance_of::<PyBool>() {
            return Err(pyo3::exceptions::PyTypeError::new_err("a boolean is no amount"));
        }
        let number = given.cast::<PyInt>()?;
        match number.extract::<i64>() {
            Ok(value) => Ok(Self(Quantity::from_value(value, Format::DecimalSI))),
            Err(_) => digits(number).parse().or_raise().map(Self),
        }
    }
}

/// Python itself refuses to print integers of more than 4300 digits; far fewer are beyond what is read.
fn digits(number: Borrowed<'_, '_, PyInt>) -> String {
    number.str().map_or_else(|_| "9".repeat(trimtab::quantity::MAX_DIGITS + 1), |text| text.to_string_lossy().into_owned())
}

/// An argument: an amount of memory as `int` bytes, `"8Gi"` or a `Quantity`; a fraction of a byte is rounded away from zero.
pub(crate) struct MemoryBytes(pub(crate) Bytes);

impl MemoryBytes {
    /// Where nothing below zero makes sense.
    pub(crate) fn unsigned(&self, argument: &str) -> PyResult<u64> {
        u64::try_from(self.0.get()).map_err(|_| crate::error::Trouble::out_of_range(argument, &self.0, "from 0 on")).or_raise()
    }
}

impl<'py> FromPyObject<'_, 'py> for MemoryBytes {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let amount: Amount = given.extract()?;
        let bytes: Result<Bytes, QuantityError> = Bytes::try_from(&amount.0);
        bytes.or_raise().map(Self)
    }
}
