//! Everything that can go wrong with a save on real servers and disks: a typed error, and nothing left that counts.

mod saved;
mod scene;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use saved::{apply_and_in_the_middle, assert_nothing_left, names, only_backup, plan, save, write_history, write_megabytes};
use scene::{etcd, observe, writer};
use trimtab_core::plan::Outcome;
use trimtab_etcd_file::Error as FileError;
use trimtab_etcd_ops::backup::ObjectName;
use trimtab_etcd_ops::backup::save::{Compare, Guard, Reason, Refusal, SavePolicy, SaveReport, Source};
use trimtab_etcd_ops::cluster::AlarmKind;
use trimtab_etcd_ops::live::{Access, Etcd};
use trimtab_etcd_ops::{ClusterSeen, Error, MemberId, maintenance};
use trimtab_kit::etcd::{BACKUP_VERSIONS, Cluster, Options};
use trimtab_kit::random::Rng;
use trimtab_kit::wait;

/// A member with so much data that its snapshot has a middle: far more than what is on the way between it and the disk.
async fn big(version: &'static str) -> Cluster {
    with_megabytes(version, 30).await
}

async fn with_megabytes(version: &'static str, megabytes: usize) -> Cluster {
    let cluster = Cluster::start(&Options::new(version, 1));
    write_megabytes(&mut writer(&cluster).await, megabytes).await;
    // A member tells its size as of its last commit, which comes up to 100 ms later, or seconds on a busy machine.
    let committed = || {
        let said = cluster.etcdctl_at(&cluster.endpoints()[0], &["endpoint", "status", "--write-out=json"]);
        let status: serde_json::Value = serde_json::from_slice(&said.stdout).map_err(|error| error.to_string())?;
        let size = status[0]["Status"]["dbSize"].as_u64().unwrap_or(0);
        if size >= megabytes as u64 * 1_000_000 { Ok(()) } else { Err(format!("{size} bytes")) }
    };
    wait::until("the data to be committed", wait::LONG, committed).unwrap();
    cluster
}

fn failure(report: &SaveReport) -> &Error {
    match report.stopped_at().map(|step| &step.outcome) {
        Some(Outcome::Failed { failure }) => failure,
        _ => panic!("it did not fail: {report}"),
    }
}

/// Starts a save in a process of its own.
fn spawn(directory: &Path, die_at: &str, cluster: &Cluster) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_save"));
    command.arg(directory).arg(die_at).args(cluster.endpoints()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// After a kill there is a whole backup or none, and whatever else is there goes with the next save.
async fn assert_the_next_save_cleans(directory: &Path, cluster: &Cluster) {
    let left = names(directory);
    let counts = left.iter().filter(|name| matches!(ObjectName::of(name), ObjectName::Backup(_))).count();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let report = save(&mut etcd(cluster), &SavePolicy::to(directory)).await;
    assert!(report.is_done() && report.acted() == 1, "{left:?}: {report}");
    assert_eq!(saved::backups(directory).len(), counts + 1, "{left:?}, then {:?}", names(directory));
}

#[tokio::test]
async fn killed_at_any_moment_it_leaves_a_whole_backup_or_none() {
    let cluster = big("3.6.16").await;
    let directory = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    assert!(spawn(directory.path(), "-", &cluster).wait_with_output().unwrap().status.success());
    let whole = begun.elapsed();
    only_backup(directory.path());
    let seed = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    println!("seed {seed}, a save takes {whole:?}");
    let mut random = Rng::new(seed);
    for _ in 0..8 {
        let directory = tempfile::tempdir().unwrap();
        let mut child = spawn(directory.path(), "-", &cluster);
        tokio::time::sleep(whole.mul_f64(f64::from(u32::try_from(random.below(1000)).unwrap()) / 1000.0)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        println!("left: {:?}", names(directory.path()));
        assert_the_next_save_cleans(directory.path(), &cluster).await;
    }
}

#[tokio::test]
async fn killed_at_each_stage_it_leaves_nothing_that_counts() {
    let cluster = big("3.5.35").await;
    for stage in ["received ", "received all", "verified"] {
        let directory = tempfile::tempdir().unwrap();
        let killed = spawn(directory.path(), stage, &cluster).wait_with_output().unwrap();
        assert_eq!(killed.status.code(), None, "{stage}: {}", String::from_utf8_lossy(&killed.stderr));
        let left: Vec<ObjectName> = names(directory.path()).iter().map(|name| ObjectName::of(name)).collect();
        assert_eq!(left, [ObjectName::Saving], "{stage}");
        assert_the_next_save_cleans(directory.path(), &cluster).await;
    }
}

#[tokio::test]
async fn a_save_that_runs_is_not_taken_for_a_leftover() {
    let cluster = big("3.7.3").await;
    let directory = tempfile::tempdir().unwrap();
    let mut first = spawn(directory.path(), "-", &cluster);
    let mut lines = BufReader::new(first.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("received ")), "the first one is under way");
    // It stands still meanwhile, and the second one is of another second, so that the two have different names.
    kill_process(Pid::from_child(&first), Signal::STOP).unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let second = save(&mut etcd(&cluster), &SavePolicy::to(directory.path())).await;
    kill_process(Pid::from_child(&first), Signal::CONT).unwrap();
    assert!(second.is_done(), "{second}");
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert!(first.wait().unwrap().success(), "{rest:?}");
    assert_eq!(saved::backups(directory.path()).len(), 2);
}

#[tokio::test]
async fn a_dropped_save_leaves_nothing_and_lets_the_member_go() {
    let cluster = big("3.6.16").await;
    let directory = tempfile::tempdir().unwrap();
    let mut etcd = etcd(&cluster);
    let plan = plan(&mut etcd, &SavePolicy::to(directory.path())).await;
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let mut sender = Some(sender);
    {
        let apply = plan.apply(&mut etcd, |event| {
            if format!("{event:?}").contains("received ") {
                sender.take().map(|sender| sender.send(()));
            }
        });
        tokio::select! {
            report = apply => panic!("it was not to end: {report}"),
            heard = receiver => heard.unwrap(),
        }
    }
    let empty = || if names(directory.path()).is_empty() { Ok(()) } else { Err(format!("{:?}", names(directory.path()))) };
    wait::until("the part to go", wait::LONG, empty).unwrap();
    let report = plan.apply(&mut etcd, |_| {}).await;
    assert!(report.is_done(), "{report}");
    only_backup(directory.path());
}

#[tokio::test]
async fn a_member_that_dies_in_the_middle_of_the_stream() {
    for version in BACKUP_VERSIONS {
        let mut cluster = big(version).await;
        let directory = tempfile::tempdir().unwrap();
        let mut etcd = etcd(&cluster);
        let plan = plan(&mut etcd, &SavePolicy::to(directory.path())).await;
        let report = apply_and_in_the_middle(&plan, &mut etcd, || cluster.kill(0)).await;
        assert!(matches!(failure(&report), Error::Unreachable { .. }), "{version}: {report}");
        assert_nothing_left(directory.path());
        cluster.start_member(0);
        cluster.wait_until_ready().unwrap();
        let report = plan.apply(&mut etcd, |_| {}).await;
        assert!(report.is_done(), "the saved plan goes on, {version}: {report}");
        only_backup(directory.path());
    }
}

#[tokio::test]
async fn a_member_that_hangs_in_the_middle_of_the_stream() {
    for version in BACKUP_VERSIONS {
        let cluster = big(version).await;
        let directory = tempfile::tempdir().unwrap();
        let mut etcd = etcd(&cluster);
        let plan = plan(&mut etcd, &SavePolicy { idle_seconds: 3, ..SavePolicy::to(directory.path()) }).await;
        let report = apply_and_in_the_middle(&plan, &mut etcd, || cluster.hang(0)).await;
        cluster.resume(0);
        assert!(matches!(failure(&report), Error::Stalled { received_bytes: 1.., after_ms: 3000, .. }), "{version}: {report}");
        assert_nothing_left(directory.path());
    }
}

#[tokio::test]
async fn a_member_that_hangs_is_given_up_by_default_too() {
    let cluster = big("3.6.16").await;
    let directory = tempfile::tempdir().unwrap();
    let mut etcd = etcd(&cluster);
    let plan = plan(&mut etcd, &SavePolicy::to(directory.path())).await;
    let mut hung = None;
    let report = apply_and_in_the_middle(&plan, &mut etcd, || {
        hung = Some(Instant::now());
        cluster.hang(0);
    })
    .await;
    cluster.resume(0);
    println!("{:?}: {report}", hung.unwrap().elapsed());
    assert!(matches!(failure(&report), Error::Stalled { received_bytes: 1.., .. }), "{report}");
    assert!(hung.unwrap().elapsed() < Duration::from_secs(60), "{report}");
    assert_nothing_left(directory.path());
}

/// Runs a script with a disk of its own mounted on `$DIR`, in namespaces of its own: the machine does not see it.
fn on_a_disk_of(size: &str, script: &str, cluster: &Cluster) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let script = format!("mount -t tmpfs -o size={size} tmpfs $DIR && {script}");
    let mut command = Command::new("unshare");
    command.args(["-rm", "--propagation", "private", "sh", "-c", &script]);
    command.env("DIR", directory.path()).env("SAVE", env!("CARGO_BIN_EXE_save")).env("ENDPOINT", &cluster.endpoints()[0]);
    command.output().unwrap()
}

/// The failure that the process printed last.
fn printed_failure(output: &Output) -> Error {
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_str(said.lines().last().unwrap_or_default()).unwrap_or_else(|_| panic!("no failure was printed: {said}"))
}

#[tokio::test]
async fn a_disk_without_room_is_told_before_a_byte_is_asked_for() {
    let cluster = big("3.6.16").await;
    let output = on_a_disk_of("16m", "$SAVE $DIR - $ENDPOINT; code=$?; ls -A $DIR; exit $code", &cluster);
    let failure = printed_failure(&output);
    assert!(matches!(failure, Error::DiskFull { needed_bytes: 30_000_000.., free_bytes: 1..=16_777_216, .. }), "{failure}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "something is left");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("received"));
}

#[tokio::test]
async fn a_disk_that_fills_up_meanwhile_leaves_no_trace() {
    let cluster = with_megabytes("3.6.16", 200).await;
    // Somebody else writes as soon as the save is under way.
    let script = "{ $SAVE $DIR - $ENDPOINT 2>$DIR.log & saving=$!; until grep -q ^received $DIR.log; do sleep 0.02; done
        head -c 1G /dev/zero >$DIR/filler 2>/dev/null; wait $saving; code=$?; rm $DIR/filler; ls -A $DIR; cat $DIR.log >&2; rm $DIR.log; exit $code; }";
    let output = on_a_disk_of("300m", script, &cluster);
    let failure = printed_failure(&output);
    assert!(matches!(failure, Error::DiskFull { needed_bytes: 200_000_000.., free_bytes: 1..=200_000_000, .. }), "{failure}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "something is left");
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_named() {
    let cluster = Cluster::start(&Options::new("3.6.16", 1));
    let parent = tempfile::tempdir().unwrap();
    let missing = parent.path().join("missing");
    let file = parent.path().join("file");
    fs::write(&file, "no folder").unwrap();
    for directory in [&missing, &file] {
        let report = save(&mut etcd(&cluster), &SavePolicy::to(directory)).await;
        let named = matches!(failure(&report), Error::NoSuchStore { store, .. } if Path::new(store) == directory);
        assert!(named, "{report}");
    }
    assert!(!missing.exists(), "a directory that is missing may be a disk that is not mounted");
    let script = "mount -o remount,ro $DIR && $SAVE $DIR - $ENDPOINT";
    let failure = printed_failure(&on_a_disk_of("64m", script, &cluster));
    assert!(matches!(&failure, Error::Unwritable { problem, .. } if problem.contains("Read-only")), "{failure}");
}

/// What a proxy does to the bytes that a member sends.
#[derive(Clone, Copy, Debug)]
enum Harm {
    /// Changes one bit, in the middle of a value.
    Flip,
    /// Ends the connection.
    Cut,
}

/// A proxy on loopback in front of a member: it does its harm once, after so many bytes.
fn proxy(cluster: &Cluster, after_bytes: usize, harm: Harm) -> String {
    let member = cluster.endpoints()[0].replace("http://", "");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            let server = std::net::TcpStream::connect(&member).unwrap();
            let (mut up, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut up, &mut to_server));
            std::thread::spawn(move || forward_with_harm(server, client, after_bytes, harm));
        }
    });
    endpoint
}

fn forward_with_harm(mut from: std::net::TcpStream, mut to: std::net::TcpStream, after_bytes: usize, harm: Harm) {
    use std::io::Write;
    let (mut buffer, mut seen, mut harmed) = (vec![0; 16 * 1024], 0, false);
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        seen += count;
        let value = buffer[..count].windows(64).position(|window| window.iter().all(|byte| *byte == b'x'));
        match (harm, value) {
            (Harm::Flip, Some(at)) if seen > after_bytes && !harmed => {
                buffer[at + 32] ^= 1;
                harmed = true;
            }
            (Harm::Cut, _) if seen > after_bytes => {
                let _ = to.shutdown(std::net::Shutdown::Both);
                return;
            }
            (Harm::Flip | Harm::Cut, _) => {}
        }
        if to.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_byte_that_changes_on_the_way_is_found_and_a_stream_that_breaks_is_named() {
    for version in BACKUP_VERSIONS {
        let cluster = Cluster::start(&Options::new(version, 1));
        write_megabytes(&mut writer(&cluster).await, 20).await;
        for harm in [Harm::Flip, Harm::Cut] {
            let endpoint = proxy(&cluster, 5_000_000, harm);
            let directory = tempfile::tempdir().unwrap();
            let report = save(&mut Etcd::new(Access::to([&endpoint]).unwrap()).unwrap(), &SavePolicy::to(directory.path())).await;
            match (harm, failure(&report)) {
                (Harm::Flip, Error::BrokenSnapshot { problem, .. }) => assert!(matches!(**problem, FileError::Sha256Mismatch { .. }), "{problem}"),
                (Harm::Cut, Error::Unreachable { endpoint: named, .. }) => assert_eq!(*named, endpoint),
                (_, other) => panic!("{version}: {harm:?}: {other}"),
            }
            assert_nothing_left(directory.path());
        }
    }
}

const NEEDLE: &[u8] = b"a value that one member has otherwise";

fn places(bytes: &[u8]) -> Vec<usize> {
    bytes.windows(NEEDLE.len()).enumerate().filter(|(_, window)| *window == NEEDLE).map(|(at, _)| at).collect()
}

/// Changes one value in the file of a follower that is stopped, as a bad disk would: no page has a checksum.
async fn a_member_with_other_data(options: &Options) -> (Cluster, Etcd, MemberId) {
    let mut cluster = Cluster::start(options);
    let mut client = writer(&cluster).await;
    write_history(&mut client).await;
    client.put("/registry/secrets/default/needle", NEEDLE, None).await.unwrap();
    let mut etcd = etcd(&cluster);
    let seen = observe(&mut etcd).await;
    let victim = (0..3).find(|index| Some(seen.members[*index].id) != seen.leader()).unwrap();
    let file = cluster.data_dir(victim).join("member/snap/db");
    // It comes with the next batch, a tenth of a second later.
    let places = || match places(&fs::read(&file).unwrap()) {
        places if places.is_empty() => Err("it is not there".to_owned()),
        places => Ok(places),
    };
    wait::until("the value in the file", wait::LONG, places).unwrap();
    cluster.kill(victim);
    let mut bytes = fs::read(&file).unwrap();
    places().unwrap().iter().for_each(|at| bytes[*at] = b'A');
    fs::write(&file, bytes).unwrap();
    cluster.start_member(victim);
    cluster.wait_until_ready().unwrap();
    (cluster, etcd, seen.members[victim].id)
}

#[tokio::test]
async fn a_member_with_other_data_fails_the_save_and_is_named() {
    for version in BACKUP_VERSIONS {
        let (_cluster, mut etcd, victim) = a_member_with_other_data(&Options::new(version, 3)).await;
        let directory = tempfile::tempdir().unwrap();
        let leader = SavePolicy { source: Source::Leader, ..SavePolicy::to(directory.path()) };
        let report = save(&mut etcd, &leader).await;
        let named =
            matches!(failure(&report), Error::MembersDiffer { member, expected, found, .. } if *member == victim.to_string() && expected != found);
        assert!(named, "{version}: {report}");
        assert_nothing_left(directory.path());

        let by_name = SavePolicy { source: Source::Member(victim), ..SavePolicy::to(directory.path()) };
        let report = save(&mut etcd, &by_name).await;
        let blamed = matches!(failure(&report), Error::MembersDiffer { source_member, .. } if *source_member == victim.to_string());
        assert!(blamed, "{version}: {report}");
        assert_nothing_left(directory.path());

        let report = save(&mut etcd, &SavePolicy { compare: Compare::Source, ..by_name }).await;
        assert!(report.is_done(), "its own data is kept where that is asked for, {version}: {report}");
        let (_, manifest) = only_backup(directory.path());
        assert_eq!((manifest.member_id, manifest.agreeing(), manifest.compared.len()), (victim, 1, 1), "{version}: {manifest:?}");
    }
}

#[tokio::test]
async fn a_corrupt_alarm_holds_the_save_back_unless_a_member_is_named() {
    let options = Options::new("3.6.16", 3).with_args(&["--corrupt-check-time=3s"]);
    let (_cluster, mut etcd, victim) = a_member_with_other_data(&options).await;
    let alarm = async || {
        let seen: ClusterSeen = observe(&mut etcd).await;
        if seen.alarms_of(AlarmKind::Corrupt).count() > 0 { Ok(seen) } else { Err(format!("{:?}", seen.alarms)) }
    };
    wait::until_async("the CORRUPT alarm", wait::LONG, alarm).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let held = plan(&mut etcd, &SavePolicy::to(directory.path())).await;
    assert!(held.is_empty() && held.is_blocked(), "{held}");
    assert!(matches!(held.held[0].reason, Reason::Corrupt { .. }), "{held}");
    let report = save(&mut etcd, &SavePolicy { source: Source::Member(victim), ..SavePolicy::to(directory.path()) }).await;
    assert!(report.is_done(), "{report}");
    assert_eq!(only_backup(directory.path()).1.member_id, victim);
}

#[tokio::test]
async fn a_member_that_sends_a_snapshot_is_not_defragmented_until_that_has_ended() {
    for version in BACKUP_VERSIONS {
        let (cluster, _) = scene::out_of_space(version, 1).await;
        let mut etcd = Etcd::new(Access::to(cluster.endpoints()).unwrap().with_patience(Duration::from_secs(1))).unwrap();
        let plan = scene::plan_to_head(&mut etcd).await;
        // Nobody reads it, so it stays open.
        let stream = writer(&cluster).await.snapshot().await.unwrap();
        let report = plan.apply(&mut etcd, |_| {}).await;
        let stopped = report.stopped_at().unwrap_or_else(|| panic!("{version}: {report}"));
        let refused = matches!(
            &stopped.outcome,
            Outcome::Refused { guard: maintenance::Guard::NoOpenSnapshot { .. }, found: maintenance::Refusal::SendsSnapshots { streams: 1, .. } }
        );
        assert!(refused, "{version}: {report}");
        drop(stream);
        let mut patient = scene::etcd(&cluster);
        let report = plan.apply(&mut patient, |_| {}).await;
        assert!(report.is_done(), "{version}: {report}");
    }
}

#[tokio::test]
async fn a_stale_plan_is_refused() {
    let (one, two) = (Cluster::start(&Options::new("3.6.16", 3)), Cluster::start(&Options::new("3.6.16", 1)));
    let directory = tempfile::tempdir().unwrap();
    let mut etcd_one = etcd(&one);
    let stale = plan(&mut etcd_one, &SavePolicy::to(directory.path())).await;
    let report = stale.apply(&mut etcd(&two), |_| {}).await;
    let refused = matches!(&report.steps[0].outcome, Outcome::Refused { guard: Guard::Cluster { .. }, found: Refusal::AnotherCluster { .. } });
    assert!(refused, "{report}");

    let victim: usize = stale.steps[0].target.chars().nth(1).unwrap().to_digit(10).unwrap() as usize;
    one.hang(victim);
    let report = stale.apply(&mut etcd_one, |_| {}).await;
    let refused = matches!(&report.steps[0].outcome, Outcome::Refused { guard: Guard::Answers { .. }, found: Refusal::NoStatus { .. } });
    assert!(refused, "{report}");
    // The new plan takes the other follower.
    let report = save(&mut etcd_one, &SavePolicy::to(directory.path())).await;
    one.resume(victim);
    assert!(report.is_done(), "{report}");
    let (_, manifest) = only_backup(directory.path());
    assert_eq!(manifest.agreeing(), 2, "the hung one could not be compared: {manifest:?}");
}
