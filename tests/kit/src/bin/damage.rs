//! Damages every database of the vectors: `damage [--flips N] [--cuts N] [--seconds N] [--seed S]`. One line for each kind, `a/b` of them as promised.
//! `damage --corpus FOLDER` only writes the small ones there, unharmed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, setrlimit};
use trimtab_kit::damage::Subject;
use trimtab_kit::random::Rng;
use trimtab_kit::vectors;

/// The databases have some megabytes. Without a bound, whoever multiplies them is only slow on a machine with much memory.
const MEMORY_BYTES: u64 = 2 << 30;

fn main() -> ExitCode {
    if let Err(error) = setrlimit(Resource::As, Rlimit { current: Some(MEMORY_BYTES), maximum: Some(MEMORY_BYTES) }) {
        return complain(&format!("the memory cannot be bounded: {error}"));
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| arguments.iter().position(|argument| argument == name).and_then(|at| arguments.get(at + 1)?.parse::<u64>().ok());
    let seed = value("--seed").unwrap_or(20_261_125);
    let subjects = match subjects() {
        Ok(subjects) if !subjects.is_empty() => subjects,
        Ok(_) => return complain("the vectors hold no database"),
        Err(why) => return complain(&why),
    };
    if let Some(folder) = arguments.iter().position(|argument| argument == "--corpus").and_then(|at| arguments.get(at + 1)) {
        return match write_corpus(&subjects, Path::new(folder)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&format!("{folder}: {error}")),
        };
    }
    let snapshots: Vec<&Subject> = subjects.iter().filter(|subject| subject.is_snapshot()).collect();
    let all: Vec<&Subject> = subjects.iter().collect();
    let (flips, cuts) = (value("--flips").unwrap_or(10_000), value("--cuts").unwrap_or(2_000));
    let mut good = true;
    good &= run("flips with a SHA-256", &snapshots, flips, seed, Subject::flip_with_sha256);
    good &= run("cuts with a SHA-256", &snapshots, cuts, seed, Subject::cut_with_sha256);
    good &= run("flips without a SHA-256", &all, flips, seed, Subject::flip_without_sha256);
    good &= fuzz(&all, Duration::from_secs(value("--seconds").unwrap_or(10)), seed);
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The small ones, for a fuzzer: in a page more nothing new happens.
fn write_corpus(subjects: &[Subject], folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for subject in subjects.iter().filter(|subject| subject.bytes.len() < 65_536) {
        std::fs::write(folder.join(subject.name.replace('/', "-")), &subject.bytes)?;
    }
    Ok(())
}

fn complain(why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::FAILURE
}

fn subjects() -> Result<Vec<Subject>, String> {
    let databases = vectors::databases(&vectors::directory())?;
    databases.into_iter().map(|(name, bytes)| Subject::new(name, bytes)).collect()
}

/// `count` of them over all subjects in turn.
fn run(what: &str, subjects: &[&Subject], count: u64, seed: u64, check: fn(&Subject, &mut Rng) -> Result<(), String>) -> bool {
    let mut rng = Rng::new(seed);
    let mut passed = 0;
    for (_, subject) in (0..count).zip(subjects.iter().cycle()) {
        match catch_unwind(AssertUnwindSafe(|| check(subject, &mut rng))) {
            Ok(Ok(())) => passed += 1,
            Ok(Err(why)) => eprintln!("  {what}: {}: {why}", subject.name),
            Err(_) => eprintln!("  {what}: {}: a panic", subject.name),
        }
    }
    println!("soak {what}: {passed}/{count}");
    passed == count && count > 0
}

/// As many as there is time for. Each has a seed of its own, which a panic names: `--seed` it to see it again first.
fn fuzz(subjects: &[&Subject], time: Duration, seed: u64) -> bool {
    let (began, mut count, mut survived) = (Instant::now(), 0_u64, 0_u64);
    for subject in subjects.iter().cycle() {
        if began.elapsed() >= time {
            break;
        }
        let seed = seed.wrapping_add(count);
        count += 1;
        match catch_unwind(AssertUnwindSafe(|| subject.survive(&mut Rng::new(seed)))) {
            Ok(()) => survived += 1,
            Err(_) => eprintln!("  {}: a panic with seed {seed}", subject.name),
        }
    }
    println!("soak databases damaged at will, {} s: {survived}/{count}", time.as_secs());
    survived == count && count > 0
}
