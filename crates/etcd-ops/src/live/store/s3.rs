//! A bucket of a store that speaks S3.
//!
//! Every request has a deadline, and so has every pause of an answer. Objects go up in parts, a few at a time; the last request of an upload
//! carries `If-None-Match: *`, so that two writers of one name cannot overwrite each other where the store knows that condition (Amazon
//! since November 2024, versitygw, `MinIO`, Ceph).

mod foreign;

use std::fmt;
use std::future::Future;
use std::net::Ipv4Addr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt};
use jiff::Timestamp;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path as Key;
use object_store::{Certificate, ClientOptions, HeaderMap, HeaderValue, ObjectMeta, ObjectStoreExt, PutMode, PutOptions, PutPayload, RetryConfig};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Duration, timeout};

use super::trouble;
use crate::backup::catalog::Object;
use crate::error::Error;

/// The size of a part; S3 wants 5 MiB or more, and takes 10,000 of them: 80 GiB.
const PART_BYTES: usize = 8 * 1024 * 1024;
/// How many parts are on their way at once: 32 MiB of memory.
const PARTS_AT_A_TIME: usize = 4;
/// How often a request that may be repeated is.
const RETRIES: usize = 3;

/// Where a bucket is and who we are to it. Its `Debug` form shows no key.
///
/// ```
/// use trimtab_etcd_ops::live::{S3, Store};
///
/// let settings = S3::bucket("backups")?.with_prefix("clusters/a")?.with_endpoint("https://minio.example:9000")?.with_keys("id", "secret");
/// assert_eq!(Store::s3(settings)?.location(), "https://minio.example:9000/backups/clusters/a");
///
/// let plain = S3::bucket("backups")?.with_endpoint("http://minio.example:9000")?;
/// assert!(Store::s3(plain).unwrap_err().to_string().contains("with_plain_http"));
/// # Ok::<(), trimtab_etcd_ops::Error>(())
/// ```
#[derive(Clone)]
pub struct S3 {
    bucket: String,
    prefix: String,
    region: Option<String>,
    endpoint: Option<String>,
    keys: Option<Keys>,
    ca_pem: Option<Vec<u8>>,
    transport: Transport,
    addressing: Addressing,
    request_deadline: Duration,
    idle_deadline: Duration,
}

#[derive(Clone)]
struct Keys {
    id: String,
    secret: String,
    session_token: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    Tls,
    PlainHttp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Addressing {
    Path,
    Host,
}

impl S3 {
    /// A bucket of Amazon S3 in `us-east-1`, with the credentials of the environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
    /// `AWS_SESSION_TOKEN`, a web identity, or the machine's role).
    ///
    /// # Errors
    /// [`Error::InvalidStore`] for a name that no bucket has.
    pub fn bucket(name: &str) -> Result<Self, Error> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        if name.is_empty() || !name.bytes().all(is_allowed) {
            return Err(invalid(name, "a bucket's name has letters, digits, '-', '.' and '_'".to_owned()));
        }
        Ok(Self {
            bucket: name.to_owned(),
            prefix: String::new(),
            region: None,
            endpoint: None,
            keys: None,
            ca_pem: None,
            transport: Transport::Tls,
            addressing: Addressing::Path,
            request_deadline: Duration::from_secs(60),
            idle_deadline: Duration::from_secs(30),
        })
    }

    /// The part of every key before the backup's name, without a slash at either end.
    ///
    /// # Errors
    /// [`Error::InvalidStore`] for a prefix with an empty part, `.` or `..` in it.
    pub fn with_prefix(mut self, prefix: &str) -> Result<Self, Error> {
        let prefix = prefix.trim_matches('/');
        Key::parse(prefix).map_err(|error| invalid(&self.bucket, format!("the prefix {prefix:?} cannot be used: {error}")))?;
        prefix.clone_into(&mut self.prefix);
        Ok(self)
    }

    /// The region; stores other than Amazon's mostly take any.
    #[must_use]
    pub fn with_region(mut self, region: &str) -> Self {
        self.region = Some(region.to_owned());
        self
    }

    /// The server of a store other than Amazon's: `https://minio.example:9000`.
    ///
    /// # Errors
    /// [`Error::InvalidStore`] without a scheme, and where user and password stand in it.
    pub fn with_endpoint(mut self, url: &str) -> Result<Self, Error> {
        let url = url.trim_end_matches('/');
        let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        match host {
            // Such a URL would stand in errors and plans.
            Some(host) if host.contains('@') => Err(invalid(&self.bucket, "the endpoint holds a user: give the keys by with_keys".to_owned())),
            Some(host) if !host.is_empty() => {
                self.endpoint = Some(url.to_owned());
                Ok(self)
            }
            Some(_) | None => Err(invalid(&self.bucket, format!("the endpoint is {url:?}: write it like https://minio.example:9000"))),
        }
    }

    /// Access key and secret.
    #[must_use]
    pub fn with_keys(mut self, id: &str, secret: &str) -> Self {
        self.keys = Some(Keys { id: id.to_owned(), secret: secret.to_owned(), session_token: None });
        self
    }

    /// Access key, secret and token of a session.
    #[must_use]
    pub fn with_session_keys(mut self, id: &str, secret: &str, token: &str) -> Self {
        self.keys = Some(Keys { id: id.to_owned(), secret: secret.to_owned(), session_token: Some(token.to_owned()) });
        self
    }

    /// The CA that signed the endpoint's certificate, as PEM; the system's are trusted too.
    #[must_use]
    pub fn with_ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca_pem = Some(pem.into());
        self
    }

    /// Allows an endpoint without TLS. Keys are signed with and never sent, but every backup can be read on the way, with all Secrets in it.
    #[must_use]
    pub fn with_plain_http(mut self) -> Self {
        self.transport = Transport::PlainHttp;
        self
    }

    /// Puts the bucket before the host's name (`https://bucket.minio.example:9000/key` for the endpoint `https://minio.example:9000`) and not
    /// into the path. The endpoint has to be a name then.
    #[must_use]
    pub fn with_bucket_in_host(mut self) -> Self {
        self.addressing = Addressing::Host;
        self
    }

    /// How long a request may take from its beginning to the head of its answer, with what it carries (8 MiB at most) and with repetitions; 60
    /// seconds by default.
    #[must_use]
    pub fn with_request_deadline(mut self, deadline: Duration) -> Self {
        self.request_deadline = deadline;
        self
    }

    /// How long an answer may pause; 30 seconds by default.
    #[must_use]
    pub fn with_idle_deadline(mut self, deadline: Duration) -> Self {
        self.idle_deadline = deadline;
        self
    }

    fn location(&self) -> String {
        let (bucket, prefix) = (&self.bucket, self.prefix.as_str());
        let place = match (&self.endpoint, self.addressing) {
            (None, Addressing::Path | Addressing::Host) => format!("s3://{bucket}"),
            (Some(endpoint), Addressing::Path) => format!("{endpoint}/{bucket}"),
            (Some(endpoint), Addressing::Host) => before_host(bucket, endpoint),
        };
        if prefix.is_empty() { place } else { format!("{place}/{prefix}") }
    }

    fn client(&self, headers: HeaderMap) -> Result<AmazonS3, Error> {
        let wrong = |error: object_store::Error| invalid(&self.location(), error.to_string());
        let mut builder = self.identity();
        // One for S3 in the environment would go before one that is given.
        let of_environment = || [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint].iter().find_map(|key| builder.get_config_value(key));
        let endpoint = self.endpoint.clone().or_else(of_environment);
        let url = endpoint.map(|endpoint| self.url(&endpoint)).transpose()?;
        let options = self.options(headers, url.as_deref())?;
        builder = url.into_iter().fold(builder, |builder, url| builder.with_config(AmazonS3ConfigKey::S3Endpoint, url));
        builder = self.region.iter().fold(builder, AmazonS3Builder::with_region);
        builder = builder.with_bucket_name(&self.bucket).with_virtual_hosted_style_request(self.addressing == Addressing::Host);
        let retries = RetryConfig { max_retries: RETRIES, retry_timeout: self.request_deadline, ..RetryConfig::default() };
        // One request for each deletion: an object that may not be deleted is told by itself.
        builder = builder.with_disable_bulk_delete(true).with_client_options(options).with_retry(retries);
        builder.with_http_connector(foreign::Connector).build().map_err(wrong)
    }

    /// Who we are.
    fn identity(&self) -> AmazonS3Builder {
        let Some(keys) = &self.keys else { return AmazonS3Builder::from_env() };
        let builder = AmazonS3Builder::new().with_access_key_id(&keys.id).with_secret_access_key(&keys.secret);
        keys.session_token.iter().fold(builder, AmazonS3Builder::with_token)
    }

    /// An endpoint as `object_store` wants it: with the bucket in it where that is its place (`aws/builder.rs`).
    fn url(&self, endpoint: &str) -> Result<String, Error> {
        match self.addressing {
            Addressing::Path => Ok(endpoint.to_owned()),
            Addressing::Host if has_address(endpoint) => {
                let problem = format!("{endpoint} is an address, which the bucket cannot stand before: give a name, or leave the bucket in the path");
                Err(invalid(&self.location(), problem))
            }
            Addressing::Host => Ok(before_host(&self.bucket, endpoint)),
        }
    }

    fn options(&self, headers: HeaderMap, url: Option<&str>) -> Result<ClientOptions, Error> {
        let wrong = |error: object_store::Error| invalid(&self.location(), error.to_string());
        let plain = url.is_some_and(|url| url.starts_with("http://"));
        if plain && self.transport == Transport::Tls {
            return Err(invalid(&self.location(), "the endpoint has no TLS: write https://, or allow it with with_plain_http".to_owned()));
        }
        // Deadlines are ours: the client's own would end a long answer that goes on well.
        let mut options = ClientOptions::new().with_timeout_disabled().with_connect_timeout(self.request_deadline.min(Duration::from_secs(10)));
        options = options.with_allow_http(plain).with_default_headers(headers);
        for certificate in self.ca_pem.iter().map(|pem| Certificate::from_pem_bundle(pem)).collect::<Result<Vec<_>, _>>().map_err(wrong)? {
            options = certificate.into_iter().fold(options, ClientOptions::with_root_certificate);
        }
        Ok(options)
    }
}

/// `https://bucket.host` of `https://host`.
fn before_host(bucket: &str, endpoint: &str) -> String {
    endpoint.split_once("://").map_or_else(|| format!("{bucket}.{endpoint}"), |(scheme, host)| format!("{scheme}://{bucket}.{host}"))
}

fn has_address(endpoint: &str) -> bool {
    let host = endpoint.split_once("://").map_or(endpoint, |(_, host)| host);
    let host = host.split('/').next().unwrap_or(host);
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    host.starts_with('[') || name.parse::<Ipv4Addr>().is_ok()
}

fn invalid(store: &str, problem: String) -> Error {
    Error::InvalidStore { store: store.to_owned(), problem }
}

/// An open bucket.
pub(super) struct Bucket {
    shared: Arc<Shared>,
}

struct Shared {
    location: String,
    prefix: String,
    client: AmazonS3,
    /// The same, with `If-None-Match: *` on every request; `object_store` has no such option for the end of an upload.
    only_new: AmazonS3,
    request_deadline: Duration,
    idle_deadline: Duration,
}

impl Shared {
    fn key(&self, name: &str) -> Key {
        // Names that are asked for come from listings and from names of ours; what does not parse is encoded, and found nowhere.
        let whole = if self.prefix.is_empty() { name.to_owned() } else { format!("{}/{name}", self.prefix) };
        Key::parse(&whole).unwrap_or_else(|_| Key::from(whole))
    }

    async fn within<T>(&self, operation: &str, name: &str, call: impl Future<Output = object_store::Result<T>>) -> Result<T, Error> {
        match timeout(self.request_deadline, call).await {
            Ok(answer) => answer.map_err(|error| trouble::of_bucket(&self.location, operation, name, &error)),
            Err(_) => Err(self.late(operation, name, self.request_deadline)),
        }
    }

    fn late(&self, operation: &str, name: &str, after: Duration) -> Error {
        let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        Error::StoreDeadline { store: self.location.clone(), operation: trouble::described(operation, name), after_ms }
    }
}

impl Bucket {
    pub(super) fn open(settings: S3) -> Result<Self, Error> {
        let mut only_new = HeaderMap::new();
        only_new.insert("if-none-match", HeaderValue::from_static("*"));
        let shared = Shared {
            location: settings.location(),
            client: settings.client(HeaderMap::new())?,
            only_new: settings.client(only_new)?,
            request_deadline: settings.request_deadline,
            idle_deadline: settings.idle_deadline,
            prefix: settings.prefix,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    pub(super) fn location(&self) -> String {
        self.shared.location.clone()
    }

    /// Page by page, each with a deadline of its own.
    pub(super) async fn list(&self) -> Result<Vec<Object>, Error> {
        let prefix = if self.shared.prefix.is_empty() { String::new() } else { format!("{}/", self.shared.prefix) };
        let (mut objects, mut page_token) = (Vec::new(), None);
        loop {
            let options = PaginatedListOptions { delimiter: Some("/".into()), page_token, ..PaginatedListOptions::default() };
            let asked = (!prefix.is_empty()).then_some(prefix.as_str());
            let page = self.shared.within("list", "", self.shared.client.list_paginated(asked, options)).await?;
            let named = |meta: &ObjectMeta| meta.location.as_ref().strip_prefix(&prefix).map(|name| object(name, meta));
            objects.extend(page.result.objects.iter().filter_map(named));
            page_token = page.page_token;
            if page_token.is_none() {
                return Ok(objects);
            }
        }
    }

    pub(super) async fn look(&self, name: &str) -> Result<Option<Object>, Error> {
        let key = self.shared.key(name);
        match self.shared.within("look at", name, self.shared.client.head(&key)).await {
            Ok(meta) => Ok(Some(object(name, &meta))),
            Err(Error::NoSuchObject { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn read(&self, name: &str) -> Result<(Object, Chunks), Error> {
        let key = self.shared.key(name);
        let answer = self.shared.within("read", name, self.shared.client.get(&key)).await?;
        let object = object(name, &answer.meta);
        Ok((object, Chunks { shared: self.shared.clone(), name: name.to_owned(), stream: answer.into_stream() }))
    }

    pub(super) async fn create(&self, name: &str, bytes: Bytes) -> Result<(), Error> {
        self.put(name, bytes, PutMode::Create).await
    }

    pub(super) async fn replace(&self, name: &str, bytes: Bytes) -> Result<(), Error> {
        self.put(name, bytes, PutMode::Overwrite).await
    }

    async fn put(&self, name: &str, bytes: Bytes, mode: PutMode) -> Result<(), Error> {
        use object_store::ObjectStore;
        let key = self.shared.key(name);
        let options = PutOptions { mode, ..PutOptions::default() };
        self.shared.within("write", name, self.shared.client.put_opts(&key, bytes.into(), options)).await.map(|_| ())
    }

    pub(super) async fn remove(&self, name: &str) -> Result<(), Error> {
        let key = self.shared.key(name);
        match self.shared.within("delete", name, self.shared.client.delete(&key)).await {
            Err(Error::NoSuchObject { .. }) => Ok(()),
            removed => removed,
        }
    }

    pub(super) async fn write(&self, name: &str) -> Result<Writer, Error> {
        let key = self.shared.key(name);
        let upload = self.shared.within("write", name, self.shared.client.create_multipart(&key)).await?;
        let begun = Begun { shared: self.shared.clone(), name: name.to_owned(), key, upload: Some(upload), sending: JoinSet::new() };
        Ok(Writer { begun, held: Vec::new(), held_bytes: 0, sent: 0, parts: Vec::new() })
    }
}

/// The tag as the store tells it. Its version is not taken: a listing does not tell it, and the two would never be equal.
fn object(name: &str, meta: &ObjectMeta) -> Object {
    let last_modified = Timestamp::from_second(meta.last_modified.timestamp()).unwrap_or(Timestamp::UNIX_EPOCH);
    Object { name: name.to_owned(), size_bytes: meta.size, last_modified, etag: meta.e_tag.clone(), version: None }
}

/// An object that is read.
pub(super) struct Chunks {
    shared: Arc<Shared>,
    name: String,
    stream: BoxStream<'static, object_store::Result<Bytes>>,
}

impl Chunks {
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        match timeout(self.shared.idle_deadline, self.stream.next()).await {
            Ok(chunk) => chunk.transpose().map_err(|error| trouble::of_bucket(&self.shared.location, "read", &self.name, &error)),
            Err(_) => Err(self.shared.late("read", &self.name, self.shared.idle_deadline)),
        }
    }
}

/// An object that is written, part by part. It is there when all parts are put together, and not before.
pub(super) struct Writer {
    begun: Begun,
    held: Vec<Bytes>,
    held_bytes: usize,
    sent: usize,
    parts: Vec<(usize, PartId)>,
}

impl Writer {
    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.held_bytes += bytes.len();
        self.held.push(bytes);
        if self.held_bytes < PART_BYTES {
            return Ok(());
        }
        while self.begun.sending.len() >= PARTS_AT_A_TIME {
            self.sent_one().await?;
        }
        self.send();
        Ok(())
    }

    fn send(&mut self) {
        let (index, payload) = (self.sent, std::mem::take(&mut self.held).into_iter().collect::<PutPayload>());
        self.sent += 1;
        self.held_bytes = 0;
        let (shared, key, name) = (self.begun.shared.clone(), self.begun.key.clone(), self.begun.name.clone());
        let upload = self.begun.upload.clone().unwrap_or_default();
        self.begun.sending.spawn(async move {
            let part = shared.within("write", &name, shared.client.put_part(&key, &upload, index, payload)).await?;
            Ok((index, part))
        });
    }

    /// Waits for a part; none may be on its way.
    async fn sent_one(&mut self) -> Result<(), Error> {
        if let Some(sent) = self.begun.sending.join_next().await {
            let ended = |error: tokio::task::JoinError| Error::Store {
                store: self.begun.shared.location.clone(),
                operation: trouble::described("write", &self.begun.name),
                problem: error.to_string(),
            };
            self.parts.push(sent.map_err(ended)??);
        }
        Ok(())
    }

    pub(super) async fn finish(mut self) -> Result<(), Error> {
        match self.complete().await {
            Ok(()) => {
                self.begun.upload = None;
                Ok(())
            }
            Err(error) => {
                self.abort().await;
                Err(error)
            }
        }
    }

    async fn complete(&mut self) -> Result<(), Error> {
        if self.held_bytes > 0 || self.sent == 0 {
            self.send();
        }
        while !self.begun.sending.is_empty() {
            self.sent_one().await?;
        }
        self.parts.sort_by_key(|(index, _)| *index);
        let parts = std::mem::take(&mut self.parts).into_iter().map(|(_, part)| part).collect();
        let Begun { shared, name, key, upload, .. } = &self.begun;
        let Some(upload) = upload else { return Ok(()) };
        shared.within("write", name, shared.only_new.complete_multipart(key, upload, parts)).await.map(|_| ())
    }

    pub(super) async fn abort(mut self) {
        self.begun.abort().await;
    }
}

/// An upload that is neither complete nor aborted; dropped, it is aborted in the background, as long as the runtime runs.
struct Begun {
    shared: Arc<Shared>,
    name: String,
    key: Key,
    upload: Option<String>,
    sending: JoinSet<Result<(usize, PartId), Error>>,
}

impl Begun {
    async fn abort(&mut self) {
        if let Some(upload) = self.upload.take() {
            // A part that the store has taken and not put down yet would outlive an abort (S3's AbortMultipartUpload). Each has its deadline.
            while self.sending.join_next().await.is_some() {}
            // Where this fails too, the parts stay until the store clears them away; they are no object.
            let _ = self.shared.within("abort", &self.name, self.shared.client.abort_multipart(&self.key, &upload)).await;
        }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if self.upload.is_none() {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            let (upload, sending) = (self.upload.take(), std::mem::take(&mut self.sending));
            let mut left = Self { shared: self.shared.clone(), name: self.name.clone(), key: self.key.clone(), upload, sending };
            runtime.spawn(async move { left.abort().await });
        }
    }
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3").field("location", &self.location()).field("region", &self.region).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_never_shown() {
        let settings = S3::bucket("b").unwrap().with_session_keys("an-id", "a-secret", "a-token");
        let shown = format!("{settings:?} {:?}", super::super::Store::s3(settings.clone()).unwrap());
        assert!(!shown.contains("a-secret") && !shown.contains("a-token") && !shown.contains("an-id"), "{shown}");
    }

    #[test]
    fn settings_that_cannot_be_right_say_what_would_be() {
        let bucket = || S3::bucket("b").unwrap();
        let said = |settings: Result<S3, Error>| settings.unwrap_err().to_string();
        assert!(said(S3::bucket("a/b")).contains("letters, digits"));
        assert!(said(bucket().with_prefix("a//b")).contains("a//b"));
        assert!(said(bucket().with_endpoint("minio:9000")).contains("https://minio.example:9000"));
        let with_user = said(bucket().with_endpoint("https://id:secret@minio:9000"));
        assert!(with_user.contains("with_keys") && !with_user.contains("secret@"), "{with_user}");
        for address in ["https://127.0.0.1:9000", "https://10.0.0.1", "https://[::1]:9000"] {
            let settings = bucket().with_endpoint(address).unwrap().with_bucket_in_host();
            assert!(super::super::Store::s3(settings).unwrap_err().to_string().contains("leave the bucket in the path"));
        }
    }

    #[tokio::test]
    async fn requests_go_to_the_bucket_in_the_path_or_before_the_host() {
        use object_store::signer::Signer;
        let bucket = || S3::bucket("backups").unwrap().with_prefix("etcd").unwrap().with_keys("id", "secret");
        let at = |endpoint: &str| bucket().with_endpoint(endpoint).unwrap();
        for (settings, expected) in [
            (bucket(), "https://s3.us-east-1.amazonaws.com/backups/etcd/x?"),
            (bucket().with_bucket_in_host(), "https://backups.s3.us-east-1.amazonaws.com/etcd/x?"),
            (at("https://minio.example:9000/"), "https://minio.example:9000/backups/etcd/x?"),
            (at("https://minio.example:9000/").with_bucket_in_host(), "https://backups.minio.example:9000/etcd/x?"),
            (at("https://gate.example/s3").with_bucket_in_host(), "https://backups.gate.example/s3/etcd/x?"),
        ] {
            let client = settings.client(HeaderMap::new()).unwrap();
            let url = client.signed_url(hyper::Method::GET, &"etcd/x".into(), Duration::from_secs(60)).await.unwrap();
            assert!(url.as_str().starts_with(expected), "{url}");
            assert!(settings.endpoint.is_none() || expected.starts_with(&settings.location()), "{}", settings.location());
        }
    }
}
