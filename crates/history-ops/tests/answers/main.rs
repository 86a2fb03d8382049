//! What the live half does with answers, files and settings that no real API server can be made to give at will: a proxy's page, a plugin that fails
//! when it is asked again, a file of somebody else. A small server answers by a table; everything that a real one does is tested against a real one, in
//! the repository's `tests/live`.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test, and what it is made with")]

mod fake;
mod journals;
mod secrets;
mod undone;
