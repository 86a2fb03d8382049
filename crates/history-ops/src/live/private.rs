//! What may be told of an error of kube: nothing of a kubeconfig's values, and nothing that a credential plugin printed.
//!
//! kube's own texts show both: its YAML reader prints the lines around a mistake (serde-saphyr's snippet), and `AuthExecRun` the plugin's whole output
//! (`kube-client/src/client/auth/mod.rs` at 5.0.0), which is where tokens are.

use std::error::Error;

use kube::client::AuthError;
use kube::config::KubeconfigError;

/// An error with its causes ("connection refused" stands at the bottom), up to the first one that may show a secret: that one in words of our own.
pub(super) fn told(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (**error).source());
    if let Some(told) = causes.clone().find_map(without_secrets) {
        return told;
    }
    causes.map(ToString::to_string).fold(String::new(), |text, cause| match text.as_str() {
        "" => cause,
        known if known.contains(&cause) => text,
        known => format!("{known}: {cause}"),
    })
}

/// Of an error that may show one.
fn without_secrets(error: &(dyn Error + 'static)) -> Option<String> {
    let kubeconfig = error.downcast_ref::<KubeconfigError>().and_then(of_kubeconfig);
    let auth = || error.downcast_ref::<AuthError>().map(of_auth);
    let client = || error.downcast_ref::<kube::Error>().and_then(of_client);
    kubeconfig.or_else(auth).or_else(client)
}

/// None where kube's own text names nothing but paths, contexts and what is missing.
#[expect(clippy::wildcard_enum_match_arm, reason = "features of kube add variants, and another crate of the program may ask for them")]
fn of_kubeconfig(error: &KubeconfigError) -> Option<String> {
    match error {
        KubeconfigError::Parse(error) => Some(match error.location() {
            Some(at) => format!("it is no YAML of a kubeconfig: line {}, column {}", at.line(), at.column()),
            None => "it is no YAML of a kubeconfig".to_owned(),
        }),
        KubeconfigError::ParseProxyUrl(_) => Some("its proxy-url is none".to_owned()),
        _ => None,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "features of kube add variants, and another crate of the program may ask for them")]
fn of_auth(error: &AuthError) -> String {
    match error {
        AuthError::InvalidBasicAuth(_) => "its username or password cannot be sent: it holds a control character".to_owned(),
        AuthError::InvalidBearerToken(_) => "its token cannot be sent: it holds a control character".to_owned(),
        AuthError::UnrefreshableTokenResponse => "its credential plugin gave no token when it was asked again".to_owned(),
        AuthError::ExecPluginFailed => "its credential plugin gave no status".to_owned(),
        AuthError::MalformedTokenExpirationDate(_) => "its token's expiry is no time".to_owned(),
        AuthError::AuthExecStart(error) => format!("its credential plugin cannot be started: {}", error.kind()),
        AuthError::AuthExecRun { out, .. } => format!("its credential plugin failed ({}): run its command by hand", out.status),
        AuthError::AuthExecParse(error) => {
            let line = error.location().map_or(0, |at| at.line());
            format!("what its credential plugin printed is no ExecCredential: line {line}: run its command by hand")
        }
        AuthError::AuthExecSerialize(_) => "its credential plugin cannot be told about the cluster".to_owned(),
        AuthError::ReadTokenFile(error, path) => format!("its token file {} cannot be read: {}", path.display(), error.kind()),
        AuthError::MissingCommand => "its credential plugin has no command".to_owned(),
        AuthError::ExecMissingClusterInfo => "its credential plugin wants to know the cluster, of which it says nothing".to_owned(),
        AuthError::NoValidNativeRootCA(_) => "this machine has no certificate authorities to trust".to_owned(),
        _ => "its credentials cannot be used".to_owned(),
    }
}

/// A proxy's URL may hold a password.
fn of_client(error: &kube::Error) -> Option<String> {
    let is_proxys = matches!(error, kube::Error::ProxyProtocolUnsupported { .. } | kube::Error::ProxyProtocolDisabled { .. });
    is_proxys.then(|| "its proxy speaks a protocol that is not supported".to_owned())
}
