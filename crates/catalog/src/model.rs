//! What a catalog holds. The types follow Glue's model closely, because every reader of a catalog
//! does.

use std::collections::BTreeMap;

use headwater_base::{Scope, Timestamp};

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
