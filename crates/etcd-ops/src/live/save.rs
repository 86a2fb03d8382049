//! Saves a snapshot: streams it, proves it, compares it with the members, and only then gives it its name.
//!
//! The order is what makes a `kill -9` harmless. A locked part (see `part`) takes the bytes; it is flushed and verified; the members' hashes
//! are compared; the manifest is written and flushed under a temporary name and gets its own; last of all the snapshot gets its name. So a
//! file with a backup's name is always whole, flushed and proven, and its manifest is there.

mod compare;
mod part;
mod stream;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use etcd_client::{Client, ResponseHeader};
use jiff::Timestamp;
use tokio::task::spawn_blocking;
use trimtab_core::apply::Site;
use trimtab_core::plan::Step;
use trimtab_etcd_file::{EtcdFile, EtcdVersion, HashKv, Sha256, Verified, Verify};

use super::link::Link;
use super::{Etcd, Store};
use crate::backup::save::{Action, Compare, SaveSeen, Saving};
use crate::backup::{Compression, Manifest, MemberHash, NotCompared, SnapshotStatus, Stored};
use crate::cluster::{ClusterId, MemberId, MemberSeen, MemberState};
use crate::error::Error;
use crate::maintenance::Mib;
use compare::{Peer, compare};
use part::{Part, check_room, clean, sync_directory, unwritable};
use stream::{Limits, Written, receive};

type Progress<'a> = &'a mut (dyn FnMut(String) + Send);

/// `HashKV` reads the whole keyspace; 20 MB/s is a slow disk under load (1 GB/s and more were measured).
const SLOWEST_HASH_BYTES_PER_SECOND: u64 = 20_000_000;
const PATIENCE: Duration = Duration::from_secs(60);

impl Site<Saving> for Etcd {
    async fn look(&mut self, step: &Step<Saving>, progress: Progress<'_>) -> Result<SaveSeen, Error> {
        let Action::Save { directory, .. } = &step.action;
        let cluster = self.observe_patiently(self.access.patience, progress).await?;
        let catalog = Store::directory(directory)?.list().await?;
        Ok(SaveSeen { cluster, backups: catalog.verified().map(|(_, manifest)| manifest.clone()).collect() })
    }

    async fn act(&mut self, action: &Action, progress: Progress<'_>) -> Result<(), Error> {
        let Action::Save { member, directory, compare, first_byte_seconds, idle_seconds, .. } = action;
        let source = self.source(*member).await?;
        let needed_bytes = source.db_size_bytes.saturating_add(Sha256::BYTES as u64);
        let (part, removed) = blocking(directory, move |directory| prepare(directory, needed_bytes)).await?;
        for name in removed {
            progress(format!("removed what a killed save had left: {name}"));
        }
        let limits = Limits { first_byte: Duration::from_secs(*first_byte_seconds), idle: Duration::from_secs(*idle_seconds) };
        let taken_at = Timestamp::now();
        let written = receive(&source.link, part, limits, progress).await?;
        progress(format!("received all of {}: verifying", mib(written.received.db_size_bytes)));
        let (endpoint, release) = (source.link.endpoint.clone(), source.release);
        let proven = blocking(directory, move |_| prove(written, &endpoint, release)).await?;
        if let Some(irregularity) = &proven.verified.irregularity {
            progress(format!("the member's own file is as etcd would not have written it, look at its disk: {irregularity}"));
        }
        progress(format!("verified at revision {}: comparing HashKV with the members", proven.verified.hash_kv.revision));
        let (proven, compared) = self.compare(&source, proven, *compare, progress).await?;
        let manifest = manifest(&source, &proven, taken_at, compared);
        let told = format!("saved {}: {}", manifest.name(), agreement(&manifest));
        blocking(directory, move |directory| publish(directory, proven.part, &manifest)).await?;
        progress(told);
        Ok(())
    }
}

/// A member's connection and release, or why it cannot be compared.
type Reached = Result<(Link, EtcdVersion), NotCompared>;

/// The member that is saved from.
struct Origin {
    id: MemberId,
    cluster_id: ClusterId,
    link: Link,
    version: String,
    release: EtcdVersion,
    db_size_bytes: u64,
}

/// A snapshot on the disk that is whole and sound.
struct Proven {
    part: Part,
    file: EtcdFile<File>,
    file_sha256: Sha256,
    verified: Verified,
}

impl Etcd {
    async fn source(&mut self, id: MemberId) -> Result<Origin, Error> {
        let link = self.member_link(id).await?;
        let status = link.call("Status", |mut client: Client| async move { client.status().await }).await?;
        super::observe::check_responder(id, &link, &status)?;
        let version = status.version().to_owned();
        let unknown = |error: trimtab_etcd_file::Error| Error::InvalidPolicy { problem: format!("member {id} cannot be saved from: {error}") };
        Ok(Origin {
            id,
            cluster_id: ClusterId(status.header().map_or(0, ResponseHeader::cluster_id)),
            release: version.parse().map_err(unknown)?,
            version,
            db_size_bytes: u64::try_from(status.db_size()).unwrap_or(0),
            link,
        })
    }

    /// The snapshot beside the members, as they are now.
    async fn compare(&mut self, source: &Origin, proven: Proven, whose: Compare, progress: Progress<'_>) -> Result<(Proven, Vec<MemberHash>), Error> {
        let members = self.observe_patiently(Duration::ZERO, progress).await?.members;
        let wanted = members.into_iter().filter(|member| match whose {
            Compare::EveryVoter => true,
            Compare::Source => member.id == source.id,
        });
        let mut asked = Vec::new();
        for member in wanted {
            asked.push((member.id, self.reach(&member).await));
        }
        let directory = proven.part.path().to_owned();
        let endpoint = source.link.endpoint.clone();
        let (proven, peers) = blocking(&directory, move |_| expect(proven, asked, &endpoint)).await?;
        let deadline = PATIENCE + Duration::from_secs(proven.verified.status.total_size_bytes / SLOWEST_HASH_BYTES_PER_SECOND);
        let compared = compare(source.id, peers, deadline).await?;
        Ok((proven, compared))
    }

    /// How a member can be compared.
    async fn reach(&mut self, member: &MemberSeen) -> Reached {
        let silent = |trouble| NotCompared::Silent { trouble };
        let version = match &member.state {
            _ if member.is_learner => return Err(NotCompared::Learner),
            MemberState::Answers(status) => &status.version,
            MemberState::Defragmenting => return Err(NotCompared::Defragmenting),
            MemberState::Blocked { trouble } | MemberState::Silent { trouble } => return Err(silent(trouble.clone())),
        };
        let release = version.parse().map_err(|_| NotCompared::UnknownVersion { version: version.clone() })?;
        Ok((self.member_link(member.id).await.map_err(silent)?, release))
    }
}

fn prepare(directory: &Path, needed_bytes: u64) -> Result<(Part, Vec<String>), Error> {
    let removed = clean(directory)?;
    check_room(directory, needed_bytes)?;
    Ok((Part::create(directory)?, removed))
}

/// Verifies what stands on the disk, while the disk writes it down.
fn prove(written: Written, endpoint: &str, release: EtcdVersion) -> Result<Proven, Error> {
    let Written { part, received, file_sha256 } = written;
    let how = Verify::snapshot().with_checked_sha256(received.sha256).with_etcd(release);
    let handle = part.file().try_clone().map_err(|error| unwritable(part.path(), &error))?;
    let needed_bytes = received.db_size_bytes + Sha256::BYTES as u64;
    let (synced, verified) = std::thread::scope(|scope| {
        let synced = std::thread::Builder::new().spawn_scoped(scope, || part.sync(needed_bytes));
        let verified = EtcdFile::open(handle).and_then(|file| file.verify(&how).map(|verified| (file, verified)));
        // A machine without another thread, or one that ended early, flushes here.
        let synced = synced.ok().and_then(|thread| thread.join().ok()).unwrap_or_else(|| part.sync(needed_bytes));
        (synced, verified)
    });
    let (file, verified) = verified.map_err(|problem| Error::BrokenSnapshot { endpoint: endpoint.to_owned(), problem: Box::new(problem) })?;
    synced?;
    Ok(Proven { part, file, file_sha256, verified })
}

/// What each member should answer: the snapshot's hash by the rules of the member's release.
fn expect(proven: Proven, asked: Vec<(MemberId, Reached)>, endpoint: &str) -> Result<(Proven, Vec<Peer>), Error> {
    let own = proven.verified.hash_kv;
    let mut known: BTreeMap<EtcdVersion, HashKv> = BTreeMap::from([(proven.verified.etcd, own)]);
    let mut peers = Vec::new();
    for (id, reached) in asked {
        let expected = match reached {
            Ok(_) if own.revision == own.compact_revision => Err(NotCompared::AtCompaction),
            Ok((link, release)) => Ok((link, hash_by(release, &proven, &mut known, endpoint)?)),
            Err(why) => Err(why),
        };
        peers.push(Peer { id, expected });
    }
    Ok((proven, peers))
}

/// The snapshot's hash by the rules of a release; each is computed once.
fn hash_by(release: EtcdVersion, proven: &Proven, known: &mut BTreeMap<EtcdVersion, HashKv>, endpoint: &str) -> Result<HashKv, Error> {
    if let Some(hash) = known.get(&release) {
        return Ok(*hash);
    }
    let hash = proven.file.hash_kv(Some(proven.verified.hash_kv.revision), release);
    let hash = hash.map_err(|problem| Error::BrokenSnapshot { endpoint: endpoint.to_owned(), problem: Box::new(problem) })?;
    known.insert(release, hash);
    Ok(hash)
}

fn manifest(source: &Origin, proven: &Proven, taken_at: Timestamp, compared: Vec<MemberHash>) -> Manifest {
    let Verified { status, hash_kv, .. } = &proven.verified;
    let db_size_bytes = status.total_size_bytes;
    Manifest {
        format: Manifest::FORMAT,
        cluster_id: source.cluster_id,
        member_id: source.id,
        etcd_version: source.version.clone(),
        taken_at,
        verified_at: Timestamp::now(),
        revision: hash_kv.revision,
        compact_revision: hash_kv.compact_revision,
        hash_kv: hash_kv.hash,
        status: SnapshotStatus { hash: status.hash, total_key: status.total_key, total_size_bytes: status.total_size_bytes },
        db_size_bytes,
        sha256: proven.verified.sha256.unwrap_or(proven.file_sha256),
        stored: Stored { compression: Compression::None, size_bytes: db_size_bytes + Sha256::BYTES as u64, sha256: proven.file_sha256 },
        compared,
    }
}

fn agreement(manifest: &Manifest) -> String {
    let (agree, all) = (manifest.agreeing(), manifest.compared.len());
    format!("{}, revision {}; {agree} of {all} members have the same data", mib(manifest.db_size_bytes), manifest.revision)
}

/// Gives the manifest its name and then the snapshot its own. What fails takes both away.
fn publish(directory: &Path, mut snapshot: Part, manifest: &Manifest) -> Result<PathBuf, Error> {
    let name = manifest.name();
    part::refuse_existing(directory, &name.to_string())?;
    let text = manifest.to_json();
    let mut sidecar = Part::create(directory)?;
    sidecar.write(text.as_bytes(), text.len() as u64)?;
    sidecar.sync(text.len() as u64)?;
    snapshot.announce(&name)?;
    sidecar.publish(&name.manifest())?;
    sync_directory(directory)?;
    snapshot.publish(&name.to_string())?;
    sync_directory(directory)?;
    sidecar.keep();
    Ok(snapshot.keep())
}

/// Work on the disk, off the threads that the network is served on.
async fn blocking<T, F>(path: &Path, work: F) -> Result<T, Error>
where
    T: Send + 'static,
    F: FnOnce(&Path) -> Result<T, Error> + Send + 'static,
{
    let owned = path.to_owned();
    let ended = |error: tokio::task::JoinError| Error::Unwritable { path: path.display().to_string(), problem: error.to_string() };
    spawn_blocking(move || work(&owned)).await.unwrap_or_else(|error| Err(ended(error)))
}

fn mib(bytes: u64) -> Mib {
    Mib(i64::try_from(bytes).unwrap_or(i64::MAX))
}
