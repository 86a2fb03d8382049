//! The journal: every object before it is deleted, and that it was.

use std::collections::HashSet;
use std::fmt;
use std::fs::{File, Permissions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::io::Errno;
use rustix::process::geteuid;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::task::spawn_blocking;

use crate::error::Error;

use super::lines::{self, Line};

/// A file of one JSON object per line, mode 0600, since what is backed up may be a Secret: first the cluster, then each object as it was before its
/// deletion, synced to the disk before the request is sent, and each deletion that was confirmed or refused.
///
/// A line that was cut off by a crash is dropped when the file is opened again: what it was about was not deleted yet. A file that is no journal is left
/// as it is.
#[derive(Clone)]
pub struct Journal {
    path: Arc<Path>,
    file: Arc<File>,
    state: Arc<Mutex<State>>,
    disk: Arc<Mutex<Disk>>,
}

struct State {
    cluster: Option<String>,
    deleted: HashSet<String>,
    /// Whether the moment stands there at which this one began.
    begun: bool,
    /// How long the file is.
    written: u64,
}

/// What is on the disk. Its lock is held while the disk works, the other one is not.
#[derive(Default)]
struct Disk {
    /// As many bytes of the file.
    synced: u64,
    /// After a failure the kernel forgets what it could not write, and the next sync would succeed without it.
    broken: Option<String>,
}

/// An object as it was before its deletion.
#[derive(Clone, Serialize, Deserialize)]
pub struct Backup {
    /// Its uid.
    pub uid: String,
    /// The whole object, as JSON. It may be a Secret, so that no `Debug` shows it.
    pub object: Box<RawValue>,
}

impl fmt::Debug for Backup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backup").field("uid", &self.uid).finish_non_exhaustive()
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Journal {
    /// Opens a journal, or begins one. The folder has to be there; the file is locked until the journal and its clones are dropped. One of this user that
    /// others can read gets mode 0600.
    ///
    /// # Errors
    /// [`Error::Journal`] where it cannot be read or written, or is none; [`Error::JournalBusy`]; [`Error::JournalExposed`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let wrong = |problem: String| Error::Journal { path: path.display().to_string(), problem };
        let mut file = locked(path)?;
        let mut state = State { cluster: None, deleted: HashSet::new(), begun: false, written: 0 };
        let tail = lines::read(&file, |number, _, line| {
            match line.ok_or_else(|| format!("line {number} is none of a journal; give another file"))? {
                Line::Cluster(uid) => state.cluster = Some(uid),
                Line::Deleted(uid) => drop(state.deleted.insert(uid)),
                Line::Run(_) | Line::Backup(_) | Line::Kept(_) => {}
            }
            Ok(())
        })
        .map_err(wrong)?;
        if !tail.was_cut_off() {
            return Err(wrong("its end is none of a journal; give another file".to_owned()));
        }
        keep_private(&file, path, geteuid().as_raw())?;
        file.set_len(tail.at).and_then(|()| file.seek(SeekFrom::Start(tail.at)).map(drop)).map_err(|error| wrong(error.to_string()))?;
        sync_folder(path).map_err(|error| wrong(error.to_string()))?;
        state.written = tail.at;
        Ok(Self { path: Arc::from(path), file: Arc::new(file), state: Arc::new(Mutex::new(state)), disk: Arc::default() })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many deletions it confirms.
    #[must_use]
    pub fn deleted(&self) -> usize {
        self.state().deleted.len()
    }

    /// Reads the objects of a journal back, each as often as it was written, with whether its deletion was confirmed. What cannot be read is left out.
    ///
    /// # Errors
    /// [`Error::Journal`] where it cannot be read.
    pub fn backups(path: &Path) -> Result<Vec<(Backup, bool)>, Error> {
        let wrong = |problem: String| Error::Journal { path: path.display().to_string(), problem };
        let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
        let (mut backups, mut deleted) = (Vec::new(), HashSet::new());
        lines::read(&file, |_, _, line| {
            match line {
                Some(Line::Backup(backup)) => backups.push(backup),
                Some(Line::Deleted(uid)) => drop(deleted.insert(uid)),
                Some(Line::Cluster(_) | Line::Run(_) | Line::Kept(_)) | None => {}
            }
            Ok(())
        })
        .map_err(wrong)?;
        Ok(backups.into_iter().map(|backup| (deleted.contains(&backup.uid), backup)).map(|(sure, backup)| (backup, sure)).collect())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes it this cluster's, or says that it is another one's.
    pub(super) fn belongs_to(&self, cluster: &str) -> Result<(), Error> {
        let mut state = self.state();
        match state.cluster.clone() {
            Some(known) if known == cluster => Ok(()),
            Some(known) => Err(Error::JournalOfAnother { path: self.path.display().to_string(), cluster: known }),
            None => {
                let end = self.append(&mut state, &Line::Cluster(cluster.to_owned()))?;
                state.cluster = Some(cluster.to_owned());
                drop(state);
                self.sync(end)
            }
        }
    }

    /// Keeps an object, on the disk.
    pub(super) async fn back_up(&self, uid: &str, object: &str) -> Result<(), Error> {
        let object = RawValue::from_string(object.to_owned()).map_err(|error| self.wrong(error.to_string()))?;
        let end = self.append_backup(Backup { uid: uid.to_owned(), object })?;
        let journal = self.clone();
        // A disk takes milliseconds, in which the other lanes go on.
        spawn_blocking(move || journal.sync(end)).await.map_err(|error| self.wrong(error.to_string()))?
    }

    fn append_backup(&self, backup: Backup) -> Result<u64, Error> {
        let mut state = self.state();
        if !state.begun {
            self.append(&mut state, &Line::Run(Timestamp::now()))?;
            state.begun = true;
        }
        self.append(&mut state, &Line::Backup(backup))
    }

    /// Notes that the server refused to delete one: an undo has nothing to make again there.
    pub(super) fn kept(&self, uid: &str) -> Result<(), Error> {
        self.append(&mut self.state(), &Line::Kept(uid.to_owned())).map(drop)
    }

    /// Notes that one is gone. That it is not synced costs no more than a look after a crash.
    pub(super) fn confirm(&self, uid: &str) -> Result<(), Error> {
        let mut state = self.state();
        self.append(&mut state, &Line::Deleted(uid.to_owned()))?;
        state.deleted.insert(uid.to_owned());
        Ok(())
    }

    /// Where the line ends.
    fn append(&self, state: &mut State, line: &Line) -> Result<u64, Error> {
        state.written += append(&self.file, state.written, line).map_err(|problem| self.wrong(problem))?;
        Ok(state.written)
    }

    /// Until the file is on the disk up to there. Whoever comes first does it for all who have written meanwhile.
    fn sync(&self, end: u64) -> Result<(), Error> {
        let mut disk = self.disk.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(problem) = &disk.broken {
            return Err(self.wrong(problem.clone()));
        }
        if disk.synced >= end {
            return Ok(());
        }
        let written = self.state().written;
        match self.file.sync_data() {
            Ok(()) => disk.synced = written,
            Err(error) => return Err(self.wrong(disk.broken.insert(error.to_string()).clone())),
        }
        Ok(())
    }

    fn wrong(&self, problem: String) -> Error {
        Error::Journal { path: self.path.display().to_string(), problem }
    }
}

/// One line in one write, taken back where the disk is full in its middle; how long it is.
fn append(mut file: &File, before: u64, line: &Line) -> Result<u64, String> {
    let mut text = serde_json::to_vec(line).map_err(|error| error.to_string())?;
    // What the server sends has no line breaks outside of strings, and none inside of them; a dump would.
    text.retain(|byte| !matches!(byte, b'\n' | b'\r'));
    text.push(b'\n');
    file.write_all(&text).map_err(|error| {
        let _ = file.set_len(before);
        let _ = file.seek(SeekFrom::Start(before));
        error.to_string()
    })?;
    u64::try_from(text.len()).map_err(|error| error.to_string())
}

/// The file, and nobody else's until it is closed.
fn locked(path: &Path) -> Result<File, Error> {
    let wrong = |problem: String| Error::Journal { path: path.display().to_string(), problem };
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(open(path, flags, Mode::RUSR | Mode::WUSR).map_err(|error| wrong(error.to_string()))?);
    // A pipe would be waited for, for ever.
    if !file.metadata().map_err(|error| wrong(error.to_string()))?.is_file() {
        return Err(wrong("it is no regular file".to_owned()));
    }
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => Err(Error::JournalBusy { path: path.display().to_string() }),
        Err(error) => Err(wrong(error.to_string())),
    }
}

/// The mode at `open` counts only for a file that is made there.
fn keep_private(file: &File, path: &Path, user: u32) -> Result<(), Error> {
    let wrong = |error: std::io::Error| Error::Journal { path: path.display().to_string(), problem: error.to_string() };
    let exposed = || file.metadata().map(|metadata| (metadata.mode() & 0o077 != 0).then_some(metadata.uid())).map_err(wrong);
    let Some(owner) = exposed()? else { return Ok(()) };
    if owner == user {
        file.set_permissions(Permissions::from_mode(0o600)).map_err(wrong)?;
    }
    // Somebody else's, or on a file system without modes.
    exposed()?.map_or(Ok(()), |_| Err(Error::JournalExposed { path: path.display().to_string() }))
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder: PathBuf = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf();
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_journal(each: impl AsyncFnOnce(Journal)) -> PathBuf {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("trimtab-journal-{}-{number}", std::process::id()));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(each(Journal::open(&path).unwrap()));
        path
    }

    #[test]
    fn what_lanes_write_at_once_is_all_there_line_by_line() {
        let path = with_journal(async |journal| {
            journal.belongs_to("c").unwrap();
            let lanes = (0..8).map(|lane| {
                let journal = journal.clone();
                tokio::task::spawn_blocking(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    for object in 0..20 {
                        let uid = format!("{lane}-{object}");
                        runtime.block_on(journal.back_up(&uid, r#"{"a": "b"}"#)).unwrap();
                        if object % 2 == 0 {
                            journal.confirm(&uid).unwrap();
                        }
                    }
                })
            });
            for lane in lanes.collect::<Vec<_>>() {
                lane.await.unwrap();
            }
            let disk = journal.disk.lock().unwrap();
            assert!(disk.synced > 0 && disk.synced <= journal.state().written);
        });
        let backups = Journal::backups(&path).unwrap();
        let cluster = Journal::open(&path).unwrap().state().cluster.clone();
        std::fs::remove_file(&path).unwrap();
        assert_eq!((cluster.as_deref(), backups.len()), (Some("c"), 160));
        assert_eq!(backups.iter().filter(|(_, sure)| *sure).count(), 80);
    }

    #[test]
    fn a_line_that_was_cut_off_is_dropped_and_the_next_one_stands_in_its_place() {
        let path = with_journal(async |journal| journal.back_up("1", "{}").await.unwrap());
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [whole.as_slice(), &whole[..20]].concat()).unwrap();
        let journal = Journal::open(&path).unwrap();
        journal.confirm("1").unwrap();
        drop(journal);
        let backups = Journal::backups(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(backups.iter().map(|(backup, sure)| (backup.uid.as_str(), *sure)).collect::<Vec<_>>(), [("1", true)]);
    }

    #[test]
    fn a_file_of_somebody_else_that_others_can_read_is_refused_and_left_as_it_is() {
        let path = with_journal(async |_| ());
        let file = File::open(&path).unwrap();
        file.set_permissions(Permissions::from_mode(0o640)).unwrap();
        let me = geteuid().as_raw();
        let refused = keep_private(&file, &path, me + 1);
        assert_eq!(refused, Err(Error::JournalExposed { path: path.display().to_string() }));
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o640);
        assert_eq!(keep_private(&file, &path, me), Ok(()));
        assert_eq!(keep_private(&file, &path, me + 1), Ok(()));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn after_a_sync_that_failed_nothing_is_taken_for_kept() {
        let path = with_journal(async |journal| {
            journal.disk.lock().unwrap().broken = Some("no space".to_owned());
            assert!(journal.back_up("1", "{}").await.unwrap_err().to_string().contains("no space"));
        });
        std::fs::remove_file(path).unwrap();
    }
}
