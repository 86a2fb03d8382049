//! When cert-manager renews: a fraction of a life or a time before its end, within windows where there are some.
//!
//! A rule by fraction is wrong for what kubeadm before 1.31 made: its `notBefore` is the CA's, so that a leaf of one day under a CA of five years
//! seems to be at the end of a life of six. What counts there is the time that is left.

mod clock;

use std::str::FromStr as _;

use croner::Cron;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::error::Error;

use clock::WallClock;

/// When to renew, as a `Certificate` of cert-manager says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RenewalRule {
    /// `renewBefore`: this long before the end. Counts where it is above zero and shorter than the life.
    pub renew_before: Option<SignedDuration>,
    /// `renewBeforePercentage`: this part of the life before the end. Counts where it is 1 to 99.
    pub renew_before_percentage: Option<i32>,
}

/// A window in which renewing is allowed.
#[derive(Debug, Clone)]
pub struct RenewalWindow {
    cron: Cron,
    duration: SignedDuration,
    time_zone: TimeZone,
}

/// The moment that windows allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InWindow {
    /// In a window, before the certificate ends.
    At(Timestamp),
    /// No window opens in time; cert-manager complains and renews when it would have without windows.
    NoneInTime(Timestamp),
}

impl RenewalRule {
    /// How long before its end a certificate of this life is renewed; a third of the life where nothing says otherwise.
    ///
    /// A rule that cannot be, longer than the life or 100 %, is passed over without a word, as upstream does.
    ///
    /// Source: `RenewBefore`, `pkg/util/pki/renewaltime.go` of cert-manager at 032a6348; there the product of long lives no longer overflows.
    ///
    /// ```
    /// use jiff::SignedDuration;
    /// use trimtab_certs::renewal_time::RenewalRule;
    ///
    /// let hours = SignedDuration::from_hours;
    /// assert_eq!(RenewalRule::default().renew_before(hours(3)), hours(1));
    /// let too_long = RenewalRule { renew_before: Some(hours(25)), ..RenewalRule::default() };
    /// assert_eq!(too_long.renew_before(hours(24)), hours(8));
    /// ```
    #[must_use]
    pub fn renew_before(&self, life: SignedDuration) -> SignedDuration {
        match (self.renew_before, self.renew_before_percentage) {
            (Some(before), _) if before > SignedDuration::ZERO && before < life => before,
            (_, Some(percentage @ 1..=99)) => part(life, i128::from(percentage), 100),
            _ => part(life, 1, 3),
        }
    }

    /// When a certificate is renewed, cut off to the second.
    ///
    /// Source: `RenewalTime`, as [`Self::renew_before`].
    ///
    /// ```
    /// use trimtab_certs::renewal_time::RenewalRule;
    ///
    /// let at = RenewalRule::default().renewal_time("2026-01-01T00:00:00Z".parse()?, "2026-01-01T03:00:00Z".parse()?);
    /// assert_eq!(at, "2026-01-01T02:00:00Z".parse()?);
    /// # Ok::<(), jiff::Error>(())
    /// ```
    #[must_use]
    pub fn renewal_time(&self, not_before: Timestamp, not_after: Timestamp) -> Timestamp {
        let before = self.renew_before(not_after.duration_since(not_before));
        let exact = not_after.saturating_sub(before).unwrap_or(not_before);
        let whole = exact.as_second() - i64::from(exact.subsec_nanosecond() < 0);
        Timestamp::from_second(whole).unwrap_or(exact)
    }
}

impl RenewalWindow {
    /// A window that opens by a cron expression of five fields in a time zone, for a while.
    ///
    /// # Errors
    /// [`Error::InvalidWindow`]: no cron expression, or it is open for no time at all.
    ///
    /// ```
    /// use jiff::{SignedDuration, tz::TimeZone};
    /// use trimtab_certs::renewal_time::RenewalWindow;
    ///
    /// assert!(RenewalWindow::new("0 10 * * *", SignedDuration::from_hours(2), TimeZone::UTC).is_ok());
    /// assert!(RenewalWindow::new("at ten", SignedDuration::from_hours(2), TimeZone::UTC).is_err());
    /// ```
    pub fn new(cron: &str, duration: SignedDuration, time_zone: TimeZone) -> Result<Self, Error> {
        let invalid = |problem: String| Error::InvalidWindow { cron: cron.to_owned(), problem };
        if duration <= SignedDuration::ZERO {
            return Err(invalid(format!("it is open for {duration:#}")));
        }
        let parsed = Cron::from_str(cron).map_err(|error| invalid(error.to_string()))?;
        Ok(Self { cron: parsed, duration, time_zone })
    }

    /// The first moment from `time` on at which this window is open.
    fn first_open(&self, time: Timestamp) -> Option<Timestamp> {
        let here = WallClock(self.time_zone.to_datetime(time));
        let opened = self.cron.find_previous_occurrence(&here, true).ok().and_then(|opened| self.instant(opened));
        if opened.is_some_and(|opened| time.duration_since(opened) < self.duration) {
            return Some(time);
        }
        self.cron.find_next_occurrence(&here, false).ok().and_then(|opens| self.instant(opens))
    }

    /// A time that is skipped when clocks go forward comes as much later; the first of one that comes twice.
    fn instant(&self, clock: WallClock) -> Option<Timestamp> {
        self.time_zone.to_timestamp(clock.0).ok()
    }
}

/// The first moment from `target` on that one of these windows allows; without windows it is `target` itself.
///
/// Source: `pkg/util/pki/renewaltime_test.go` of cert-manager at 032a6348.
///
/// ```
/// use jiff::{SignedDuration, tz::TimeZone};
/// use trimtab_certs::renewal_time::{InWindow, RenewalWindow, in_window};
///
/// let ten = RenewalWindow::new("0 10 * * *", SignedDuration::from_hours(2), TimeZone::UTC)?;
/// let (target, end) = ("2026-01-01T13:00:00Z".parse()?, "2026-01-03T00:00:00Z".parse()?);
/// assert_eq!(in_window(target, end, &[ten]), InWindow::At("2026-01-02T10:00:00Z".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn in_window(target: Timestamp, not_after: Timestamp, windows: &[RenewalWindow]) -> InWindow {
    if windows.is_empty() {
        return InWindow::At(target);
    }
    let first = windows.iter().filter_map(|window| window.first_open(target)).min();
    first.filter(|open| *open < not_after).map_or(InWindow::NoneInTime(target), InWindow::At)
}

/// Cut off to the nanosecond; no product overflows.
fn part(life: SignedDuration, numerator: i128, denominator: i128) -> SignedDuration {
    let nanoseconds = life.as_nanos() * numerator / denominator;
    SignedDuration::from_nanos_i128(nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn window(cron: &str, hours: i64, zone: TimeZone) -> RenewalWindow {
        RenewalWindow::new(cron, SignedDuration::from_hours(hours), zone).unwrap()
    }

    #[test]
    fn ninety_nine_percent_of_ten_years_do_not_overflow() {
        let rule = RenewalRule { renew_before_percentage: Some(99), ..RenewalRule::default() };
        assert_eq!(rule.renew_before(SignedDuration::from_hours(87_600)), SignedDuration::from_hours(86_724));
    }

    #[test]
    fn an_open_window_is_used_at_once_and_the_first_that_opens_otherwise() {
        let windows = [window("0 10 * * *", 2, TimeZone::UTC), window("0 22 * * 6", 1, TimeZone::UTC)];
        let end = at("2026-02-01T00:00:00Z");
        assert_eq!(in_window(at("2026-01-01T11:59:59Z"), end, &windows), InWindow::At(at("2026-01-01T11:59:59Z")));
        assert_eq!(in_window(at("2026-01-01T12:00:00Z"), end, &windows), InWindow::At(at("2026-01-02T10:00:00Z")));
        // The 3rd was a Saturday.
        assert_eq!(in_window(at("2026-01-03T12:00:00Z"), end, &windows), InWindow::At(at("2026-01-03T22:00:00Z")));
    }

    #[test]
    fn a_window_opens_by_the_clock_of_its_zone() {
        let amsterdam = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let windows = [window("0 10 * * *", 2, amsterdam)];
        let end = at("2027-01-01T00:00:00Z");
        assert_eq!(in_window(at("2026-01-01T00:00:00Z"), end, &windows), InWindow::At(at("2026-01-01T09:00:00Z")));
        assert_eq!(in_window(at("2026-07-01T00:00:00Z"), end, &windows), InWindow::At(at("2026-07-01T08:00:00Z")));
    }

    #[test]
    fn a_window_that_opens_too_late_does_not_let_a_certificate_die() {
        let windows = [window("0 10 * * *", 2, TimeZone::UTC)];
        let target = at("2026-01-01T13:30:00Z");
        assert_eq!(in_window(target, at("2026-01-02T00:00:00Z"), &windows), InWindow::NoneInTime(target));
    }
}
