//! The catalog engine. Types follow Glue's model closely, because every reader of a catalog does.

use std::collections::BTreeMap;
use std::sync::Arc;

use headwater_base::{Scope, Seams, Timestamp};
use headwater_store::{Commit, CommitError, Store, StoreError};

/// A column: a name and a Hive type string (`string`, `bigint`, `struct<a:int>`, …).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Column {
    /// The name, in lower case.
    pub name: String,
    /// The Hive type.
    pub hive_type: String,
    /// A remark.
    pub comment: Option<String>,
}

/// Where and how a table's or partition's rows are stored.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StorageDescriptor {
    /// Columns, without partition columns.
    pub columns: Vec<Column>,
    /// `s3://bucket/prefix/`.
    pub location: String,
    /// Java class of the input format.
    pub input_format: Option<String>,
    /// Java class of the output format.
    pub output_format: Option<String>,
    /// Whether it is compressed.
    pub compressed: bool,
    /// SerDe library class.
    pub serde_library: Option<String>,
    /// SerDe parameters.
    pub serde_parameters: BTreeMap<String, String>,
    /// Free parameters.
    pub parameters: BTreeMap<String, String>,
    /// The rest of Glue's descriptor as it came (buckets, sort, skew, schema reference), in JSON.
    pub extra_json: Option<String>,
}

/// A database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Database {
    /// Its name, in lower case.
    pub name: String,
    /// A remark.
    pub description: Option<String>,
    /// Default location of its tables.
    pub location: Option<String>,
    /// Free parameters.
    pub parameters: BTreeMap<String, String>,
    /// When it was created.
    pub created: Timestamp,
}

/// Where a table is found.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct TableKey {
    /// Account and region.
    pub scope: Scope,
    /// The database, in lower case.
    pub database: String,
    /// The table, in lower case.
    pub table: String,
}

/// A table as it is now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Table {
    /// Where it is found.
    pub key: TableKey,
    /// Distinguishes tables that had the same name at different times; never reused.
    pub incarnation: u64,
    /// Raised by each change of columns or partition keys.
    pub schema_id: u64,
    /// Glue's version id; raised by each update.
    pub version: u64,
    /// Rows' place and form.
    pub storage: StorageDescriptor,
    /// Partition columns.
    pub partition_keys: Vec<Column>,
    /// `EXTERNAL_TABLE`, `VIRTUAL_VIEW`, ….
    pub table_type: Option<String>,
    /// Free parameters (`classification`, `projection.*`, …).
    pub parameters: BTreeMap<String, String>,
    /// A remark.
    pub description: Option<String>,
    /// The owner as given.
    pub owner: Option<String>,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last updated.
    pub updated: Timestamp,
    /// The rest of Glue's TableInput as it came (views, retention, targets), in JSON.
    pub extra_json: Option<String>,
}

/// The values of a partition, one per partition key, as text.
pub type PartitionValues = Vec<String>;

/// A partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Partition {
    /// Its values.
    pub values: PartitionValues,
    /// Rows' place and form.
    pub storage: StorageDescriptor,
    /// Free parameters.
    pub parameters: BTreeMap<String, String>,
    /// When it was created.
    pub created: Timestamp,
}

/// Why a catalog operation did not happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CatalogError {
    /// There is no such database, table or partition.
    #[error("{0} not found")]
    NotFound(String),
    /// It exists already.
    #[error("{0} already exists")]
    Exists(String),
    /// It was changed meanwhile (wrong version id, or a race).
    #[error("{0} was changed meanwhile")]
    Changed(String),
    /// A parameter is wrong.
    #[error("{0}")]
    Invalid(String),
    /// The node is full or behind: retry later.
    #[error("throttled: {0}")]
    Throttled(&'static str),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// A commit failed in a way the engine can't mend.
    #[error("the commit failed")]
    Commit(#[source] CommitError),
}

/// The engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Catalog {
    #[expect(dead_code, reason = "filled by the catalog owner")]
    pub(crate) store: Arc<dyn Store>,
    #[expect(dead_code, reason = "filled by the catalog owner")]
    pub(crate) seams: Seams,
}

impl Catalog {
    /// The engine over a store.
    pub fn new(store: Arc<dyn Store>, seams: Seams) -> Self {
        Self { store, seams }
    }

    /// The table as it is now.
    pub async fn table(&self, key: &TableKey) -> Result<Arc<Table>, CatalogError> {
        let _ = key;
        todo!("catalog owner")
    }

    /// Creates a table.
    pub async fn create_table(&self, table: Table) -> Result<Arc<Table>, CatalogError> {
        let _ = table;
        todo!("catalog owner")
    }

    /// Adds to `commit` the creation of `table` (CTAS): expects that there is none.
    pub async fn stage_create_table(&self, commit: &mut Commit, table: Table) -> Result<Arc<Table>, CatalogError> {
        let _ = (commit, table);
        todo!("catalog owner")
    }

    /// Adds to `commit` the check that the table is still this incarnation with this schema id.
    pub fn stage_expect_table(&self, commit: &mut Commit, table: &Table) {
        let _ = (commit, table);
        todo!("catalog owner")
    }

    /// Adds to `commit`: this partition exists (nothing changes if it already does).
    pub fn stage_partition(&self, commit: &mut Commit, table: &Table, partition: &Partition) {
        let _ = (commit, table, partition);
        todo!("catalog owner")
    }

    /// Partitions that satisfy a Glue expression (`year = '2026' AND month IN ('1','2')`; empty
    /// means all), in key order after `after`.
    pub async fn partitions(
        &self,
        table: &Table,
        expression: &str,
        after: Option<&PartitionValues>,
        limit: usize,
    ) -> Result<Vec<Partition>, CatalogError> {
        let _ = (table, expression, after, limit);
        todo!("catalog owner")
    }

    /// Tables of a database, in name order after `after`.
    pub async fn tables(
        &self,
        scope: &Scope,
        database: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Arc<Table>>, CatalogError> {
        let _ = (scope, database, after, limit);
        todo!("catalog owner")
    }

    /// Databases, in name order after `after`.
    pub async fn databases(
        &self,
        scope: &Scope,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Arc<Database>>, CatalogError> {
        let _ = (scope, after, limit);
        todo!("catalog owner")
    }

    /// The database.
    pub async fn database(&self, scope: &Scope, name: &str) -> Result<Arc<Database>, CatalogError> {
        let _ = (scope, name);
        todo!("catalog owner")
    }
}
