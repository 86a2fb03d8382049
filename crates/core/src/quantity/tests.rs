//! What surprises about quantities, one sentence each, and what holds for any of them.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Quantity {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn shown(text: &str) -> String {
    read(text).to_string()
}

fn error(text: &str) -> &'static str {
    text.parse::<Quantity>().map_or_else(|error| error.name(), |quantity| panic!("{text:?} reads as {quantity:?}"))
}

#[test]
fn no_digit_at_all_reads_as_zero() {
    for text in [".", "-", "+", "-.", "Ki", ".Ki", "E", "e3", "m", "0", "-0", "000"] {
        assert!(read(text).is_zero(), "{text}");
        assert_eq!(shown(text), "0", "{text}");
    }
}

#[test]
fn no_digit_is_an_error_only_where_the_big_form_would_read_it() {
    assert_eq!([error("e-10"), error(".e-10"), error("-e-10")], ["ErrNumeric"; 3]);
    assert!(read("0e-10").is_zero());
}

#[test]
fn foreign_characters_and_unknown_units_have_different_names() {
    for text in ["", " 1", "1 ", "1 Ki", "1_000", "1.2.3", "0x10", "1e1.5", "1e1e1", "é", "1\0"] {
        assert_eq!(error(text), "ErrFormatWrong", "{text:?}");
    }
    for text in ["1K", "1ki", "1e", "1E+", "1eE1", "+-1", "--1", "1e9223372036854775808", "1+1", "1Ki3"] {
        assert_eq!(error(text), "ErrSuffix", "{text:?}");
    }
}

#[test]
fn a_text_that_looks_canonical_is_printed_as_it_was_read() {
    for text in ["007.500", "+1", "1.Ki", "5.", "1E3", "1e0", "1e+3", "1.500", "-1.125", "1e4294967299", "00001023Gi"] {
        assert_eq!(shown(text), text);
    }
}

#[test]
fn any_other_text_is_printed_anew() {
    for (text, canonical) in
        [("1000m", "1"), ("0.1", "100m"), ("1.5", "1500m"), ("+0.100", "100m"), ("08Gi", "8Gi"), ("1024Mi", "1Gi"), ("1e1", "10"), ("1e19", "10e18")]
    {
        assert_eq!(shown(text), canonical);
    }
}

#[test]
fn doing_anything_to_it_forgets_the_text() {
    let mut quantity = read("007.500");
    assert!(quantity.round_up(Scale::MILLI));
    assert_eq!(quantity.to_string(), "007.500");
    quantity.add(&Quantity::zero());
    assert_eq!(quantity.to_string(), "7500m");
}

#[test]
fn a_letter_beyond_e_is_dropped_from_the_text_and_kept_in_the_number() {
    assert_eq!(shown("1000E"), "1");
    assert_eq!(read("1000E"), read("1e21"));
    let mut memory = read("8191Pi");
    memory.mul(1 << 20);
    assert_eq!(memory.to_string(), "8191");
}

#[test]
fn small_or_fractional_binary_amounts_print_as_decimal() {
    assert_eq!([shown("0.1Ki"), shown("1.025Gi"), shown("0.5Ki"), shown("1.5Ki")], ["102400m", "1100585369600m", "512", "1536"]);
    assert_eq!(Quantity::from_value(1023, Format::BinarySI).to_string(), "1023");
    assert_eq!(Quantity::from_value(-1024, Format::BinarySI).to_string(), "-1Ki");
}

#[test]
fn a_binary_amount_below_one_becomes_decimal_unless_it_is_negative_and_above_minus_one() {
    let formats = ["0.0001Ki", "-0.0001Ki", "0.001Ki"].map(|text| read(text).format());
    assert_eq!(formats, [Format::DecimalSI, Format::DecimalSI, Format::BinarySI]);
}

#[test]
fn the_least_i64_prints_in_full() {
    assert_eq!(Quantity::from_value(i64::MIN, Format::BinarySI).to_string(), "-9223372036854775808");
    assert_eq!(shown("-8Ei"), "-9223372036854775807");
}

#[test]
fn digits_behind_nano_are_rounded_away_from_zero() {
    assert_eq!([shown("0.1n"), shown("-1e-30"), shown("1.0000000001")], ["1n", "-1e-9", "1000000001n"]);
}

#[test]
fn binary_amounts_are_cut_to_64_bits_and_decimal_ones_are_not() {
    assert_eq!([shown("1e30"), shown("100000Ei")], ["1e30", "9223372036854775807"]);
    assert_eq!(read("9223372036854775808").value(), i64::MIN);
}

#[test]
fn the_two_forms_round_negative_numbers_differently() {
    assert_eq!([read("-1.5").value(), read("-0.1Ki").value()], [-2, -101]);
    assert!(!read("-1.5").is_big() && read("-0.1Ki").is_big());
}

#[test]
fn a_zero_takes_the_format_of_what_is_added_even_if_that_is_zero() {
    let sum = |one: &str, two: &str| (read(one) + read(two)).format();
    assert_eq!(
        [sum("0", "1Ki"), sum("1", "1Ki"), sum("0Ki", "0e1"), sum("0e-20", "1Ki")],
        [Format::BinarySI, Format::DecimalSI, Format::DecimalExponent, Format::BinarySI]
    );
}

#[test]
fn sums_never_saturate_and_the_negative_of_the_least_i64_wraps() {
    let max = Quantity::from_value(i64::MAX, Format::DecimalSI);
    let min = Quantity::from_value(i64::MIN, Format::DecimalSI);
    assert_eq!((max.clone() + &max).to_string(), "18446744073709551614");
    assert_eq!((max - &min).to_string(), "-1");
    assert_eq!(Quantity::zero() - &min, min);
}

#[test]
fn a_product_with_digits_behind_the_point_leaves_the_i64_form_unless_it_is_whole() {
    let product = |text: &str, factor| {
        let mut quantity = read(text);
        (quantity.mul(factor), quantity.is_big(), quantity.to_string())
    };
    assert_eq!(product("100m", 2), (true, true, "200m".to_owned()));
    assert_eq!(product("100m", 10), (true, false, "1".to_owned()));
    assert_eq!(product("4611686018427387904", 4), (false, true, "18446744073709551616".to_owned()));
}

#[test]
fn equal_numbers_are_equal_and_hash_alike_in_any_form() {
    let hash = |quantity: &Quantity| {
        let mut hasher = DefaultHasher::new();
        quantity.hash(&mut hasher);
        hasher.finish()
    };
    for (one, two) in
        [("1", "1000m"), ("1Gi", "1073741824000000000n"), ("1e30", "1000000000000000000000000000000"), ("0", "0e-20"), ("007.5", "7500000u")]
    {
        assert_eq!((read(one), hash(&read(one))), (read(two), hash(&read(two))), "{one} {two}");
    }
}

#[test]
fn what_upstream_would_need_gigabytes_for_is_refused() {
    for text in ["1e2147483647", "1e-2147483648", "1e4097", "0e-4097", "1e2147483649"] {
        assert_eq!(error(text), "ExponentOutOfBounds", "{text}");
    }
    assert_eq!(error(&"9".repeat(MAX_DIGITS + 1)), "TooManyDigits");
    assert_eq!(error(&"9".repeat(1_000_000)), "TooManyDigits");
    assert_eq!(error(&format!("0.{}1", "0".repeat(1_000_000))), "TooManyDigits");
}

#[test]
fn a_million_leading_zeros_and_a_zero_with_any_positive_exponent_are_cheap() {
    assert_eq!(read(&format!("{}8Gi", "0".repeat(1_000_000))).value(), 8 << 30);
    assert_eq!(shown("0e2147483647"), "0");
}

#[test]
fn the_largest_that_is_read_can_be_computed_with() {
    let big = read(&format!("{}e{MAX_EXPONENT}", "9".repeat(MAX_DIGITS)));
    let fine = read(&format!("0.{}e-{MAX_EXPONENT}", "0".repeat(MAX_DIGITS - 1)));
    let sum = fine + &big + read("1n");
    assert_eq!(sum.to_string().len(), MAX_DIGITS + usize::try_from(MAX_EXPONENT).unwrap() + 9 + "e-9".len());
    assert_eq!(sum - &big, read("1n"));
}

#[test]
fn an_error_shows_no_more_than_80_characters() {
    let text = "é".repeat(10_000);
    match text.parse::<Quantity>() {
        Err(QuantityError::FormatWrong { text }) => assert_eq!(text, "é".repeat(80)),
        other => panic!("{other:?}"),
    }
}

/// Texts near what people write, whole and broken.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof!["[-+]?[0-9]{0,22}(\\.[0-9]{0,12})?(|[numkMGTPE]|[KMGTPE]i|[eE][-+]?[0-9]{1,2})", "[-+0-9.eEinumkKMGTP ]{0,10}"]
}

fn quantities() -> impl Strategy<Value = Quantity> {
    texts().prop_filter_map("no quantity", |text| text.parse().ok())
}

/// Whole multiples of a nano below 10^18, where nothing rounds and nothing wraps.
fn exact() -> impl Strategy<Value = Quantity> {
    (-999_999_999_999_999_999_i64..=999_999_999_999_999_999, prop_oneof![Just("n"), Just("u"), Just("m"), Just(""), Just("k"), Just("e-3")])
        .prop_map(|(value, unit)| read(&format!("{value}{unit}")))
}

/// Calls all there is.
fn exercise(quantity: &Quantity) {
    let _ = (quantity.to_string(), quantity.canonical(), quantity.approximate_f64(), quantity.f64_slow(), quantity.as_int64());
    for scale in [-20, -9, -3, 0, 1, 6, 40] {
        let scale = Scale::new(scale).unwrap();
        let _ = (quantity.scaled_value(scale), quantity.checked_scaled_value(scale), quantity.clone().round_up(scale));
    }
    let mut other = quantity.clone();
    other.neg();
    other.mul(i64::MIN);
    other.sub(quantity);
    let _ = (other.cmp(quantity), other.to_string());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn any_bytes_give_a_quantity_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..24)) {
        if let Ok(quantity) = Quantity::from_bytes(&bytes) {
            exercise(&quantity);
        }
    }

    #[test]
    fn any_text_gives_a_quantity_or_an_error(text in texts()) {
        if let Ok(quantity) = text.parse::<Quantity>() {
            exercise(&quantity);
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_canonical_text_reads_back_as_the_same_number(quantity in exact()) {
        let again = read(&quantity.canonical());
        prop_assert_eq!(&again, &quantity);
        prop_assert_eq!(again.canonical(), quantity.canonical());
        prop_assert_eq!(read(&quantity.to_string()), quantity);
    }

    #[test]
    fn the_order_is_total(one in quantities(), two in quantities(), three in quantities()) {
        prop_assert_eq!(one.cmp(&two), two.cmp(&one).reverse());
        let mut sorted = [one, two, three];
        sorted.sort();
        prop_assert!(sorted[0] <= sorted[1] && sorted[1] <= sorted[2] && sorted[0] <= sorted[2]);
    }

    #[test]
    fn the_order_is_that_of_the_difference(one in exact(), two in exact()) {
        prop_assert_eq!(one.cmp(&two), (one.clone() - &two).sign());
    }

    #[test]
    fn subtracting_undoes_adding(one in quantities(), two in quantities()) {
        prop_assert_eq!((one.clone() + &two) - &two, one.clone());
        prop_assert_eq!(one.clone() + &two, two + &one);
    }

    #[test]
    fn the_values_are_those_of_plain_integers(milli in -1_000_000_000_000_000_i64..=1_000_000_000_000_000) {
        let quantity = read(&format!("{milli}m"));
        prop_assert_eq!(quantity.milli_value(), milli);
        let away = milli / 1000 + (milli % 1000).signum();
        prop_assert_eq!((quantity.value(), quantity.checked_scaled_value(Scale::ONE)), (away, Some(away)));
        prop_assert_eq!(quantity.scaled_value(Scale::NANO), milli.checked_mul(1_000_000).unwrap_or_else(|| milli.wrapping_mul(1_000_000)));
    }
}
