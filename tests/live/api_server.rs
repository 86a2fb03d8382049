//! What pruning leans on in an API server: conditions on a deletion, dry runs, metadata alone, pages that expire, and who is refused.

use std::time::Instant;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Preconditions};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use trimtab_kit::control_plane::{Answer, CONFIG_MAPS, ControlPlane, Deletion, JOBS, Object, Options, PODS, SECRETS};
use trimtab_kit::etcd::{self, Cluster};
use trimtab_kit::wait;
use trimtab_kit::workloads::{NODE, job, until_finished, until_names_are};

const METADATA_LIST: (&str, &str) = ("accept", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1");

fn etcd() -> Cluster {
    Cluster::start(&etcd::Options::new("3.6.16", 1))
}

async fn delete(plane: &ControlPlane, object: &Object, query: &str, options: Value) -> Answer {
    plane.ask(Method::DELETE, &format!("{}{query}", object.path()), &[], Some(options)).await
}

#[tokio::test]
async fn a_dry_run_checks_the_preconditions_and_admission_and_deletes_nothing() {
    let cluster = etcd();
    let plane = ControlPlane::start_as(&cluster, &Options::new().with_audit_of_deletions()).await;
    plane.refuse_deletions_of("trimtab.example/kept").await;
    let free = plane.create(&Object::config_map("default", "free", "1")).await;
    let (uid, version) = (free["metadata"]["uid"].as_str().unwrap(), free["metadata"]["resourceVersion"].as_str().unwrap());
    let object = Object::config_map("default", "free", "1");
    let other = "00000000-0000-0000-0000-000000000000";
    for query in ["?dryRun=All", ""] {
        let asked = |preconditions: Value| delete(&plane, &object, query, json!({ "preconditions": preconditions }));
        let wrong = asked(json!({ "uid": other, "resourceVersion": version })).await;
        assert_eq!((wrong.status, wrong.body["reason"].as_str()), (409, Some("Conflict")));
        let wrong = asked(json!({ "uid": uid, "resourceVersion": "1" })).await;
        assert_eq!((wrong.status, wrong.body["reason"].as_str()), (409, Some("Conflict")));
    }
    let kept = Object::new(&CONFIG_MAPS, "default", "kept", json!({ "metadata": { "labels": { "trimtab.example/kept": "" } } }));
    plane.create(&kept).await;
    for query in ["?dryRun=All", ""] {
        let refused = delete(&plane, &kept, query, json!({})).await;
        assert_eq!((refused.status, refused.body["reason"].as_str()), (422, Some("Invalid")));
    }
    let right = json!({ "uid": uid, "resourceVersion": version });
    let dry = delete(&plane, &object, "", json!({ "dryRun": ["All"], "preconditions": right })).await;
    assert_eq!(dry.status, 200);
    assert_eq!(plane.read(&object).await["metadata"]["resourceVersion"], version);
    let done = delete(&plane, &object, "", json!({ "preconditions": right, "propagationPolicy": "Background" })).await;
    assert_eq!(done.status, 200);
    let gone = delete(&plane, &object, "", json!({ "preconditions": right })).await;
    assert_eq!(gone.status, 404);

    let of_free = || plane.deletions().into_iter().filter(|deletion| deletion.name == "free").collect::<Vec<_>>();
    let seven = async || if of_free().len() == 7 { Ok(of_free()) } else { Err(format!("{:?}", of_free())) };
    let deletions = wait::until_async("the audit log", wait::LONG, seven).await.unwrap();
    assert_eq!(
        deletions.iter().map(|deletion| (deletion.code, deletion.dry_run)).collect::<Vec<_>>(),
        [(409, true), (409, true), (409, false), (409, false), (200, true), (200, false), (404, false),]
    );
    let wanted = Deletion {
        user: "kubernetes-super-admin".into(),
        resource: "configmaps".into(),
        namespace: "default".into(),
        name: "free".into(),
        uid: Some(uid.to_owned()),
        resource_version: Some(version.to_owned()),
        propagation_policy: Some("Background".into()),
        dry_run: false,
        code: 200,
    };
    assert_eq!(deletions[5], wanted);
}

#[tokio::test]
async fn a_job_that_is_deleted_without_a_propagation_policy_leaves_its_pods() {
    let cluster = etcd();
    let plane = ControlPlane::start_as(&cluster, &Options::new().with_controllers(&[]).with_nodes(&[NODE])).await;
    plane.create_namespace("shop").await;
    let (orphaning, background) = (job("shop", "orphaning", "Succeeded", &Value::Null), job("shop", "background", "Succeeded", &Value::Null));
    plane.create_all([orphaning.clone(), background.clone()]).await;
    for job in [&orphaning, &background] {
        until_finished(&plane, job).await;
    }
    let answer = plane.ask(Method::DELETE, &orphaning.path(), &[], None).await;
    assert_eq!(answer.status, 200);
    assert!(answer.warning.is_some_and(|warning| warning.contains("child pods are preserved by default")), "{:?}", answer.body);
    let answer = delete(&plane, &background, "", json!({ "propagationPolicy": "Background" })).await;
    assert_eq!((answer.status, answer.warning), (200, None));
    until_names_are(&plane, "shop", &JOBS, &[]).await;
    let left = async || match plane.list_in("shop", &PODS).await.as_slice() {
        [pod] if pod["metadata"]["ownerReferences"].is_null() => Ok(pod["metadata"]["name"].as_str().unwrap().to_owned()),
        pods => Err(format!("{} pods", pods.len())),
    };
    let left = wait::until_async("one pod without an owner", wait::LONG, left).await.unwrap();
    assert!(left.starts_with("orphaning-"), "{left}");
}

#[tokio::test]
async fn a_list_of_metadata_has_labels_and_no_data() {
    let cluster = etcd();
    let plane = ControlPlane::start(&cluster).await;
    let fields = json!({ "metadata": { "labels": { "owner": "helm" } }, "stringData": { "release": "pancake" }, "type": "helm.sh/release.v1" });
    plane.create(&Object::new(&SECRETS, "default", "record", fields)).await;
    let list = plane.ask(Method::GET, &format!("{}?labelSelector=owner%3Dhelm&limit=500", SECRETS.path("")), &[METADATA_LIST], None).await;
    assert_eq!(list.body["kind"], "PartialObjectMetadataList");
    let record = &list.body["items"][0];
    assert_eq!(record["metadata"]["labels"], json!({ "owner": "helm" }));
    assert_eq!(record.as_object().unwrap().keys().collect::<Vec<_>>(), ["apiVersion", "kind", "metadata"]);
    assert!(!list.body.to_string().contains("pancake") && !list.body.to_string().contains("cGFuY2FrZQ"));

    let more = |number| Object::new(&SECRETS, "default", &format!("record-{number}"), json!({ "metadata": { "labels": { "owner": "helm" } } }));
    let began = Instant::now();
    plane.create_many((0..600).map(more)).await;
    println!("600 Secrets were created in {:?}", began.elapsed());
    let api: Api<Secret> = Api::all(plane.client().await);
    let page = ListParams::default().labels("owner=helm").limit(500);
    let first = api.list_metadata(&page).await.unwrap();
    assert_eq!((first.items.len(), first.metadata.remaining_item_count), (500, None), "with a selector the API server does not count the rest");
    let second = api.list_metadata(&page.continue_token(&first.metadata.continue_.unwrap())).await.unwrap();
    assert_eq!((second.items.len(), second.metadata.continue_), (101, None));
}

/// Two of six objects, then a compaction, then what follows on the two.
async fn second_page_after_a_compaction(args: &[&str]) -> Answer {
    let cluster = etcd();
    let plane = ControlPlane::start_with(&cluster, args).await;
    plane.create_all((0..6).map(|number| Object::config_map("default", &format!("settings-{number}"), "1"))).await;
    let first = page(&plane, "").await;
    assert_eq!(names(&first), ["settings-0", "settings-1"]);
    plane.delete(&Object::config_map("default", "settings-2", "")).await;
    cluster.compact();
    let second = page(&plane, token(&first)).await;
    if second.status == 410 {
        let inconsistent = page(&plane, token(&second)).await;
        assert_eq!(names(&inconsistent), ["settings-3", "settings-4"], "from the same place on, as it is now");
        assert_eq!(names(&page(&plane, token(&inconsistent)).await), ["settings-5"]);
    }
    second
}

async fn page(plane: &ControlPlane, token: &str) -> Answer {
    plane.ask(Method::GET, &format!("{}?limit=2&continue={token}", CONFIG_MAPS.path("default")), &[METADATA_LIST], None).await
}

fn token(page: &Answer) -> &str {
    page.body["metadata"]["continue"].as_str().expect("a token to go on with")
}

fn names(page: &Answer) -> Vec<&str> {
    page.body["items"].as_array().expect("a list").iter().map(|item| item["metadata"]["name"].as_str().expect("a name")).collect()
}

#[tokio::test]
async fn pages_come_from_the_cache_after_a_compaction_and_expire_without_it() {
    let cached = second_page_after_a_compaction(&[]).await;
    assert_eq!((cached.status, names(&cached)), (200, vec!["settings-2", "settings-3"]), "from before the deletion");
    let expired = second_page_after_a_compaction(&["--feature-gates=ListFromCacheSnapshot=false"]).await;
    assert_eq!((expired.status, expired.body["reason"].as_str()), (410, Some("Expired")));
}

#[tokio::test]
async fn a_user_may_do_what_was_granted_and_no_more_at_a_time_than_its_share() {
    let cluster = etcd();
    let plane = ControlPlane::start(&cluster).await;
    plane.create(&Object::secret("default", "one", "1")).await;
    let user = plane.user("pruner");
    let mut config = user.config().await;
    config.default_retry = false;
    let api: Api<Secret> = Api::namespaced(kube::Client::try_from(config).unwrap(), "default");
    let refused = api.list(&ListParams::default()).await.unwrap_err();
    assert!(matches!(&refused, kube::Error::Api(status) if status.code == 403), "{refused:?}");
    plane.grant(&user, "default", &json!([{ "apiGroups": [""], "resources": ["secrets"], "verbs": ["list"] }])).await;
    let found = api.list(&ListParams::default()).await.unwrap();
    let preconditions = Preconditions { uid: found.items[0].metadata.uid.clone(), resource_version: None };
    let refused = api.delete("one", &DeleteParams::background().preconditions(preconditions)).await.unwrap_err();
    assert!(matches!(&refused, kube::Error::Api(status) if status.code == 403), "{refused:?}");

    plane.throttle(&user).await;
    let at_once = async || {
        let mut requests = JoinSet::new();
        for _ in 0..64 {
            let api = api.clone();
            requests.spawn(async move { api.list(&ListParams::default()).await.map(|_| ()) });
        }
        let answers = requests.join_all().await;
        let refused = answers.iter().filter(|answer| matches!(answer, Err(kube::Error::Api(status)) if status.code == 429)).count();
        assert!(refused < 64, "one is served");
        if refused > 0 { Ok(()) } else { Err(format!("{answers:?}")) }
    };
    wait::until_async("a request to be one too many", wait::LONG, at_once).await.unwrap();
}
