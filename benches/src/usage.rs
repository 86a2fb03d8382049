//! What a command took.

use std::error::Error;
use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde_json::{Value, json};

/// Runs the command. Wall and processor time in seconds; the peak of resident memory in bytes, the pages of mapped files included.
///
/// A process of its own for this, because Linux counts the memory of whoever starts a process into its peak: this program's 3 MB are little,
/// a Python interpreter's would hide what small programs need.
pub(crate) fn of(program: &str, arguments: &[&str]) -> Result<Value, Box<dyn Error>> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    let start = Instant::now();
    let status = command.status().map_err(|error| format!("{program}: {error}"))?;
    let wall = start.elapsed();
    if !status.success() {
        return Err(format!("{program} {}: {status}", arguments.join(" ")).into());
    }
    // There is only this one child.
    let used = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cpu_microseconds = used.user_time().num_microseconds() + used.system_time().num_microseconds();
    Ok(json!({
        "wall_seconds": wall.as_secs_f64(),
        "cpu_seconds": f64::from(u32::try_from(cpu_microseconds)?) / 1e6,
        "peak_bytes": used.max_rss() * 1024,
    }))
}
