//! The certificates that a Kubernetes cluster depends on: what dies when and why, what kubeadm would do about it, and a renewal that loses nothing.
//!
//! [`Inspection`] finds certificates in files, kubeconfigs, Secrets and dumps, and [`findings`] says what is wrong with them; [`finding::node`] and
//! [`finding::cluster`] judge a node and all nodes by what each certificate is for. [`kubeadm`] tells what kubeadm of each release makes, shows and
//! renews, [`layout`] where other distributions keep theirs. [`renew`] signs anew with the authority's own key.
//!
//! ```
//! use trimtab_certs::{FindingPolicy, Inspection, findings};
//!
//! let inspection = Inspection::of_file("apiserver.crt", b"-----BEGIN CERTIFICATE-----\nMAA=\n");
//! for finding in findings(&inspection, &FindingPolicy::default(), "2026-11-25T00:00:00Z".parse()?) {
//!     println!("{finding}");
//! }
//! # Ok::<(), jiff::Error>(())
//! ```
//!
//! Everything is a pure function of its arguments: the clock and randomness are handed in; only [`key::PrivateKey::generate`] draws a key.

pub mod certificate;
pub mod error;
pub mod finding;
pub mod human_duration;
pub mod inspect;
pub mod key;
pub mod kubeadm;
pub mod kubeconfig;
pub mod layout;
#[cfg(feature = "live")]
pub mod live;
pub mod name;
mod octets;
mod oid;
pub mod pem;
#[cfg(feature = "pkcs12")]
pub mod pkcs12;
pub mod renew;
pub mod renewal;
pub mod renewal_time;
pub mod rotation;
pub mod served;

pub use certificate::Certificate;
pub use error::Error;
pub use finding::{Finding, FindingPolicy, findings};
pub use inspect::Inspection;
pub use kubeconfig::Kubeconfig;
pub use layout::Layout;
pub use name::Name;
