//! One write into a table: files, partitions, (for CTAS) the table itself and (for jobs) the
//! bookmark, in one commit.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use headwater_catalog::{Catalog, Table};
use headwater_objects::Objects;
use headwater_store::Lsn;

/// Where rows go.
#[derive(Clone, Debug)]
pub enum TableTarget {
    /// Into a table that exists; it must still have this schema id at the commit.
    Append(Table),
    /// Into a table that the same commit creates.
    Create(Table),
    /// Into a table whose present objects the same commit removes (INSERT OVERWRITE of a job's
    /// output, partition by partition where the table has partitions).
    Replace(Table),
}

/// A job's place in its incremental input: objects with an LSN in `(from, to]` were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bookmark {
    /// The bookmark's name.
    pub name: String,
    /// Where the last run ended; the commit expects it unchanged. `Lsn(0)` at first.
    pub from: Lsn,
    /// Where this run ends.
    pub to: Lsn,
}

/// What a write did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Rows written.
    pub rows: u64,
    /// Objects written, as `s3://bucket/key`.
    pub objects: Vec<String>,
    /// Partitions that were not there before.
    pub partitions_added: u64,
    /// The commit.
    pub lsn: Lsn,
}

/// Why a write did not happen. Nothing of it is visible then.
#[derive(Debug, thiserror::Error)]
pub enum TableWriteError {
    /// The table or bucket was dropped or changed, or the bookmark moved: plan again.
    #[error("{0} changed meanwhile")]
    Changed(String),
    /// The rows don't fit the table, or its location is not ours to write.
    #[error("{0}")]
    Invalid(String),
    /// The node failed.
    #[error("{0}")]
    Failed(String),
}

/// An open write. Dropping it leaves nothing behind but bodies that are swept.
#[derive(Debug)]
pub struct TableWrite {
    _open: (),
}

impl TableWrite {
    /// Begins a write. `id` names it: object names derive from it, and a write committed once is
    /// not committed again (the second returns the first's outcome). `schema` is the rows' schema,
    /// partition columns last.
    pub async fn begin(
        catalog: &Catalog,
        objects: &Objects,
        id: &str,
        target: TableTarget,
        schema: SchemaRef,
    ) -> Result<Self, TableWriteError> {
        let _ = (catalog, objects, id, target, schema);
        todo!("delivery owner")
    }

    /// Adds rows; splits them by partition.
    pub async fn write(&mut self, batch: RecordBatch) -> Result<(), TableWriteError> {
        let _ = batch;
        todo!("delivery owner")
    }

    /// Makes everything visible at once.
    pub async fn commit(self, bookmark: Option<Bookmark>) -> Result<Written, TableWriteError> {
        let _ = bookmark;
        todo!("delivery owner")
    }
}
