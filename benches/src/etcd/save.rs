//! A backup of a running cluster.

use std::error::Error;
use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};
use trimtab_etcd_ops::backup::save::{self, SavePolicy};
use trimtab_etcd_ops::live::{Access, Etcd};

/// Observed, planned and applied as a user would: received, verified, compared by `HashKV` with the member, flushed and named.
pub(crate) async fn save(endpoint: &str, directory: &Path) -> Result<Value, Box<dyn Error>> {
    let mut etcd = Etcd::new(Access::to([endpoint])?)?;
    let seen = etcd.observe(&mut |_| ()).await?;
    let plan = save::plan(&seen, &SavePolicy::to(directory), Timestamp::now())?;
    let report = plan.apply(&mut etcd, |_| ()).await;
    if report.is_done() && report.acted() == 1 { Ok(json!({"saved": true})) } else { Err(report.to_string().into()) }
}
