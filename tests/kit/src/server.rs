//! One server process of a test: its log, and its end.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::etcd::tail;
use crate::{wait, watch};

/// How long a server gets to end by itself before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// A running process. Dropping it asks it to end (SIGTERM), waits five seconds, and then ends it at once.
#[derive(Debug)]
pub(crate) struct Server {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts a program whose output goes to the end of a log. `setpriv` has the kernel end it where the test itself is killed; more exactly, with
    /// the thread that started it.
    pub(crate) fn start<S: AsRef<OsStr>>(program: &Path, args: impl IntoIterator<Item = S>, log: &Path) -> Self {
        watch::this_test();
        let name = program.file_name().expect("a program has a name").to_string_lossy().into_owned();
        let output = File::options().create(true).append(true).open(log).expect("a log file");
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program).args(args);
        command.stdin(Stdio::null()).stdout(output.try_clone().expect("a second handle")).stderr(output);
        let child = command.spawn().unwrap_or_else(|error| panic!("setpriv (Debian: util-linux) cannot start {name}: {error}"));
        Self { name, child, log: log.to_owned() }
    }

    /// An error with the end of its log as soon as it has ended by itself.
    pub(crate) fn runs(&mut self) -> Result<(), String> {
        match self.child.try_wait().expect("our own child can be looked at") {
            Some(status) => Err(format!("{} has ended, {status}: {}", self.name, tail(&self.log))),
            None => Ok(()),
        }
    }

    /// Waits for something that the server does; an error as soon as it has ended.
    pub(crate) async fn wait_until<T>(&mut self, what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> Result<T, String> {
        let look_at_both = async || match self.runs() {
            Ok(()) => look().await.map(Ok),
            Err(ended) => Ok(Err(ended)),
        };
        wait::until_async(what, wait::LONG, look_at_both).await.map_err(|why| format!("{why}\n{}", tail(&self.log)))?
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let ended = wait::until(&self.name, GRACE, || match self.child.try_wait() {
            Ok(Some(_)) => Ok(()),
            Ok(None) | Err(_) => Err("it runs".to_owned()),
        });
        if ended.is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
