//! The nouns of trimtab: Kubernetes versions, feature gates, quantities, views of objects, plans and their reports.
//!
//! ```
//! use trimtab_core::{FeatureGates, KubeVersion};
//!
//! let version: KubeVersion = "v1.34.2-gke.1".parse()?;
//! let gates = FeatureGates::at(version);
//! assert_eq!(gates.version().to_string(), "1.34.2");
//! # Ok::<(), trimtab_core::Error>(())
//! ```
//!
//! Every other crate of the house stands on this one. It lists no runtime, no network and no file system.

pub mod amount;
pub mod apply;
pub mod error;
pub mod gate;
pub mod plan;
pub mod quantity;
pub mod since;
pub mod version;
pub mod view;

pub use amount::{Bytes, MilliCpu};
pub use error::Error;
pub use gate::{FeatureGates, Gate};
pub use plan::{Held, Outcome, Plan, Report, Step};
pub use quantity::Quantity;
pub use since::{Row, Since};
pub use version::KubeVersion;
