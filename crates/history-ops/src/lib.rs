//! Old ReplicaSets, ControllerRevisions, Jobs, Pods, Helm records and Events: which may go by their controllers' own rules, and why the rest stays.
//!
//! [`HistorySeen`] is what was read from a dump or a live cluster, [`plan()`] decides by a [`Policy`], and every step of the [`PruningPlan`] carries the
//! guards that are checked again right before it. [`kind`] holds the controllers' rules, release by release.
//!
//! ```
//! use trimtab_history_ops::{HistorySeen, Policy, plan};
//!
//! let seen = HistorySeen::of_dump(br#"{"kind": "List", "apiVersion": "v1", "items": []}"#)?;
//! let plan = plan(&seen, &Policy::new("1.34".parse()?), "2026-11-25T12:00:00Z".parse()?)?;
//! assert!(plan.is_empty());
//! println!("{plan}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Everything but `live` is a pure function of its arguments.

pub mod advice;
pub mod error;
pub mod kind;
#[cfg(feature = "live")]
pub mod live;
pub mod object;
pub mod plan;
pub mod policy;
pub mod pruning;
pub mod read;
pub mod record;
pub mod rows;
pub mod selector;
pub mod template;
pub mod undo;
pub mod uses;

pub use advice::advice;
pub use error::Error;
pub use plan::plan;
pub use policy::Policy;
pub use pruning::{Pruning, PruningPlan};
pub use rows::HistorySeen;
