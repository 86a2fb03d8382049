//! One renewal in a process of its own, so that a test can have it killed, or give it a disk of its own.
//!
//! `renew FOLDER VERSION ITEM DIE_AT`: renews `ITEM` (`all` for everything) whether it is due or not, to an hour later than anything there ends, in a folder
//! that stands for `/etc/kubernetes`, kills itself when it says the `DIE_AT`th thing (counted from 0; `-` for never), prints the report, and fails with it
//! as JSON.

use std::collections::BTreeSet;
use std::process::ExitCode;

use rustix::process::{Signal, getpid, kill_process};
use trimtab_certs::Error;
use trimtab_certs::kubeadm::Item;
use trimtab_certs::live::{self, Node};
use trimtab_certs::renewal::{RenewalPolicy, Renewals, plan};
use trimtab_core::apply::Event;
use trimtab_core::plan::Report;
use trimtab_kit::kubeadm::to_gain_an_hour;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, version, item, die_at] = arguments.as_slice() else {
        eprintln!("usage: renew FOLDER VERSION ITEM DIE_AT");
        return ExitCode::FAILURE;
    };
    match run(folder, version, item, die_at.parse().ok()) {
        Ok(report) if report.is_done() => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Ok(report) => {
            eprintln!("{}", serde_json::to_string(&report).unwrap_or_default());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(folder: &str, version: &str, item: &str, die_at: Option<usize>) -> Result<Report<Renewals>, Error> {
    let bad = |problem: String| Error::InvalidRenewalPolicy { problem };
    let items = match item {
        "all" => None,
        name => Some(BTreeSet::from([name.parse::<Item>().map_err(|error| bad(error.to_string()))?])),
    };
    let version = version.parse().map_err(|error| bad(format!("{error}")))?;
    let mut node = Node::new(folder);
    let plan = plan(&node.observe()?, &RenewalPolicy { items, ..to_gain_an_hour(&node, version)? }, node.now())?;
    println!("{plan}");
    let mut said = 0;
    Ok(live::apply(&plan, &mut node, |event| match event {
        Event::Progress { message, .. } => {
            println!("{said} {message}");
            if Some(said) == die_at {
                let _ = kill_process(getpid(), Signal::KILL);
            }
            said += 1;
        }
        Event::Begun { .. } | Event::Ended { .. } => {}
    }))
}
