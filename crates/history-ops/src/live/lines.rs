//! The lines of a journal, and how they are read back.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::journal::Backup;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Line {
    /// Whose journal it is.
    Cluster(String),
    /// When the deletions began whose backups follow.
    Run(Timestamp),
    /// An object, as the API server gave it, before its deletion.
    Backup(Backup),
    /// The uid of one whose deletion was confirmed.
    Deleted(String),
    /// The uid of one that the server refused to delete.
    Kept(String),
}

/// Where a line stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    offset: u64,
    length: usize,
}

/// What follows the last whole line.
pub(super) struct Tail {
    /// Where it begins.
    pub(super) at: u64,
    bytes: Vec<u8>,
}

/// What every line but the first begins with.
const BEGINNINGS: [&[u8]; 4] = [br#"{"run":"#, br#"{"backup":"#, br#"{"deleted":"#, br#"{"kept":"#];
const FIRST: &[u8] = br#"{"cluster":""#;

impl Tail {
    /// Whether it is a line that was cut off, and no text of something else: what is lost otherwise is somebody's file.
    pub(super) fn was_cut_off(&self) -> bool {
        let tail = self.bytes.as_slice();
        let begins = |beginning: &[u8]| tail.starts_with(beginning) || beginning.starts_with(tail);
        // All that stands in the first line is a uid.
        let is_uid = |rest: &[u8]| rest.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'"' | b'}'));
        let first = FIRST.starts_with(tail) || tail.strip_prefix(FIRST).is_some_and(is_uid);
        first || (self.at > 0 && BEGINNINGS.into_iter().any(begins))
    }
}

/// Reads every whole line: its number from 1, where it stands, and what it is, if it is one of a journal.
pub(super) fn read(mut file: &File, mut each: impl FnMut(u64, Place, Option<Line>) -> Result<(), String>) -> Result<Tail, String> {
    file.seek(SeekFrom::Start(0)).map_err(|error| error.to_string())?;
    let mut reader = BufReader::new(file);
    let mut tail = Tail { at: 0, bytes: Vec::new() };
    for number in 1_u64.. {
        tail.bytes.clear();
        let length = reader.read_until(b'\n', &mut tail.bytes).map_err(|error| error.to_string())?;
        if tail.bytes.last() != Some(&b'\n') {
            break;
        }
        each(number, Place { offset: tail.at, length }, serde_json::from_slice(&tail.bytes).ok())?;
        tail.at += u64::try_from(length).map_err(|error| error.to_string())?;
    }
    Ok(tail)
}

/// The line at a place that [`read`] told of.
pub(super) fn line(file: &File, place: Place) -> Option<Line> {
    let mut text = vec![0; place.length];
    file.read_exact_at(&mut text, place.offset).ok()?;
    serde_json::from_slice(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_cut_off_is_told_from_text_of_something_else() {
        let cut = |at: u64, text: &str| Tail { at, bytes: text.as_bytes().to_vec() }.was_cut_off();
        for text in ["", "{", r#"{"clus"#, r#"{"cluster":"0b1c-2"#] {
            assert!(cut(0, text), "{text}");
        }
        for text in [r#"{"subject":"pruning""#, r#"{"backup":{"uid"#, r#"{"cluster":{"server":"#, "\0\0", "notes"] {
            assert!(!cut(0, text), "{text}");
        }
        for text in ["{", r#"{"backup":{"uid"#, r#"{"deleted":"a"#, r#"{"kep"#, r#"{"run":"2026"#] {
            assert!(cut(40, text), "{text}");
        }
        for text in ["\0\0", "notes", r#"{"other":"#] {
            assert!(!cut(40, text), "{text}");
        }
    }
}
