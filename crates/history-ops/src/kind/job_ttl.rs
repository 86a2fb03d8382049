//! Jobs with a time to live: the controller `ttlafterfinished`.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::cron_job::Job;

/// What the controller thinks of a Job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum TimeToLive {
    /// It has no time to live, or it has not ended: nothing to do.
    None,
    /// It has ended, and its condition does not say when: upstream gives up on it with an error.
    NoFinishTime,
    /// Its time is over at this moment.
    Until {
        /// Finish time and TTL.
        expires: Timestamp,
        /// What is left at `now`; zero or less and it goes. More than the TTL where it finished in the future, by a skewed clock.
        left: SignedDuration,
    },
}

/// How long a Job stays, seen from `now`.
///
/// Source: `timeLeft`, `jobFinishTime`, `pkg/controller/ttlafterfinished/ttlafterfinished_controller.go` v1.37.2; the same since 1.12. The feature was
/// behind a gate (`TTLAfterFinished`) before 1.21.
///
/// ```
/// use jiff::{SignedDuration, Timestamp};
/// use trimtab_history_ops::kind::job_ttl::{TimeToLive, time_left};
///
/// let finished: Timestamp = "2026-11-25T10:00:00Z".parse()?;
/// let now = finished + SignedDuration::from_secs(10);
/// let TimeToLive::Until { left, .. } = time_left(Some(finished), 15, now) else { unreachable!() };
/// assert_eq!(left.as_secs(), 5);
/// # Ok::<(), jiff::Error>(())
/// ```
#[must_use]
pub fn time_left(finished: Option<Timestamp>, ttl_seconds: i32, now: Timestamp) -> TimeToLive {
    let Some(finished) = finished else { return TimeToLive::NoFinishTime };
    let expires = finished.checked_add(SignedDuration::from_secs(i64::from(ttl_seconds))).unwrap_or(Timestamp::MAX);
    TimeToLive::Until { expires, left: expires.duration_since(now) }
}

impl Job {
    /// How long the controller leaves it, seen from `now`.
    #[must_use]
    pub fn time_to_live(&self, now: Timestamp) -> TimeToLive {
        match (self.finished, self.ttl_seconds_after_finished) {
            (Some(finished), Some(ttl)) => time_left(finished.at, ttl, now),
            (None, _) | (_, None) => TimeToLive::None,
        }
    }
}
