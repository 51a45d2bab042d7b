//! Data catalogs, databases and tables.

use std::collections::BTreeMap;

use headwater_wire::EpochTime;
use serde::{Deserialize, Serialize};

/// ListDataCatalogs' answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListDataCatalogsOutput {
    /// `DataCatalogsSummary`.
    pub data_catalogs_summary: Vec<DataCatalogSummary>,
    /// `NextToken`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// A data catalog in a list.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DataCatalogSummary {
    /// `CatalogName`.
    pub catalog_name: String,
    /// `Type`.
    #[serde(rename = "Type")]
    pub type_name: String,
}

/// GetDataCatalog's request.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct GetDataCatalogInput {
    /// `Name`.
    pub name: String,
}

/// GetDataCatalog's answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetDataCatalogOutput {
    /// `DataCatalog`.
    pub data_catalog: DataCatalog,
}

/// A data catalog.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DataCatalog {
    /// `Name`.
    pub name: String,
    /// `Type`.
    #[serde(rename = "Type")]
    pub type_name: String,
    /// `Description`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `Parameters`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<BTreeMap<String, String>>,
}

/// ListDatabases' request.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ListDatabasesInput {
    /// `CatalogName`.
    pub catalog_name: String,
    /// `NextToken`.
    pub next_token: Option<String>,
    /// `MaxResults`.
    pub max_results: Option<i64>,
}

/// ListDatabases' answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListDatabasesOutput {
    /// `DatabaseList`.
    pub database_list: Vec<Database>,
    /// `NextToken`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// A database.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Database {
    /// `Name`.
    pub name: String,
    /// `Description`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `Parameters`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<BTreeMap<String, String>>,
}

/// GetDatabase's request.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct GetDatabaseInput {
    /// `CatalogName`.
    pub catalog_name: String,
    /// `DatabaseName`.
    pub database_name: String,
}

/// GetDatabase's answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetDatabaseOutput {
    /// `Database`.
    pub database: Database,
}

/// ListTableMetadata's request.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ListTableMetadataInput {
    /// `CatalogName`.
    pub catalog_name: String,
    /// `DatabaseName`.
    pub database_name: String,
    /// `Expression`.
    pub expression: Option<String>,
    /// `NextToken`.
    pub next_token: Option<String>,
    /// `MaxResults`.
    pub max_results: Option<i64>,
}

/// ListTableMetadata's answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListTableMetadataOutput {
    /// `TableMetadataList`.
    pub table_metadata_list: Vec<TableMetadata>,
    /// `NextToken`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// GetTableMetadata's request.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct GetTableMetadataInput {
    /// `CatalogName`.
    pub catalog_name: String,
    /// `DatabaseName`.
    pub database_name: String,
    /// `TableName`.
    pub table_name: String,
}

/// GetTableMetadata's answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetTableMetadataOutput {
    /// `TableMetadata`.
    pub table_metadata: TableMetadata,
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TableMetadata {
    /// `Name`.
    pub name: String,
    /// `CreateTime`.
    pub create_time: EpochTime,
    /// `TableType`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table_type: Option<String>,
    /// `Columns`.
    pub columns: Vec<Column>,
    /// `PartitionKeys`.
    pub partition_keys: Vec<Column>,
    /// `Parameters`.
    pub parameters: BTreeMap<String, String>,
}

/// A column of a table.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Column {
    /// `Name`.
    pub name: String,
    /// `Type`.
    #[serde(rename = "Type")]
    pub type_name: String,
    /// `Comment`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}
