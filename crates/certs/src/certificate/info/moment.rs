//! Moments as Ansible's modules take them.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A moment: RFC 3339; or as Ansible's modules take it, `+32w1d2h` and `-3s` from now, or `20251231235959Z`, which is UTC. None for what is no moment.
///
/// Source: `get_relative_time_option`, `plugins/module_utils/_time.py` of `community.crypto` 3.0.5.
///
/// ```
/// use trimtab_certs::certificate::info::point_in_time;
///
/// let now = "2026-01-01T00:00:00Z".parse()?;
/// assert_eq!(point_in_time("+1w1d", now), Some("2026-01-09T00:00:00Z".parse()?));
/// assert_eq!(point_in_time("20251231235959Z", now), Some("2025-12-31T23:59:59Z".parse()?));
/// assert_eq!(point_in_time("1d", now), None);
/// # Ok::<(), jiff::Error>(())
/// ```
#[must_use]
pub fn point_in_time(text: &str, now: Timestamp) -> Option<Timestamp> {
    match text.as_bytes().first()? {
        b'+' => now.checked_add(span(&text[1..])?).ok(),
        b'-' => now.checked_sub(span(&text[1..])?).ok(),
        _ => text.parse().ok().or_else(|| absolute(text)),
    }
}

/// Weeks, days, hours, minutes, seconds, in this order and each once at most; a number without a letter is seconds.
fn span(text: &str) -> Option<SignedDuration> {
    let mut rest = text;
    let mut seconds = 0_i64;
    let mut units = [('w', 604_800), ('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)].into_iter();
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: i64 = rest[..digits].parse().ok()?;
        let letter = rest[digits..].chars().next().unwrap_or('s');
        let (_, unit) = units.find(|(known, _)| letter.eq_ignore_ascii_case(known))?;
        seconds = seconds.checked_add(number.checked_mul(unit)?)?;
        rest = rest[digits..].strip_prefix(letter).unwrap_or_default();
    }
    (!text.is_empty()).then(|| SignedDuration::from_secs(seconds))
}

/// Fourteen digits, or twelve without seconds; then `Z`, or `+0100`.
fn absolute(text: &str) -> Option<Timestamp> {
    let (digits, offset_seconds) = match text.strip_suffix('Z') {
        Some(digits) => (digits, 0),
        None => (text.get(..text.len().checked_sub(5)?)?, offset(text.get(text.len() - 5..)?)?),
    };
    let is_length = matches!(digits.len(), 12 | 14) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let part = |from: usize| digits.get(from..from + 2).map_or(Some(0), |part| part.parse::<i8>().ok());
    let year = is_length.then(|| digits.get(..4)?.parse().ok())??;
    let time = DateTime::new(year, part(4)?, part(6)?, part(8)?, part(10)?, part(12)?, 0).ok()?;
    TimeZone::UTC.to_timestamp(time).ok()?.checked_sub(SignedDuration::from_secs(offset_seconds)).ok()
}

/// `+0130`, in seconds.
fn offset(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let seconds = digits.get(..2)?.parse::<i64>().ok()? * 3600 + digits.get(2..)?.parse::<i64>().ok()? * 60;
    Some(if text.starts_with('-') { -seconds } else { seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_moment_is_none() {
        for text in [
            "",
            "+",
            "+1x",
            "+1d1w",
            "+d",
            "20251331235959Z",
            "2025123123595Z",
            "251231235959Z",
            "20251231235959",
            "20251231235959+01",
            "tomorrow",
            "-99999999999999w",
        ] {
            assert_eq!(point_in_time(text, Timestamp::UNIX_EPOCH), None, "{text}");
        }
    }

    #[test]
    fn spans_count_from_now_in_both_directions() {
        let at = |text: &str| point_in_time(text, Timestamp::UNIX_EPOCH).map(Timestamp::as_second);
        assert_eq!([at("+10"), at("-1h30m"), at("+1w2d3h4m5s")], [Some(10), Some(-5400), Some(788_645)]);
        assert_eq!(at("+1W2D3H4M5S"), Some(788_645));
        assert_eq!([at("197001010130Z"), at("19700101013000+0130"), at("197001010000-0130")], [Some(5400), Some(0), Some(5400)]);
    }
}
