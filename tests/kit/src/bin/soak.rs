//! Seeded garbage for every parser: `soak --inputs N [--seed S] [--only NAME]`. A panic is a failure, and names its input; so is an input that takes longer than
//! a certificate or a dump of history may, in time of this thread.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use trimtab_certs::finding::{FindingPolicy, findings};
use trimtab_certs::inspect::Inspection;
use trimtab_certs::key::PrivateKey;
use trimtab_certs::kubeadm::Pki;
use trimtab_certs::kubeadm::observe::{FileSeen, Files};
use trimtab_certs::kubeconfig::NewIdentity;
use trimtab_certs::pem;
use trimtab_core::view::{Node, Pod};
use trimtab_core::{KubeVersion, Quantity};
use trimtab_history_ops::advice::advice;
use trimtab_history_ops::object::Kind;
use trimtab_history_ops::policy::{Part, Policy};
use trimtab_history_ops::{HistorySeen, PruningPlan, record};
use trimtab_kit::random::Rng;
use trimtab_kit::{history, seeds};
use trimtab_net_math::{LadderParams, LinearParams};

/// Mostly bytes of the alphabet, else any.
fn bytes(rng: &mut Rng, alphabet: &[u8], longest: usize) -> Vec<u8> {
    let near = rng.percent(88);
    (0..rng.index(longest + 1)).map(|_| if near { rng.pick(alphabet) } else { any(rng, 255) }).collect()
}

/// A good text with a few bytes changed, dropped or doubled.
fn mutated(rng: &mut Rng, good: &str) -> Vec<u8> {
    let mut bytes = good.as_bytes().to_vec();
    for _ in 0..=rng.index(4) {
        let at = rng.index(bytes.len());
        match rng.below(3) {
            0 => bytes[at] = any(rng, 127),
            1 => drop(bytes.remove(at)),
            _ => bytes.insert(at, rng.pick(b"{}[]\":,0-e.KMi")),
        }
    }
    bytes
}

fn any(rng: &mut Rng, highest: u8) -> u8 {
    u8::try_from(rng.below(u64::from(highest) + 1)).unwrap_or(highest)
}

const POD: &str = r#"{"metadata":{"name":"a"},"spec":{"containers":[{"name":"c","resources":{"requests":{"cpu":"100m","memory":"1Gi"},"limits":{"cpu":1}}}],"initContainers":[{"name":"i","restartPolicy":"Always"}],"resources":{"limits":{"memory":"2Gi"}},"priority":2000000000},"status":{"qosClass":"Burstable"}}"#;
const NODE: &str = r#"{"metadata":{"name":"n"},"spec":{"unschedulable":true},"status":{"allocatable":{"cpu":"1930m"},"conditions":[{"type":"Ready","status":"True"}]}}"#;
const LINEAR: &str = r#"{"coresPerReplica":256,"nodesPerReplica":16,"min":1,"max":100,"preventSinglePointFailure":true}"#;
const LADDER: &str = r#"{"coresToReplicas":[[1,1],[64,3],[512,5]],"nodesToReplicas":[[1,1],[2,2]]}"#;

/// The longest that anything with certificates or history in it may take, in time of this thread.
const LIMIT: Duration = Duration::from_millis(10);

/// One of them with some bytes changed, dropped, doubled or cut off; the more, the longer it is.
fn damaged(rng: &mut Rng, good: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = good[rng.index(good.len())].clone();
    for _ in 0..=rng.index(4 + bytes.len() / 4096) {
        let at = rng.index(bytes.len().max(1));
        match rng.below(10) {
            _ if bytes.len() < 2 => {}
            0..3 => bytes[at] = any(rng, 255),
            // A bit, as a bad disk or cable turns it.
            3 | 4 => bytes[at] ^= 1 << rng.below(8),
            5 | 6 => drop(bytes.remove(at)),
            7 => bytes.insert(at, any(rng, 255)),
            // Some of it twice, or something of it somewhere else.
            8 => {
                let end = bytes.len().min(at + 1 + rng.index(64));
                let piece = bytes[at..end].to_vec();
                let to = rng.index(bytes.len());
                bytes.splice(to..to, piece);
            }
            _ => bytes.truncate(if rng.percent(30) { at.max(1) } else { bytes.len() }),
        }
    }
    bytes
}

/// As it is, or in PEM.
fn certificate_damaged(rng: &mut Rng) -> Vec<u8> {
    let der = damaged(rng, seeds::certificates());
    if rng.percent(50) { pem::encode("CERTIFICATE", &der).into_bytes() } else { der }
}

/// A key of which the lines are damaged, or what is in them.
fn key_damaged(rng: &mut Rng) -> Vec<u8> {
    let text = &seeds::keys()[rng.index(seeds::keys().len())];
    match pem::blocks(text).flatten().next() {
        Some(block) if rng.percent(70) => pem::encode(&block.label, &damaged(rng, &[block.contents])).into_bytes(),
        Some(_) | None => damaged(rng, std::slice::from_ref(text)),
    }
}

/// Everything that reads a file of certificates.
fn read_certificate(bytes: &[u8]) {
    judge(&Inspection::of_file("a.crt", bytes));
    let path = "/etc/kubernetes/pki/ca.crt".to_owned();
    let _ = Pki::of_files(&Files::from([(path, FileSeen::Contents(bytes.to_vec()))]), "/etc/kubernetes/pki");
}

/// Everything that reads a kubeconfig.
fn read_kubeconfig(bytes: &[u8]) {
    judge(&Inspection::of_file("admin.conf", bytes));
    let _ = NewIdentity { user: "admin", certificate_pem: b"c", key_pem: b"k" }.put_into(bytes);
    let path = "/etc/kubernetes/admin.conf".to_owned();
    let _ = Pki::of_files(&Files::from([(path, FileSeen::Contents(bytes.to_vec()))]), "/etc/kubernetes/pki");
}

/// What was found can be judged, printed and written.
fn judge(inspection: &Inspection) {
    let found = findings(inspection, &FindingPolicy::default(), jiff::Timestamp::UNIX_EPOCH);
    let told: Vec<String> = found.iter().map(ToString::to_string).collect();
    let json = serde_json::to_string(inspection).unwrap_or_default();
    assert!(!json.is_empty() && told.iter().all(|line| !line.chars().any(char::is_control)), "a control character is printed");
}

/// A dump of history with some of its values replaced, taken out or doubled, and now and then with damaged bytes.
fn history_damaged(rng: &mut Rng) -> Vec<u8> {
    // Packing its records takes longer than planning it.
    static GOOD: OnceLock<Vec<Value>> = OnceLock::new();
    let mut items = GOOD.get_or_init(history::objects).clone();
    for _ in 0..=rng.index(6) {
        let at = rng.index(items.len());
        if rng.percent(10) {
            let twice = items[at].clone();
            items.push(twice);
        } else {
            replaced(rng, &mut items[at]);
        }
    }
    let dump = history::dump(&items);
    if rng.percent(30) { damaged(rng, &[dump]) } else { dump }
}

/// Goes down to some value in it, and puts another one there.
fn replaced(rng: &mut Rng, value: &mut Value) {
    let children = value.as_object().map_or_else(|| value.as_array().map_or(0, Vec::len), serde_json::Map::len);
    if children == 0 || rng.percent(8) {
        *value = another(rng);
        return;
    }
    let at = rng.index(children);
    match value {
        Value::Object(fields) => {
            let name = fields.keys().nth(at).cloned().unwrap_or_default();
            if rng.percent(8) {
                fields.remove(&name);
            } else if let Some(field) = fields.get_mut(&name) {
                replaced(rng, field);
            }
        }
        Value::Array(items) => replaced(rng, &mut items[at]),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn another(rng: &mut Rng) -> Value {
    match rng.below(9) {
        0 => Value::Null,
        1 => json!(rng.percent(50)),
        2 => json!(rng.pick(&[0, 1, -1, 3, i64::MAX, i64::MIN, 2_147_483_647, 2_147_483_648])),
        3 => json!(rng.pick(&[0.5, 1e300, -1e-300])),
        4 => json!(String::from_utf8_lossy(&bytes(rng, b"web-1234.v/%", 12))),
        5 => json!(rng.pick(&[
            "2026-11-25T11:59:59Z",
            "0000-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
            "deployed",
            "pending-upgrade",
            "",
            "owner",
            "2"
        ])),
        6 => json!([]),
        7 => json!({}),
        _ => json!([{"a": [1, "x"]}]),
    }
}

/// A payload of which the text is damaged, what is packed in it, or the JSON in that.
fn release_damaged(rng: &mut Rng) -> Vec<u8> {
    let json = br#"{"name":"web","info":{"status":"deployed","notes":"x"},"chart":{"values":{"a":[1,2]}},"config":{"password":"p"},"version":3}"#;
    match rng.below(3) {
        0 => damaged(rng, &[history::packed(json).into_bytes()]),
        1 => history::base64(&damaged(rng, &[history::gzip(json)])).into_bytes(),
        _ => history::packed(&damaged(rng, &[json.to_vec()])).into_bytes(),
    }
}

/// Everything that can go: all parts, and hardly anything stays.
fn sweeping() -> Policy {
    use Part::{ControllerRevisions, CronJobs, Events, Helm, JobTtl, Pods, ReplicaSets, UnownedJobs};
    let hour = Some(jiff::SignedDuration::from_hours(1));
    Policy {
        parts: [ReplicaSets, ControllerRevisions, CronJobs, JobTtl, UnownedJobs, Pods, Helm, Events].into(),
        helm_history_max: Some(1),
        terminated_pod_gc_threshold: 1,
        events_older_than: hour,
        unowned_jobs_older_than: hour,
        ..Policy::new(KubeVersion::MAX)
    }
}

/// Whatever was read is planned: each object goes once or stays, nothing of a release is told, and the plan comes back out of its JSON.
fn plan_history(bytes: &[u8]) {
    let Ok(seen) = HistorySeen::of_dump(bytes) else { return };
    let (policy, now) = (sweeping(), jiff::Timestamp::constant(1_795_608_000, 0));
    let plan = trimtab_history_ops::plan(&seen, &policy, now).expect("a policy that holds");
    let going: HashSet<(Kind, &str)> = plan.steps.iter().map(|step| (step.action.object.kind, step.action.object.uid.as_str())).collect();
    assert_eq!(going.len(), plan.steps.len(), "an object goes twice");
    assert!(plan.steps.iter().all(|step| !step.action.object.name.is_empty() && !step.action.object.uid.is_empty()), "nobody goes");
    let (told, json) = (plan.to_string(), serde_json::to_string(&plan).expect("a plan is JSON"));
    assert!(!told.lines().any(|line| line.chars().any(char::is_control)), "a control character is printed");
    assert!(!json.contains(history::MARKER) && !told.contains(history::MARKER), "a value of a release is told");
    assert_eq!(serde_json::from_str::<PruningPlan>(&json).expect("a plan out of its JSON"), plan);
    drop(advice(&seen, &policy));
}

fn thread_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

type Make = fn(&mut Rng) -> Vec<u8>;
type Parse = fn(&[u8]);

/// What reads certificates and history, each with its damaged input. A fifth of the inputs goes to each, since they take longer; PKCS#12 belongs here too.
const READERS: [(&str, Make, Parse); 7] = [
    ("certificate", certificate_damaged, read_certificate),
    ("bundle", |rng| damaged(rng, seeds::bundles()), read_certificate),
    ("kubeconfig", |rng| damaged(rng, seeds::kubeconfigs()), read_kubeconfig),
    ("dump", |rng| damaged(rng, seeds::dumps()), |bytes| judge(&Inspection::of_dump("dump.json", bytes))),
    ("key", key_damaged, |bytes| drop(PrivateKey::from_pem(bytes))),
    ("history", history_damaged, plan_history),
    ("record", release_damaged, |bytes| drop(record::decode(bytes))),
];

const PARSERS: [(&str, Make, Parse); 6] = [
    (
        "quantity",
        |rng| bytes(rng, b"0123456789.+-eEinumkKMGTP ", 40),
        |bytes| {
            if let Ok(quantity) = Quantity::from_bytes(bytes) {
                // Whatever was read can be used, and comes back equal.
                let (mut sum, text) = (quantity.clone(), quantity.canonical());
                sum.add(&quantity);
                let _ = (sum.value(), sum.milli_value(), quantity.cmp(&sum), text);
            }
        },
    ),
    ("version", |rng| bytes(rng, b"v0123456789.+-gke", 24), |bytes| drop(String::from_utf8_lossy(bytes).parse::<KubeVersion>())),
    ("pod", |rng| mutated(rng, POD), |bytes| drop(Pod::from_json(&String::from_utf8_lossy(bytes)))),
    ("node", |rng| mutated(rng, NODE), |bytes| drop(Node::from_json(&String::from_utf8_lossy(bytes)))),
    ("linear", |rng| mutated(rng, LINEAR), |bytes| drop(LinearParams::parse(&String::from_utf8_lossy(bytes)))),
    ("ladder", |rng| mutated(rng, LADDER), |bytes| drop(LadderParams::parse(&String::from_utf8_lossy(bytes)))),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| arguments.iter().position(|argument| argument == name).and_then(|at| arguments.get(at + 1)?.parse::<u64>().ok());
    let (inputs, seed) = (value("--inputs").unwrap_or(1_000_000), value("--seed").unwrap_or(20_261_124));
    let fifth = inputs.div_ceil(5);
    let only = arguments.iter().position(|argument| argument == "--only").and_then(|at| arguments.get(at + 1));
    let wanted = |name: &str| only.is_none_or(|only| only == name);
    let readers = READERS.into_iter().filter(|(name, ..)| wanted(name)).map(|(name, make, parse)| soak(name, make, parse, fifth, seed, Some(LIMIT)));
    let parsers = PARSERS.into_iter().filter(|(name, ..)| wanted(name)).map(|(name, make, parse)| soak(name, make, parse, inputs, seed, None));
    let failed = readers.chain(parsers).filter(|good| !good).count();
    if failed == 0 && inputs > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn soak(name: &str, make: Make, parse: Parse, inputs: u64, seed: u64, limit: Option<Duration>) -> bool {
    let mut rng = Rng::new(seed);
    let (mut survived, mut slowest, mut all) = (0, Duration::ZERO, Duration::ZERO);
    for _ in 0..inputs {
        let bytes = make(&mut rng);
        let Some(mut took) = timed(parse, &bytes) else {
            eprintln!("  {name}: {:?}", String::from_utf8_lossy(&bytes));
            break;
        };
        // A virtual machine that is held up in the middle counts it as time of the thread: what is slow is slow again.
        if limit.is_some_and(|limit| took > limit / 2) {
            took = (0..5).filter_map(|_| timed(parse, &bytes)).fold(took, Duration::min);
        }
        if limit.is_some_and(|limit| took > limit) {
            eprintln!("  {name}: {took:?} for {:?}", String::from_utf8_lossy(&bytes));
            break;
        }
        (slowest, all) = (slowest.max(took), all + took);
        survived += 1;
    }
    let mean = all.as_micros() / u128::from(survived.max(1));
    println!("soak {name}: {survived} of {inputs} inputs without a panic, {mean} µs each, the slowest {} µs", slowest.as_micros());
    survived == inputs
}

/// How long it took in time of this thread; none after a panic.
fn timed(parse: Parse, bytes: &[u8]) -> Option<Duration> {
    let begun = thread_time();
    catch_unwind(AssertUnwindSafe(|| parse(bytes))).ok()?;
    Some(thread_time().saturating_sub(begun))
}
