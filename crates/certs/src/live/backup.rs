//! The copies of old pairs, and the way back to one of them.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::make::Contents;
use super::swap::{Progress, Swap, Target};
use super::{Node, look, make, parent, unreadable};
use crate::Error;
use crate::kubeadm::Item;

/// What was replaced once, kept beside its successor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    /// Of what.
    pub item: Item,
    /// When it was replaced, UTC, as in the names of the files: `20261125T100112Z`.
    pub stamp: String,
    /// Its files. A key that was kept has no copy.
    pub files: Vec<BackupFile>,
}

/// A copy of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupFile {
    /// The file, after every symbolic link.
    pub path: String,
    /// Its copy.
    pub backup: String,
}

impl Node {
    /// The copies that are there, by item, the oldest first. They hold private keys and are never removed here: remove them once the new pair has proven
    /// itself.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn backups(&self) -> Result<Vec<Backup>, Error> {
        let mut all = Vec::new();
        for item in Item::ALL {
            let mut by_stamp: BTreeMap<String, Vec<BackupFile>> = BTreeMap::new();
            for (_, path) in self.files(item) {
                let Ok(path) = fs::canonicalize(&path) else { continue };
                for (stamp, backup) in copies(&path)? {
                    by_stamp.entry(stamp).or_default().push(BackupFile { path: path.display().to_string(), backup });
                }
            }
            all.extend(by_stamp.into_iter().map(|(stamp, files)| Backup { item, stamp, files }));
        }
        Ok(all)
    }

    /// Puts an old pair back as carefully as it was replaced: what is there now is kept as another copy, which is given back.
    ///
    /// The old certificate may have expired; nothing but that key and certificate belong together is asked of it.
    ///
    /// # Errors
    /// [`Error::BackupNotUsable`] where key and certificate do not belong together or the copies are not the item's; [`Error::Busy`],
    /// [`Error::Interrupted`], [`Error::Changed`]; [`Error::Unreadable`], [`Error::Unwritable`], [`Error::DiskFull`], [`Error::NotReadBack`].
    pub fn rollback(&self, backup: &Backup, progress: &mut (dyn FnMut(String) + Send)) -> Result<Backup, Error> {
        let _lock = self.lock()?;
        let item = backup.item;
        let not_usable = |problem: String| Error::BackupNotUsable { item, problem };
        if !self.backups()?.contains(backup) {
            return Err(not_usable(format!("{} is not there", backup.stamp)));
        }
        let (paths, now) = self.read_what_is_there(item)?;
        let mut wanted = now.clone();
        for (path, contents) in paths.iter().zip(&mut wanted) {
            if let Some(copy) = copy_of(path, backup) {
                *contents = look::read(copy).map(Zeroizing::new).map_err(|error| unreadable(copy, &error))?;
            }
        }
        if !make::is_matching(item, &wanted) {
            return Err(not_usable("key and certificate do not belong together".to_owned()));
        }
        let changed = paths.iter().zip(now).zip(wanted).filter(|((path, _), _)| copy_of(path, backup).is_some());
        let targets: Vec<Target> = changed.map(|((path, now), wanted)| Target::new(path, now, wanted)).collect::<Result<_, _>>()?;
        self.put_back(item, targets.into_iter().rev().collect(), progress)
    }

    fn put_back(&self, item: Item, targets: Vec<Target>, progress: Progress<'_>) -> Result<Backup, Error> {
        let nothing = || Error::BackupNotUsable { item, problem: "there is no file to put back".to_owned() };
        let journal = self.journal(item).filter(|_| !targets.is_empty()).ok_or_else(nothing)?;
        let entries = Swap { item, journal, targets }.run(self.now(), progress)?;
        let named = |path: &Path| path.display().to_string();
        let files: Vec<BackupFile> =
            entries.iter().rev().map(|entry| BackupFile { path: named(&entry.path), backup: named(&entry.backup) }).collect();
        let first = entries.first().ok_or_else(nothing)?;
        let stamp = stamp_of(&first.path, &first.backup.file_name().unwrap_or_default().to_string_lossy()).unwrap_or_default();
        Ok(Backup { item, stamp, files })
    }

    fn read_what_is_there(&self, item: Item) -> Result<(Vec<PathBuf>, Vec<Contents>), Error> {
        let (paths, files) = self.read(item)?;
        let real = paths.into_iter().map(|path| fs::canonicalize(&path).map_err(|error| unreadable(&path, &error)));
        Ok((real.collect::<Result<_, _>>()?, files))
    }
}

fn copy_of<'a>(path: &Path, backup: &'a Backup) -> Option<&'a Path> {
    backup.files.iter().find(|file| Path::new(&file.path) == path).map(|file| Path::new(&file.backup))
}

/// Stamp and path of each copy of a file.
fn copies(path: &Path) -> Result<Vec<(String, String)>, Error> {
    let folder = parent(path);
    let mut copies = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, &error))? {
        let entry = entry.map_err(|error| unreadable(folder, &error))?;
        copies.extend(stamp_of(path, &entry.file_name().to_string_lossy()).map(|stamp| (stamp, entry.path().display().to_string())));
    }
    Ok(copies)
}

/// `apiserver.crt.trimtab-20261125T100112Z.bak` is a copy of `apiserver.crt`.
fn stamp_of(path: &Path, name: &str) -> Option<String> {
    let own = path.file_name()?.to_string_lossy();
    let rest = name.strip_prefix(&*own)?.strip_prefix(".trimtab-")?;
    rest.strip_suffix(".bak").map(str::to_owned)
}

impl fmt::Display for Backup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: Vec<&str> = self.files.iter().map(|file| file.backup.as_str()).collect();
        write!(f, "{} of {}: {}", self.item, self.stamp, files.join(", "))
    }
}
