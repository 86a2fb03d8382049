//! The units behind the number: apimachinery `pkg/api/resource/suffix.go@v0.36.2`.

use super::Format;

/// What a suffix multiplies by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// `10^exponent`, printed as a letter.
    Decimal(i32),
    /// `2^exponent`.
    Binary(u32),
    /// `10^exponent`, printed as `e` and a number.
    Exponent(i32),
}

/// Reads a suffix. A lone `E` is exa, `E3` an exponent; `K`, `ki`, `e` alone and anything else are none.
pub(super) fn read(suffix: &[u8]) -> Option<Unit> {
    Some(match suffix {
        b"" => Unit::Decimal(0),
        b"m" => Unit::Decimal(-3),
        b"Ki" => Unit::Binary(10),
        b"Mi" => Unit::Binary(20),
        b"Gi" => Unit::Binary(30),
        b"Ti" => Unit::Binary(40),
        b"Pi" => Unit::Binary(50),
        b"Ei" => Unit::Binary(60),
        b"n" => Unit::Decimal(-9),
        b"u" => Unit::Decimal(-6),
        b"k" => Unit::Decimal(3),
        b"M" => Unit::Decimal(6),
        b"G" => Unit::Decimal(9),
        b"T" => Unit::Decimal(12),
        b"P" => Unit::Decimal(15),
        b"E" => Unit::Decimal(18),
        [b'e' | b'E', digits @ ..] => Unit::Exponent(exponent(digits)?),
        _ => return None,
    })
}

/// Reads 64 bits and keeps the low 32, as upstream does: `1e4294967297` is `1e1`.
fn exponent(digits: &[u8]) -> Option<i32> {
    let wide: i64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "upstream's int32(parsed)")]
    Some(wide as i32)
}

/// The letter or exponent for `10^exponent`; nothing where there is none.
///
/// Upstream drops the exponent silently where no letter has it, so `1000E` prints as `1`. That is kept.
pub(super) fn decimal(exponent: i32) -> &'static str {
    match exponent {
        -9 => "n",
        -6 => "u",
        -3 => "m",
        3 => "k",
        6 => "M",
        9 => "G",
        12 => "T",
        15 => "P",
        18 => "E",
        _ => "",
    }
}

/// The letters for `1024^power`; nothing beyond `Ei`, as in [`decimal`].
pub(super) fn binary(power: u32) -> &'static str {
    match power {
        1 => "Ki",
        2 => "Mi",
        3 => "Gi",
        4 => "Ti",
        5 => "Pi",
        6 => "Ei",
        _ => "",
    }
}

impl Unit {
    pub(super) fn format(self) -> Format {
        match self {
            Self::Decimal(_) => Format::DecimalSI,
            Self::Binary(_) => Format::BinarySI,
            Self::Exponent(_) => Format::DecimalExponent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_e_is_exa_and_one_with_digits_an_exponent() {
        assert_eq!([read(b"E"), read(b"e"), read(b"E3")], [Some(Unit::Decimal(18)), None, Some(Unit::Exponent(3))]);
        assert_eq!([read(b"e+3"), read(b"e-3"), read(b"e+"), read(b"eE3")], [Some(Unit::Exponent(3)), Some(Unit::Exponent(-3)), None, None]);
    }

    #[test]
    fn an_exponent_keeps_its_low_32_bits() {
        assert_eq!(read(b"e9223372036854775807"), Some(Unit::Exponent(-1)));
        assert_eq!(read(b"e4294967297"), Some(Unit::Exponent(1)));
        assert_eq!(read(b"e9223372036854775808"), None);
    }

    #[test]
    fn what_is_no_unit_is_refused() {
        for text in ["K", "ki", "KI", "i", "mm", "Kii", "kE", "e1e1", "+3", "-", "3"] {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
    }
}
