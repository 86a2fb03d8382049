//! Files replaced as one: whatever happens on the way, they are all old, all new, or named by a journal that says how to go on.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::journal::{self, Entry, Journal, Phase};
use super::{left_halfway, look, parent, place, unreadable, unwritable};
use crate::Error;
use crate::kubeadm::Item;

pub(super) type Progress<'a> = &'a mut (dyn FnMut(String) + Send);

/// One file that is replaced.
pub(super) struct Target {
    /// Where it is, after every symbolic link.
    path: PathBuf,
    /// None where nothing is there.
    old: Option<Zeroizing<Vec<u8>>>,
    new: Zeroizing<Vec<u8>>,
    metadata: Metadata,
}

/// Several files that are replaced as one.
pub(super) struct Swap {
    pub(super) item: Item,
    /// Where the journal lies.
    pub(super) journal: PathBuf,
    /// In the order of replacing: the key, then the certificate, as kubeadm.
    pub(super) targets: Vec<Target>,
}

impl Target {
    /// `old` is what was read of it, which has to be there still when it is replaced.
    pub(super) fn new(path: &Path, old: Zeroizing<Vec<u8>>, new: Zeroizing<Vec<u8>>) -> Result<Self, Error> {
        Self::like(path, path, Some(old), new)
    }

    /// With the mode and the owner of another file, where `old` is none.
    pub(super) fn like(path: &Path, model: &Path, old: Option<Zeroizing<Vec<u8>>>, new: Zeroizing<Vec<u8>>) -> Result<Self, Error> {
        let path = place(path).map_err(|error| unreadable(path, &error))?;
        let metadata = fs::metadata(model).map_err(|error| unreadable(model, &error))?;
        Ok(Self { path, old, new, metadata })
    }
}

impl Swap {
    /// Replaces them and gives the copies that are kept. An error leaves everything as it was, but for [`Error::LeftHalfway`], where the journal is left.
    pub(super) fn run(&self, now: Timestamp, progress: Progress<'_>) -> Result<Vec<Entry>, Error> {
        if self.journal.symlink_metadata().is_ok() {
            return Err(Error::Interrupted { journal: self.journal.display().to_string() });
        }
        let stamp = self.free_stamp(now);
        let files: Vec<Entry> = self.targets.iter().map(|target| Entry::of(&target.path, &stamp)).collect();
        let journal = Journal { format: 1, item: self.item, stamp, phase: Phase::Preparing, files };
        let prepared = self.prepare(&journal, progress);
        if let Err(error) = prepared {
            let _ = take_back(&journal, &self.journal);
            return Err(error);
        }
        self.replace(&journal, progress)?;
        journal::end(&self.journal).map_err(|error| left_halfway(&self.journal, &error))?;
        progress("finished".to_owned());
        Ok(journal.files)
    }

    /// Two replacements of a second have different stamps.
    fn free_stamp(&self, now: Timestamp) -> String {
        let base = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let free = |stamp: &String| {
            let taken = |target: &Target| {
                let entry = Entry::of(&target.path, stamp);
                entry.new.symlink_metadata().is_ok() || entry.backup.symlink_metadata().is_ok()
            };
            !self.targets.iter().any(taken)
        };
        let more = (2_u32..).map(|number| format!("{base}-{number}"));
        std::iter::once(base.clone()).chain(more).find(free).unwrap_or(base)
    }

    /// Everything is on the disk and can be replaced by renaming; nothing is replaced.
    fn prepare(&self, journal: &Journal, progress: Progress<'_>) -> Result<(), Error> {
        progress(format!("writing {}", self.journal.display()));
        journal.write(&self.journal)?;
        for (target, entry) in self.targets.iter().zip(&journal.files) {
            if let Some(old) = &target.old {
                target.write(&entry.backup, old, progress)?;
            }
            target.write(&entry.new, &target.new, progress)?;
        }
        for entry in &journal.files {
            journal::sync(parent(&entry.path)).map_err(|error| unwritable(&entry.path, &error))?;
        }
        for (target, entry) in self.targets.iter().zip(&journal.files) {
            target.is_as_written(entry)?;
        }
        progress(format!("everything is written, updating {}", self.journal.display()));
        Journal { phase: Phase::Replacing, ..journal.clone() }.write(&self.journal)
    }

    fn replace(&self, journal: &Journal, progress: Progress<'_>) -> Result<(), Error> {
        for (done, (target, entry)) in self.targets.iter().zip(&journal.files).enumerate() {
            progress(format!("replacing {}", entry.path.display()));
            if let Err(error) = target.replace(entry) {
                // Where that fails too, the journal stays and says how to go on.
                self.put_back(done, journal, progress)?;
                return Err(error);
            }
        }
        journal.files.iter().try_for_each(|entry| journal::sync(parent(&entry.path)).map_err(|error| left_halfway(&entry.path, &error)))
    }

    fn put_back(&self, done: usize, journal: &Journal, progress: Progress<'_>) -> Result<(), Error> {
        let said = Journal { phase: Phase::PuttingBack, ..journal.clone() }.write(&self.journal);
        if said.is_err() {
            // The journal says "replacing" still: a kill from here on may leave no successor that could be put beside an old key.
            journal.files.iter().try_for_each(|entry| journal::remove(&entry.new).map_err(|error| left_halfway(&entry.new, &error)))?;
        }
        let replaced = || self.targets.iter().zip(&journal.files).take(done);
        if replaced().any(|(target, _)| !target.is_there(Some(&target.new))) {
            // Somebody replaced that since. The copies stay, since nothing else has what was there.
            return drop_new(journal, &self.journal);
        }
        for (target, entry) in replaced() {
            progress(format!("putting back {}", entry.path.display()));
            target.put_back(entry).map_err(|error| left_halfway(&entry.path, &error))?;
        }
        take_back(journal, &self.journal)
    }
}

impl Target {
    /// A file with the mode and the owner of the old one. Whoever may not read that one never sees this one either.
    fn write(&self, path: &Path, contents: &[u8], progress: Progress<'_>) -> Result<(), Error> {
        let mut written = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            progress(format!("writing {}", path.display()));
            file.write_all(contents)?;
            self.dress(&file)?;
            file.sync_all()
        };
        written().map_err(|error| unwritable(path, &error))
    }

    fn dress(&self, file: &File) -> io::Result<()> {
        let made = file.metadata()?;
        let (uid, gid) = (self.metadata.uid(), self.metadata.gid());
        if (made.uid(), made.gid()) != (uid, gid) {
            fchown(file, Some(uid), Some(gid))?;
        }
        file.set_permissions(Permissions::from_mode(self.metadata.mode() & 0o7777))
    }

    /// Between this look and the renaming nothing else happens, which is as close as the system lets it be.
    fn replace(&self, entry: &Entry) -> Result<(), Error> {
        self.is_unchanged()?;
        fs::rename(&entry.new, &entry.path).map_err(|error| unwritable(&entry.path, &error))
    }

    fn put_back(&self, entry: &Entry) -> io::Result<()> {
        match self.old {
            Some(_) => fs::rename(&entry.backup, &entry.path),
            None => journal::remove(&entry.path),
        }
    }

    fn is_unchanged(&self) -> Result<(), Error> {
        if self.is_there(self.old.as_ref()) { Ok(()) } else { Err(Error::Changed { path: self.path.display().to_string() }) }
    }

    fn is_there(&self, wanted: Option<&Zeroizing<Vec<u8>>>) -> bool {
        match (look::read(&self.path).map(Zeroizing::new), wanted) {
            (Ok(now), Some(wanted)) => now == *wanted,
            (Err(error), None) => error.kind() == io::ErrorKind::NotFound,
            (Ok(_), None) | (Err(_), Some(_)) => false,
        }
    }

    /// What was written is what is read, and nobody changed the old one meanwhile.
    fn is_as_written(&self, entry: &Entry) -> Result<(), Error> {
        let copy = self.old.as_ref().map(|old| (&entry.backup, old));
        for (path, contents) in [(&entry.new, &self.new)].into_iter().chain(copy) {
            let back = look::read(path).map(Zeroizing::new).map_err(|error| unreadable(path, &error))?;
            if back != *contents {
                return Err(Error::NotReadBack { path: path.display().to_string() });
            }
        }
        self.is_unchanged()
    }
}

/// Removes everything that a replacement has made, which has replaced nothing, or nothing any more. A copy goes before the new file beside it: one that is
/// alone belongs to what was replaced.
pub(super) fn take_back(journal: &Journal, path: &Path) -> Result<(), Error> {
    for entry in &journal.files {
        journal::remove(&entry.backup).map_err(|error| unwritable(&entry.backup, &error))?;
    }
    drop_new(journal, path)
}

/// Removes what waits, and keeps the copies.
pub(super) fn drop_new(journal: &Journal, path: &Path) -> Result<(), Error> {
    for entry in &journal.files {
        journal::remove(&entry.new).map_err(|error| unwritable(&entry.new, &error))?;
    }
    for entry in &journal.files {
        journal::sync(parent(&entry.path)).map_err(|error| unwritable(&entry.path, &error))?;
    }
    journal::end(path).map_err(|error| unwritable(path, &error))
}
