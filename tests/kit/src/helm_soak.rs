//! Many records of Helm in a real API server, pruned by a process that is killed again and again. At the end exactly those are left that should be, each
//! as it was, and each of the others is in the journal as it was. Whatever differs ends the run.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use trimtab_history_ops::live::{Cluster as Pruned, Journal};
use trimtab_history_ops::plan;
use trimtab_history_ops::policy::{Part, Policy};

use crate::control_plane::{ControlPlane, Object, SECRETS};
use crate::etcd::{self, Cluster};
use crate::random::Rng;
use crate::{history, pruner, wait};

/// As many revisions has each release.
const VERSIONS: usize = 100;
/// As many of each stay: Helm's default.
const LIMIT: usize = 10;
const NAMESPACES: usize = 4;
/// When the pruner is killed, in percent of what is to go; the first time as soon as it has looked around.
const KILLS: [usize; 4] = [0, 15, 45, 80];

/// What it came to.
#[derive(Debug)]
pub struct Figures {
    records: usize,
    others: usize,
    stored_bytes: usize,
    stay: usize,
    filled: Duration,
    /// How many were deleted when each process was killed, and the most memory that it had held.
    killed: Vec<(usize, u64)>,
    pruned: Duration,
    planned_kb: u64,
    /// The most memory that the last process held.
    pub peak_kb: u64,
}

/// What was stored under a name: its uid, and a hash of its labels and of its payload.
type Stored = BTreeMap<String, (String, u64)>;

/// Fills, prunes with kills, and compares. `prune` is a command that takes the arguments of [`pruner::run`].
pub async fn run(records: usize, prune: impl Fn() -> Command) -> Figures {
    let cluster = Cluster::start(&etcd::Options::new("3.6.16", 1));
    let plane = ControlPlane::start(&cluster).await;
    for namespace in 0..NAMESPACES {
        plane.create_namespace(&format!("shop-{namespace}")).await;
    }
    let releases = records / VERSIONS;
    let begun = Instant::now();
    let (stored, stored_bytes) = fill(&plane, releases).await;
    let filled = begun.elapsed();
    let wanted = wanted(releases, &stored);
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let files = Files::write(dir.path(), &plane).await;

    let begun = Instant::now();
    let (mut killed, mut before) = (Vec::new(), 0);
    let goes = stored.len() - wanted.len();
    for (run, percent) in KILLS.into_iter().enumerate() {
        let command = files.command(&prune, if run % 2 == 0 { Some(&files.plan) } else { None });
        let (deleted, peak_kb) = killed_at(command, &files.journal, goes * percent / 100).await;
        assert!(deleted >= before && deleted < goes, "{deleted} of {goes} were deleted when it was killed, {before} before");
        before = deleted;
        killed.push((deleted, peak_kb));
    }
    let last = files.command(&prune, None).output().expect("the pruner can be started");
    let said: Value = serde_json::from_slice(&last.stdout).unwrap_or_else(|_| panic!("the pruner failed: {last:?}"));
    assert_eq!(said["undone"], json!(0), "{said} {}", String::from_utf8_lossy(&last.stderr));
    let pruned = begun.elapsed();
    every_one_is_where_it_should_be(&plane, &stored, &wanted, &files.journal).await;
    let number = |field: &str| said[field].as_u64().expect("a number");
    let stay = wanted.len();
    Figures {
        records: stored.len() - releases,
        others: releases,
        stored_bytes,
        stay,
        filled,
        killed,
        pruned,
        planned_kb: number("planned_kb"),
        peak_kb: number("peak_kb"),
    }
}

/// A release's history: its highest deployed record may be old, there may be none, and its newest may be one that was interrupted.
fn status(release: usize, version: usize) -> &'static str {
    match (release % 10, version) {
        (3, 5) | (0..=2 | 4..=6 | 8 | 9, VERSIONS) => "deployed",
        (3, 6..) | (5, 90..) => "failed",
        (7, VERSIONS) => "pending-upgrade",
        _ => "superseded",
    }
}

/// Which records stay: Helm's newest, of which the deployed one takes a place whatever its age; all of a release in the middle of an operation.
fn stays(release: usize, version: usize) -> bool {
    match release % 10 {
        3 => version == 5 || version > VERSIONS - (LIMIT - 1),
        7 => true,
        _ => version > VERSIONS - LIMIT,
    }
}

fn name(release: usize, version: usize) -> String {
    format!("shop-{}/sh.helm.release.v1.r{release}.v{version}", release % NAMESPACES)
}

fn wanted(releases: usize, stored: &Stored) -> Stored {
    let all = (0..releases).flat_map(|release| (1..=VERSIONS).map(move |version| (release, version)));
    let going: Vec<String> = all.filter(|(release, version)| !stays(*release, *version)).map(|(release, version)| name(release, version)).collect();
    let mut wanted = stored.clone();
    for name in going {
        wanted.remove(&name).expect("it was stored");
    }
    wanted
}

/// Records of 4 to 20 kB as Helm writes them, and as many other Secrets as there are releases, one of which looks much like a record.
async fn fill(plane: &ControlPlane, releases: usize) -> (Stored, usize) {
    let all = (0..releases).flat_map(|release| (0..=VERSIONS).map(move |version| (release, version)));
    let create = async |(release, version): (usize, usize)| {
        let object = if version == 0 { bystander(release) } else { record(release, version) };
        let created = plane.create(&object).await;
        let bytes = created["data"]["release"].as_str().map_or(0, str::len);
        let uid = created["metadata"]["uid"].as_str().expect("a uid").to_owned();
        (format!("{}/{}", object.namespace, object.name), (uid, hash(&created)), bytes)
    };
    let created: Vec<_> = stream::iter(all).map(create).buffer_unordered(16).collect().await;
    let bytes = created.iter().map(|(_, _, bytes)| bytes).sum();
    (created.into_iter().map(|(name, stored, _)| (name, stored)).collect(), bytes)
}

fn record(release: usize, version: usize) -> Object {
    let mut rng = Rng::new((release * VERSIONS + version) as u64);
    // What is packed cannot be packed again, so that this is its size.
    let letters: Vec<u8> =
        (0..3000 + rng.index(11_000)).map(|_| rng.pick(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/")).collect();
    let config = json!({"password": history::MARKER, "certificate": String::from_utf8_lossy(&letters)});
    let (of, number, status) = (format!("r{release}"), version as u64, status(release, version));
    let payload = history::release(&of, number, status, &config);
    let fields = json!({
        "metadata": {"labels": history::labels(&of, number, status)}, "type": "helm.sh/release.v1", "stringData": {"release": payload},
    });
    Object::new(&SECRETS, &format!("shop-{}", release % NAMESPACES), &format!("sh.helm.release.v1.{of}.v{version}"), fields)
}

/// A Secret of somebody else: named as a record is, and not labelled so.
fn bystander(release: usize) -> Object {
    let fields = json!({"metadata": {"labels": {"name": format!("r{release}"), "version": "1"}}, "stringData": {"release": "mine"}});
    Object::new(&SECRETS, &format!("shop-{}", release % NAMESPACES), &format!("sh.helm.release.v1.r{release}"), fields)
}

fn hash(object: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    object["metadata"]["labels"].to_string().hash(&mut hasher);
    object["data"].to_string().hash(&mut hasher);
    hasher.finish()
}

/// What a pruner is given.
struct Files {
    kubeconfig: PathBuf,
    journal: PathBuf,
    policy: PathBuf,
    plan: PathBuf,
}

impl Files {
    async fn write(dir: &Path, plane: &ControlPlane) -> Self {
        let file = |name: &str| dir.join(name);
        let files = Self { kubeconfig: plane.kubeconfig(), journal: file("journal"), policy: file("policy"), plan: file("plan") };
        let parts = [Part::Helm].into();
        let policy = Policy { parts, ..Policy::new("1.37.2".parse().expect("a version")) };
        std::fs::write(&files.policy, serde_json::to_string(&policy).expect("JSON")).expect("a file of our own");
        let cluster = Pruned::connect(Some(&files.kubeconfig), None).await.expect("a kubeconfig");
        let seen = cluster.observe(&policy, |_| ()).await.expect("a cluster");
        assert!(seen.helm.iter().all(|record| record.payload.is_none()), "only metadata is read");
        let plan = plan(&seen, &policy, cluster.now()).expect("a policy that holds");
        std::fs::write(&files.plan, serde_json::to_string(&plan).expect("JSON")).expect("a file of our own");
        files
    }

    /// With a new plan, or with the saved one.
    fn command(&self, prune: impl Fn() -> Command, plan: Option<&PathBuf>) -> Command {
        let mut command = prune();
        command.arg(&self.kubeconfig).arg(&self.journal).arg(&self.policy).arg("0").args(plan).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env_remove("HTTPS_PROXY").env_remove("https_proxy");
        command
    }
}

/// Lets it run until the journal confirms so many deletions, and kills it: how many those were, and the most memory that it held.
async fn killed_at(mut command: Command, journal: &Path, deletions: usize) -> (usize, u64) {
    let mut confirmed = Confirmed::default();
    let mut child = command.spawn().expect("the pruner can be started");
    let far_enough = async || {
        // It has begun, and is somewhere between a backup and its confirmation.
        let deleted = confirmed.look(journal);
        if deleted > deletions || child_ended(&mut child) { Ok(()) } else { Err(format!("{deleted} deletions")) }
    };
    wait::until_async("the pruner to come so far", Duration::from_secs(1800), far_enough).await.unwrap_or_else(|why| panic!("{why}"));
    let peak_kb = pruner::peak_kb(&child.id().to_string());
    child.kill().expect("our own process");
    let ended = child.wait().expect("our own process");
    assert!(!ended.success(), "it ended before it could be killed");
    (confirmed.look(journal), peak_kb)
}

fn child_ended(child: &mut Child) -> bool {
    child.try_wait().is_ok_and(|status| status.is_some())
}

/// Counts the lines of a journal that confirm a deletion, and reads each once.
#[derive(Default)]
struct Confirmed {
    offset: u64,
    deletions: usize,
}

impl Confirmed {
    fn look(&mut self, journal: &Path) -> usize {
        let Ok(mut file) = File::open(journal) else { return 0 };
        let mut new = Vec::new();
        file.seek(SeekFrom::Start(self.offset)).and_then(|_| file.read_to_end(&mut new)).expect("a file of our own");
        // The last line may not be whole yet.
        let whole = new.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.offset += whole as u64;
        self.deletions += new[..whole].split(|byte| *byte == b'\n').filter(|line| line.starts_with(br#"{"deleted""#)).count();
        self.deletions
    }
}

async fn every_one_is_where_it_should_be(plane: &ControlPlane, stored: &Stored, wanted: &Stored, journal: &Path) {
    let mut left = Stored::new();
    for namespace in 0..NAMESPACES {
        let namespace = format!("shop-{namespace}");
        left.extend(plane.list_in(&namespace, &SECRETS).await.iter().map(|object| entry(&namespace, object)));
    }
    for (name, found) in wanted {
        assert_eq!(left.get(name), Some(found), "{name} should be there as it was");
    }
    assert_eq!(left.len(), wanted.len(), "{} are left that should have gone", left.len() - wanted.len());
    let mut kept = Stored::new();
    for (backup, _) in Journal::backups(journal).expect("a journal") {
        let object: Value = serde_json::from_str(backup.object.get()).expect("an object");
        let namespace = object["metadata"]["namespace"].as_str().expect("a namespace").to_owned();
        kept.extend([entry(&namespace, &object)]);
    }
    let gone: Stored = stored.iter().filter(|(name, _)| !wanted.contains_key(*name)).map(|(name, found)| (name.clone(), found.clone())).collect();
    assert!(kept == gone, "the journal has {} objects, and {} went", kept.len(), gone.len());
}

fn entry(namespace: &str, object: &Value) -> (String, (String, u64)) {
    let text = |field: &str| object["metadata"][field].as_str().expect("a name and a uid").to_owned();
    (format!("{namespace}/{}", text("name")), (text("uid"), hash(object)))
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let goes = self.records + self.others - self.stay;
        writeln!(
            f,
            "{} records, {} other Secrets, {} MB of payload, filled in {:.0} s",
            self.records,
            self.others,
            self.stored_bytes / 1_000_000,
            self.filled.as_secs_f64()
        )?;
        for (deleted, peak_kb) in &self.killed {
            writeln!(f, "  killed after {deleted} of {goes} deletions, at most {} MB", peak_kb / 1000)?;
        }
        writeln!(f, "  the last one: {} MB when it had planned, at most {} MB", self.planned_kb / 1000, self.peak_kb / 1000)?;
        let rate = goes as u128 * 1000 / self.pruned.as_millis().max(1);
        write!(f, "  pruned in {:.0} s with all restarts ({rate} a second); {} are left, each as it was", self.pruned.as_secs_f64(), self.stay)
    }
}
