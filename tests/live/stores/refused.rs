//! Stores that refuse, hang, die or are full: a typed error that says what to do, and nothing that counts.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use rustix::fs::Mode;
use tempfile::TempDir;
use trimtab_etcd_ops::Error;
use trimtab_etcd_ops::backup::catalog::Found;
use trimtab_etcd_ops::backup::{Compression, Manifest};
use trimtab_etcd_ops::live::{Put, S3, Store};
use trimtab_kit::s3::S3Server;
use trimtab_kit::wait;

use crate::shelf::{PREFIX, Saved, Shelf, big, hasty, names, settings, small, verified};

async fn put(store: &Store, saved: &Saved) -> Error {
    store.put(&saved.file, &saved.manifest, &Put::default(), &mut |_| ()).await.unwrap_err()
}

#[tokio::test]
async fn a_wrong_secret_is_refused_and_never_told() {
    let (server, saved) = (S3Server::start(), small(1).await);
    let wrong = server.wrong_secret_key();
    let store = Store::s3(settings(&server).with_keys(server.access_key(), &wrong)).unwrap();
    for error in [store.list().await.unwrap_err(), put(&store, &saved).await] {
        assert!(matches!(error, Error::StoreRefuses { .. }), "{error}");
        let told = format!("{error} {error:?} {store:?}");
        assert!(!told.contains(&wrong) && !told.contains(server.secret_key()), "{told}");
        assert!(told.contains("check the credentials"), "{told}");
    }
    assert!(names(&server.file(PREFIX)).is_empty());
}

#[tokio::test]
async fn a_bucket_or_directory_that_is_not_there_is_told_so() {
    let (server, saved) = (S3Server::start(), small(1).await);
    server.remove_bucket();
    let gone = Store::s3(settings(&server)).unwrap();
    let nowhere = tempfile::tempdir().unwrap();
    let missing = Store::directory(nowhere.path().join("not/mounted")).unwrap();
    let is_a_file = tempfile::NamedTempFile::new().unwrap();
    for store in [gone, missing, Store::directory(is_a_file.path()).unwrap()] {
        for error in [store.list().await.unwrap_err(), put(&store, &saved).await] {
            assert!(matches!(error, Error::NoSuchStore { .. }), "{store:?}: {error:?}");
        }
    }
    assert!(names(nowhere.path()).is_empty(), "nothing is made that should have been mounted");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let (mut server, saved) = (S3Server::start(), small(1).await);
    server.kill();
    let store = hasty(&server);
    for error in [store.list().await.unwrap_err(), put(&store, &saved).await] {
        assert!(matches!(error, Error::StoreUnreachable { .. } | Error::StoreDeadline { .. }), "{error:?}");
    }
    let tls = S3::bucket("backups").unwrap().with_endpoint(&server.endpoint().replace("http:", "https:")).unwrap().with_keys("a", "b");
    let error = Store::s3(tls.with_request_deadline(Duration::from_secs(2))).unwrap().list().await.unwrap_err();
    assert!(matches!(error, Error::StoreUnreachable { .. } | Error::StoreDeadline { .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_hangs_runs_into_the_deadline() {
    let (server, saved) = (S3Server::start(), small(1).await);
    let store = hasty(&server);
    store.put(&saved.file, &saved.manifest, &Put::default(), &mut |_| ()).await.unwrap();
    server.hang();
    let begun = Instant::now();
    let error = store.list().await.unwrap_err();
    assert!(matches!(error, Error::StoreDeadline { after_ms: 2000, .. }), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(10));
    server.resume();
    assert_eq!(verified(&store.list().await.unwrap()).len(), 1);
}

/// Runs `store.put` of a big backup, and `then` when a part of it has arrived and the end of it has not been read.
async fn in_the_middle(store: &Store, folder: &Path, saved: &Saved, then: impl AsyncFnOnce()) -> Result<(), Error> {
    let (policy, mut silent) = (Put::default(), |_| ());
    let held = Held::back(saved);
    let put = store.put(&held.path, &saved.manifest, &policy, &mut silent);
    tokio::pin!(put);
    tokio::select! {
        put = &mut put => panic!("it ended before its middle: {put:?}"),
        begun = first_part(folder) => begun.unwrap(),
    }
    then().await;
    held.let_go();
    put.await.map(|_| ())
}

/// A backup's file behind a pipe that keeps back its last mebibyte: a disk may be faster than any look at it, so that without this an upload
/// ends before its middle is seen.
struct Held {
    path: PathBuf,
    let_go: Sender<()>,
    _folder: TempDir,
}

impl Held {
    fn back(saved: &Saved) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("snapshot.db");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
        let (let_go, gone) = std::sync::mpsc::channel();
        let (pipe, bytes) = (path.clone(), std::fs::read(&saved.file).unwrap());
        std::thread::spawn(move || -> std::io::Result<()> {
            let (first, last) = bytes.split_at(bytes.len() - 1024 * 1024);
            let mut pipe = File::create(pipe)?;
            pipe.write_all(first)?;
            // Whoever drops the upload drops this end too.
            if gone.recv().is_ok() { pipe.write_all(last) } else { Ok(()) }
        });
        Self { path, let_go, _folder: folder }
    }

    fn let_go(&self) {
        self.let_go.send(()).unwrap();
    }
}

async fn first_part(folder: &Path) -> Result<(), String> {
    let look = async || if has_parts(folder) { Ok(()) } else { Err("no part yet".to_owned()) };
    wait::until_async("the first part to arrive", wait::LONG, look).await
}

fn has_parts(folder: &Path) -> bool {
    let Ok(read) = std::fs::read_dir(folder) else { return false };
    read.flatten().any(|entry| {
        let metadata = entry.metadata();
        metadata.as_ref().is_ok_and(std::fs::Metadata::is_dir) && has_parts(&entry.path())
            || metadata.is_ok_and(|metadata| metadata.is_file() && metadata.len() > 1_000_000)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_in_the_middle_of_an_upload_has_nothing_that_counts() {
    let (mut server, saved) = (S3Server::start(), big().await);
    let store = hasty(&server);
    let folder = server.file("");
    let error = in_the_middle(&store, &folder, &saved, async || server.kill()).await.unwrap_err();
    assert!(matches!(error, Error::StoreUnreachable { .. } | Error::StoreDeadline { .. }), "{error:?}");
    server.make_read_only();
    assert!(store.list().await.unwrap().entries.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_in_the_middle_of_an_upload_leaves_no_parts_once_it_goes_on() {
    let (server, saved) = (S3Server::start(), big().await);
    let store = hasty(&server);
    let error = in_the_middle(&store, &server.file(""), &saved, async || server.hang()).await.unwrap_err();
    assert!(matches!(error, Error::StoreDeadline { .. }), "{error:?}");
    server.resume();
    assert!(store.list().await.unwrap().entries.is_empty());
    store.put(&saved.file, &saved.manifest, &Put::default(), &mut |_| ()).await.unwrap();
    assert_eq!(verified(&store.list().await.unwrap()).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_writer_of_a_name_does_not_overwrite_a_faster_one() {
    let (fast, mut slow) = (small(1).await, big().await);
    slow.manifest = Manifest { revision: fast.manifest.revision, taken_at: fast.manifest.taken_at, ..slow.manifest };
    for shelf in Shelf::both() {
        let outrun = async || drop(shelf.put(&fast, Compression::None).await.unwrap());
        let error = in_the_middle(&shelf.store, &shelf.root(), &slow, outrun).await.unwrap_err();
        assert!(matches!(error, Error::ObjectExists { .. }), "{error:?}");
        let scratch = tempfile::tempdir().unwrap();
        let verification = shelf.store.verify(&fast.name(Compression::None), scratch.path(), &mut |_| ()).await.unwrap();
        assert_eq!(verification.found, Found::Sound);
        assert_eq!(shelf.names().len(), 2, "{:?}", shelf.names());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_is_dropped_takes_its_parts_away() {
    let (server, saved) = (S3Server::start(), big().await);
    let store = Store::s3(settings(&server)).unwrap();
    {
        let (policy, mut silent) = (Put::default(), |_| ());
        let (held, folder) = (Held::back(&saved), server.file(""));
        tokio::select! {
            put = store.put(&held.path, &saved.manifest, &policy, &mut silent) => panic!("it ended before its middle: {put:?}"),
            begun = first_part(&folder) => begun.unwrap(),
        }
    }
    let cleared =
        wait::until_async(
            "the parts to go",
            wait::LONG,
            async || if has_parts(&server.file("")) { Err("they are there".to_owned()) } else { Ok(()) },
        );
    cleared.await.unwrap();
    assert!(store.list().await.unwrap().entries.is_empty());
}

#[tokio::test]
async fn a_server_that_takes_no_writes_refuses_and_loses_nothing() {
    let (mut server, saved, other) = (S3Server::start(), small(1).await, small(2).await);
    let store = hasty(&server);
    store.put(&saved.file, &saved.manifest, &Put::default(), &mut |_| ()).await.unwrap();
    server.make_read_only();
    let error = put(&store, &other).await;
    assert!(matches!(error, Error::StoreRefuses { .. }), "{error:?}");
    assert_eq!(verified(&store.list().await.unwrap()), [saved.name(Compression::None)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_on_a_full_disk_takes_nothing_and_keeps_what_it_has() {
    const INSIDE: &str = "TRIMTAB_TEST_FULL_DISK";
    let saved = big().await;
    let Some(disk) = std::env::var_os(INSIDE) else {
        let folder = tempfile::tempdir().unwrap();
        let name = "refused::a_directory_on_a_full_disk_takes_nothing_and_keeps_what_it_has";
        let output = on_a_small_disk(folder.path(), INSIDE, name);
        let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && told.contains("1 passed"), "{told}");
        return;
    };
    let (store, disk, first) = (Store::directory(&disk).unwrap(), Path::new(&disk), small(1).await);
    store.put(&first.file, &first.manifest, &Put::default(), &mut |_| ()).await.unwrap();
    let before = names(disk);
    let error = put(&store, &saved).await;
    assert!(matches!(error, Error::StoreFull { .. }), "{error:?}");
    assert_eq!(names(disk), before, "nothing is left of it");
    assert_eq!(verified(&store.list().await.unwrap()), [first.name(Compression::None)]);

    // The other way round: a store with a big backup, and no room to unpack it in.
    let shelf = Shelf::directory();
    shelf.put(&saved, Compression::Zstd).await.unwrap();
    for error in [
        shelf.store.fetch(&saved.name(Compression::Zstd), &disk.join("fetched.db"), &mut |_| ()).await.map(|_| ()),
        shelf.store.verify(&saved.name(Compression::Zstd), disk, &mut |_| ()).await.map(|_| ()),
    ] {
        assert!(matches!(error, Err(Error::DiskFull { .. })), "{error:?}");
    }
    assert_eq!(names(disk), before);
    assert_eq!(verified(&shelf.list().await).len(), 1, "our own full disk says nothing about the backup");
}

#[tokio::test]
async fn a_bucket_before_the_hosts_name_is_found_there() {
    const INSIDE: &str = "TRIMTAB_TEST_HOSTS";
    const DOMAIN: &str = "s3.test";
    if std::env::var_os(INSIDE).is_none() {
        let hosts = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(hosts.path(), format!("127.0.0.1 localhost {DOMAIN} backups.{DOMAIN}\n")).unwrap();
        let mount = "mount --bind \"$1\" /etc/hosts";
        let output = after_a_mount(mount, hosts.path(), INSIDE, "refused::a_bucket_before_the_hosts_name_is_found_there");
        let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && told.contains("1 passed"), "{told}");
        return;
    }
    let (server, saved) = (S3Server::start_at(DOMAIN), small(1).await);
    let named = settings(&server).with_endpoint(&server.endpoint().replace("127.0.0.1", DOMAIN)).unwrap();
    let store = Store::s3(named.clone().with_bucket_in_host()).unwrap();
    let stored = store.put(&saved.file, &saved.manifest, &Put::default(), &mut |_| ()).await.unwrap();
    assert_eq!(verified(&store.list().await.unwrap()), [stored.name()]);
    assert_eq!(names(&server.file(PREFIX)).len(), 2);
    let scratch = tempfile::tempdir().unwrap();
    assert_eq!(store.verify(&stored.name(), scratch.path(), &mut |_| ()).await.unwrap().found, Found::Sound);
    let in_the_path = Store::s3(named).unwrap().list().await.unwrap();
    assert_eq!(verified(&in_the_path), [stored.name()], "it is the same bucket");
}

/// Runs one test of this program with a disk of 16 MB at `disk`, in namespaces of its own: it takes no root.
fn on_a_small_disk(disk: &Path, variable: &str, test: &str) -> Output {
    after_a_mount("mount -t tmpfs -o size=16m none \"$1\"", disk, variable, test)
}

/// Runs one test of this program in namespaces of its own, after something was mounted there.
fn after_a_mount(mount: &str, disk: &Path, variable: &str, test: &str) -> Output {
    let script = format!("{mount} && exec \"$2\" --exact \"$3\"");
    let mut command = Command::new("unshare");
    command.args(["-rm", "--propagation", "private", "sh", "-c", &script, "sh"]).arg(disk).arg(std::env::current_exe().unwrap());
    command.arg(test).env(variable, disk).output().unwrap()
}
