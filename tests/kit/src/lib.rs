//! The test kit of this repository: runs vectors and oracles, starts real servers. Never published.

#[cfg(feature = "live")]
pub mod control_plane;
pub mod damage;
#[cfg(feature = "live")]
pub mod etcd;
#[cfg(feature = "live")]
pub mod fill;
pub mod generate;
#[cfg(feature = "live")]
pub mod helm;
pub mod history;
#[cfg(feature = "live")]
pub mod kubeadm;
pub mod oracle;
#[cfg(feature = "live")]
pub mod pki;
pub mod random;
#[cfg(feature = "live")]
pub mod s3;
pub mod seeds;
#[cfg(feature = "live")]
mod server;
#[cfg(feature = "live")]
pub mod static_pods;
pub mod testbed;
pub mod topics;
pub mod vectors;
#[cfg(feature = "live")]
pub mod wait;
#[cfg(feature = "live")]
pub mod watch;
#[cfg(feature = "live")]
pub mod workloads;
