//! Statements as parsed. Queries inside them stay text: the dialect parses those.

use std::collections::BTreeMap;

/// `[[catalog.]database.]table`, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableName {
    /// The database, where it was said.
    pub database: Option<String>,
    /// The table.
    pub table: String,
}

/// A column of a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnDefinition {
    /// In lower case.
    pub name: String,
    /// A Hive type, in lower case, without spaces.
    pub hive_type: String,
    /// A remark.
    pub comment: Option<String>,
}

/// How rows are written in files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowFormat {
    /// `ROW FORMAT SERDE 'class' [WITH SERDEPROPERTIES (…)]`.
    Serde {
        /// The SerDe's class.
        class: String,
        /// Its properties.
        properties: BTreeMap<String, String>,
    },
    /// `ROW FORMAT DELIMITED …`, as the properties of LazySimpleSerDe.
    Delimited(BTreeMap<String, String>),
}

/// `STORED AS …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredAs {
    /// A named form, in upper case.
    Named(String),
    /// `INPUTFORMAT '…' OUTPUTFORMAT '…'`.
    Formats {
        /// Java class of the input format.
        input: String,
        /// Java class of the output format.
        output: String,
    },
}

/// `CREATE EXTERNAL TABLE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateTable {
    /// The table.
    pub name: TableName,
    /// Whether an existing table is no error.
    pub if_not_exists: bool,
    /// Whether EXTERNAL was said.
    pub external: bool,
    /// Columns.
    pub columns: Vec<ColumnDefinition>,
    /// A remark.
    pub comment: Option<String>,
    /// Partition columns.
    pub partitioned_by: Vec<ColumnDefinition>,
    /// How rows are written.
    pub row_format: Option<RowFormat>,
    /// The files' form.
    pub stored_as: Option<StoredAs>,
    /// Where the files are.
    pub location: Option<String>,
    /// Table properties.
    pub properties: BTreeMap<String, String>,
}

/// A value in `WITH (…)` of CTAS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Property {
    /// A string, number or boolean, as text.
    Text(String),
    /// `ARRAY['…', …]`.
    List(Vec<String>),
}

/// `name=value, …` of one partition.
pub type PartitionSpec = Vec<(String, String)>;

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// SELECT, VALUES, WITH.
    Query(String),
    /// EXPLAIN of a query.
    Explain(String),
    /// CREATE DATABASE.
    CreateDatabase {
        /// Its name.
        name: String,
        /// Whether an existing one is no error.
        if_not_exists: bool,
        /// A remark.
        comment: Option<String>,
        /// Where its tables go.
        location: Option<String>,
        /// DBPROPERTIES.
        properties: BTreeMap<String, String>,
    },
    /// DROP DATABASE.
    DropDatabase {
        /// Its name.
        name: String,
        /// Whether a missing one is no error.
        if_exists: bool,
        /// Whether its tables go, too.
        cascade: bool,
    },
    /// CREATE EXTERNAL TABLE.
    CreateTable(Box<CreateTable>),
    /// CREATE TABLE … AS.
    CreateTableAs {
        /// The table.
        name: TableName,
        /// Whether an existing one is no error.
        if_not_exists: bool,
        /// `WITH (…)`.
        properties: BTreeMap<String, Property>,
        /// The query.
        query: String,
        /// False for WITH NO DATA.
        with_data: bool,
    },
    /// CREATE VIEW.
    CreateView {
        /// The view.
        name: TableName,
        /// Whether an existing view is replaced.
        or_replace: bool,
        /// The query.
        query: String,
    },
    /// DROP TABLE.
    DropTable {
        /// The table.
        name: TableName,
        /// Whether a missing one is no error.
        if_exists: bool,
    },
    /// DROP VIEW.
    DropView {
        /// The view.
        name: TableName,
        /// Whether a missing one is no error.
        if_exists: bool,
    },
    /// ALTER TABLE ADD PARTITION.
    AddPartitions {
        /// The table.
        name: TableName,
        /// Whether an existing partition is no error.
        if_not_exists: bool,
        /// Values, and the location where it was said.
        partitions: Vec<(PartitionSpec, Option<String>)>,
    },
    /// ALTER TABLE DROP PARTITION.
    DropPartitions {
        /// The table.
        name: TableName,
        /// Whether a missing partition is no error.
        if_exists: bool,
        /// The partitions.
        partitions: Vec<PartitionSpec>,
    },
    /// ALTER TABLE ADD COLUMNS.
    AddColumns {
        /// The table.
        name: TableName,
        /// The columns.
        columns: Vec<ColumnDefinition>,
    },
    /// ALTER TABLE SET TBLPROPERTIES.
    SetProperties {
        /// The table.
        name: TableName,
        /// The properties.
        properties: BTreeMap<String, String>,
    },
    /// MSCK REPAIR TABLE.
    RepairTable(TableName),
    /// INSERT INTO, INSERT OVERWRITE.
    Insert {
        /// The table.
        name: TableName,
        /// The columns, where they were said.
        columns: Option<Vec<String>>,
        /// Whether what is there goes.
        overwrite: bool,
        /// The query.
        query: String,
    },
    /// SHOW DATABASES.
    ShowDatabases(Option<String>),
    /// SHOW TABLES.
    ShowTables {
        /// The database, where it was said.
        database: Option<String>,
        /// A pattern: `*` any text, `|` or.
        pattern: Option<String>,
    },
    /// SHOW VIEWS.
    ShowViews {
        /// The database, where it was said.
        database: Option<String>,
        /// A pattern.
        pattern: Option<String>,
    },
    /// SHOW PARTITIONS.
    ShowPartitions(TableName),
    /// SHOW COLUMNS.
    ShowColumns(TableName),
    /// SHOW CREATE TABLE.
    ShowCreateTable(TableName),
    /// SHOW TBLPROPERTIES.
    ShowProperties(TableName),
    /// DESCRIBE.
    Describe(TableName),
}
