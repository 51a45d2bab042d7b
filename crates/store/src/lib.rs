//! Durable facts and logs behind one journal and one [`Store::commit`].
//!
//! Everything small (facts) or ordered (logs) that must survive goes through one primitive: an
//! atomic, durable commit that may check facts, change facts and append to logs at once. That is
//! the whole consistency model, and the source of "exactly once": a delivery commits its objects,
//! its partitions and its position in the stream in one step.
//!
//! **Invariants.** Nobody sees, or concludes from, what is not durable. Log offsets have no gaps
//! and are never reused. A fact's version is the LSN of the commit that last wrote it.
//!
//! **Failure.** See `docs/formats/journal.md` for what a crash at each step leaves behind.

mod api;
mod batch;
mod commit;
pub mod conformance;
pub mod embedded;
mod error;
mod ids;
pub mod key;
mod kinds;
pub mod layered;
pub mod limits;
pub mod memory;
pub mod record;
mod sequencer;
mod watch;

pub use api::{
    Bounds, Direction, Fact, KeyRange, LogId, Lsn, Scanned, Snapshot, Store, StoreStatus, StoredBatch, Watch,
    WatchTarget,
};
pub use batch::batch_for_tests;
pub use commit::{Appended, Class, Commit, Committed, Expect, FactOp, LogOp};
pub use error::{CommitError, StoreError};
pub use key::{Key, KeyReader, Kind};
