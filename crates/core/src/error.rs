//! What can be wrong with a value that is given to this crate.

/// Any error of this crate; each says who erred and what to do.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A Kubernetes version cannot be read or is out of range.
    #[error(transparent)]
    Version(#[from] crate::version::VersionError),
    /// A feature gate is unknown, or impossible in that release.
    #[error(transparent)]
    Gate(#[from] crate::gate::GateError),
    /// An amount cannot be read, or is out of bounds.
    #[error(transparent)]
    Quantity(#[from] crate::quantity::QuantityError),
    /// A manifest cannot be read.
    #[error(transparent)]
    View(#[from] crate::view::ViewError),
}
