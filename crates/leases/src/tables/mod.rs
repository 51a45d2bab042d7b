//! The engine of the tables: definitions, items, conditional writes, transactions, queries and scans
//! over `store` facts.
//!
//! ```text
//! TABLE ── definition        by name
//!   └─ incarnation ── GUARD   there while items may be written: every write expects it
//!        ├─ ITEM, PART        an item, in one fact unless it is longer than 128 KiB
//!        └─ EXTENT            how many items and bytes, kept in the commits that change them
//! ```
//!
//! **Invariants.** A write reads the item, decides, and commits on the condition that the item is
//! still as it was read; so what a client is told about an item and what happened to it are one
//! moment. A transaction is one commit. Nothing is remembered in memory.
//!
//! **Failure.** Writers of one item that get in one another's way read again, at most
//! [`write::RACES_MAX`] times. A dropped table is unreachable at once; its items are removed then, or
//! after a crash by [`Tables::sweep`].

mod define;
mod error;
mod model;
mod read;
mod write;

use std::sync::Arc;

use headwater_base::{Seams, Timestamp};
use headwater_store::{Commit, Direction, Key, KeyRange, Scanned, Store};

pub(crate) use define::NewTable;
pub(crate) use error::{Reason, TableError};
pub(crate) use model::{
    Extent, Index, KeyAttribute, KeyCondition, KeyError, KeySchema, Projection, Settings, Table, TableKey,
    TableName, Throughput,
};
pub(crate) use read::{Page, PageStart, Request, Segment};
pub(crate) use write::{Action, Change, Changed, Effect, Token};

/// The most facts read at once where their values are small.
const PAGE_ROWS: usize = 1000;

/// The engine. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    store: Arc<dyn Store>,
    seams: Seams,
}

impl Tables {
    /// The engine over a store.
    pub(crate) fn new(store: Arc<dyn Store>, seams: Seams) -> Self {
        Self { store, seams }
    }

    fn now(&self) -> Timestamp {
        self.seams.clock.now()
    }

    async fn commit(&self, commit: Commit) -> Result<(), TableError> {
        self.store.commit(commit).await.map(drop).map_err(TableError::of_commit)
    }

    /// Up to [`PAGE_ROWS`] facts whose key begins with `prefix`.
    async fn first_rows(&self, prefix: &Key) -> Result<Vec<Scanned>, TableError> {
        Ok(self.store.scan(&KeyRange::prefix(prefix), PAGE_ROWS, Direction::Forward).await?)
    }
}
