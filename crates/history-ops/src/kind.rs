//! The controllers' own rules, one per file: which objects each would delete now, in its order. Pure functions over rows.

pub mod controller_revision;
pub mod cron_job;
pub mod deployment;
pub mod helm;
pub mod job_ttl;
pub mod pod_gc;
