//! A plan on the disk: everything is written beside the destination, and comes under its name at once or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::file::EtcdFile;
use crate::restore::plan::{DATABASE, LOG_DIRECTORY, SNAP_DIRECTORY};
use crate::restore::staging::Staging;
use crate::restore::{Restore, RestorePlan, observe, plan};
use crate::source::ReadAt;
use crate::verify::Verify;
use crate::{live, wal};

/// Where a restore gets its items from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "source", content = "path")]
pub enum Source {
    /// A snapshot, which ends with its SHA-256.
    Snapshot(PathBuf),
    /// A data directory, whose `member/snap/db` has no SHA-256: upstream's `--skip-hash-check`, and only for want of a snapshot.
    ///
    /// Its etcd has to be stopped; a file that is written meanwhile is refused. What stands in its write-ahead log alone is lost: the last
    /// tenth of a second, or the last 10,000 writes.
    DataDirectory(PathBuf),
}

/// How far a restore is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The file is being proven.
    Proving,
    /// The database is being written.
    Writing {
        /// So many of the file's items are done.
        items: u64,
        /// So many there are.
        of_items: u64,
    },
    /// Everything is written, and the system is asked to put it on the disk.
    Syncing,
}

/// A data directory that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Restored {
    /// What was planned, and done.
    pub plan: RestorePlan,
    /// Where.
    pub data_dir: PathBuf,
    /// The length of the new database in bytes.
    pub database_bytes: u64,
    /// What earlier runs had left behind that were killed; it was removed.
    pub removed: Vec<PathBuf>,
}

/// Proves the source, plans, and writes the data directory of one member.
///
/// Each member of a cluster is restored from the same source with the same `restore`, under its own name, on its own machine.
///
/// # Errors
/// [`Error::InvalidCluster`] and [`Error::DestinationExists`] before anything is read; [`Error::Unopened`]; what [`observe`], [`plan`] and
/// [`RestorePlan::apply`] say.
///
/// ```
/// use trimtab_etcd_file::restore::{InitialCluster, Restore, Source, restore_member};
/// use trimtab_etcd_file::{Error, example};
///
/// let folder = tempfile::tempdir().unwrap();
/// let (backup, data_dir) = (folder.path().join("backup.db"), folder.path().join("etcd"));
/// std::fs::write(&backup, example::snapshot()).unwrap();
///
/// let restore = Restore::new(InitialCluster::parse("m0=http://127.0.0.1:2380", "etcd-cluster")?);
/// let source = Source::Snapshot(backup);
/// restore_member(&source, &restore, "m0", &data_dir, &mut |_| ())?;
/// assert!(data_dir.join("member/snap/db").is_file());
///
/// let again = restore_member(&source, &restore, "m0", &data_dir, &mut |_| ());
/// assert!(matches!(again, Err(Error::DestinationExists { .. })));
/// # Ok::<(), Error>(())
/// ```
pub fn restore_member(
    source: &Source,
    restore: &Restore,
    member: &str,
    data_dir: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Restored, Error> {
    let (path, how) = match source {
        Source::Snapshot(path) => (path.clone(), Verify::snapshot()),
        Source::DataDirectory(path) => (path.join(DATABASE), Verify::data_directory()),
    };
    restore.cluster.member(member)?;
    Destination::of(data_dir)?;
    progress(Progress::Proving);
    let how = restore.etcd.map_or(how.clone(), |etcd| how.with_etcd(etcd));
    let file = live::open(&path)?;
    plan(&observe(&file, &how)?, restore, member)?.apply(&file, data_dir, progress)
}

impl RestorePlan {
    /// Writes the data directory.
    ///
    /// A destination that does not exist is made as a whole beside it, under the name `.NAME.trimtab-restore-…`, and renamed. An empty folder may be a
    /// mount point, so it stays, and `member` is made within it and renamed. Either way all of it is on the disk (`fsync`) before it has its name: a
    /// crash or a kill leaves the destination as it was, and at most such a folder, which the next restore into the same place removes.
    ///
    /// Folders get the mode 0700, files 0600; the owner is whoever runs it.
    ///
    /// # Errors
    /// [`Error::DestinationExists`] where something is in the destination or comes into it meanwhile; [`Error::Unwritable`]; what
    /// [`RestorePlan::write_database`] says. What was written by then is removed, and there is nothing under the destination's name; unless only the last
    /// step failed, in which the system is asked to make the new name itself last.
    pub fn apply<S: ReadAt>(&self, file: &EtcdFile<S>, data_dir: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Restored, Error> {
        let destination = Destination::of(data_dir)?;
        let unwritable = |error: io::Error| Error::Unwritable { path: data_dir.display().to_string(), problem: error.to_string() };
        let (staging, removed) = Staging::begin(destination.folder(), destination.name()).map_err(unwritable)?;
        let database_bytes = self.write_all(file, staging.path(), progress).map_err(|error| under(staging.path(), error))?;
        destination.take(&staging)?;
        staging.end().map_err(unwritable)?;
        sync_folder(destination.folder()).map_err(unwritable)?;
        Ok(Restored { plan: self.clone(), data_dir: data_dir.to_owned(), database_bytes, removed })
    }

    fn write_all<S: ReadAt>(&self, file: &EtcdFile<S>, root: &Path, progress: &mut dyn FnMut(Progress)) -> Result<u64, Error> {
        let unwritable = |error: io::Error| Error::Unwritable { path: String::new(), problem: error.to_string() };
        for folder in ["member", SNAP_DIRECTORY, LOG_DIRECTORY] {
            DirBuilder::new().mode(0o700).create(root.join(folder)).map_err(unwritable)?;
        }
        let mut out = BufWriter::with_capacity(WRITE_BYTES, create(&root.join(DATABASE)).map_err(unwritable)?);
        let of_items = self.source.items;
        let bytes = self.write_database(file, &mut out, &mut |items| progress(Progress::Writing { items, of_items }))?;
        progress(Progress::Syncing);
        out.into_inner().map_err(io::IntoInnerError::into_error).and_then(|file| file.sync_all()).map_err(unwritable)?;
        self.write_log_and_snapshot(root).map_err(unwritable)?;
        for folder in [SNAP_DIRECTORY, LOG_DIRECTORY, "member", ""] {
            sync_folder(&root.join(folder)).map_err(unwritable)?;
        }
        Ok(bytes)
    }

    fn write_log_and_snapshot(&self, root: &Path) -> io::Result<()> {
        let (name, records) = self.log();
        let mut log = create(&root.join(LOG_DIRECTORY).join(name))?;
        log.write_all(&records)?;
        log.set_len(wal::SEGMENT_BYTES)?;
        log.sync_all()?;
        let (name, contents) = self.snapshot_file();
        let mut snapshot = create(&root.join(SNAP_DIRECTORY).join(name))?;
        snapshot.write_all(&contents)?;
        snapshot.sync_all()
    }
}

/// Large enough that the disk sees few writes, small beside everything else.
const WRITE_BYTES: usize = 1 << 20;

/// The data directory that is to be, and where it is made.
enum Destination<'a> {
    /// It does not exist; it is made beside it.
    Absent { data_dir: &'a Path, parent: &'a Path, name: String },
    /// It is an empty folder.
    Empty { data_dir: &'a Path },
}

impl<'a> Destination<'a> {
    fn of(data_dir: &'a Path) -> Result<Self, Error> {
        let unwritable = |problem: String| Error::Unwritable { path: data_dir.display().to_string(), problem };
        match fs::symlink_metadata(data_dir) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let name = data_dir.file_name().ok_or_else(|| unwritable("it has no name".to_owned()))?;
                let parent = data_dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
                Ok(Self::Absent { data_dir, parent, name: name.to_string_lossy().into_owned() })
            }
            Err(error) => Err(unwritable(error.to_string())),
            Ok(_) if is_empty(data_dir).map_err(|error| unwritable(error.to_string()))? => Ok(Self::Empty { data_dir }),
            Ok(_) => Err(exists(data_dir)),
        }
    }

    /// Where the folder is made that everything is written into.
    fn folder(&self) -> &Path {
        match self {
            Self::Absent { parent, .. } => parent,
            Self::Empty { data_dir } => data_dir,
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Absent { name, .. } => name,
            Self::Empty { .. } => "",
        }
    }

    /// Gives what was made its name. The system refuses it where something is there by now.
    fn take(&self, staging: &Staging) -> Result<(), Error> {
        let (from, to) = match self {
            Self::Absent { data_dir, .. } => (staging.path().to_owned(), (*data_dir).to_owned()),
            Self::Empty { data_dir } => (staging.path().join("member"), data_dir.join("member")),
        };
        let is_there = [ErrorKind::DirectoryNotEmpty, ErrorKind::AlreadyExists, ErrorKind::NotADirectory];
        fs::rename(from, &to).map_err(|error| {
            if is_there.contains(&error.kind()) {
                exists(&to)
            } else {
                Error::Unwritable { path: to.display().to_string(), problem: error.to_string() }
            }
        })
    }
}

/// A folder with nothing in it but what earlier restores left.
fn is_empty(data_dir: &Path) -> io::Result<bool> {
    if !fs::metadata(data_dir).is_ok_and(|metadata| metadata.is_dir()) {
        return Ok(false);
    }
    for entry in fs::read_dir(data_dir)? {
        if !Staging::is_name(&entry?.file_name().to_string_lossy(), "") {
            return Ok(false);
        }
    }
    Ok(true)
}

fn exists(path: &Path) -> Error {
    Error::DestinationExists { path: path.display().to_string() }
}

/// An error that names a file of a data directory, with where that one was.
fn under(root: &Path, error: Error) -> Error {
    if let Error::Unwritable { path, problem } = error { Error::Unwritable { path: root.join(path).display().to_string(), problem } } else { error }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
