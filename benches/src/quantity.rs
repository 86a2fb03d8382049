//! Reading quantities.

use std::hint::black_box;
use std::num::{NonZeroU32, TryFromIntError};
use std::str::FromStr;

use serde_json::{Value, json};
use trimtab_core::Quantity;

use crate::rounds::Took;

/// The report of `tests/oracle/bench_quantity`, key by key.
pub(crate) fn measure(texts: &[&str], rounds: NonZeroU32) -> Result<Value, TryFromIntError> {
    let strings = u32::try_from(texts.len())?;
    let mut refused = 0;
    let took = Took::over(rounds, || refused = texts.iter().filter(|text| black_box(Quantity::from_str(black_box(text))).is_err()).count());
    Ok(json!({
        "strings": strings,
        "rounds": rounds,
        "refused": refused,
        "ns_per_parse": took.mean_nanoseconds(strings),
        "ns_per_parse_best_round": took.best_nanoseconds(strings),
    }))
}
