//! A process that prunes, so that another one can kill it.

use std::path::Path;
use std::process::ExitCode;

use trimtab_core::plan::Outcome;
use trimtab_history_ops::live::{Cluster, Journal, Pace};
use trimtab_history_ops::{Policy, PruningPlan, plan};

/// Prunes as `KUBECONFIG JOURNAL POLICY.json RATE [PLAN.json]` say; without a plan it observes and plans first. It prints how many objects it deleted, how
/// many steps are not done, and the most memory that it held until it had planned and until its end, in kB.
pub async fn run(arguments: &[String]) -> ExitCode {
    let [kubeconfig, journal, policy, rate, rest @ ..] = arguments else {
        eprintln!("usage: KUBECONFIG JOURNAL POLICY.json RATE [PLAN.json]");
        return ExitCode::FAILURE;
    };
    let read = |path: &str| std::fs::read_to_string(path).expect("a file that can be read");
    let policy: Policy = serde_json::from_str(&read(policy)).expect("a policy");
    let cluster = Cluster::connect(Some(Path::new(kubeconfig)), None).await.expect("a kubeconfig");
    let plan: PruningPlan = match rest.first() {
        Some(saved) => serde_json::from_str(&read(saved)).expect("a plan"),
        None => plan(&cluster.observe(&policy, |_| ()).await.expect("a cluster"), &policy, cluster.now()).expect("a policy that holds"),
    };
    let planned_kb = peak_kb("self");
    let journal = Journal::open(Path::new(journal)).expect("a journal");
    let pace = Pace { deletes_per_second: rate.parse().ok().filter(|rate: &f64| *rate > 0.0), ..Pace::default() };
    let report = cluster.apply(&plan, &journal, &pace, |_| ()).await;
    let undone: Vec<_> = report.steps.iter().filter(|step| !matches!(step.outcome, Outcome::Done { .. })).collect();
    let figures = serde_json::json!({"acted": report.acted(), "undone": undone.len(), "planned_kb": planned_kb, "peak_kb": peak_kb("self")});
    println!("{figures}");
    if let Some(first) = undone.first() {
        eprintln!("{}: {}", first.target, first.outcome);
    }
    ExitCode::SUCCESS
}

/// The most memory that a process has held so far, in kB: `self`, or its id. None of one that has ended.
pub fn peak_kb(process: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).unwrap_or(0)
}
