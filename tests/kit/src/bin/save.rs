//! One save in a process of its own, so that a test can have it killed, or give it a disk of its own.
//!
//! `save DIRECTORY DIE_AT ENDPOINT…`: saves into `DIRECTORY`, kills itself as soon as a progress message begins with `DIE_AT` (`-` for never),
//! prints every message, and fails where the report is not done, with its failure as JSON on the last line.

use std::process::ExitCode;

use jiff::Timestamp;
use rustix::process::{Signal, getpid, kill_process};
use trimtab_core::apply::Event;
use trimtab_core::plan::Outcome;
use trimtab_etcd_ops::backup::save::{self, SavePolicy, SaveReport};
use trimtab_etcd_ops::live::{Access, Etcd};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()).await {
        Ok(report) if report.is_done() => ExitCode::SUCCESS,
        Ok(report) => {
            eprintln!("{report}");
            if let Some(Outcome::Failed { failure }) = report.stopped_at().map(|step| &step.outcome) {
                eprintln!("{}", serde_json::to_string(failure).unwrap_or_default());
            }
            ExitCode::FAILURE
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Vec<String>) -> Result<SaveReport, String> {
    let [directory, die_at, endpoints @ ..] = arguments.as_slice() else {
        return Err("usage: save DIRECTORY DIE_AT ENDPOINT…".to_owned());
    };
    let access = Access::to(endpoints).map_err(|error| error.to_string())?;
    let mut etcd = Etcd::new(access).map_err(|error| error.to_string())?;
    let seen = etcd.observe(&mut |message| eprintln!("{message}")).await.map_err(|error| error.to_string())?;
    let plan = save::plan(&seen, &SavePolicy::to(directory), Timestamp::now()).map_err(|error| error.to_string())?;
    let report = plan
        .apply(&mut etcd, |event| match event {
            Event::Progress { message, .. } => {
                eprintln!("{message}");
                if die_at != "-" && message.starts_with(die_at) {
                    let _ = kill_process(getpid(), Signal::KILL);
                }
            }
            Event::Begun { .. } | Event::Ended { .. } => {}
        })
        .await;
    Ok(report)
}
