//! Kubeconfigs: which certificates are in them and which they point to; and a new one put in without losing anything else.

mod layout;
mod rewrite;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_saphyr::{Options, Spanned};

pub use layout::Layout;
pub use rewrite::{NewIdentity, RewriteError};

/// The largest kubeconfig that is read, in bytes: 16 MiB.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;

/// A kubeconfig. Keys, tokens and passwords are in it; neither `Debug` nor `Serialize` shows one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Kubeconfig {
    /// The context that is used where nobody asks for another; empty where the file says none.
    pub current_context: String,
    /// The clusters, in the order of the file.
    pub clusters: Vec<Cluster>,
    /// The users, in the order of the file.
    pub users: Vec<User>,
    /// Which user on which cluster, in the order of the file.
    pub contexts: Vec<Context>,
}

/// A cluster of a kubeconfig.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Cluster {
    /// Its name in the file.
    pub name: String,
    /// Where its API server is.
    pub server: String,
    /// Whom it trusts; none for the system's own authorities.
    pub certificate_authority: Option<Material>,
    /// Whether it trusts anybody.
    pub insecure_skip_tls_verify: bool,
    /// The name that the server has to have, where it is another than the one in `server`: `tls-server-name`.
    pub tls_server_name: Option<String>,
}

/// A user of a kubeconfig.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct User {
    /// Its name in the file.
    pub name: String,
    /// Its certificate.
    pub client_certificate: Option<Material>,
    /// Its key.
    pub client_key: Option<Secret>,
    /// What else it shows that it is: `token`, `tokenFile`, `username`, `exec`, `auth-provider`.
    pub other_credentials: Vec<&'static str>,
}

/// Which user on which cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Context {
    /// Its name in the file.
    pub name: String,
    /// The name of the cluster.
    pub cluster: String,
    /// The name of the user.
    pub user: String,
}

/// Certificates in a kubeconfig, or the file that they are in. `Debug` shows no contents: somebody may have put a key there.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Material {
    /// They are in it: what the base64 holds. Where a file is named too, this wins.
    Embedded {
        /// PEM, if it is what it should be.
        #[serde(skip)]
        contents: Vec<u8>,
    },
    /// What is in it is no base64.
    NotBase64,
    /// They are in a file. A relative path begins at the folder of the kubeconfig.
    File {
        /// The path, as it stands there.
        path: String,
    },
}

/// A key in a kubeconfig, or the file that it is in. Shown as nothing but where it is.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Secret {
    /// It is in it: what the base64 holds. Where a file is named too, this wins.
    Embedded {
        /// PEM, if it is what it should be.
        #[serde(skip)]
        contents: Vec<u8>,
    },
    /// What is in it is no base64.
    NotBase64,
    /// It is in a file. A relative path begins at the folder of the kubeconfig.
    File {
        /// The path, as it stands there.
        path: String,
    },
}

/// Why a kubeconfig cannot be read. Nothing of the file is shown, since any part of it may be a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "problem")]
#[non_exhaustive]
pub enum KubeconfigError {
    /// It is no text.
    #[error("no kubeconfig: it is no UTF-8 from byte {offset} on")]
    NotText {
        /// The first byte that is wrong.
        offset: usize,
    },
    /// It is no YAML, or a field is not what it should be.
    #[error("no kubeconfig: line {line}, column {column} is not what a kubeconfig has there; `kubectl config view --kubeconfig FILE` says more")]
    NotYaml {
        /// From 1; 0 where the reader does not say.
        line: u64,
        /// From 1; 0 where the reader does not say.
        column: u64,
    },
    /// It is larger than any.
    #[error("no kubeconfig: {bytes} bytes, more than {limit}")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
}

impl Kubeconfig {
    /// Reads a kubeconfig: YAML or JSON. What it does not know it passes over.
    ///
    /// # Errors
    /// [`KubeconfigError`].
    ///
    /// ```
    /// use trimtab_certs::kubeconfig::{Kubeconfig, Material};
    ///
    /// let config = Kubeconfig::read(b"current-context: a\nusers:\n- name: u\n  user: {client-certificate: u.crt, token: t0p}\n")?;
    /// assert_eq!(config.users[0].client_certificate, Some(Material::File { path: "u.crt".to_owned() }));
    /// assert_eq!(config.users[0].other_credentials, ["token"]);
    /// assert!(!format!("{config:?}").contains("t0p"));
    /// # Ok::<(), trimtab_certs::kubeconfig::KubeconfigError>(())
    /// ```
    pub fn read(file: &[u8]) -> Result<Self, KubeconfigError> {
        Ok(File::parse(text(file)?)?.into())
    }

    /// The context that is used where nobody asks for another, with its cluster and its user, where all three are there.
    #[must_use]
    pub fn current(&self) -> Option<(&Context, &Cluster, &User)> {
        let context = self.contexts.iter().find(|context| context.name == self.current_context)?;
        let cluster = self.clusters.iter().find(|cluster| cluster.name == context.cluster)?;
        let user = self.users.iter().find(|user| user.name == context.user)?;
        Some((context, cluster, user))
    }
}

impl Cluster {
    /// The name or address that the server's certificate has to stand for; none where nobody looks.
    ///
    /// ```
    /// use trimtab_certs::Kubeconfig;
    ///
    /// let config = Kubeconfig::read(b"clusters:\n- name: a\n  cluster: {server: 'https://[2001:db8::1]:6443'}\n")?;
    /// assert_eq!(config.clusters[0].server_name(), Some("2001:db8::1"));
    /// # Ok::<(), trimtab_certs::kubeconfig::KubeconfigError>(())
    /// ```
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        if self.insecure_skip_tls_verify {
            return None;
        }
        let named = self.tls_server_name.as_deref().or_else(|| host(&self.server));
        named.filter(|name| !name.is_empty())
    }
}

/// The host of a URL of `https`; nothing of another one.
fn host(url: &str) -> Option<&str> {
    let authority = url.strip_prefix("https://")?.split(['/', '?', '#']).next()?;
    match authority.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']').map(|(host, _)| host),
        None => authority.split(':').next(),
    }
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded { contents } => write!(f, "Embedded({} bytes)", contents.len()),
            Self::NotBase64 => f.write_str("NotBase64"),
            Self::File { path } => write!(f, "File({path:?})"),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded { .. } => f.write_str("Embedded(…)"),
            Self::NotBase64 => f.write_str("NotBase64"),
            Self::File { path } => write!(f, "File({path:?})"),
        }
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        if let Self::Embedded { contents } = self {
            zeroize::Zeroize::zeroize(contents);
        }
    }
}

fn text(file: &[u8]) -> Result<&str, KubeconfigError> {
    if file.len() > MAX_BYTES {
        return Err(KubeconfigError::TooLarge { bytes: file.len(), limit: MAX_BYTES });
    }
    std::str::from_utf8(file).map_err(|error| KubeconfigError::NotText { offset: error.valid_up_to() })
}

/// The file as it stands, with the place of each part that can be replaced.
#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
struct File {
    current_context: Option<String>,
    clusters: Option<Vec<NamedCluster>>,
    users: Option<Vec<NamedUser>>,
    contexts: Option<Vec<NamedContext>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct NamedCluster {
    name: String,
    cluster: Option<ClusterFields>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
struct ClusterFields {
    server: Option<String>,
    certificate_authority: Option<String>,
    certificate_authority_data: Option<Spanned<String>>,
    insecure_skip_tls_verify: Option<bool>,
    tls_server_name: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct NamedUser {
    name: String,
    user: Option<UserFields>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
struct UserFields {
    client_certificate: Option<String>,
    client_certificate_data: Option<Spanned<String>>,
    client_key: Option<String>,
    client_key_data: Option<Spanned<String>>,
    token: Option<serde::de::IgnoredAny>,
    #[serde(rename = "tokenFile")]
    token_file: Option<serde::de::IgnoredAny>,
    username: Option<serde::de::IgnoredAny>,
    exec: Option<serde::de::IgnoredAny>,
    auth_provider: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct NamedContext {
    name: String,
    context: Option<ContextFields>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ContextFields {
    cluster: Option<String>,
    user: Option<String>,
}

impl File {
    fn parse(text: &str) -> Result<Self, KubeconfigError> {
        // An empty file is a kubeconfig without anything in it, as client-go sees it.
        let read: Option<Self> = serde_saphyr::from_str_with_options(text, options()).map_err(|error| not_yaml(&error))?;
        Ok(read.unwrap_or_default())
    }
}

/// Without the lines around an error, since any of them may be a key.
fn options() -> Options {
    serde_saphyr::options! { with_snippet: false }
}

fn not_yaml(error: &serde_saphyr::Error) -> KubeconfigError {
    let (line, column) = error.location().map_or((0, 0), |at| (at.line(), at.column()));
    KubeconfigError::NotYaml { line, column }
}

impl From<File> for Kubeconfig {
    fn from(file: File) -> Self {
        Self {
            current_context: file.current_context.unwrap_or_default(),
            clusters: file.clusters.unwrap_or_default().into_iter().map(Cluster::from).collect(),
            users: file.users.unwrap_or_default().into_iter().map(User::from).collect(),
            contexts: file.contexts.unwrap_or_default().into_iter().map(Context::from).collect(),
        }
    }
}

impl From<NamedCluster> for Cluster {
    fn from(named: NamedCluster) -> Self {
        let fields = named.cluster.unwrap_or_default();
        let certificate_authority = match (data(fields.certificate_authority_data.as_ref()), file(fields.certificate_authority)) {
            (Some(Ok(contents)), _) => Some(Material::Embedded { contents }),
            (Some(Err(())), _) => Some(Material::NotBase64),
            (None, path) => path.map(|path| Material::File { path }),
        };
        Self {
            name: named.name,
            server: fields.server.unwrap_or_default(),
            certificate_authority,
            insecure_skip_tls_verify: fields.insecure_skip_tls_verify.unwrap_or_default(),
            tls_server_name: file(fields.tls_server_name),
        }
    }
}

impl From<NamedUser> for User {
    fn from(named: NamedUser) -> Self {
        let fields = named.user.unwrap_or_default();
        let others = [
            (fields.token.is_some(), "token"),
            (fields.token_file.is_some(), "tokenFile"),
            (fields.username.is_some(), "username"),
            (fields.exec.is_some(), "exec"),
            (fields.auth_provider.is_some(), "auth-provider"),
        ];
        let client_certificate = match (data(fields.client_certificate_data.as_ref()), file(fields.client_certificate)) {
            (Some(Ok(contents)), _) => Some(Material::Embedded { contents }),
            (Some(Err(())), _) => Some(Material::NotBase64),
            (None, path) => path.map(|path| Material::File { path }),
        };
        let client_key = match (data(fields.client_key_data.as_ref()), file(fields.client_key)) {
            (Some(Ok(contents)), _) => Some(Secret::Embedded { contents }),
            (Some(Err(())), _) => Some(Secret::NotBase64),
            (None, path) => path.map(|path| Secret::File { path }),
        };
        let other_credentials = others.into_iter().filter_map(|(there, name)| there.then_some(name)).collect();
        Self { name: named.name, client_certificate, client_key, other_credentials }
    }
}

impl From<NamedContext> for Context {
    fn from(named: NamedContext) -> Self {
        let fields = named.context.unwrap_or_default();
        Self { name: named.name, cluster: fields.cluster.unwrap_or_default(), user: fields.user.unwrap_or_default() }
    }
}

/// Go decodes base64 and passes over the ends of lines; nothing is as good as not there.
fn data(text: Option<&Spanned<String>>) -> Option<Result<Vec<u8>, ()>> {
    let packed: String = text?.value.chars().filter(|character| !matches!(character, '\r' | '\n')).collect();
    (!packed.is_empty()).then(|| STANDARD.decode(packed).map_err(|_| ()))
}

fn file(path: Option<String>) -> Option<String> {
    path.filter(|path| !path.is_empty())
}

#[cfg(test)]
mod tests;
