//! The clock on a wall, as the cron library looks at it.

use std::cmp::Ordering;

use croner::errors::CronError;
use croner::time::{CivilDate, CivilDateTime, CivilTime, CronDateTime, Resolution, Weekday};
use jiff::civil::DateTime;
use jiff::{SignedDuration, civil};

/// A time without a zone, whole in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WallClock(pub(super) DateTime);

impl CronDateTime for WallClock {
    fn to_civil(&self) -> CivilDateTime {
        let (date, time) = (self.0.date(), self.0.time());
        // Both libraries know the same days and seconds.
        let day = CivilDate::from_parts_unchecked(i32::from(date.year()), unsigned(date.month()), unsigned(date.day()));
        let second = CivilTime::from_parts_unchecked(unsigned(time.hour()), unsigned(time.minute()), unsigned(time.second()));
        CivilDateTime::new(day, second)
    }

    fn civil_weekday(&self) -> Weekday {
        Weekday::from_days_from_sunday(unsigned(self.0.date().weekday().to_sunday_zero_offset()))
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        let year = i16::try_from(civil.year()).map_err(|_| CronError::InvalidDate)?;
        let small = |number: u32| i8::try_from(number).map_err(|_| CronError::InvalidDate);
        let date = civil::Date::new(year, small(civil.month())?, small(civil.day())?).map_err(|_| CronError::InvalidDate)?;
        let time = civil::Time::new(small(civil.hour())?, small(civil.minute())?, small(civil.second())?, 0).map_err(|_| CronError::InvalidTime)?;
        Ok(Resolution::Single(Self(date.to_datetime(time))))
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        self.0.checked_add(SignedDuration::from_secs(seconds)).ok().map(Self)
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

fn unsigned(number: i8) -> u32 {
    u32::try_from(number).unwrap_or(0)
}
