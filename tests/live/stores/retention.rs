//! Retentions carried out on real stores, also ones that are ended in the middle or find something else than was listed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;
use trimtab_core::apply::Event;
use trimtab_core::plan::Outcome;
use trimtab_etcd_ops::Error;
use trimtab_etcd_ops::backup::catalog::Entry;
use trimtab_etcd_ops::backup::retention::{self, Reason, Refusal, RetentionPlan, RetentionPolicy};
use trimtab_etcd_ops::backup::{BackupName, Compression};
use trimtab_etcd_ops::live::Store;
use trimtab_kit::s3::S3Server;

use crate::shelf::{Shelf, hasty, names, settings, small, verified};

/// Six backups, one an hour, the oldest first.
async fn six(shelf: &Shelf) -> Vec<BackupName> {
    let mut names = Vec::new();
    for hours_ago in [6, 5, 4, 3, 2, 1] {
        let compression = if hours_ago % 2 == 0 { Compression::Zstd } else { Compression::None };
        names.push(shelf.put(&small(hours_ago).await, compression).await.unwrap().name());
    }
    names
}

fn policy() -> RetentionPolicy {
    RetentionPolicy { keep_last: 2, ..RetentionPolicy::keep_nothing() }
}

async fn plan(store: &Store) -> RetentionPlan {
    retention::plan(&store.list().await.unwrap(), &policy(), jiff::Timestamp::now()).unwrap()
}

#[tokio::test]
async fn what_the_plan_says_goes_and_the_rest_stays() {
    for mut shelf in Shelf::both() {
        let all = six(&shelf).await;
        std::fs::write(shelf.file("README"), "theirs").unwrap();
        let plan = plan(&shelf.store).await;
        assert_eq!(plan.steps.len(), 4, "{plan}");
        let report = plan.apply(&mut shelf.store, |_| ()).await;
        assert!(report.is_done() && report.acted() == 4, "{report}");
        assert_eq!(verified(&shelf.list().await), all[4..]);
        assert_eq!(shelf.names().len(), 5, "{:?}", shelf.names());

        let again = plan.apply(&mut shelf.store, |_| ()).await;
        assert!(again.is_done() && again.acted() == 0, "{again}");
        assert!(self::plan(&shelf.store).await.is_empty());
    }
}

#[tokio::test]
async fn a_backup_that_was_found_broken_takes_no_place() {
    for mut shelf in Shelf::both() {
        let all = six(&shelf).await;
        shelf.damage(&all[5]);
        let scratch = tempfile::tempdir().unwrap();
        let verification = shelf.store.verify(&all[5], scratch.path(), &mut |_| ()).await.unwrap();
        shelf.store.record(&all[5], &verification).await.unwrap();
        let plan = plan(&shelf.store).await;
        assert!(plan.apply(&mut shelf.store, |_| ()).await.is_done(), "{plan}");
        assert_eq!(verified(&shelf.list().await), all[3..5], "the last two that count");
        let held = plan.held.iter().find(|held| held.target == all[5].to_string()).unwrap();
        assert!(matches!(held.reason, Reason::Unverified { .. }), "{plan}");
        assert!(shelf.file(all[5]).exists());
    }
}

/// Applies the plan and drops it as soon as this many steps have ended.
async fn dropped_after(plan: &RetentionPlan, store: &mut Store, steps: usize) {
    let (ended, enough) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let observer = |event: Event<'_, _>| match event {
        Event::Ended { .. } if ended.fetch_add(1, Ordering::SeqCst) + 1 == steps => enough.notify_one(),
        Event::Ended { .. } | Event::Begun { .. } | Event::Progress { .. } => {}
    };
    tokio::select! {
        biased;
        () = enough.notified() => {}
        report = plan.apply(store, observer) => panic!("it was not ended: {report}"),
    }
}

#[tokio::test]
async fn ended_between_two_deletions_or_in_the_middle_of_one_both_ways_to_go_on_end_the_same() {
    for go_on_with_the_saved_plan in [true, false] {
        for mut shelf in Shelf::both() {
            let all = six(&shelf).await;
            let saved = plan(&shelf.store).await;
            dropped_after(&saved, &mut shelf.store, 2).await;
            // Ended once more, between a backup and its manifest.
            if shelf.file(all[3]).exists() {
                shelf.remove(all[3]).await;
            }
            assert!(verified(&shelf.list().await).ends_with(&all[4..]));
            let next = if go_on_with_the_saved_plan { saved } else { plan(&shelf.store).await };
            let report = next.apply(&mut shelf.store, |_| ()).await;
            assert!(report.is_done(), "{report}");
            assert_eq!(verified(&shelf.list().await), all[4..]);
            assert_eq!(shelf.names().len(), 4, "{:?}", shelf.names());
        }
    }
}

#[tokio::test]
async fn nothing_goes_once_the_newest_is_gone() {
    for mut shelf in Shelf::both() {
        let all = six(&shelf).await;
        let plan = plan(&shelf.store).await;
        shelf.remove(all[5]).await;
        let report = plan.apply(&mut shelf.store, |_| ()).await;
        let Some(Outcome::Refused { found, .. }) = report.stopped_at().map(|step| &step.outcome) else { panic!("{report}") };
        assert_eq!(*found, Refusal::Gone { name: all[5].to_string() }, "{report}");
        assert_eq!(report.acted(), 0);
        assert_eq!(verified(&shelf.list().await), all[..5]);
    }
}

#[tokio::test]
async fn nothing_goes_once_the_newest_was_found_broken() {
    for mut shelf in Shelf::both() {
        let all = six(&shelf).await;
        let plan = plan(&shelf.store).await;
        shelf.damage(&all[5]);
        let scratch = tempfile::tempdir().unwrap();
        let verification = shelf.store.verify(&all[5], scratch.path(), &mut |_| ()).await.unwrap();
        shelf.store.record(&all[5], &verification).await.unwrap();
        let report = plan.apply(&mut shelf.store, |_| ()).await;
        assert_eq!(report.acted(), 0, "{report}");
        assert_eq!(verified(&shelf.list().await), all[..5]);
    }
}

#[tokio::test]
async fn what_was_written_again_since_it_was_listed_stays() {
    for mut shelf in Shelf::both() {
        let all = six(&shelf).await;
        let plan = plan(&shelf.store).await;
        let saved = small(6).await;
        shelf.remove(all[0]).await;
        shelf.remove(all[0].manifest()).await;
        // Another object under the name of the oldest one.
        std::fs::copy(&saved.file, shelf.file(all[0])).unwrap();
        let report = plan.apply(&mut shelf.store, |_| ()).await;
        assert!(matches!(report.steps[0].outcome, Outcome::Refused { found: Refusal::Changed { .. }, .. }), "{report}");
        assert!(shelf.file(all[0]).exists() && report.acted() == 0, "{report}");
    }
}

#[tokio::test]
async fn a_plan_for_one_store_does_nothing_in_another() {
    let (shelf, mut other) = (Shelf::server(), Shelf::directory());
    six(&shelf).await;
    let report = plan(&shelf.store).await.apply(&mut other.store, |_| ()).await;
    assert!(matches!(report.steps[0].outcome, Outcome::Refused { found: Refusal::AnotherStore { .. }, .. }), "{report}");
}

#[tokio::test]
async fn a_plan_that_somebody_wrote_deletes_no_foreign_file() {
    let mut shelf = Shelf::directory();
    six(&shelf).await;
    let outside = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(shelf.file("README"), "theirs").unwrap();
    let plan = serde_json::to_string(&plan(&shelf.store).await).unwrap();
    let path = format!("../{}", outside.path().file_name().unwrap().to_str().unwrap());
    for name in ["README", &path] {
        let first = shelf.list().await.entries.iter().map(Entry::name).find(|name| name.starts_with("etcd-")).unwrap();
        let forged: RetentionPlan =
            serde_json::from_str(&plan.replacen(&format!("\"names\":[\"{first}\""), &format!("\"names\":[\"{name}\""), 1)).unwrap();
        assert_eq!(forged.steps[0].action.names()[0], name);
        let report = forged.apply(&mut shelf.store, |_| ()).await;
        assert!(matches!(report.steps[0].outcome, Outcome::Failed { .. }), "{report}");
    }
    assert!(shelf.file("README").exists() && outside.path().exists());
}

#[tokio::test]
async fn a_store_that_refuses_each_deletion_is_told_for_each() {
    let mut server = S3Server::start();
    let mut store = Store::s3(settings(&server)).unwrap();
    for hours_ago in [3, 2, 1] {
        let saved = small(hours_ago).await;
        store.put(&saved.file, &saved.manifest, &trimtab_etcd_ops::live::Put::default(), &mut |_| ()).await.unwrap();
    }
    let policy = RetentionPolicy { keep_last: 1, ..RetentionPolicy::keep_nothing() };
    let plan = retention::plan(&store.list().await.unwrap(), &policy, jiff::Timestamp::now()).unwrap();
    server.make_read_only();
    let before = names(&server.file(crate::shelf::PREFIX));
    let report = plan.apply(&mut store, |_| ()).await;
    for step in &report.steps {
        assert!(matches!(step.outcome, Outcome::Failed { failure: Error::StoreRefuses { .. } }), "{report}");
    }
    assert_eq!(names(&server.file(crate::shelf::PREFIX)), before);

    server.kill();
    let report = plan.apply(&mut hasty(&server), |_| ()).await;
    assert!(matches!(report.steps[1].outcome, Outcome::NotReached), "{report}");
}
