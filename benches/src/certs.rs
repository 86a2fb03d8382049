//! Certificates of a folder, read, parsed and judged.

use std::error::Error;
use std::fs;

use jiff::Timestamp;
use serde_json::{Value, json};
use trimtab_certs::finding::{FindingPolicy, findings};
use trimtab_certs::inspect::Inspection;

/// Everything once a round: each file read from the disk, its certificates parsed with all facts, all of them judged together.
pub(crate) fn measure(folder: &str, rounds: usize) -> Result<Value, Box<dyn Error>> {
    let mut files: Vec<_> = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.sort();
    let now: Timestamp = "2026-11-25T00:00:00Z".parse()?;
    let (mut certificates, mut found) = (0, 0);
    for _ in 0..rounds {
        let mut all = Inspection::default();
        for file in &files {
            all.append(Inspection::of_file(&file.to_string_lossy(), &fs::read(file)?));
        }
        certificates = all.certificates().count();
        found = findings(&all, &FindingPolicy::default(), now).len();
    }
    Ok(json!({"certificates": certificates, "findings": found}))
}
