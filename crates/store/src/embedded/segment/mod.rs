//! Segments: the logs' records once they have left the journal.
//!
//! ```text
//! segment-<id>.hws    header │ run │ run │ … │ footer │ trailer
//! ```
//! A run is a stretch of one log. Runs are sorted by log and offset, so one sequential write settles
//! a journal file however many logs it holds. See `docs/formats/segment.md`.

pub(crate) mod format;
pub(crate) mod read;
pub(crate) mod write;
