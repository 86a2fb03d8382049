//! Seeded garbage for every parser: `soak --inputs N [--seed S]`. A panic is a failure, and names its input; so is an input that takes longer than
//! a certificate may, in time of this thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use trimtab_certs::finding::{FindingPolicy, findings};
use trimtab_certs::inspect::Inspection;
use trimtab_certs::key::PrivateKey;
use trimtab_certs::kubeadm::Pki;
use trimtab_certs::kubeadm::observe::{FileSeen, Files};
use trimtab_certs::kubeconfig::NewIdentity;
use trimtab_certs::pem;
use trimtab_core::view::{Node, Pod};
use trimtab_core::{KubeVersion, Quantity};
use trimtab_kit::random::Rng;
use trimtab_kit::seeds;
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

/// The longest that anything with certificates in it may take, in time of this thread.
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

fn thread_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

type Make = fn(&mut Rng) -> Vec<u8>;
type Parse = fn(&[u8]);

/// What reads certificates, each with its damaged input. A fifth of the inputs goes to each, since they take longer; PKCS#12 belongs here too.
const READERS: [(&str, Make, Parse); 5] = [
    ("certificate", certificate_damaged, read_certificate),
    ("bundle", |rng| damaged(rng, seeds::bundles()), read_certificate),
    ("kubeconfig", |rng| damaged(rng, seeds::kubeconfigs()), read_kubeconfig),
    ("dump", |rng| damaged(rng, seeds::dumps()), |bytes| judge(&Inspection::of_dump("dump.json", bytes))),
    ("key", key_damaged, |bytes| drop(PrivateKey::from_pem(bytes))),
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
    let readers = READERS.into_iter().map(|(name, make, parse)| soak(name, make, parse, fifth, seed, Some(LIMIT)));
    let parsers = PARSERS.into_iter().map(|(name, make, parse)| soak(name, make, parse, inputs, seed, None));
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
