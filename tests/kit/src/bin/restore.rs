//! One restore in a process of its own, so that a test can have it killed, or give it a disk of its own.
//!
//! `restore SOURCE PATH INITIAL_CLUSTER TOKEN NAME DATA_DIR BUMP DIE_AT`: restores the member `NAME` from the `snapshot` or `data-directory` at `PATH`,
//! bumps the revision by `BUMP` (0 for not at all), kills itself when it is `proving`, halfway through `writing`, or `syncing` (`-` for never), prints the
//! plan, and fails with the error as JSON.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rustix::process::{Signal, getpid, kill_process};
use trimtab_etcd_file::Error;
use trimtab_etcd_file::restore::{BumpRevision, InitialCluster, Progress, Restore, Restored, Source, restore_member};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [source, path, initial_cluster, token, name, data_dir, bump, die_at] = arguments.as_slice() else {
        eprintln!("usage: restore SOURCE PATH INITIAL_CLUSTER TOKEN NAME DATA_DIR BUMP DIE_AT");
        return ExitCode::FAILURE;
    };
    let source = match source.as_str() {
        "data-directory" => Source::DataDirectory(PathBuf::from(path)),
        _ => Source::Snapshot(PathBuf::from(path)),
    };
    let run = || {
        let mut restore = Restore::new(InitialCluster::parse(initial_cluster, token)?);
        restore.bump_revision = if bump == "0" { None } else { Some(BumpRevision::by(bump.parse().unwrap_or(-1))?) };
        restored(&source, &restore, name, Path::new(data_dir), die_at)
    };
    match run() {
        Ok(restored) => {
            println!("{}", restored.plan);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}", serde_json::to_string(&error).unwrap_or_default());
            ExitCode::FAILURE
        }
    }
}

fn restored(source: &Source, restore: &Restore, name: &str, data_dir: &Path, die_at: &str) -> Result<Restored, Error> {
    restore_member(source, restore, name, data_dir, &mut |progress| {
        let now = match progress {
            Progress::Proving => "proving",
            Progress::Writing { items, of_items } if items >= of_items / 2 => "writing",
            Progress::Writing { .. } => "",
            Progress::Syncing => "syncing",
        };
        if now == die_at {
            let _ = kill_process(getpid(), Signal::KILL);
        }
    })
}
