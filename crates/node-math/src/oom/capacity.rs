//! The memory of a node.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The memory of a node in bytes, as a kubelet knows it: `MemTotal` of `/proc/meminfo`, and neither the node's allocatable nor a
/// round number. `status.capacity.memory` of the Node shows it in Ki.
///
/// A negative number is taken as upstream would take it. Zero is an error where the formula divides by it, and only there: upstream
/// answers for guaranteed and best-effort pods without asking.
///
/// ```
/// use trimtab_node_math::oom::MemoryCapacity;
///
/// assert_eq!(MemoryCapacity::from_bytes(16 << 30).bytes(), 17_179_869_184);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MemoryCapacity(i64);

impl MemoryCapacity {
    /// From bytes.
    #[must_use]
    pub const fn from_bytes(bytes: i64) -> Self {
        Self(bytes)
    }

    /// In bytes.
    #[must_use]
    pub const fn bytes(self) -> i64 {
        self.0
    }

    /// `1000 - 1000 * request / capacity`, before the bounds. As in Go the product wraps, the division truncates, and the lowest
    /// number divided by -1 is itself.
    ///
    /// DIFFERENCE: upstream's kubelet panics on a capacity of zero; here it is an error.
    pub(super) fn unbounded_score(self, memory_request_bytes: i64) -> Result<i64, Error> {
        if self.0 == 0 {
            return Err(Error::ZeroMemoryCapacity);
        }
        Ok(1000_i64.wrapping_sub(1000_i64.wrapping_mul(memory_request_bytes).wrapping_div(self.0)))
    }
}

/// In bytes.
impl fmt::Display for MemoryCapacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
