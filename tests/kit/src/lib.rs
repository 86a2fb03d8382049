//! The test kit of this repository: runs vectors and oracles, starts real servers. Never published.

#[cfg(feature = "live")]
pub mod etcd;
#[cfg(feature = "live")]
pub mod fill;
pub mod generate;
pub mod oracle;
#[cfg(feature = "live")]
pub mod pki;
pub mod random;
pub mod topics;
pub mod vectors;
