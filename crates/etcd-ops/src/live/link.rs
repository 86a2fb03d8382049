//! One connection to one member: never a balanced list, since a status or a defragmentation is asked of a certain member.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use etcd_client::{Client, ConnectOptions};

use super::access::Access;
use super::metrics;
use super::tls::Tls;
use super::trouble::{Scene, is_stale_token};
use crate::error::Error;

/// A member's endpoint with its client; cheap to clone.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) endpoint: String,
    pub(super) deadline: Duration,
    user: Option<String>,
    tls: Option<Tls>,
    client: Client,
}

impl Link {
    /// Dials nothing, unless there is a user to log in.
    pub(super) async fn connect(endpoint: &str, access: &Access, tls: Option<&Tls>) -> Result<Self, Error> {
        let tls = tls.filter(|_| endpoint.starts_with("https://")).cloned();
        // etcd ends connections that ping more often than every 5 seconds.
        let mut options =
            ConnectOptions::new().with_connect_timeout(access.call_deadline).with_keep_alive(Duration::from_secs(10), Duration::from_secs(10));
        if let Some(tls) = &tls {
            options = options.with_tls(tls.grpc.clone());
        }
        if let Some((name, password)) = &access.user {
            options = options.with_user(name, password);
        }
        let user = access.user.as_ref().map(|(name, _)| name.clone());
        let scene = Scene { endpoint, call: "Authenticate", user: user.as_deref() };
        let client = match within(&scene, access.call_deadline, Box::pin(Client::connect([endpoint], Some(options)))).await? {
            Ok(client) => client,
            Err(error) => return Err(Box::pin(explained(scene.error(&error), endpoint, tls.as_ref(), access.call_deadline)).await),
        };
        Ok(Self { endpoint: endpoint.to_owned(), deadline: access.call_deadline, user, tls, client })
    }

    /// One call with the deadline of ordinary calls.
    pub(super) async fn call<T, F, R>(&self, call: &str, request: F) -> Result<T, Error>
    where
        F: Fn(Client) -> R,
        R: Future<Output = Result<T, etcd_client::Error>>,
    {
        self.call_within(call, self.deadline, request).await
    }

    /// One call with a deadline; asked once more only where etcd refused our token, that is, did nothing.
    pub(super) async fn call_within<T, F, R>(&self, call: &str, deadline: Duration, request: F) -> Result<T, Error>
    where
        F: Fn(Client) -> R,
        R: Future<Output = Result<T, etcd_client::Error>>,
    {
        let scene = Scene { endpoint: &self.endpoint, call, user: self.user.as_deref() };
        let error = match within(&scene, deadline, Box::pin(request(self.client.clone()))).await? {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        if self.user.is_some() && is_stale_token(&error) {
            let login = within(&scene, self.deadline, self.client.refresh_token()).await?;
            login.map_err(|error| scene.error(&error))?;
            return within(&scene, deadline, Box::pin(request(self.client.clone()))).await?.map_err(|error| scene.error(&error));
        }
        Err(Box::pin(explained(scene.error(&error), &self.endpoint, self.tls.as_ref(), self.deadline)).await)
    }

    /// The text of the member's own metrics.
    pub(super) async fn metrics(&self) -> Result<String, Error> {
        let scene = Scene { endpoint: &self.endpoint, call: "/metrics", user: None };
        within(&scene, self.deadline, Box::pin(metrics::read(&self.endpoint, self.tls.as_ref()))).await?
    }

    /// A gauge of them; `None` where there is none of that name.
    pub(super) async fn metric(&self, name: &str) -> Result<Option<f64>, Error> {
        Ok(metrics::gauge(&self.metrics().await?, name))
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({})", self.endpoint)
    }
}

async fn within<T>(scene: &Scene<'_>, deadline: Duration, answer: impl Future<Output = T>) -> Result<T, Error> {
    let late = |_| Error::Deadline {
        endpoint: scene.endpoint.to_owned(),
        call: scene.call.to_owned(),
        after_ms: u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX),
    };
    tokio::time::timeout(deadline, answer).await.map_err(late)
}

/// A rejected client certificate reaches gRPC as a broken connection, by a race; one handshake of our own hears the alert.
async fn explained(error: Error, endpoint: &str, tls: Option<&Tls>, deadline: Duration) -> Error {
    match (&error, tls) {
        (Error::Unreachable { .. }, Some(tls)) => match tokio::time::timeout(deadline, Box::pin(metrics::read(endpoint, Some(tls)))).await {
            Ok(Err(told @ (Error::ClientCertificateRejected { .. } | Error::ServerCertificate { .. }))) => told,
            Ok(_) | Err(_) => error,
        },
        _ => error,
    }
}
