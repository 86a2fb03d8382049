//! The network half: reads a cluster, and carries out the steps of a plan on it.
//!
//! ```no_run
//! use trimtab_etcd_ops::live::{Access, Etcd};
//! use trimtab_etcd_ops::rescue::{self, RescuePolicy};
//!
//! # async fn run() -> Result<(), trimtab_etcd_ops::Error> {
//! let mut etcd = Etcd::new(Access::to(["https://10.0.0.1:2379"])?.with_ca_pem(b"...")?)?;
//! let seen = etcd.observe(&mut |message| eprintln!("{message}")).await?;
//! let plan = rescue::plan(&seen, &RescuePolicy::default())?;
//! println!("{plan}");
//! let report = plan.apply(&mut etcd, |event| println!("{event:?}")).await;
//! println!("{report}");
//! # Ok(())
//! # }
//! ```

mod access;
mod act;
mod link;
mod metrics;
mod observe;
mod save;
mod store;
mod tls;
mod trouble;

use std::collections::HashMap;

pub use access::Access;
pub use store::{Put, S3, Store, UploadCheck};

use crate::cluster::MemberId;
use crate::error::Error;
use link::Link;
use tls::Tls;

/// A cluster within reach: endpoints, credentials and the connections made so far, one for each member.
#[derive(Debug)]
pub struct Etcd {
    access: Access,
    tls: Option<Tls>,
    /// By endpoint; the connections mend themselves.
    links: HashMap<String, Link>,
    /// Which endpoint leads to which member, as far as the last observation knows.
    routes: HashMap<MemberId, String>,
    /// Whether this run has seen the members' compactions come to rest.
    settled: bool,
}

impl Etcd {
    /// Prepares the access; nothing is dialled yet.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`] where a key does not belong to its certificate,
    /// [`Error::ClientCertificateExpired`] where our own certificate is not valid now.
    pub fn new(access: Access) -> Result<Self, Error> {
        let tls = Tls::prepare(&access)?;
        Ok(Self { access, tls, links: HashMap::new(), routes: HashMap::new(), settled: false })
    }

    /// The connection to an endpoint, made on first use. With a user it logs in, at that member, since tokens are a member's own.
    async fn link(&mut self, endpoint: &str) -> Result<Link, Error> {
        if let Some(link) = self.links.get(endpoint) {
            return Ok(link.clone());
        }
        let link = Link::connect(endpoint, &self.access, self.tls.as_ref()).await?;
        self.links.insert(endpoint.to_owned(), link.clone());
        Ok(link)
    }

    /// The connection to a member, as found by the last observation.
    async fn member_link(&mut self, member: MemberId) -> Result<Link, Error> {
        let unknown = || Error::UnknownMember { member: member.to_string() };
        let endpoint = self.routes.get(&member).cloned().ok_or_else(unknown)?;
        self.link(&endpoint).await
    }
}
