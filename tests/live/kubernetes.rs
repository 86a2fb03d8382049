//! A backup of an etcd under a real kube-apiserver: read, explained, and restored under another one.

mod snapshots;

use serde_json::json;
use snapshots::{client_of, hash_kv, live_keys, revision, save, succeeded, tool};
use trimtab_etcd_file::restore::{InitialCluster, Restore, Source, restore_member};
use trimtab_etcd_file::{Encoding, KeyspaceQuery, Verify, live};
use trimtab_kit::control_plane::{CONFIG_MAPS, ControlPlane, EVENTS, LEASES, Object, Resource, SECRETS};
use trimtab_kit::etcd::{Cluster, Options};

const WIDGETS: Resource = Resource::namespaced("trimtab.example/v1", "Widget", "widgets");

async fn write_objects(plane: &ControlPlane) {
    plane.define(&WIDGETS).await;
    plane.create(&Object::namespace("shop")).await;
    for number in 0..20 {
        plane.create(&Object::config_map("shop", &format!("settings-{number}"), &"v".repeat(2000))).await;
        plane.create(&Object::event("shop", &format!("event-{number}"), "something happened")).await;
    }
    plane.create(&Object::secret("shop", "password", "a secret that no report shows")).await;
    plane.create(&Object::lease("shop", "leader", "pod-1")).await;
    plane.create(&Object::new(&WIDGETS, "shop", "one", json!({ "spec": { "size": 1 } }))).await;
    for round in 0..5 {
        plane.update(&Object::config_map("shop", "settings-0", &format!("round {round}"))).await;
    }
    for number in 10..20 {
        plane.delete(&Object::config_map("shop", &format!("settings-{number}"), "")).await;
    }
}

async fn a_backup_serves_another_api_server(version: &'static str) {
    let original = Cluster::start(&Options::new(version, 1));
    let folder = tempfile::tempdir().unwrap();
    let snapshot = {
        let plane = ControlPlane::start(&original).await;
        write_objects(&plane).await;
        save(&original, folder.path())
    };
    let file = live::open(&snapshot).unwrap();
    let verified = file.verify(&Verify::snapshot().with_etcd(version.parse().unwrap())).unwrap();
    assert_eq!(verified.irregularity, None);
    let said: serde_json::Value =
        serde_json::from_str(&succeeded(&tool(version).args(["snapshot", "status", "--write-out=json"]).arg(&snapshot).output().unwrap())).unwrap();
    let total_key = if version.starts_with("3.5") { verified.status.items } else { verified.status.total_key };
    assert_eq!(json!([verified.status.hash, verified.status.revision, total_key]), json!([said["hash"], said["revision"], said["totalKey"]]));
    let at = verified.status.current_revision;
    let hash = hash_kv(&original, 0, at).await;
    assert_eq!((verified.hash_kv.hash, verified.hash_kv.compact_revision), (hash.0, hash.1), "{version}");

    let report = file.keyspace(&KeyspaceQuery::new()).unwrap();
    assert!(!serde_json::to_string(&report).unwrap().contains("a secret that no report shows"));
    let live_of = |name: &str| {
        let resource = report.resources.iter().find(|resource| resource.resource == name).unwrap();
        resource.namespaces.iter().find(|namespace| namespace.namespace.as_deref() == Some("shop")).map_or(0, |shop| shop.amounts.live_keys)
    };
    assert_eq!(["events", "widgets", "secrets", "leases"].map(live_of), [20, 1, 1, 1]);
    let widgets = report.resources.iter().find(|resource| resource.resource == "widgets").unwrap();
    assert!(widgets.encodings.iter().any(|encoding| encoding.encoding == Encoding::Json), "{widgets:?}");

    let reserved = Cluster::reserve(&Options::new(version, 3).with_token("restored"));
    let restore = Restore::new(InitialCluster::parse(&reserved.initial_cluster(), reserved.token()).unwrap());
    let data_dirs = reserved.data_dirs();
    for (name, data_dir) in reserved.member_names().iter().zip(&data_dirs) {
        restore_member(&Source::Snapshot(snapshot.clone()), &restore, name, data_dir, &mut |_| ()).unwrap();
    }
    let restored = reserved.start_on(data_dirs).unwrap();
    for member in 0..3 {
        assert_eq!(hash_kv(&restored, member, at).await, hash, "{version}, member {member}");
    }
    let plane = ControlPlane::start(&restored).await;
    let shop = async |resource: &Resource| {
        let all = plane.list(resource).await;
        all.into_iter().filter(|object| object["metadata"]["namespace"] == "shop").collect::<Vec<_>>()
    };
    let config_maps = shop(&CONFIG_MAPS).await;
    // Ten of ours, and one that the API server's own controllers may add to each namespace.
    assert_eq!(config_maps.iter().filter(|map| map["metadata"]["name"].as_str().unwrap().starts_with("settings-")).count(), 10);
    assert_eq!((shop(&SECRETS).await.len(), shop(&EVENTS).await.len(), shop(&LEASES).await.len()), (1, 20, 1));
    assert_eq!(shop(&WIDGETS).await[0]["spec"]["size"], 1);
    let settings = plane.read(&Object::config_map("shop", "settings-0", "")).await;
    assert!(settings.to_string().contains("round 4"), "{settings}");
    plane.create(&Object::config_map("shop", "after", "the restore")).await;
    drop(plane);

    let now = revision(&restored, 0).await;
    let keys = live_keys(&restored, 0).await;
    assert!(keys.iter().any(|(key, _, _)| key == b"/registry/configmaps/shop/after"));
    for member in 1..3 {
        client_of(&restored, member).await.get("barrier", None).await.unwrap();
        assert_eq!(hash_kv(&restored, member, now).await, hash_kv(&restored, 0, now).await, "members agree");
    }
}

macro_rules! on_versions {
    ($($name:ident: $version:literal;)*) => {$(
        #[tokio::test]
        async fn $name() {
            a_backup_serves_another_api_server($version).await;
        }
    )*};
}

on_versions! {
    a_backup_of_3_5_serves_another_api_server: "3.5.35";
    a_backup_of_3_6_serves_another_api_server: "3.6.16";
    a_backup_of_3_7_serves_another_api_server: "3.7.3";
}
