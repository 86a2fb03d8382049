//! What the tests of stores share: snapshots with their manifests, and the two kinds of store.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use object_store::ObjectStoreExt;
use tempfile::TempDir;
use tokio::task::spawn_blocking;
use trimtab_etcd_file::{EtcdFile, EtcdVersion, Sha256, Verify};
use trimtab_etcd_ops::backup::catalog::{Catalog, State, Unverified};
use trimtab_etcd_ops::backup::{BackupName, Compared, Compression, Manifest, MemberHash, SnapshotStatus, Stored};
use trimtab_etcd_ops::live::{Put, S3, Store};
use trimtab_etcd_ops::{ClusterId, Error, MemberId};
use trimtab_kit::etcd::{Cluster, Options};
use trimtab_kit::fill;
use trimtab_kit::random::Rng;
use trimtab_kit::s3::S3Server;

pub const VERSION: &str = "3.6.16";
pub const PREFIX: &str = "clusters/a";

/// A snapshot of a real etcd, on the disk, with what was proven of it.
pub struct Saved {
    pub file: PathBuf,
    pub manifest: Manifest,
    _folder: TempDir,
}

impl Saved {
    pub fn name(&self, compression: Compression) -> BackupName {
        let stored = Stored { compression, ..self.manifest.stored };
        Manifest { stored, ..self.manifest.clone() }.name()
    }
}

/// A small one, taken so many hours ago.
pub async fn small(hours_ago: i64) -> Saved {
    static SMALL: Once = Once::new();
    saved(&SMALL, 1, hours_ago).await
}

/// One of several parts: 20 MB that do not pack.
pub async fn big() -> Saved {
    static BIG: Once = Once::new();
    saved(&BIG, 20, 0).await
}

/// Taken and verified once for all tests of this program.
type Once = OnceLock<(Vec<u8>, Manifest)>;

async fn saved(once: &'static Once, megabytes: usize, hours_ago: i64) -> Saved {
    let runtime = tokio::runtime::Handle::current();
    let taken = move || {
        once.get_or_init(|| {
            let bytes = runtime.block_on(take(megabytes));
            let manifest = manifest(&bytes);
            (bytes, manifest)
        })
    };
    let (bytes, manifest) = spawn_blocking(taken).await.unwrap();
    let taken_at = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() - hours_ago * 3600).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("snapshot.db");
    std::fs::write(&file, bytes).unwrap();
    Saved { manifest: Manifest { taken_at, ..manifest.clone() }, file, _folder: folder }
}

async fn take(megabytes: usize) -> Vec<u8> {
    let cluster = Cluster::start(&Options::new(VERSION, 1));
    let endpoint = &cluster.endpoints()[0];
    let mut client = fill::client(&cluster, endpoint, None).await;
    let mut random = Rng::new(7);
    for index in 0..megabytes {
        let value: Vec<u8> = (0..1_000_000 / 8).flat_map(|_| random.next().to_le_bytes()).collect();
        client.put(format!("/registry/configmaps/default/{index}"), value, None).await.unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("snapshot.db");
    let output = cluster.etcdctl_at(endpoint, &["snapshot", "save", path.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(path).unwrap()
}

fn manifest(bytes: &[u8]) -> Manifest {
    let how = Verify::snapshot().with_etcd(VERSION.parse::<EtcdVersion>().unwrap());
    let verified = EtcdFile::open(bytes.to_vec()).unwrap().verify(&how).unwrap();
    let taken_at = jiff::Timestamp::now();
    let (status, hash) = (verified.status, verified.hash_kv);
    Manifest {
        format: Manifest::FORMAT,
        cluster_id: ClusterId(0xcdf8_1819_4e3a_8c32),
        member_id: MemberId(1),
        etcd_version: VERSION.to_owned(),
        taken_at,
        verified_at: taken_at,
        revision: hash.revision,
        compact_revision: hash.compact_revision,
        hash_kv: hash.hash,
        status: SnapshotStatus { hash: status.hash, total_key: status.total_key, total_size_bytes: status.total_size_bytes },
        db_size_bytes: status.total_size_bytes,
        sha256: verified.sha256.unwrap(),
        stored: Stored { compression: Compression::None, size_bytes: bytes.len() as u64, sha256: Sha256::of(bytes) },
        compared: vec![MemberHash { member_id: MemberId(1), compared: Compared::Agrees }],
    }
}

/// A store with what stands behind it.
pub struct Shelf {
    pub store: Store,
    behind: Behind,
}

enum Behind {
    Directory(TempDir),
    Server(S3Server),
}

impl Shelf {
    pub fn directory() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { store: Store::directory(folder.path()).unwrap(), behind: Behind::Directory(folder) }
    }

    pub fn server() -> Self {
        let server = S3Server::start();
        Self { store: Store::s3(settings(&server)).unwrap(), behind: Behind::Server(server) }
    }

    pub fn both() -> [Self; 2] {
        [Self::directory(), Self::server()]
    }

    /// The file that holds an object.
    #[expect(clippy::needless_pass_by_value, reason = "names of every kind, made here")]
    pub fn file(&self, name: impl ToString) -> PathBuf {
        let name = name.to_string();
        match &self.behind {
            Behind::Directory(folder) => folder.path().join(name),
            Behind::Server(server) => server.file(&format!("{PREFIX}/{name}")),
        }
    }

    /// The folder with everything that is on its way too.
    pub fn root(&self) -> PathBuf {
        match &self.behind {
            Behind::Directory(folder) => folder.path().to_owned(),
            Behind::Server(server) => server.file(""),
        }
    }

    /// Every name that the folder behind it has, sorted.
    pub fn names(&self) -> Vec<String> {
        names(&self.file(""))
    }

    pub async fn put(&self, saved: &Saved, compression: Compression) -> Result<Manifest, Error> {
        self.store.put(&saved.file, &saved.manifest, &Put { compression, ..Put::default() }, &mut |_| ()).await
    }

    pub async fn list(&self) -> Catalog {
        self.store.list().await.unwrap()
    }

    /// Takes an object away as anybody else would who may delete here.
    pub async fn remove(&self, name: impl ToString) {
        let name = name.to_string();
        match &self.behind {
            Behind::Directory(folder) => std::fs::remove_file(folder.path().join(name)).unwrap(),
            Behind::Server(server) => server.store(server.secret_key()).delete(&format!("{PREFIX}/{name}").into()).await.unwrap(),
        }
    }

    /// Flips a bit in the middle of an object, where it lies.
    pub fn damage(&self, name: &BackupName) {
        let path = self.file(name);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(path, bytes).unwrap();
    }
}

pub fn settings(server: &S3Server) -> S3 {
    let settings = S3::bucket(server.bucket()).unwrap().with_prefix(PREFIX).unwrap().with_region(server.region());
    settings.with_endpoint(&server.endpoint()).unwrap().with_plain_http().with_keys(server.access_key(), server.secret_key())
}

/// Settings that give up soon.
pub fn hasty(server: &S3Server) -> Store {
    let short = Duration::from_secs(2);
    Store::s3(settings(server).with_request_deadline(short).with_idle_deadline(short)).unwrap()
}

pub fn names(folder: &Path) -> Vec<String> {
    let Ok(read) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> = read.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Why the only file does not count.
pub fn unverified(catalog: &Catalog) -> Unverified {
    match catalog.backups().map(|backup| &backup.state).collect::<Vec<_>>()[..] {
        [State::Unverified { why }] => why.clone(),
        _ => panic!("not one unverified file: {catalog:?}"),
    }
}

pub fn verified(catalog: &Catalog) -> Vec<BackupName> {
    catalog.verified().map(|(backup, _)| backup.name).collect()
}
