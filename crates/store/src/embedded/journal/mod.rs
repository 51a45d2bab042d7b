//! The journal: what makes a commit durable.
//!
//! ```text
//! journal-<epoch>.hwj    header │ group │ group │ … │ zeroes or a former life's bytes
//! ```
//! Groups of entries are written one after the other, each with one write and one fdatasync, into
//! files that were filled and fsynced beforehand. See `docs/formats/journal.md`.

pub(crate) mod codec;
pub(crate) mod files;
pub(crate) mod format;
pub(crate) mod scan;
pub(crate) mod writer;
