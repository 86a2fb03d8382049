//! What can be wrong with a value that is given to this crate.

use trimtab_core::view::ViewError;

/// Any error of this crate; each says who erred and what to do.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A manifest has a field of the wrong type.
    #[error("the pod cannot be read: {0}")]
    Pod(#[from] ViewError),
    /// A node without memory, where the formula divides by it.
    #[error("a memory capacity of 0 bytes divides by zero in every kubelet; give the node's MemTotal in bytes")]
    ZeroMemoryCapacity,
    /// A pod has no container of that name.
    #[error("pod {pod} has no container {container:?}; it has {}", listed(known))]
    NoSuchContainer {
        /// The pod.
        pod: String,
        /// The name that was asked for.
        container: String,
        /// The names there are, in the order of the manifest.
        known: Vec<String>,
    },
    /// A pod without regular containers, which no API server admits and on which the kubelet's formula panics.
    #[error("pod {pod} has no regular container, so its share of memory is not defined; give the whole pod")]
    NoContainers {
        /// The pod.
        pod: String,
    },
    /// A score adjustment that no process can have.
    #[error("oom_score_adj {value} is outside of -1000 to 1000, and the kernel refuses to write it: no process runs with it")]
    OomScoreAdjOutOfRange {
        /// What was given.
        value: i64,
    },
    /// A memory domain without pages.
    #[error(
        "the memory that a kill is about is smaller than one page ({total_bytes} of {page_bytes} bytes); give bytes, and a page size of at least 1"
    )]
    NoPages {
        /// What was given, in bytes.
        total_bytes: u64,
        /// The size of a page, in bytes.
        page_bytes: u64,
    },
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
