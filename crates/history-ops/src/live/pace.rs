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
    /// Deletions in a second, of all lanes together; 10 by default, and with none as fast as it goes.
    pub deletes_per_second: Option<f64>,
    /// How many objects are worked on at once; 4 by default.
    pub lanes: NonZeroUsize,
    /// After this many failures no further object is begun; 10 by default.
    pub most_failures: NonZeroUsize,
}

impl Default for Pace {
    fn default() -> Self {
        let of = |count: usize| NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN);
        Self { deletes_per_second: Some(10.0), lanes: of(4), most_failures: of(10) }
    }
}

/// Lets one through at a time, so many in a second.
#[derive(Debug)]
pub(super) struct Limiter {
    gap: Duration,
    next: Mutex<Option<Instant>>,
}

impl Limiter {
    /// What is no rate (zero, negative, none) is no limit: a pace cannot stand still.
    pub(super) fn new(pace: &Pace) -> Self {
        let gap = pace.deletes_per_second.filter(|rate| *rate > 0.0).map_or(0.0, |rate| (1.0 / rate).min(3600.0));
        Self { gap: Duration::from_secs_f64(gap), next: Mutex::new(None) }
    }

    pub(super) async fn pass(&self) {
        let mut next = self.next.lock().await;
        let now = Instant::now();
        let mine = next.unwrap_or(now).max(now);
        *next = Some(mine + self.gap);
        drop(next);
        sleep_until(mine).await;
    }
}
