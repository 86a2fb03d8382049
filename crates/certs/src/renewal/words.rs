//! Times and counts in words.

use jiff::Timestamp;

use crate::human_duration::human_duration;

/// How much time is left, or how long it is over: `10d`, `3h2m`, `over for 2d`.
pub(super) fn left(not_after: Timestamp, now: Timestamp) -> String {
    let seconds = not_after.duration_since(now).as_secs();
    let text = human_duration(seconds.saturating_abs().saturating_mul(1_000_000_000));
    if seconds < 0 { format!("over for {text}") } else { format!("{text} left") }
}

/// `1 name`, `9 names`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Joined by commas.
pub(crate) fn listed<T: ToString>(all: &[T]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
