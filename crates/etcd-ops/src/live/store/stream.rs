//! The bytes of a backup on their way into and out of a store, hashed, packed and unpacked in a thread of their own.
//!
//! Memory is bounded whatever the size: some pieces of a mebibyte are in flight, and zstd keeps its window.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::FileExt;
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

/// Why a backup is not proven.
enum Doubt {
    /// It is broken.
    Broken(Error),
    /// Something of our own kept us from knowing: our disk, or a release that we do not know.
    Unknown(Error),
}

/// What is wrong with the backup, where nothing else is said.
impl From<Error> for Doubt {
    fn from(error: Error) -> Self {
        Self::Broken(error)
    }
}

impl Unpacked {
    /// Whether it is, to the last byte, what the manifest tells of. The inner error is what is wrong with the backup, the outer one what kept
    /// us from knowing. `path` is where our own copy of it is.
    pub(super) fn prove(self, name: &BackupName, manifest: &Manifest, path: &Path) -> Result<Result<(), Error>, Error> {
        match self.examine(name, manifest, path) {
            Ok(()) => Ok(Ok(())),
            Err(Doubt::Broken(problem)) => Ok(Err(problem)),
            Err(Doubt::Unknown(error)) => Err(error),
        }
    }

    fn examine(self, name: &BackupName, manifest: &Manifest, path: &Path) -> Result<(), Doubt> {
        let name = name.to_string();
        self.is_stored(&name, manifest)?;
        let received = self.content?;
        same(&name, "sha256", &manifest.sha256, &received.sha256)?;
        same(&name, "dbSizeBytes", &manifest.db_size_bytes, &received.db_size_bytes)?;
        let judged = judge(&name, manifest, &self.file, received.sha256, path);
        // The right bytes came in, so a fault is theirs only where it is in the copy as it was written.
        if matches!(judged, Err(Doubt::Broken(_))) {
            is_as_written(&self.file, &received, path)?;
        }
        judged
    }

    /// Whether the object is what was put there.
    fn is_stored(&self, name: &str, manifest: &Manifest) -> Result<(), Error> {
        let stored = manifest.stored;
        if (self.bytes, self.stored) != (stored.size_bytes, stored.sha256) {
            let (expected_bytes, expected) = (stored.size_bytes, stored.sha256);
            return Err(Error::StoredDiffers {
                name: name.to_owned(),
                expected_bytes,
                found_bytes: self.bytes,
                expected: Box::new(expected),
                found: Box::new(self.stored),
            });
        }
        Ok(())
    }
}

/// What the snapshot says of itself, read from our own copy of it, beside the manifest.
fn judge(name: &str, manifest: &Manifest, copy: &File, sha256: Sha256, path: &Path) -> Result<(), Doubt> {
    let etcd_version = &manifest.etcd_version;
    let unknown = |_| Doubt::Unknown(Error::UnknownRelease { name: name.to_owned(), etcd_version: etcd_version.clone() });
    let release: EtcdVersion = etcd_version.parse().map_err(unknown)?;
    let how = Verify::snapshot().with_checked_sha256(sha256).with_etcd(release);
    let verified = EtcdFile::open(copy).and_then(|file| file.verify(&how)).map_err(|problem| doubt(name, problem, path))?;
    same(&name, "revision", &manifest.revision, &verified.hash_kv.revision)?;
    same(&name, "compactRevision", &manifest.compact_revision, &verified.hash_kv.compact_revision)?;
    same(&name, "hashKv", &manifest.hash_kv, &verified.hash_kv.hash)?;
    same(&name, "status.hash", &manifest.status.hash, &verified.status.hash)?;
    Ok(same(&name, "status.totalKey", &manifest.status.total_key, &verified.status.total_key)?)
}

/// Whether the snapshot is to blame, or the disk that our copy is on.
#[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum that grows")]
fn doubt(name: &str, problem: trimtab_etcd_file::Error, path: &Path) -> Doubt {
    use trimtab_etcd_file::Error as FileError;
    match problem {
        FileError::Unreadable { .. } | FileError::Changed { .. } | FileError::Written { .. } => {
            Doubt::Unknown(unwritable(path, &io::Error::other(problem)))
        }
        problem => Doubt::Broken(broken(&name, problem)),
    }
}

/// Whether our copy holds what came in.
fn is_as_written(copy: &File, received: &Received, path: &Path) -> Result<(), Doubt> {
    let (mut digest, mut piece, mut at) = (Digest::new(), vec![0; PIECE_BYTES], 0);
    while at < received.db_size_bytes {
        let wanted = usize::try_from(received.db_size_bytes - at).unwrap_or(usize::MAX).min(piece.len());
        copy.read_exact_at(&mut piece[..wanted], at).map_err(|error| Doubt::Unknown(unwritable(path, &error)))?;
        digest.push(&piece[..wanted]);
        at += wanted as u64;
    }
    let (_, found) = digest.finish();
    let changed = || io::Error::other("what was written there is read back otherwise; give another directory");
    if found == received.sha256 { Ok(()) } else { Err(Doubt::Unknown(unwritable(path, &changed()))) }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::manifest::{SnapshotStatus, Stored};
    use crate::backup::{Compression, example};

    const PATH: &str = "/var/scratch";

    fn manifest_of(bytes: &[u8]) -> Manifest {
        let verified = EtcdFile::open(bytes).unwrap().verify(&Verify::snapshot().with_etcd("3.6.16".parse().unwrap())).unwrap();
        let (status, hash) = (verified.status, verified.hash_kv);
        let taken_at = example::manifest().taken_at;
        Manifest {
            compact_revision: hash.compact_revision,
            hash_kv: hash.hash,
            status: SnapshotStatus { hash: status.hash, total_key: status.total_key, total_size_bytes: status.total_size_bytes },
            db_size_bytes: status.total_size_bytes,
            sha256: verified.sha256.unwrap(),
            stored: Stored { compression: Compression::None, size_bytes: bytes.len() as u64, sha256: Sha256::of(bytes) },
            ..example::manifest_of(crate::ClusterId(7), hash.revision, taken_at)
        }
    }

    /// The example snapshot as it came in, and what a look at our copy of it says.
    fn proven(copy: File, change: impl FnOnce(&mut Manifest)) -> Result<Result<(), Error>, Error> {
        let bytes = trimtab_etcd_file::example::snapshot();
        let mut manifest = manifest_of(&bytes);
        let content = Ok(Received { sha256: manifest.sha256, db_size_bytes: manifest.db_size_bytes });
        let unpacked = Unpacked { file: copy, bytes: bytes.len() as u64, stored: Sha256::of(&bytes), content };
        change(&mut manifest);
        unpacked.prove(&manifest.name(), &manifest, Path::new(PATH))
    }

    fn copy(change: impl FnOnce(&mut Vec<u8>)) -> File {
        let mut bytes = trimtab_etcd_file::example::snapshot();
        change(&mut bytes);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        file
    }

    #[test]
    fn what_our_own_disk_does_to_the_copy_says_nothing_about_the_backup() {
        assert_eq!(proven(copy(|_| ()), |_| ()), Ok(Ok(())));
        let unreadable = tempfile::NamedTempFile::new().unwrap();
        let unreadable = File::options().write(true).open(unreadable.path()).unwrap();
        let a_value = |bytes: &mut Vec<u8>| {
            let at = bytes.windows(5).position(|bytes| bytes == b"three").unwrap();
            bytes[at] ^= 1;
        };
        for copy in [unreadable, copy(a_value), copy(|bytes| bytes[0..8192].fill(7)), copy(Vec::clear), copy(|bytes| bytes.truncate(5000))] {
            let proven = proven(copy, |_| ());
            assert!(matches!(&proven, Err(Error::Unwritable { path, .. }) if path == PATH), "{proven:?}");
        }
    }

    #[test]
    fn a_release_that_is_not_known_says_nothing_about_the_backup() {
        let proven = proven(copy(|_| ()), |manifest| manifest.etcd_version = "3.8.0".to_owned());
        assert!(matches!(&proven, Err(error @ Error::UnknownRelease { .. }) if error.to_string().contains("use a newer trimtab")), "{proven:?}");
    }

    #[test]
    fn a_manifest_that_tells_of_other_data_is_the_backups_fault() {
        let proven = proven(copy(|_| ()), |manifest| manifest.hash_kv ^= 1);
        assert!(matches!(&proven, Ok(Err(Error::NotItsManifest { field, .. })) if **field == *"hashKv"), "{proven:?}");
    }
}
