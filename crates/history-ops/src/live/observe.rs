//! Looks at a cluster's history, page by page.

use trimtab_core::{KubeVersion, Row, Since};

use crate::error::Error;
use crate::policy::{Part, Policy};
use crate::read::ListMeta;
use crate::rows::{HistorySeen, Unread, UnreadProblem};

use super::Cluster;
use super::api::{METADATA, METADATA_LIST, Reply, WHOLE, collection, encoded};

/// Objects in a page, as kubectl and client-go have it.
const PAGE: usize = 500;
/// How often a list is begun anew whose token was too old and came without another one.
const RESTARTS: usize = 3;

/// One list.
#[derive(Clone, Copy)]
struct List {
    api_version: &'static str,
    plural: &'static str,
    kind: &'static str,
    selector: &'static str,
    /// Whether metadata is enough.
    metadata: bool,
}

const fn whole(api_version: &'static str, plural: &'static str, kind: &'static str) -> List {
    List { api_version, plural, kind, selector: "", metadata: false }
}

const REPLICA_SETS: List = whole("apps/v1", "replicasets", "ReplicaSet");
const DEPLOYMENTS: List = whole("apps/v1", "deployments", "Deployment");
const REVISIONS: List = whole("apps/v1", "controllerrevisions", "ControllerRevision");
const STATEFUL_SETS: List = whole("apps/v1", "statefulsets", "StatefulSet");
const DAEMON_SETS: List = whole("apps/v1", "daemonsets", "DaemonSet");
const JOBS: List = whole("batch/v1", "jobs", "Job");
const PODS: List = whole("v1", "pods", "Pod");
const HELM_SECRETS: List = List { api_version: "v1", plural: "secrets", kind: "Secret", selector: "owner=helm", metadata: true };
const HELM_MAPS: List = List { api_version: "v1", plural: "configmaps", kind: "ConfigMap", selector: "owner=helm", metadata: true };
const TILLER_MAPS: List = List { selector: "OWNER=TILLER", ..HELM_MAPS };
const TILLER_SECRETS: List = List { selector: "OWNER=TILLER", ..HELM_SECRETS };
// When it happened last stands outside of its metadata.
const EVENTS: List = whole("v1", "events", "Event");

static CRON_JOBS: Since<&str> =
    Since::new(&[Row::new(12, "batch/v1beta1", "pkg/apis/batch/v1beta1@v1.12"), Row::new(21, "batch/v1", "CHANGELOG-1.21: CronJob is batch/v1")]);

/// What is listed for a part: what is pruned before its owners, so that an owner that changes in between is seen changed.
fn lists(part: Part, version: KubeVersion) -> Vec<List> {
    let cron_jobs = whole(CRON_JOBS.at(version), "cronjobs", "CronJob");
    match part {
        Part::ReplicaSets => vec![REPLICA_SETS, DEPLOYMENTS],
        Part::ControllerRevisions => vec![REVISIONS, STATEFUL_SETS, DAEMON_SETS, PODS],
        Part::CronJobs | Part::JobTtl | Part::UnownedJobs => vec![JOBS, cron_jobs],
        Part::Pods => vec![PODS],
        Part::Helm => vec![HELM_SECRETS, HELM_MAPS, TILLER_MAPS, TILLER_SECRETS],
        Part::Events => vec![EVENTS],
    }
}

impl Cluster {
    /// Looks at what the policy's parts are made of, and at nothing else: only metadata where that is enough (Helm), in pages of 500, of which
    /// one is held at a time. `progress` is told of every page.
    ///
    /// What this user may not list stands in `unread`; so does nothing else of a cluster that answers.
    ///
    /// # Errors
    /// [`Error::Unreachable`] where the server does not answer, [`Error::Api`] where it fails.
    pub async fn observe(&self, policy: &Policy, mut progress: impl FnMut(String) + Send) -> Result<HistorySeen, Error> {
        let mut seen = HistorySeen { cluster: self.identity().await?.map(Into::into), ..HistorySeen::default() };
        let mut done = Vec::new();
        for list in policy.parts.iter().flat_map(|part| lists(*part, policy.version)) {
            let key = (list.plural, list.selector);
            if done.contains(&key) {
                continue;
            }
            done.push(key);
            match &policy.namespaces {
                None => self.list(list, None, &mut seen, &mut progress).await?,
                // The threshold counts the pods of the whole cluster.
                Some(_) if list.plural == "pods" && policy.parts.contains(&Part::Pods) => self.list(list, None, &mut seen, &mut progress).await?,
                Some(namespaces) => {
                    for namespace in namespaces {
                        self.list(list, Some(namespace), &mut seen, &mut progress).await?;
                    }
                }
            }
        }
        Ok(seen)
    }

    /// The uid of `kube-system`; none where this user may not read it.
    pub(super) async fn identity(&self) -> Result<Option<String>, Error> {
        match self.api.get("/api/v1/namespaces/kube-system", METADATA).await {
            Reply::Ok(text) => {
                Ok(serde_json::from_str::<serde_json::Value>(&text).ok().and_then(|object| object["metadata"]["uid"].as_str().map(str::to_owned)))
            }
            Reply::Forbidden | Reply::NotFound => Ok(None),
            other @ (Reply::Conflict | Reply::Expired(_) | Reply::Denied(_) | Reply::Failed(_) | Reply::NoAnswer(_)) => Err(unseen(other)),
        }
    }

    async fn list(
        &self,
        list: List,
        namespace: Option<&str>,
        seen: &mut HistorySeen,
        progress: &mut (impl FnMut(String) + Send),
    ) -> Result<(), Error> {
        let mut restarts = 0;
        loop {
            let mut found = HistorySeen::default();
            match self.pages(list, namespace, &mut found, progress).await? {
                Listed::All => {
                    seen.append(found);
                    return Ok(());
                }
                Listed::Forbidden => {
                    let place = namespace.map_or_else(|| list.plural.to_owned(), |namespace| format!("{} in namespace {namespace}", list.plural));
                    seen.unread.push(Unread { place, problem: UnreadProblem::Forbidden });
                    return Ok(());
                }
                Listed::Expired if restarts < RESTARTS => restarts += 1,
                Listed::Expired => return Err(Error::Api { problem: format!("its lists of {} expire before they are read", list.plural) }),
            }
        }
    }

    async fn pages(
        &self,
        list: List,
        namespace: Option<&str>,
        found: &mut HistorySeen,
        progress: &mut (impl FnMut(String) + Send),
    ) -> Result<Listed, Error> {
        let base = format!("{}?limit={PAGE}", collection(list.api_version, namespace, list.plural));
        let selector = if list.selector.is_empty() { String::new() } else { format!("&labelSelector={}", encoded(list.selector)) };
        let accept = if list.metadata { METADATA_LIST } else { WHOLE };
        let mut next: Option<String> = None;
        let mut page = 0;
        loop {
            let token = next.as_ref().map(|next| format!("&continue={}", encoded(next))).unwrap_or_default();
            let meta = match self.api.get(&format!("{base}{selector}{token}"), accept).await {
                Reply::Ok(text) => found.add_page_of(text.as_bytes(), list.kind, list.api_version)?,
                Reply::Forbidden => return Ok(Listed::Forbidden),
                // An API that this cluster does not have.
                Reply::NotFound => return Ok(Listed::All),
                // From here on the list is of a later moment. Nothing is decided by it that is not checked again before it is done.
                Reply::Expired(Some(token)) if page > 0 => {
                    found.of_two_moments.push(namespace.map_or_else(|| list.plural.to_owned(), |namespace| format!("{namespace}/{}", list.plural)));
                    ListMeta { next: Some(token), ..ListMeta::default() }
                }
                Reply::Expired(_) => return Ok(Listed::Expired),
                other @ (Reply::Conflict | Reply::Denied(_) | Reply::Failed(_) | Reply::NoAnswer(_)) => return Err(unseen(other)),
            };
            page += 1;
            progress(format!("{} page {page}", list.plural));
            match meta.next.filter(|token| !token.is_empty()) {
                Some(token) => next = Some(token),
                None => return Ok(Listed::All),
            }
        }
    }
}

enum Listed {
    All,
    Forbidden,
    Expired,
}

/// Why a look failed.
fn unseen(reply: Reply) -> Error {
    match reply {
        Reply::NoAnswer(problem) => Error::Unreachable { problem },
        other @ (Reply::Ok(_) | Reply::NotFound | Reply::Conflict | Reply::Forbidden | Reply::Expired(_) | Reply::Denied(_) | Reply::Failed(_)) => {
            failed(other)
        }
    }
}

pub(super) fn failed(reply: Reply) -> Error {
    let problem = match reply {
        Reply::Ok(_) => "it answered something unexpected".to_owned(),
        Reply::NotFound => "not found".to_owned(),
        Reply::Conflict => "conflict".to_owned(),
        Reply::Forbidden => "this user may not".to_owned(),
        Reply::Expired(_) => "the list expired".to_owned(),
        Reply::Denied(problem) | Reply::Failed(problem) | Reply::NoAnswer(problem) => problem,
    };
    Error::Api { problem }
}
