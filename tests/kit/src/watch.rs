//! A test that never ends is ended here, under its name: without that, the run is killed as a whole, and nobody knows which it was.

use std::io::Write;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

/// No live test may take longer. The slowest one takes four minutes on one core that it shares with a busy loop and another test.
pub const LIMIT: Duration = Duration::from_secs(10 * 60);

thread_local! {
    // cargo test gives each test a thread of its own, so the end of the thread is the end of the test.
    static WATCH: Watch = Watch::over_this_thread(LIMIT);
}

/// Watches the test that runs on this thread from its first call on until its end; every server of the kit calls it when it is started.
///
/// After [`LIMIT`] it writes `test NAME ... FAILED` and ends the whole process: a thread that hangs cannot be ended alone.
/// The servers go with it.
pub fn this_test() {
    WATCH.with(|_| ());
}

struct Watch {
    /// The guard's other end notices when it is dropped.
    _ends: Sender<()>,
}

impl Watch {
    fn over_this_thread(limit: Duration) -> Self {
        let (ends, ended) = mpsc::channel::<()>();
        // The main thread is no test: a benchmark may take as long as it likes.
        let test = thread::current().name().filter(|name| *name != "main").map(str::to_owned);
        if let Some(test) = test {
            thread::spawn(move || {
                if ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                    end_the_process(&test, limit);
                }
            });
        }
        Self { _ends: ends }
    }
}

fn end_the_process(test: &str, limit: Duration) {
    let said = format!("\ntest {test} ... FAILED: it has not ended after {} s. It is ended with its whole process.\n", limit.as_secs_f64());
    // Not with eprintln, which is kept back until the test has ended.
    let _ = std::io::stderr().write_all(said.as_bytes());
    std::process::exit(101)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const RUNS_AGAIN: &str = "TRIMTAB_WATCHED_TEST";

    /// Runs the test of this thread once more, in a process of its own.
    fn once_more() -> (bool, String) {
        let test = thread::current().name().unwrap().to_owned();
        let output = Command::new(std::env::current_exe().unwrap()).args(["--exact", &test]).env(RUNS_AGAIN, "1").output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    }

    #[test]
    fn a_test_that_does_not_end_is_ended_under_its_name() {
        if std::env::var_os(RUNS_AGAIN).is_some() {
            let _watch = Watch::over_this_thread(Duration::from_millis(100));
            return thread::sleep(Duration::from_secs(30));
        }
        let (passed, said) = once_more();
        assert!(!passed);
        let line = "test watch::tests::a_test_that_does_not_end_is_ended_under_its_name ... FAILED: it has not ended after 0.1 s.";
        assert!(said.contains(line), "{said}");
    }

    thread_local! {
        static SHORT: Watch = Watch::over_this_thread(Duration::from_millis(100));
    }

    #[test]
    fn a_test_that_ends_in_time_is_left_alone() {
        if std::env::var_os(RUNS_AGAIN).is_some() {
            let short = thread::Builder::new().name("short".to_owned());
            short.spawn(|| SHORT.with(|_| ())).unwrap().join().unwrap();
            return thread::sleep(Duration::from_millis(500));
        }
        assert_eq!(once_more(), (true, String::new()));
    }
}
