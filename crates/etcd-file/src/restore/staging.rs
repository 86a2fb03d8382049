//! The folder that a restore writes into before it has its name, and what becomes of those that were left behind.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// A folder of ours, removed with all that is in it when it goes out of scope.
///
/// Its name says which process made it: `.NAME.trimtab-restore-PID-START-BOOT`. One whose process is gone is removed by the next restore into the
/// same place. That may go wrong where two machines or containers share a disk and restore to the same place at the same time: then one of them loses
/// its folder, fails, and leaves nothing.
#[derive(Debug)]
pub(crate) struct Staging {
    path: PathBuf,
}

impl Staging {
    /// Makes a folder within `parent`, and removes those that dead processes left there for the same `name`.
    pub(crate) fn begin(parent: &Path, name: &str) -> io::Result<(Self, Vec<PathBuf>)> {
        let mut removed = Vec::new();
        for entry in fs::read_dir(parent)? {
            let entry = entry?;
            let is_dead = maker(&entry.file_name().to_string_lossy(), name).is_some_and(|maker| !maker.runs());
            if is_dead && entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
                removed.push(entry.path());
            }
        }
        let path = parent.join(format!("{}{}", prefix(name), Maker::ourselves().text()));
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok((Self { path }, removed))
    }

    /// Whether this is what such a folder is called.
    pub(crate) fn is_name(file_name: &str, name: &str) -> bool {
        maker(file_name, name).is_some()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes what is left of it: nothing where it got another name.
    pub(crate) fn end(self) -> io::Result<()> {
        match fs::remove_dir(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // There is nobody to tell, and nothing more to be done.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Without a name it lies within the place itself.
fn prefix(name: &str) -> String {
    let dot = if name.is_empty() { "" } else { "." };
    format!(".{name}{dot}trimtab-restore-")
}

fn maker(file_name: &str, name: &str) -> Option<Maker> {
    let mut parts = file_name.strip_prefix(&prefix(name))?.split('-');
    let (pid, start, boot) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.to_owned());
    parts.next().is_none().then_some(Maker { pid, start, boot })
}

/// A process, told from others that have had its number.
#[derive(Debug, PartialEq, Eq)]
struct Maker {
    pid: u32,
    /// When it began, in ticks since the machine did; 0 where the system does not tell.
    start: u64,
    /// The beginning of the machine's boot id.
    boot: String,
}

impl Maker {
    fn ourselves() -> Self {
        let pid = std::process::id();
        Self { pid, start: start(pid).unwrap_or(0), boot: boot() }
    }

    fn text(&self) -> String {
        format!("{}-{}-{}", self.pid, self.start, self.boot)
    }

    /// True where the system does not tell, too.
    fn runs(&self) -> bool {
        let Some(_) = start(std::process::id()) else { return true };
        self.boot == boot() && start(self.pid) == Some(self.start)
    }
}

/// The 22nd field of `/proc/PID/stat`, the 20th after the program's name in parentheses.
fn start(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

fn boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = id.chars().filter(char::is_ascii_hexdigit).take(8).collect();
    if digits.is_empty() { "0".to_owned() } else { digits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_gone_when_it_is_dropped() {
        let parent = tempfile::tempdir().unwrap();
        let (staging, removed) = Staging::begin(parent.path(), "etcd").unwrap();
        fs::write(staging.path().join("db"), b"x").unwrap();
        assert!(removed.is_empty());
        drop(staging);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn only_what_dead_processes_left_for_this_place_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let (running, _) = Staging::begin(parent.path(), "etcd").unwrap();
        let ours = Maker::ourselves();
        let dead = Maker { start: ours.start + 1, ..Maker::ourselves() };
        let foreign_boot = Maker { boot: "0badb007".to_owned(), ..Maker::ourselves() };
        let names = [
            format!(".etcd.trimtab-restore-{}", dead.text()),
            format!(".etcd.trimtab-restore-{}", foreign_boot.text()),
            format!(".other.trimtab-restore-{}", dead.text()),
            ".etcd.trimtab-restore-mine".to_owned(),
            ".etcd.trimtab-restore-1-2-3-4".to_owned(),
        ];
        for name in &names {
            fs::create_dir(parent.path().join(name)).unwrap();
        }
        let again = Staging::begin(parent.path(), "etcd").unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists, "the one that runs stays");
        let left: Vec<bool> = names.iter().map(|name| parent.path().join(name).exists()).collect();
        assert_eq!(left, [false, false, true, true, true]);
        assert!(running.path().exists());
    }
}
