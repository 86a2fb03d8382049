//! Certificates of a folder and of those below it: read, parsed and judged.

use std::borrow::Cow;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use jiff::Timestamp;
use serde_json::{Value, json};
use trimtab_certs::finding::{FindingPolicy, findings};
use trimtab_certs::inspect::Inspection;

/// What a round does with every file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Work {
    /// Reads it from the disk, or from what the kernel has of it.
    Read,
    /// Parses what was read before, with all facts, and judges all of them together.
    Judge,
    /// Both.
    Everything,
}

impl FromStr for Work {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "read" => Ok(Self::Read),
            "judge" => Ok(Self::Judge),
            "everything" => Ok(Self::Everything),
            _ => Err(format!("{text} is none of read, judge, everything")),
        }
    }
}

pub(crate) fn measure(work: Work, folder: &str, rounds: usize) -> Result<Value, Box<dyn Error>> {
    let files = files(Path::new(folder))?;
    let now: Timestamp = "2026-11-25T00:00:00Z".parse()?;
    let before: Vec<Vec<u8>> = match work {
        Work::Judge => files.iter().map(fs::read).collect::<Result<_, _>>()?,
        Work::Read | Work::Everything => Vec::new(),
    };
    let (mut bytes, mut certificates, mut found) = (0, 0, 0);
    for _ in 0..rounds {
        let mut all = Inspection::default();
        for (at, file) in files.iter().enumerate() {
            let read = before.get(at).map_or_else(|| fs::read(file).map(Cow::Owned), |bytes| Ok(Cow::Borrowed(&bytes[..])))?;
            bytes += read.len();
            if matches!(work, Work::Judge | Work::Everything) {
                all.append(Inspection::of_file(file, &read));
            }
        }
        certificates = all.certificates().count();
        found = findings(&all, &FindingPolicy::default(), now).len();
    }
    Ok(json!({"files": files.len(), "bytes": bytes / rounds.max(1), "certificates": certificates, "findings": found}))
}

/// All but keys in files of their own.
fn files(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    entries.sort();
    let mut found = Vec::new();
    for entry in entries {
        if entry.is_dir() {
            found.extend(files(&entry)?);
        } else if entry.extension().is_none_or(|ending| ending != "key") {
            found.push(entry.to_string_lossy().into_owned());
        }
    }
    Ok(found)
}
