//! Seeded garbage for every parser: `soak --inputs N [--seed S]`. A panic is a failure, and names its input.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use trimtab_core::view::{Node, Pod};
use trimtab_core::{KubeVersion, Quantity};
use trimtab_kit::random::Rng;
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

type Parser = (&'static str, fn(&mut Rng) -> Vec<u8>, fn(&[u8]));

const PARSERS: [Parser; 6] = [
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
        for _ in 0..inputs {
            let bytes = make(&mut rng);
            if catch_unwind(AssertUnwindSafe(|| parse(&bytes))).is_err() {
                eprintln!("  {name}: {:?}", String::from_utf8_lossy(&bytes));
                break;
            }
            survived += 1;
        }
        println!("soak {name}: {survived} of {inputs} inputs without a panic");
        good &= survived == inputs && inputs > 0;
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
