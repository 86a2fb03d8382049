//! The bytes of a backup on their way into and out of a store, hashed, packed and unpacked in a thread of their own.
//!
//! Memory is bounded whatever the size: some pieces of a mebibyte are in flight, and zstd keeps its window.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sha2::Digest as _;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Duration, Instant};
use trimtab_etcd_file::{EtcdFile, EtcdVersion, Received, Sha256, SnapshotStream, Verify};

use super::unwritable;
use crate::backup::manifest::{Compression, Manifest};
use crate::backup::name::BackupName;
use crate::error::Error;
use crate::maintenance::Mib;

/// The size of a piece.
pub(super) const PIECE_BYTES: usize = 1024 * 1024;
/// How many pieces wait for the slower side.
const PIECES_IN_FLIGHT: usize = 4;
/// What zstd's own command takes.
const ZSTD_LEVEL: i32 = 3;

/// What was sent to a store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packed {
    pub(super) bytes: u64,
    pub(super) sha256: Sha256,
}

/// Counts and hashes.
pub(super) struct Digest {
    hasher: sha2::Sha256,
    bytes: u64,
}

impl Digest {
    pub(super) fn new() -> Self {
        Self { hasher: sha2::Sha256::new(), bytes: 0 }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    pub(super) fn finish(self) -> (u64, Sha256) {
        (self.bytes, Sha256::from_bytes(self.hasher.finalize().into()))
    }
}

/// Reads a snapshot that was verified, packs it, and hands it on piece by piece. The handle ends with what was handed on, or with the
/// reason why the file is not the one that the manifest tells of; a receiver that is dropped ends it too.
pub(super) fn pack(file: &Path, manifest: Manifest, compression: Compression) -> (mpsc::Receiver<Bytes>, JoinHandle<Result<Packed, Error>>) {
    let (pieces, received) = mpsc::channel(PIECES_IN_FLIGHT);
    let path = file.to_owned();
    let worker = spawn_blocking(move || pack_here(&path, &manifest, compression, Outgoing { pieces, digest: Digest::new() }));
    (received, worker)
}

fn pack_here(path: &Path, manifest: &Manifest, compression: Compression, outgoing: Outgoing) -> Result<Packed, Error> {
    let unreadable = |error: io::Error| unwritable(path, &error);
    let mut file = File::open(path).map_err(unreadable)?;
    let mut packer = Packer::new(compression, outgoing).map_err(unreadable)?;
    let mut stream = SnapshotStream::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let length = match file.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(unreadable(error)),
        };
        stream.push(&piece[..length]).map_err(|problem| broken(&path.display(), problem))?;
        packer.push(&piece[..length]).map_err(unreadable)?;
    }
    let received = stream.finish().map_err(|problem| broken(&path.display(), problem))?;
    same(&path.display(), "sha256", &manifest.sha256, &received.sha256)?;
    let (bytes, sha256) = packer.finish().map_err(unreadable)?.digest.finish();
    Ok(Packed { bytes, sha256 })
}

enum Packer {
    Plain(Outgoing),
    Zstd(Box<zstd::stream::write::Encoder<'static, Outgoing>>),
}

impl Packer {
    fn new(compression: Compression, outgoing: Outgoing) -> io::Result<Self> {
        Ok(match compression {
            Compression::None => Self::Plain(outgoing),
            Compression::Zstd => Self::Zstd(Box::new(zstd::stream::write::Encoder::new(outgoing, ZSTD_LEVEL)?)),
        })
    }

    fn push(&mut self, piece: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(outgoing) => outgoing.write_all(piece),
            Self::Zstd(encoder) => encoder.write_all(piece),
        }
    }

    fn finish(self) -> io::Result<Outgoing> {
        match self {
            Self::Plain(outgoing) => Ok(outgoing),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

struct Outgoing {
    pieces: mpsc::Sender<Bytes>,
    digest: Digest,
}

impl Write for Outgoing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        self.digest.push(bytes);
        // Whoever has dropped the other end says why.
        self.pieces.blocking_send(Bytes::copy_from_slice(bytes)).map_err(|_| io::Error::from(ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes an object piece by piece and leaves the snapshot in a file.
pub(super) struct Unpacker {
    pieces: mpsc::Sender<Bytes>,
    worker: JoinHandle<Result<Unpacked, Error>>,
    path: PathBuf,
}

/// An object that was read to its end.
pub(super) struct Unpacked {
    file: File,
    bytes: u64,
    pub(super) stored: Sha256,
    /// The snapshot in it, or why there is none.
    content: Result<Received, Error>,
}

impl Unpacker {
    /// `path` is where the file is, or is going to be; for errors and for the room on its disk.
    pub(super) fn start(name: &BackupName, manifest: &Manifest, file: File, path: &Path) -> Self {
        let (pieces, incoming) = mpsc::channel(PIECES_IN_FLIGHT);
        let sink = Sink {
            name: name.to_string(),
            stream: SnapshotStream::new(),
            file,
            whole: room(manifest),
            room: room(manifest),
            path: path.to_owned(),
            stop: None,
        };
        let compression = name.compression();
        let worker = spawn_blocking(move || unpack_here(compression, sink, incoming));
        Self { pieces, worker, path: path.to_owned() }
    }

    /// False where it has ended early; [`Self::finish`] says why.
    pub(super) async fn push(&mut self, piece: Bytes) -> bool {
        self.pieces.send(piece).await.is_ok()
    }

    pub(super) async fn finish(self) -> Result<Unpacked, Error> {
        drop(self.pieces);
        self.worker.await.unwrap_or_else(|error| Err(unwritable(&self.path, &io::Error::other(error))))
    }
}

/// How long the snapshot is. More never reaches the disk, whatever was packed.
fn room(manifest: &Manifest) -> u64 {
    manifest.db_size_bytes.saturating_add(Sha256::BYTES as u64)
}

/// An object that is broken is read to its end all the same: its SHA-256 says whether the store did it.
fn unpack_here(compression: Compression, sink: Sink, mut incoming: mpsc::Receiver<Bytes>) -> Result<Unpacked, Error> {
    let name = sink.name.clone();
    let unpackable = |error: &io::Error| Error::NotUnpacked { name: name.clone(), problem: error.to_string() };
    let mut digest = Digest::new();
    let mut unpack = match compression {
        Compression::None => Unpack::Plain(Box::new(sink)),
        Compression::Zstd => Unpack::Zstd(Box::new(zstd::stream::write::Decoder::new(sink).map_err(|error| unpackable(&error))?)),
    };
    let mut broken = None;
    while let Some(piece) = incoming.blocking_recv() {
        digest.push(&piece);
        if broken.is_none() {
            broken = unpack.push(&piece)?;
        }
    }
    if broken.is_none() {
        broken = unpack.flush()?;
    }
    let (bytes, stored) = digest.finish();
    let Sink { name, stream, file, .. } = unpack.into_sink();
    let content = match broken {
        Some(problem) => Err(problem),
        None => stream.finish().map_err(|problem| Error::BackupFile { name, problem: Box::new(problem) }),
    };
    Ok(Unpacked { file, bytes, stored, content })
}

enum Unpack {
    Plain(Box<Sink>),
    Zstd(Box<zstd::stream::write::Decoder<'static, Sink>>),
}

impl Unpack {
    /// What is wrong with the object, if anything; the error is about our own disk.
    fn push(&mut self, piece: &[u8]) -> Result<Option<Error>, Error> {
        let written = match self {
            Self::Plain(sink) => sink.write_all(piece),
            Self::Zstd(decoder) => decoder.write_all(piece),
        };
        self.told(written)
    }

    fn flush(&mut self) -> Result<Option<Error>, Error> {
        let flushed = match self {
            Self::Plain(sink) => sink.flush(),
            Self::Zstd(decoder) => decoder.flush(),
        };
        self.told(flushed)
    }

    fn told(&mut self, written: io::Result<()>) -> Result<Option<Error>, Error> {
        let Err(error) = written else { return Ok(None) };
        let sink = match self {
            Self::Plain(sink) => sink,
            Self::Zstd(decoder) => decoder.get_mut(),
        };
        match sink.stop.take() {
            Some(Stop::Disk(error)) => Err(error),
            Some(Stop::Broken(problem)) => Ok(Some(problem)),
            None => Ok(Some(Error::NotUnpacked { name: sink.name.clone(), problem: error.to_string() })),
        }
    }

    fn into_sink(self) -> Sink {
        match self {
            Self::Plain(sink) => *sink,
            Self::Zstd(decoder) => decoder.into_inner(),
        }
    }
}

/// Where the snapshot goes: to the hash and to the disk.
struct Sink {
    name: String,
    stream: SnapshotStream,
    file: File,
    /// How many bytes there are to come.
    whole: u64,
    /// How many of them have not come yet.
    room: u64,
    path: PathBuf,
    /// Why it takes no more.
    stop: Option<Stop>,
}

enum Stop {
    Broken(Error),
    Disk(Error),
}

impl Sink {
    fn take(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let Some(room) = self.room.checked_sub(bytes.len() as u64) else {
            let problem = "it holds more than its manifest says".to_owned();
            return Err(Stop::Broken(Error::NotUnpacked { name: self.name.clone(), problem }));
        };
        self.room = room;
        self.stream.push(bytes).map_err(|problem| Stop::Broken(broken(&self.name, problem)))?;
        self.file.write_all(bytes).map_err(|error| Stop::Disk(self.disk(&error)))
    }

    fn disk(&self, error: &io::Error) -> Error {
        if !matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
            return unwritable(&self.path, error);
        }
        let free_bytes = self.file.metadata().map_or(0, |metadata| metadata.len());
        Error::DiskFull { path: self.path.display().to_string(), needed_bytes: self.whole, free_bytes }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.take(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(stop) => {
                self.stop = Some(stop);
                Err(ErrorKind::Other.into())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Unpacked {
    /// Whether it is, to the last byte, what the manifest tells of.
    pub(super) fn prove(self, name: &BackupName, manifest: &Manifest) -> Result<(), Error> {
        let name = name.to_string();
        let stored = manifest.stored;
        if (self.bytes, self.stored) != (stored.size_bytes, stored.sha256) {
            let (expected_bytes, expected) = (stored.size_bytes, stored.sha256);
            return Err(Error::StoredDiffers {
                name,
                expected_bytes,
                found_bytes: self.bytes,
                expected: Box::new(expected),
                found: Box::new(self.stored),
            });
        }
        let received = self.content?;
        same(&name, "sha256", &manifest.sha256, &received.sha256)?;
        same(&name, "dbSizeBytes", &manifest.db_size_bytes, &received.db_size_bytes)?;
        let mut file = self.file;
        file.seek(SeekFrom::Start(0)).map_err(|error| Error::Unwritable { path: name.clone(), problem: error.to_string() })?;
        let release: EtcdVersion = manifest.etcd_version.parse().map_err(|problem| broken(&name, problem))?;
        let how = Verify::snapshot().with_checked_sha256(received.sha256).with_etcd(release);
        let verified = EtcdFile::open(file).and_then(|file| file.verify(&how)).map_err(|problem| broken(&name, problem))?;
        same(&name, "revision", &manifest.revision, &verified.hash_kv.revision)?;
        same(&name, "compactRevision", &manifest.compact_revision, &verified.hash_kv.compact_revision)?;
        same(&name, "hashKv", &manifest.hash_kv, &verified.hash_kv.hash)?;
        same(&name, "status.hash", &manifest.status.hash, &verified.status.hash)?;
        same(&name, "status.totalKey", &manifest.status.total_key, &verified.status.total_key)
    }
}

fn broken(name: &impl ToString, problem: trimtab_etcd_file::Error) -> Error {
    Error::BackupFile { name: name.to_string(), problem: Box::new(problem) }
}

fn same<T: PartialEq + ToString>(name: &impl ToString, field: &str, expected: &T, found: &T) -> Result<(), Error> {
    if expected == found {
        return Ok(());
    }
    Err(Error::NotItsManifest { name: name.to_string(), field: field.into(), expected: expected.to_string(), found: found.to_string() })
}

/// Tells twice a second how far a transfer is.
pub(super) struct Ticker {
    what: &'static str,
    bytes: u64,
    told: Instant,
}

impl Ticker {
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, bytes: 0, told: Instant::now() }
    }

    pub(super) fn count(&mut self, bytes: usize, progress: super::Progress<'_>) {
        self.bytes += bytes as u64;
        if self.told.elapsed() >= Duration::from_millis(500) {
            self.told = Instant::now();
            progress(format!("{} {}", self.what, Mib(i64::try_from(self.bytes).unwrap_or(i64::MAX))));
        }
    }
}
