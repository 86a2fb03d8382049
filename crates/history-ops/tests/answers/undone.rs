//! What is made again after things that happened in between.

use serde_json::{Value, json};
use trimtab_history_ops::live::{Backups, Cluster, Journal};
use trimtab_history_ops::undo::UndoPlan;

use super::fake::{Fake, fresh, pace, place, run, status};

#[test]
fn what_the_server_refused_to_delete_is_not_made_again() {
    let fake = Fake::start(|method, path| {
        (method == "DELETE" && path == place("web", 1))
            .then(|| status(403, "admission webhook \"keep\" denied the request: the first cannot be deleted"))
    });
    fake.install("web", 4);
    let path = fresh("refused");
    run(async {
        let cluster = Cluster::connect(Some(&fake.kubeconfig()), None).await.unwrap();
        let report = cluster.apply(&fake.plan(2), &Journal::open(&path).unwrap(), &pace(), |_| ()).await;
        assert_eq!(report.acted(), 1, "{report}");
        fake.objects().remove(&place("web", 1));
        let backups = Backups::read(&path).unwrap();
        let plan = backups.plan();
        assert!(plan.to_string().contains("held back: Secret shop/sh.helm.release.v1.web.v1: the API server refused to delete it"), "{plan}");
        assert_eq!(cluster.undo(&plan, &backups, &pace(), |_| ()).await.acted(), 1);
    });
    assert!(!fake.objects().contains_key(&place("web", 1)) && fake.objects().contains_key(&place("web", 2)));
    std::fs::remove_file(path).unwrap();
}

#[test]
fn what_was_deleted_twice_comes_back_as_it_was_the_second_time() {
    let fake = Fake::start(|_, _| None);
    fake.install("web", 4);
    let path = fresh("twice");
    run(async {
        let cluster = Cluster::connect(Some(&fake.kubeconfig()), None).await.unwrap();
        for round in ["first", "second"] {
            for object in fake.objects().values_mut() {
                object["metadata"]["labels"]["round"] = json!(round);
            }
            let report = cluster.apply(&fake.plan(2), &Journal::open(&path).unwrap(), &pace(), |_| ()).await;
            assert_eq!(report.acted(), 2, "{report}");
            let backups = Backups::read(&path).unwrap();
            let report = cluster.undo(&backups.plan(), &backups, &pace(), |_| ()).await;
            assert_eq!(report.acted(), 2, "{report}");
            assert_eq!(fake.objects()[&place("web", 1)]["metadata"]["labels"]["round"], json!(round));
        }
        let backups = Backups::read(&path).unwrap();
        let runs: Vec<_> = backups.objects.iter().map(|backup| backup.run.unwrap()).collect();
        assert!(runs[0] == runs[1] && runs[1] < runs[2] && runs[2] == runs[3], "{runs:?}");
    });
    std::fs::remove_file(path).unwrap();
}

/// A plan and a journal are files, and a file can be edited.
#[test]
fn an_undo_makes_no_job_again_and_nothing_out_of_another_clusters_journal_whatever_its_plan_says() {
    let fake = Fake::start(|_, _| None);
    fake.install("web", 3);
    let path = fresh("edited");
    run(async {
        let cluster = Cluster::connect(Some(&fake.kubeconfig()), None).await.unwrap();
        assert_eq!(cluster.apply(&fake.plan(2), &Journal::open(&path).unwrap(), &pace(), |_| ()).await.acted(), 1);
        let backups = Backups::read(&path).unwrap();
        let plan = backups.plan();
        let undo = async |plan: &Value, backups: &Backups| {
            let plan: UndoPlan = serde_json::from_value(plan.clone()).unwrap();
            cluster.undo(&plan, backups, &pace(), |_| ()).await.to_string()
        };
        let whole = serde_json::to_value(&plan).unwrap();
        let mut job = whole.clone();
        job["steps"][0]["action"]["object"]["kind"] = json!("Job");
        assert!(undo(&job, &backups).await.contains("not made again: a Job that is made again runs again"));
        let mut bare = whole.clone();
        bare["steps"][0]["guards"] = json!([]);
        assert!(undo(&bare, &backups).await.contains("has no guard that names its cluster"));
        let others = fresh("others");
        std::fs::write(&others, std::fs::read_to_string(&path).unwrap().replace(r#"{"cluster":"c1"}"#, r#"{"cluster":"c2"}"#)).unwrap();
        assert!(undo(&whole, &Backups::read(&others).unwrap()).await.contains("the journal is of cluster c2"));
        std::fs::remove_file(others).unwrap();
        assert!(!fake.objects().contains_key(&place("web", 1)));
        assert_eq!(cluster.undo(&plan, &backups, &pace(), |_| ()).await.acted(), 1, "as it was made it goes");
    });
    std::fs::remove_file(path).unwrap();
}

#[test]
fn records_of_a_release_that_was_uninstalled_or_installed_anew_stay_away() {
    let fake = Fake::start(|_, _| None);
    fake.install("web", 5);
    let path = fresh("uninstalled");
    run(async {
        let cluster = Cluster::connect(Some(&fake.kubeconfig()), None).await.unwrap();
        assert_eq!(cluster.apply(&fake.plan(2), &Journal::open(&path).unwrap(), &pace(), |_| ()).await.acted(), 3);
        let backups = Backups::read(&path).unwrap();
        fake.objects().clear();
        let report = cluster.undo(&backups.plan(), &backups, &pace(), |_| ()).await;
        assert!(report.acted() == 0 && report.to_string().contains("the release is gone"), "{report}");
        fake.install("web", 1);
        let report = cluster.undo(&backups.plan(), &backups, &pace(), |_| ()).await;
        assert!(report.acted() == 0 && report.to_string().contains("its newest is revision 1"), "{report}");
    });
    assert_eq!(fake.objects().len(), 1);
    std::fs::remove_file(path).unwrap();
}
