//! Requests and limits of a container or a pod.

use serde_json::{Map, Value, json};

use super::Rng;

/// Amounts of CPU, a row holding spellings of one value. 999999999n is no 1 until the API rounds it to whole milli.
const CPU: &[&[&str]] = &[
    &["1", "1000m", "1.0", "1e0", "1000000u", "0.001k", "10e-1", "01"],
    &["2", "2000m", "2e0", "2.000"],
    &["500m", "0.5", ".5", "500e-3", "0.50"],
    &["250m", "0.25", "250000u"],
    &["100m", "0.1", "1e-1", "100E-3"],
    &["1m", "0.001", "1000u", "1000000n", "1e-3"],
    &["999999999n"],
    &["1n", "0.000000001"],
    &["1500m", "1.5"],
    &["64", "64000m", "0.064k"],
];

const MEMORY: &[&[&str]] = &[
    &["1Gi", "1024Mi", "1073741824", "1048576Ki", "1073741824000m", "1073741824.0"],
    &["2Gi", "2048Mi", "2147483648"],
    &["128Mi", "134217728", "131072Ki", "0.125Gi"],
    &["100M", "100e6", "0.1G", "100000k", "1e8"],
    &["1000", "1e3", "1k", "1E3", "1000.0"],
    &["1", "1000m", "1e0"],
    &["100m", "0.1", "1e-1"],
    &["1.5Gi", "1536Mi", "1610612736"],
    &["4Gi", "4294967296"],
    &["7", "7.0"],
    &["16Gi", "16384Mi"],
    &["1Ti", "1024Gi"],
];

/// Values that overflow `1000 * bytes`, int64 itself, or the fast form of a quantity.
const HUGE: &[&str] = &[
    "10P",
    "8Ei",
    "9Ei",
    "7Ei",
    "9223372036854775807",
    "9223372036854775808",
    "1e19",
    "100E",
    "9223372036854775",
    "9223372036854776",
    "18014398509481984",
];

const ZERO: &[&str] = &["0", "0m", "0Gi", "-0", "0.0", "0e3"];

const RANDOM_SUFFIX: &[&str] = &["", "m", "k", "Ki", "M", "Mi", "G", "Gi", "e3", "e-2"];

/// Names that count nowhere, or (huge pages) at the pod level only.
const EXTRA: &[&str] = &[
    "hugepages-2Mi",
    "hugepages-1Gi",
    "hugepages-",
    "ephemeral-storage",
    "example.com/gpu",
    "storage",
    "cpus",
    "requests.cpu",
    "Memory",
    "kubernetes.io/batch-cpu",
];

/// How a container's requests stand to its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// Nothing at all.
    Empty,
    /// CPU and memory with equal requests and limits, written in different ways; sometimes limits alone, which the API completes.
    Guaranteed,
    /// Each resource on its own: missing, on one side, equal, different, zero, negative, huge.
    Mixed,
}

/// The `resources` of a container.
pub(super) fn of_container(rng: &mut Rng, manner: Manner) -> Value {
    let mut sides = Sides::default();
    match manner {
        Manner::Empty => {}
        Manner::Guaranteed => sides.put_counted(rng, Sides::put_guaranteed),
        Manner::Mixed => sides.put_counted(rng, Sides::put_mixed),
    }
    if rng.percent(12) {
        sides.put_extra(rng);
    }
    sides.into_value(rng)
}

/// The `resources` of a pod: which keys are there decides whether they count, so each way to have none of them is a case of its own.
pub(super) fn of_pod(rng: &mut Rng) -> Value {
    let mut sides = Sides::default();
    match rng.below(12) {
        0 => return json!({}),
        1 => return json!({"requests": {}, "limits": {}}),
        2 => return json!({"claims": [{"name": "x"}]}),
        3 => sides.put_extra(rng),
        4 => sides.put_counted(rng, Sides::put_zero),
        5 => sides.put_counted(rng, Sides::put_guaranteed),
        6 => {
            sides.put_counted(rng, Sides::put_guaranteed);
            sides.requests.clear();
        }
        7 => {
            sides.put_counted(rng, Sides::put_guaranteed);
            std::mem::swap(&mut sides.requests, &mut sides.limits);
            sides.limits.clear();
        }
        _ => sides.put_counted(rng, Sides::put_mixed),
    }
    if rng.percent(20) {
        sides.put_extra(rng);
    }
    sides.into_value(rng)
}

/// Gives memory from one container's request to another's limit and back: the sums stay, the containers do not match any more.
pub(super) fn cross(one: &mut Value, other: &mut Value) {
    let (small, large) = ("1Gi", "2Gi");
    for (container, request, limit) in [(one, small, large), (other, large, small)] {
        *container = json!({"requests": {"cpu": "1", "memory": request}, "limits": {"cpu": "1", "memory": limit}});
    }
}

/// A list such as `status.allocatedResources`.
pub(super) fn list(rng: &mut Rng) -> Value {
    let mut list = Map::new();
    for (name, amounts) in COUNTED {
        if rng.percent(70) {
            list.insert((*name).to_owned(), amount(rng, amounts));
        }
    }
    Value::Object(list)
}

/// A memory quantity.
pub(super) fn memory(rng: &mut Rng) -> Value {
    amount(rng, MEMORY)
}

type Amounts = &'static [&'static [&'static str]];

const COUNTED: &[(&str, Amounts)] = &[("cpu", CPU), ("memory", MEMORY)];

#[derive(Debug, Default)]
struct Sides {
    requests: Map<String, Value>,
    limits: Map<String, Value>,
}

impl Sides {
    fn put_counted(&mut self, rng: &mut Rng, put: fn(&mut Self, &mut Rng, &str, Amounts)) {
        for (name, amounts) in COUNTED {
            put(self, rng, name, amounts);
        }
    }

    fn put_guaranteed(&mut self, rng: &mut Rng, name: &str, amounts: Amounts) {
        let (request, limit) = equal(rng, amounts);
        self.limit(rng, name, &limit);
        if rng.percent(70) {
            self.request(rng, name, &request);
        }
    }

    fn put_mixed(&mut self, rng: &mut Rng, name: &str, amounts: Amounts) {
        let ((request, twin), (limit, _)) = (equal(rng, amounts), equal(rng, amounts));
        match rng.below(12) {
            0 | 1 => {}
            2 | 3 => self.request(rng, name, &request),
            4 => self.limit(rng, name, &limit),
            5 | 6 => self.both(rng, name, (&request, &twin)),
            7 | 8 => self.both(rng, name, (&request, &limit)),
            9 => self.put_zero(rng, name, amounts),
            10 => {
                let huge = rng.pick(HUGE);
                self.one_or_both(rng, name, (huge, huge));
            }
            _ => self.one_or_both(rng, name, (&format!("-{request}"), &format!("-{twin}"))),
        }
    }

    /// A zero is as good as nothing in some rules, and a key in others.
    fn put_zero(&mut self, rng: &mut Rng, name: &str, _: Amounts) {
        let (request, limit) = (rng.pick(ZERO), rng.pick(ZERO));
        self.one_or_both(rng, name, (request, limit));
    }

    fn put_extra(&mut self, rng: &mut Rng) {
        for _ in 0..=rng.below(2) {
            let (name, amount) = (rng.pick(EXTRA), rng.pick(&["1", "2", "2Mi", "4Mi", "0.5", "0", "1Gi"]));
            self.one_or_both(rng, name, (amount, amount));
        }
    }

    fn one_or_both(&mut self, rng: &mut Rng, name: &str, (request, limit): (&str, &str)) {
        match rng.below(4) {
            0 => self.request(rng, name, request),
            1 => self.limit(rng, name, limit),
            _ => self.both(rng, name, (request, limit)),
        }
    }

    fn both(&mut self, rng: &mut Rng, name: &str, (request, limit): (&str, &str)) {
        self.request(rng, name, request);
        self.limit(rng, name, limit);
    }

    fn request(&mut self, rng: &mut Rng, name: &str, amount: &str) {
        self.requests.insert(name.to_owned(), written(rng, amount));
    }

    fn limit(&mut self, rng: &mut Rng, name: &str, amount: &str) {
        self.limits.insert(name.to_owned(), written(rng, amount));
    }

    /// An empty side is mostly left out.
    fn into_value(self, rng: &mut Rng) -> Value {
        let mut value = Map::new();
        for (key, side) in [("requests", self.requests), ("limits", self.limits)] {
            if !side.is_empty() || rng.percent(10) {
                value.insert(key.to_owned(), Value::Object(side));
            }
        }
        Value::Object(value)
    }
}

/// Two spellings of one value.
fn equal(rng: &mut Rng, amounts: Amounts) -> (String, String) {
    if rng.percent(25) {
        let same = format!("{}{}", rng.between(1, 99_999), rng.pick(RANDOM_SUFFIX));
        return (same.clone(), same);
    }
    // A few rows only, or two containers would hardly ever hold the same amounts.
    let row = if rng.percent(50) { amounts[0] } else { rng.pick(amounts) };
    (rng.pick(row).to_owned(), rng.pick(row).to_owned())
}

fn amount(rng: &mut Rng, amounts: Amounts) -> Value {
    match rng.below(10) {
        0 => written(rng, "0"),
        1 => written(rng, HUGE[0]),
        2 => written(rng, "-1Gi"),
        _ => {
            let (amount, _) = equal(rng, amounts);
            written(rng, &amount)
        }
    }
}

/// Mostly a string; sometimes what the API reads too: a bare number, blanks around it. (A tab would not do: upstream trims the text as it
/// stands in the JSON, where a tab is an escape.)
fn written(rng: &mut Rng, amount: &str) -> Value {
    match rng.below(100) {
        0..3 => amount.parse::<i64>().map_or_else(|_| json!(amount), |whole| json!(whole)),
        3 => json!(format!(" {amount}  ")),
        _ => json!(amount),
    }
}
