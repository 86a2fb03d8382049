//! What `benches/pruning.py` measures of trimtab, a process for each piece of work, beside plain kube-rs and plain Python.
//!
//! ```text
//! bench-history usage COMMAND ARGUMENT…             runs a command, its output thrown away; what it took and used
//! bench-history rows REPLICASETS                    that many rows made in memory, then planned: what the plan alone took
//! bench-history read FILE                           rows of a dump
//! bench-history plan FILE                           a dump read and planned: what goes
//! bench-history fill KUBECONFIG FIRST END VERSIONS BYTES
//!                                                   records of Helm 3 with payloads of about that size, 32 at a time, of the releases of these numbers
//! bench-history observe KUBECONFIG                  the rows of Helm's records, page by page; what they cost
//! bench-history list KUBECONFIG                     the same Secrets with kube-rs alone, as a whole
//! bench-history prune KUBECONFIG JOURNAL RATE       all but the deployed records deleted by a plan, so many in a second; 0 is no limit
//! bench-history delete KUBECONFIG RATE              the same with kube-rs alone, one after the other
//! bench-history sweep KUBECONFIG                    what is left of them deleted in one request; how many it was
//! ```
//!
//! Each prints a line of JSON, so that results are compared before their speed is.

mod dump;
mod fill;
mod lists;
mod measured;
mod prune;
mod rows;
#[path = "../usage.rs"]
mod usage;

use std::env;
use std::error::Error;
use std::process::ExitCode;

use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match run(&arguments).await {
        Ok(told) => {
            println!("{told}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bench-history: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &[String]) -> Result<Value, Box<dyn Error>> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["usage", program, ref arguments @ ..] => usage::of(program, arguments),
        ["rows", replica_sets] => rows::plan(replica_sets.parse()?),
        ["read", file] => dump::read(file),
        ["plan", file] => dump::plan(file),
        ["fill", kubeconfig, first, end, versions, bytes] => {
            fill::fill(kubeconfig, first.parse()?..end.parse()?, versions.parse()?, bytes.parse()?).await
        }
        ["observe", kubeconfig] => lists::observe(kubeconfig).await,
        ["list", kubeconfig] => lists::list(kubeconfig).await,
        ["prune", kubeconfig, journal, rate] => prune::by_plan(kubeconfig, journal, rate.parse()?).await,
        ["delete", kubeconfig, rate] => prune::by_loop(kubeconfig, rate.parse()?).await,
        ["sweep", kubeconfig] => prune::sweep(kubeconfig).await,
        _ => Err("usage: bench-history usage|rows|read|plan|fill|observe|list|prune|delete|sweep …; see benches/src/history/main.rs".into()),
    }
}
