//! How a quantity is written and read in JSON, YAML and everything else that serde knows.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

use super::Quantity;

/// The text that Display shows, as upstream's `MarshalJSON`.
impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A text with white space around it, a number, or null for zero, as upstream's `UnmarshalJSON`.
///
/// DIFFERENCE: upstream reads the raw bytes of the document, so an escape (`"\u0031"`) is an error there and read here, and
/// an unquoted number keeps its spelling there (`1e3` has the format `DecimalExponent`), while here it comes as serde's
/// format understands it, whole or nearest float. Kubernetes itself always writes texts.
impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyForm)
    }
}

struct AnyForm;

impl Visitor<'_> for AnyForm {
    type Value = Quantity;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a quantity such as \"500m\" or \"8Gi\", a number or null")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Quantity, E> {
        Quantity::from_bytes(text.trim().as_bytes()).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Quantity, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Quantity, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Quantity, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_unit<E: Error>(self) -> Result<Quantity, E> {
        Ok(Quantity::zero())
    }

    fn visit_none<E: Error>(self) -> Result<Quantity, E> {
        Ok(Quantity::zero())
    }
}

#[cfg(test)]
mod tests {
    use super::Quantity;

    fn shown(json: &str) -> String {
        serde_json::from_str::<Quantity>(json).map_or_else(|error| error.to_string(), |quantity| quantity.to_string())
    }

    #[test]
    fn texts_are_trimmed_and_numbers_and_null_are_read() {
        assert_eq!([shown("\" 8Gi \""), shown("1.5"), shown("-3"), shown("null")], ["8Gi", "1500m", "-3", "0"]);
        assert_eq!([shown("18446744073709551615"), shown("1e21")], ["18446744073709551615", "1000000000000000000000"].map(shown_plain));
    }

    fn shown_plain(text: &str) -> String {
        text.parse::<Quantity>().unwrap().to_string()
    }

    #[test]
    fn what_is_written_is_what_is_shown() {
        let quantity: Quantity = "007.500".parse().unwrap();
        assert_eq!(serde_json::to_string(&quantity).unwrap(), "\"007.500\"");
    }

    #[test]
    fn a_wrong_text_names_itself() {
        assert!(shown("\"8GB\"").contains("\"8GB\": quantities must match"));
        assert!(shown("true").contains("a quantity such as"));
    }
}
