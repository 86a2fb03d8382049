//! Seeded garbage for every parser: `soak --inputs N [--seed S]`. A panic is a failure, and names its input.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use trimtab_core::view::{Node, Pod};
use trimtab_core::{KubeVersion, Quantity};
use trimtab_net_math::{LadderParams, LinearParams};

/// `SplitMix64`.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap_or(0)
    }

    /// Half of the time bytes of the alphabet, else any.
    fn bytes(&mut self, alphabet: &[u8], longest: usize) -> Vec<u8> {
        let near = !self.next().is_multiple_of(8);
        let length = self.below(longest + 1);
        (0..length).map(|_| if near { alphabet[self.below(alphabet.len())] } else { u8::try_from(self.next() & 255).unwrap_or(0) }).collect()
    }

    /// A good text with a few bytes changed, dropped or doubled.
    fn mutated(&mut self, good: &str) -> Vec<u8> {
        let mut bytes = good.as_bytes().to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(3) {
                0 if !bytes.is_empty() => bytes[at] = u8::try_from(self.next() & 127).unwrap_or(0),
                1 if !bytes.is_empty() => drop(bytes.remove(at)),
                _ => bytes.insert(at, b"{}[]\":,0-e.KMi"[self.below(14)]),
            }
        }
        bytes
    }
}

const POD: &str = r#"{"metadata":{"name":"a"},"spec":{"containers":[{"name":"c","resources":{"requests":{"cpu":"100m","memory":"1Gi"},"limits":{"cpu":1}}}],"initContainers":[{"name":"i","restartPolicy":"Always"}],"resources":{"limits":{"memory":"2Gi"}},"priority":2000000000},"status":{"qosClass":"Burstable"}}"#;
const NODE: &str = r#"{"metadata":{"name":"n"},"spec":{"unschedulable":true},"status":{"allocatable":{"cpu":"1930m"},"conditions":[{"type":"Ready","status":"True"}]}}"#;
const LINEAR: &str = r#"{"coresPerReplica":256,"nodesPerReplica":16,"min":1,"max":100,"preventSinglePointFailure":true}"#;
const LADDER: &str = r#"{"coresToReplicas":[[1,1],[64,3],[512,5]],"nodesToReplicas":[[1,1],[2,2]]}"#;

type Parser = (&'static str, fn(&mut Rng) -> Vec<u8>, fn(&[u8]));

const PARSERS: [Parser; 6] = [
    (
        "quantity",
        |rng| rng.bytes(b"0123456789.+-eEinumkKMGTP ", 40),
        |bytes| {
            if let Ok(quantity) = Quantity::from_bytes(bytes) {
                // Whatever was read can be used, and comes back equal.
                let (mut sum, text) = (quantity.clone(), quantity.canonical());
                sum.add(&quantity);
                let _ = (sum.value(), sum.milli_value(), quantity.cmp(&sum), text);
            }
        },
    ),
    ("version", |rng| rng.bytes(b"v0123456789.+-gke", 24), |bytes| drop(String::from_utf8_lossy(bytes).parse::<KubeVersion>())),
    ("pod", |rng| rng.mutated(POD), |bytes| drop(Pod::from_json(&String::from_utf8_lossy(bytes)))),
    ("node", |rng| rng.mutated(NODE), |bytes| drop(Node::from_json(&String::from_utf8_lossy(bytes)))),
    ("linear", |rng| rng.mutated(LINEAR), |bytes| drop(LinearParams::parse(&String::from_utf8_lossy(bytes)))),
    ("ladder", |rng| rng.mutated(LADDER), |bytes| drop(LadderParams::parse(&String::from_utf8_lossy(bytes)))),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| arguments.iter().position(|argument| argument == name).and_then(|at| arguments.get(at + 1)?.parse::<u64>().ok());
    let (inputs, seed) = (value("--inputs").unwrap_or(1_000_000), value("--seed").unwrap_or(20_261_124));
    let mut good = true;
    for (name, make, parse) in PARSERS {
        let mut rng = Rng(seed);
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
