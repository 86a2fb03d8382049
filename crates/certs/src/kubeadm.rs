//! What kubeadm makes, shows and renews, release by release; a forecast, with nothing written.
//!
//! [`Pki`] is what was seen on a node. [`check_expiration()`] says what that release's `kubeadm certs check-expiration` would show of it,
//! [`renew::forecast`] what `certs renew` would do to it and lose, [`init_phase::forecast`] what `init phase` would make beside it and
//! [`init::forecast`] what a new control plane gets. [`KubeadmRules`] holds what differs between the releases.

pub mod check_expiration;
pub mod command;
pub mod config;
pub mod facts;
pub mod init;
pub mod init_phase;
pub mod kubeconfig;
pub mod list;
pub mod loss;
mod make;
pub mod observe;
pub mod pki;
pub mod renew;
pub mod rules;
pub mod san;
pub mod stop;
mod table;
pub mod write;

pub use check_expiration::{CheckExpiration, check_expiration};
pub use command::{Command, ConfigSource};
pub use config::{Config, Refusal};
pub use facts::CertificateFacts;
pub use kubeconfig::KubeconfigFacts;
pub use list::{Item, Spec};
pub use loss::Loss;
pub use pki::Pki;
pub use rules::KubeadmRules;
pub use san::{AltNames, SanError};
pub use stop::Stop;
