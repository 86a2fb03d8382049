//! Tens of thousands of Helm records in a real API server, pruned by processes that are killed again and again: `helm_soak [--records N]`.
//!
//! As `helm_soak prune …` it is that process itself.

use std::process::{Command, ExitCode};

use trimtab_kit::{helm_soak, pruner};

/// As many as broke the watchers of a cluster that somebody reported.
const RECORDS: usize = 28_000;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|verb| verb == "prune") {
        return pruner::run(&arguments[1..]).await;
    }
    let records = arguments.iter().position(|argument| argument == "--records").and_then(|at| arguments.get(at + 1)?.parse().ok()).unwrap_or(RECORDS);
    let own = std::env::current_exe().expect("a program knows where it is");
    let pruner = || {
        let mut command = Command::new(&own);
        command.arg("prune");
        command
    };
    println!("{}", helm_soak::run(records, pruner).await);
    ExitCode::SUCCESS
}
