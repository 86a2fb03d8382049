//! Renewals that fail, that are killed and that somebody interferes with: no interruption leaves a pair that does not match.

mod renewed;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use renewed::{applied, assert_every_pair_matches, ends_in, files_of, ours, planned, policy, program, renew_all, told, tree};
use trimtab_certs::Error;
use trimtab_certs::kubeadm::Item;
use trimtab_certs::live::{self, Node, RecoveredAs};
use trimtab_certs::renewal::{RenewalPolicy, Renewals};
use trimtab_core::apply::Event;
use trimtab_core::plan::{Outcome, Report};
use trimtab_kit::kubeadm::{Kubernetes, to_gain_an_hour};

#[test]
fn killed_at_every_write_the_node_gets_its_pair_back() {
    let kubernetes = Kubernetes::init("1.31.0", "encryptionAlgorithm: ECDSA-P256\n");
    let folder = kubernetes.folder();
    for item in [Item::EtcdServer, Item::AdminConf] {
        let (mut die_at, mut seen) = (0, Vec::new());
        loop {
            let before = files_of(&folder, item);
            let output = program(&folder, item.name(), &die_at.to_string()).output().unwrap();
            if output.status.success() {
                break;
            }
            assert_eq!(output.status.code(), None, "{item} {die_at}: it was killed: {}", told(&output));
            let recovered = Node::new(&folder).recover().unwrap();
            assert_every_pair_matches(&folder);
            let is_old = files_of(&folder, item) == before;
            for one in &recovered {
                assert_eq!((one.item, one.outcome == RecoveredAs::TakenBack), (item, is_old), "{die_at}: {}", told(&output));
            }
            assert!(ours(&folder).iter().all(|name| ends_in(name, "bak")), "{die_at}: {:?}", ours(&folder));
            assert_eq!(Node::new(&folder).recover().unwrap(), [], "{die_at}: there is nothing left to do");
            seen.extend(recovered.first().map(|one| one.outcome));
            die_at += 1;
        }
        assert!(seen.contains(&RecoveredAs::TakenBack) && seen.contains(&RecoveredAs::Finished), "{item}: {seen:?}");
        assert!(die_at >= if item.is_kubeconfig() { 6 } else { 9 }, "{item}: only {die_at} writes were tried");
    }
}

#[test]
fn killed_at_every_write_the_next_run_finishes_by_itself() {
    let kubernetes = Kubernetes::init("1.31.0", "encryptionAlgorithm: ECDSA-P256\n");
    let folder = kubernetes.folder();
    for die_at in 0.. {
        let mut node = Node::new(&folder);
        let wanted = to_gain_an_hour(&node, "1.31.0".parse().unwrap()).unwrap();
        let plan = planned(&node, &RenewalPolicy { items: Some([Item::Apiserver].into()), ..wanted });
        let killed = program(&folder, "apiserver", &die_at.to_string()).output().unwrap();
        let report = applied(&plan, &mut node);
        assert!(report.is_done(), "{die_at}: {report}");
        assert_every_pair_matches(&folder);
        assert!(ours(&folder).iter().all(|name| ends_in(name, "bak")), "{die_at}: {:?}", ours(&folder));
        if killed.status.success() {
            assert!(die_at >= 9);
            break;
        }
    }
}

#[test]
fn what_somebody_put_there_after_an_interruption_stays() {
    let kubernetes = Kubernetes::init("1.31.0", "encryptionAlgorithm: ECDSA-P256\n");
    let folder = kubernetes.folder();
    let at = |name: &str| folder.join("pki/etcd").join(name);
    // The key is replaced, the certificate waits.
    let die_at = replacing(&folder, "etcd-server", "server.crt");
    assert_eq!(program(&folder, "etcd-server", &die_at).output().unwrap().status.code(), None);
    assert!(kubernetes.kubeadm(&["certs", "renew", "etcd-server"]).status.success());
    let theirs = fs::read(at("server.crt")).unwrap();
    let recovered = Node::new(&folder).recover().unwrap();
    assert_eq!(recovered[0].outcome, RecoveredAs::Overtaken);
    assert_eq!(fs::read(at("server.crt")).unwrap(), theirs);
    assert_every_pair_matches(&folder);

    assert_eq!(program(&folder, "etcd-server", &die_at).output().unwrap().status.code(), None);
    fs::copy(at("peer.crt"), at("server.crt")).unwrap();
    let error = Node::new(&folder).recover().unwrap_err();
    let Error::Torn { item: Item::EtcdServer, backups } = error else { panic!("{error}") };
    assert!(backups.len() == 2 && backups.iter().all(|backup| Path::new(backup).is_file()));
}

/// What a run says when it is about to replace this file.
fn replacing(folder: &Path, item: &str, name: &str) -> String {
    let output = told(&program(folder, item, "-").output().unwrap());
    let line = output.lines().find(|line| line.contains("replacing") && line.ends_with(name)).unwrap_or_else(|| panic!("{output}"));
    line.split(' ').next().unwrap().to_owned()
}

/// What applying the plan for `etcd-server` says, with a hand in it at the first message that holds `at`.
fn disturbed(folder: &Path, at: &str, disturb: impl Fn() + Send) -> Error {
    let mut node = Node::new(folder);
    let plan = planned(&node, &RenewalPolicy { items: Some([Item::EtcdServer].into()), ..policy("1.31.0") });
    let mut once = Some(disturb);
    let report = live::apply(&plan, &mut node, |event| match event {
        Event::Progress { message, .. } if message.contains(at) => once.take().into_iter().for_each(|disturb| disturb()),
        Event::Progress { .. } | Event::Begun { .. } | Event::Ended { .. } => {}
    });
    assert!(once.is_none(), "nothing was said of {at}");
    match &report.steps[0].outcome {
        Outcome::Failed { failure } => failure.clone(),
        other => panic!("{other}"),
    }
}

#[test]
fn a_file_that_cannot_be_replaced_brings_the_other_one_back() {
    let kubernetes = Kubernetes::init("1.31.0", "encryptionAlgorithm: ECDSA-P256\n");
    let folder = kubernetes.folder();
    let [certificate, key] = ["crt", "key"].map(|ending| folder.join(format!("pki/etcd/server.{ending}")));
    let (old, old_key) = (fs::read(&certificate).unwrap(), fs::read(&key).unwrap());
    // The key comes first and can be replaced, the certificate not.
    let new_is_gone = || fs::remove_file(only_one_in(&folder.join("pki/etcd"), ".server.crt", "new")).unwrap();
    let error = disturbed(&folder, &format!("replacing {}", certificate.display()), new_is_gone);
    assert!(matches!(&error, Error::Unwritable { path, .. } if path.ends_with("server.crt")), "{error}");
    assert_eq!(ours(&folder), Vec::<String>::new());
    assert!(fs::read(&key).unwrap() == old_key);
    assert_every_pair_matches(&folder);
    let error = disturbed(&folder, "replacing", || {
        fs::remove_file(&certificate).unwrap();
        fs::create_dir(&certificate).unwrap();
    });
    assert!(matches!(&error, Error::Changed { path } if path.ends_with("server.crt")), "{error}");
    assert_eq!(ours(&folder), Vec::<String>::new());
    assert!(fs::read(&key).unwrap() == old_key);
    fs::remove_dir(&certificate).unwrap();
    fs::write(&certificate, old).unwrap();
    assert_every_pair_matches(&folder);
}

#[test]
fn what_is_changed_while_it_is_being_replaced_is_not_replaced() {
    let kubernetes = Kubernetes::init("1.31.0", "encryptionAlgorithm: ECDSA-P256\n");
    let folder = kubernetes.folder();
    let at = |name: &str| folder.join("pki/etcd").join(name);
    let error = disturbed(&folder, ".server.crt.trimtab", || assert!(kubernetes.kubeadm(&["certs", "renew", "etcd-server"]).status.success()));
    assert!(matches!(&error, Error::Changed { path } if path.ends_with("server.key")), "{error}");
    assert_eq!(ours(&folder), Vec::<String>::new());
    assert_every_pair_matches(&folder);
    let damage = || {
        let files = fs::read_dir(at("")).unwrap().flatten();
        let new = files.map(|entry| entry.path()).find(|path| ends_in(&path.to_string_lossy(), "new"));
        fs::write(new.unwrap(), "x").unwrap();
    };
    let error = disturbed(&folder, "server.crt.trimtab", damage);
    assert!(matches!(&error, Error::NotReadBack { .. }), "{error}");
    assert_eq!(ours(&folder), Vec::<String>::new());
    assert_every_pair_matches(&folder);
}

/// The file in a folder whose name begins and ends so.
fn only_one_in(folder: &Path, begin: &str, end: &str) -> PathBuf {
    let files = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    let is_it = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with(begin) && ends_in(&path.to_string_lossy(), end);
    let found: Vec<PathBuf> = files.filter(is_it).collect();
    let [file] = &found[..] else { panic!("{found:?}") };
    file.clone()
}

fn append_to(path: &Path) {
    let text = [fs::read(path).unwrap(), b"# ours\n".to_vec()].concat();
    fs::write(path, text).unwrap();
}

#[test]
fn what_is_changed_right_before_it_is_replaced_is_kept_and_what_was_replaced_is_put_back() {
    let kubernetes = Kubernetes::init("1.31.0", "encryptionAlgorithm: ECDSA-P256\n");
    let folder = kubernetes.folder();
    let [certificate, key] = ["crt", "key"].map(|ending| folder.join(format!("pki/etcd/server.{ending}")));
    for (at, changed, other) in [
        ("everything is written".to_owned(), &key, &certificate),
        (format!("replacing {}", key.display()), &certificate, &key),
        (format!("replacing {}", certificate.display()), &certificate, &key),
    ] {
        let (before, kept) = ([fs::read(changed).unwrap(), b"# ours\n".to_vec()].concat(), fs::read(other).unwrap());
        let error = disturbed(&folder, &at, || append_to(changed));
        assert_eq!(error, Error::Changed { path: changed.display().to_string() }, "{at}");
        assert!(fs::read(changed).unwrap() == before && fs::read(other).unwrap() == kept, "{at}");
        assert_eq!(ours(&folder), Vec::<String>::new(), "{at}");
        assert_every_pair_matches(&folder);
    }
}

#[test]
fn another_pair_that_comes_between_two_replacements_stays_whole() {
    let kubernetes = Kubernetes::init("1.31.0", "encryptionAlgorithm: ECDSA-P256\n");
    let folder = kubernetes.folder();
    let certificate = folder.join("pki/etcd/server.crt");
    let before = files_of(&folder, Item::EtcdServer);
    let renewed = || assert!(kubernetes.kubeadm(&["certs", "renew", "etcd-server"]).status.success());
    let error = disturbed(&folder, &format!("replacing {}", certificate.display()), renewed);
    assert!(matches!(&error, Error::Changed { path } if path.ends_with("server.crt")), "{error}");
    assert_every_pair_matches(&folder);
    let copies = ["server.crt", "server.key"].map(|name| fs::read(only_one_in(&folder.join("pki/etcd"), name, "bak")).unwrap());
    assert!(copies[..] == before[..] && files_of(&folder, Item::EtcdServer) != before);
    assert_eq!(ours(&folder).len(), 2);
}

#[test]
fn an_interrupted_way_back_is_told_as_taken_back() {
    let kubernetes = Kubernetes::init("1.31.0", "encryptionAlgorithm: ECDSA-P256\n");
    let folder = kubernetes.folder();
    let etcd = folder.join("pki/etcd");
    let before = files_of(&folder, Item::EtcdServer);
    let journal = etcd.join(".trimtab-renew-etcd-server.json");
    let key_is_back = || fs::rename(only_one_in(&etcd, "server.key", "bak"), etcd.join("server.key")).unwrap();
    let nothing_waits = || fs::remove_file(only_one_in(&etcd, ".server.crt", "new")).unwrap();
    let says_so = || fs::write(&journal, fs::read_to_string(&journal).unwrap().replace("replacing", "puttingBack")).unwrap();
    let states: [&[&dyn Fn()]; 5] = [
        &[&nothing_waits],
        &[&nothing_waits, &key_is_back],
        &[&says_so],
        &[&says_so, &key_is_back],
        &[&says_so, &key_is_back, &|| fs::remove_file(only_one_in(&etcd, "server.crt", "bak")).unwrap()],
    ];
    for (at, state) in states.into_iter().enumerate() {
        // The key is replaced, the certificate waits.
        let die_at = replacing_in_a_copy(&folder, "etcd-server", "server.crt");
        assert_eq!(program(&folder, "etcd-server", &die_at).output().unwrap().status.code(), None);
        for step in state {
            step();
        }
        let recovered = Node::new(&folder).recover().unwrap();
        assert_eq!(recovered[0].outcome, RecoveredAs::TakenBack, "{at}");
        assert!(files_of(&folder, Item::EtcdServer) == before, "{at}");
        assert_eq!(ours(&folder), Vec::<String>::new(), "{at}");
    }
}

/// As [`replacing`], and the folder stays as it is.
fn replacing_in_a_copy(folder: &Path, item: &str, name: &str) -> String {
    let copy = tempfile::tempdir().unwrap();
    let copied = Command::new("cp").arg("-a").arg(folder.join(".")).arg(copy.path()).status().unwrap();
    assert!(copied.success());
    replacing(copy.path(), item, name)
}

#[test]
fn what_fails_after_everything_was_replaced_does_not_say_that_the_old_one_is_there() {
    let kubernetes = Kubernetes::init("1.31.0", "encryptionAlgorithm: ECDSA-P256\n");
    let folder = kubernetes.folder();
    let in_the_way = folder.join("pki/etcd/.trimtab-renew-etcd-server.json.new");
    let before = files_of(&folder, Item::EtcdServer);
    let error = disturbed(&folder, "replacing", || fs::create_dir(&in_the_way).unwrap());
    assert!(matches!(&error, Error::LeftHalfway { .. }) && !error.to_string().contains("still there"), "{error}");
    assert!(files_of(&folder, Item::EtcdServer) != before);
    fs::remove_dir(&in_the_way).unwrap();
    assert_eq!(Node::new(&folder).recover().unwrap()[0].outcome, RecoveredAs::Finished);
    assert_every_pair_matches(&folder);
}

#[test]
fn a_pair_that_was_deleted_is_put_back_from_its_copies() {
    let kubernetes = Kubernetes::init("1.31.0", "encryptionAlgorithm: ECDSA-P256\n");
    let folder = kubernetes.folder();
    let mut node = Node::new(&folder);
    for (item, deleted) in [
        (Item::EtcdServer, &["pki/etcd/server.crt", "pki/etcd/server.key"][..]),
        (Item::EtcdPeer, &["pki/etcd/peer.crt"]),
        (Item::AdminConf, &["admin.conf"]),
    ] {
        let old = files_of(&folder, item);
        let modes = || deleted.iter().map(|name| folder.join(name).metadata().unwrap().permissions().mode()).collect::<Vec<_>>();
        let before = modes();
        renew_all(&mut node, &RenewalPolicy { items: Some([item].into()), ..policy("1.31.0") });
        for name in deleted {
            fs::remove_file(folder.join(name)).unwrap();
        }
        let backup = node.backups().unwrap().into_iter().find(|backup| backup.item == item).unwrap();
        let undone = node.rollback(&backup, &mut |_| ()).unwrap();
        assert!(files_of(&folder, item) == old && modes() == before, "{item}");
        assert!(undone.files.iter().all(|file| Path::new(&file.backup).is_file()), "{item}");
        assert_eq!(undone.files.len(), old.len() - deleted.len(), "{item}: where nothing was, nothing is kept");
        assert_every_pair_matches(&folder);
    }
}

#[test]
fn somebody_who_may_only_read_the_folder_keeps_nobody_out() {
    let kubernetes = Kubernetes::init("1.31.0", "encryptionAlgorithm: ECDSA-P256\n");
    let node = Node::new(kubernetes.folder());
    let folder = fs::File::open(kubernetes.folder()).unwrap();
    folder.lock().unwrap();
    assert_eq!(node.recover().unwrap(), []);
    let lock = kubernetes.folder().join(".trimtab-renew.lock");
    assert_eq!(lock.symlink_metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    fs::remove_file(&lock).unwrap();
    std::os::unix::fs::symlink("elsewhere", &lock).unwrap();
    assert!(matches!(node.recover(), Err(Error::Unwritable { .. })));
    assert!(!kubernetes.folder().join("elsewhere").exists());
}

#[test]
fn two_at_once_do_not_meet() {
    let kubernetes = Kubernetes::init("1.31.0", "encryptionAlgorithm: ECDSA-P256\n");
    let mut node = Node::new(kubernetes.folder());
    let plan = planned(&node, &policy("1.31.0"));
    let lock = fs::File::create(kubernetes.folder().join(".trimtab-renew.lock")).unwrap();
    lock.lock().unwrap();
    assert!(matches!(node.recover(), Err(Error::Busy { .. })));
    let report = applied(&plan, &mut node);
    assert!(matches!(&report.steps[0].outcome, Outcome::Failed { failure: Error::Busy { .. } }), "{report}");
    lock.unlock().unwrap();
    assert_eq!(applied(&plan, &mut node).acted(), 11);
}

#[test]
fn a_folder_that_takes_no_writes_is_left_as_it_is() {
    let kubernetes = Kubernetes::init("1.31.0", "encryptionAlgorithm: ECDSA-P256\n");
    let folder = kubernetes.folder();
    let before = kubernetes.files();
    let output = on_a_disk_of_its_own(&folder, "mount --bind \"$1\" \"$1\" && mount -o remount,ro,bind \"$1\"", "apiserver");
    let error = failure_of(&output);
    assert!(matches!(&error, Error::Unwritable { problem, .. } if problem.contains("Read-only")), "{error}");
    let mut after = kubernetes.files();
    assert!(after.remove("/etc/kubernetes/.trimtab-renew.lock").is_some(), "the lock stays");
    assert!(before == after);
}

#[test]
fn a_full_disk_leaves_the_old_pair_and_nothing_else() {
    let kubernetes = Kubernetes::init("1.31.0", "");
    let folder = kubernetes.folder();
    let copy = tempfile::tempdir().unwrap();
    // A tmpfs counts pages of 4 KiB: the files of kubeadm, and from none to enough for the journal, two copies and two new files.
    let files = tree(&folder.join("pki")).len();
    let (mut failed, mut done) = (0, 0);
    for spare in 0..8 {
        let size = (files + spare) * 4 + 4;
        let kept = copy.path().join(spare.to_string());
        fs::create_dir(&kept).unwrap();
        let mount = format!("mount -t tmpfs -o size={size}k none \"$1\"");
        let prepare = format!("cp -a \"$1\" {kept}/before && {mount} && cp -a {kept}/before/. \"$1\"", kept = kept.display());
        let output = in_a_shell(&folder, &prepare, "apiserver", &kept.join("after"));
        let (before, after) = (contents(&kept.join("before")), contents(&kept.join("after")));
        if output.status.success() {
            done += 1;
            assert_eq!(before.len() + 2, after.len(), "{spare}");
        } else {
            failed += 1;
            let error = failure_of(&output);
            assert!(matches!(error, Error::DiskFull { .. }), "{spare}: {error}");
            assert!(before == after, "{spare}: {:?}", after.iter().map(|(name, _)| name).collect::<Vec<_>>());
        }
    }
    assert!(failed >= 3 && done >= 1, "{failed} failed, {done} went through");
}

/// Runs the program where the folder's `pki` is on a disk of its own.
fn on_a_disk_of_its_own(folder: &Path, prepare: &str, item: &str) -> Output {
    let run = program(folder, item, "-");
    let script = format!("{prepare} && shift && exec \"$@\"");
    let mut command = Command::new("unshare");
    command.args(["-rm", "--propagation", "private", "sh", "-c", &script, "sh"]).arg(folder.join("pki")).arg(run.get_program()).args(run.get_args());
    command.output().unwrap()
}

/// As [`on_a_disk_of_its_own`], and what is on that disk in the end is copied to `after`.
fn in_a_shell(folder: &Path, prepare: &str, item: &str, after: &Path) -> Output {
    let run = program(folder, item, "-");
    let script = format!("{prepare} && disk=\"$1\" && shift && {{ \"$@\"; code=$?; cp -a \"$disk\" {}; exit $code; }}", after.display());
    let mut command = Command::new("unshare");
    command.args(["-rm", "--propagation", "private", "sh", "-c", &script, "sh"]).arg(folder.join("pki")).arg(run.get_program()).args(run.get_args());
    command.output().unwrap()
}

fn failure_of(output: &Output) -> Error {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let report: Report<Renewals> = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {}", told(output)));
    match &report.stopped_at().unwrap().outcome {
        Outcome::Failed { failure } => failure.clone(),
        other => panic!("{other}"),
    }
}

fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    tree(folder).into_iter().map(|name| (name.clone(), fs::read(folder.join(name)).unwrap())).collect()
}
