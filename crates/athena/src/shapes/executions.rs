//! Statements, their states and results.

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
pub struct Empty {}

/// A request for a page.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PageInput {
    /// `NextToken`.
    pub next_token: Option<String>,
    /// `MaxResults`.
    pub max_results: Option<i64>,
}
