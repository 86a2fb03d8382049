//! Where the test bed has what it built.

use std::path::{Path, PathBuf};

/// `TRIMTAB_TESTBED`, or `.testbed` at the root of the repository.
pub fn folder() -> PathBuf {
    std::env::var_os("TRIMTAB_TESTBED").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.testbed"), PathBuf::from)
}
