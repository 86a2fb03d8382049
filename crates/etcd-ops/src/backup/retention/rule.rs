//! The rules that keep a backup.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::RetentionPolicy;
use crate::backup::span::{Span, age_seconds};

/// A rule that keeps a backup. Places count from 1, the newest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "rule")]
pub enum Rule {
    /// The newest verified backup of its cluster: it stays whatever the policy says.
    Newest,
    /// One of the newest, which stay whatever their age.
    MinKeep {
        /// Which.
        place: usize,
        /// How many there are to be.
        of: u32,
    },
    /// One of the last.
    Last {
        /// Which.
        place: usize,
        /// How many are kept.
        of: u32,
    },
    /// The newest of an hour, in UTC.
    Hourly {
        /// The hour: `2026-11-25T03`.
        hour: String,
    },
    /// The newest of a day, in UTC.
    Daily {
        /// The day: `2026-11-25`.
        day: String,
    },
    /// The newest of an ISO week, in UTC.
    Weekly {
        /// The week: `2026-W48`. Its year is the one that its Thursday lies in.
        week: String,
    },
    /// The newest of a month, in UTC.
    Monthly {
        /// The month: `2026-11`.
        month: String,
    },
    /// Too young to go.
    Young {
        /// Its age.
        age_seconds: u64,
        /// From which age on it may go.
        min_age_seconds: u64,
    },
}

/// The rules that keep a backup that was taken `at`, where `newer` are the ones that count and are newer, newest first.
///
/// What is older than a backup has no say in whether it stays. So deleting from the old end changes nothing about the rest.
pub(super) fn keeping(at: Timestamp, newer: &[Timestamp], policy: &RetentionPolicy, now: Timestamp) -> Vec<Rule> {
    let place = newer.len() + 1;
    let age_seconds = age_seconds(at, now);
    let mut rules = Vec::new();
    rules.extend((place == 1).then_some(Rule::Newest));
    rules.extend(is_within(place, policy.min_keep).then_some(Rule::MinKeep { place, of: policy.min_keep }));
    rules.extend((age_seconds < policy.min_age_seconds).then_some(Rule::Young { age_seconds, min_age_seconds: policy.min_age_seconds }));
    if policy.max_age_seconds.is_some_and(|max| age_seconds > max) {
        return rules;
    }
    rules.extend(is_within(place, policy.keep_last).then_some(Rule::Last { place, of: policy.keep_last }));
    rules.extend(newest_of(Period::Hour, at, newer, policy.keep_hourly).map(|hour| Rule::Hourly { hour }));
    rules.extend(newest_of(Period::Day, at, newer, policy.keep_daily).map(|day| Rule::Daily { day }));
    rules.extend(newest_of(Period::Week, at, newer, policy.keep_weekly).map(|week| Rule::Weekly { week }));
    rules.extend(newest_of(Period::Month, at, newer, policy.keep_monthly).map(|month| Rule::Monthly { month }));
    rules
}

fn is_within(place: usize, count: u32) -> bool {
    u32::try_from(place).is_ok_and(|place| place <= count)
}

/// The period that a backup is the newest of, where it is one of the last `count` periods that have a backup.
fn newest_of(period: Period, at: Timestamp, newer: &[Timestamp], count: u32) -> Option<String> {
    if count == 0 {
        return None;
    }
    let own = period.number(at);
    let (mut last, mut periods) = (None, 0);
    for number in newer.iter().map(|newer| Some(period.number(*newer))) {
        periods += usize::from(number != last);
        last = number;
    }
    (last != Some(own) && is_within(periods + 1, count)).then(|| period.title(at))
}

#[derive(Debug, Clone, Copy)]
enum Period {
    Hour,
    Day,
    Week,
    Month,
}

impl Period {
    /// Counts up from one period to the next.
    fn number(self, at: Timestamp) -> i64 {
        let days = at.as_second().div_euclid(86_400);
        match self {
            Self::Hour => at.as_second().div_euclid(3600),
            Self::Day => days,
            // The epoch was a Thursday, and ISO weeks begin on Mondays.
            Self::Week => (days + 3).div_euclid(7),
            Self::Month => i64::from(utc(at).year()) * 12 + i64::from(utc(at).month()),
        }
    }

    fn title(self, at: Timestamp) -> String {
        let (year, month, day) = (utc(at).year(), utc(at).month(), utc(at).day());
        match self {
            Self::Hour => format!("{year:04}-{month:02}-{day:02}T{:02}", utc(at).hour()),
            Self::Day => format!("{year:04}-{month:02}-{day:02}"),
            Self::Week => {
                let week = utc(at).date().iso_week_date();
                format!("{:04}-W{:02}", week.year(), week.week())
            }
            Self::Month => format!("{year:04}-{month:02}"),
        }
    }
}

fn utc(at: Timestamp) -> DateTime {
    TimeZone::UTC.to_datetime(at)
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newest => f.write_str("newest verified"),
            Self::MinKeep { place, of } => write!(f, "{place} of {of} that stay at any age"),
            Self::Last { place, of } => write!(f, "{place} of the last {of}"),
            Self::Hourly { hour } => write!(f, "newest of the hour {hour}"),
            Self::Daily { day } => write!(f, "newest of the day {day}"),
            Self::Weekly { week } => write!(f, "newest of the week {week}"),
            Self::Monthly { month } => write!(f, "newest of the month {month}"),
            Self::Young { age_seconds, min_age_seconds } => write!(f, "{} old, younger than {}", Span(*age_seconds), Span(*min_age_seconds)),
        }
    }
}

/// Rules in a row.
pub(super) fn listed(rules: &[Rule]) -> String {
    rules.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
