//! Databases, tables, partitions, tags.

use std::collections::BTreeMap;

use headwater_wire::EpochTime;
use serde::{Deserialize, Serialize};

use super::{ErrorDetail, Object};

pub(crate) type Parameters = BTreeMap<String, String>;

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DatabaseInput {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) location_uri: Option<String>,
    pub(crate) parameters: Option<Parameters>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateDatabaseInput {
    pub(crate) catalog_id: Option<String>,
    pub(crate) database_input: Option<DatabaseInput>,
    pub(crate) tags: Option<Parameters>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdateDatabaseInput {
    pub(crate) catalog_id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) database_input: Option<DatabaseInput>,
}

/// GetDatabase and DeleteDatabase.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DatabaseNameInput {
    pub(crate) catalog_id: Option<String>,
    pub(crate) name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetDatabasesInput {
    pub(crate) catalog_id: Option<String>,
    pub(crate) next_token: Option<String>,
    pub(crate) max_results: Option<i64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DatabaseShape {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) location_uri: Option<String>,
    pub(crate) parameters: Parameters,
    pub(crate) create_time: EpochTime,
    pub(crate) catalog_id: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetDatabaseOutput {
    pub(crate) database: DatabaseShape,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetDatabasesOutput {
    pub(crate) database_list: Vec<DatabaseShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ColumnShape {
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) r#type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) comment: Option<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SerdeInfoShape {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) serialization_library: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parameters: Option<Parameters>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct StorageShape {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) columns: Option<Vec<ColumnShape>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) location: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) input_format: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) output_format: Option<String>,
    pub(crate) compressed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) serde_info: Option<SerdeInfoShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parameters: Option<Parameters>,
    #[serde(flatten)]
    pub(crate) rest: Object,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TableInput {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) owner: Option<String>,
    pub(crate) storage_descriptor: Option<StorageShape>,
    pub(crate) partition_keys: Option<Vec<ColumnShape>>,
    pub(crate) table_type: Option<String>,
    pub(crate) parameters: Option<Parameters>,
    #[serde(flatten)]
    pub(crate) rest: Object,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateTableInput {
    pub(crate) catalog_id: Option<String>,
    pub(crate) database_name: Option<String>,
    pub(crate) table_input: Option<TableInput>,
    pub(crate) partition_indexes: Option<Vec<serde_json::Value>>,
    pub(crate) open_table_format_input: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdateTableInput {
    pub(crate) catalog_id: Option<String>,
    pub(crate) database_name: Option<String>,
    pub(crate) table_input: Option<TableInput>,
    pub(crate) skip_archive: Option<bool>,
    pub(crate) version_id: Option<String>,
}

/// GetTable and DeleteTable.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TableNameInput {
    pub(crate) catalog_id: Option<String>,
    pub(crate) database_name: Option<String>,
    pub(crate) name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetTablesInput {
    pub(crate) catalog_id: Option<String>,
    pub(crate) database_name: Option<String>,
    pub(crate) expression: Option<String>,
    pub(crate) next_token: Option<String>,
    pub(crate) max_results: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SearchTablesInput {
    pub(crate) catalog_id: Option<String>,
    pub(crate) next_token: Option<String>,
    pub(crate) filters: Option<Vec<PropertyPredicate>>,
    pub(crate) search_text: Option<String>,
    pub(crate) max_results: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PropertyPredicate {
    pub(crate) key: Option<String>,
    pub(crate) value: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TableShape {
    pub(crate) name: String,
    pub(crate) database_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<String>,
    pub(crate) create_time: EpochTime,
    pub(crate) update_time: EpochTime,
    pub(crate) storage_descriptor: StorageShape,
    pub(crate) partition_keys: Vec<ColumnShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) table_type: Option<String>,
    pub(crate) parameters: Parameters,
    pub(crate) is_registered_with_lake_formation: bool,
    pub(crate) catalog_id: String,
    pub(crate) version_id: String,
    #[serde(flatten)]
    pub(crate) rest: Object,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetTableOutput {
    pub(crate) table: TableShape,
}

/// GetTables and SearchTables.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TableListOutput {
    pub(crate) table_list: Vec<TableShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BatchDeleteTableInput {
    pub(crate) catalog_id: Option<String>,
    pub(crate) database_name: Option<String>,
    pub(crate) tables_to_delete: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TableErrorShape {
    pub(crate) table_name: String,
    pub(crate) error_detail: ErrorDetail,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TableErrorsOutput {
    pub(crate) errors: Vec<TableErrorShape>,
}

/// GetTableVersion, GetTableVersions and DeleteTableVersion.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TableVersionInput {
    pub(crate) catalog_id: Option<String>,
    pub(crate) database_name: Option<String>,
    pub(crate) table_name: Option<String>,
    pub(crate) version_id: Option<String>,
    pub(crate) next_token: Option<String>,
    pub(crate) max_results: Option<i64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TableVersionShape {
    pub(crate) table: TableShape,
    pub(crate) version_id: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetTableVersionOutput {
    pub(crate) table_version: TableVersionShape,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetTableVersionsOutput {
    pub(crate) table_versions: Vec<TableVersionShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PartitionInput {
    pub(crate) values: Option<Vec<String>>,
    pub(crate) storage_descriptor: Option<StorageShape>,
    pub(crate) parameters: Option<Parameters>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreatePartitionInput {
    pub(crate) catalog_id: Option<String>,
    pub(crate) database_name: Option<String>,
    pub(crate) table_name: Option<String>,
    pub(crate) partition_input: Option<PartitionInput>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BatchCreatePartitionInput {
    pub(crate) catalog_id: Option<String>,
    pub(crate) database_name: Option<String>,
    pub(crate) table_name: Option<String>,
    pub(crate) partition_input_list: Option<Vec<PartitionInput>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdatePartitionInput {
    pub(crate) catalog_id: Option<String>,
    pub(crate) database_name: Option<String>,
    pub(crate) table_name: Option<String>,
    pub(crate) partition_value_list: Option<Vec<String>>,
    pub(crate) partition_input: Option<PartitionInput>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BatchUpdatePartitionInput {
    pub(crate) catalog_id: Option<String>,
    pub(crate) database_name: Option<String>,
    pub(crate) table_name: Option<String>,
    pub(crate) entries: Option<Vec<BatchUpdatePartitionEntry>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BatchUpdatePartitionEntry {
    pub(crate) partition_value_list: Option<Vec<String>>,
    pub(crate) partition_input: Option<PartitionInput>,
}

/// GetPartition and DeletePartition.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PartitionValuesInput {
    pub(crate) catalog_id: Option<String>,
    pub(crate) database_name: Option<String>,
    pub(crate) table_name: Option<String>,
    pub(crate) partition_values: Option<Vec<String>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PartitionValueList {
    pub(crate) values: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BatchDeletePartitionInput {
    pub(crate) catalog_id: Option<String>,
    pub(crate) database_name: Option<String>,
    pub(crate) table_name: Option<String>,
    pub(crate) partitions_to_delete: Option<Vec<PartitionValueList>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BatchGetPartitionInput {
    pub(crate) catalog_id: Option<String>,
    pub(crate) database_name: Option<String>,
    pub(crate) table_name: Option<String>,
    pub(crate) partitions_to_get: Option<Vec<PartitionValueList>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SegmentShape {
    pub(crate) segment_number: i64,
    pub(crate) total_segments: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetPartitionsInput {
    pub(crate) catalog_id: Option<String>,
    pub(crate) database_name: Option<String>,
    pub(crate) table_name: Option<String>,
    pub(crate) expression: Option<String>,
    pub(crate) next_token: Option<String>,
    pub(crate) segment: Option<SegmentShape>,
    pub(crate) max_results: Option<i64>,
    pub(crate) exclude_column_schema: Option<bool>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PartitionShape {
    pub(crate) values: Vec<String>,
    pub(crate) database_name: String,
    pub(crate) table_name: String,
    pub(crate) creation_time: EpochTime,
    pub(crate) storage_descriptor: StorageShape,
    pub(crate) parameters: Parameters,
    pub(crate) catalog_id: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetPartitionOutput {
    pub(crate) partition: PartitionShape,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetPartitionsOutput {
    pub(crate) partitions: Vec<PartitionShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BatchGetPartitionOutput {
    pub(crate) partitions: Vec<PartitionShape>,
    pub(crate) unprocessed_keys: Vec<PartitionValueList>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PartitionErrorShape {
    pub(crate) partition_values: Vec<String>,
    pub(crate) error_detail: ErrorDetail,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PartitionErrorsOutput {
    pub(crate) errors: Vec<PartitionErrorShape>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdatePartitionErrorShape {
    pub(crate) partition_value_list: Vec<String>,
    pub(crate) error_detail: ErrorDetail,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdatePartitionErrorsOutput {
    pub(crate) errors: Vec<UpdatePartitionErrorShape>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TagResourceInput {
    pub(crate) resource_arn: Option<String>,
    pub(crate) tags_to_add: Option<Parameters>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UntagResourceInput {
    pub(crate) resource_arn: Option<String>,
    pub(crate) tags_to_remove: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetTagsInput {
    pub(crate) resource_arn: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetTagsOutput {
    pub(crate) tags: Parameters,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CatalogIdInput {
    pub(crate) catalog_id: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ImportStatusOutput {
    pub(crate) import_status: ImportStatusShape,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ImportStatusShape {
    pub(crate) import_completed: bool,
}
