//! The disk: looks at the certificates of a control-plane node, replaces them, and takes that back.
//!
//! [`Probe`] asks a server which certificates it shows. Everything here blocks; whoever is async calls it from a thread that may. The clock is the system's, unless
//! [`Node::at`] gives another one.
//!
//! ```no_run
//! use trimtab_certs::live::{self, Node};
//! use trimtab_certs::renewal::{self, RenewalPolicy};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut node = Node::new("/etc/kubernetes");
//! for recovered in node.recover()? {
//!     println!("{recovered}");
//! }
//! let seen = node.observe()?;
//! let plan = renewal::plan(&seen, &RenewalPolicy::new("1.31.0".parse()?), node.now())?;
//! println!("{plan}");
//! println!("{}", live::apply(&plan, &mut node, |event| println!("{event:?}")));
//! # Ok(())
//! # }
//! ```

mod act;
mod backup;
mod journal;
mod look;
mod make;
mod probe;
mod recover;
mod request;
mod swap;

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::io::Errno;
use trimtab_core::apply::Event;
use trimtab_core::plan::Report;

use crate::Error;
use crate::kubeadm::Item;
use crate::kubeadm::list::KUBERNETES_DIR;
use crate::renewal::seen::KUBELET_DIR;
use crate::renewal::{NodeSeen, RenewalPlan, Renewals};

pub use backup::{Backup, BackupFile};
pub use probe::Probe;
pub use recover::{Recovered, RecoveredAs};
pub use request::Requested;

/// kubeadm's `certificatesDir` where nobody says otherwise.
const CERTIFICATES_DIR: &str = "/etc/kubernetes/pki";

/// Who holds it replaces files in this folder. It stays there, since whoever waited for one that was removed would hold another. Mode 0600: the folder
/// itself can be opened, and so locked, by anybody on the node.
const LOCK: &str = ".trimtab-renew.lock";

/// A control-plane node's folder of certificates and kubeconfigs.
#[derive(Debug, Clone)]
pub struct Node {
    folder: PathBuf,
    certificates_dir: Option<PathBuf>,
    kubelet_dir: PathBuf,
    now: Option<Timestamp>,
    /// What the last look before a step saw.
    seen: Option<NodeSeen>,
}

impl Node {
    /// The folder that is, or stands for, `/etc/kubernetes`. Nothing is looked at yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), certificates_dir: None, kubelet_dir: PathBuf::from(KUBELET_DIR), now: None, seen: None }
    }

    /// Another `certificatesDir` than `pki` in the folder.
    #[must_use]
    pub fn with_certificates_dir(self, certificates_dir: impl Into<PathBuf>) -> Self {
        Self { certificates_dir: Some(certificates_dir.into()), ..self }
    }

    /// Another folder for the kubelet's certificates than `/var/lib/kubelet/pki`.
    #[must_use]
    pub fn with_kubelet_dir(self, kubelet_dir: impl Into<PathBuf>) -> Self {
        Self { kubelet_dir: kubelet_dir.into(), ..self }
    }

    /// As if it was always this time.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Self {
        Self { now: Some(now), ..self }
    }

    /// The time, by the system's clock or as it was given.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now.unwrap_or_else(Timestamp::now)
    }

    /// `certificatesDir` as kubeadm names it.
    fn certificates_name(&self) -> String {
        self.certificates_dir.as_ref().map_or_else(|| CERTIFICATES_DIR.to_owned(), |dir| dir.display().to_string())
    }

    /// The files of an item with kubeadm's names for them, certificate first.
    fn files(&self, item: Item) -> Vec<(String, PathBuf)> {
        let name = self.certificates_name();
        let pki = self.certificates_dir.clone().unwrap_or_else(|| self.folder.join("pki"));
        let on_disk = |file: &String| match file.strip_prefix(&format!("{name}/")).filter(|_| !item.is_kubeconfig()) {
            Some(below) => pki.join(below),
            None => self.folder.join(file.strip_prefix(&format!("{KUBERNETES_DIR}/")).unwrap_or(file)),
        };
        item.files(&name).into_iter().map(|file| (file.clone(), on_disk(&file))).collect()
    }

    /// Keeps others out until it is dropped, or until this process ends.
    fn lock(&self) -> Result<Lock, Error> {
        fs::read_dir(&self.folder).map_err(|error| unreadable(&self.folder, &error))?;
        let path = self.folder.join(LOCK);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = open(&path, flags, Mode::RUSR | Mode::WUSR).map_err(|error| unwritable(&path, &error.into()))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Lock(file)),
            Err(Errno::WOULDBLOCK) => Err(Error::Busy { folder: self.folder.display().to_string() }),
            Err(error) => Err(unreadable(&path, &error.into())),
        }
    }
}

/// Given back by name: a process that is being started somewhere else in this program has the open file too for a moment, and would hold on to it.
struct Lock(OwnedFd);

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

/// Looks at the certificates of a node: reads only, follows symbolic links, and keeps no private key.
///
/// # Errors
/// [`Error::Unreadable`] where there is no such folder, or it may not be entered. A file that cannot be read is part of what is seen.
pub fn observe(folder: impl Into<PathBuf>) -> Result<NodeSeen, Error> {
    Node::new(folder).observe()
}

/// Carries out a plan on a node and reports one outcome for each step; the observer is told of each file that is written. It blocks, since
/// nothing in it waits.
///
/// Killing the process is safe at any point: the next look finds what was begun, and finishes it or takes it back.
pub fn apply<O>(plan: &RenewalPlan, node: &mut Node, observer: O) -> Report<Renewals>
where
    O: FnMut(Event<'_, Renewals>) + Send,
{
    let mut run = pin!(plan.apply(node, observer));
    loop {
        // Ready at the first turn.
        if let Poll::Ready(report) = run.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return report;
        }
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::Unreadable { path: path.display().to_string(), problem: error.to_string() }
}

fn unwritable(path: &Path, error: &io::Error) -> Error {
    let path = path.display().to_string();
    let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    if full { Error::DiskFull { path } } else { Error::Unwritable { path, problem: error.to_string() } }
}

/// What cannot be written after something was replaced.
fn left_halfway(path: &Path, error: &io::Error) -> Error {
    Error::LeftHalfway { path: path.display().to_string(), problem: error.to_string() }
}

/// Where a file lies, or would lie, after every symbolic link.
fn place(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        found => return found,
    }
    match fs::read_link(path) {
        Ok(target) => place(&parent(path).join(target)),
        Err(_) => Ok(fs::canonicalize(parent(path))?.join(path.file_name().unwrap_or_default())),
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
