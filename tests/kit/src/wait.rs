//! Waiting with an end: a live test that waits for something says what it waited for, and what it saw last.

use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

/// For what takes seconds on an idle machine; a busy one with two such tests side by side is many times slower.
pub const LONG: Duration = Duration::from_secs(120);

const PAUSE: Duration = Duration::from_millis(50);

/// Looks again and again until a look finds its answer. A look without one says what it saw instead.
///
/// # Errors
/// After `limit`: what was waited for and what was seen last. A look is not interrupted; one that may hang needs a deadline of its own.
pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<T, String>) -> Result<T, String> {
    let end = Instant::now() + limit;
    loop {
        match look() {
            Ok(found) => return Ok(found),
            Err(seen) if Instant::now() >= end => return Err(in_vain(what, limit, &seen)),
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

/// As [`until`], but a look that hangs is interrupted too.
///
/// # Errors
/// As [`until`].
pub async fn until_async<T>(what: &str, limit: Duration, mut look: impl AsyncFnMut() -> Result<T, String>) -> Result<T, String> {
    let mut last = "nothing, the first look has not ended".to_owned();
    let looks = async {
        loop {
            match look().await {
                Ok(found) => return found,
                Err(seen) => last = seen,
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(limit, looks).await.map_err(|_| in_vain(what, limit, &last))
}

/// Until a server that was sent SIGSTOP stands still: on a busy machine it goes on and answers until the kernel has it run next.
pub(crate) fn until_stopped(child: &Child) {
    let look = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let stands = || match waitid(WaitId::Pid(Pid::from_child(child)), look).expect("our own child can be looked at") {
        Some(_) => Ok(()),
        None => Err("it runs".to_owned()),
    };
    until("a server to stand still", LONG, stands).unwrap_or_else(|why| panic!("{why}"));
}

fn in_vain(what: &str, limit: Duration, seen: &str) -> String {
    format!("waited {} s in vain for {what}; seen last: {seen}", limit.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(200);

    #[test]
    fn what_comes_in_the_end_is_waited_for() {
        let mut looks = 0;
        let found = until("the third look", LONG, || {
            looks += 1;
            if looks == 3 { Ok(looks) } else { Err(format!("look {looks}")) }
        });
        assert_eq!(found, Ok(3));
    }

    #[test]
    fn what_never_comes_is_named_with_what_was_seen_last() {
        let said = until("rain", SHORT, || Err::<(), _>("sun".to_owned())).unwrap_err();
        assert_eq!(said, "waited 0.2 s in vain for rain; seen last: sun");
    }

    #[tokio::test]
    async fn a_look_that_hangs_is_interrupted() {
        let said = until_async("an answer", SHORT, async || std::future::pending::<Result<(), String>>().await).await.unwrap_err();
        assert_eq!(said, "waited 0.2 s in vain for an answer; seen last: nothing, the first look has not ended");
        let said = until_async("rain", SHORT, async || Err::<(), _>("sun".to_owned())).await.unwrap_err();
        assert_eq!(said, "waited 0.2 s in vain for rain; seen last: sun");
    }
}
