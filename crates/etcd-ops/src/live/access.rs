//! Where a cluster is and who we are to it.

use std::fmt;
use std::time::Duration;

use hyper::Uri;

use crate::error::Error;

/// Endpoints, TLS and user. Its `Debug` form shows no key and no password.
#[derive(Clone)]
pub struct Access {
    pub(super) endpoints: Vec<String>,
    pub(super) ca_pem: Option<Vec<u8>>,
    pub(super) client_pem: Option<(Vec<u8>, Vec<u8>)>,
    pub(super) user: Option<(String, String)>,
    pub(super) call_deadline: Duration,
    pub(super) patience: Duration,
}

impl Access {
    /// The client URLs of one or more members of a cluster; the other members are found by the member list.
    ///
    /// An endpoint without a scheme means `http`, and without a port 2379.
    ///
    /// # Errors
    /// [`Error::InvalidEndpoint`] for the first one that cannot be read, or where there is none.
    ///
    /// ```
    /// use trimtab_etcd_ops::live::Access;
    ///
    /// assert!(Access::to(["https://10.0.0.1:2379", "10.0.0.2"]).is_ok());
    /// let error = Access::to(["ftp://10.0.0.1"]).unwrap_err();
    /// assert!(error.to_string().contains("the scheme is ftp"), "{error}");
    /// ```
    pub fn to<I>(endpoints: I) -> Result<Self, Error>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let endpoints = endpoints.into_iter().map(|endpoint| normalised(endpoint.as_ref())).collect::<Result<Vec<_>, _>>()?;
        if endpoints.is_empty() {
            return Err(Error::InvalidEndpoint { endpoint: String::new(), problem: "none was given".to_owned() });
        }
        Ok(Self { endpoints, ca_pem: None, client_pem: None, user: None, call_deadline: Duration::from_secs(3), patience: Duration::from_secs(60) })
    }

    /// The CA that signed the members' serving certificates (etcd's `ca.crt`), as PEM.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`] where no certificate is in it.
    pub fn with_ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Result<Self, Error> {
        let pem = pem.into();
        super::tls::certificates(&pem, "CA certificate")?;
        self.ca_pem = Some(pem);
        Ok(self)
    }

    /// Our own certificate and its key, as PEM.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`] where one of them cannot be read.
    pub fn with_client_pem(mut self, certificate: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Result<Self, Error> {
        let (certificate, key) = (certificate.into(), key.into());
        super::tls::certificates(&certificate, "client certificate")?;
        super::tls::key(&key)?;
        self.client_pem = Some((certificate, key));
        Ok(self)
    }

    /// An etcd user with the role root: defragmenting, compacting and disarming take no less.
    #[must_use]
    pub fn with_user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.user = Some((name.into(), password.into()));
        self
    }

    /// How long a member may take to answer an ordinary call; 3 seconds by default. Defragmentation and compaction have deadlines
    /// of their own, by the size of the database.
    #[must_use]
    pub fn with_call_deadline(mut self, deadline: Duration) -> Self {
        self.call_deadline = deadline.min(LONGEST);
        self
    }

    /// How long an observation waits for a member that is defragmenting; 60 seconds by default.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience.min(LONGEST);
        self
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("endpoints", &self.endpoints)
            .field("ca", &self.ca_pem.is_some())
            .field("client_certificate", &self.client_pem.is_some())
            .field("user", &self.user.as_ref().map(|(name, _)| name))
            .field("call_deadline", &self.call_deadline)
            .field("patience", &self.patience)
            .finish()
    }
}

/// Longer waits than a year are none of a person's, and clocks cannot add up any duration.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Without what stands before an `@`: it may hold a password.
fn shown(endpoint: &str) -> String {
    let start = endpoint.find("://").map_or(0, |at| at + 3);
    match endpoint.rfind('@') {
        Some(at) if at >= start => format!("{}…{}", &endpoint[..start], &endpoint[at..]),
        Some(_) | None => endpoint.to_owned(),
    }
}

/// `scheme://host:port`, all three there.
fn normalised(endpoint: &str) -> Result<String, Error> {
    let wrong = |problem: String| Error::InvalidEndpoint { endpoint: shown(endpoint), problem };
    let text = if endpoint.contains("://") { endpoint.to_owned() } else { format!("http://{endpoint}") };
    let uri: Uri = text.parse().map_err(|error| wrong(format!("{error}")))?;
    let scheme = uri.scheme_str().unwrap_or_default();
    if scheme != "http" && scheme != "https" {
        return Err(wrong(format!("the scheme is {scheme}, it has to be http or https")));
    }
    let authority = uri.authority().ok_or_else(|| wrong("it has no host".to_owned()))?;
    if authority.as_str().contains('@') {
        return Err(wrong("a user stands in it; give user and password apart".to_owned()));
    }
    if authority.host().is_empty() {
        return Err(wrong("it has no host".to_owned()));
    }
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(wrong(format!("it has a path, {}", uri.path())));
    }
    let written_port = authority.as_str().strip_prefix(authority.host()).is_some_and(|rest| rest.starts_with(':'));
    match authority.port_u16() {
        Some(port) if port > 0 => Ok(format!("{scheme}://{}:{port}", authority.host())),
        None if !written_port => Ok(format!("{scheme}://{}:2379", authority.host())),
        Some(_) | None => Err(wrong("its port is no number from 1 to 65535".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_and_port_are_filled_in() {
        for (given, read) in [
            ("10.0.0.1", "http://10.0.0.1:2379"),
            ("https://etcd-0.etcd:2379/", "https://etcd-0.etcd:2379"),
            ("http://[::1]:4001", "http://[::1]:4001"),
            ("https://[::1]", "https://[::1]:2379"),
        ] {
            assert_eq!(normalised(given).unwrap(), read);
        }
    }

    #[test]
    fn what_is_no_endpoint_is_named_with_its_fault() {
        for given in ["", "http://", "http://a b", "unix:///run/etcd", "https://a:0", "https://a:66000", "http://a/v3", "http://a:"] {
            let error = normalised(given).unwrap_err();
            assert!(matches!(&error, Error::InvalidEndpoint { endpoint, .. } if endpoint == given), "{given}: {error}");
        }
    }

    #[test]
    fn a_password_in_an_endpoint_is_refused_and_not_repeated() {
        for given in ["https://root:s3cret-planted@10.0.0.1:2379", "root:s3cret-planted@a b", "ftp://s3cret-planted@a@b"] {
            let error = normalised(given).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("planted"), "{error}");
        }
    }

    #[test]
    fn debug_shows_no_password_and_no_key() {
        let access = Access::to(["a"]).unwrap().with_user("root", "s3cret-planted");
        assert!(!format!("{access:?}").contains("s3cret-planted"));
    }
}
