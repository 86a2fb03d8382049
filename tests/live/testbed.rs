//! The test bed itself: every server of it starts and does what the other tests lean on.

use std::path::Path;
use std::process::{Command, Output};

use etcd_client::GetOptions;
use object_store::path::Path as Key;
use object_store::{Error, ObjectStoreExt, PutPayload};
use serde_json::json;
use trimtab_kit::control_plane::{CONFIG_MAPS, ControlPlane, EVENTS, LEASES, Object, Resource, SECRETS};
use trimtab_kit::etcd::{self, BACKUP_VERSIONS, Cluster, Options, Reserved};
use trimtab_kit::fill;
use trimtab_kit::pki::Pki;
use trimtab_kit::s3::S3Server;

/// Upstream's own restore, for the member at this place.
fn restore(version: &str, snapshot: &Path, reserved: &Reserved, index: usize) {
    // etcdutl is there from 3.5 on; 3.4 restores with etcdctl.
    let tool = if version.starts_with("3.4.") { "etcdctl" } else { "etcdutl" };
    let mut command = Command::new(etcd::program(version, tool));
    command.env("ETCDCTL_API", "3").args(["snapshot", "restore"]).arg(snapshot);
    command.args(["--name", &reserved.member_names()[index], "--initial-cluster", &reserved.initial_cluster()]);
    command.args(["--initial-cluster-token", reserved.token(), "--initial-advertise-peer-urls", &reserved.peer_urls()[index]]);
    succeeded(command.arg("--data-dir").arg(&reserved.data_dirs()[index]).output().unwrap());
}

fn succeeded(output: Output) -> String {
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_reserved_cluster_starts_on_what_upstream_restored_for_it() {
    for version in BACKUP_VERSIONS {
        let source = Cluster::start(&Options::new(version, 1));
        let mut client = fill::client(&source, &source.endpoints()[0], None).await;
        client.put("/registry/configmaps/default/kept", version, None).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let snapshot = folder.path().join("snapshot.db");
        succeeded(source.etcdctl_at(&source.endpoints()[0], &["snapshot", "save", snapshot.to_str().unwrap()]));

        let reserved = Cluster::reserve(&Options::new(version, 3).with_token("restored"));
        assert_eq!(reserved.member_names(), ["m0", "m1", "m2"]);
        for index in 0..3 {
            restore(version, &snapshot, &reserved, index);
        }
        let data_dirs = reserved.data_dirs();
        let restored = reserved.start_on(data_dirs).unwrap();
        for endpoint in restored.endpoints() {
            let mut client = fill::client(&restored, &endpoint, None).await;
            let kept = client.get("/registry/configmaps/default/kept", None).await.unwrap();
            assert_eq!(kept.kvs()[0].value(), version.as_bytes(), "{version} at {endpoint}");
        }
    }
}

#[test]
fn a_reserved_cluster_says_why_it_does_not_start() {
    let reserved = Cluster::reserve(&Options::new("3.6.16", 1));
    let data_dirs = reserved.data_dirs();
    // A file where the database's folder has to be.
    std::fs::create_dir(&data_dirs[0]).unwrap();
    std::fs::write(data_dirs[0].join("member"), "no folder").unwrap();
    let why = reserved.start_on(data_dirs).unwrap_err();
    assert!(why.contains("not a directory"), "{why}");
}

#[test]
fn further_flags_win_and_data_directories_outlive_the_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let options = Options::new("3.7.3", 1).with_quota_bytes(1 << 30).with_args(&["--quota-backend-bytes=65536"]);
    let cluster = Cluster::start(&options.with_data_dirs(vec![data_dir.clone()]));
    let value = "x".repeat(100 * 1024);
    let refused = cluster.etcdctl_at(&cluster.endpoints()[0], &["put", "key", &value]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains(fill::OUT_OF_SPACE), "{refused:?}");
    drop(cluster);
    assert!(data_dir.join("member/snap/db").is_file());
}

#[tokio::test]
async fn a_learner_holds_what_the_others_hold() {
    for version in BACKUP_VERSIONS {
        let mut cluster = Cluster::start(&Options::new(version, 3));
        let mut client = fill::client(&cluster, &cluster.endpoints()[0], None).await;
        client.put("before", "the learner", None).await.unwrap();
        let index = cluster.add_learner();
        let learner = &cluster.endpoints()[index];
        let members = client.member_list().await.unwrap();
        assert_eq!(members.members().iter().filter(|member| member.is_learner()).count(), 1, "{version}");
        let mut client = fill::client(&cluster, learner, None).await;
        let held = client.get("before", Some(GetOptions::new().with_serializable())).await.unwrap();
        assert_eq!(held.kvs()[0].value(), b"the learner", "{version}");
    }
}

const WIDGETS: Resource = Resource::namespaced("trimtab.example/v1", "Widget", "widgets");

/// The value of a key, and the lease that it is bound to.
async fn stored(cluster: &Cluster, key: &str) -> (Vec<u8>, i64) {
    let mut client = fill::client(cluster, &cluster.endpoints()[0], None).await;
    let found = client.get(key, None).await.unwrap();
    let pair = found.kvs().first().unwrap_or_else(|| panic!("etcd has no {key}"));
    (pair.value().to_vec(), pair.lease())
}

#[tokio::test]
async fn what_the_api_server_creates_is_found_in_etcd() {
    let cluster = Cluster::start(&Options::new("3.6.16", 1));
    let api = ControlPlane::start(&cluster).await;
    api.create(&Object::namespace("shop")).await;
    let config_map = Object::config_map("shop", "settings", "first");
    let (secret, event) = (Object::secret("shop", "password", "pancake"), Object::event("shop", "cart.1", "Started"));
    api.create_all([config_map.clone(), secret, event, Object::lease("shop", "leader", "cart-0")]).await;
    api.define(&WIDGETS).await;
    let widget = Object::new(&WIDGETS, "shop", "one", json!({ "spec": { "size": 3 } }));
    api.create(&widget).await;

    // Kubernetes writes its own types as protobuf behind a magic, and those of a definition as JSON.
    for key in ["configmaps/shop/settings", "secrets/shop/password", "events/shop/cart.1", "leases/shop/leader"] {
        let (value, lease) = stored(&cluster, &format!("/registry/{key}")).await;
        assert!(value.starts_with(b"k8s\0"), "{key}");
        assert_eq!(lease != 0, key.starts_with("events/"), "{key}");
    }
    stored(&cluster, "/registry/apiextensions.k8s.io/customresourcedefinitions/widgets.trimtab.example").await;
    assert!(stored(&cluster, "/registry/trimtab.example/widgets/shop/one").await.0.starts_with(b"{"));

    for resource in [&SECRETS, &EVENTS, &WIDGETS] {
        assert_eq!(api.count(resource).await, 1, "{}", resource.kind);
    }
    // The API server has some of its own.
    assert!(api.count(&CONFIG_MAPS).await > 1 && api.count(&LEASES).await > 1);
    let resized = Object { fields: json!({ "spec": { "size": 4 } }), ..widget };
    api.update(&resized).await;
    assert_eq!(api.read(&resized).await["spec"]["size"], 4);
    api.delete(&config_map).await;
    assert!(!api.list(&CONFIG_MAPS).await.iter().any(|found| found["metadata"]["name"] == "settings"));
}

#[tokio::test]
async fn an_api_server_takes_further_flags_and_an_etcd_with_tls() {
    let cluster = Cluster::start(&Options::new("3.7.3", 3).with_pki(Pki::make()));
    let api = ControlPlane::start_with(&cluster, &["--storage-media-type=application/json"]).await;
    api.create(&Object::config_map("default", "settings", "first")).await;
    assert!(stored(&cluster, "/registry/configmaps/default/settings").await.0.starts_with(b"{"));
}

#[tokio::test]
async fn an_api_server_without_its_etcd_is_ended_all_the_same() {
    let mut cluster = Cluster::start(&Options::new("3.5.35", 1));
    let api = ControlPlane::start(&cluster).await;
    let address = api.url().strip_prefix("https://").unwrap().to_owned();
    cluster.kill(0);
    assert!(std::net::TcpStream::connect(&address).is_ok());
    drop(api);
    assert!(std::net::TcpStream::connect(&address).is_err());
}

#[tokio::test]
async fn an_s3_server_gives_back_what_it_took_until_it_is_made_to_refuse() {
    let mut server = S3Server::start();
    let (key, other) = (Key::from("etcd/first.db"), Key::from("etcd/second.db"));
    let put = async |server: &S3Server, secret: &str, key: &Key| server.store(secret).put(key, PutPayload::from_static(b"snapshot")).await;
    let secret = server.secret_key().to_owned();
    put(&server, &secret, &key).await.unwrap();
    let read = async |server: &S3Server| server.store(&secret).get(&key).await.unwrap().bytes().await.unwrap();
    assert_eq!(read(&server).await, "snapshot");
    std::fs::write(server.file("etcd/first.db"), "snapshOt").unwrap();
    assert_eq!(read(&server).await, "snapshOt");

    let refused = put(&server, &server.wrong_secret_key(), &other).await.unwrap_err();
    assert!(matches!(refused, Error::PermissionDenied { .. }), "{refused:?}");
    server.make_read_only();
    let refused = put(&server, &secret, &other).await.unwrap_err();
    assert!(matches!(refused, Error::PermissionDenied { .. }), "{refused:?}");
    assert_eq!(read(&server).await, "snapshOt");
    server.remove_bucket();
    let refused = put(&server, &secret, &other).await.unwrap_err();
    assert!(matches!(refused, Error::NotFound { .. }), "{refused:?}");
}
