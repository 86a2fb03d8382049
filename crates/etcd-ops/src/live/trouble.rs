//! What etcd and the network say, told apart by message: the gRPC codes differ between releases.

use std::error::Error as Cause;

use etcd_client::Error as ClientError;

use crate::error::Error;

/// Where and during what a call went wrong.
pub(super) struct Scene<'a> {
    pub(super) endpoint: &'a str,
    pub(super) call: &'a str,
    pub(super) user: Option<&'a str>,
}

impl Scene<'_> {
    /// The error of this crate that has the right remedy.
    #[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum, of which two variants come from the other side")]
    pub(super) fn error(&self, error: &ClientError) -> Error {
        match error {
            ClientError::GRpcStatus(status) => {
                let told = self.known(status.message()).or_else(|| self.transport(&causes(status.message(), status)));
                told.unwrap_or_else(|| self.server(&format!("{:?}", status.code()), status.message()))
            }
            ClientError::TransportError(transport) => self.broken(&causes(&transport.to_string(), transport)),
            other => self.server("client error", &other.to_string()),
        }
    }

    /// A connection that broke, for the reason that one of the causes tells.
    pub(super) fn broken(&self, causes: &[String]) -> Error {
        self.transport(causes).unwrap_or_else(|| self.unreachable(causes.join(": ")))
    }

    /// Messages of the server, the same words since 3.4.
    fn known(&self, message: &str) -> Option<Error> {
        let (endpoint, call) = (self.endpoint.to_owned(), self.call.to_owned());
        let user = self.user.unwrap_or_default().to_owned();
        let found = |part: &str| message.contains(part);
        Some(if found("database space exceeded") {
            Error::NoSpace { endpoint, call }
        } else if found("required revision has been compacted") {
            Error::Compacted { endpoint, call }
        } else if found("corrupt cluster") {
            Error::Corrupt { endpoint, call }
        } else if found("authentication failed") || found("invalid auth token") {
            Error::LoginRefused { endpoint, user }
        } else if found("user name is empty") {
            Error::LoginNeeded { endpoint, call }
        } else if found("permission denied") {
            Error::AccessDenied { endpoint, call }
        } else {
            return None;
        })
    }

    /// Texts of rustls and the sockets; each stands somewhere in the chain of causes.
    fn transport(&self, causes: &[String]) -> Option<Error> {
        let endpoint = self.endpoint.to_owned();
        let found = |part: &str| causes.iter().rev().find_map(|cause| cause.find(part).map(|at| cause[at..].to_owned()));
        if let Some(problem) = found("invalid peer certificate") {
            return Some(Error::ServerCertificate { endpoint, problem });
        }
        if let Some(problem) = found("received fatal alert") {
            return Some(Error::ClientCertificateRejected { endpoint, problem });
        }
        let network = [
            "tcp connect error",
            "tls handshake eof",
            "onnection refused",
            "onnection reset",
            "broken pipe",
            "dns error",
            "transport error",
            "operation was canceled",
            // A stream whose connection goes away in its middle.
            "error reading a body from connection",
        ];
        network.iter().any(|part| found(part).is_some()).then(|| self.unreachable(causes.join(": ")))
    }

    fn unreachable(&self, problem: String) -> Error {
        Error::Unreachable { endpoint: self.endpoint.to_owned(), problem }
    }

    pub(super) fn server(&self, code: &str, message: &str) -> Error {
        Error::Server { endpoint: self.endpoint.to_owned(), call: self.call.to_owned(), code: code.to_owned(), message: message.to_owned() }
    }
}

/// What an error says and then all its causes, each once: tonic alone shows only "transport error".
pub(super) fn causes(said: &str, error: &(dyn Cause + 'static)) -> Vec<String> {
    let mut texts = vec![said.to_owned()];
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if texts.last() != Some(&text) {
            texts.push(text);
        }
        cause = inner.source();
    }
    texts
}

/// Whether the same call with a fresh token may succeed: both spellings that 3.4 to 3.7 use.
pub(super) fn is_stale_token(error: &ClientError) -> bool {
    matches!(error, ClientError::GRpcStatus(status) if status.message().contains("invalid auth token"))
}
