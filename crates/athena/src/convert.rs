//! Between shapes and what they mean. The only file that names both.

use std::collections::BTreeMap;

use headwater_base::Timestamp;
use headwater_catalog as catalog;
use headwater_wire::{EpochTime, Fault};

use crate::executions::Execution;
use crate::executions::page::Page;
use crate::executions::state::{KINDS, State};
use crate::fault;
use crate::records::execution::ColumnRow;
use crate::records::workgroup::WorkGroupRow;
use crate::shapes;

/// What `EngineVersion` says.
const ENGINE_VERSION: &str = "Athena engine version 3";

/// A moment from milliseconds.
fn moment(ms: i64) -> EpochTime {
    EpochTime(Timestamp::from_ms(ms))
}

/// The engine's version.
pub fn engine_version() -> shapes::EngineVersion {
    shapes::EngineVersion {
        selected_engine_version: Some("AUTO".to_owned()),
        effective_engine_version: Some(ENGINE_VERSION.to_owned()),
    }
}

/// An execution as clients see it.
pub fn execution(execution: &Execution, sql: String) -> shapes::QueryExecution {
    let row = &execution.row;
    let output = row.output.clone().unwrap_or_else(|| expected_output(execution, &sql));
    shapes::QueryExecution {
        query_execution_id: execution.key.id.clone(),
        query: sql,
        statement_type: KINDS[usize::from(row.kind).min(2)].to_owned(),
        result_configuration: shapes::ResultConfiguration {
            output_location: Some(output),
            encryption_configuration: None,
        },
        query_execution_context: shapes::QueryExecutionContext {
            database: Some(row.database.clone()),
            catalog: row.catalog.clone(),
        },
        status: status(execution),
        statistics: statistics(execution),
        work_group: row.workgroup.clone(),
        engine_version: engine_version(),
        execution_parameters: None,
        substatement_type: row.substatement.clone(),
    }
}

/// Where the result will be, before it is there.
fn expected_output(execution: &Execution, sql: &str) -> String {
    let prefix = execution.row.output_location.trim_end_matches('/');
    let first = sql.trim_start().get(..6).unwrap_or_default();
    let ending = match execution.row.kind {
        1 if first.eq_ignore_ascii_case("insert") => "",
        1 => ".csv",
        _ => ".txt",
    };
    format!("{prefix}/{}{ending}", execution.key.id)
}

fn status(execution: &Execution) -> shapes::QueryExecutionStatus {
    let row = &execution.row;
    let failed = execution.state() == State::Failed;
    shapes::QueryExecutionStatus {
        state: execution.state().name().to_owned(),
        state_change_reason: row.reason.clone(),
        submission_date_time: moment(row.submitted_ms),
        completion_date_time: row.completed_ms.map(moment),
        athena_error: failed.then(|| shapes::AthenaError {
            error_category: i32::from(row.error_category.unwrap_or(3)),
            error_type: if row.error_category == Some(2) { 1006 } else { 233 },
            retryable: row.error_category == Some(1),
            error_message: row.reason.clone().unwrap_or_default(),
        }),
    }
}

fn statistics(execution: &Execution) -> shapes::QueryExecutionStatistics {
    let row = &execution.row;
    let ended = row.completed_ms.is_some();
    shapes::QueryExecutionStatistics {
        engine_execution_time_in_millis: Some(row.engine_ms.unwrap_or(0)).filter(|_| ended),
        data_scanned_in_bytes: Some(i64::try_from(row.bytes_scanned).unwrap_or(i64::MAX)).filter(|_| ended),
        data_manifest_location: row.manifest.clone(),
        total_execution_time_in_millis: row.completed_ms.map(|ms| ms - row.submitted_ms),
        query_queue_time_in_millis: row.started_ms.map(|ms| ms - row.submitted_ms),
        service_pre_processing_time_in_millis: Some(0),
        service_processing_time_in_millis: Some(0),
        result_reuse_information: shapes::ResultReuseInformation { reused_previous_result: false },
    }
}

/// The figures of an execution.
pub fn runtime_statistics(execution: &Execution) -> shapes::QueryRuntimeStatistics {
    let row = &execution.row;
    shapes::QueryRuntimeStatistics {
        timeline: shapes::RuntimeTimeline {
            query_queue_time_in_millis: row.started_ms.map_or(0, |ms| ms - row.submitted_ms),
            engine_execution_time_in_millis: row.engine_ms.unwrap_or(0),
            total_execution_time_in_millis: row.completed_ms.map_or(0, |ms| ms - row.submitted_ms),
        },
        rows: shapes::RuntimeRows {
            input_bytes: i64::try_from(row.bytes_scanned).unwrap_or(i64::MAX),
            output_rows: i64::try_from(row.rows).unwrap_or(i64::MAX),
        },
    }
}

/// A page of a result.
pub fn results(page: Page) -> shapes::GetQueryResultsOutput {
    let rows = page
        .rows
        .into_iter()
        .map(|cells| shapes::Row {
            data: cells.into_iter().map(|cell| shapes::Datum { var_char_value: cell }).collect(),
        })
        .collect();
    let column_info = page.columns.iter().map(column_info).collect();
    shapes::GetQueryResultsOutput {
        update_count: i64::try_from(page.updated).unwrap_or(i64::MAX),
        result_set: shapes::ResultSet {
            rows,
            result_set_metadata: shapes::ResultSetMetadata { column_info },
        },
        next_token: page.next.map(|at| format!("{at:x}")),
    }
}

fn column_info(column: &ColumnRow) -> shapes::ColumnInfo {
    shapes::ColumnInfo {
        catalog_name: "hive".to_owned(),
        schema_name: String::new(),
        table_name: String::new(),
        name: column.name.clone(),
        label: column.name.clone(),
        type_name: column.kind.clone(),
        precision: i32::try_from(column.precision).unwrap_or(i32::MAX),
        scale: i32::try_from(column.scale).unwrap_or(i32::MAX),
        nullable: "UNKNOWN".to_owned(),
        case_sensitive: column.kind == "varchar",
    }
}

/// The place in a result that a token names.
pub fn result_token(token: Option<&str>) -> Result<u64, Fault> {
    let Some(token) = token else { return Ok(0) };
    u64::from_str_radix(token, 16).map_err(|_| fault::invalid("NextToken is not one of this query's results"))
}

/// A workgroup as clients see it.
pub fn workgroup(name: &str, row: &WorkGroupRow) -> shapes::WorkGroup {
    shapes::WorkGroup {
        name: name.to_owned(),
        state: state(row).to_owned(),
        configuration: shapes::WorkGroupConfiguration {
            result_configuration: Some(shapes::ResultConfiguration {
                output_location: row.output_location.clone(),
                encryption_configuration: row.encryption.clone().map(|option| {
                    shapes::EncryptionConfiguration {
                        encryption_option: option,
                        kms_key: row.encryption_key.clone(),
                    }
                }),
            }),
            enforce_work_group_configuration: Some(row.enforce),
            publish_cloud_watch_metrics_enabled: Some(row.publish_metrics),
            bytes_scanned_cutoff_per_query: row.bytes_scanned_max,
            requester_pays_enabled: Some(row.requester_pays),
            engine_version: Some(engine_version()),
        },
        description: row.description.clone(),
        creation_time: (row.created_ms > 0).then(|| moment(row.created_ms)),
    }
}

fn state(row: &WorkGroupRow) -> &'static str {
    if row.enabled { "ENABLED" } else { "DISABLED" }
}

/// A workgroup in a list.
pub fn workgroup_summary(name: &str, row: &WorkGroupRow) -> shapes::WorkGroupSummary {
    shapes::WorkGroupSummary {
        name: name.to_owned(),
        state: state(row).to_owned(),
        description: row.description.clone(),
        creation_time: (row.created_ms > 0).then(|| moment(row.created_ms)),
        engine_version: engine_version(),
    }
}

/// A new workgroup's settings.
pub fn new_workgroup(input: shapes::CreateWorkGroupInput) -> WorkGroupRow {
    let configuration = input.configuration.unwrap_or_default();
    let result = configuration.result_configuration.unwrap_or_default();
    let (encryption, encryption_key) = result
        .encryption_configuration
        .map_or((None, None), |one| (Some(one.encryption_option), one.kms_key));
    WorkGroupRow {
        description: input.description,
        enabled: true,
        created_ms: 0,
        output_location: result.output_location,
        enforce: configuration.enforce_work_group_configuration.unwrap_or(true),
        publish_metrics: configuration.publish_cloud_watch_metrics_enabled.unwrap_or(true),
        bytes_scanned_max: configuration.bytes_scanned_cutoff_per_query,
        requester_pays: configuration.requester_pays_enabled.unwrap_or(false),
        encryption,
        encryption_key,
    }
}

/// A workgroup's settings after an update.
pub fn updated_workgroup(mut row: WorkGroupRow, input: shapes::UpdateWorkGroupInput) -> WorkGroupRow {
    row.description = input.description.or(row.description);
    row.enabled = input.state.map_or(row.enabled, |state| state == "ENABLED");
    let Some(updates) = input.configuration_updates else { return row };
    row.enforce = updates.enforce_work_group_configuration.unwrap_or(row.enforce);
    row.publish_metrics = updates.publish_cloud_watch_metrics_enabled.unwrap_or(row.publish_metrics);
    row.requester_pays = updates.requester_pays_enabled.unwrap_or(row.requester_pays);
    row.bytes_scanned_max = updates.bytes_scanned_cutoff_per_query.or(row.bytes_scanned_max);
    if updates.remove_bytes_scanned_cutoff_per_query == Some(true) {
        row.bytes_scanned_max = None;
    }
    let Some(result) = updates.result_configuration_updates else { return row };
    row.output_location = result.output_location.or(row.output_location);
    if result.remove_output_location == Some(true) {
        row.output_location = None;
    }
    if let Some(encryption) = result.encryption_configuration {
        row.encryption = Some(encryption.encryption_option);
        row.encryption_key = encryption.kms_key;
    }
    if result.remove_encryption_configuration == Some(true) {
        (row.encryption, row.encryption_key) = (None, None);
    }
    row
}

/// A database as clients see it.
pub fn database(database: &catalog::Database) -> shapes::Database {
    shapes::Database {
        name: database.name.clone(),
        description: database.description.clone(),
        parameters: Some(database.parameters.clone()).filter(|parameters| !parameters.is_empty()),
    }
}

/// A table as clients see it.
pub fn table(table: &catalog::Table) -> shapes::TableMetadata {
    let columns = |columns: &[catalog::Column]| {
        columns
            .iter()
            .map(|column| shapes::Column {
                name: column.name.clone(),
                type_name: column.hive_type.clone(),
                comment: column.comment.clone(),
            })
            .collect()
    };
    let storage = &table.storage;
    let mut parameters: BTreeMap<String, String> = table.parameters.clone();
    let more = [
        ("location", Some(&storage.location)),
        ("inputformat", storage.input_format.as_ref()),
        ("outputformat", storage.output_format.as_ref()),
        ("serde.serialization.lib", storage.serde_library.as_ref()),
    ];
    for (key, value) in more {
        if let Some(value) = value {
            parameters.insert(key.to_owned(), value.clone());
        }
    }
    for (key, value) in &storage.serde_parameters {
        parameters.insert(format!("serde.param.{key}"), value.clone());
    }
    shapes::TableMetadata {
        name: table.key.table.clone(),
        create_time: EpochTime(table.created),
        table_type: table.table_type.clone(),
        columns: columns(&storage.columns),
        partition_keys: columns(&table.partition_keys),
        parameters,
    }
}
