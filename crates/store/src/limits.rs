//! The bounds every commit is held to, on every backend.

/// The most bytes one commit may carry ([`crate::Commit::size`]).
pub const COMMIT_BYTES_MAX: usize = 8 << 20;
/// The most bytes of a commit that appends one batch and does nothing else: the largest record of a
/// stream (10 MiB) and what is around it.
pub const APPEND_BYTES_MAX: usize = 11 << 20;
/// The most bytes one fact's value may have: an inline body of 128 KiB and its record around it.
pub const VALUE_BYTES_MAX: usize = (128 << 10) + (8 << 10);
/// The most bytes a key may have.
pub const KEY_BYTES_MAX: usize = 8 << 10;
/// How long a once token is remembered.
pub const ONCE_MS: i64 = 10 * 60 * 1000;
/// The most once tokens remembered; the oldest are forgotten first.
pub const ONCE_TOKENS_MAX: usize = 500_000;
/// The most facts one scan returns, whatever was asked.
pub const SCAN_ROWS_MAX: usize = 100_000;
