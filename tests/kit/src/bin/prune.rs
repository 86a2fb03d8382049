//! Prunes a cluster as a program of its own, so that a test can kill it: `prune KUBECONFIG JOURNAL POLICY.json RATE [PLAN.json]`.

use std::process::ExitCode;

use trimtab_kit::pruner;

#[tokio::main]
async fn main() -> ExitCode {
    pruner::run(&std::env::args().skip(1).collect::<Vec<_>>()).await
}
