//! Brings a cluster out of space the way Kubernetes does: the same objects, written again and again.

use std::time::Duration;

use etcd_client::{Client, ConnectOptions, Error, TlsOptions, Txn, TxnOp};

use crate::etcd::Cluster;

/// The refusal that ends a fill.
pub const OUT_OF_SPACE: &str = "mvcc: database space exceeded";

/// A client of one endpoint, with the credentials of the cluster.
pub async fn client(cluster: &Cluster, endpoint: &str, user: Option<(&str, &str)>) -> Client {
    let mut options = ConnectOptions::new().with_timeout(Duration::from_secs(60));
    if let Some((name, password)) = user {
        options = options.with_user(name, password);
    }
    if let Some(pki) = &cluster.options.pki {
        let tls = TlsOptions::new()
            .ca_certificate(etcd_client::Certificate::from_pem(&pki.ca))
            .identity(etcd_client::Identity::from_pem(&pki.client.certificate, &pki.client.key));
        options = options.with_tls(tls);
    }
    Client::connect([endpoint], Some(options)).await.expect("the cluster accepts a client")
}

/// Writes ten keys of 16 KiB together, again and again, until a write is refused, and returns the refusal. Bounded by 20,000 writes.
///
/// Values of 100 KiB would fill it sooner, but where each is committed by itself, as on a busy machine, every commit leaves pages free that
/// no such value fits into, and a full database is then a fifth empty.
pub async fn until_refused(client: &mut Client) -> String {
    let value = vec![b'x'; 16 * 1024];
    let put = |index| TxnOp::put(format!("/registry/configmaps/default/filler-{index}"), value.clone(), None);
    for _ in 0..20_000 {
        match client.txn(Txn::new().and_then((0..10).map(put).collect::<Vec<_>>())).await {
            Ok(_) => {}
            Err(Error::GRpcStatus(status)) => return status.message().to_owned(),
            Err(error) => panic!("a write failed for another reason: {error}"),
        }
    }
    panic!("no write was refused: is the quota small enough?");
}
