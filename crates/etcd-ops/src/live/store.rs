//! Where backups are kept: a directory, or a bucket of any store that speaks S3.
//!
//! ```no_run
//! use trimtab_etcd_ops::backup::{RetentionPolicy, retention};
//! use trimtab_etcd_ops::live::{S3, Store};
//!
//! # async fn run(now: jiff::Timestamp) -> Result<(), trimtab_etcd_ops::Error> {
//! let mut store = Store::s3(S3::bucket("backups")?.with_prefix("etcd")?.with_endpoint("https://minio.example:9000")?)?;
//! let catalog = store.list().await?;
//! for finding in catalog.findings(now, &Default::default()) {
//!     println!("{finding}");
//! }
//! let plan = retention::plan(&catalog, &RetentionPolicy::default(), now)?;
//! println!("{}", plan.apply(&mut store, |_| ()).await);
//! # Ok(())
//! # }
//! ```

mod directory;
mod s3;
mod site;
mod stream;
mod trouble;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::path::Path;

use bytes::Bytes;
use futures_util::stream::{self as streams, StreamExt, TryStreamExt};
use jiff::Timestamp;
use tokio::task::spawn_blocking;

pub use s3::S3;

use self::directory::Directory;
use self::s3::Bucket;
use self::stream::{Packed, Ticker, Unpacked, Unpacker, pack};
use crate::backup::catalog::{Catalog, Found, Object, Unverified, Verification};
use crate::backup::manifest::{Compression, Manifest, Stored, Unusable};
use crate::backup::name::{BackupName, ObjectName};
use crate::error::Error;

pub(super) type Progress<'a> = &'a mut (dyn FnMut(String) + Send);

/// How many sidecars are read at a time.
const SIDECARS_AT_A_TIME: usize = 16;

/// A directory or a bucket with backups. Its `Debug` form shows where it is, and no credentials.
pub struct Store {
    backend: Backend,
    location: String,
}

enum Backend {
    Directory(Directory),
    Bucket(Box<Bucket>),
}

/// How a backup is put into a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Put {
    /// How it is packed there. Most of an etcd database is text, so zstd makes it a fifth to a tenth as large.
    pub compression: Compression,
    /// How it is proven that it arrived.
    pub check: UploadCheck,
}

/// How it is proven that an upload arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UploadCheck {
    /// Everything is read back, and its SHA-256 compared.
    #[default]
    ReadBack,
    /// The size is compared, for stores that charge for reading. What the store has done to the bytes shows at the next verification.
    Size,
}

impl Store {
    /// A directory. It has to be there already: one that is missing may be a disk that is not mounted.
    ///
    /// # Errors
    /// [`Error::InvalidStore`] where the path cannot be made absolute.
    pub fn directory(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let wrong = |error: std::io::Error| Error::InvalidStore { store: path.display().to_string(), problem: error.to_string() };
        let directory = Directory::new(std::path::absolute(path).map_err(wrong)?);
        Ok(Self { location: directory.location(), backend: Backend::Directory(directory) })
    }

    /// A bucket. Nothing is dialled yet.
    ///
    /// # Errors
    /// [`Error::InvalidStore`] where the settings do not go together.
    pub fn s3(settings: S3) -> Result<Self, Error> {
        let bucket = Bucket::open(settings)?;
        Ok(Self { location: bucket.location(), backend: Backend::Bucket(Box::new(bucket)) })
    }

    /// Where it is, as plans and errors name it.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.location
    }

    /// Everything that is there, page by page, with the manifests. Subdirectories (deeper keys) and symbolic links are passed over, and in a
    /// bucket keys that are no path: with an empty part, `.` or `..`, or a control character.
    ///
    /// # Errors
    /// [`Error::NoSuchStore`], [`Error::StoreRefuses`], [`Error::StoreUnreachable`], [`Error::StoreDeadline`] or [`Error::Store`]. A manifest
    /// that cannot be read for such a reason fails the listing: taken for missing, its backup would no longer count.
    pub async fn list(&self) -> Result<Catalog, Error> {
        let objects = match &self.backend {
            Backend::Directory(directory) => directory.list().await?,
            Backend::Bucket(bucket) => bucket.list().await?,
        };
        let sidecars: Vec<String> = objects.iter().filter(|object| is_sidecar(object)).map(|object| object.name.clone()).collect();
        let read = |name: String| async move { Ok::<_, Error>((self.small(&name).await?, name)) };
        let read: Vec<(Option<Bytes>, String)> = streams::iter(sidecars).map(read).buffer_unordered(SIDECARS_AT_A_TIME).try_collect().await?;
        let sidecars: BTreeMap<String, Vec<u8>> = read.into_iter().filter_map(|(bytes, name)| Some((name, bytes?.to_vec()))).collect();
        Ok(Catalog::assemble(&self.location, objects, &sidecars))
    }

    /// Puts a snapshot there that was verified when it was saved, with its manifest, and returns the manifest as it stands there.
    ///
    /// The file is compared with the manifest's SHA-256 on the way. The manifest comes last, after [`Put::check`]: an upload that fails or is
    /// broken off leaves nothing that counts. One that was broken off between the two is taken up where it ended.
    ///
    /// A process that is killed in the middle may leave parts of an upload in a bucket, which no listing shows: have the store remove
    /// incomplete multipart uploads after a day (a lifecycle rule).
    ///
    /// # Errors
    /// [`Error::ObjectExists`] for a backup that is there already; [`Error::BackupFile`], [`Error::NotItsManifest`] where the file is not the
    /// one that was verified; [`Error::StoredDiffers`] where the store changed it; [`Error::StoreFull`] and the errors of [`Self::list`].
    pub async fn put(&self, file: &Path, manifest: &Manifest, how: &Put, progress: Progress<'_>) -> Result<Manifest, Error> {
        let wanted = Stored { compression: how.compression, ..manifest.stored };
        let name = Manifest { stored: wanted, ..manifest.clone() }.name();
        if self.look(&name.manifest()).await?.is_some() {
            return Err(self.exists(&name.manifest()));
        }
        let uploaded = match self.look(&name.to_string()).await? {
            Some(_) => Err(self.exists(&name.to_string())),
            None => self.upload(&name, file, manifest, how, progress).await,
        };
        let stored = match uploaded {
            Err(Error::ObjectExists { .. }) => self.adopt(&name, manifest, file, progress).await?,
            uploaded => uploaded?,
        };
        let manifest = Manifest { stored, ..manifest.clone() };
        self.create(&name.manifest(), manifest.to_json().into()).await?;
        progress(format!("{name} is in {}", self.location));
        Ok(manifest)
    }

    /// Reads a backup from the store once more and proves every byte of it, in a file without a name in `scratch`, which is gone afterwards
    /// however this ends. [`Self::record`] makes what was found count.
    ///
    /// A broken backup is an answer ([`Found::Broken`]) and no error; an error says that it is not known whether the backup is sound.
    ///
    /// # Errors
    /// [`Error::Unverified`] where there is no manifest to verify it against; [`Error::UnknownRelease`] where it tells of an etcd that this
    /// version cannot judge; [`Error::NoSuchObject`]; [`Error::DiskFull`], [`Error::Unwritable`] for `scratch`, and where what was written there
    /// cannot be read again; the errors of [`Self::list`].
    pub async fn verify(&self, name: &BackupName, scratch: &Path, progress: Progress<'_>) -> Result<Verification, Error> {
        let manifest = self.manifest(name).await?;
        let file = tempfile::tempfile_in(scratch).map_err(|error| unwritable(scratch, &error))?;
        let (object, proven) = self.prove(name, &manifest, file, scratch, progress).await?;
        let found = proven.map_or_else(|problem| Found::Broken { problem: Box::new(problem) }, |()| Found::Sound);
        Ok(Verification { format: Manifest::FORMAT, at: Timestamp::now(), object, found })
    }

    /// Writes what a verification found beside the backup, over what an earlier one found. From then on every listing knows: one that was
    /// found broken no longer counts, for nobody's retention.
    ///
    /// # Errors
    /// Those of [`Self::list`], and [`Error::StoreFull`].
    pub async fn record(&self, name: &BackupName, verification: &Verification) -> Result<(), Error> {
        let text = Bytes::from(verification.to_json());
        match &self.backend {
            Backend::Directory(directory) => directory.replace(&name.verification(), text).await,
            Backend::Bucket(bucket) => bucket.replace(&name.verification(), text).await,
        }
    }

    /// Fetches a backup, unpacked and proven, as `etcdutl snapshot restore` takes it. The file gets its name (mode 0600) when all is proven
    /// and on the disk; until then it is `TO.fetch-….part`.
    ///
    /// # Errors
    /// [`Error::DestinationExists`], where nothing was touched; [`Error::StoredDiffers`], [`Error::BackupFile`], [`Error::NotUnpacked`],
    /// [`Error::NotItsManifest`] for a backup that is broken, of which nothing is kept; the errors of [`Self::verify`].
    pub async fn fetch(&self, name: &BackupName, to: &Path, progress: Progress<'_>) -> Result<Manifest, Error> {
        if to.symlink_metadata().is_ok() {
            return Err(Error::DestinationExists { path: to.display().to_string() });
        }
        let manifest = self.manifest(name).await?;
        let temporary = directory::temporary_beside(to, "fetch")?;
        let file = temporary.as_file().try_clone().map_err(|error| unwritable(to, &error))?;
        let (_, proven) = self.prove(name, &manifest, file, to, progress).await?;
        proven?;
        let path = to.to_owned();
        blocking(to, move || directory::publish(temporary, &path)).await?;
        Ok(manifest)
    }

    /// What lies under this name, if anything.
    async fn look(&self, name: &str) -> Result<Option<Object>, Error> {
        match &self.backend {
            Backend::Directory(directory) => directory.look(name).await,
            Backend::Bucket(bucket) => bucket.look(name).await,
        }
    }

    /// Adds a small object; nothing is overwritten.
    async fn create(&self, name: &str, bytes: Bytes) -> Result<(), Error> {
        match &self.backend {
            Backend::Directory(directory) => directory.create(name, bytes).await,
            Backend::Bucket(bucket) => bucket.create(name, bytes).await,
        }
    }

    async fn remove(&self, name: &str) -> Result<(), Error> {
        match &self.backend {
            Backend::Directory(directory) => directory.remove(name).await,
            Backend::Bucket(bucket) => bucket.remove(name).await,
        }
    }

    async fn read(&self, name: &str) -> Result<(Object, Chunks), Error> {
        Ok(match &self.backend {
            Backend::Directory(directory) => directory.read(name).await.map(|(object, chunks)| (object, Chunks::Directory(chunks)))?,
            Backend::Bucket(bucket) => bucket.read(name).await.map(|(object, chunks)| (object, Chunks::Bucket(Box::new(chunks))))?,
        })
    }

    /// A sidecar's contents; none where it has gone since it was listed.
    async fn small(&self, name: &str) -> Result<Option<Bytes>, Error> {
        let (_, mut chunks) = match self.read(name).await {
            Err(Error::NoSuchObject { .. }) => return Ok(None),
            read => read?,
        };
        let mut text = Vec::new();
        while let Some(chunk) = chunks.next().await? {
            text.extend_from_slice(&chunk);
            if text.len() as u64 > Manifest::MAX_BYTES {
                break;
            }
        }
        Ok(Some(text.into()))
    }

    async fn manifest(&self, name: &BackupName) -> Result<Manifest, Error> {
        let unverified = |why| Error::Unverified { name: name.to_string(), why: Box::new(why) };
        let text = self.small(&name.manifest()).await?.ok_or_else(|| unverified(Unverified::NoManifest))?;
        let unusable = |problem: Unusable| unverified(Unverified::UnusableManifest { problem });
        let manifest = Manifest::from_json(&text).map_err(unusable)?;
        if manifest.name() == *name { Ok(manifest) } else { Err(unverified(Unverified::ManifestOfAnother { of: manifest.name() })) }
    }

    async fn upload(&self, name: &BackupName, file: &Path, manifest: &Manifest, how: &Put, progress: Progress<'_>) -> Result<Stored, Error> {
        let (mut chunks, packing) = pack(file, manifest.clone(), how.compression);
        let mut writer = match &self.backend {
            Backend::Directory(directory) => Writer::Directory(directory.write(&name.to_string()).await?),
            Backend::Bucket(bucket) => Writer::Bucket(Box::new(bucket.write(&name.to_string()).await?)),
        };
        let mut ticker = Ticker::new("sent");
        while let Some(chunk) = chunks.recv().await {
            ticker.count(chunk.len(), progress);
            if let Err(error) = writer.write(chunk).await {
                writer.abort().await;
                return Err(error);
            }
        }
        let sent = match packing.await.unwrap_or_else(|error| Err(unwritable(file, &std::io::Error::other(error)))) {
            Ok(whole) => whole,
            Err(error) => {
                writer.abort().await;
                return Err(error);
            }
        };
        writer.finish().await?;
        self.check(name, sent, how, progress).await?;
        Ok(Stored { compression: how.compression, size_bytes: sent.bytes, sha256: sent.sha256 })
    }

    /// Whether what was just written is what was sent; otherwise it is removed.
    async fn check(&self, name: &BackupName, sent: Packed, how: &Put, progress: Progress<'_>) -> Result<(), Error> {
        let object = name.to_string();
        let (found_bytes, found) = match how.check {
            UploadCheck::ReadBack => self.digest(&object, progress).await?,
            UploadCheck::Size => (self.look(&object).await?.map_or(0, |object| object.size_bytes), sent.sha256),
        };
        if (found_bytes, found) == (sent.bytes, sent.sha256) {
            return Ok(());
        }
        // Where this fails too, it lies there without a manifest and does not count. One that has a manifest is another writer's.
        if let Ok(None) = self.look(&name.manifest()).await {
            let _ = self.remove(&object).await;
        }
        Err(Error::StoredDiffers { name: object, expected_bytes: sent.bytes, found_bytes, expected: Box::new(sent.sha256), found: Box::new(found) })
    }

    /// A backup whose upload was broken off before its manifest: what lies there has to be this snapshot to the last byte.
    async fn adopt(&self, name: &BackupName, manifest: &Manifest, file: &Path, progress: Progress<'_>) -> Result<Stored, Error> {
        progress(format!("{name} is there without a manifest: reading it"));
        let scratch = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let temporary = tempfile::tempfile_in(scratch).map_err(|error| unwritable(scratch, &error))?;
        let (object, unpacked) = self.unpack(name, manifest, temporary, scratch, progress).await?;
        let stored = Stored { compression: name.compression(), size_bytes: object.size_bytes, sha256: unpacked.stored };
        let manifest = Manifest { stored, ..manifest.clone() };
        let (name, path) = (*name, scratch.to_owned());
        let proven = blocking(scratch, move || unpacked.prove(&name, &manifest, &path)).await?;
        proven.map_err(|_| self.exists(&object.name)).map(|()| stored)
    }

    /// Reads a backup into `file` and proves it. The inner error is what is wrong with the backup, the outer one what kept us from knowing.
    async fn prove(
        &self,
        name: &BackupName,
        manifest: &Manifest,
        file: File,
        path: &Path,
        progress: Progress<'_>,
    ) -> Result<(Object, Result<(), Error>), Error> {
        let (object, unpacked) = self.unpack(name, manifest, file, path, progress).await?;
        progress(format!("read {}: verifying", object.name));
        let (name, manifest, copy) = (*name, manifest.clone(), path.to_owned());
        let proven = blocking(path, move || unpacked.prove(&name, &manifest, &copy)).await?;
        Ok((object, proven))
    }

    async fn unpack(
        &self,
        name: &BackupName,
        manifest: &Manifest,
        file: File,
        path: &Path,
        progress: Progress<'_>,
    ) -> Result<(Object, Unpacked), Error> {
        let (object, mut chunks) = self.read(&name.to_string()).await?;
        let mut unpacker = Unpacker::start(name, manifest, file, path);
        let mut ticker = Ticker::new("read");
        while let Some(chunk) = chunks.next().await? {
            ticker.count(chunk.len(), progress);
            if !unpacker.push(chunk).await {
                break;
            }
        }
        Ok((object, unpacker.finish().await?))
    }

    async fn digest(&self, name: &str, progress: Progress<'_>) -> Result<(u64, trimtab_etcd_file::Sha256), Error> {
        let (_, mut chunks) = self.read(name).await?;
        let (mut digest, mut ticker) = (stream::Digest::new(), Ticker::new("read back"));
        while let Some(chunk) = chunks.next().await? {
            ticker.count(chunk.len(), progress);
            digest.push(&chunk);
        }
        Ok(digest.finish())
    }

    fn exists(&self, name: &str) -> Error {
        Error::ObjectExists { store: self.location.clone(), name: name.to_owned() }
    }
}

/// An object on its way out of a store.
enum Chunks {
    Directory(directory::Chunks),
    Bucket(Box<s3::Chunks>),
}

impl Chunks {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        match self {
            Self::Directory(chunks) => chunks.next().await,
            Self::Bucket(chunks) => chunks.next().await,
        }
    }
}

/// An object on its way into a store; it is there when it is finished, and not before.
enum Writer {
    Directory(directory::Writer),
    Bucket(Box<s3::Writer>),
}

impl Writer {
    async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        match self {
            Self::Directory(writer) => writer.write(bytes).await,
            Self::Bucket(writer) => writer.write(bytes).await,
        }
    }

    async fn finish(self) -> Result<(), Error> {
        match self {
            Self::Directory(writer) => writer.finish().await,
            Self::Bucket(writer) => writer.finish().await,
        }
    }

    async fn abort(self) {
        match self {
            Self::Directory(writer) => drop(writer),
            Self::Bucket(writer) => writer.abort().await,
        }
    }
}

fn is_sidecar(object: &Object) -> bool {
    match ObjectName::of(&object.name) {
        ObjectName::Manifest(_) | ObjectName::Verification(_) => true,
        ObjectName::Backup(_) | ObjectName::Temporary(_) | ObjectName::Saving | ObjectName::Foreign => false,
    }
}

/// Work on the disk, off the threads that the network is served on.
async fn blocking<T: Send + 'static>(path: &Path, work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(unwritable(path, &std::io::Error::other(error))))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Error {
    Error::Unwritable { path: path.display().to_string(), problem: error.to_string() }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.location).finish()
    }
}
