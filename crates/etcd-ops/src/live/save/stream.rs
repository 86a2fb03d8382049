//! The bytes on their way from a member to the disk: checked as they come, network and disk at the same time.

use std::time::Duration;

use etcd_client::{Client, SnapshotResponse, SnapshotStreaming};
use sha2::Digest;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};
use trimtab_etcd_file::{Received, Sha256, SnapshotStream};

use super::part::Part;
use crate::error::Error;
use crate::live::link::Link;
use crate::live::trouble::Scene;
use crate::maintenance::Mib;

/// etcd sends 32 KiB at a time, so this is 2 MiB: what the disk may be behind the network.
const CHUNKS_IN_FLIGHT: usize = 64;
const CALL: &str = "Snapshot";
/// Bytes come many times a second. A connection that breaks after so long a silence was not ended by a member that went away.
const SILENCE: Duration = Duration::from_secs(5);
/// How often the progress is told: with the first bytes, and then at most so often.
const TICK: Duration = Duration::from_millis(500);

/// How long a member may be silent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) first_byte: Duration,
    pub(super) idle: Duration,
}

/// A snapshot on the disk whose SHA-256 is right; nothing else is known of it yet.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) part: Part,
    pub(super) received: Received,
    /// Over all bytes of the file, the 32 at its end included.
    pub(super) file_sha256: Sha256,
}

/// Streams a member's snapshot into `part`.
///
/// Dropping the future ends the stream; the part is removed as soon as the disk is done with the bytes that were in flight.
pub(super) async fn receive(link: &Link, part: Part, limits: Limits, progress: &mut (dyn FnMut(String) + Send)) -> Result<Written, Error> {
    let (chunks, incoming) = mpsc::channel(CHUNKS_IN_FLIGHT);
    let endpoint = link.endpoint.clone();
    let path = part.path().display().to_string();
    let writer = spawn_blocking(move || write(part, incoming, &endpoint));
    let sent = Box::pin(forward(link, chunks, limits, progress)).await;
    let written = writer.await.unwrap_or_else(|error| Err(Error::Unwritable { path, problem: error.to_string() }));
    // Where the network failed, the writer only says that bytes are missing.
    sent.and(written)
}

/// From the network to the writer. Ends well also where the writer has gone: it says why itself.
async fn forward(link: &Link, chunks: mpsc::Sender<Vec<u8>>, limits: Limits, progress: &mut (dyn FnMut(String) + Send)) -> Result<(), Error> {
    let request = |mut client: Client| async move { client.snapshot().await };
    // etcd sends no header before the first bytes, and those wait for a defragmentation.
    let mut stream = link.call_within(CALL, limits.first_byte, request).await?;
    let mut patience = limits.first_byte;
    let (mut received, mut told) = (0, None::<Instant>);
    while let Some(chunk) = next(link, &mut stream, patience, received).await? {
        patience = limits.idle;
        received += chunk.blob().len() as u64;
        if told.is_none_or(|told| told.elapsed() >= TICK) {
            told = Some(Instant::now());
            progress(format!("received {} of {}", mib(received), mib(received + chunk.remaining_bytes())));
        }
        if chunks.send(chunk.0.blob).await.is_err() {
            break;
        }
    }
    Ok(())
}

async fn next(link: &Link, stream: &mut SnapshotStreaming, patience: Duration, received_bytes: u64) -> Result<Option<SnapshotResponse>, Error> {
    let begun = Instant::now();
    let stalled = |silence: Duration| {
        let after_ms = u64::try_from(silence.as_millis()).unwrap_or(u64::MAX);
        Err(Error::Stalled { endpoint: link.endpoint.clone(), received_bytes, after_ms })
    };
    match timeout(patience, stream.message()).await {
        Ok(Ok(chunk)) => Ok(chunk),
        // A member that answers no ping either loses its connection before our patience ends.
        Ok(Err(_)) if begun.elapsed() >= SILENCE => stalled(begun.elapsed()),
        Ok(Err(error)) => Err(Scene { endpoint: &link.endpoint, call: CALL, user: None }.error(&error)),
        Err(_) => stalled(patience),
    }
}

/// From the network's end of the channel to the disk.
fn write(mut part: Part, mut incoming: mpsc::Receiver<Vec<u8>>, endpoint: &str) -> Result<Written, Error> {
    let broken = |problem| Error::BrokenSnapshot { endpoint: endpoint.to_owned(), problem: Box::new(problem) };
    let mut stream = SnapshotStream::new();
    let mut hasher = sha2::Sha256::new();
    while let Some(chunk) = incoming.blocking_recv() {
        let needed_bytes = stream.expected_bytes().map_or(0, |bytes| bytes + Sha256::BYTES as u64);
        stream.push(&chunk).map_err(broken)?;
        hasher.update(&chunk);
        part.write(&chunk, needed_bytes)?;
    }
    let received = stream.finish().map_err(broken)?;
    Ok(Written { part, received, file_sha256: Sha256::from_bytes(hasher.finalize().into()) })
}

fn mib(bytes: u64) -> Mib {
    Mib(i64::try_from(bytes).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_etcd_file::{Error as FileError, example};

    /// What is on the disk after these bytes came, and what is said of them.
    fn came(bytes: &[u8]) -> (Result<Written, Error>, Vec<String>) {
        let directory = tempfile::tempdir().unwrap();
        let part = Part::create(directory.path()).unwrap();
        let (chunks, incoming) = mpsc::channel(bytes.len() + 1);
        bytes.chunks(1000).for_each(|chunk| chunks.try_send(chunk.to_vec()).unwrap());
        drop(chunks);
        let written = write(part, incoming, "http://127.0.0.1:2379");
        let left = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        (written, left.collect())
    }

    #[test]
    fn a_whole_snapshot_is_written_as_it_came() {
        let bytes = example::snapshot();
        let directory = tempfile::tempdir().unwrap();
        let (chunks, incoming) = mpsc::channel(1);
        let part = Part::create(directory.path()).unwrap();
        chunks.try_send(bytes.clone()).unwrap();
        drop(chunks);
        let written = write(part, incoming, "").unwrap();
        assert_eq!(std::fs::read(written.part.path()).unwrap(), bytes);
        assert_eq!(written.file_sha256, Sha256::of(&bytes));
        assert_eq!(written.received.sha256, Sha256::of(&bytes[..bytes.len() - 32]));
    }

    #[test]
    fn a_snapshot_that_is_not_whole_or_not_right_leaves_nothing() {
        let whole = example::snapshot();
        let mut flipped = whole.clone();
        flipped[5000] ^= 1;
        let came = [&whole[..whole.len() - 4096], &whole[..whole.len() - 32], &flipped, &[7; 5000]].map(came);
        assert!(came.iter().all(|(_, left)| left.is_empty()), "{came:?}");
        let problems = came.map(|(written, _)| match written {
            Err(Error::BrokenSnapshot { problem, .. }) => *problem,
            other => panic!("{other:?}"),
        });
        let expected = matches!(
            &problems,
            [FileError::Truncated { .. }, FileError::NoSha256 { .. }, FileError::Sha256Mismatch { .. }, FileError::NotBolt { .. }]
        );
        assert!(expected, "{problems:?}");
    }
}
