//! Which code answers a topic. An oracle's answers are checked by the same functions as the vectors.

mod certs;
mod certs_kubeadm;
pub mod etcd;
mod history;
mod net;
mod node;
mod quantity;
mod sched;

use serde_json::Value;
use trimtab_core::{FeatureGates, KubeVersion};

use crate::vectors::Tally;

/// Checks one case: `Err` says what was wrong.
pub type Check = fn(input: &Value, expected: &Value) -> Result<(), String>;

/// The check of a topic, `None` where nobody knows it.
pub fn of(topic: &str) -> Option<Check> {
    Some(match topic {
        "node/qos" | "node/qos_by_release" => node::qos,
        "node/oom_score_adj" | "node/oom_score_adj_by_release" => node::oom_score_adj,
        "node/quantity" => quantity::quantity,
        "sched/executed_num_feasible_nodes" | "sched/num_feasible_nodes_by_release" | "sched/scheduler_num_feasible_nodes" => {
            sched::num_feasible_nodes
        }
        "net/cpa_linear" | "net/executed_cpa_linear" => net::linear,
        "net/cpa_ladder" => net::ladder,
        "certs/cert_rotation" => certs::rotation,
        "certs/rotation_deadline" => certs::deadline,
        "certs/certmanager_renewal_time" => certs::renewal_time,
        "certs/cryptography_vectors" => certs::cryptography,
        "certs/human_duration" => certs_kubeadm::spans,
        "certs/kubeadm_list" => certs_kubeadm::list,
        "certs/kubeadm_san" => certs_kubeadm::names,
        "certs/kubeadm_pki_by_release" => certs_kubeadm::pki,
        "certs/kubeadm_check_expiration_by_release" => certs_kubeadm::check,
        "certs/kubeadm_renew_by_release" => certs_kubeadm::renewal,
        "history/deployment_cleanup" => history::deployment_cleanup,
        "history/controllerrevision" => history::controller_revision,
        "history/cronjob" => history::cron_job,
        "history/job_ttl" => history::job_ttl,
        "history/podgc" => history::pod_gc,
        "history/helm" => history::helm,
        _ => return None,
    })
}

/// The release of a case; 1.36 where it names none.
fn version(input: &Value) -> Result<KubeVersion, String> {
    input["version"].as_str().unwrap_or("1.36").parse().map_err(|error| format!("{error}"))
}

/// The release with its gates as the case sets them.
fn gates(input: &Value) -> Result<FeatureGates, String> {
    let set = input["featureGates"].as_object().into_iter().flatten();
    let set = set.map(|(name, on)| on.as_bool().map(|on| (name.as_str(), on)).ok_or_else(|| format!("{name} is no boolean")));
    let set = set.collect::<Result<Vec<_>, _>>()?;
    FeatureGates::at(version(input)?).with_all(set).map_err(|error| error.to_string())
}

fn integer(input: &Value, field: &str) -> Result<i64, String> {
    input[field].as_i64().ok_or_else(|| format!("the input has no integer {field}"))
}

fn narrow<T: TryFrom<i64>>(input: &Value, field: &str) -> Result<T, String> {
    T::try_from(integer(input, field)?).map_err(|_| format!("{field} is out of range"))
}

fn equal(got: &Value, expected: &Value) -> Result<(), String> {
    if got == expected { Ok(()) } else { Err(format!("expected {expected}, got {got}")) }
}
