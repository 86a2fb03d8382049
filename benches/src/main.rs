//! The Rust side of `benches/run`, which makes the input, starts this program and its peers in turns, and compares.
//!
//! ```text
//! bench quantity FILE ROUNDS          a quantity a line; reports as tests/oracle/bench_quantity does
//! bench pods read|score FILE ROUNDS   a pod a line, as JSON
//! bench certs read|judge|everything FOLDER ROUNDS
//!                                     files of certificates: read from the disk, parsed and judged, or both
//! bench answers quantity|pods FILE    what comes out, a line each, for the comparison of results
//! ```

mod answers;
mod certs;
mod pods;
mod quantity;
mod rounds;

use std::env;
use std::error::Error;
use std::fs;
use std::process::ExitCode;

use serde_json::Value;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["quantity", file, rounds] => report(&quantity::measure(&lines(&read(file)?), rounds.parse()?)?),
        ["pods", work, file, rounds] => report(&pods::measure(work.parse()?, &lines(&read(file)?), rounds.parse()?)?),
        ["certs", work, folder, rounds] => report(&certs::measure(work.parse()?, folder, rounds.parse()?)?),
        ["answers", "quantity", file] => answers::quantities(&lines(&read(file)?))?,
        ["answers", "pods", file] => answers::pods(&lines(&read(file)?))?,
        _ => return Err(
            "usage: bench quantity FILE ROUNDS, bench pods read|score FILE ROUNDS, bench certs read|judge|everything FOLDER ROUNDS, or bench answers quantity|pods FILE"
                .into(),
        ),
    }
    Ok(())
}

fn read(file: &str) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

fn report(measured: &Value) {
    println!("{measured}");
}
