//! Files by their path.

use std::fs::File;
use std::path::Path;

use crate::error::Error;
use crate::file::EtcdFile;

/// Opens a snapshot or the `member/snap/db` of a data directory, for reading only: unlike upstream's tools it takes no lock and never writes.
///
/// # Errors
/// [`Error::Unopened`], or what [`EtcdFile::open`] says.
///
/// ```
/// use trimtab_etcd_file::{Error, live};
///
/// let error = live::open("no/such/file".as_ref()).unwrap_err();
/// assert!(matches!(error, Error::Unopened { .. }));
/// ```
pub fn open(path: &Path) -> Result<EtcdFile<File>, Error> {
    let unopened = |problem: String| Error::Unopened { path: path.display().to_string(), problem };
    let file = File::open(path).map_err(|error| unopened(error.to_string()))?;
    let metadata = file.metadata().map_err(|error| unopened(error.to_string()))?;
    if !metadata.is_file() {
        return Err(unopened("it is no regular file".to_owned()));
    }
    EtcdFile::open(file)
}
