//! A bucket of a store that speaks S3.
//!
//! Every request has a deadline, and so has every pause of an answer. Objects go up in parts, a few at a time; the last request of an upload
//! carries `If-None-Match: *`, so that two writers of one name cannot overwrite each other where the store knows that condition (Amazon
//! since November 2024, versitygw, `MinIO`, Ceph).

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt};
use jiff::Timestamp;
use object_store::aws::{AmazonS3, AmazonS3Builder};
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

    /// Puts the bucket into the host's name (`https://bucket.host/key`) and not into the path.
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
        let place = if self.prefix.is_empty() { self.bucket.clone() } else { format!("{}/{}", self.bucket, self.prefix) };
        self.endpoint.as_ref().map_or_else(|| format!("s3://{place}"), |endpoint| format!("{endpoint}/{place}"))
    }

    fn client(&self, headers: HeaderMap) -> Result<AmazonS3, Error> {
        let wrong = |error: object_store::Error| invalid(&self.location(), error.to_string());
        let plain = self.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"));
        if plain && self.transport == Transport::Tls {
            return Err(invalid(&self.location(), "the endpoint has no TLS: write https://, or allow it with with_plain_http".to_owned()));
        }
        // Deadlines are ours: the client's own would end a long answer that goes on well.
        let mut options = ClientOptions::new().with_timeout_disabled().with_connect_timeout(self.request_deadline.min(Duration::from_secs(10)));
        options = options.with_allow_http(plain).with_default_headers(headers);
        for certificate in self.ca_pem.iter().map(|pem| Certificate::from_pem_bundle(pem)).collect::<Result<Vec<_>, _>>().map_err(wrong)? {
            options = certificate.into_iter().fold(options, ClientOptions::with_root_certificate);
        }
        let retries = RetryConfig { max_retries: RETRIES, retry_timeout: self.request_deadline, ..RetryConfig::default() };
        let mut builder = match &self.keys {
            None => AmazonS3Builder::from_env(),
            Some(keys) => {
                let builder = AmazonS3Builder::new().with_access_key_id(&keys.id).with_secret_access_key(&keys.secret);
                keys.session_token.iter().fold(builder, AmazonS3Builder::with_token)
            }
        };
        builder = self.region.iter().fold(builder, AmazonS3Builder::with_region);
        builder = self.endpoint.iter().fold(builder, AmazonS3Builder::with_endpoint);
        builder = builder.with_bucket_name(&self.bucket).with_virtual_hosted_style_request(self.addressing == Addressing::Host);
        // One request for each deletion: an object that may not be deleted is told by itself.
        builder.with_disable_bulk_delete(true).with_client_options(options).with_retry(retries).build().map_err(wrong)
    }
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
        let begun = Begun { shared: self.shared.clone(), name: name.to_owned(), key, upload: Some(upload) };
        Ok(Writer { begun, held: Vec::new(), held_bytes: 0, sent: 0, parts: Vec::new(), sending: JoinSet::new() })
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
    sending: JoinSet<Result<(usize, PartId), Error>>,
}

impl Writer {
    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.held_bytes += bytes.len();
        self.held.push(bytes);
        if self.held_bytes < PART_BYTES {
            return Ok(());
        }
        while self.sending.len() >= PARTS_AT_A_TIME {
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
        self.sending.spawn(async move {
            let part = shared.within("write", &name, shared.client.put_part(&key, &upload, index, payload)).await?;
            Ok((index, part))
        });
    }

    /// Waits for a part; none may be on its way.
    async fn sent_one(&mut self) -> Result<(), Error> {
        if let Some(sent) = self.sending.join_next().await {
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
        while !self.sending.is_empty() {
            self.sent_one().await?;
        }
        self.parts.sort_by_key(|(index, _)| *index);
        let parts = std::mem::take(&mut self.parts).into_iter().map(|(_, part)| part).collect();
        let Begun { shared, name, key, upload } = &self.begun;
        let Some(upload) = upload else { return Ok(()) };
        shared.within("write", name, shared.only_new.complete_multipart(key, upload, parts)).await.map(|_| ())
    }

    pub(super) async fn abort(mut self) {
        self.sending.shutdown().await;
        self.begun.abort().await;
    }
}

/// An upload that is neither complete nor aborted; dropped, it is aborted in the background, as long as the runtime runs.
struct Begun {
    shared: Arc<Shared>,
    name: String,
    key: Key,
    upload: Option<String>,
}

impl Begun {
    async fn abort(&mut self) {
        if let Some(upload) = self.upload.take() {
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
            let mut left = Self { shared: self.shared.clone(), name: self.name.clone(), key: self.key.clone(), upload: self.upload.take() };
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
    }
}
