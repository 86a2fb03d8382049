//! Upstream's own functions judge ours on seeded random inputs: `oracle --inputs N [--releases 1.20,1.37] [--seed S]`.
//! One line for each formula and release; failure on any difference.

use std::process::ExitCode;

use trimtab_kit::generate::{Formula, Release};
use trimtab_kit::oracle;

struct Options {
    inputs: usize,
    releases: Vec<Release>,
    seed: u64,
}

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    let formulas = [
        (Formula::Qos, "qos"),
        (Formula::OomScoreAdj, "oom_score_adj"),
        (Formula::NumFeasibleNodes, "num_feasible_nodes"),
        (Formula::Quantity, "quantity"),
    ];
    let mut good = true;
    for release in &options.releases {
        for (formula, name) in formulas {
            match oracle::judge(formula, *release, options.inputs, options.seed) {
                Ok(verdict) => {
                    println!("oracle {} {name}: {}/{}", release.name(), verdict.agreed, verdict.total());
                    good &= verdict.agreed == verdict.total() && verdict.total() > 0;
                    for why in verdict.differing.iter().chain(&verdict.refused).take(5) {
                        eprintln!("  {why}");
                    }
                }
                Err(why) => {
                    eprintln!("{why}");
                    good = false;
                }
            }
        }
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn options(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options { inputs: 20_000, releases: Release::ALL.to_vec(), seed: 20_261_124 };
    let mut arguments = arguments;
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} wants a value"))?;
        let number = || value.parse::<u64>().map_err(|error| format!("{name} {value}: {error}"));
        match name.as_str() {
            "--inputs" => options.inputs = usize::try_from(number()?).unwrap_or(usize::MAX),
            "--seed" => options.seed = number()?,
            "--releases" => options.releases = value.split(',').map(release).collect::<Result<_, _>>()?,
            _ => return Err(format!("{name} is no option: --inputs N, --releases 1.20,1.37, --seed S")),
        }
    }
    Ok(options)
}

fn release(name: &str) -> Result<Release, String> {
    Release::ALL.into_iter().find(|release| release.name() == name).ok_or_else(|| format!("there is no oracle for {name}"))
}
