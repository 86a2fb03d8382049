//! Certificates and keys, read before anything is dialled: a server that refuses them says too little.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use etcd_client::{Certificate, Identity, TlsOptions};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::access::Access;
use crate::error::Error;

/// The same credentials in the two forms that the gRPC client and the metrics reader take.
#[derive(Clone)]
pub(super) struct Tls {
    pub(super) grpc: TlsOptions,
    pub(super) config: Arc<ClientConfig>,
}

impl Tls {
    /// `None` where every endpoint is plain http and no credentials were given.
    pub(super) fn prepare(access: &Access) -> Result<Option<Self>, Error> {
        let given = access.ca_pem.is_some() || access.client_pem.is_some();
        if !given && access.endpoints.iter().all(|endpoint| endpoint.starts_with("http://")) {
            return Ok(None);
        }
        if let Some((certificate, _)) = &access.client_pem {
            check_validity(certificate, SystemTime::now())?;
        }
        Ok(Some(Self { grpc: grpc(access), config: Arc::new(config(access)?) }))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

/// All certificates of a PEM text.
pub(super) fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let wrong = |problem: String| Error::InvalidCredentials { what: what.to_owned(), problem };
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().map_err(|error| wrong(format!("it is no PEM: {error}")))?;
    if found.is_empty() { Err(wrong("no BEGIN CERTIFICATE block is in it".to_owned())) } else { Ok(found) }
}

/// The first private key of a PEM text.
pub(super) fn key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, Error> {
    let wrong = |error| Error::InvalidCredentials { what: "client key".to_owned(), problem: format!("no private key can be read from it: {error}") };
    PrivateKeyDer::from_pem_slice(pem).map_err(wrong)
}

fn grpc(access: &Access) -> TlsOptions {
    let mut options = TlsOptions::new();
    if let Some(ca) = &access.ca_pem {
        options = options.ca_certificate(Certificate::from_pem(ca));
    }
    if let Some((certificate, key)) = &access.client_pem {
        options = options.identity(Identity::from_pem(certificate, key));
    }
    options
}

fn config(access: &Access) -> Result<ClientConfig, Error> {
    let wrong = |what: &str, error: tokio_rustls::rustls::Error| Error::InvalidCredentials { what: what.to_owned(), problem: error.to_string() };
    let mut roots = RootCertStore::empty();
    for certificate in access.ca_pem.iter().map(|pem| certificates(pem, "CA certificate")).collect::<Result<Vec<_>, _>>()?.into_iter().flatten() {
        roots.add(certificate).map_err(|error| wrong("CA certificate", error))?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong("TLS set-up", error))?
        .with_root_certificates(roots);
    match &access.client_pem {
        None => Ok(builder.with_no_client_auth()),
        Some((chain, private)) => {
            let chain = certificates(chain, "client certificate")?;
            builder.with_client_auth_cert(chain, key(private)?).map_err(|error| wrong("client certificate with its key", error))
        }
    }
}

/// etcd answers an expired client certificate by dropping the connection, at a moment of its choice; so we look first.
fn check_validity(pem: &[u8], now: SystemTime) -> Result<(), Error> {
    let wrong = |problem: String| Error::InvalidCredentials { what: "client certificate".to_owned(), problem };
    let chain = certificates(pem, "client certificate")?;
    let Some(leaf) = chain.first() else { return Ok(()) };
    let (_, parsed) = X509Certificate::from_der(leaf).map_err(|error| wrong(format!("it is no X.509 certificate: {error}")))?;
    let validity = parsed.validity();
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
    if (validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&seconds) {
        return Ok(());
    }
    Err(Error::ClientCertificateExpired {
        subject: parsed.subject().to_string(),
        not_before: validity.not_before.to_string(),
        not_after: validity.not_after.to_string(),
    })
}
