//! The store's own kinds of keys (block `0x00`); see `docs/formats/keys.md`.

/// Which segment files are live: id → size and extent. A fact like any other.
pub(crate) const SEGMENT: u16 = 0x0001;
/// Where each log stands: id → bounds. Kept by the index beside the facts.
pub(crate) const LOG: u16 = 0x0002;
/// Remembered once tokens, in chunks. Kept by the index beside the facts.
pub(crate) const ONCE: u16 = 0x0003;
/// How far the index is. Kept by the index beside the facts.
pub(crate) const APPLIED: u16 = 0x0004;
