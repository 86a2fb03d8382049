//! The memory of a node.

use std::fmt;
use std::num::NonZeroI64;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The memory of a node in bytes, as a kubelet knows it: `MemTotal` of `/proc/meminfo`, and neither the node's allocatable nor a
/// round number. `status.capacity.memory` of the Node shows it in Ki.
///
/// Any number but zero; a negative one is taken as upstream would take it.
///
/// DIFFERENCE: upstream's kubelet panics on zero, and only where the formula gets there; here zero is refused at once.
///
/// ```
/// use trimtab_node_math::{Error, oom::MemoryCapacity};
///
/// assert_eq!(MemoryCapacity::from_bytes(16 << 30)?.bytes(), 17_179_869_184);
/// assert_eq!(MemoryCapacity::from_bytes(0), Err(Error::ZeroMemoryCapacity));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MemoryCapacity(NonZeroI64);

impl MemoryCapacity {
    /// From bytes.
    ///
    /// # Errors
    /// [`Error::ZeroMemoryCapacity`].
    pub fn from_bytes(bytes: i64) -> Result<Self, Error> {
        NonZeroI64::new(bytes).map(Self).ok_or(Error::ZeroMemoryCapacity)
    }

    /// In bytes.
    #[must_use]
    pub const fn bytes(self) -> i64 {
        self.0.get()
    }

    /// `1000 - 1000 * request / capacity`, before the bounds. As in Go the product wraps, the division truncates, and the lowest
    /// number divided by -1 is itself.
    pub(super) fn unbounded_score(self, memory_request_bytes: i64) -> i64 {
        1000_i64.wrapping_sub(1000_i64.wrapping_mul(memory_request_bytes).wrapping_div(self.bytes()))
    }
}

/// In bytes.
impl fmt::Display for MemoryCapacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
