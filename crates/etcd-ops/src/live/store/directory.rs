//! A directory as a store: names appear whole and flushed, symbolic links are never followed.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use rustix::fs::OFlags;
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::stream::PIECE_BYTES;
use super::{blocking, trouble, unwritable};
use crate::backup::catalog::Object;
use crate::backup::name::BackupName;
use crate::error::Error;

pub(super) struct Directory {
    path: PathBuf,
}

/// A file that is read.
pub(super) struct Chunks {
    file: tokio::fs::File,
    name: String,
    path: PathBuf,
}

/// A file that has no name of its own yet; dropped, it is removed.
pub(super) struct Writer {
    temporary: NamedTempFile,
    file: tokio::fs::File,
    path: PathBuf,
    name: String,
}

impl Directory {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn location(&self) -> String {
        self.path.display().to_string()
    }

    pub(super) async fn list(&self) -> Result<Vec<Object>, Error> {
        self.here("list", "", list).await
    }

    pub(super) async fn look(&self, name: &str) -> Result<Option<Object>, Error> {
        let owned = name.to_owned();
        let look = move |directory: &Path| match directory.join(&owned).symlink_metadata() {
            Ok(metadata) if metadata.is_file() => Ok(Some(object(owned, &metadata))),
            Ok(_) => Err(io::Error::other("it is no regular file")),
            Err(error) if error.kind() == ErrorKind::NotFound && directory.is_dir() => Ok(None),
            Err(error) => Err(error),
        };
        self.here("look", name, look).await
    }

    pub(super) async fn read(&self, name: &str) -> Result<(Object, Chunks), Error> {
        let owned = name.to_owned();
        let open = move |directory: &Path| {
            let no_follow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0);
            let file = OpenOptions::new().read(true).custom_flags(no_follow).open(directory.join(&owned))?;
            let metadata = file.metadata()?;
            if metadata.is_file() { Ok((object(owned, &metadata), file)) } else { Err(io::Error::other("it is no regular file")) }
        };
        let (object, file) = self.here("read", name, open).await?;
        let mut file = tokio::fs::File::from_std(file);
        file.set_max_buf_size(PIECE_BYTES);
        Ok((object, Chunks { file, name: name.to_owned(), path: self.path.clone() }))
    }

    pub(super) async fn write(&self, name: &str) -> Result<Writer, Error> {
        let to = self.path.join(name);
        let open = move |_: &Path| temporary(&to, "put").and_then(|temporary| temporary.as_file().try_clone().map(|file| (temporary, file)));
        let (temporary, file) = self.here("write", name, open).await?;
        let mut file = tokio::fs::File::from_std(file);
        file.set_max_buf_size(PIECE_BYTES);
        Ok(Writer { temporary, file, path: self.path.clone(), name: name.to_owned() })
    }

    pub(super) async fn create(&self, name: &str, bytes: Bytes) -> Result<(), Error> {
        let mut writer = self.write(name).await?;
        writer.write(bytes).await?;
        writer.finish().await
    }

    /// Over what is there under this name.
    pub(super) async fn replace(&self, name: &str, bytes: Bytes) -> Result<(), Error> {
        let to = self.path.join(name);
        let replace = move |directory: &Path| {
            let mut temporary = temporary(&to, "put")?;
            io::Write::write_all(&mut temporary, &bytes)?;
            temporary.as_file().sync_all()?;
            temporary.persist(&to).map_err(|error| error.error)?;
            File::open(directory)?.sync_all()
        };
        self.here("write", name, replace).await
    }

    pub(super) async fn remove(&self, name: &str) -> Result<(), Error> {
        let owned = name.to_owned();
        let remove = move |directory: &Path| match fs::remove_file(directory.join(owned)) {
            Err(error) if error.kind() == ErrorKind::NotFound && directory.is_dir() => Ok(()),
            Err(error) => Err(error),
            Ok(()) => File::open(directory)?.sync_all(),
        };
        self.here("delete", name, remove).await
    }

    async fn here<T: Send + 'static>(
        &self,
        operation: &'static str,
        name: &str,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let (path, name) = (self.path.clone(), name.to_owned());
        blocking(&self.path, move || work(&path).map_err(|error| trouble::of_directory(&path, operation, &name, &error))).await
    }
}

impl Chunks {
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let mut piece = BytesMut::with_capacity(PIECE_BYTES);
        let read = self.file.read_buf(&mut piece).await;
        read.map_err(|error| trouble::of_directory(&self.path, "read", &self.name, &error))?;
        Ok((!piece.is_empty()).then(|| piece.freeze()))
    }
}

impl Writer {
    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        let written = self.file.write_all(&bytes).await;
        written.map_err(|error| trouble::of_directory(&self.path, "write", &self.name, &error))
    }

    /// Flushed first, then named; nothing is overwritten.
    pub(super) async fn finish(mut self) -> Result<(), Error> {
        // A write that fails is told by the next call.
        let flushed = self.file.flush().await;
        flushed.map_err(|error| trouble::of_directory(&self.path, "write", &self.name, &error))?;
        let Self { temporary, path, name, .. } = self;
        let named = move || {
            let trouble = |error: io::Error| trouble::of_directory(&path, "write", &name, &error);
            temporary.as_file().sync_all().map_err(trouble)?;
            temporary.persist_noclobber(path.join(&name)).map_err(|error| trouble(error.error))?;
            File::open(&path).and_then(|directory| directory.sync_all()).map_err(trouble)
        };
        blocking(Path::new(""), named).await
    }
}

/// A file `TO.purpose-….part`, mode 0600, that goes when it is dropped.
pub(super) fn temporary_beside(to: &Path, purpose: &str) -> Result<NamedTempFile, Error> {
    temporary(to, purpose).map_err(|error| unwritable(to, &error))
}

fn temporary(to: &Path, purpose: &str) -> io::Result<NamedTempFile> {
    let mut prefix = OsString::from(to.file_name().unwrap_or_default());
    prefix.push(format!(".{purpose}-"));
    tempfile::Builder::new().prefix(&prefix).suffix(BackupName::TEMPORARY).tempfile_in(parent(to))
}

/// Gives a file that is complete its name, after it is on the disk.
pub(super) fn publish(temporary: NamedTempFile, to: &Path) -> Result<(), Error> {
    let trouble = |error: io::Error| {
        let exists = error.kind() == ErrorKind::AlreadyExists;
        if exists { Error::DestinationExists { path: to.display().to_string() } } else { unwritable(to, &error) }
    };
    temporary.as_file().sync_all().map_err(trouble)?;
    temporary.persist_noclobber(to).map_err(|error| trouble(error.error))?;
    File::open(parent(to)).and_then(|directory| directory.sync_all()).map_err(trouble)
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn list(directory: &Path) -> io::Result<Vec<Object>> {
    let mut objects = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        match entry.path().symlink_metadata() {
            Ok(metadata) if metadata.is_file() => objects.push(object(entry.file_name().to_string_lossy().into_owned(), &metadata)),
            Ok(_) => {}
            // Gone since.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(objects)
}

/// The tag changes with every write, and with a file of the same name that took the place of another.
fn object(name: String, metadata: &Metadata) -> Object {
    let etag = format!("{:x}-{:x}-{:x}-{:x}", metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), metadata.len());
    let last_modified = Timestamp::from_second(metadata.mtime()).unwrap_or(Timestamp::UNIX_EPOCH);
    Object { name, size_bytes: metadata.len(), last_modified, etag: Some(etag), version: None }
}
