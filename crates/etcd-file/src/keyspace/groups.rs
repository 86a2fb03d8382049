//! The resources and namespaces of the keys that were met, and what each pair of them holds.

use std::collections::{BTreeMap, HashMap};

use super::encoding::Encodings;
use super::lives::Life;
use super::registry_path::{Prefixes, RegistryPath, resource};
use super::report::{Amounts, EncodingReport, NamespaceReport, PrefixReport, ResourceReport};

/// Numbers for pairs of a resource and a namespace, so that a key keeps four bytes of where it belongs.
///
/// A cluster has a few hundred resources and a few thousand pairs. The bounds are for files in which names are random: what comes later
/// is added up under [`OTHERS`].
pub(crate) struct Groups {
    prefixes: Prefixes,
    resources: Vec<Resource>,
    by_path: HashMap<(Vec<u8>, Vec<u8>), u32>,
    pairs: Vec<Pair>,
    by_namespace: HashMap<(u32, Option<Vec<u8>>), u32>,
}

#[derive(Debug)]
struct Resource {
    prefix: Vec<u8>,
    path: Vec<u8>,
    /// Live keys and the bytes of their values, for each encoding's number.
    encodings: BTreeMap<u16, (u64, u64)>,
}

#[derive(Debug)]
struct Pair {
    resource: u32,
    namespace: Option<Vec<u8>>,
    amounts: Amounts,
}

/// Stands for the names beyond the bounds; Kubernetes allows no parentheses in any of its own.
pub(crate) const OTHERS: &str = "(others)";
const MOST_RESOURCES: usize = 4096;
const MOST_PAIRS: usize = 65_536;
/// Twice the longest name that Kubernetes allows.
const LONGEST: usize = 512;

impl Groups {
    pub(crate) fn new(prefixes: Prefixes) -> Self {
        Self { prefixes, resources: Vec::new(), by_path: HashMap::new(), pairs: Vec::new(), by_namespace: HashMap::new() }
    }

    /// The number of the pair that a key belongs to.
    pub(crate) fn pair_of(&mut self, key: &[u8]) -> u32 {
        let RegistryPath { prefix, path, namespace } = self.prefixes.split(key);
        let is_short = prefix.len() <= LONGEST && path.len() <= LONGEST;
        let resource = if is_short { self.resource_of(prefix, path) } else { self.new_resource(OTHERS.as_bytes(), b"") };
        let namespace = namespace.map(|namespace| if namespace.len() <= LONGEST { namespace } else { OTHERS.as_bytes() });
        self.pair(resource, namespace)
    }

    fn resource_of(&mut self, prefix: &[u8], path: &[u8]) -> u32 {
        match self.by_path.get(&(prefix.to_vec(), path.to_vec())) {
            Some(known) => *known,
            None if self.resources.len() < MOST_RESOURCES => self.new_resource(prefix, path),
            None => self.new_resource(OTHERS.as_bytes(), b""),
        }
    }

    fn new_resource(&mut self, prefix: &[u8], path: &[u8]) -> u32 {
        let next = u32::try_from(self.resources.len()).unwrap_or(u32::MAX);
        let number = *self.by_path.entry((prefix.to_vec(), path.to_vec())).or_insert(next);
        if number == next {
            self.resources.push(Resource { prefix: prefix.to_vec(), path: path.to_vec(), encodings: BTreeMap::new() });
        }
        number
    }

    fn pair(&mut self, resource: u32, namespace: Option<&[u8]>) -> u32 {
        let known = self.by_namespace.get(&(resource, namespace.map(<[u8]>::to_vec)));
        if let Some(known) = known {
            return *known;
        }
        let namespace = namespace.map(|namespace| if self.pairs.len() < MOST_PAIRS { namespace } else { OTHERS.as_bytes() });
        let next = u32::try_from(self.pairs.len()).unwrap_or(u32::MAX);
        let number = *self.by_namespace.entry((resource, namespace.map(<[u8]>::to_vec))).or_insert(next);
        if number == next {
            self.pairs.push(Pair { resource, namespace: namespace.map(<[u8]>::to_vec), amounts: Amounts::default() });
        }
        number
    }

    /// What a pair holds; none for a number that was never given.
    pub(crate) fn amounts(&mut self, pair: u32) -> Option<&mut Amounts> {
        self.pairs.get_mut(pair as usize).map(|pair| &mut pair.amounts)
    }

    /// Everything of the history so far can be compacted.
    pub(crate) fn set_compactable(&mut self) {
        for Pair { amounts, .. } in &mut self.pairs {
            amounts.compactable_rows = amounts.history_rows + amounts.tombstones;
            amounts.compactable_bytes = amounts.history_bytes + amounts.tombstone_bytes;
        }
    }

    /// Adds a key that is alive in the end.
    pub(crate) fn add_live(&mut self, life: &Life) {
        let Some(pair) = self.pairs.get_mut(life.pair as usize) else { return };
        pair.amounts.live_keys += 1;
        pair.amounts.live_bytes += u64::from(life.row_bytes);
        if let Some(resource) = self.resources.get_mut(pair.resource as usize) {
            let (keys, bytes) = resource.encodings.entry(life.encoding).or_default();
            *keys += 1;
            *bytes += u64::from(life.value_bytes);
        }
    }

    pub(crate) fn total(&self) -> Amounts {
        self.pairs.iter().fold(Amounts::default(), |sum, pair| sum + pair.amounts)
    }

    /// The most bytes first.
    pub(crate) fn resources(&self, encodings: &Encodings) -> Vec<ResourceReport> {
        let mut reports: Vec<ResourceReport> = self.resources.iter().map(|resource| resource.report(encodings)).collect();
        for pair in &self.pairs {
            if let Some(report) = reports.get_mut(pair.resource as usize) {
                report.amounts = report.amounts + pair.amounts;
                report.namespaces.push(NamespaceReport { namespace: pair.namespace.as_deref().map(text), amounts: pair.amounts });
            }
        }
        for report in &mut reports {
            sort_namespaces(&mut report.namespaces);
        }
        reports.sort_by(|a, b| b.amounts.bytes().cmp(&a.amounts.bytes()).then_with(|| (&a.prefix, &a.path).cmp(&(&b.prefix, &b.path))));
        reports
    }

    pub(crate) fn namespaces(&self) -> Vec<NamespaceReport> {
        let sums = self.sums(|pair| pair.namespace.as_deref());
        let mut reports: Vec<NamespaceReport> =
            sums.into_iter().map(|(namespace, amounts)| NamespaceReport { namespace: namespace.map(text), amounts }).collect();
        sort_namespaces(&mut reports);
        reports
    }

    pub(crate) fn prefixes(&self) -> Vec<PrefixReport> {
        let sums = self.sums(|pair| self.resources.get(pair.resource as usize).map_or(&b""[..], |resource| &resource.prefix));
        let mut reports: Vec<PrefixReport> = sums.into_iter().map(|(prefix, amounts)| PrefixReport { prefix: text(prefix), amounts }).collect();
        reports.sort_by(|a, b| b.amounts.bytes().cmp(&a.amounts.bytes()).then_with(|| a.prefix.cmp(&b.prefix)));
        reports
    }

    fn sums<'a, K: Ord>(&'a self, of: impl Fn(&'a Pair) -> K) -> BTreeMap<K, Amounts> {
        let mut sums = BTreeMap::new();
        for pair in &self.pairs {
            let sum: &mut Amounts = sums.entry(of(pair)).or_default();
            *sum = *sum + pair.amounts;
        }
        sums
    }
}

impl Resource {
    fn report(&self, encodings: &Encodings) -> ResourceReport {
        let path = text(&self.path);
        let (group, resource) = resource(&path);
        let (group, resource) = (group.map(str::to_owned), resource.to_owned());
        let report = |(number, (keys, value_bytes)): (&u16, &(u64, u64))| EncodingReport {
            encoding: encodings.encoding(*number),
            live_keys: *keys,
            value_bytes: *value_bytes,
        };
        let mut encodings: Vec<EncodingReport> = self.encodings.iter().map(report).collect();
        encodings.sort_by(|a, b| b.live_keys.cmp(&a.live_keys).then_with(|| a.encoding.cmp(&b.encoding)));
        let (amounts, namespaces) = (Amounts::default(), Vec::new());
        ResourceReport { prefix: text(&self.prefix), path, group, resource, amounts, encodings, namespaces }
    }
}

fn sort_namespaces(reports: &mut [NamespaceReport]) {
    reports.sort_by(|a, b| b.amounts.bytes().cmp(&a.amounts.bytes()).then_with(|| a.namespace.cmp(&b.namespace)));
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::registry_path::DEFAULT_PREFIXES;
    use super::*;

    #[test]
    fn random_names_are_added_up_once_there_are_too_many() {
        let mut groups = Groups::new(Prefixes::new(&DEFAULT_PREFIXES));
        for number in 0..MOST_RESOURCES + 10 {
            groups.pair_of(format!("/p{number}/a/b").as_bytes());
        }
        assert_eq!(groups.resources.len(), MOST_RESOURCES + 1);
        for number in 0..MOST_PAIRS {
            groups.pair_of(format!("/p1/{number}/b").as_bytes());
            groups.pair_of(format!("/registry/pods/{number}/b").as_bytes());
        }
        assert!(groups.pairs.len() <= MOST_PAIRS + MOST_RESOURCES + 2, "{}", groups.pairs.len());
        let long = "x".repeat(LONGEST + 1);
        let pair = groups.pair_of(format!("/{long}/a/b").as_bytes());
        assert_eq!(pair, groups.pair_of(format!("/y/{long}/b").as_bytes()));
    }

    #[test]
    fn a_pair_keeps_its_number() {
        let mut groups = Groups::new(Prefixes::new(&DEFAULT_PREFIXES));
        let keys = ["/registry/pods/a/1", "/registry/pods/b/1", "/registry/secrets/a/1", "/registry/nodes/1", "compact_rev_key"];
        let first: Vec<u32> = keys.iter().map(|key| groups.pair_of(key.as_bytes())).collect();
        assert_eq!(first, [0, 1, 2, 3, 4]);
        assert_eq!(keys.map(|key| groups.pair_of(key.as_bytes())), [0, 1, 2, 3, 4]);
    }
}
