//! Seeded garbage for every parser: `soak --inputs N [--seed S]`. A panic is a failure, and names its input; so is an input that takes longer than
//! a certificate may, in time of this thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use trimtab_certs::finding::{FindingPolicy, findings};
use trimtab_certs::inspect::Inspection;
use trimtab_certs::kubeadm::Pki;
use trimtab_certs::kubeadm::observe::{FileSeen, Files};
use trimtab_certs::kubeconfig::NewIdentity;
use trimtab_certs::{certificate, pem};
use trimtab_core::view::{Node, Pod};
use trimtab_core::{KubeVersion, Quantity};
use trimtab_kit::random::Rng;
use trimtab_kit::vectors;
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

const KUBECONFIG: &str = "apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: Q0E= # the first
    server: https://192.0.2.10:6443
  name: kubernetes
contexts: [{context: {cluster: kubernetes, user: admin}, name: admin@kubernetes}]
current-context: admin@kubernetes
users:
- name: admin
  user: {client-certificate-data: Q0VSVA==, client-key-data: S0VZ}
";
/// The longest that a certificate or a kubeconfig may take.
const LIMIT: Duration = Duration::from_millis(10);

/// The certificates that the vectors carry: of every kind of name, use and extension.
fn certificates() -> &'static [Vec<u8>] {
    static CERTIFICATES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    CERTIFICATES.get_or_init(|| {
        let file = vectors::directory().join("certs/kubeadm_renew_by_release.json");
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let text = text.replace("\\n", "\n");
        let found: Vec<Vec<u8>> = pem::blocks(text.as_bytes()).flatten().map(|block| block.contents).collect();
        // In JSON a certificate begins behind a quote, where no reader of PEM looks for it.
        let found = if found.is_empty() { in_json(&text) } else { found };
        assert!(found.len() > 10, "the vectors carry no certificates");
        found
    })
}

fn in_json(text: &str) -> Vec<Vec<u8>> {
    let text = text.replace("-----BEGIN", "\n-----BEGIN");
    pem::blocks(text.as_bytes()).flatten().map(|block| block.contents).collect()
}

/// A certificate with some bytes changed, dropped or doubled; as DER, or in PEM.
fn certificate_mutated(rng: &mut Rng) -> Vec<u8> {
    let all = certificates();
    let mut der = all[rng.index(all.len())].clone();
    for _ in 0..=rng.index(5) {
        let at = rng.index(der.len().max(1));
        match rng.below(5) {
            _ if der.len() < 2 => {}
            0 | 1 => der[at] = any(rng, 255),
            2 => drop(der.remove(at)),
            3 => der.insert(at, any(rng, 255)),
            _ => der.truncate(at.max(1)),
        }
    }
    if rng.percent(50) { pem::encode("CERTIFICATE", &der).into_bytes() } else { der }
}

/// Everything that reads a certificate.
fn read_certificate(bytes: &[u8]) {
    let now = jiff::Timestamp::UNIX_EPOCH;
    let inspection = Inspection::of_file("a.crt", bytes);
    let found = findings(&inspection, &FindingPolicy::default(), now);
    let told: Vec<String> = found.iter().map(ToString::to_string).collect();
    let json = serde_json::to_string(&inspection).unwrap_or_default();
    assert!(!json.is_empty() && told.iter().all(|line| !line.chars().any(char::is_control)), "a control character is printed");
    let path = "/etc/kubernetes/pki/ca.crt".to_owned();
    let _ = Pki::of_files(&Files::from([(path, FileSeen::Contents(bytes.to_vec()))]), "/etc/kubernetes/pki");
    let _ = certificate::certificates(bytes);
}

/// Everything that reads a kubeconfig.
fn read_kubeconfig(bytes: &[u8]) {
    let _ = Inspection::of_file("admin.conf", bytes);
    let _ = NewIdentity { user: "admin", certificate_pem: b"c", key_pem: b"k" }.put_into(bytes);
    let path = "/etc/kubernetes/admin.conf".to_owned();
    let _ = Pki::of_files(&Files::from([(path, FileSeen::Contents(bytes.to_vec()))]), "/etc/kubernetes/pki");
}

fn thread_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

type Parser = (&'static str, fn(&mut Rng) -> Vec<u8>, fn(&[u8]));

const PARSERS: [Parser; 8] = [
    ("certificate", certificate_mutated, read_certificate),
    ("kubeconfig", |rng| mutated(rng, KUBECONFIG), read_kubeconfig),
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
    let mut good = true;
    for (name, make, parse) in PARSERS {
        let mut rng = Rng::new(seed);
        let mut survived: u64 = 0;
        let (limit, mut slowest) = (matches!(name, "certificate" | "kubeconfig").then_some(LIMIT), Duration::ZERO);
        for _ in 0..inputs {
            let bytes = make(&mut rng);
            let begun = thread_time();
            if catch_unwind(AssertUnwindSafe(|| parse(&bytes))).is_err() {
                eprintln!("  {name}: {:?}", String::from_utf8_lossy(&bytes));
                break;
            }
            let took = thread_time().saturating_sub(begun);
            if limit.is_some_and(|limit| took > limit) {
                eprintln!("  {name}: {took:?} for {:?}", String::from_utf8_lossy(&bytes));
                break;
            }
            slowest = slowest.max(took);
            survived += 1;
        }
        println!("soak {name}: {survived} of {inputs} inputs without a panic, the slowest {} µs", slowest.as_micros());
        good &= survived == inputs && inputs > 0;
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
