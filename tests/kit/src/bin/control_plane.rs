//! An API server on an etcd, for a program that is no test: prints the path of a kubeconfig, and ends when its standard input does.

use std::io::Read as _;

use trimtab_kit::control_plane::ControlPlane;
use trimtab_kit::etcd::{Cluster, Options};

/// 50,000 Secrets of some kilobytes, their history and what Kubernetes keeps beside them.
const QUOTA_BYTES: i64 = 4 << 30;

#[tokio::main]
async fn main() {
    let etcd = Cluster::start(&Options::new("3.6.16", 1).with_quota_bytes(QUOTA_BYTES));
    let plane = ControlPlane::start(&etcd).await;
    println!("{}", plane.kubeconfig().display());
    let mut rest = Vec::new();
    std::io::stdin().read_to_end(&mut rest).expect("a standard input");
}
