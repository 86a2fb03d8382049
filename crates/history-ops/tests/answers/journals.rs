//! Files that are given as a journal.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use trimtab_history_ops::Error;
use trimtab_history_ops::live::{Backups, Cluster, Journal};

use super::fake::{Fake, fresh, pace, place, read, record, run};

#[test]
fn a_plan_that_is_given_as_a_journal_is_refused_and_left_as_it_is() {
    let fake = Fake::start(|_, _| None);
    fake.install("web", 4);
    let path = fresh("plan.json");
    let saved = serde_json::to_string(&fake.plan(2)).unwrap();
    std::fs::write(&path, &saved).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(Journal::open(&path), Err(Error::Journal { problem, .. }) if problem.contains("none of a journal")));
    assert_eq!((read(&path), std::fs::metadata(&path).unwrap().permissions().mode() & 0o777), (saved, 0o644));
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_journal_that_was_there_before_is_read_by_nobody_else() {
    let path = fresh("mode");
    std::fs::write(&path, "").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    drop(Journal::open(&path).unwrap());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::remove_file(path).unwrap();
}

#[test]
fn what_is_no_regular_file_is_no_journal() {
    assert!(matches!(Journal::open("/dev/null".as_ref()), Err(Error::Journal { problem, .. }) if problem.contains("no regular file")));
}

/// Zeros stand where the power failed before the file system had written.
#[test]
fn what_cannot_be_read_of_a_journal_is_counted_and_the_rest_is_made_again() {
    let fake = Fake::start(|_, _| None);
    let line = |version| {
        let (_, object) = record("web", version, "superseded");
        json!({"backup": {"uid": object["metadata"]["uid"], "object": object}})
    };
    let path = fresh("zeros");
    std::fs::write(&path, format!("{}\n{}\n\0\0\0\0\n{}\n", json!({"cluster": "c1"}), line(1), line(2))).unwrap();
    let newest = record("web", 3, "deployed");
    fake.objects().insert(newest.0, newest.1);
    let backups = Backups::read(&path).unwrap();
    let plan = backups.plan();
    assert!(plan.to_string().contains("notice: 1 of the journal's lines cannot be read"), "{plan}");
    let report = run(async { Cluster::connect(Some(&fake.kubeconfig()), None).await.unwrap().undo(&plan, &backups, &pace(), |_| ()).await });
    assert_eq!(report.acted(), 2, "{report}");
    let made = fake.objects()[&place("web", 1)].clone();
    assert_eq!(made["data"], record("web", 1, "superseded").1["data"]);
    std::fs::remove_file(path).unwrap();
}
