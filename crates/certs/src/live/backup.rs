//! The copies of old pairs, and the way back to one of them.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::make::Contents;
use super::swap::{Progress, Swap, Target};
use super::{Node, look, make, parent, place, unreadable};
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
                let Ok(path) = place(&path) else { continue };
                for (stamp, backup) in copies(&path)? {
                    by_stamp.entry(stamp).or_default().push(BackupFile { path: path.display().to_string(), backup });
                }
            }
            all.extend(by_stamp.into_iter().map(|(stamp, files)| Backup { item, stamp, files }));
        }
        Ok(all)
    }

    /// Puts an old pair back as carefully as it was replaced: what is there now is kept as another copy, which is given back. A file that is gone is no
    /// obstacle: it comes back with the mode and the owner of its copy.
    ///
    /// The old certificate may have expired; nothing but that key and certificate belong together is asked of it.
    ///
    /// # Errors
    /// [`Error::BackupNotUsable`] where key and certificate do not belong together or the copies are not the item's; [`Error::Busy`],
    /// [`Error::Interrupted`], [`Error::Changed`]; [`Error::Unreadable`], [`Error::Unwritable`], [`Error::DiskFull`], [`Error::NotReadBack`]; [`Error::LeftHalfway`].
    pub fn rollback(&self, backup: &Backup, progress: &mut (dyn FnMut(String) + Send)) -> Result<Backup, Error> {
        let _lock = self.lock()?;
        let item = backup.item;
        let not_usable = |problem: String| Error::BackupNotUsable { item, problem };
        if !self.backups()?.contains(backup) {
            return Err(not_usable(format!("{} is not there", backup.stamp)));
        }
        let (paths, now) = self.read_what_is_there(item)?;
        let copies = paths.iter().map(|path| copy_of(path, backup).map(read_copy).transpose()).collect::<Result<Vec<_>, _>>()?;
        let wanted: Option<Vec<Contents>> = copies.iter().zip(&now).map(|(copy, now)| copy.as_ref().or(now.as_ref()).cloned()).collect();
        let wanted = wanted.ok_or_else(|| not_usable("there is only one of key and certificate".to_owned()))?;
        if !make::is_matching(item, &wanted) {
            return Err(not_usable("key and certificate do not belong together".to_owned()));
        }
        let mut targets = Vec::new();
        for ((path, now), wanted) in paths.iter().zip(now).zip(wanted) {
            let Some(copy) = copy_of(path, backup) else { continue };
            let model = if now.is_some() { path } else { copy };
            targets.push(Target::like(path, model, now, wanted)?);
        }
        targets.reverse();
        self.put_back(item, targets, progress)
    }

    fn put_back(&self, item: Item, targets: Vec<Target>, progress: Progress<'_>) -> Result<Backup, Error> {
        let nothing = || Error::BackupNotUsable { item, problem: "there is no file to put back".to_owned() };
        let journal = self.journal(item).filter(|_| !targets.is_empty()).ok_or_else(nothing)?;
        let entries = Swap { item, journal, targets }.run(self.now(), progress)?;
        let named = |path: &Path| path.display().to_string();
        // Where nothing was, nothing was kept.
        let kept = entries.iter().rev().filter(|entry| entry.backup.symlink_metadata().is_ok());
        let files: Vec<BackupFile> = kept.map(|entry| BackupFile { path: named(&entry.path), backup: named(&entry.backup) }).collect();
        let first = entries.first().ok_or_else(nothing)?;
        let stamp = stamp_of(&first.path, &first.backup.file_name().unwrap_or_default().to_string_lossy()).unwrap_or_default();
        Ok(Backup { item, stamp, files })
    }

    /// Where the files are or would be, and what is in them.
    fn read_what_is_there(&self, item: Item) -> Result<(Vec<PathBuf>, Vec<Option<Contents>>), Error> {
        let places = self.files(item).into_iter().map(|(_, path)| place(&path).map_err(|error| unreadable(&path, &error)));
        let paths: Vec<PathBuf> = places.collect::<Result<_, _>>()?;
        let read = |path: &PathBuf| match look::read(path) {
            Ok(contents) => Ok(Some(Zeroizing::new(contents))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unreadable(path, &error)),
        };
        let contents = paths.iter().map(read).collect::<Result<_, _>>()?;
        Ok((paths, contents))
    }
}

fn read_copy(path: &Path) -> Result<Contents, Error> {
    look::read(path).map(Zeroizing::new).map_err(|error| unreadable(path, &error))
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
