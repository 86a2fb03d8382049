//! The keyspace report beside real servers: what it counts against what they count, what it forecasts against what they do.

use std::path::Path;

use etcd_client::{Client, CompactionOptions, DeleteOptions, GetOptions, PutOptions, Txn, TxnOp};
use trimtab_etcd_file::{Error, KeyspaceQuery, KeyspaceReport, live};
use trimtab_kit::etcd::{Cluster, Options, VERSIONS};
use trimtab_kit::fill;
use trimtab_kit::random::Rng;

const NAMESPACES: [&str; 4] = ["default", "kube-system", "team-a", "team-b"];

struct Bed {
    cluster: Cluster,
    client: Client,
    folder: tempfile::TempDir,
    snapshots: usize,
}

impl Bed {
    async fn start(version: &'static str) -> Self {
        let cluster = Cluster::start(&Options::new(version, 1));
        let client = fill::client(&cluster, &cluster.endpoints()[0], None).await;
        Self { cluster, client, folder: tempfile::tempdir().unwrap(), snapshots: 0 }
    }

    fn version(&self) -> &'static str {
        self.cluster.options.version
    }

    fn snapshot(&mut self) -> std::path::PathBuf {
        self.snapshots += 1;
        let path = self.folder.path().join(format!("{}.db", self.snapshots));
        let saved = self.cluster.etcdctl_at(&self.cluster.endpoints()[0], &["snapshot", "save", &path.to_string_lossy()]);
        assert!(saved.status.success(), "{}", String::from_utf8_lossy(&saved.stderr));
        path
    }

    fn report(&mut self, query: &KeyspaceQuery) -> KeyspaceReport {
        let path = self.snapshot();
        self.report_on(&path, query).unwrap()
    }

    fn report_on(&self, path: &Path, query: &KeyspaceQuery) -> Result<KeyspaceReport, Error> {
        live::open(path)?.keyspace(&query.clone().with_etcd(self.version().parse()?))
    }

    async fn put_all(&mut self, puts: Vec<(String, Vec<u8>)>) {
        for some in puts.chunks(100) {
            let puts: Vec<TxnOp> = some.iter().map(|(key, value)| TxnOp::put(key.as_str(), value.clone(), None)).collect();
            self.client.txn(Txn::new().and_then(puts)).await.unwrap();
        }
    }

    async fn put_leased(&mut self, key: &str, lease: i64) {
        self.client.put(key, b"k8s\0event".to_vec(), Some(PutOptions::new().with_lease(lease))).await.unwrap();
    }

    async fn delete(&mut self, prefix: &str) -> i64 {
        self.client.delete(prefix, Some(DeleteOptions::new().with_prefix())).await.unwrap().header().unwrap().revision()
    }

    async fn count(&mut self, prefix: &str) -> u64 {
        let options = GetOptions::new().with_prefix().with_count_only();
        u64::try_from(self.client.get(prefix, Some(options)).await.unwrap().count()).unwrap()
    }

    async fn compact(&mut self, revision: i64) {
        self.client.compact(revision, Some(CompactionOptions::new().with_physical())).await.unwrap();
    }

    /// Defragments, and returns the size of the database afterwards.
    async fn defragment(&mut self) -> u64 {
        self.client.maintenance_client().defragment().await.unwrap();
        u64::try_from(self.client.status().await.unwrap().db_size()).unwrap()
    }
}

/// As Kubernetes writes: objects with history, deletions, leased events, custom resources, and keys of other programs.
async fn fill(bed: &mut Bed, random: &mut Rng) {
    for round in 0..4_u8 {
        let mut puts = Vec::new();
        for number in 0..400 {
            let namespace = NAMESPACES[number % 4];
            let size = if number % 50 == 0 { 60_000 } else { random.index(6000) };
            let value = |first: &[u8]| [first, &vec![b'a' + round; size]].concat();
            puts.push((format!("/registry/pods/{namespace}/pod-{number}"), value(b"k8s\0")));
            if number < 40 || round == 0 {
                puts.push((format!("/registry/services/specs/{namespace}/s-{number}"), value(b"k8s:enc:aescbc:v1:key1:")));
                puts.push((format!("/registry/example.com/widgets/{namespace}/w-{number}"), value(b"{")));
            }
        }
        puts.push((String::from("compact_rev_key"), format!("{round}").into_bytes()));
        puts.push((format!("/registry/minions/node-{round}"), b"k8s\0node".to_vec()));
        bed.put_all(puts).await;
    }
    let leases = [bed.client.lease_grant(3600, None).await.unwrap().id(), bed.client.lease_grant(3600, None).await.unwrap().id()];
    for number in 0..50 {
        bed.put_leased(&format!("/registry/events/default/e-{number}"), leases[0]).await;
    }
    bed.put_leased("/registry/masterleases/10.0.0.1", leases[0]).await;
    bed.client.put("/calico/ipam/v2/host", "x", None).await.unwrap();
}

/// The report's live keys of each resource and namespace are what a Range counts.
async fn compare_counts(bed: &mut Bed, report: &KeyspaceReport) {
    let all = bed.count("").await;
    assert_eq!(report.total.live_keys, all);
    assert_eq!(bed.count("/registry/").await, report.prefixes.iter().find(|prefix| prefix.prefix == "/registry").unwrap().amounts.live_keys);
    for resource in report.resources.iter().filter(|resource| resource.prefix == "/registry") {
        let prefix = format!("/registry/{}/", resource.path);
        assert_eq!(bed.count(&prefix).await, resource.amounts.live_keys, "{prefix}");
        for namespace in &resource.namespaces {
            if let Some(name) = &namespace.namespace {
                assert_eq!(bed.count(&format!("{prefix}{name}/")).await, namespace.amounts.live_keys, "{prefix}{name}");
            }
        }
    }
    let leases = bed.client.leases().await.unwrap().leases().len() as u64;
    assert_eq!((report.leases.leases, report.leases.leases_without_keys, report.leases.orphaned_keys), (leases, 1, 0));
    assert_eq!(report.leases.attached_keys, 51);
    let resource = |name: &str| report.resources.iter().find(|resource| resource.name() == name).unwrap();
    assert_eq!(resource("services").encodings[0].encoding.to_string(), "aescbc v1, key key1");
    assert_eq!(resource("widgets.example.com").encodings[0].encoding.to_string(), "JSON");
    assert_eq!((resource("nodes").path.as_str(), resource("nodes").amounts.live_keys), ("minions", 4));
}

/// The bound that the doc of `Forecast` states.
fn assert_close(what: &str, forecast: u64, real: u64) {
    let apart = forecast.abs_diff(real);
    println!("{what}: forecast {forecast}, real {real}, {apart} apart ({} pages)", apart / 4096);
    assert!(apart <= (real / 100).max(32 * 1024), "{what}: forecast {forecast}, real {real}");
}

/// Compacts and defragments as forecast, and compares the rows exactly, the size closely.
async fn compare_forecast(bed: &mut Bed, what: &str, revision: Option<i64>) {
    let query = revision.map_or_else(KeyspaceQuery::new, |revision| KeyspaceQuery::new().with_compaction_at(revision));
    let before = bed.report(&query);
    bed.compact(before.forecast.compact_revision).await;
    let real = bed.defragment().await;
    let after = bed.report(&KeyspaceQuery::new());
    let version = bed.version();
    assert_eq!(before.total.rows() - after.total.rows(), before.forecast.removed_rows, "{version} {what}");
    let item_bytes = |report: &KeyspaceReport| report.buckets.iter().find(|bucket| bucket.name == "key").unwrap().item_bytes;
    assert_eq!(item_bytes(&before) - item_bytes(&after), before.forecast.removed_bytes, "{version} {what}");
    assert_eq!(before.total.compactable_rows, before.forecast.removed_rows);
    assert_close(&format!("{version} {what}"), before.forecast.compacted_and_defragmented_bytes, real);
}

#[tokio::test]
async fn counts_and_forecasts_are_what_servers_count_and_do() {
    for version in VERSIONS {
        let mut random = Rng::new(7);
        let mut bed = Bed::start(version).await;
        fill(&mut bed, &mut random).await;
        let gone = bed.delete("/registry/pods/team-b/").await;
        let report = bed.report(&KeyspaceQuery::new());
        compare_counts(&mut bed, &report).await;
        let alone = bed.defragment().await;
        assert_close(&format!("{version} defragmented alone"), report.forecast.defragmented_bytes, alone);

        // A hundred pods written again, so that the first compaction leaves history behind.
        bed.put_all((0..100).map(|number| (format!("/registry/pods/team-a/pod-{number}"), vec![b'z'; 3000])).collect()).await;
        compare_forecast(&mut bed, "compacted at a tombstone", Some(gone)).await;
        let path = bed.snapshot();
        let refused = bed.report_on(&path, &KeyspaceQuery::new().with_compaction_at(gone)).unwrap_err();
        assert_eq!(refused, Error::Compacted { revision: gone, compacted: gone });
        bed.delete("/registry/events/").await;
        compare_forecast(&mut bed, "compacted to the end", None).await;
    }
}

/// So many rows that a defragmentation takes several transactions (10,000 items each).
async fn compare_many(version: &'static str, keys: usize, smallest_bytes: usize) {
    let mut bed = Bed::start(version).await;
    for round in 0..2 {
        let key = |number| format!("/registry/leases/kube-node-lease/node-{number:06}");
        bed.put_all((0..keys).map(|number| (key(number), vec![b'x'; smallest_bytes + (number + round) % 150])).collect()).await;
    }
    let report = bed.report(&KeyspaceQuery::new());
    let alone = bed.defragment().await;
    assert_close(&format!("{version} {keys} keys, defragmented alone"), report.forecast.defragmented_bytes, alone);
    compare_forecast(&mut bed, &format!("{keys} keys"), None).await;
}

#[tokio::test]
async fn many_rows_are_forecast_as_well() {
    for version in VERSIONS {
        compare_many(version, 15_000, 150).await;
    }
    compare_many("3.6.16", 11_000, 4900).await;
}
