//! Work on files alone.

use std::error::Error;
use std::fs::File;
use std::path::Path;

use serde_json::{Value, json};
use sha2::Digest as _;
use trimtab_etcd_file::restore::{InitialCluster, Restore, Source, restore_member};
use trimtab_etcd_file::{KeyspaceQuery, ReadAt, Sha256, Verify, live};

/// The member that `benches/backups.py` restores with etcdutl too.
const CLUSTER: &str = "m0=http://127.0.0.1:2380";
const TOKEN: &str = "etcd-cluster";

pub(crate) fn verify(file: &Path) -> Result<Value, Box<dyn Error>> {
    Ok(json!(live::open(file)?.verify(&Verify::snapshot())?))
}

pub(crate) fn verify_data(file: &Path) -> Result<Value, Box<dyn Error>> {
    Ok(json!(live::open(file)?.verify(&Verify::data_directory())?))
}

/// Without the SHA-256 at the end, in the pieces that verify reads.
pub(crate) fn sha256(file: &Path) -> Result<Value, Box<dyn Error>> {
    let file = File::open(file)?;
    let end = file.length()? - Sha256::BYTES as u64;
    let (mut hasher, mut buffer, mut offset) = (sha2::Sha256::new(), vec![0; 256 * 1024], 0);
    while offset < end {
        let wanted = usize::try_from(end - offset)?.min(buffer.len());
        let (piece, _) = buffer.split_at_mut(wanted);
        file.read_exact_at(piece, offset)?;
        hasher.update(piece);
        offset += wanted as u64;
    }
    Ok(json!({"sha256": Sha256::from_bytes(hasher.finalize().into())}))
}

pub(crate) fn keyspace(file: &Path) -> Result<Value, Box<dyn Error>> {
    Ok(json!(live::open(file)?.keyspace(&KeyspaceQuery::new())?))
}

pub(crate) fn restore(file: &Path, directory: &Path) -> Result<Value, Box<dyn Error>> {
    let restore = Restore::new(InitialCluster::parse(CLUSTER, TOKEN)?);
    let restored = restore_member(&Source::Snapshot(file.to_owned()), &restore, "m0", directory, &mut |_| ())?;
    Ok(json!({"databaseBytes": restored.database_bytes}))
}
