//! CronJobs and their finished Jobs: `cleanupFinishedJobs` of the CronJob controller.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::object::Meta;
use crate::rows::OwnerMeta;
use crate::uses::Use;

/// What a CronJob says about its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CronJob {
    /// Who it is.
    pub meta: OwnerMeta,
    /// `spec.successfulJobsHistoryLimit`; the API server makes 3 of none, so that a stored object has one.
    pub successful_jobs_history_limit: Option<i32>,
    /// `spec.failedJobsHistoryLimit`; the API server makes 1 of none.
    pub failed_jobs_history_limit: Option<i32>,
    /// Which ConfigMaps and Secrets its template uses.
    pub uses: Arc<[Use]>,
}

/// A Job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Who it is.
    pub meta: Meta,
    /// How it ended; none while it has not.
    pub finished: Option<Finished>,
    /// `status.startTime`.
    pub start_time: Option<Timestamp>,
    /// `spec.ttlSecondsAfterFinished`.
    pub ttl_seconds_after_finished: Option<i32>,
    /// Which ConfigMaps and Secrets its template uses.
    pub uses: Arc<[Use]>,
}

/// How a Job ended: its first condition that is `Complete` or `Failed` and true. `FailureTarget`, `SuccessCriteriaMet` and `Suspended` are no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finished {
    /// Well or not.
    pub how: End,
    /// The condition's `lastTransitionTime`.
    pub at: Option<Timestamp>,
}

/// Whether a Job did what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum End {
    /// It did.
    Complete,
    /// It did not.
    Failed,
}

/// Which Jobs of a CronJob its controller deletes: those that went well first, each class from the oldest start. One that never started counts as the
/// newest.
///
/// DIFFERENCE: which Jobs are a `CronJob`'s upstream tells by the name in the controller reference, and the plan by its uid too: Jobs of an earlier one of
/// the same name are left to the garbage collector.
/// Source: `cleanupFinishedJobs`, `removeOldestJobs`, `pkg/controller/cronjob/cronjob_controllerv2.go` v1.37.2; the same in the first controller since 1.12.
#[must_use]
pub fn cleanup_finished_jobs<'a>(successful_limit: Option<i32>, failed_limit: Option<i32>, jobs: &[&'a Job]) -> Vec<&'a Job> {
    let class = |end: End, limit: Option<i32>| limit.map(|limit| oldest(jobs, end, limit)).unwrap_or_default();
    [class(End::Complete, successful_limit), class(End::Failed, failed_limit)].concat()
}

fn oldest<'a>(jobs: &[&'a Job], end: End, limit: i32) -> Vec<&'a Job> {
    let mut ended: Vec<&Job> = jobs.iter().copied().filter(|job| job.finished.is_some_and(|finished| finished.how == end)).collect();
    let over = i64::try_from(ended.len()).unwrap_or(i64::MAX).saturating_sub(i64::from(limit));
    sort(&mut ended);
    // A negative limit, which the API refuses, is an index out of range upstream.
    ended.truncate(usize::try_from(over).unwrap_or(0));
    ended
}

/// Oldest first. Source: `byJobStartTime`, `pkg/controller/cronjob/utils.go` v1.37.2.
pub(crate) fn sort(jobs: &mut [&Job]) {
    let key = |job: &Job| (job.start_time.is_none(), job.start_time);
    jobs.sort_by(|one, other| key(one).cmp(&key(other)).then_with(|| one.meta.object.name.cmp(&other.meta.object.name)));
}
