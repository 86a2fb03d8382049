//! How kubeadm and kubectl write a span of time: `HumanDuration` and `ShortHumanDuration` of apimachinery.
//!
//! ```
//! use trimtab_certs::human_duration::{human_duration, short_human_duration};
//!
//! let thirty_hours = 30 * 3_600_000_000_000;
//! assert_eq!(human_duration(thirty_hours), "30h");
//! assert_eq!(short_human_duration(thirty_hours), "1d");
//! ```

/// What both write for a span that is over. The edge lies at two seconds: down to −1.999999999 s it is still `0s`, so that clocks
/// may differ a little.
pub const INVALID: &str = "<invalid>";

/// `HumanDuration`: two units while they tell something (`3m10s`, `2d1h`, `7y364d`), then one. Never rounds up.
///
/// Source: apimachinery `pkg/util/duration/duration.go`@v0.31.0, which kubeadm's table uses since 1.31.
#[must_use]
pub fn human_duration(nanoseconds: i64) -> String {
    let seconds = whole(go_seconds(nanoseconds));
    if seconds < 120 {
        return of_seconds(seconds);
    }
    let (minutes, hours) = (nanoseconds / MINUTE, nanoseconds / HOUR);
    match (minutes, hours) {
        (..=9, _) => two(minutes, 'm', nanoseconds / SECOND % 60, 's'),
        (..=179, _) => format!("{minutes}m"),
        (_, ..=7) => two(hours, 'h', minutes % 60, 'm'),
        (_, ..=47) => format!("{hours}h"),
        (_, ..=191) => two(hours / 24, 'd', hours % 24, 'h'),
        (_, ..=17_519) => format!("{}d", hours / 24),
        (_, ..=70_079) => two(hours / 24 / 365, 'y', hours / 24 % 365, 'd'),
        _ => format!("{}y", hours / 24 / 365),
    }
}

/// `ShortHumanDuration`: the largest unit alone. A year is 365 days, so two leap days make ten years out of 3,650 days.
///
/// The hours are a float64 as upstream's are: a span that ends less than a nanosecond's share before a full hour may count as that
/// hour.
///
/// Source: apimachinery `pkg/util/duration/duration.go`@v0.20.15, which kubeadm's table used up to 1.30.
#[must_use]
pub fn short_human_duration(nanoseconds: i64) -> String {
    let seconds = whole(go_seconds(nanoseconds));
    if seconds < 60 {
        return of_seconds(seconds);
    }
    let (minutes, hours) = (whole(go_unit(nanoseconds, MINUTE)), whole(go_unit(nanoseconds, HOUR)));
    match (minutes, hours) {
        (..=59, _) => format!("{minutes}m"),
        (_, ..=23) => format!("{hours}h"),
        (_, ..=8759) => format!("{}d", hours / 24),
        _ => format!("{}y", whole(go_unit(nanoseconds, HOUR) / 24.0 / 365.0)),
    }
}

const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

fn of_seconds(seconds: i64) -> String {
    match seconds {
        ..=-2 => INVALID.to_owned(),
        -1 => "0s".to_owned(),
        _ => format!("{seconds}s"),
    }
}

fn two(large: i64, large_unit: char, small: i64, small_unit: char) -> String {
    if small == 0 { format!("{large}{large_unit}") } else { format!("{large}{large_unit}{small}{small_unit}") }
}

fn go_seconds(nanoseconds: i64) -> f64 {
    go_unit(nanoseconds, SECOND)
}

/// Go's `Duration.Seconds`, `.Minutes` and `.Hours`: the whole part and the rest are added as float64.
#[expect(clippy::cast_precision_loss, reason = "Go rounds here as well, and what it rounds to is what kubeadm prints")]
fn go_unit(nanoseconds: i64, unit: i64) -> f64 {
    (nanoseconds / unit) as f64 + (nanoseconds % unit) as f64 / unit as f64
}

/// Go's `int(f)`: towards zero. A span has at most 2^63 nanoseconds, far below 2^53 seconds.
#[expect(clippy::cast_possible_truncation, reason = "truncation towards zero is what is wanted")]
fn whole(value: f64) -> i64 {
    value as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_span_is_over_two_seconds_after_its_end() {
        for write in [human_duration, short_human_duration] {
            assert_eq!([-2 * SECOND, -1_999_999_999, -1, 0].map(write), [INVALID, "0s", "0s", "0s"]);
            assert_eq!(write(i64::MIN), INVALID);
        }
    }

    #[test]
    fn the_longest_span_is_292_years() {
        assert_eq!(human_duration(i64::MAX), "292y");
        assert_eq!(short_human_duration(i64::MAX), "292y");
    }

    #[test]
    fn the_short_form_counts_in_floats() {
        // 23 h 59 min 59.999999999 s is 23.999999999999722 h and stays below; one nanosecond short of 24 * 365 * 100 h is not told apart.
        assert_eq!(short_human_duration(24 * HOUR - 1), "23h");
        assert_eq!(short_human_duration(100 * 365 * 24 * HOUR - 1), "100y");
    }

    proptest! {
        #[test]
        fn any_span_is_written(nanoseconds in any::<i64>()) {
            prop_assert!(human_duration(nanoseconds).len() < 12);
            prop_assert!(short_human_duration(nanoseconds).len() < 12);
        }
    }
}
