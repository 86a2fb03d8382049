//! Replacements that were interrupted: finished, or taken back.

use std::fmt;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::journal::{self, Entry, Journal, Phase};
use super::swap::take_back;
use super::{Node, look, make, parent, unreadable, unwritable};
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
    /// Nothing had been replaced: what it had written was removed.
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
    /// [`Error::Unreadable`], [`Error::Unwritable`], [`Error::DiskFull`].
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
        };
        Ok(Some(Recovered { item, outcome }))
    }

    /// A journal moves files: only those of its item.
    fn is_about(&self, item: Item, journal: &Journal, path: &Path) -> Result<(), Error> {
        let own: Vec<_> = self.files(item).into_iter().filter_map(|(_, file)| fs::canonicalize(file).ok()).collect();
        if journal.item == item && journal.files.iter().all(|entry| own.contains(&entry.path)) {
            return Ok(());
        }
        Err(Error::JournalNotRead { path: path.display().to_string(), problem: format!("it is not about the files of {item}") })
    }

    fn go_on(&self, item: Item, journal: &Journal, path: &Path) -> Result<RecoveredAs, Error> {
        let waiting: Vec<&Entry> = journal.files.iter().filter(|entry| entry.new.symlink_metadata().is_ok()).collect();
        let untouched = waiting.iter().all(|entry| is_as_copied(entry));
        if untouched {
            for entry in &waiting {
                fs::rename(&entry.new, &entry.path).map_err(|error| unwritable(&entry.path, &error))?;
            }
        }
        for entry in &journal.files {
            journal::sync(parent(&entry.path)).map_err(|error| unwritable(&entry.path, &error))?;
        }
        if !self.is_matching(item)? && untouched {
            // A replacement that failed half-way was being put back.
            let copied = journal.files.iter().filter(|entry| entry.backup.symlink_metadata().is_ok());
            copied.into_iter().try_for_each(|entry| fs::rename(&entry.backup, &entry.path).map_err(|error| unwritable(&entry.path, &error)))?;
        }
        if !self.is_matching(item)? {
            let backups = journal.files.iter().map(|entry| entry.backup.display().to_string()).collect();
            return Err(Error::Torn { item, backups });
        }
        if !untouched {
            waiting.iter().try_for_each(|entry| journal::remove(&entry.new).map_err(|error| unwritable(&entry.new, &error)))?;
        }
        journal::end(path)?;
        Ok(if untouched { RecoveredAs::Finished } else { RecoveredAs::Overtaken })
    }

    fn is_matching(&self, item: Item) -> Result<bool, Error> {
        let read = |(_, path): (String, std::path::PathBuf)| look::read(&path).map(Zeroizing::new).map_err(|error| unreadable(&path, &error));
        let contents = self.files(item).into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        Ok(make::is_matching(item, &contents))
    }
}

/// What is to be replaced is still what was copied.
fn is_as_copied(entry: &Entry) -> bool {
    let read = |path: &Path| look::read(path).map(Zeroizing::new);
    matches!((read(&entry.path), read(&entry.backup)), (Ok(now), Ok(copy)) if now == copy)
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
