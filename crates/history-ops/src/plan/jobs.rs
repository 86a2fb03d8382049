//! Jobs: those of CronJobs, those with a time to live, and those of nobody.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::SignedDuration;

use crate::kind::cron_job::{self, CronJob, End, Job};
use crate::kind::job_ttl::TimeToLive;
use crate::object::OwnerKind;
use crate::policy::{Part, Retention};
use crate::pruning::{Reason, Why};

use super::draft::{Draft, Going, ended};
use super::retention::{self, Entry, Limit, Verdict};

pub(super) fn plan(draft: &mut Draft<'_>) {
    let seen = draft.seen;
    let index: HashMap<&str, usize> = seen.cron_jobs.iter().enumerate().map(|(index, one)| (one.meta.owner.uid.as_str(), index)).collect();
    let mut owned: Vec<Vec<&Job>> = vec![Vec::new(); seen.cron_jobs.len()];
    for job in draft.once(&seen.jobs, |job| &job.meta) {
        // Whose time is over goes by its own rule, whoever owns it; what is on its way out anyway takes no place in the limits either.
        if goes_by_time(draft, job) {
            continue;
        }
        let by = job.meta.controller.as_ref().filter(|controller| OwnerKind::CronJob.is_of(controller));
        match by.and_then(|controller| index.get(controller.uid.as_str())).and_then(|index| owned.get_mut(*index)) {
            Some(jobs) => jobs.push(job),
            None => of_nobody(draft, job),
        }
    }
    for (cron_job, jobs) in seen.cron_jobs.iter().zip(&owned).filter(|(_, jobs)| !jobs.is_empty()) {
        of_cron_job(draft, cron_job, jobs);
    }
}

fn goes_by_time(draft: &mut Draft<'_>, job: &Job) -> bool {
    let meta = &job.meta;
    if !draft.policy.wants(Part::JobTtl, &meta.object.namespace) {
        return false;
    }
    match job.time_to_live(draft.now) {
        TimeToLive::Until { expires, left } if left <= SignedDuration::ZERO && !meta.deleting && !meta.opted_out => {
            let why = Why::TimeToLiveOver { expired: expires };
            draft.delete(Going { part: Part::JobTtl, meta, owner: None, revision: None, why, guards: Vec::new() });
            true
        }
        TimeToLive::Until { .. } | TimeToLive::None | TimeToLive::NoFinishTime => false,
    }
}

fn of_cron_job(draft: &mut Draft<'_>, cron_job: &CronJob, jobs: &[&Job]) {
    if !draft.policy.wants(Part::CronJobs, &cron_job.meta.owner.namespace) {
        return;
    }
    let reason = if cron_job.meta.deleting {
        Some(Reason::OwnerDeleting { owner: Arc::clone(&cron_job.meta.owner) })
    } else {
        cron_job.meta.opted_out.then_some(Reason::OptedOut)
    };
    if let Some(reason) = reason {
        draft.keep_all(jobs.iter().map(|job| &job.meta), &reason);
        return;
    }
    for job in jobs.iter().filter(|job| job.finished.is_none()) {
        draft.keep(&job.meta.object, Reason::Unfinished);
    }
    let verdicts = [of_class(draft, cron_job, jobs, End::Complete), of_class(draft, cron_job, jobs, End::Failed)].concat();
    let stay = retention::stay(jobs.iter().map(|job| &job.meta), &verdicts);
    for (meta, verdict) in verdicts {
        match verdict {
            Ok(why) => {
                let guards = vec![stay.clone()];
                draft.delete(Going { part: Part::CronJobs, meta, owner: Some(&cron_job.meta.owner), revision: None, why, guards });
            }
            Err(reason) => draft.keep(&meta.object, reason),
        }
    }
}

/// Of the Jobs that ended so, which go.
fn of_class<'a>(draft: &mut Draft<'_>, cron_job: &CronJob, jobs: &[&'a Job], end: End) -> Vec<Verdict<'a>> {
    let mut ended_so: Vec<&Job> = jobs.iter().copied().filter(|job| job.finished.is_some_and(|finished| finished.how == end)).collect();
    cron_job::sort(&mut ended_so);
    let retention: Retention = draft.policy.jobs;
    let own = match end {
        End::Complete => cron_job.successful_jobs_history_limit,
        End::Failed => cron_job.failed_jobs_history_limit,
    };
    let limit = Limit::of(own, &retention);
    let limits = match end {
        End::Complete => (limit.as_i32(), None),
        End::Failed => (None, limit.as_i32()),
    };
    let over = cron_job::cleanup_finished_jobs(limits.0, limits.1, &ended_so);
    let over: HashSet<&str> = over.iter().map(|job| job.meta.object.uid.as_str()).collect();
    let newest = ended_so.last().map(|job| job.meta.object.uid.as_str()).filter(|_| end == End::Complete);
    let known_good = |job: &&'_ Job| newest == Some(job.meta.object.uid.as_str());
    let (going_already, free): (Vec<&Job>, Vec<&Job>) = ended_so.iter().partition(|job| job.meta.deleting);
    draft.keep_all(going_already.iter().map(|job| &job.meta), &Reason::Waiting);
    let entries: Vec<Entry<'_>> = free.iter().map(|job| Entry { meta: &job.meta, since: ended(job), known_good: known_good(job) }).collect();
    retention::judge(draft, &retention, limit, &entries, &over)
}

fn of_nobody(draft: &mut Draft<'_>, job: &Job) {
    let (meta, namespace) = (&job.meta, &job.meta.object.namespace);
    if !draft.policy.wants(Part::UnownedJobs, namespace) && !draft.policy.wants(Part::JobTtl, namespace) {
        return;
    }
    let age = draft.policy.unowned_jobs_older_than.filter(|_| draft.policy.wants(Part::UnownedJobs, namespace));
    let reason = match (job.finished, &meta.controller, job.time_to_live(draft.now)) {
        _ if meta.deleting => Reason::Waiting,
        _ if meta.opted_out => Reason::OptedOut,
        (None, _, _) => Reason::Unfinished,
        (_, _, TimeToLive::NoFinishTime) => Reason::NoFinishTime,
        (_, _, TimeToLive::Until { expires, .. }) => Reason::TimeToLive { expires },
        (_, Some(controller), _) if OwnerKind::CronJob.is_of(controller) => Reason::OwnerNotSeen { controller: controller.clone() },
        (_, Some(controller), _) => Reason::Foreign { controller: controller.clone() },
        (Some(_), None, TimeToLive::None) if draft.is_older(ended(job), age) => {
            let why = Why::TooOld { since: ended(job).unwrap_or(draft.now) };
            draft.delete(Going { part: Part::UnownedJobs, meta, owner: None, revision: None, why, guards: Vec::new() });
            return;
        }
        (Some(_), None, TimeToLive::None) => Reason::WithinLimit { limit: None },
    };
    draft.keep(&meta.object, reason);
}
