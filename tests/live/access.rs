//! Every wrong way to reach a cluster gets an error that names the culprit; no secret stands in any of them.

mod scene;

use std::net::TcpListener;
use std::time::{Duration, Instant};

use scene::{etcd, observe, to_head};
use trimtab_etcd_ops::Error;
use trimtab_etcd_ops::live::{Access, Etcd};
use trimtab_etcd_ops::rescue;
use trimtab_kit::etcd::{Cluster, Options, VERSIONS};
use trimtab_kit::pki::Pki;
use trimtab_kit::{fill, wait, watch};

async fn refused(access: Access) -> Error {
    watch::this_test();
    let begun = Instant::now();
    let error = match Etcd::new(access) {
        Err(error) => error,
        Ok(mut etcd) => match etcd.observe(&mut |_| {}).await {
            Err(error) => error,
            Ok(seen) => match &seen.alarms {
                trimtab_etcd_ops::cluster::Alarms::Unknown { trouble } => trouble.clone(),
                trimtab_etcd_ops::cluster::Alarms::Listed { .. } => panic!("it was let in: {seen:?}"),
            },
        },
    };
    assert!(begun.elapsed() < Duration::from_secs(30), "it took {:?}: {error}", begun.elapsed());
    error
}

fn trusting(cluster: &Cluster, ca: &str) -> Access {
    Access::to(cluster.endpoints()).unwrap().with_ca_pem(ca).unwrap()
}

#[tokio::test]
async fn nobody_listens() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = refused(Access::to([format!("http://{free}")]).unwrap()).await;
    assert!(matches!(&error, Error::Unreachable { endpoint, .. } if endpoint.ends_with(&free.port().to_string())), "{error}");
}

#[tokio::test]
async fn a_hung_server_runs_into_the_deadline() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let error = refused(Access::to([endpoint]).unwrap().with_call_deadline(Duration::from_millis(500))).await;
    assert!(matches!(&error, Error::Deadline { call, after_ms: 500, .. } if call == "MemberList"), "{error}");
}

#[tokio::test]
async fn tls_faults_name_the_side_that_erred() {
    for version in VERSIONS {
        let pki = Pki::make();
        let other = Pki::make();
        let cluster = Cluster::start(&Options::new(version, 1).with_pki(pki.clone()));

        let wrong_ca = trusting(&cluster, &other.ca).with_client_pem(pki.client.certificate.clone(), pki.client.key.clone()).unwrap();
        let error = refused(wrong_ca).await;
        assert!(
            matches!(&error, Error::ServerCertificate { problem, .. } if problem.starts_with("invalid peer certificate: ")),
            "{version}: {error}"
        );

        let expired = trusting(&cluster, &pki.ca).with_client_pem(pki.expired_client.certificate.clone(), pki.expired_client.key.clone()).unwrap();
        let error = refused(expired).await;
        assert!(matches!(&error, Error::ClientCertificateExpired { not_after, .. } if not_after.contains("2021")), "{version}: {error}");

        let foreign = trusting(&cluster, &pki.ca).with_client_pem(other.client.certificate.clone(), other.client.key.clone()).unwrap();
        let error = refused(foreign).await;
        assert!(matches!(&error, Error::ClientCertificateRejected { .. }), "{version}: {error}");

        let error = refused(trusting(&cluster, &pki.ca)).await;
        assert!(matches!(&error, Error::ClientCertificateRejected { .. }), "{version}, none given: {error}");

        let swapped = trusting(&cluster, &pki.ca).with_client_pem(pki.client.certificate.clone(), pki.server.key.clone()).unwrap();
        let error = refused(swapped).await;
        assert!(matches!(&error, Error::InvalidCredentials { .. }), "{version}: {error}");

        let plain: Vec<String> = cluster.endpoints().iter().map(|endpoint| endpoint.replace("https", "http")).collect();
        let error = refused(Access::to(plain).unwrap()).await;
        assert!(matches!(&error, Error::Unreachable { .. } | Error::Server { .. }), "{version}, http to TLS: {error}");
    }
}

/// Turns authentication on, with a root and a user without rights.
fn enable_auth(cluster: &Cluster) {
    let endpoint = cluster.endpoints().remove(0);
    for arguments in [
        ["role", "add", "root"].as_slice(),
        &["user", "add", "root:s3cret-planted"],
        &["user", "grant-role", "root", "root"],
        &["user", "add", "guest:guest-planted"],
        &["auth", "enable"],
    ] {
        // A busy cluster may say "request timed out" of what it does all the same.
        let done_once = || {
            let done = cluster.etcdctl_at(&endpoint, arguments);
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            let done_before = said.contains("already exists") || said.contains("user name is empty");
            if done.status.success() || done_before { Ok(()) } else { Err(said) }
        };
        wait::until(&arguments.join(" "), wait::LONG, done_once).unwrap();
    }
}

#[tokio::test]
async fn with_tls_and_users_it_is_rescued_by_root_and_by_nobody_else() {
    for version in VERSIONS {
        let pki = Pki::make();
        let options = Options::new(version, 3).with_quota_bytes(scene::QUOTA_BYTES).with_pki(pki.clone());
        let cluster = Cluster::start(&options);
        enable_auth(&cluster);
        let access = || trusting(&cluster, &pki.ca).with_client_pem(pki.client.certificate.clone(), pki.client.key.clone()).unwrap();
        let mut client = fill::client(&cluster, &cluster.endpoints()[0], Some(("root", "s3cret-planted"))).await;
        let refusal = fill::until_refused(&mut client).await;
        assert!(refusal.contains(fill::OUT_OF_SPACE), "{refusal}");

        let error = refused(access().with_user("root", "wrong-planted")).await;
        assert!(matches!(&error, Error::LoginRefused { user, .. } if user == "root"), "{version}: {error}");
        assert!(!format!("{error} {error:?}").contains("planted"), "a password is shown: {error}");

        let mut etcd = Etcd::new(access().with_user("root", "s3cret-planted")).unwrap();
        assert!(!format!("{etcd:?}").contains("planted"), "{etcd:?}");
        let plan = rescue::plan(&observe(&mut etcd).await, &to_head()).unwrap();

        let mut guest = Etcd::new(access().with_user("guest", "guest-planted")).unwrap();
        let report = plan.apply(&mut guest, |_| {}).await;
        // etcd 3.4 lets anybody compact.
        let allowed = usize::from(version == "3.4.23");
        assert_eq!(report.acted(), allowed, "{version}: {report}");
        assert!(report.stopped_at().is_some(), "{version}: {report}");

        let report = plan.apply(&mut etcd, |_| {}).await;
        assert!(report.is_done(), "{version}: {plan}{report}");
        assert!(!serde_json::to_string(&(plan, report)).unwrap().contains("planted"));
        client.put("/registry/after", "rescue", None).await.unwrap();
    }
}

#[tokio::test]
async fn endpoints_of_two_clusters_are_told_apart() {
    let (one, two) = (Cluster::start(&Options::new(VERSIONS[2], 1)), Cluster::start(&Options::new(VERSIONS[3], 1)));
    let endpoints = [one.endpoints(), two.endpoints()].concat();
    let error = Etcd::new(Access::to(&endpoints).unwrap()).unwrap().observe(&mut |_| {}).await.unwrap_err();
    assert!(matches!(&error, Error::AnotherCluster { endpoint, .. } if *endpoint == endpoints[1]), "{error}");
}

#[tokio::test]
async fn a_plan_of_another_cluster_is_refused() {
    let (full, mut first) = scene::out_of_space(VERSIONS[2], 1).await;
    let (other, mut second) = scene::out_of_space(VERSIONS[2], 1).await;
    let plan = scene::plan_to_head(&mut first).await;
    let report = plan.apply(&mut second, |_| {}).await;
    assert_eq!(report.acted(), 0, "{report}");
    assert!(report.to_string().contains("refused: not true that it is cluster"), "{report}");
    drop((full, other, etcd));
}

/// A balancer on loopback: each new connection goes to the next member.
async fn balancer(cluster: &Cluster) -> String {
    let members: Vec<String> = cluster.endpoints().iter().map(|endpoint| endpoint.replace("http://", "")).collect();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        for member in members.iter().cycle() {
            let Ok((mut client, _)) = listener.accept().await else { return };
            let Ok(mut server) = tokio::net::TcpStream::connect(member).await else { return };
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
        }
    });
    endpoint
}

#[tokio::test]
async fn behind_a_balancer_each_member_is_still_defragmented_once_and_by_its_own_endpoint() {
    let (cluster, _) = scene::out_of_space(VERSIONS[1], 3).await;
    let balanced = balancer(&cluster).await;
    let mut etcd = Etcd::new(Access::to([&balanced]).unwrap()).unwrap();
    let plan = scene::plan_to_head(&mut etcd).await;
    let report = plan.apply(&mut etcd, |_| {}).await;
    assert!(report.is_done(), "{plan}{report}");
    scene::assert_rescued(&cluster, &mut etcd).await;
    for endpoint in cluster.endpoints() {
        assert_eq!(scene::defragmentations(&endpoint), 1, "{endpoint}");
    }
}
