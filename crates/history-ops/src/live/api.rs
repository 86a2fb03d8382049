//! Requests to the API server, and what its answers mean.

use std::time::Duration;

use http::{Method, Request, StatusCode};
use kube::Client;
use kube::client::Body;
use serde::Deserialize;
use serde_json::Value;

use super::private::told;

/// How often a request is sent that the server is too busy for; it was not carried out.
const BUSY_TRIES: u32 = 20;
/// How long it is waited for at most, where the server asks for longer.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How long one answer may take. The server itself gives up after a minute (`--request-timeout`, `apiserver/pkg/server/config.go`), and says so.
pub(super) const PATIENCE: Duration = Duration::from_secs(65);

#[derive(Clone)]
pub(super) struct Api {
    client: Client,
    patience: Duration,
}

/// An answer.
pub(super) enum Reply {
    Ok(String),
    NotFound,
    Conflict,
    /// The user may not.
    Forbidden,
    /// The list's token is too old; with the one to go on with, inconsistently, where there is one.
    Expired(Option<String>),
    /// Admission said no.
    Denied(String),
    /// Anything else that the server said.
    Failed(String),
    /// There was no answer: whether it was carried out is not known.
    NoAnswer(String),
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    kind: String,
    message: String,
    metadata: Option<StatusMeta>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct StatusMeta {
    #[serde(rename = "continue")]
    next: Option<String>,
}

/// Only what every object has.
pub(super) const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
pub(super) const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
pub(super) const WHOLE: &str = "application/json";

impl Api {
    pub(super) fn new(client: Client) -> Self {
        Self { client, patience: PATIENCE }
    }

    pub(super) async fn get(&self, path: &str, accept: &str) -> Reply {
        self.send(&Method::GET, path, accept, None).await
    }

    pub(super) async fn delete(&self, path: &str, options: &Value) -> Reply {
        self.send(&Method::DELETE, path, WHOLE, Some(options)).await
    }

    pub(super) async fn create(&self, path: &str, object: &Value) -> Reply {
        self.send(&Method::POST, path, WHOLE, Some(object)).await
    }

    /// Sends a request, again while the server is too busy for it.
    async fn send(&self, method: &Method, path: &str, accept: &str, body: Option<&Value>) -> Reply {
        for tried in 1.. {
            let (code, retry_after, text) = match tokio::time::timeout(self.patience, self.once(method, path, accept, body)).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(problem)) => return Reply::NoAnswer(problem),
                Err(_) => return Reply::NoAnswer(format!("no answer within {} s", self.patience.as_secs())),
            };
            if code == StatusCode::TOO_MANY_REQUESTS && tried < BUSY_TRIES {
                tokio::time::sleep(retry_after.min(LONGEST_WAIT)).await;
                continue;
            }
            return understood(code, text, may_lack(path));
        }
        Reply::NoAnswer("it was never asked".to_owned())
    }

    async fn once(&self, method: &Method, path: &str, accept: &str, body: Option<&Value>) -> Result<(StatusCode, Duration, String), String> {
        let request = Request::builder().method(method).uri(path).header(http::header::ACCEPT, accept);
        let request = match body {
            Some(body) => request.header(http::header::CONTENT_TYPE, WHOLE).body(Body::from(body.to_string().into_bytes())),
            None => request.body(Body::empty()),
        };
        let request = request.map_err(|error| error.to_string())?;
        let answer = self.client.send(request).await.map_err(|error| told(&error))?;
        let code = answer.status();
        let after = answer.headers().get(http::header::RETRY_AFTER).and_then(|after| after.to_str().ok()).and_then(|after| after.parse().ok());
        let bytes = answer.into_body().collect_bytes().await.map_err(|error| told(&error))?;
        let text = String::from_utf8(bytes.to_vec()).map_err(|error| error.to_string())?;
        Ok((code, Duration::from_secs(after.unwrap_or(1)), text))
    }
}

/// Only CronJobs are in an API group of which a cluster may lack the version; there the server says so in Go's own words, without a `Status`.
fn may_lack(path: &str) -> bool {
    let words: Vec<&str> = path.split('?').next().unwrap_or_default().split('/').collect();
    let plural = if words.get(4) == Some(&"namespaces") { words.get(6) } else { words.get(4) };
    plural == Some(&"cronjobs")
}

fn understood(code: StatusCode, text: String, may_lack: bool) -> Reply {
    if code.is_success() {
        return Reply::Ok(text);
    }
    let status: Status = serde_json::from_str(&text).unwrap_or_default();
    let is_the_servers = status.kind == "Status" || (may_lack && text.trim() == "404 page not found");
    let said = if status.message.is_empty() { code.to_string() } else { status.message };
    match code {
        StatusCode::NOT_FOUND if is_the_servers => Reply::NotFound,
        StatusCode::NOT_FOUND => {
            Reply::Failed("404 without a Status of Kubernetes: something between here and the API server answers for it".to_owned())
        }
        StatusCode::CONFLICT => Reply::Conflict,
        StatusCode::GONE => Reply::Expired(status.metadata.and_then(|metadata| metadata.next).filter(|next| !next.is_empty())),
        StatusCode::FORBIDDEN if is_the_authorizers(&said) => Reply::Forbidden,
        StatusCode::UNAUTHORIZED => Reply::Failed("it does not accept the credentials of the kubeconfig (401): renew them".to_owned()),
        StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Reply::Denied(said),
        _ => Reply::Failed(said),
    }
}

/// What the authorizer says is about the user (`User "x" cannot delete resource …`, `apiserver/pkg/endpoints/handlers/responsewriters/errors.go`). What
/// admission says may hold the same words, about the object or quoted, after who it is that denies.
fn is_the_authorizers(said: &str) -> bool {
    let is_admissions = |before: &str| ["admission webhook", "denied request", "denied the request"].into_iter().any(|words| before.contains(words));
    said.split_once("User \"").is_some_and(|(before, rest)| rest.contains("\" cannot ") && !is_admissions(before))
}

/// The text of a query's value.
pub(super) fn encoded(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    value.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// The path of a collection.
pub(super) fn collection(api_version: &str, namespace: Option<&str>, plural: &str) -> String {
    let root = if api_version.contains('/') { "/apis" } else { "/api" };
    let namespace = namespace.map(|namespace| format!("/namespaces/{}", encoded(namespace))).unwrap_or_default();
    format!("{root}/{api_version}{namespace}/{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_api() {
        assert_eq!(collection("v1", None, "pods"), "/api/v1/pods");
        assert_eq!(collection("apps/v1", Some("shop"), "replicasets"), "/apis/apps/v1/namespaces/shop/replicasets");
        assert_eq!(encoded("owner=helm,a b"), "owner%3Dhelm%2Ca%20b");
    }

    #[test]
    fn the_authorizers_no_is_told_from_admissions() {
        let status = |message: &str| serde_json::json!({"kind": "Status", "reason": "Forbidden", "message": message}).to_string();
        let user = status(r#"secrets "x" is forbidden: User "reader" cannot delete resource "secrets" in API group "" in the namespace "shop""#);
        assert!(matches!(understood(StatusCode::FORBIDDEN, user, false), Reply::Forbidden));
        for said in [
            r#"admission webhook "guard.example.com" denied the request: kept"#,
            r#"admission webhook "guard.example.com" denied the request: the first revision cannot be deleted"#,
            r#"admission webhook "guard.example.com" denied the request: User "reader" cannot delete it"#,
            r#"secrets "x" is forbidden: ValidatingAdmissionPolicy 'keep' with binding 'all' denied request: User "reader" cannot delete it"#,
            r#"secrets "x" is forbidden: it cannot be deleted"#,
        ] {
            assert!(matches!(understood(StatusCode::FORBIDDEN, status(said), false), Reply::Denied(_)), "{said}");
        }
    }

    #[test]
    fn a_token_that_is_too_old_comes_with_one_to_go_on_with() {
        let text = r#"{"kind": "Status", "code": 410, "reason": "Expired", "metadata": {"continue": "abc"}}"#;
        assert!(matches!(understood(StatusCode::GONE, text.to_owned(), false), Reply::Expired(Some(next)) if next == "abc"));
    }

    #[test]
    fn only_a_status_says_that_an_object_is_gone_and_gos_own_words_that_an_api_is_lacking() {
        let status = r#"{"kind": "Status", "code": 404, "reason": "NotFound"}"#;
        assert!(matches!(understood(StatusCode::NOT_FOUND, status.to_owned(), false), Reply::NotFound));
        for text in ["<html>404 page not found</html>", "404 page not found\n", "{}", ""] {
            assert!(matches!(understood(StatusCode::NOT_FOUND, text.to_owned(), false), Reply::Failed(_)), "{text}");
        }
        assert!(matches!(understood(StatusCode::NOT_FOUND, "404 page not found\n".to_owned(), true), Reply::NotFound));
        for path in ["/apis/batch/v1/cronjobs?limit=500", "/apis/batch/v1beta1/namespaces/shop/cronjobs/report"] {
            assert!(may_lack(path), "{path}");
        }
        for path in ["/apis/batch/v1/namespaces/cronjobs/jobs/report", "/api/v1/namespaces/shop/secrets/cronjobs", "/api/v1/pods"] {
            assert!(!may_lack(path), "{path}");
        }
    }

    #[test]
    fn a_server_that_hangs_is_waited_for_and_no_longer() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let reply = runtime.block_on(async {
            let client = Client::try_from(kube::Config::new(url)).unwrap();
            let api = Api { patience: Duration::from_secs(1), ..Api::new(client) };
            tokio::time::timeout(Duration::from_secs(30), api.get("/api/v1/pods", WHOLE)).await.unwrap()
        });
        assert!(matches!(reply, Reply::NoAnswer(problem) if problem == "no answer within 1 s"));
    }
}
