//! The API server's audit log: who deleted what, and on which conditions.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::ControlPlane;

/// A deletion as the audit log has it. Where its policy's level is below `Request`, what the request asked for is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    pub user: String,
    /// The plural: `secrets`.
    pub resource: String,
    pub namespace: String,
    /// Empty for a `deletecollection`.
    pub name: String,
    /// `preconditions.uid`.
    pub uid: Option<String>,
    /// `preconditions.resourceVersion`.
    pub resource_version: Option<String>,
    pub propagation_policy: Option<String>,
    /// Nothing was deleted: `dryRun=All`, in the query or in the body.
    pub dry_run: bool,
    /// The status that the API server answered with.
    pub code: i64,
}

impl ControlPlane {
    /// Every event of the audit log so far. An event is written when its request has been answered: a moment later than its client knows.
    pub fn audit_events(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(log(self.dir())).expect("an API server with an audit log");
        // What is being written has no line end yet.
        let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete);
        complete.lines().map(|line| serde_json::from_str(line).expect("the audit log is JSON")).collect()
    }

    /// Every deletion in it, in the order of the log.
    pub fn deletions(&self) -> Vec<Deletion> {
        self.audit_events().iter().filter_map(Deletion::read).collect()
    }
}

impl Deletion {
    fn read(event: &Value) -> Option<Self> {
        let verb = event["verb"].as_str()?;
        if verb != "delete" && verb != "deletecollection" {
            return None;
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (about, asked) = (&event["objectRef"], &event["requestObject"]);
        let wanted = |value: &Value| value.as_str().map(str::to_owned);
        let in_query = event["requestURI"].as_str().is_some_and(|uri| uri.contains("dryRun="));
        Some(Self {
            user: text(&event["user"]["username"]),
            resource: text(&about["resource"]),
            namespace: text(&about["namespace"]),
            name: text(&about["name"]),
            uid: wanted(&asked["preconditions"]["uid"]),
            resource_version: wanted(&asked["preconditions"]["resourceVersion"]),
            propagation_policy: wanted(&asked["propagationPolicy"]),
            dry_run: in_query || asked["dryRun"].is_array(),
            code: event["responseStatus"]["code"].as_i64().unwrap_or_default(),
        })
    }
}

pub(super) fn flags(dir: &Path, policy: &Value) -> [String; 2] {
    let file = dir.join("audit-policy.json");
    std::fs::write(&file, policy.to_string()).expect("our own folder can be written to");
    [format!("--audit-policy-file={}", file.display()), format!("--audit-log-path={}", log(dir).display())]
}

fn log(dir: &Path) -> PathBuf {
    dir.join("audit.log")
}
