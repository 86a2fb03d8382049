//! Restores that fail, that are killed, and that must not begin: nothing is lost and nothing is half-made.

mod snapshots;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use snapshots::{client_of, save};
use tempfile::TempDir;
use trimtab_etcd_file::Error;
use trimtab_etcd_file::restore::{InitialCluster, Restore, Restored, Source, restore_member};
use trimtab_kit::etcd::{Cluster, Options};

/// A folder with a snapshot of some megabytes.
struct Scene {
    folder: TempDir,
    snapshot: PathBuf,
}

impl Scene {
    async fn new() -> Self {
        let cluster = Cluster::start(&Options::new("3.6.16", 1));
        let mut client = client_of(&cluster, 0).await;
        for key in 0..40 {
            client.put(format!("/registry/configmaps/default/{key}"), vec![b'x'; 100_000], None).await.unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let snapshot = save(&cluster, folder.path());
        Self { folder, snapshot }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn restore_to(&self, data_dir: &Path) -> Result<Restored, Error> {
        restore_member(&Source::Snapshot(self.snapshot.clone()), &restore(), "m0", data_dir, &mut |_| ())
    }

    /// Everything below the folder but the snapshot, with what is in it.
    fn tree(&self) -> Vec<(PathBuf, String)> {
        let mut all = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.symlink_metadata().unwrap().is_dir() {
                    folders.push(path.clone());
                    all.push((path, "a folder".to_owned()));
                } else if path != self.snapshot {
                    let contents = std::fs::read_to_string(&path).unwrap_or_else(|error| error.to_string());
                    all.push((path, contents));
                }
            }
        }
        all.sort();
        all
    }
}

fn restore() -> Restore {
    Restore::new(InitialCluster::parse("m0=http://127.0.0.1:2380", "tok").unwrap())
}

/// A restore in a process of its own, which kills itself at this point; in a shell that first runs `before` and then `after`.
fn process(snapshot: &Path, data_dir: &Path, die_at: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_restore"));
    command.arg("snapshot").arg(snapshot).args(["m0=http://127.0.0.1:2380", "tok", "m0"]).arg(data_dir).args(["0", die_at]);
    command
}

fn error_of(output: &Output) -> Error {
    serde_json::from_slice(&output.stderr).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

fn is_database(data_dir: &Path) -> bool {
    data_dir.join("member/snap/db").is_file() && data_dir.join("member/wal/0000000000000000-0000000000000000.wal").is_file()
}

#[tokio::test]
async fn a_killed_restore_leaves_no_data_directory_and_the_next_one_removes_its_rest() {
    let scene = Scene::new().await;
    for die_at in ["proving", "writing", "syncing"] {
        for (name, exists) in [("absent", false), ("empty", true)] {
            let data_dir = scene.path(&format!("{die_at}-{name}"));
            if exists {
                std::fs::create_dir(&data_dir).unwrap();
            }
            let killed = process(&scene.snapshot, &data_dir, die_at).output().unwrap();
            assert_eq!(killed.status.code(), None, "{die_at}: it was killed");
            assert_eq!((data_dir.exists(), data_dir.join("member").exists()), (exists, false), "{die_at} {name}");
            let restored = scene.restore_to(&data_dir).unwrap();
            assert_eq!(restored.removed.len(), usize::from(die_at != "proving"), "{die_at} {name}");
            assert!(is_database(&data_dir));
        }
    }
    let left = scene.tree().into_iter().filter(|(path, _)| path.to_string_lossy().contains("trimtab-restore")).count();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_full_disk_leaves_nothing() {
    let scene = Scene::new().await;
    let disk = scene.path("disk");
    std::fs::create_dir(&disk).unwrap();
    // Enough for the folders and a part of the database.
    for (size, fits) in [("1m", false), ("2m", false), ("16m", true)] {
        for data_dir in [disk.join("etcd"), disk.clone()] {
            let restore = process(&scene.snapshot, &data_dir, "-");
            let script = format!(r#"mount -t tmpfs -o size={size} tmpfs "$0" && "$@"; code=$?; find "$0" -mindepth 1 | sort; exit $code"#);
            let mut command = Command::new("unshare");
            command
                .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
                .arg(&disk)
                .arg(restore.get_program())
                .args(restore.get_args());
            let output = command.output().unwrap();
            let left = String::from_utf8_lossy(&output.stdout).into_owned();
            assert_eq!(output.status.success(), fits, "{size}: {left}{}", String::from_utf8_lossy(&output.stderr));
            if fits {
                assert!(left.contains("member/snap/db\n") && !left.contains("trimtab-restore"), "{left}");
            } else {
                assert!(matches!(error_of(&output), Error::Unwritable { problem, .. } if problem.contains("No space left")), "{size}");
                assert_eq!(left, "", "{size}");
            }
        }
    }
}

#[tokio::test]
async fn a_destination_that_exists_is_left_as_it_is() {
    let scene = Scene::new().await;
    let folder = scene.path("folder");
    std::fs::create_dir_all(folder.join("member/snap")).unwrap();
    std::fs::write(folder.join("member/snap/db"), "precious").unwrap();
    let file = scene.path("file");
    std::fs::write(&file, "precious").unwrap();
    let dangling = scene.path("dangling");
    symlink(scene.path("nowhere"), &dangling).unwrap();
    let foreign = scene.path("foreign");
    std::fs::create_dir_all(foreign.join(".trimtab-restore-of-somebody-else")).unwrap();
    let before = scene.tree();
    for data_dir in [folder, file, dangling, foreign] {
        let error = scene.restore_to(&data_dir).unwrap_err();
        assert_eq!(error, Error::DestinationExists { path: data_dir.display().to_string() });
    }
    assert_eq!(scene.tree(), before);
}

#[tokio::test]
async fn what_comes_into_the_destination_meanwhile_is_not_overwritten() {
    let scene = Scene::new().await;
    for (name, exists) in [("absent", false), ("empty", true)] {
        let data_dir = scene.path(name);
        if exists {
            std::fs::create_dir(&data_dir).unwrap();
        }
        let mut come = |_| {
            std::fs::create_dir_all(data_dir.join("member")).unwrap();
            std::fs::write(data_dir.join("member/precious"), "precious").unwrap();
        };
        let error = restore_member(&Source::Snapshot(scene.snapshot.clone()), &restore(), "m0", &data_dir, &mut come).unwrap_err();
        assert!(matches!(error, Error::DestinationExists { .. }), "{error}");
    }
    let files: Vec<_> = scene.tree().into_iter().filter(|(_, contents)| contents != "a folder").collect();
    assert_eq!(files.len(), 2);
    assert!(files.iter().all(|(path, contents)| path.ends_with("member/precious") && contents == "precious"), "{files:?}");
}

#[tokio::test]
async fn an_empty_folder_stays_the_one_it_was() {
    let scene = Scene::new().await;
    let data_dir = scene.path("mount");
    std::fs::create_dir(&data_dir).unwrap();
    std::fs::set_permissions(&data_dir, std::fs::Permissions::from_mode(0o750)).unwrap();
    scene.restore_to(&data_dir).unwrap();
    let mode = |path: &str| data_dir.join(path).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(""), 0o750);
    assert_eq!(["member", "member/snap", "member/wal"].map(mode), [0o700; 3]);
    assert_eq!(["member/snap/db", "member/wal/0000000000000000-0000000000000000.wal"].map(mode), [0o600; 2]);
    let fresh = scene.path("fresh");
    scene.restore_to(&fresh).unwrap();
    assert_eq!(fresh.metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn a_snapshot_that_is_not_whole_is_refused_before_anything_is_written() {
    let scene = Scene::new().await;
    let bytes = std::fs::read(&scene.snapshot).unwrap();
    let broken = scene.path("broken.db");
    let attempt = |bytes: &[u8]| {
        std::fs::write(&broken, bytes).unwrap();
        restore_member(&Source::Snapshot(broken.clone()), &restore(), "m0", &scene.path("etcd"), &mut |_| ()).unwrap_err()
    };
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    assert!(matches!(attempt(&flipped), Error::Sha256Mismatch { .. }));
    assert!(matches!(attempt(&bytes[..bytes.len() / 2]), Error::Truncated { .. }));
    assert!(matches!(attempt(&bytes[..bytes.len() - 32]), Error::NoSha256 { .. }));
    assert!(matches!(attempt(b"no database"), Error::NotBolt { .. }));
    std::fs::remove_file(&broken).unwrap();
    assert_eq!(scene.tree(), []);
}

#[tokio::test]
async fn the_database_of_a_data_directory_is_no_snapshot() {
    let cluster = Cluster::start(&Options::new("3.6.16", 1));
    let folder = tempfile::tempdir().unwrap();
    let database = cluster.data_dir(0).join("member/snap/db");
    let copy = folder.path().join("db");
    std::fs::copy(database, &copy).unwrap();
    let error = restore_member(&Source::Snapshot(copy), &restore(), "m0", &folder.path().join("etcd"), &mut |_| ()).unwrap_err();
    assert!(matches!(error, Error::NoSha256 { .. }), "{error}");
}
