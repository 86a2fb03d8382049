//! A file that counts for nothing until it gets its name, and what is left of those whose writer was killed.
//!
//! A part is `trimtab-save-RANDOM.part` while the snapshot streams, and `NAME.save-RANDOM.part` while it is given its name; mode 0600. Its
//! writer holds a lock (`flock`) on it to the end, which the kernel takes away with the process, however it ends. So a part that can be
//! locked belongs to nobody, and the next save removes it, and a manifest that stands there without its backup.

use std::collections::hash_map::RandomState;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with, statvfs};
use rustix::io::Errno;

use crate::backup::name::is_random;
use crate::backup::{BackupName, ObjectName};
use crate::error::Error;

const MARK: &str = "save-";
/// How often a part is made anew whose name somebody removed before it was locked.
const ATTEMPTS: usize = 16;

/// An open, locked part. Dropped, it removes its file, whatever its name is by then; [`Part::keep`] leaves it.
#[derive(Debug)]
pub(super) struct Part {
    file: File,
    directory: PathBuf,
    path: PathBuf,
    random: u64,
    kept: bool,
}

impl Part {
    /// A new, empty part in a directory.
    pub(super) fn create(directory: &Path) -> Result<Self, Error> {
        for _ in 0..ATTEMPTS {
            let random = RandomState::new().build_hasher().finish();
            let path = directory.join(ObjectName::saving(random));
            let file =
                OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path).map_err(|error| unwritable(directory, &error))?;
            // A file system without locks (some of NFS) fails here, and fails whoever cleans too: then parts are never removed.
            let _ = flock(&file, FlockOperation::LockExclusive);
            // Between the two calls somebody may have taken it for a leftover.
            if file.metadata().is_ok_and(|metadata| metadata.nlink() > 0) {
                return Ok(Self { file, directory: directory.to_owned(), path, random, kept: false });
            }
        }
        Err(unwritable(directory, &io::Error::other("its files are removed as soon as they are made")))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn write(&mut self, bytes: &[u8], needed_bytes: u64) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(|error| self.failed(&error, needed_bytes))
    }

    /// Until the disk has it.
    pub(super) fn sync(&self, needed_bytes: u64) -> Result<(), Error> {
        self.file.sync_all().map_err(|error| self.failed(&error, needed_bytes))
    }

    /// Takes a name that tells what it is going to be, and that it is not yet.
    pub(super) fn announce(&mut self, name: &BackupName) -> Result<(), Error> {
        let next = format!("{}{MARK}{:016x}{}", name.temporary_prefix(), self.random, BackupName::TEMPORARY);
        self.rename(&next)
    }

    /// Takes its final name; nothing is overwritten.
    pub(super) fn publish(&mut self, name: &str) -> Result<(), Error> {
        self.rename(name)
    }

    /// From here on it stays.
    pub(super) fn keep(mut self) -> PathBuf {
        self.kept = true;
        self.path.clone()
    }

    fn rename(&mut self, name: &str) -> Result<(), Error> {
        let next = self.directory.join(name);
        let exists = |error: &io::Error| error.kind() == ErrorKind::AlreadyExists;
        let trouble = |error| if exists(&error) { Error::DestinationExists { path: next.display().to_string() } } else { unwritable(&next, &error) };
        move_to_new(&self.path, &next).map_err(trouble)?;
        self.path = next;
        Ok(())
    }

    fn failed(&self, error: &io::Error, needed_bytes: u64) -> Error {
        if !matches!(Errno::from_io_error(error), Some(Errno::NOSPC | Errno::DQUOT)) {
            return unwritable(&self.path, error);
        }
        let written = self.file.metadata().map_or(0, |metadata| metadata.len());
        let free_bytes = free_bytes(&self.directory).unwrap_or(0).saturating_add(written);
        Error::DiskFull { path: self.directory.display().to_string(), needed_bytes: needed_bytes.max(written), free_bytes }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Renames, and fails where the new name is somebody's by then: a look before it would leave a gap.
fn move_to_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // A file system, or a kernel, that has no such rename.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => link_to_new(from, to),
        renamed => Ok(renamed?),
    }
}

/// A hard link overwrites nothing either. Killed between the two calls, the file has both names.
fn link_to_new(from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to)?;
    fs::remove_file(from).inspect_err(|_| drop(fs::remove_file(to)))
}

/// What stands there already is somebody's; told before anything is written.
pub(super) fn refuse_existing(directory: &Path, name: &str) -> Result<(), Error> {
    let path = directory.join(name);
    match path.symlink_metadata() {
        Ok(_) => Err(Error::DestinationExists { path: path.display().to_string() }),
        Err(_) => Ok(()),
    }
}

/// Fails where a backup of this size has no room, before a byte is asked for.
pub(super) fn check_room(directory: &Path, needed_bytes: u64) -> Result<(), Error> {
    match free_bytes(directory) {
        Ok(free_bytes) if free_bytes < needed_bytes => Err(Error::DiskFull { path: directory.display().to_string(), needed_bytes, free_bytes }),
        // A file system that does not tell is found out by writing.
        Ok(_) | Err(_) => Ok(()),
    }
}

fn free_bytes(directory: &Path) -> io::Result<u64> {
    let told = statvfs(directory)?;
    Ok(told.f_bavail.saturating_mul(told.f_frsize))
}

/// Makes the names in a directory outlast a power cut.
pub(super) fn sync_directory(directory: &Path) -> Result<(), Error> {
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(|error| unwritable(directory, &error))
}

/// Removes the parts that nobody holds any more, and says which.
pub(super) fn clean(directory: &Path) -> Result<Vec<String>, Error> {
    let mut removed = Vec::new();
    for entry in fs::read_dir(directory).map_err(|error| unwritable(directory, &error))? {
        let name = entry.map_err(|error| unwritable(directory, &error))?.file_name();
        let Some(name) = name.to_str().filter(|name| is_ours(name)) else { continue };
        if remove_unheld(directory, name).is_ok_and(|gone| gone) {
            removed.push(name.to_owned());
        }
    }
    Ok(removed)
}

/// Whether a name is one that [`Part`] gives.
fn is_ours(name: &str) -> bool {
    if ObjectName::of(name) == ObjectName::Saving {
        return true;
    }
    let announced = |of: BackupName| name.strip_prefix(&of.temporary_prefix())?.strip_prefix(MARK)?.strip_suffix(BackupName::TEMPORARY);
    of_backup(name).and_then(announced).is_some_and(is_random)
}

fn of_backup(name: &str) -> Option<BackupName> {
    match ObjectName::of(name) {
        ObjectName::Temporary(of) => of,
        ObjectName::Backup(_) | ObjectName::Manifest(_) | ObjectName::Verification(_) | ObjectName::Saving | ObjectName::Foreign => None,
    }
}

fn remove_unheld(directory: &Path, name: &str) -> io::Result<bool> {
    let path = directory.join(name);
    // A symbolic link or a pipe of that name is none of ours.
    if !path.symlink_metadata()?.is_file() {
        return Ok(false);
    }
    let file = File::open(&path)?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(false);
    }
    if let Some(backup) = of_backup(name) {
        let manifest = directory.join(backup.manifest());
        // Killed between the two names: the manifest has its own, the backup not yet.
        if directory.join(backup.to_string()).symlink_metadata().is_err() && manifest.symlink_metadata().is_ok() {
            fs::remove_file(manifest)?;
        }
    }
    fs::remove_file(&path)?;
    Ok(true)
}

pub(super) fn unwritable(path: &Path, error: &io::Error) -> Error {
    Error::Unwritable { path: path.display().to_string(), problem: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn backup() -> BackupName {
        "etcd-cdf818194e3a8c32-00000000000000004711-20261125T031500Z.db".parse().unwrap()
    }

    #[test]
    fn a_part_is_private_and_goes_with_its_owner() {
        let directory = tempfile::tempdir().unwrap();
        let part = Part::create(directory.path()).unwrap();
        assert_eq!(part.file().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(names(directory.path()).iter().all(|name| ObjectName::of(name) == ObjectName::Saving));
        drop(part);
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn a_part_that_somebody_holds_is_left_and_one_that_nobody_holds_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let mut held = Part::create(directory.path()).unwrap();
        held.announce(&backup()).unwrap();
        let left = ObjectName::saving(0x0011_2233_4455_66aa);
        fs::write(directory.path().join(&left), "half").unwrap();
        assert_eq!(clean(directory.path()).unwrap(), [left]);
        assert_eq!(names(directory.path()).len(), 1);
        assert_eq!(ObjectName::of(&names(directory.path())[0]), ObjectName::Temporary(Some(backup())));
    }

    #[test]
    fn what_somebody_else_left_is_not_touched() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["snapshot.db.part", "trimtab-save-xyz.part", "trimtab-save-00112233445566aa", &format!("{}.5f3a.part", backup())] {
            fs::write(directory.path().join(name), "theirs").unwrap();
        }
        std::os::unix::fs::symlink("/nowhere", directory.path().join(ObjectName::saving(1))).unwrap();
        assert!(clean(directory.path()).unwrap().is_empty());
        assert_eq!(names(directory.path()).len(), 5);
    }

    #[test]
    fn killed_between_the_two_names_leaves_a_manifest_that_the_next_save_removes() {
        let directory = tempfile::tempdir().unwrap();
        let part = format!("{}{MARK}00112233445566aa.part", backup().temporary_prefix());
        fs::write(directory.path().join(&part), "whole").unwrap();
        fs::write(directory.path().join(backup().manifest()), "{}").unwrap();
        assert_eq!(clean(directory.path()).unwrap(), std::slice::from_ref(&part));
        assert!(names(directory.path()).is_empty());
        // Beside a backup that is there, a manifest stays.
        for name in [part, backup().manifest(), backup().to_string()] {
            fs::write(directory.path().join(name), "whole").unwrap();
        }
        clean(directory.path()).unwrap();
        assert_eq!(names(directory.path()), [backup().to_string(), backup().manifest()]);
    }

    #[test]
    fn nothing_is_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("there"), "before").unwrap();
        let mut part = Part::create(directory.path()).unwrap();
        assert!(matches!(part.publish("there"), Err(Error::DestinationExists { .. })));
        drop(part);
        assert_eq!(fs::read_to_string(directory.path().join("there")).unwrap(), "before");
    }

    #[test]
    fn a_file_that_appears_after_the_last_look_is_not_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let mut part = Part::create(directory.path()).unwrap();
        refuse_existing(directory.path(), "there").unwrap();
        fs::write(directory.path().join("there"), "somebody else's").unwrap();
        assert!(matches!(part.rename("there"), Err(Error::DestinationExists { .. })));
        assert!(part.path().is_file(), "it has its old name yet");
        drop(part);
        assert_eq!(names(directory.path()), ["there"]);
        assert_eq!(fs::read_to_string(directory.path().join("there")).unwrap(), "somebody else's");
    }

    #[test]
    fn where_no_rename_spares_what_is_there_a_link_does() {
        let directory = tempfile::tempdir().unwrap();
        let [from, there, free] = ["from", "there", "free"].map(|name| directory.path().join(name));
        fs::write(&from, "ours").unwrap();
        fs::write(&there, "somebody else's").unwrap();
        assert_eq!(link_to_new(&from, &there).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&there).unwrap(), "somebody else's");
        link_to_new(&from, &free).unwrap();
        assert_eq!(names(directory.path()), ["free", "there"]);
        assert_eq!(fs::read_to_string(&free).unwrap(), "ours");
    }
}
