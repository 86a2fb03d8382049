//! What a store holds, as plain data: made by `live::Store::list`, or written by hand for a test.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::manifest::{Manifest, Unusable, read_sidecar};
use super::name::{BackupName, ObjectName};
use crate::error::Error;

/// Everything that a store held at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Catalog {
    /// Where: `s3://bucket/prefix`, or a directory. Never holds credentials.
    pub store: String,
    /// Its objects, a backup with its sidecars as one, by name.
    pub entries: Vec<Entry>,
}

/// An object, as a listing tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Object {
    /// Its name, without the store's prefix.
    pub name: String,
    /// In bytes.
    pub size_bytes: u64,
    /// When it was written, to the second: a listing and a single look differ below it.
    pub last_modified: Timestamp,
    /// What changes with the contents, where the store tells one.
    pub etag: Option<String>,
    /// Its version, where the store keeps versions.
    pub version: Option<String>,
}

/// Something in a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "entry")]
pub enum Entry {
    /// A file with a backup's name, and its sidecars.
    Backup(Box<Backup>),
    /// Sidecars whose backup is not there.
    Orphan(Orphan),
    /// Something half written.
    Temporary(Temporary),
    /// Not ours.
    Foreign(Object),
}

/// A file with a backup's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    /// What its name says.
    pub name: BackupName,
    /// The file.
    pub object: Object,
    /// The manifest's object, where there is one.
    pub manifest: Option<Object>,
    /// The object with what a later verification found, where there is one.
    pub verification: Option<Object>,
    /// Whether it counts.
    pub state: State,
}

/// Sidecars without the backup that they are of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Orphan {
    /// The backup that is not there.
    pub name: BackupName,
    /// Its sidecars: one or two.
    pub objects: Vec<Object>,
}

/// Something half written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Temporary {
    /// The backup that it was to become, as far as its name tells.
    pub of: Option<BackupName>,
    /// The file.
    pub object: Object,
}

/// Whether a file counts as a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "state")]
pub enum State {
    /// Its manifest is there and matches, and no later verification says otherwise, or something that cannot be read.
    Verified {
        /// What was proven when it was made.
        manifest: Box<Manifest>,
        /// When its bytes were last proven: then, or by a later verification.
        last_verified_at: Timestamp,
    },
    /// It does not count.
    Unverified {
        /// Why.
        why: Unverified,
    },
}

/// Why a file with a backup's name does not count as a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "why")]
#[non_exhaustive]
pub enum Unverified {
    /// There is none beside it: an upload that was broken off or goes on, or a file that was copied alone.
    #[error("its manifest is missing")]
    NoManifest,
    /// What lies beside it is no manifest.
    #[error("its manifest cannot be used: {problem}")]
    UnusableManifest {
        /// What is wrong with it.
        problem: Unusable,
    },
    /// The manifest is of another backup.
    #[error("its manifest is that of {of}")]
    ManifestOfAnother {
        /// The backup that it is of.
        of: BackupName,
    },
    /// The file is shorter or longer than the one that was verified.
    #[error("it has {found_bytes} bytes, its manifest says {expected_bytes}")]
    SizeDiffers {
        /// By the manifest.
        expected_bytes: u64,
        /// By the listing.
        found_bytes: u64,
    },
    /// It was read again, and is broken.
    #[error("read again on {at}: {problem}")]
    FoundBroken {
        /// When.
        at: Timestamp,
        /// What was wrong.
        problem: Box<Error>,
    },
    /// It was read again, and what was found cannot be read: the record was cut, or a newer trimtab wrote it. It may tell of a broken file.
    #[error("what its last verification found cannot be read: {problem}; verify it again")]
    UnusableVerification {
        /// What is wrong with the record.
        problem: Unusable,
    },
}

/// What a verification of a backup in its store found; stored beside it as `NAME.verified.json`, so that whoever lists the store knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// The version of this form: [`Manifest::FORMAT`].
    pub format: u32,
    /// When it was read.
    pub at: Timestamp,
    /// The object that was read. That one was sound says nothing of another object; that one was broken does, until it is read again.
    pub object: Object,
    /// What was found.
    pub found: Found,
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "found")]
pub enum Found {
    /// Every byte is what the manifest says, and a sound snapshot.
    Sound,
    /// It is not.
    Broken {
        /// What is wrong.
        problem: Box<Error>,
    },
}

impl Catalog {
    /// Puts a listing and the contents of its sidecars together. The order of both does not matter.
    ///
    /// A sidecar that is listed and has no contents counts as missing: somebody took it away meanwhile.
    #[must_use]
    pub fn assemble(store: &str, objects: Vec<Object>, sidecars: &BTreeMap<String, Vec<u8>>) -> Self {
        let mut gathered: BTreeMap<BackupName, Parts> = BTreeMap::new();
        let mut entries = Vec::new();
        for object in objects {
            match ObjectName::of(&object.name) {
                ObjectName::Backup(name) => gathered.entry(name).or_default().object = Some(object),
                ObjectName::Manifest(name) => gathered.entry(name).or_default().manifest = Some(object),
                ObjectName::Verification(name) => gathered.entry(name).or_default().verification = Some(object),
                ObjectName::Temporary(of) => entries.push(Entry::Temporary(Temporary { of, object })),
                ObjectName::Saving => entries.push(Entry::Temporary(Temporary { of: None, object })),
                ObjectName::Foreign => entries.push(Entry::Foreign(object)),
            }
        }
        entries.extend(gathered.into_iter().map(|(name, parts)| parts.entry(name, sidecars)));
        entries.sort_by_key(Entry::name);
        Self { store: store.to_owned(), entries }
    }

    /// The files with a backup's name, counted or not.
    pub fn backups(&self) -> impl Iterator<Item = &Backup> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Backup(backup) => Some(&**backup),
            Entry::Orphan(_) | Entry::Temporary(_) | Entry::Foreign(_) => None,
        })
    }

    /// The backups that count, with their manifests.
    pub fn verified(&self) -> impl Iterator<Item = (&Backup, &Manifest)> {
        self.backups().filter_map(|backup| Some((backup, backup.verified()?)))
    }

    /// The clusters that have a backup here, counted or not.
    #[must_use]
    pub fn clusters(&self) -> BTreeSet<crate::ClusterId> {
        self.backups().map(|backup| backup.name.cluster_id()).collect()
    }

    /// Takes in what a verification found. What does not count here counts again only in a new listing, after the verification is recorded.
    pub fn note(&mut self, name: &BackupName, verification: &Verification) {
        for entry in &mut self.entries {
            match entry {
                Entry::Backup(backup) if backup.name == *name => backup.note(verification),
                Entry::Backup(_) | Entry::Orphan(_) | Entry::Temporary(_) | Entry::Foreign(_) => {}
            }
        }
    }
}

impl Entry {
    /// Its name; of sidecars without a backup, that of the manifest.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Backup(backup) => backup.object.name.clone(),
            Self::Orphan(orphan) => orphan.objects.last().map_or_else(|| orphan.name.to_string(), |object| object.name.clone()),
            Self::Temporary(temporary) => temporary.object.name.clone(),
            Self::Foreign(object) => object.name.clone(),
        }
    }

    /// Its objects, the file first and its manifest last.
    #[must_use]
    pub fn objects(&self) -> Vec<&Object> {
        match self {
            Self::Backup(backup) => [&backup.object].into_iter().chain(&backup.verification).chain(&backup.manifest).collect(),
            Self::Orphan(orphan) => orphan.objects.iter().collect(),
            Self::Temporary(temporary) => vec![&temporary.object],
            Self::Foreign(object) => vec![object],
        }
    }
}

impl Backup {
    /// Its manifest, where it counts.
    #[must_use]
    pub fn verified(&self) -> Option<&Manifest> {
        match &self.state {
            State::Verified { manifest, .. } => Some(manifest),
            State::Unverified { .. } => None,
        }
    }

    fn note(&mut self, verification: &Verification) {
        let same = verification.object == self.object;
        match (&mut self.state, &verification.found) {
            (State::Verified { last_verified_at, .. }, Found::Sound) => {
                let at = if same { verification.at } else { *last_verified_at };
                *last_verified_at = at.max(*last_verified_at);
            }
            // Also where the object looks different: a broken file that was copied is still broken, and a good one can be verified.
            (state @ State::Verified { .. }, Found::Broken { problem }) => {
                *state = State::Unverified { why: Unverified::FoundBroken { at: verification.at, problem: problem.clone() } };
            }
            (State::Unverified { .. }, Found::Sound | Found::Broken { .. }) => {}
        }
    }

    /// A record that cannot be read may say that the file is broken.
    fn doubt(&mut self, problem: Unusable) {
        if self.verified().is_some() {
            self.state = State::Unverified { why: Unverified::UnusableVerification { problem } };
        }
    }
}

impl Verification {
    /// Reads a record. Fields that it does not know are passed over.
    ///
    /// # Errors
    /// [`Unusable`] says what is wrong with it.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Unusable> {
        read_sidecar(bytes)
    }

    /// The text of the record, with a newline at its end.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Fails for maps whose keys are no text, and there is no map in it.
        serde_json::to_string_pretty(self).map(|text| text + "\n").unwrap_or_default()
    }
}

/// What was listed of one backup.
#[derive(Default)]
struct Parts {
    object: Option<Object>,
    manifest: Option<Object>,
    verification: Option<Object>,
}

impl Parts {
    fn entry(self, name: BackupName, sidecars: &BTreeMap<String, Vec<u8>>) -> Entry {
        let Some(object) = self.object else {
            return Entry::Orphan(Orphan { name, objects: self.verification.into_iter().chain(self.manifest).collect() });
        };
        let contents = |sidecar: &Option<Object>| sidecar.as_ref().and_then(|sidecar| sidecars.get(&sidecar.name));
        let state = judge(&name, &object, contents(&self.manifest).map(Vec::as_slice));
        let record = contents(&self.verification).map(|bytes| Verification::from_json(bytes));
        let mut backup = Backup { name, object, manifest: self.manifest, verification: self.verification, state };
        match record {
            Some(Ok(record)) => backup.note(&record),
            Some(Err(problem)) => backup.doubt(problem),
            None => {}
        }
        Entry::Backup(Box::new(backup))
    }
}

/// What the manifest says of the file that is listed.
fn judge(name: &BackupName, object: &Object, manifest: Option<&[u8]>) -> State {
    let unverified = |why| State::Unverified { why };
    let Some(manifest) = manifest else { return unverified(Unverified::NoManifest) };
    let manifest = match Manifest::from_json(manifest) {
        Ok(manifest) => manifest,
        Err(problem) => return unverified(Unverified::UnusableManifest { problem }),
    };
    if manifest.name() != *name {
        return unverified(Unverified::ManifestOfAnother { of: manifest.name() });
    }
    if manifest.stored.size_bytes != object.size_bytes {
        return unverified(Unverified::SizeDiffers { expected_bytes: manifest.stored.size_bytes, found_bytes: object.size_bytes });
    }
    State::Verified { last_verified_at: manifest.verified_at, manifest: Box::new(manifest) }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sound => f.write_str("sound"),
            Self::Broken { problem } => write!(f, "broken: {problem}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::finding::BackupFinding;
    use crate::backup::{Expectations, example};

    /// A store with one backup, beside which this was recorded.
    fn with_record(text: &str) -> Catalog {
        let manifest = example::manifest();
        let name = manifest.name();
        let record = example::object(&name.verification(), text.len() as u64, manifest.taken_at);
        let objects = example::objects(&manifest).into_iter().chain([record]).collect();
        let sidecars = BTreeMap::from([(name.manifest(), manifest.to_json().into_bytes()), (name.verification(), text.as_bytes().to_vec())]);
        Catalog::assemble("s3://backups/etcd", objects, &sidecars)
    }

    fn found_broken() -> String {
        let manifest = example::manifest();
        let [object, _] = example::objects(&manifest);
        let problem = Box::new(Error::NotUnpacked { name: object.name.clone(), problem: "no frame".to_owned() });
        Verification { format: Manifest::FORMAT, at: manifest.taken_at, object, found: Found::Broken { problem } }.to_json()
    }

    #[test]
    fn a_record_of_a_verification_that_cannot_be_read_does_not_count_as_sound() {
        let record = found_broken();
        let newer = record.replace("\"format\": 1", "\"format\": 2").replace("\"broken\"", "\"rotten\"");
        let long = format!("{record}{}", " ".repeat(300_000));
        for (text, newer_format) in
            [(&record[..40], false), (&record.replace("notUnpacked", "aLaterKind"), false), (&newer, true), (&long, false), ("", false)]
        {
            let catalog = with_record(text);
            assert_eq!(catalog.verified().count(), 0, "{text}");
            let found = catalog.findings(example::manifest().taken_at, &Expectations::default());
            let Some(BackupFinding::Unverified { why: Unverified::UnusableVerification { problem }, .. }) = found.last() else {
                panic!("{text}: {found:?}")
            };
            assert_eq!(matches!(problem, Unusable::Newer { format: 2 }), newer_format, "{problem}");
            assert!(found.last().is_some_and(|finding| finding.to_string().contains("verify it again")), "{found:?}");
        }
    }

    #[test]
    fn a_record_that_can_be_read_says_whether_the_file_counts() {
        assert!(matches!(with_record(&found_broken()).backups().next().unwrap().state, State::Unverified { why: Unverified::FoundBroken { .. } }));
        let sound = Verification { found: Found::Sound, ..Verification::from_json(found_broken().as_bytes()).unwrap() };
        assert_eq!(with_record(&sound.to_json()).verified().count(), 1);
    }
}
