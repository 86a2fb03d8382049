//! What is there: files under kubeadm's names, where they lie, and what the kubelet has.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroize as _;

use super::{Node, journal, unreadable};
use crate::Error;
use crate::certificate::MAX_FILE_BYTES;
use crate::kubeadm::Item;
use crate::kubeadm::observe::{FileSeen, Files};
use crate::renewal::{FilePlace, KubeletSeen, KubeletState, NodeSeen, Unfinished};
use crate::rotation::PairFile;

impl Node {
    /// Looks at everything; see [`super::observe`].
    ///
    /// # Errors
    /// As [`super::observe`].
    pub fn observe(&self) -> Result<NodeSeen, Error> {
        fs::read_dir(&self.folder).map_err(|error| unreadable(&self.folder, &error))?;
        let (mut files, mut places) = (Files::new(), BTreeMap::new());
        for (name, path) in Item::ALL.into_iter().flat_map(|item| self.files(item)) {
            let Some(seen) = look_at(&path) else { continue };
            files.insert(name.clone(), seen);
            places.extend(place_of(&path).map(|place| (name, place)));
        }
        let folder = self.folder.display().to_string();
        let mut seen = NodeSeen::of_files(&folder, &self.certificates_name(), &files, &places, self.kubelet("kubelet-client"));
        forget(files);
        seen.kubelet_server = Some(self.kubelet("kubelet-server"));
        seen.unfinished = Item::ALL.into_iter().filter_map(|item| self.unfinished(item)).collect();
        Ok(seen)
    }

    fn unfinished(&self, item: Item) -> Option<Unfinished> {
        let journal = self.journal(item)?;
        journal.symlink_metadata().is_ok().then(|| Unfinished { item, journal: journal.display().to_string() })
    }

    /// Where the journal of a replacement lies: beside the certificate, or the link to it.
    pub(super) fn journal(&self, item: Item) -> Option<PathBuf> {
        let (_, certificate) = self.files(item).into_iter().next()?;
        Some(super::parent(&certificate).join(journal::name(item)))
    }

    fn kubelet(&self, prefix: &str) -> KubeletSeen {
        let path = self.kubelet_dir.join(PairFile::Current.name(prefix));
        KubeletSeen { path: path.display().to_string(), state: kubelet_state(&path) }
    }
}

/// A directory, and a symbolic link to nowhere, are nothing, as for kubeadm.
fn look_at(path: &Path) -> Option<FileSeen> {
    match read(path) {
        Ok(contents) => Some(FileSeen::Contents(contents)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory | ErrorKind::NotADirectory) => None,
        Err(error) => Some(FileSeen::Unreadable(error.to_string())),
    }
}

/// The contents of a regular file that is not too large; a pipe would be waited for without end.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let metadata = fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    if metadata.len() > MAX_FILE_BYTES {
        return Err(io::Error::other(format!("it has {} bytes, more than {MAX_FILE_BYTES}", metadata.len())));
    }
    let mut contents = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    File::open(path)?.take(MAX_FILE_BYTES).read_to_end(&mut contents)?;
    Ok(contents)
}

fn place_of(path: &Path) -> Option<FilePlace> {
    let metadata = fs::metadata(path).ok()?;
    let is_link = path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
    let target = is_link.then(|| fs::canonicalize(path).ok()).flatten().map(|target| target.display().to_string());
    Some(FilePlace { path: path.display().to_string(), target, mode: metadata.mode() & 0o7777, uid: metadata.uid(), gid: metadata.gid() })
}

fn kubelet_state(path: &Path) -> KubeletState {
    match path.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => KubeletState::Missing,
        Err(error) => KubeletState::Unreadable { problem: error.to_string() },
        Ok(metadata) if metadata.is_symlink() => link_state(path),
        Ok(_) => KubeletState::RegularFile,
    }
}

fn link_state(path: &Path) -> KubeletState {
    let target = fs::read_link(path).map(|target| target.display().to_string()).unwrap_or_default();
    let mut contents = match read(path) {
        Ok(contents) => contents,
        Err(error) if error.kind() == ErrorKind::NotFound => return KubeletState::Dangling { target },
        Err(error) => return KubeletState::Unreadable { problem: format!("it points to {target}: {error}") },
    };
    let state = KubeletState::of_link(&target, &contents);
    contents.zeroize();
    state
}

/// Private keys were among them.
fn forget(files: Files) {
    for seen in files.into_values() {
        match seen {
            FileSeen::Contents(mut contents) => contents.zeroize(),
            FileSeen::Unreadable(_) => {}
        }
    }
}
