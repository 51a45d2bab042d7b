//! Rows and records to files: one file at a time per group, under one memory budget.
//!
//! ```text
//!  rows ──┐            ┌─ writer (partition a) ─┐
//!         ├─ FileSet ──┼─ writer (partition b) ─┼──► Emit::Bytes … Emit::End ──► Uploads ──► bodies
//!  lines ─┘            └─ writer (errors)      ─┘
//! ```
//! [`FileSet`] is CPU alone and runs on the blocking pool; [`Uploads`] is I/O alone and runs where
//! its caller runs. Between them go [`Emit`]s.
//!
//! **Invariants.** What is emitted is a pure function of the rows given and the order they came
//! in: same input, same files, same bytes, also where a file was ended early because memory ran
//! short. The memory of open files stays under [`Limits::memory_bytes`] plus what one input adds.

mod files;
mod uploads;

pub(crate) use files::{ClosedFile, Emit, FileSet, Form, Group, Limits};
pub(crate) use uploads::{StagedFile, Uploads};
