//! Carries out the steps of a plan.

use std::path::PathBuf;

use trimtab_core::apply::Site;
use trimtab_core::plan::Step;
use zeroize::Zeroizing;

use super::journal::Entry;
use super::make::{Contents, Credentials, Successor, successor};
use super::swap::{Progress, Swap, Target};
use super::{Node, look, unreadable};
use crate::Error;
use crate::kubeadm::Item;
use crate::renewal::{Fingerprint, NodeSeen, Renew, Renewals};

impl Site<Renewals> for Node {
    /// What an earlier run has left half done is finished or taken back first.
    async fn look(&mut self, _step: &Step<Renewals>, progress: Progress<'_>) -> Result<NodeSeen, Error> {
        let mut seen = self.observe()?;
        if !seen.unfinished.is_empty() {
            for recovered in self.recover()? {
                progress(recovered.to_string());
            }
            seen = self.observe()?;
        }
        self.seen = Some(seen.clone());
        Ok(seen)
    }

    async fn act(&mut self, action: &Renew, progress: Progress<'_>) -> Result<(), Error> {
        let _lock = self.lock()?;
        let (paths, files) = self.read(action.item)?;
        let old = Credentials::of(action.item, &files)?;
        let (_, ca_files) = self.read(action.authority)?;
        let ca = Credentials::of(action.authority, &ca_files)?;
        self.is_as_seen(action.item, &old)?;
        self.is_as_seen(action.authority, &ca)?;
        let successor = successor(action, &old, &ca, self.now())?;
        let kept = self.put(&successor, &old, &paths, files, progress)?;
        for entry in &kept {
            progress(format!("kept the old one as {}", entry.backup.display()));
        }
        Ok(())
    }
}

impl Node {
    /// Puts a successor in place; the key first, if there is a new one.
    pub(super) fn put(
        &self,
        successor: &Successor,
        old: &Credentials,
        paths: &[PathBuf],
        files: Vec<Contents>,
        progress: Progress<'_>,
    ) -> Result<Vec<Entry>, Error> {
        let item = successor.item;
        let new = successor.contents(old, &files)?;
        let stays = usize::from(successor.new_key.is_none() && files.len() > 1);
        let targets = paths.iter().zip(files).zip(new).rev().skip(stays).map(|((path, old), new)| Target::new(path, old, new));
        let targets = targets.collect::<Result<_, _>>()?;
        let journal = self.journal(item).ok_or_else(|| Error::NotAsPlanned { item, problem: "it has no file".to_owned() })?;
        Swap { item, journal, targets }.run(self.now(), progress)
    }

    /// The files of an item with what is in them, certificate first.
    pub(super) fn read(&self, item: Item) -> Result<(Vec<PathBuf>, Vec<Contents>), Error> {
        let paths: Vec<PathBuf> = self.files(item).into_iter().map(|(_, path)| path).collect();
        let read = |path: &PathBuf| look::read(path).map(Zeroizing::new).map_err(|error| unreadable(path, &error));
        let files = paths.iter().map(read).collect::<Result<_, _>>()?;
        Ok((paths, files))
    }

    /// What the guards were checked against is what is read now.
    fn is_as_seen(&self, item: Item, read: &Credentials) -> Result<(), Error> {
        let Some(seen) = self.seen.as_ref().and_then(|seen| seen.items.get(&item)) else { return Ok(()) };
        let certificate = Some(Fingerprint::of(&read.certificate_der(item)?));
        let key = Some(Fingerprint::of(read.key.public_key()));
        if seen.certificate_sha256 == certificate && seen.public_key_sha256 == key {
            return Ok(());
        }
        let path = seen.certificate.as_ref().map_or_else(|| item.to_string(), |place| place.path.clone());
        Err(Error::Changed { path })
    }
}
