//! Why a PKCS#12 file, or something in it, cannot be read.

use serde::{Deserialize, Serialize};

use crate::renew::der::Malformed;

/// Why a PKCS#12 file, or something in it, cannot be read. Never holds a password or a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "problem")]
#[non_exhaustive]
pub enum Pkcs12Error {
    /// It is none, or was cut or changed.
    #[error("no PKCS#12, at its {part}: it is another file, or it was cut or changed; copy it again from where it came from")]
    NotPkcs12 {
        /// Where, in RFC 7292's words.
        part: String,
    },
    /// It is written with lengths that are left open, as macOS does.
    #[error("a PKCS#12 file in BER with open lengths: write it anew with `openssl pkcs12 -in FILE -nodes | openssl pkcs12 -export -out NEW`")]
    Ber,
    /// It is of another version than 3, which is the only one that anybody wrote.
    #[error("a PKCS#12 file of another version than 3: write it anew with openssl pkcs12 -export")]
    Version,
    /// It is larger than any.
    #[error("a PKCS#12 file of {bytes} bytes, more than {limit}: this is another file")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The MAC does not hold: the password is another one, or the file was changed.
    #[error("the password is another one, or the file was changed: try the right one, then copy it again from where it came from")]
    WrongPassword,
    /// Something in a file without a MAC does not open with this password.
    #[error("something in it does not open: the password is another one, or the file was changed; no MAC tells which")]
    NotOpened,
    /// It asks for more hashing than any file needs.
    #[error("it asks for {iterations} rounds of hashing, of which {limit} are allowed for a whole file: no tool writes such files; do not trust it")]
    TooManyIterations {
        /// What it asks for at one place; the largest number that can be written here where it is larger.
        iterations: u64,
        /// What was allowed there still.
        limit: u64,
    },
    /// It asks for no hashing at all, or for less than none.
    #[error("it asks for no rounds of hashing: it was changed; copy it again from where it came from")]
    NoIterations,
    /// It is protected by a key pair and not by a password.
    #[error("it is protected by a key pair and not by a password (content {content}): write it anew with openssl pkcs12 -export")]
    NotByPassword {
        /// The kind of content, dotted.
        content: String,
    },
    /// Its MAC is of a kind that is not known here.
    #[error("its MAC is made by {algorithm}, which is not known here: write it anew with openssl pkcs12 -export")]
    MacAlgorithm {
        /// Dotted.
        algorithm: String,
    },
    /// Something in it is hidden in a way that is not known here.
    #[error("something in it is hidden by {algorithm}, which is not known here: write it anew with openssl pkcs12 -export")]
    Cipher {
        /// Dotted.
        algorithm: String,
    },
    /// A certificate of another kind than X.509.
    #[error("a certificate in it is of the kind {kind}, which is not X.509")]
    CertificateKind {
        /// Dotted.
        kind: String,
    },
    /// Bags in bags in bags.
    #[error("its contents are nested deeper than any tool writes them: do not trust it")]
    TooDeep,
    /// More things than any tool puts into one.
    #[error("more than {limit} things are in it: no tool writes such files; do not trust it")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// A key to which no certificate in the file belongs.
    #[error("a private key without its certificate: export the pair anew")]
    KeyAlone,
    /// Neither certificate nor key.
    #[error("neither a certificate nor a key is in it: export the pair anew")]
    Empty,
}

/// Names the place of what is not as it has to be.
pub(super) fn part(part: &'static str) -> impl Fn(Malformed) -> Pkcs12Error {
    move |Malformed| Pkcs12Error::NotPkcs12 { part: part.to_owned() }
}
