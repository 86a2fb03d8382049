//! Prunes a cluster as a program of its own, so that a test can kill it: `prune KUBECONFIG JOURNAL POLICY.json RATE [PLAN.json]`.
//!
//! Without a plan it observes and plans first. It prints how many objects it deleted, and the most memory that it held, in kB.

use std::path::Path;
use std::process::ExitCode;

use trimtab_history_ops::live::{Cluster, Journal, Pace};
use trimtab_history_ops::{Policy, PruningPlan, plan};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kubeconfig, journal, policy, rate, rest @ ..] = arguments.as_slice() else {
        eprintln!("prune KUBECONFIG JOURNAL POLICY.json RATE [PLAN.json]");
        return ExitCode::FAILURE;
    };
    let read = |path: &str| std::fs::read_to_string(path).expect("a file that can be read");
    let policy: Policy = serde_json::from_str(&read(policy)).expect("a policy");
    let cluster = Cluster::connect(Some(Path::new(kubeconfig)), None).await.expect("a kubeconfig");
    let plan: PruningPlan = match rest.first() {
        Some(saved) => serde_json::from_str(&read(saved)).expect("a plan"),
        None => plan(&cluster.observe(&policy, |_| ()).await.expect("a cluster"), &policy, cluster.now()).expect("a policy that holds"),
    };
    let journal = Journal::open(Path::new(journal)).expect("a journal");
    let pace = Pace { deletes_per_second: rate.parse().ok(), ..Pace::default() };
    let report = cluster.apply(&plan, &journal, &pace, |_| ()).await;
    println!("{}", serde_json::json!({"acted": report.acted(), "done": report.is_done(), "steps": report.steps.len(), "peak_kb": peak_kb()}));
    ExitCode::SUCCESS
}

fn peak_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("its peak");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).expect("a number")
}
