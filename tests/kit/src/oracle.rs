//! Asks upstream's own programs, and checks what they answer as if it stood in a vector.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use serde_json::{Value, json};

use crate::generate::{Batch, Formula, Release, batches};
use crate::topics;

/// How one formula of one release went.
#[derive(Debug, Default)]
pub struct Verdict {
    pub agreed: usize,
    /// Cases that upstream's program could not put to upstream: the generator's fault.
    pub refused: Vec<String>,
    /// Input and difference, for each case that differs.
    pub differing: Vec<String>,
}

impl Verdict {
    pub fn total(&self) -> usize {
        self.agreed + self.refused.len() + self.differing.len()
    }
}

/// Judges `count` seeded cases.
pub fn judge(formula: Formula, release: Release, count: usize, seed: u64) -> Result<Verdict, String> {
    let mut verdict = Verdict::default();
    for batch in batches(formula, release, count, seed) {
        let check = topics::of(batch.topic).ok_or_else(|| format!("no runner knows the topic {}", batch.topic))?;
        let answers = ask(release, &batch)?;
        for (input, expected) in batch.inputs.iter().zip(&answers) {
            if let Some(why) = expected.get("refused") {
                verdict.refused.push(format!("{input}: {why}"));
                continue;
            }
            match check(input, expected) {
                Ok(()) => verdict.agreed += 1,
                Err(why) => verdict.differing.push(format!("{input}: {why}")),
            }
        }
    }
    Ok(verdict)
}

/// One process for each set of gates; written and read at once, or both sides would wait on full pipes.
fn ask(release: Release, batch: &Batch) -> Result<Vec<Value>, String> {
    let gates: Vec<String> = batch.gates.iter().map(|(name, on)| format!("{name}={on}")).collect();
    let program = program(release)?;
    let failed = |what: &str, error: &dyn std::fmt::Display| format!("oracle {}: {what}: {error}", release.name());
    let mut child = Command::new(&program)
        .args(["--gates", &gates.join(",")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed("cannot be started", &error))?;
    let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(failed("has no pipes", &program.display()));
    };
    let answers = thread::scope(|scope| {
        let writer = scope.spawn(move || {
            let mut stdin = BufWriter::new(stdin);
            batch
                .inputs
                .iter()
                .try_for_each(|input| writeln!(stdin, "{}", json!({"topic": batch.topic, "input": input})))
                .and_then(|()| stdin.flush())
        });
        let answers: Result<Vec<Value>, String> =
            BufReader::new(stdout).lines().map(|line| serde_json::from_str(&line.map_err(|e| e.to_string())?).map_err(|e| e.to_string())).collect();
        match writer.join() {
            Ok(Ok(())) => answers,
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the writer panicked".to_owned()),
        }
    });
    let status = child.wait().map_err(|error| failed("was lost", &error))?;
    let answers = answers.map_err(|error| failed("did not answer", &error))?;
    if !status.success() || answers.len() != batch.inputs.len() {
        return Err(failed("gave up", &format!("{status}, {} answers to {} cases", answers.len(), batch.inputs.len())));
    }
    Ok(answers)
}

fn program(release: Release) -> Result<PathBuf, String> {
    let root = std::env::var_os("TRIMTAB_TESTBED").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../.testbed"), PathBuf::from);
    let path = root.join("oracle").join(release.name()).join("oracle");
    if path.is_file() { Ok(path) } else { Err(format!("the oracle of {} is missing: run `tests/oracle/build {}`", release.name(), release.name())) }
}
