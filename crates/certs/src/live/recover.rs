//! Replacements that were interrupted: finished, or taken back.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::journal::{self, Entry, Journal, Phase};
use super::swap::{drop_new, take_back};
use super::{Node, left_halfway, look, make, parent, place, unreadable, unwritable};
use crate::Error;
use crate::kubeadm::Item;

/// A replacement that was interrupted, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recovered {
    /// Which.
    pub item: Item,
    /// What became of it.
    pub outcome: RecoveredAs,
}

/// What became of an interrupted replacement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RecoveredAs {
    /// Nothing had been replaced, or what had been was put back: what it had written was removed.
    TakenBack,
    /// Everything had been written: what was not replaced yet was.
    Finished,
    /// Somebody else had put another matching pair there since, which stays.
    Overtaken,
}

impl Node {
    /// Finishes every replacement that was interrupted, or takes it back, so that key and certificate belong together again. Nothing is done where there is
    /// none. Applying a plan does so by itself.
    ///
    /// # Errors
    /// [`Error::Busy`]; [`Error::JournalNotRead`]; [`Error::Torn`] where somebody else changed the files since, and they do not match;
    /// [`Error::Unreadable`], [`Error::Unwritable`], [`Error::LeftHalfway`], [`Error::DiskFull`].
    pub fn recover(&self) -> Result<Vec<Recovered>, Error> {
        let _lock = self.lock()?;
        Item::ALL.into_iter().filter_map(|item| self.recover_item(item).transpose()).collect()
    }

    fn recover_item(&self, item: Item) -> Result<Option<Recovered>, Error> {
        let Some(path) = self.journal(item) else { return Ok(None) };
        if path.symlink_metadata().is_err() {
            // One that was never put in place says nothing.
            let unfinished = journal::temporary(&path);
            journal::remove(&unfinished).map_err(|error| unwritable(&unfinished, &error))?;
            return Ok(None);
        }
        let journal = Journal::read(&path)?;
        self.is_about(item, &journal, &path)?;
        let outcome = match journal.phase {
            Phase::Preparing => take_back(&journal, &path).map(|()| RecoveredAs::TakenBack)?,
            Phase::Replacing => self.go_on(item, &journal, &path)?,
            Phase::PuttingBack => self.go_back(item, &journal, &path)?,
        };
        Ok(Some(Recovered { item, outcome }))
    }

    /// A journal moves files: only those of its item.
    fn is_about(&self, item: Item, journal: &Journal, path: &Path) -> Result<(), Error> {
        let own: Vec<_> = self.files(item).into_iter().filter_map(|(_, file)| place(&file).ok()).collect();
        if journal.item == item && journal.files.iter().all(|entry| own.contains(&entry.path)) {
            return Ok(());
        }
        Err(Error::JournalNotRead { path: path.display().to_string(), problem: format!("it is not about the files of {item}") })
    }

    fn go_on(&self, item: Item, journal: &Journal, path: &Path) -> Result<RecoveredAs, Error> {
        let waiting: Vec<&Entry> = journal.files.iter().filter(|entry| is_there(&entry.new)).collect();
        if !waiting.iter().all(|entry| is_as_copied(entry)) {
            self.is_matching_or_torn(item, journal)?;
            return drop_new(journal, path).map(|()| RecoveredAs::Overtaken);
        }
        for entry in &waiting {
            fs::rename(&entry.new, &entry.path).map_err(|error| left_halfway(&entry.path, &error))?;
        }
        for entry in &journal.files {
            journal::sync(parent(&entry.path)).map_err(|error| left_halfway(&entry.path, &error))?;
        }
        if waiting.is_empty() && is_all_as_before(journal) {
            return take_back(journal, path).map(|()| RecoveredAs::TakenBack);
        }
        if !self.is_matching(item)? {
            // A replacement that failed half-way was being put back.
            put_copies_back(journal.files.iter())?;
            self.is_matching_or_torn(item, journal)?;
            return take_back(journal, path).map(|()| RecoveredAs::TakenBack);
        }
        journal::end(path).map_err(|error| left_halfway(path, &error))?;
        Ok(RecoveredAs::Finished)
    }

    /// Whose new file waits was not replaced; whose copy is gone was put back.
    fn go_back(&self, item: Item, journal: &Journal, path: &Path) -> Result<RecoveredAs, Error> {
        let replaced: Vec<&Entry> = journal.files.iter().filter(|entry| !is_there(&entry.new) && is_there(&entry.backup)).collect();
        let is_theirs = !replaced.is_empty() && !replaced.iter().all(|entry| is_as_copied(entry)) && self.is_matching(item)?;
        if is_theirs {
            return drop_new(journal, path).map(|()| RecoveredAs::Overtaken);
        }
        put_copies_back(replaced.into_iter())?;
        take_back(journal, path).map(|()| RecoveredAs::TakenBack)
    }

    fn is_matching_or_torn(&self, item: Item, journal: &Journal) -> Result<(), Error> {
        let backups = || journal.files.iter().map(|entry| entry.backup.display().to_string()).collect();
        if self.is_matching(item)? { Ok(()) } else { Err(Error::Torn { item, backups: backups() }) }
    }

    fn is_matching(&self, item: Item) -> Result<bool, Error> {
        let read = |(_, path): (String, std::path::PathBuf)| look::read(&path).map(Zeroizing::new).map_err(|error| unreadable(&path, &error));
        let contents = self.files(item).into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        Ok(make::is_matching(item, &contents))
    }
}

fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// What is to be replaced is still what was copied; where nothing was, nothing is.
fn is_as_copied(entry: &Entry) -> bool {
    let read = |path: &Path| look::read(path).map(Zeroizing::new);
    let is_nowhere = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    match (read(&entry.path), read(&entry.backup)) {
        (Ok(now), Ok(copy)) => now == copy,
        (Err(now), Err(copy)) => is_nowhere(&now) && is_nowhere(&copy),
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
    }
}

/// Every copy that is left is what is in place: the others were put back.
fn is_all_as_before(journal: &Journal) -> bool {
    let mut left = journal.files.iter().filter(|entry| is_there(&entry.backup)).peekable();
    left.peek().is_some() && left.all(is_as_copied)
}

fn put_copies_back<'a>(entries: impl Iterator<Item = &'a Entry>) -> Result<(), Error> {
    for entry in entries.filter(|entry| is_there(&entry.backup)) {
        fs::rename(&entry.backup, &entry.path).map_err(|error| left_halfway(&entry.path, &error))?;
    }
    Ok(())
}

impl fmt::Display for Recovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match self.outcome {
            RecoveredAs::TakenBack => "an interrupted replacement was taken back: the old one is in place",
            RecoveredAs::Finished => "an interrupted replacement was finished: the new one is in place",
            RecoveredAs::Overtaken => "an interrupted replacement was dropped: somebody put another one in place since",
        };
        write!(f, "{}: {outcome}", self.item)
    }
}
