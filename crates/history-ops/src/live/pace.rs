//! How fast a plan is carried out.

use std::num::NonZeroUsize;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// How fast a plan is carried out, and when it is given up.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Pace {
    /// Deletions in a second, of all lanes together; 10 by default, and with none as fast as it goes. What was missed within a second is made up for. What
    /// is no rate (zero, negative, infinite, no number) is taken for the default.
    pub deletes_per_second: Option<f64>,
    /// How many objects are worked on at once; 4 by default, and never more than [`MOST_LANES`](Self::MOST_LANES).
    pub lanes: NonZeroUsize,
    /// After this many failures no further object is begun; 10 by default.
    pub most_failures: NonZeroUsize,
}

impl Pace {
    /// As many lanes as are of use: with more of them the server only says that it is busy.
    pub const MOST_LANES: usize = 64;

    const RATE: f64 = 10.0;

    /// How many lanes are made.
    pub(super) fn width(&self) -> usize {
        self.lanes.get().min(Self::MOST_LANES)
    }

    /// The time from one deletion to the next.
    fn gap(&self) -> Duration {
        let Some(rate) = self.deletes_per_second else { return Duration::ZERO };
        let rate = if rate.is_finite() && rate > 0.0 { rate } else { Self::RATE };
        Duration::from_secs_f64((1.0 / rate).min(3600.0))
    }
}

impl Default for Pace {
    fn default() -> Self {
        let of = |count: usize| NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN);
        Self { deletes_per_second: Some(Self::RATE), lanes: of(4), most_failures: of(10) }
    }
}

/// How far a plan that was held up (a slow disk, a server that is busy) may be behind its rate and catch up. Without it every pause of all lanes would be
/// lost, and the rate never be reached; with more, a long pause would end in a flood.
const BEHIND: Duration = Duration::from_secs(1);

/// Lets one through at a time, so many in a second.
#[derive(Debug)]
pub(super) struct Limiter {
    gap: Duration,
    next: Mutex<Option<Instant>>,
}

impl Limiter {
    pub(super) fn new(pace: &Pace) -> Self {
        Self { gap: pace.gap(), next: Mutex::new(None) }
    }

    pub(super) async fn pass(&self) {
        let mut next = self.next.lock().await;
        let mine = due(*next, Instant::now());
        *next = Some(mine + self.gap);
        drop(next);
        sleep_until(mine).await;
    }
}

/// When the next one may go.
fn due(next: Option<Instant>, now: Instant) -> Instant {
    next.map_or(now, |next| next.max(now.checked_sub(BEHIND).unwrap_or(now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_pause_is_made_up_for_and_of_a_long_one_no_more_than_a_second() {
        let now = Instant::now() + Duration::from_secs(3600);
        let ago = |milliseconds| now - Duration::from_millis(milliseconds);
        assert_eq!(due(Some(ago(500)), now), ago(500));
        assert_eq!(due(Some(ago(60_000)), now), ago(1_000));
    }

    #[test]
    fn the_first_one_goes_at_once_and_the_next_ones_wait() {
        let now = Instant::now();
        assert_eq!(due(None, now), now);
        assert_eq!(due(Some(now + Duration::from_millis(20)), now), now + Duration::from_millis(20));
    }

    #[test]
    fn lanes_have_an_upper_bound_and_what_is_no_rate_is_the_default_one() {
        let pace = |lanes: usize| Pace { lanes: lanes.try_into().unwrap(), ..Pace::default() };
        assert_eq!([pace(1).width(), pace(64).width(), pace(1_000_000_000_000).width()], [1, 64, 64]);
        let gap = |rate: Option<f64>| Pace { deletes_per_second: rate, ..Pace::default() }.gap().as_millis();
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(gap(Some(rate)), 100, "{rate}");
        }
        assert_eq!([gap(Some(4.0)), gap(None), gap(Some(1e-9))], [250, 0, 3_600_000]);
    }
}
