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

/// How the files of a topic end: its cases, or a database with what upstream said of it in the .json beside it.
const KINDS: [&str; 3] = [".json", ".db", ".db.zst"];

/// How a topic went.
#[derive(Debug)]
pub struct Tally {
    pub passed: usize,
    /// Id and what was wrong, for each case that failed.
    pub missed: Vec<(String, String)>,
}

impl Tally {
    /// Counts one case by its outcome.
    pub fn count(&mut self, id: &str, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.passed += 1,
            Err(why) => self.missed.push((id.to_owned(), why)),
        }
    }

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
            // The file that a database is packed in is a topic too, so that none is passed over whose .json is missing.
            if let Some(topic) = KINDS.iter().find_map(|kind| file.file_name()?.to_str()?.strip_suffix(kind)) {
                found.insert(format!("{}/{topic}", stem(&area)), area.join(format!("{topic}.json")));
            }
        }
    }
    if found.is_empty() { Err(format!("{}: no topic below it", directory.display())) } else { Ok(found) }
}

/// Every database of the area etcd, by its topic.
pub fn databases(directory: &Path) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut found = Vec::new();
    for (topic, file) in topics_of(directory)? {
        if let Some(bytes) = if topic.starts_with("etcd/") { database(&file)? } else { None } {
            found.push((topic, bytes));
        }
    }
    Ok(found)
}

/// Runs one topic; an error where nobody knows it or its file cannot be read.
pub fn run(topic: &str, file: &Path) -> Result<Tally, String> {
    if topic.starts_with("etcd/")
        && let Some(database) = database(file)?
    {
        return topics::etcd::run(&json(file)?, &database);
    }
    let check = topics::of(topic).ok_or_else(|| format!("no runner knows the topic {topic} ({})", file.display()))?;
    let cases: Vec<Case> = json(file)?;
    if cases.is_empty() {
        return Err(format!("{}: no case in it", file.display()));
    }
    let mut tally = Tally { passed: 0, missed: Vec::new() };
    for case in cases {
        tally.count(&case.id, check(&with_id(case.input, &case.id), &case.expected));
    }
    Ok(tally)
}

/// The input with the case's name as its field `id`: of some cases only the name of the scenario tells what was there.
fn with_id(mut input: Value, id: &str) -> Value {
    if let Value::Object(fields) = &mut input {
        fields.entry("id").or_insert_with(|| id.into());
    }
    input
}

fn json<T: serde::de::DeserializeOwned>(file: &Path) -> Result<T, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))
}

/// The database beside a topic's .json, where there is one: plain, or packed as the repository keeps them.
fn database(file: &Path) -> Result<Option<Vec<u8>>, String> {
    let (plain, packed) = (file.with_extension("db"), file.with_extension("db.zst"));
    let read = |path: &Path| fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    if plain.is_file() {
        return read(&plain).map(Some);
    }
    if packed.is_file() {
        let unpacked = zstd::decode_all(read(&packed)?.as_slice());
        return unpacked.map(Some).map_err(|error| format!("{}: {error}", packed.display()));
    }
    Ok(None)
}

fn folder(path: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(entries.filter_map(Result::ok).map(|entry| entry.path()).collect())
}

fn stem(path: &Path) -> String {
    path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}
