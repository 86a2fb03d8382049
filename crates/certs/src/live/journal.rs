//! The journal of a replacement: which files it is about and how far it has come. No secrets are in it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{parent, unreadable, unwritable};
use crate::Error;
use crate::kubeadm::Item;

/// What a replacement is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Journal {
    /// 1.
    pub(super) format: u8,
    pub(super) item: Item,
    /// In the names of the copies.
    pub(super) stamp: String,
    pub(super) phase: Phase,
    /// In the order of replacing.
    pub(super) files: Vec<Entry>,
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Phase {
    /// Copies and new files are being written; nothing is replaced.
    Preparing,
    /// Everything is written and on the disk; files are being replaced.
    Replacing,
    /// One could not be replaced: those that were are being put back. Whose new file waits still was not replaced.
    PuttingBack,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Entry {
    /// What is replaced.
    pub(super) path: PathBuf,
    /// What takes its place.
    pub(super) new: PathBuf,
    /// The copy of what was there.
    pub(super) backup: PathBuf,
}

/// `.trimtab-renew-apiserver.json`.
pub(super) fn name(item: Item) -> String {
    format!(".trimtab-renew-{item}.json")
}

impl Entry {
    /// Beside the file, in names that say whose they are.
    pub(super) fn of(path: &Path, stamp: &str) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let folder = parent(path);
        Self {
            path: path.to_owned(),
            new: folder.join(format!(".{name}.trimtab-{stamp}.new")),
            backup: folder.join(format!("{name}.trimtab-{stamp}.bak")),
        }
    }
}

impl Journal {
    /// Puts it in place, whole or not at all, and on the disk.
    pub(super) fn write(&self, path: &Path) -> Result<(), Error> {
        let written = || {
            let temporary = temporary(path);
            remove(&temporary)?;
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
            let text = serde_json::to_vec(self).map_err(io::Error::other)?;
            file.write_all(&text).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&temporary, path)).inspect_err(|_| {
                let _ = fs::remove_file(&temporary);
            })?;
            sync(parent(path))
        };
        written().map_err(|error| unwritable(path, &error))
    }

    /// Reads it; it says nothing that its own item and stamp do not say.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let not_read = |problem: String| Error::JournalNotRead { path: path.display().to_string(), problem };
        let text = super::look::read(path).map_err(|error| unreadable(path, &error))?;
        let journal: Self = serde_json::from_slice(&text).map_err(|error| not_read(error.to_string()))?;
        if !is_stamp(&journal.stamp) {
            return Err(not_read("its stamp is none".to_owned()));
        }
        let named = journal.files.iter().all(|entry| *entry == Entry::of(&entry.path, &journal.stamp));
        match (journal.format, named) {
            (1, true) => Ok(journal),
            (1, false) => Err(not_read("it names files that no replacement makes".to_owned())),
            (format, _) => Err(not_read(format!("it is of format {format}"))),
        }
    }
}

/// `20261125T100112Z`, or `20261125T100112Z-2` for the second of that second. It becomes a part of paths.
fn is_stamp(stamp: &str) -> bool {
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = |text: &str| text.parse::<u32>().is_ok_and(|number| number > 1 && number.to_string() == text);
    let (time, number) = stamp.split_once('-').map_or((stamp, None), |(time, number)| (time, Some(number)));
    let date_and_time = time.strip_suffix('Z').and_then(|time| time.split_once('T'));
    date_and_time.is_some_and(|(date, time)| digits(date, 8) && digits(time, 6)) && number.is_none_or(is_number)
}

/// Takes a journal away, and what is left of one that was never put in place.
pub(super) fn end(path: &Path) -> io::Result<()> {
    remove(&temporary(path))?;
    remove(path)?;
    sync(parent(path))
}

/// The name under which a journal is written before it is put in place.
pub(super) fn temporary(path: &Path) -> PathBuf {
    path.with_extension("json.new")
}

/// Removes a file that may be gone already.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Names are on the disk when their folder is.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
