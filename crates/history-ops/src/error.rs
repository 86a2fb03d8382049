//! What can go wrong.

use serde::{Deserialize, Serialize};

/// Why nothing could be planned or done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "error")]
#[non_exhaustive]
pub enum Error {
    /// An age in the policy lies below zero.
    #[error("the policy's {path} is a negative age: give ages as durations from zero up")]
    NegativeAge {
        /// Which field.
        path: String,
    },
    /// A share in the policy is none.
    #[error("the policy's {path} is {percent} percent: give 0 to 100")]
    Percent {
        /// Which field.
        path: String,
        /// What it says.
        percent: u8,
    },
    /// A dump cannot be read as a whole.
    #[error("no JSON of `kubectl get … -o json`: line {line}, column {column}: {problem}")]
    NotADump {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What was expected; nothing of the content.
        problem: String,
    },
    /// A kubeconfig cannot be used.
    #[error("the kubeconfig {path} cannot be used: {problem}")]
    Kubeconfig {
        /// Where it is, or `in-cluster or default`.
        path: String,
        /// Why; nothing of its secrets.
        problem: String,
    },
    /// The API server does not answer.
    #[error("the API server does not answer: {problem}; look whether it runs, and whether the kubeconfig names it and its authority")]
    Unreachable {
        /// Why.
        problem: String,
    },
    /// The API server fails.
    #[error("the API server: {problem}")]
    Api {
        /// What it said.
        problem: String,
    },
    /// The journal cannot be used.
    #[error("the journal {path} cannot be used: {problem}")]
    Journal {
        /// Its file.
        path: String,
        /// Why.
        problem: String,
    },
    /// Another process works with the journal.
    #[error("the journal {path} is in use by another process: wait for it")]
    JournalBusy {
        /// Its file.
        path: String,
    },
    /// Others can read the journal, and it cannot be changed.
    #[error(
        "the journal {path} can be read by others, and is of another user or on a file system without modes: give another file, it will hold Secrets"
    )]
    JournalExposed {
        /// Its file.
        path: String,
    },
    /// The journal is of another cluster.
    #[error("the journal {path} is of the cluster {cluster}: give each cluster its own")]
    JournalOfAnother {
        /// Its file.
        path: String,
        /// The uid of its `kube-system`.
        cluster: String,
    },
}
