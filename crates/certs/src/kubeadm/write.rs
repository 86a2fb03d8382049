//! Files that a command writes, with the modes they have afterwards.

use serde::{Deserialize, Serialize};

use super::list::Item;
use super::pki::{KeyState, Pki};

/// One file that is written. It is truncated and written in place: mode, owner, inode and symlinks of an existing file stay, and nothing
/// keeps the old content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Write {
    /// The file.
    pub path: String,
    /// What it belongs to; `None` for the requests of `--csr-only`.
    pub item: Option<Item>,
    /// The mode of a new file; `None` where it was there and keeps its own.
    pub mode: Option<u32>,
}

/// The bits that a new file does not get, as the shell's `umask` shows them; 022 by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Umask(pub u32);

impl Default for Umask {
    fn default() -> Self {
        Self(0o022)
    }
}

impl Write {
    /// Whether the file is new.
    #[must_use]
    pub fn creates(&self) -> bool {
        self.mode.is_some()
    }

    /// A new file of this mode, before the mask.
    pub(super) fn new_file(path: String, mode: u32, umask: Umask) -> Self {
        Self { path, item: None, mode: Some(mode & !umask.0) }
    }

    /// The files of an item in the order of writing: the key first, so that a crash between the two leaves a new key beside an old
    /// certificate.
    pub(super) fn pair(item: Item, pki: &Pki, certificates_dir: &str, umask: Umask) -> Vec<Self> {
        let has_certificate = pki.has_certificate_file(item);
        let has_key = *pki.key(item) != KeyState::Absent;
        let write = |path: String, there: bool, mode: u32| Self { item: Some(item), ..Self::file(path, there, mode, umask) };
        let files = item.files(certificates_dir);
        match <[String; 2]>::try_from(files) {
            Ok([certificate, key]) => {
                let certificate_mode = if item == Item::Sa { 0o600 } else { 0o644 };
                vec![write(key, has_key, 0o600), write(certificate, has_certificate, certificate_mode)]
            }
            Err(files) => files.into_iter().map(|path| write(path, has_certificate, 0o600)).collect(),
        }
    }

    fn file(path: String, there: bool, mode: u32, umask: Umask) -> Self {
        if there { Self { path, item: None, mode: None } } else { Self::new_file(path, mode, umask) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_comes_first_and_the_mask_counts_for_new_files() {
        let writes = Write::pair(Item::EtcdPeer, &Pki::default(), "/pki", Umask(0o077));
        let seen: Vec<_> = writes.iter().map(|write| (write.path.as_str(), write.mode)).collect();
        assert_eq!(seen, [("/pki/etcd/peer.key", Some(0o600)), ("/pki/etcd/peer.crt", Some(0o600))]);
        let sa = Write::pair(Item::Sa, &Pki::default(), "/pki", Umask::default());
        assert!(sa.iter().all(|write| write.mode == Some(0o600)));
    }
}
