//! What this process used until now.

use std::error::Error;
use std::fs;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// A moment, by the clock and by this process's processor time.
pub(crate) struct Moment {
    clock: Instant,
    cpu: Duration,
}

/// What passed since a moment.
pub(crate) struct Passed {
    pub(crate) wall_seconds: f64,
    pub(crate) cpu_seconds: f64,
}

impl Moment {
    pub(crate) fn now() -> Result<Self, Box<dyn Error>> {
        Ok(Self { clock: Instant::now(), cpu: cpu()? })
    }

    pub(crate) fn passed(&self) -> Result<Passed, Box<dyn Error>> {
        Ok(Passed { wall_seconds: self.clock.elapsed().as_secs_f64(), cpu_seconds: cpu()?.saturating_sub(self.cpu).as_secs_f64() })
    }
}

fn cpu() -> Result<Duration, Box<dyn Error>> {
    let used = getrusage(UsageWho::RUSAGE_SELF)?;
    let microseconds = used.user_time().num_microseconds() + used.system_time().num_microseconds();
    Ok(Duration::from_micros(u64::try_from(microseconds)?))
}

/// Resident memory in bytes: now, and at its peak.
pub(crate) struct Memory {
    pub(crate) now: u64,
    pub(crate) peak: u64,
}

impl Memory {
    pub(crate) fn of_this_process() -> Result<Self, Box<dyn Error>> {
        let status = fs::read_to_string("/proc/self/status")?;
        let bytes = |field: &str| -> Result<u64, Box<dyn Error>> {
            let line = status.lines().find_map(|line| line.strip_prefix(field)).ok_or(field)?;
            let kb: u64 = line.split_whitespace().next().ok_or(field)?.parse()?;
            Ok(kb * 1024)
        };
        Ok(Self { now: bytes("VmRSS:")?, peak: bytes("VmHWM:")? })
    }
}
