//! The certificates that a Kubernetes cluster depends on: what dies when and why, and what kubeadm would do about it.

pub mod certificate;
pub mod error;
pub mod finding;
pub mod human_duration;
pub mod inspect;
pub mod key;
pub mod kubeadm;
pub mod kubeconfig;
pub mod name;
pub mod pem;
pub mod renew;
pub mod renewal_time;
pub mod rotation;

pub use error::Error;
