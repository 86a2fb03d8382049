//! The journal: every object before it is deleted, and that it was.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::Error;

/// A file of one JSON object per line, mode 0600, since what is backed up may be a Secret: first the cluster, then each object as it was before its
/// deletion, synced to the disk before the request is sent, and each deletion that was confirmed.
///
/// A line that was cut off by a crash is dropped when the file is opened again: what it was about was not deleted yet.
#[derive(Clone)]
pub struct Journal {
    path: Arc<Path>,
    state: Arc<Mutex<State>>,
}

struct State {
    file: File,
    cluster: Option<String>,
    deleted: HashSet<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Line {
    /// Whose journal it is.
    Cluster(String),
    /// An object, as the API server gave it, before its deletion.
    Backup(Backup),
    /// The uid of one whose deletion was confirmed.
    Deleted(String),
}

/// What a journal holds.
pub(super) struct Content {
    /// Whose it is.
    pub(super) cluster: Option<String>,
    /// The objects, each with whether its deletion was confirmed.
    pub(super) backups: Vec<(Backup, bool)>,
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
    /// Opens a journal, or begins one. The folder has to be there; the file is locked until the journal and its clones are dropped.
    ///
    /// # Errors
    /// [`Error::Journal`] where it cannot be read or written, or is none; [`Error::JournalBusy`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let wrong = |problem: String| Error::Journal { path: path.display().to_string(), problem };
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = open(path, flags, Mode::RUSR | Mode::WUSR).map_err(|error| wrong(error.to_string()))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(Error::JournalBusy { path: path.display().to_string() }),
            Err(error) => return Err(wrong(error.to_string())),
        }
        let mut file = File::from(file);
        let mut state = State { file: file.try_clone().map_err(|error| wrong(error.to_string()))?, cluster: None, deleted: HashSet::new() };
        let whole = read(&mut file, |line| match line {
            Line::Cluster(uid) => state.cluster = Some(uid),
            Line::Deleted(uid) => drop(state.deleted.insert(uid)),
            Line::Backup(_) => {}
        })
        .map_err(wrong)?;
        file.set_len(whole).and_then(|()| state.file.seek(SeekFrom::Start(whole)).map(drop)).map_err(|error| wrong(error.to_string()))?;
        sync_folder(path).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { path: Arc::from(path), state: Arc::new(Mutex::new(state)) })
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

    /// Reads the objects of a journal back, each as often as it was written, with whether its deletion was confirmed.
    ///
    /// # Errors
    /// [`Error::Journal`] where it cannot be read, or is none.
    pub fn backups(path: &Path) -> Result<Vec<(Backup, bool)>, Error> {
        Self::content(path).map(|content| content.backups)
    }

    /// All of it.
    pub(super) fn content(path: &Path) -> Result<Content, Error> {
        let wrong = |problem: String| Error::Journal { path: path.display().to_string(), problem };
        let mut file = File::open(path).map_err(|error| wrong(error.to_string()))?;
        let (mut cluster, mut backups, mut deleted) = (None, Vec::new(), HashSet::new());
        read(&mut file, |line| match line {
            Line::Backup(backup) => backups.push(backup),
            Line::Deleted(uid) => drop(deleted.insert(uid)),
            Line::Cluster(uid) => cluster = Some(uid),
        })
        .map_err(wrong)?;
        let backups = backups.into_iter().map(|backup| (deleted.contains(&backup.uid), backup)).map(|(sure, backup)| (backup, sure)).collect();
        Ok(Content { cluster, backups })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_deleted(&self, uid: &str) -> bool {
        self.state().deleted.contains(uid)
    }

    /// Makes it this cluster's, or says that it is another one's.
    pub(super) fn belongs_to(&self, cluster: &str) -> Result<(), Error> {
        let mut state = self.state();
        match state.cluster.clone() {
            Some(known) if known == cluster => Ok(()),
            Some(known) => Err(Error::JournalOfAnother { path: self.path.display().to_string(), cluster: known }),
            None => {
                self.write(&mut state, &Line::Cluster(cluster.to_owned()))?;
                state.cluster = Some(cluster.to_owned());
                Ok(())
            }
        }
    }

    /// Keeps an object, on the disk.
    pub(super) fn back_up(&self, uid: &str, object: &str) -> Result<(), Error> {
        let object = RawValue::from_string(object.to_owned()).map_err(|error| self.wrong(error.to_string()))?;
        self.write(&mut self.state(), &Line::Backup(Backup { uid: uid.to_owned(), object }))
    }

    /// Notes that one is gone. That it is not synced costs no more than a look after a crash.
    pub(super) fn confirm(&self, uid: &str) -> Result<(), Error> {
        let mut state = self.state();
        append(&mut state.file, &Line::Deleted(uid.to_owned())).map_err(|problem| self.wrong(problem))?;
        state.deleted.insert(uid.to_owned());
        Ok(())
    }

    fn write(&self, state: &mut State, line: &Line) -> Result<(), Error> {
        append(&mut state.file, line).map_err(|problem| self.wrong(problem))?;
        state.file.sync_data().map_err(|error| self.wrong(error.to_string()))
    }

    fn wrong(&self, problem: String) -> Error {
        Error::Journal { path: self.path.display().to_string(), problem }
    }
}

/// One line in one write, taken back where the disk is full in its middle.
fn append(file: &mut File, line: &Line) -> Result<(), String> {
    let mut text = serde_json::to_vec(line).map_err(|error| error.to_string())?;
    // What the server sends has no line breaks outside of strings, and none inside of them; a dump would.
    text.retain(|byte| !matches!(byte, b'\n' | b'\r'));
    text.push(b'\n');
    let before = file.stream_position().map_err(|error| error.to_string())?;
    file.write_all(&text).map_err(|error| {
        let _ = file.set_len(before);
        let _ = file.seek(SeekFrom::Start(before));
        error.to_string()
    })
}

/// Reads every whole line, and says where the last one ends.
fn read(file: &mut File, mut each: impl FnMut(Line)) -> Result<u64, String> {
    file.seek(SeekFrom::Start(0)).map_err(|error| error.to_string())?;
    let mut reader = BufReader::new(file);
    let mut whole = 0;
    let mut text = Vec::new();
    for number in 1_u64.. {
        text.clear();
        let length = reader.read_until(b'\n', &mut text).map_err(|error| error.to_string())?;
        if text.last() != Some(&b'\n') {
            break;
        }
        let line = serde_json::from_slice(&text).map_err(|_| format!("line {number} is none of a journal; give another file"))?;
        each(line);
        whole += u64::try_from(length).map_err(|error| error.to_string())?;
    }
    Ok(whole)
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder: PathBuf = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf();
    File::open(folder)?.sync_all()
}
