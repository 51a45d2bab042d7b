//! Requests and answers in Athena's spelling. No logic.

use std::collections::BTreeMap;

use headwater_wire::EpochTime;
use serde::{Deserialize, Serialize};

/// StartQueryExecution's request.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct StartQueryExecutionInput {
    /// `QueryString`.
    pub query_string: String,
    /// `ClientRequestToken`.
    pub client_request_token: Option<String>,
    /// `QueryExecutionContext`.
    pub query_execution_context: Option<QueryExecutionContext>,
    /// `ResultConfiguration`.
    pub result_configuration: Option<ResultConfiguration>,
    /// `WorkGroup`.
    pub work_group: Option<String>,
    /// `ExecutionParameters`.
    pub execution_parameters: Option<Vec<String>>,
}

/// StartQueryExecution's answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct StartQueryExecutionOutput {
    /// `QueryExecutionId`.
    pub query_execution_id: String,
}

/// Where unqualified names are looked up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct QueryExecutionContext {
    /// `Database`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// `Catalog`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub catalog: Option<String>,
}

/// Where results go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ResultConfiguration {
    /// `OutputLocation`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_location: Option<String>,
    /// `EncryptionConfiguration`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption_configuration: Option<EncryptionConfiguration>,
}

/// How results are encrypted, as told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EncryptionConfiguration {
    /// `EncryptionOption`.
    pub encryption_option: String,
    /// `KmsKey`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key: Option<String>,
}

/// A request that names one execution.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct QueryExecutionIdInput {
    /// `QueryExecutionId`.
    pub query_execution_id: String,
}

/// GetQueryExecution's answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetQueryExecutionOutput {
    /// `QueryExecution`.
    pub query_execution: QueryExecution,
}

/// BatchGetQueryExecution's request.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BatchGetQueryExecutionInput {
    /// `QueryExecutionIds`.
    pub query_execution_ids: Vec<String>,
}

/// BatchGetQueryExecution's answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct BatchGetQueryExecutionOutput {
    /// `QueryExecutions`.
    pub query_executions: Vec<QueryExecution>,
    /// `UnprocessedQueryExecutionIds`.
    pub unprocessed_query_execution_ids: Vec<UnprocessedQueryExecutionId>,
}

/// An execution that was not found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UnprocessedQueryExecutionId {
    /// `QueryExecutionId`.
    pub query_execution_id: String,
    /// `ErrorCode`.
    pub error_code: String,
    /// `ErrorMessage`.
    pub error_message: String,
}

/// An execution.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct QueryExecution {
    /// `QueryExecutionId`.
    pub query_execution_id: String,
    /// `Query`.
    pub query: String,
    /// `StatementType`.
    pub statement_type: String,
    /// `ResultConfiguration`.
    pub result_configuration: ResultConfiguration,
    /// `QueryExecutionContext`.
    pub query_execution_context: QueryExecutionContext,
    /// `Status`.
    pub status: QueryExecutionStatus,
    /// `Statistics`.
    pub statistics: QueryExecutionStatistics,
    /// `WorkGroup`.
    pub work_group: String,
    /// `EngineVersion`.
    pub engine_version: EngineVersion,
    /// `ExecutionParameters`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_parameters: Option<Vec<String>>,
    /// `SubstatementType`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub substatement_type: Option<String>,
}

/// The state of an execution.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct QueryExecutionStatus {
    /// `State`.
    pub state: String,
    /// `StateChangeReason`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_change_reason: Option<String>,
    /// `SubmissionDateTime`.
    pub submission_date_time: EpochTime,
    /// `CompletionDateTime`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_date_time: Option<EpochTime>,
    /// `AthenaError`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub athena_error: Option<AthenaError>,
}

/// Why an execution failed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AthenaError {
    /// `ErrorCategory`.
    pub error_category: i32,
    /// `ErrorType`.
    pub error_type: i32,
    /// `Retryable`.
    pub retryable: bool,
    /// `ErrorMessage`.
    pub error_message: String,
}

/// Figures of an execution.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct QueryExecutionStatistics {
    /// `EngineExecutionTimeInMillis`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine_execution_time_in_millis: Option<i64>,
    /// `DataScannedInBytes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_scanned_in_bytes: Option<i64>,
    /// `DataManifestLocation`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_manifest_location: Option<String>,
    /// `TotalExecutionTimeInMillis`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_execution_time_in_millis: Option<i64>,
    /// `QueryQueueTimeInMillis`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_queue_time_in_millis: Option<i64>,
    /// `ServicePreProcessingTimeInMillis`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_pre_processing_time_in_millis: Option<i64>,
    /// `ServiceProcessingTimeInMillis`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_processing_time_in_millis: Option<i64>,
    /// `ResultReuseInformation`.
    pub result_reuse_information: ResultReuseInformation,
}

/// Whether an earlier result was used.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ResultReuseInformation {
    /// `ReusedPreviousResult`.
    pub reused_previous_result: bool,
}

/// The engine's version.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EngineVersion {
    /// `SelectedEngineVersion`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selected_engine_version: Option<String>,
    /// `EffectiveEngineVersion`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective_engine_version: Option<String>,
}

/// GetQueryResults' request.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct GetQueryResultsInput {
    /// `QueryExecutionId`.
    pub query_execution_id: String,
    /// `NextToken`.
    pub next_token: Option<String>,
    /// `MaxResults`.
    pub max_results: Option<i64>,
}

/// GetQueryResults' answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetQueryResultsOutput {
    /// `UpdateCount`.
    pub update_count: i64,
    /// `ResultSet`.
    pub result_set: ResultSet,
    /// `NextToken`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// Rows and what they are.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ResultSet {
    /// `Rows`.
    pub rows: Vec<Row>,
    /// `ResultSetMetadata`.
    pub result_set_metadata: ResultSetMetadata,
}

/// A row.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Row {
    /// `Data`.
    pub data: Vec<Datum>,
}

/// A cell; null has no value.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Datum {
    /// `VarCharValue`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub var_char_value: Option<String>,
}

/// The columns of a result.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ResultSetMetadata {
    /// `ColumnInfo`.
    pub column_info: Vec<ColumnInfo>,
}

/// A column of a result.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ColumnInfo {
    /// `CatalogName`.
    pub catalog_name: String,
    /// `SchemaName`.
    pub schema_name: String,
    /// `TableName`.
    pub table_name: String,
    /// `Name`.
    pub name: String,
    /// `Label`.
    pub label: String,
    /// `Type`.
    #[serde(rename = "Type")]
    pub type_name: String,
    /// `Precision`.
    pub precision: i32,
    /// `Scale`.
    pub scale: i32,
    /// `Nullable`.
    pub nullable: String,
    /// `CaseSensitive`.
    pub case_sensitive: bool,
}

/// ListQueryExecutions' request.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ListQueryExecutionsInput {
    /// `NextToken`.
    pub next_token: Option<String>,
    /// `MaxResults`.
    pub max_results: Option<i64>,
    /// `WorkGroup`.
    pub work_group: Option<String>,
}

/// ListQueryExecutions' answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListQueryExecutionsOutput {
    /// `QueryExecutionIds`.
    pub query_execution_ids: Vec<String>,
    /// `NextToken`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// GetQueryRuntimeStatistics' answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetQueryRuntimeStatisticsOutput {
    /// `QueryRuntimeStatistics`.
    pub query_runtime_statistics: QueryRuntimeStatistics,
}

/// Figures of an execution.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct QueryRuntimeStatistics {
    /// `Timeline`.
    pub timeline: RuntimeTimeline,
    /// `Rows`.
    pub rows: RuntimeRows,
}

/// Where the time went.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RuntimeTimeline {
    /// `QueryQueueTimeInMillis`.
    pub query_queue_time_in_millis: i64,
    /// `EngineExecutionTimeInMillis`.
    pub engine_execution_time_in_millis: i64,
    /// `TotalExecutionTimeInMillis`.
    pub total_execution_time_in_millis: i64,
}

/// What was read and given.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RuntimeRows {
    /// `InputBytes`.
    pub input_bytes: i64,
    /// `OutputRows`.
    pub output_rows: i64,
}

/// An answer without members.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Empty {
}

/// A request that names a workgroup.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct WorkGroupInput {
    /// `WorkGroup`.
    pub work_group: String,
}

/// GetWorkGroup's answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetWorkGroupOutput {
    /// `WorkGroup`.
    pub work_group: WorkGroup,
}

/// A workgroup.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct WorkGroup {
    /// `Name`.
    pub name: String,
    /// `State`.
    pub state: String,
    /// `Configuration`.
    pub configuration: WorkGroupConfiguration,
    /// `Description`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `CreationTime`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_time: Option<EpochTime>,
}

/// A workgroup's settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct WorkGroupConfiguration {
    /// `ResultConfiguration`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_configuration: Option<ResultConfiguration>,
    /// `EnforceWorkGroupConfiguration`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enforce_work_group_configuration: Option<bool>,
    /// `PublishCloudWatchMetricsEnabled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish_cloud_watch_metrics_enabled: Option<bool>,
    /// `BytesScannedCutoffPerQuery`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_scanned_cutoff_per_query: Option<i64>,
    /// `RequesterPaysEnabled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requester_pays_enabled: Option<bool>,
    /// `EngineVersion`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine_version: Option<EngineVersion>,
}

/// CreateWorkGroup's request.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CreateWorkGroupInput {
    /// `Name`.
    pub name: String,
    /// `Configuration`.
    pub configuration: Option<WorkGroupConfiguration>,
    /// `Description`.
    pub description: Option<String>,
}

/// UpdateWorkGroup's request.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct UpdateWorkGroupInput {
    /// `WorkGroup`.
    pub work_group: String,
    /// `Description`.
    pub description: Option<String>,
    /// `ConfigurationUpdates`.
    pub configuration_updates: Option<WorkGroupConfigurationUpdates>,
    /// `State`.
    pub state: Option<String>,
}

/// Changes of a workgroup's settings.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct WorkGroupConfigurationUpdates {
    /// `ResultConfigurationUpdates`.
    pub result_configuration_updates: Option<ResultConfigurationUpdates>,
    /// `EnforceWorkGroupConfiguration`.
    pub enforce_work_group_configuration: Option<bool>,
    /// `PublishCloudWatchMetricsEnabled`.
    pub publish_cloud_watch_metrics_enabled: Option<bool>,
    /// `BytesScannedCutoffPerQuery`.
    pub bytes_scanned_cutoff_per_query: Option<i64>,
    /// `RemoveBytesScannedCutoffPerQuery`.
    pub remove_bytes_scanned_cutoff_per_query: Option<bool>,
    /// `RequesterPaysEnabled`.
    pub requester_pays_enabled: Option<bool>,
}

/// Changes of where results go.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ResultConfigurationUpdates {
    /// `OutputLocation`.
    pub output_location: Option<String>,
    /// `RemoveOutputLocation`.
    pub remove_output_location: Option<bool>,
    /// `EncryptionConfiguration`.
    pub encryption_configuration: Option<EncryptionConfiguration>,
    /// `RemoveEncryptionConfiguration`.
    pub remove_encryption_configuration: Option<bool>,
}

/// DeleteWorkGroup's request.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeleteWorkGroupInput {
    /// `WorkGroup`.
    pub work_group: String,
    /// `RecursiveDeleteOption`.
    pub recursive_delete_option: Option<bool>,
}

/// A request for a page.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PageInput {
    /// `NextToken`.
    pub next_token: Option<String>,
    /// `MaxResults`.
    pub max_results: Option<i64>,
}

/// ListWorkGroups' answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListWorkGroupsOutput {
    /// `WorkGroups`.
    pub work_groups: Vec<WorkGroupSummary>,
    /// `NextToken`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// A workgroup in a list.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct WorkGroupSummary {
    /// `Name`.
    pub name: String,
    /// `State`.
    pub state: String,
    /// `Description`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `CreationTime`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_time: Option<EpochTime>,
    /// `EngineVersion`.
    pub engine_version: EngineVersion,
}

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
