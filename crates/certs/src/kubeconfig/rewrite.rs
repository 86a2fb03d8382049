//! A new certificate and key in a kubeconfig, and every other byte as it was.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_saphyr::Spanned;

use super::{File, KubeconfigError, options, text};

/// What a user of a kubeconfig gets.
#[derive(Clone, Copy)]
pub struct NewIdentity<'a> {
    /// The name of the user in the file.
    pub user: &'a str,
    /// The certificate, PEM.
    pub certificate_pem: &'a [u8],
    /// The key, PEM.
    pub key_pem: &'a [u8],
}

/// Why a kubeconfig was not written anew. Nothing of it is shown, since any part of it may be a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "problem")]
#[non_exhaustive]
pub enum RewriteError {
    /// It cannot be read.
    #[error(transparent)]
    Unreadable {
        /// Why.
        kubeconfig: KubeconfigError,
    },
    /// It has no such user, or more than one.
    #[error("the kubeconfig has {found} users named {user:?}, one is wanted")]
    User {
        /// The name.
        user: String,
        /// How many there are.
        found: usize,
    },
    /// The certificate or the key of the user is not in the file, but in another one.
    #[error("the user {user:?} has no {field} in the kubeconfig: renew the file that it names instead")]
    NotEmbedded {
        /// The name.
        user: String,
        /// `client-certificate-data` or `client-key-data`.
        field: &'static str,
    },
    /// The value is written in a way (an anchor, a block) in which it cannot be replaced alone.
    #[error("the {field} of {user:?} cannot be replaced without touching anything else: write it as one line of base64 first")]
    NotAlone {
        /// The name.
        user: String,
        /// `client-certificate-data` or `client-key-data`.
        field: &'static str,
    },
}

impl NewIdentity<'_> {
    /// The kubeconfig with this certificate and key, and every other byte as it was: comments, order, unknown fields, other users.
    ///
    /// DIFFERENCE: kubeadm writes the file anew: it loses comments and unknown fields, and replaces the cluster's authorities by the first
    /// certificate of `ca.crt`.
    ///
    /// # Errors
    /// [`RewriteError`]; nothing is half done.
    ///
    /// ```
    /// use trimtab_certs::kubeconfig::NewIdentity;
    ///
    /// let old = b"users: # mine\n- name: u\n  user: {client-key-data: QQ==, client-certificate-data: Qg==}\n";
    /// let new = NewIdentity { user: "u", certificate_pem: b"D", key_pem: b"C" }.put_into(old)?;
    /// assert_eq!(new, b"users: # mine\n- name: u\n  user: {client-key-data: Qw==, client-certificate-data: RA==}\n");
    /// # Ok::<(), trimtab_certs::kubeconfig::RewriteError>(())
    /// ```
    pub fn put_into(&self, file: &[u8]) -> Result<Vec<u8>, RewriteError> {
        let unreadable = |kubeconfig| RewriteError::Unreadable { kubeconfig };
        let old = text(file).map_err(unreadable)?;
        let parsed = File::parse(old).map_err(unreadable)?;
        let mut named = parsed.users.iter().flatten().filter(|user| user.name == self.user);
        let (Some(user), None) = (named.next(), named.next()) else {
            let found = parsed.users.iter().flatten().filter(|user| user.name == self.user).count();
            return Err(RewriteError::User { user: self.user.to_owned(), found });
        };
        let fields = user.user.as_ref();
        let certificate = fields.and_then(|fields| fields.client_certificate_data.as_ref());
        let key = fields.and_then(|fields| fields.client_key_data.as_ref());
        let mut pieces =
            [self.piece(old, certificate, "client-certificate-data", self.certificate_pem)?, self.piece(old, key, "client-key-data", self.key_pem)?];
        pieces.sort_by_key(|piece| std::cmp::Reverse(piece.from));
        let mut new = old.to_owned();
        for piece in &pieces {
            new.replace_range(piece.from..piece.to, &piece.with);
        }
        self.prove(old, &new)?;
        Ok(new.into_bytes())
    }

    fn piece(&self, old: &str, value: Option<&Spanned<String>>, field: &'static str, pem: &[u8]) -> Result<Piece, RewriteError> {
        let not_embedded = || RewriteError::NotEmbedded { user: self.user.to_owned(), field };
        let not_alone = || RewriteError::NotAlone { user: self.user.to_owned(), field };
        let value = value.filter(|value| !value.value.is_empty()).ok_or_else(not_embedded)?;
        // An alias stands where it is used, its value elsewhere, maybe for others too.
        if value.referenced != value.defined {
            return Err(not_alone());
        }
        let span = value.defined.span();
        let place = |number: Option<u64>| number.and_then(|number| usize::try_from(number).ok());
        let (from, length) = place(span.byte_offset()).zip(place(span.byte_len())).ok_or_else(not_alone)?;
        let there = old.get(from..from.saturating_add(length)).ok_or_else(not_alone)?;
        // Quotes stay outside of it, as does what the reader counts to it and is none of it.
        let inner = there.trim_matches(['"', '\'', ' ', '\n', '\r', '\t']);
        if inner.is_empty() || inner != value.value {
            return Err(not_alone());
        }
        let from = from + there.find(inner).unwrap_or(0);
        Ok(Piece { from, to: from + inner.len(), with: STANDARD.encode(pem) })
    }

    /// Read again, the two differ in nothing but what was meant to.
    fn prove(&self, old: &str, new: &str) -> Result<(), RewriteError> {
        let not_alone = || RewriteError::NotAlone { user: self.user.to_owned(), field: "client-certificate-data" };
        let read = |text: &str| serde_saphyr::from_str_with_options::<Value>(text, options()).map_err(|_| not_alone());
        let (mut wanted, found) = (read(old)?, read(new)?);
        let users = wanted.get_mut("users").and_then(Value::as_array_mut).ok_or_else(not_alone)?;
        let fields = users.iter_mut().find(|user| user["name"] == self.user).and_then(|user| user.get_mut("user")).ok_or_else(not_alone)?;
        fields["client-certificate-data"] = STANDARD.encode(self.certificate_pem).into();
        fields["client-key-data"] = STANDARD.encode(self.key_pem).into();
        if wanted == found { Ok(()) } else { Err(not_alone()) }
    }
}

impl std::fmt::Debug for NewIdentity<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewIdentity({:?})", self.user)
    }
}

struct Piece {
    from: usize,
    to: usize,
    with: String,
}
