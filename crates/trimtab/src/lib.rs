//! The numbers that a Kubernetes cluster computes, and the maintenance that it needs: exactly as upstream, release by release.
//!
//! The nouns of every part stand here at the top: [`KubeVersion`], [`FeatureGates`], [`Quantity`], [`Bytes`], [`MilliCpu`], and
//! [`Plan`] with its [`Report`]. The parts are modules, one feature each:
//!
//! | module | feature | what it answers | what it costs |
//! |---|---|---|---|
//! | `node` | `node`, on by default | class of a pod, `oom_score_adj`, who is killed first | no dependency of its own |
//! | `sched` | `sched`, on by default | how many nodes the scheduler scores | no dependency of its own |
//! | `net` | `net`, on by default | how many DNS replicas are wanted | no dependency of its own |
//! | `etcd` | `etcd`, on by default | plans: the rescue of an etcd that is out of space, its backups, which of them to keep | jiff |
//! | `etcd_file` | `etcd`, on by default | a snapshot or a data directory's file: verify, status, `HashKV`, what fills it, restore | crc32c, sha1, sha2, hashbrown |
//! | `certs` | `certs` | what certificates say, when they are renewed, what kubeadm does with them | x509-parser, aws-lc-rs (a C compiler) |
//! | `certs::pkcs12` | `pkcs12` | PKCS#12 files beside PEM and DER | three small ciphers in Rust |
//! | `history` | `history` | plans: which old ReplicaSets, revisions, Jobs, Pods, records of Helm and Events may go | flate2 |
//! | `etcd::live` | `live` | the same on a real cluster and a real store: observe and apply | tokio, tonic, `object_store`, rustls; `protoc` to build |
//! | `etcd_file::live` | `live` | files by their path, a restored data directory | no dependency of its own |
//! | `certs::live` | `certs` and `live` | the certificates of a node: observe, apply, recover, roll back | no dependency of its own |
//! | `history::live` | `history` and `live` | the history of a real cluster: observe, and remove with preconditions and a journal | kube |
//!
//! Everything but `live` is pure: no clock, no network, no file.
//!
//! ```
//! # #[cfg(all(feature = "node", feature = "sched"))]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use trimtab::node::{defaults::PodForm, oom, qos};
//! use trimtab::sched::{PercentageOfNodesToScore, SampleRules, num_feasible_nodes_to_find};
//! use trimtab::view::Pod;
//! use trimtab::{Bytes, FeatureGates, KubeVersion};
//!
//! let version: KubeVersion = "v1.34.2-gke.1".parse()?;
//! let gates = FeatureGates::at(version);
//!
//! // As its author wrote it; the API server makes requests of the limits.
//! let manifest = Pod::from_json(r#"{"metadata": {"name": "web"}, "spec": {"containers": [
//!     {"name": "app", "resources": {"requests": {"cpu": "500m"}, "limits": {"memory": "4Gi"}}}
//! ]}}"#)?;
//! let pod = PodForm::Written.stored(&manifest, &gates);
//! assert_eq!(qos::pod_qos(&pod, &gates).as_str(), "Burstable");
//!
//! let node = oom::MemoryCapacity::from_bytes("16Gi".parse::<Bytes>()?.get());
//! assert_eq!(oom::oom_score_adj(&pod, "app", node, &gates)?, 750);
//!
//! let percentage = PercentageOfNodesToScore::global(0);
//! assert_eq!(num_feasible_nodes_to_find(5_000, percentage, &SampleRules::at(version)), 500);
//! # Ok(())
//! # }
//! # #[cfg(not(all(feature = "node", feature = "sched")))]
//! # fn main() {}
//! ```
//!
//! Which history of a dump may go by its controllers' own rules, and why the rest stays:
//!
//! ```
//! # #[cfg(feature = "history")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use trimtab::history::{HistorySeen, Policy, plan};
//!
//! // What `kubectl get namespaces,deployments,replicasets,jobs,… -A -o json` prints.
//! let seen = HistorySeen::of_dump(br#"{"items": [
//!     {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "kube-system", "uid": "c1"}},
//!     {"kind": "Job", "apiVersion": "batch/v1", "metadata": {"namespace": "shop", "name": "import", "uid": "j1", "resourceVersion": "7"},
//!      "spec": {"ttlSecondsAfterFinished": 60},
//!      "status": {"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": "2026-11-25T10:00:00Z"}]}},
//!     {"kind": "ReplicaSet", "apiVersion": "apps/v1", "metadata": {"namespace": "shop", "name": "by-hand", "uid": "r1", "resourceVersion": "9"},
//!      "spec": {"replicas": 0, "template": {}}}
//! ]}"#)?;
//! let plan = plan(&seen, &Policy::new("1.34".parse()?), "2026-11-25T11:00:00Z".parse()?)?;
//! assert_eq!(plan.steps[0].target, "Job shop/import");
//! assert_eq!(plan.steps[0].action.to_string(), "delete: its time to live was over at 2026-11-25T10:01:00Z");
//! assert_eq!(plan.held[0].to_string(), "held back: ReplicaSet shop/by-hand: nobody controls it: it may be adopted again");
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "history"))]
//! # fn main() {}
//! ```

pub use trimtab_core::{Bytes, Error, FeatureGates, Gate, Held, KubeVersion, MilliCpu, Outcome, Plan, Quantity, Report, Row, Since, Step};
pub use trimtab_core::{amount, apply, error, gate, plan, quantity, since, version, view};

#[cfg(feature = "certs")]
pub use trimtab_certs as certs;
#[cfg(feature = "etcd")]
pub use trimtab_etcd_file as etcd_file;
#[cfg(feature = "etcd")]
pub use trimtab_etcd_ops as etcd;
#[cfg(feature = "history")]
pub use trimtab_history_ops as history;
#[cfg(feature = "net")]
pub use trimtab_net_math as net;
#[cfg(feature = "node")]
pub use trimtab_node_math as node;
#[cfg(feature = "sched")]
pub use trimtab_sched_math as sched;
