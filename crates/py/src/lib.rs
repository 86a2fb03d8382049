//! The Python door: every module here converts arguments, asks the crate of the same name, and converts the answer back.
//!
//! It becomes `trimtab._core`, a flat module; `python/trimtab` sorts it into `trimtab.node`, `trimtab.sched`, `trimtab.net`,
//! `trimtab.etcd`, `trimtab.certs` and `trimtab.history`. A function is called as its Rust namesake; where that name says nothing without its module, the module comes
//! first: `oom::burstable` is `oom_burstable`, `rescue::plan` is `rescue_plan`.
#![allow(clippy::needless_pass_by_value, reason = "arguments come by value from PyO3")]
#![allow(clippy::wrong_self_convention, reason = "PyO3 hands out self by reference, also to `to_dict`")]
#![allow(clippy::trivially_copy_pass_by_ref, reason = "PyO3 hands out self by reference")]
#![allow(clippy::unnecessary_wraps, reason = "a method that may raise returns a result, whatever it does today")]
#![allow(
    clippy::doc_link_with_quotes,
    clippy::doc_markdown,
    reason = "these are Python's docstrings: a list of texts is no link, a URL stands as it is"
)]

mod certs;
mod certs_example;
mod certs_info;
mod certs_kubeadm;
mod certs_layout;
mod certs_node;
mod certs_nodes;
mod certs_plan;
mod certs_probe;
mod certs_renew;
mod convert;
mod data_class;
mod error;
mod etcd;
mod etcd_backup;
mod etcd_data;
mod etcd_file;
mod etcd_restore;
mod etcd_store;
mod history;
mod history_advice;
mod history_undo;
mod net;
mod node;
mod oom_kill;
mod plan_classes;
mod quantity;
mod sched;
mod version;
mod wait;
mod watch;

use pyo3::prelude::*;

#[pymodule]
mod _core {
    #[pymodule_export]
    const KUBEADM_OLD_AUTHORITY_NAME: &str = trimtab::certs::kubeadm::list::OLD_AUTHORITY_NAME;
    #[pymodule_export]
    use crate::{
        certs::{
            PyCertificate, PyFound, certificates, jittery_duration_ns, pair_file_name, renew_before, renewal_in_window, renewal_time,
            rotation_deadline_ns, rotation_window, satisfies_template,
        },
        certs_example::example_pair,
        certs_kubeadm::{
            human_duration, kubeadm_alt_names, kubeadm_alt_names_without_duplicates, kubeadm_check_expiration, kubeadm_command, kubeadm_config,
            kubeadm_config_load, kubeadm_init_forecast, kubeadm_init_phase_forecast, kubeadm_item, kubeadm_items, kubeadm_pki,
            kubeadm_renew_forecast, kubeadm_renewable, kubeadm_rules, kubeadm_spec, short_human_duration,
        },
        certs_layout::{layout, layout_files, layout_mismatches, pkcs12},
        certs_node::{PyBackup, PyNode, PyNodeSeen, PyRecovered, PyRequested, example_node},
        certs_nodes::{
            PyFinding, cluster_findings, copy_findings, file_findings, findings_textfile, kubelet_findings, node_findings, node_seen, served_finding,
            signing_request_findings,
        },
        certs_plan::{
            PyClusterPlan, PyNodePlan, PyRenewalEvent, PyRenewalHeld, PyRenewalNotice, PyRenewalPlan, PyRenewalReport, PyRenewalReported,
            PyRenewalStep, cluster_plan, renewal_plan,
        },
        certs_probe::{PyServed, PyServedBesideFile, probe},
        certs_renew::{PyPrivateKey, PyRenewed, accept, check_signature, renew, signing_request, verify_chain},
        etcd::{PyEtcd, example_healthy, example_out_of_space, rescue_plan},
        etcd_backup::{
            PyBackupFinding, PyCatalog, PyManifest, PyRetentionEvent, PyRetentionHeld, PyRetentionNotice, PyRetentionPlan, PyRetentionReport,
            PyRetentionReported, PyRetentionStep, PySaveEvent, PySaveHeld, PySaveNotice, PySavePlan, PySaveReport, PySaveReported, PySaveStep,
            PyVerification, example_catalog, example_manifest, retention_plan, save_plan,
        },
        etcd_data::{PyClusterSeen, PyEvent, PyHeld, PyMemberSeen, PyMemberStatus, PyNotice, PyPlan, PyReport, PyReported, PyStep},
        etcd_file::{PyHashKv, PyKeyspaceReport, PyStatus, PyVerified, example_snapshot, hash_kv, keyspace, verify},
        etcd_restore::{PyRestorePlan, PyRestoreSeen, PyRestored, restore_observe, restore_plan},
        etcd_store::PyStore,
        history::{
            PyCluster, PyHistorySeen, PyPruningEvent, PyPruningHeld, PyPruningNotice, PyPruningPlan, PyPruningReport, PyPruningReported,
            PyPruningStep, pruning_plan, read_dump,
        },
        history_advice::{PyAdvice, advice},
        history_undo::{PyUndoEvent, PyUndoHeld, PyUndoNotice, PyUndoPlan, PyUndoReport, PyUndoReported, PyUndoStep, undo_plan},
        net::{PyClusterSize, PyLadder, PyLadderParams, PyLinearParams, PyMode},
        node::{
            PyContainerOom, PyOomRules, compute_qos, default_manifest, oom_burstable, oom_score_adj, oom_score_adjs, oom_score_adjs_many, pod_qos,
            set_defaults,
        },
        oom_kill::{PyCandidate, PyOomDomain, PyVictim, kill_order, oom_badness, oom_score},
        quantity::PyQuantity,
        sched::{PyPercentage, PySampleRules, adaptive_percentage, next_start_node_index, num_feasible_nodes_to_find},
        version::PyKubeVersion,
    };
}
