//! For an authority whose key is elsewhere: requests that ask for everything that is there, and answers put in place.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::make::{Credentials, Successor};
use super::swap::Progress;
use super::{Node, journal, look, unreadable, unwritable};
use crate::Error;
use crate::key::PrivateKey;
use crate::kubeadm::Item;
use crate::pem;
use crate::renew::{Accepted, KeyPolicy, accept, certificate_signing_request};
use crate::renewal::seen::first_certificate;

/// A request that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Requested {
    /// For what.
    pub item: Item,
    /// The request: what the authority is given.
    pub request: String,
    /// The new key, mode 0600, which stays here; none where the old one is kept.
    pub key: Option<String>,
}

impl Node {
    /// Writes a request for the successor of `item` into `folder`, as `ITEM.csr`, and its new key beside it, as `ITEM.key`. What is in use is not touched. An
    /// authority's own certificate is not needed for it.
    ///
    /// # Errors
    /// [`Error::Unreadable`] where certificate or key are not there, and what reading them says; [`Error::WouldRenewCa`];
    /// [`Error::Unwritable`], also where one of the two files is there already; [`Error::DiskFull`].
    pub fn request(&self, item: Item, key: KeyPolicy, folder: &Path) -> Result<Requested, Error> {
        let (_, files) = self.read(item)?;
        let old = Credentials::of(item, &files)?;
        let old_der = old.certificate_der(item)?;
        let new_key = key.wanted(&old_der)?.map(PrivateKey::generate).transpose()?;
        let request = certificate_signing_request(&old_der, new_key.as_ref().unwrap_or(&old.key))?;
        let (request_path, key_path) = paths(item, folder);
        if let Some(key) = &new_key {
            write_new(&key_path, 0o600, key.to_pem(key.format())?.as_bytes())?;
        }
        write_new(&request_path, 0o644, request.to_pem().as_bytes()).inspect_err(|_| {
            // Without its request the key is worth nothing.
            let _ = new_key.as_ref().map(|_| journal::remove(&key_path));
        })?;
        let named = |path: &Path| path.display().to_string();
        Ok(Requested { item, request: named(&request_path), key: new_key.map(|_| named(&key_path)) })
    }

    /// Takes the authority's answer, PEM, to the request in `folder`: checks that it is what was asked for and stands under the authority's certificate here,
    /// and puts it in place with its key as carefully as any renewal. Request and key are removed from `folder` then; the old pair is kept as a copy.
    ///
    /// # Errors
    /// What [`accept`] says of the answer; [`Error::AnswerKey`] where the key in `folder` is that of another request; as [`Self::rollback`] for the files.
    pub fn answer(&self, item: Item, folder: &Path, answer_pem: &[u8], progress: Progress<'_>) -> Result<Accepted, Error> {
        let _lock = self.lock()?;
        let (paths_in_use, files) = self.read(item)?;
        let old = Credentials::of(item, &files)?;
        let (request_path, key_path) = paths(item, folder);
        let answer = first_certificate(answer_pem).ok_or_else(not_an_answer)?;
        let accepted = accept(&request_in(&request_path)?, answer.der(), &self.authority_der(item)?, self.now())?;
        let new_key = key_path.symlink_metadata().is_ok().then(|| key_in(&key_path)).transpose()?;
        if !new_key.as_ref().unwrap_or(&old.key).matches(&answer.public_key.spki) {
            return Err(Error::AnswerKey);
        }
        let successor = Successor { item, certificate_der: answer.der().to_vec(), new_key };
        for entry in self.put(&successor, &old, &paths_in_use, files, progress)? {
            progress(format!("kept the old one as {}", entry.backup.display()));
        }
        for path in [request_path, key_path] {
            journal::remove(&path).map_err(|error| unwritable(&path, &error))?;
        }
        Ok(accepted)
    }

    fn authority_der(&self, item: Item) -> Result<Vec<u8>, Error> {
        let path = item.authority().and_then(|authority| self.files(authority).into_iter().next()).map(|(_, path)| path).unwrap_or_default();
        let text = look::read(&path).map_err(|error| unreadable(&path, &error))?;
        let none = || unreadable(&path, &io::Error::other("no certificate in it"));
        first_certificate(&text).map(|certificate| certificate.der().to_vec()).ok_or_else(none)
    }
}

fn paths(item: Item, folder: &Path) -> (PathBuf, PathBuf) {
    (folder.join(format!("{item}.csr")), folder.join(format!("{item}.key")))
}

fn not_an_answer() -> Error {
    Error::CertificateNotRead { role: crate::error::Role::Answer, part: "PEM".to_owned() }
}

fn request_in(path: &Path) -> Result<Vec<u8>, Error> {
    let text = look::read(path).map_err(|error| unreadable(path, &error))?;
    let request = pem::blocks(&text).flatten().find(|block| block.label == "CERTIFICATE REQUEST");
    request.map(|block| block.contents).ok_or_else(|| Error::RequestNotRead { part: "PEM".to_owned() })
}

fn key_in(path: &Path) -> Result<PrivateKey, Error> {
    let text = look::read(path).map(Zeroizing::new).map_err(|error| unreadable(path, &error))?;
    PrivateKey::from_pem(&text)
}

/// A file that was not there, on the disk whole or not at all.
fn write_new(path: &Path, mode: u32, contents: &[u8]) -> Result<(), Error> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(|error| unwritable(path, &error))?;
    let written = file.write_all(contents).and_then(|()| file.sync_all()).and_then(|()| journal::sync(super::parent(path)));
    written.map_err(|error| {
        let _ = journal::remove(path);
        unwritable(path, &error)
    })
}
