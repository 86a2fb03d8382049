//! Cases as data: finds the topics of a directory and runs each case through the public API.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::topics;

/// One case of a topic; what it is made of depends on the topic.
#[derive(Debug, Clone, Deserialize)]
pub struct Case {
    /// Unique within its topic.
    pub id: String,
    /// What is given.
    pub input: Value,
    /// What upstream answers.
    pub expected: Value,
}

/// How a topic went.
#[derive(Debug)]
pub struct Tally {
    pub passed: usize,
    /// Id and what was wrong, for each case that failed.
    pub missed: Vec<(String, String)>,
}

impl Tally {
    pub fn total(&self) -> usize {
        self.passed + self.missed.len()
    }
}

/// Where the vectors are: `TRIMTAB_VECTORS`, or `tests/vectors` of the repository.
pub fn directory() -> PathBuf {
    std::env::var_os("TRIMTAB_VECTORS").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors"), PathBuf::from)
}

/// Every topic below a directory, by its name `<area>/<topic>`.
pub fn topics_of(directory: &Path) -> Result<BTreeMap<String, PathBuf>, String> {
    let mut found = BTreeMap::new();
    for area in folder(directory)? {
        if !area.is_dir() {
            continue;
        }
        for file in folder(&area)? {
            if file.extension().is_some_and(|extension| extension == "json") {
                found.insert(format!("{}/{}", stem(&area), stem(&file)), file);
            }
        }
    }
    if found.is_empty() { Err(format!("{}: no topic below it", directory.display())) } else { Ok(found) }
}

/// Runs one topic; an error where nobody knows it or its file cannot be read.
pub fn run(topic: &str, file: &Path) -> Result<Tally, String> {
    let check = topics::of(topic).ok_or_else(|| format!("no runner knows the topic {topic} ({})", file.display()))?;
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let cases: Vec<Case> = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    if cases.is_empty() {
        return Err(format!("{}: no case in it", file.display()));
    }
    let mut tally = Tally { passed: 0, missed: Vec::new() };
    for case in cases {
        match check(&case.input, &case.expected) {
            Ok(()) => tally.passed += 1,
            Err(why) => tally.missed.push((case.id, why)),
        }
    }
    Ok(tally)
}

fn folder(path: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(entries.filter_map(Result::ok).map(|entry| entry.path()).collect())
}

fn stem(path: &Path) -> String {
    path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}
