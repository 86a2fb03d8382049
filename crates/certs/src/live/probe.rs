//! A TLS handshake, only to see which certificates a server shows: renewed on the disk is not yet in use.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};

use crate::Error;
use crate::certificate::Certificate;
use crate::key::{KeyFormat, PrivateKey};
use crate::served::Served;

/// What is asked for its certificates.
#[derive(Clone)]
pub struct Probe {
    host: String,
    port: u16,
    server_name: String,
    identity: Option<(Vec<Vec<u8>>, PrivateKey)>,
    deadline: Duration,
}

impl Probe {
    /// Of a server under a name or an address, which is also the name that it is asked for. Ten seconds at most, unless [`Self::with_deadline`].
    #[must_use]
    pub fn new(host: &str, port: u16) -> Self {
        Self { host: host.to_owned(), port, server_name: host.to_owned(), identity: None, deadline: Duration::from_secs(10) }
    }

    /// Asks for another name (SNI), as of one server behind several names.
    #[must_use]
    pub fn with_server_name(self, name: &str) -> Self {
        Self { server_name: name.to_owned(), ..self }
    }

    /// Shows this certificate where the server asks for one. Servers that want one show their own before, so that it is seldom needed.
    #[must_use]
    pub fn with_identity(self, chain: &[Certificate], key: PrivateKey) -> Self {
        Self { identity: Some((chain.iter().map(|certificate| certificate.der().to_vec()).collect(), key)), ..self }
    }

    /// Another time for all of it but the look-up of the name.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Connects, takes the server's certificates whatever they are, and closes. Nothing is sent beyond the handshake, since nobody vouches for
    /// the server. One that breaks the handshake off afterwards, because it wants a client certificate, has shown its own by then.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::ProbeDeadline`], [`Error::NoTls`]; [`Error::InvalidProbe`] for a name or a client certificate that
    /// cannot be used.
    ///
    /// ```
    /// use std::net::TcpListener;
    /// use trimtab_certs::{Error, live::Probe};
    ///
    /// let closed = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    /// assert!(matches!(Probe::new("127.0.0.1", closed).run(), Err(Error::Unreachable { .. })));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn run(&self) -> Result<Served, Error> {
        let end = Instant::now() + self.deadline;
        let shown = Arc::new(Shown::new());
        let mut connection = self.connection(Arc::clone(&shown))?;
        let mut stream = self.connect(end)?;
        let ended = self.shake_hands(&mut connection, &mut stream, end);
        let chain = shown.chain.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if chain.is_empty() {
            ended?;
            return Err(self.no_tls("it showed no certificate".to_owned()));
        }
        let certificates = chain.iter().map(|der| Certificate::from_der(der)).collect::<Result<Vec<_>, _>>();
        certificates.map(|chain| Served { chain }).map_err(|error| self.no_tls(error.to_string()))
    }

    fn connection(&self, shown: Arc<Shown>) -> Result<ClientConnection, Error> {
        let invalid = |problem: String| Error::InvalidProbe { endpoint: self.endpoint(), problem };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&shown.provider));
        let builder = builder.with_safe_default_protocol_versions().map_err(|error| invalid(error.to_string()))?;
        let builder = builder.dangerous().with_custom_certificate_verifier(shown);
        let config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let pem = key.to_pem(KeyFormat::Pkcs8)?;
                let der = crate::pem::blocks(pem.as_bytes()).flatten().next().map(|block| zeroize::Zeroizing::new(block.contents));
                let der = der.ok_or_else(|| invalid("the key cannot be written".to_owned()))?;
                let key = PrivateKeyDer::try_from(der.to_vec()).map_err(|problem| invalid(problem.to_owned()))?;
                let chain = chain.iter().cloned().map(CertificateDer::from).collect();
                builder.with_client_auth_cert(chain, key).map_err(|error| invalid(error.to_string()))?
            }
        };
        let name = ServerName::try_from(self.server_name.clone()).map_err(|error| invalid(error.to_string()))?;
        ClientConnection::new(Arc::new(config), name).map_err(|error| invalid(error.to_string()))
    }

    fn connect(&self, end: Instant) -> Result<TcpStream, Error> {
        let unreachable = |error: &io::Error| Error::Unreachable { endpoint: self.endpoint(), problem: error.to_string() };
        let addresses = (self.host.as_str(), self.port).to_socket_addrs().map_err(|error| unreachable(&error))?;
        let mut last = io::Error::from(ErrorKind::NotFound);
        for address in addresses {
            match TcpStream::connect_timeout(&address, self.remaining(end)?) {
                Ok(stream) => return Ok(stream),
                Err(error) if error.kind() == ErrorKind::TimedOut => return Err(self.late()),
                Err(error) => last = error,
            }
        }
        Err(unreachable(&last))
    }

    /// Step by step, so that a server that sends a byte now and then does not hold it up.
    fn shake_hands(&self, connection: &mut ClientConnection, stream: &mut TcpStream, end: Instant) -> Result<(), Error> {
        let is_late = |error: &io::Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        let told = |error: &io::Error| if is_late(error) { self.late() } else { self.no_tls(error.to_string()) };
        while connection.is_handshaking() {
            let remaining = Some(self.remaining(end)?);
            stream.set_read_timeout(remaining).and_then(|()| stream.set_write_timeout(remaining)).map_err(|error| told(&error))?;
            if connection.wants_write() {
                connection.write_tls(stream).map_err(|error| told(&error))?;
                continue;
            }
            if connection.read_tls(stream).map_err(|error| told(&error))? == 0 {
                return Err(self.no_tls("it closed the connection".to_owned()));
            }
            connection.process_new_packets().map_err(|error| self.no_tls(error.to_string()))?;
        }
        connection.send_close_notify();
        let _ = connection.write_tls(stream);
        Ok(())
    }

    fn remaining(&self, end: Instant) -> Result<Duration, Error> {
        end.checked_duration_since(Instant::now()).filter(|remaining| !remaining.is_zero()).ok_or_else(|| self.late())
    }

    fn late(&self) -> Error {
        let after_ms = u64::try_from(self.deadline.as_millis()).unwrap_or(u64::MAX);
        Error::ProbeDeadline { endpoint: self.endpoint(), after_ms }
    }

    fn no_tls(&self, problem: String) -> Error {
        Error::NoTls { endpoint: self.endpoint(), problem }
    }

    fn endpoint(&self) -> String {
        if self.host.contains(':') { format!("[{}]:{}", self.host, self.port) } else { format!("{}:{}", self.host, self.port) }
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Probe({} as {:?})", self.endpoint(), self.server_name)
    }
}

/// Takes whatever is shown, and remembers it. The signatures of the handshake are checked all the same: who shows a certificate has its key.
#[derive(Debug)]
struct Shown {
    provider: Arc<CryptoProvider>,
    chain: Mutex<Vec<Vec<u8>>>,
}

impl Shown {
    fn new() -> Self {
        Self { provider: Arc::new(default_provider()), chain: Mutex::default() }
    }

    fn algorithms(&self) -> &WebPkiSupportedAlgorithms {
        &self.provider.signature_verification_algorithms
    }
}

impl ServerCertVerifier for Shown {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = std::iter::once(end_entity).chain(intermediates).map(|certificate| certificate.to_vec()).collect();
        *self.chain.lock().unwrap_or_else(PoisonError::into_inner) = chain;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, self.algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, self.algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms().supported_schemes()
    }
}
