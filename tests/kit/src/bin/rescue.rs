//! One run of a rescue in a process of its own, so that a test can have it killed between two steps.
//!
//! `rescue PLAN DIE_AFTER ENDPOINT…`: takes the plan from the file `PLAN`, or makes it (to head) and saves it there; kills itself right
//! after step `DIE_AFTER` has ended (`-` for never); fails
//! where the report is not done, and prints it.

use std::path::Path;
use std::process::ExitCode;

use rustix::process::{Signal, getpid, kill_process};
use trimtab_core::apply::Event;
use trimtab_etcd_ops::RescueReport;
use trimtab_etcd_ops::live::{Access, Etcd};
use trimtab_etcd_ops::rescue::{self, CompactTo, RescuePlan, RescuePolicy};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()).await {
        Ok(report) if report.is_done() => ExitCode::SUCCESS,
        Ok(report) => {
            eprintln!("{report}");
            ExitCode::FAILURE
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Vec<String>) -> Result<RescueReport, String> {
    let [file, die_after, endpoints @ ..] = arguments.as_slice() else {
        return Err("usage: rescue PLAN DIE_AFTER ENDPOINT…".to_owned());
    };
    let die_after: Option<usize> = die_after.parse().ok();
    let access = Access::to(endpoints).map_err(|error| error.to_string())?;
    let mut etcd = Etcd::new(access).map_err(|error| error.to_string())?;
    let plan = plan(Path::new(file), &mut etcd).await?;
    let report = plan
        .apply(&mut etcd, |event| match event {
            Event::Ended { index, outcome } => {
                eprintln!("step {index}: {outcome}");
                if die_after == Some(index) {
                    let _ = kill_process(getpid(), Signal::KILL);
                }
            }
            Event::Begun { .. } | Event::Progress { .. } => {}
        })
        .await;
    Ok(report)
}

async fn plan(file: &Path, etcd: &mut Etcd) -> Result<RescuePlan, String> {
    if let Ok(saved) = std::fs::read_to_string(file) {
        return serde_json::from_str(&saved).map_err(|error| format!("{}: {error}", file.display()));
    }
    let seen = etcd.observe(&mut |message| eprintln!("{message}")).await.map_err(|error| error.to_string())?;
    let policy = RescuePolicy { compact_to: CompactTo::Head, ..RescuePolicy::default() };
    let plan = rescue::plan(&seen, &policy).map_err(|error| error.to_string())?;
    let text = serde_json::to_string(&plan).map_err(|error| error.to_string())?;
    std::fs::write(file, text).map_err(|error| error.to_string())?;
    Ok(plan)
}
