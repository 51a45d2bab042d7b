//! Requests and answers in Athena's spelling. No logic.

mod executions;
mod metadata;
mod workgroups;

pub use executions::*;
pub use metadata::*;
pub use workgroups::*;
