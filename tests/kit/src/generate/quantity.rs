//! Texts that are quantities, nearly are, or are nothing of the kind.

use serde_json::{Value, json};

use super::Rng;

/// Upstream writes a big quantity out digit by digit: 10^30000 costs it 0.8 s, 10^99999999 minutes and gigabytes. Cases stay far below.
const EXPONENT_BOUND: i32 = 2000;

const SUFFIXES: &[&str] = &["", "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

const WRONG_SUFFIXES: &[&str] = &[
    "K",
    "ki",
    "KI",
    "Kib",
    "mi",
    "ni",
    "i",
    "e",
    "E+",
    "e-",
    "ee3",
    "E3Ki",
    "k3",
    "n-3",
    ".",
    " ",
    "Mb",
    "µ",
    "e1.5",
    "e1e1",
    "Ii",
    "e99999999999999999999",
];

/// At the edges of 64 bits, of the fast form's eighteen digits, of the cap on binary values, of what a double holds.
const EDGES: &[&str] = &[
    "9223372036854775807",
    "9223372036854775808",
    "9223372036854775806",
    "9223372036854775799",
    "922337203685477580",
    "922337203685477581",
    "9223372036854775",
    "9223372036854776",
    "999999999999999999",
    "1000000000000000000",
    "9999999999999999999",
    "18446744073709551615",
    "18446744073709551616",
    "9007199254740993",
    "4294967296",
    "7",
    "8",
    "16",
    "999",
    "1000",
    "1001",
    "1023",
    "1024",
];

/// Exponents are read as 64 bits and cut to 32, so these are small ones.
const WRAPPED_EXPONENTS: &[&str] = &["4294967299", "-4294967299", "4294967296", "9223372036854775807", "-9223372036854775808", "8589934590"];

/// One value in two spellings.
const TWINS: &[(&str, &str)] =
    &[("1Gi", "1024Mi"), ("1", "1000m"), ("1k", "1e3"), ("0.1Ki", "102400m"), ("1Ei", "1024Pi"), ("1e18", "1E"), ("0", "0Ki"), ("1e19", "10E")];

pub(super) fn quantity(rng: &mut Rng) -> Value {
    match rng.below(20) {
        0..8 => json!({"op": "parse", "s": valid(rng)}),
        8..12 => json!({"op": "parse", "s": doubtful(rng)}),
        12 | 13 => json!({"op": "round_up", "s": operand(rng), "scale": scale(rng)}),
        _ => {
            let (a, b) = pair(rng);
            json!({"op": rng.pick(&["add", "sub", "cmp"]), "a": a, "b": b})
        }
    }
}

fn scale(rng: &mut Rng) -> i64 {
    if rng.percent(80) { rng.pick(&[-9, -6, -3, 0, 3, 6]) } else { rng.between(-20, 30) }
}

/// Two operands: often equal, opposite or next to each other, which is where comparing and cancelling go wrong.
fn pair(rng: &mut Rng) -> (String, String) {
    let a = operand(rng);
    match rng.below(8) {
        0 => (a.clone(), a),
        1 => {
            let opposite = a.strip_prefix('-').map_or_else(|| format!("-{}", a.trim_start_matches('+')), str::to_owned);
            (a, opposite)
        }
        2 => (a, rng.pick(&["0", "1n", "-1n", "1", "-1", "0Ki", "1Ki", "9223372036854775807", "-9223372036854775808", "1e3"]).to_owned()),
        3 => {
            let (one, other) = rng.pick(TWINS);
            (one.to_owned(), other.to_owned())
        }
        _ => (a, operand(rng)),
    }
}

/// A valid text with a digit, which no release refuses.
fn operand(rng: &mut Rng) -> String {
    let text = valid(rng);
    let number = text.trim_start_matches(['+', '-']).trim_start_matches('.');
    if number.starts_with(|first: char| first.is_ascii_digit()) { text } else { operand(rng) }
}

/// By the grammar. A number without digits (".", "-Ki") is zero where upstream's fast form holds it, and an error ("Pi", "e-11") elsewhere.
fn valid(rng: &mut Rng) -> String {
    let sign = rng.pick(&["", "", "", "-", "-", "+"]);
    let suffix = suffix(rng);
    let text = format!("{sign}{}{}{suffix}", whole(rng), fraction(rng));
    if text.is_empty() { "0".to_owned() } else { text }
}

fn whole(rng: &mut Rng) -> String {
    match rng.below(12) {
        0 => String::new(),
        1 => "0".to_owned(),
        2 => format!("{}{}", "0".repeat(rng.index(4)), rng.below(10_000)),
        3 | 4 => rng.pick(EDGES).to_owned(),
        5 => (1_u64 << rng.below(64)).to_string(),
        6 => format!("{}{}", rng.between(1, 999), "0".repeat(rng.index(20))),
        7 => digits(rng, 15, 24),
        8 if rng.percent(20) => digits(rng, 25, 120),
        _ => digits(rng, 1, 5),
    }
}

fn fraction(rng: &mut Rng) -> String {
    match rng.below(12) {
        0 => ".".to_owned(),
        1 => rng.pick(&[".0", ".000", ".5", ".50", ".25", ".1", ".9"]).to_owned(),
        2 => format!(".{}", digits(rng, 1, 3)),
        3 => format!(".{}{}", "0".repeat(rng.index(12)), digits(rng, 1, 3)),
        4 => format!(".{}", digits(rng, 8, 24)),
        _ => String::new(),
    }
}

fn suffix(rng: &mut Rng) -> String {
    if rng.percent(72) {
        return rng.pick(SUFFIXES).to_owned();
    }
    let letter = rng.pick(&["e", "E"]);
    let bound = i64::from(EXPONENT_BOUND);
    let exponent = match rng.below(24) {
        0 => return format!("{letter}{}", rng.pick(WRAPPED_EXPONENTS)),
        1 => rng.between(-bound, bound),
        2 | 3 => rng.between(-400, 400),
        4..10 => 3 * rng.between(-4, 8),
        _ => rng.between(-25, 25),
    };
    let sign = if exponent >= 0 && rng.percent(25) { "+" } else { "" };
    let zeros = if exponent >= 0 && rng.percent(5) { "00" } else { "" };
    format!("{letter}{sign}{zeros}{exponent}")
}

fn digits(rng: &mut Rng, least: i64, most: i64) -> String {
    (0..rng.between(least, most)).map(|_| char::from(b'0' + u8::try_from(rng.below(10)).expect("a digit"))).collect()
}

/// A wrong suffix, a valid text with one character changed, or noise.
fn doubtful(rng: &mut Rng) -> String {
    let text = match rng.below(6) {
        0 | 1 => format!("{}{}{}", whole(rng), fraction(rng), rng.pick(WRONG_SUFFIXES)),
        2..5 => {
            let text = valid(rng);
            changed(rng, &text)
        }
        _ => (0..rng.below(9)).map(|_| character(rng)).collect(),
    };
    if is_affordable(&text) { text } else { doubtful(rng) }
}

fn changed(rng: &mut Rng, text: &str) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    let position = rng.index(characters.len());
    match rng.below(3) {
        0 => characters[position] = character(rng),
        1 => characters.insert(position, character(rng)),
        _ => drop(characters.remove(position)),
    }
    characters.into_iter().collect()
}

fn character(rng: &mut Rng) -> char {
    const LIKELY: &[char] =
        &['0', '1', '2', '5', '8', '9', '.', '.', '-', '+', 'e', 'E', 'i', 'n', 'u', 'm', 'k', 'K', 'M', 'G', 'T', 'P', ' ', ',', '_', 'b', 'x'];
    const UNLIKELY: &[char] = &['\0', '\t', '\n', '"', '\\', '\u{7f}', '½', 'µ', '١', '１', 'К', '\u{301}', '\u{feff}', '🚀', '\u{10ffff}'];
    if rng.percent(88) { rng.pick(LIKELY) } else { rng.pick(UNLIKELY) }
}

/// Whether a changed text kept its exponent within the bound: one digit more or less makes a wrapped exponent a giant.
fn is_affordable(text: &str) -> bool {
    let Some(position) = text.rfind(['e', 'E']) else { return true };
    let exponent = text[position + 1..].parse::<i64>();
    // As upstream does: the lower 32 bits.
    #[expect(clippy::cast_possible_truncation, reason = "upstream cuts the exponent the same way")]
    exponent.map_or(true, |exponent| (exponent as i32).unsigned_abs() <= EXPONENT_BOUND.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::{is_affordable, quantity};
    use crate::generate::Rng;

    #[test]
    fn no_text_makes_upstream_write_out_a_giant() {
        assert!(is_affordable("1e2000") && is_affordable("1e4294967299") && is_affordable("1E") && is_affordable("1e1e1"));
        assert!(!is_affordable("1e2001") && !is_affordable("1e429496729") && !is_affordable("1E-99999"));
        let mut rng = Rng::new(5);
        for _ in 0..20_000 {
            let case = quantity(&mut rng);
            let texts = ["s", "a", "b"].iter().filter_map(|field| case[field].as_str());
            assert!(texts.into_iter().all(is_affordable), "{case}");
        }
    }
}
