//! Proves a snapshot while it comes in: its SHA-256, and its size by its own meta page.

use sha2::Digest as _;

use crate::digest::Sha256;
use crate::error::Error;
use crate::page::{META, Meta};

/// A snapshot that is received piece by piece.
///
/// etcd sends the database and, behind it, the SHA-256 of all its bytes. The last 32 bytes that came in are held back from the hash until it is
/// known whether more follow.
///
/// ```
/// use trimtab_etcd_file::{Error, SnapshotStream, example};
///
/// let bytes = example::snapshot();
/// let mut stream = SnapshotStream::new();
/// for piece in bytes.chunks(1000) {
///     stream.push(piece)?;
/// }
/// assert_eq!(stream.finish()?.db_size_bytes, bytes.len() as u64 - 32);
///
/// let mut cut = SnapshotStream::new();
/// cut.push(&bytes[..bytes.len() - 4096])?;
/// assert!(matches!(cut.finish(), Err(Error::Truncated { .. })));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct SnapshotStream {
    hasher: sha2::Sha256,
    held: Vec<u8>,
    beginning: Vec<u8>,
    bytes: u64,
}

/// A snapshot that came in whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// Over the database; it stands behind it too.
    pub sha256: Sha256,
    /// Without the SHA-256.
    pub db_size_bytes: u64,
}

impl Default for SnapshotStream {
    fn default() -> Self {
        Self::new()
    }
}

impl SnapshotStream {
    /// Nothing has come in yet.
    #[must_use]
    pub fn new() -> Self {
        Self { hasher: sha2::Sha256::new(), held: Vec::new(), beginning: Vec::new(), bytes: 0 }
    }

    /// Takes the next piece, of any size.
    ///
    /// # Errors
    /// [`Error::NotBolt`] as soon as the beginning shows that this is no database.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), Error> {
        self.bytes += piece.len() as u64;
        if self.beginning.len() < META {
            let (head, _) = piece.split_at(piece.len().min(META - self.beginning.len()));
            self.beginning.extend_from_slice(head);
            if self.beginning.len() == META {
                self.meta()?;
            }
        }
        self.hash(piece);
        Ok(())
    }

    /// How long the database is by its own meta page, in bytes; none before that page came in.
    #[must_use]
    pub fn expected_bytes(&self) -> Option<u64> {
        self.meta().ok().map(|meta| meta.bytes())
    }

    /// The end: compares the length with the meta page's and the hash with the last 32 bytes.
    ///
    /// # Errors
    /// [`Error::NotBolt`], [`Error::Truncated`] where the database is not whole, [`Error::NoSha256`] where only the SHA-256 is missing or cut,
    /// [`Error::Sha256Mismatch`].
    pub fn finish(self) -> Result<Received, Error> {
        let expected_bytes = self.meta()?.bytes();
        if self.bytes < expected_bytes {
            return Err(Error::Truncated { expected_bytes, found_bytes: self.bytes });
        }
        let expected_bytes = expected_bytes + Sha256::BYTES as u64;
        let trailer: Result<[u8; Sha256::BYTES], _> = self.held.as_slice().try_into();
        let (Ok(trailer), true) = (trailer, self.bytes == expected_bytes) else {
            return Err(Error::NoSha256 { expected_bytes, found_bytes: self.bytes });
        };
        let (expected, found) = (Sha256::from_bytes(trailer), Sha256::from_bytes(self.hasher.finalize().into()));
        if expected != found {
            return Err(Error::Sha256Mismatch { expected, found, first: None });
        }
        Ok(Received { sha256: found, db_size_bytes: self.bytes - Sha256::BYTES as u64 })
    }

    fn meta(&self) -> Result<Meta, Error> {
        Meta::parse(&self.beginning).map_err(|found| Error::NotBolt { found })
    }

    fn hash(&mut self, piece: &[u8]) {
        if piece.len() < Sha256::BYTES {
            self.held.extend_from_slice(piece);
            let (old, _) = self.held.split_at(self.held.len().saturating_sub(Sha256::BYTES));
            self.hasher.update(old);
            let gone = old.len();
            self.held.drain(..gone);
            return;
        }
        let (new, last) = piece.split_at(piece.len() - Sha256::BYTES);
        self.hasher.update(&self.held);
        self.hasher.update(new);
        self.held.clear();
        self.held.extend_from_slice(last);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::example;

    proptest! {
        #[test]
        fn pieces_of_any_size_give_the_same(sizes in prop::collection::vec(1_usize..5000, 1..40)) {
            let bytes = example::snapshot();
            let (mut stream, mut rest) = (SnapshotStream::new(), bytes.as_slice());
            for size in sizes.iter().cycle() {
                let (piece, after) = rest.split_at((*size).min(rest.len()));
                stream.push(piece).unwrap();
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            let received = stream.finish().unwrap();
            prop_assert_eq!(received.sha256, Sha256::of(&bytes[..bytes.len() - 32]));
        }
    }

    #[test]
    fn every_cut_is_refused() {
        let bytes = example::snapshot();
        for length in 0..bytes.len() {
            let mut stream = SnapshotStream::new();
            let pushed = stream.push(&bytes[..length]);
            assert!(pushed.and_then(|()| stream.finish()).is_err(), "{length}");
        }
    }
}
