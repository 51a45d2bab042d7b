//! What clients send and get, in the service's spelling. No logic.

use std::collections::BTreeMap;

use headwater_wire::{Blob, EpochTime};
use serde::{Deserialize, Serialize};

pub(crate) type Attributes = BTreeMap<String, AttributeValue>;
pub(crate) type Names = BTreeMap<String, String>;

/// A value: exactly one member is set.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct AttributeValue {
    #[serde(rename = "S", skip_serializing_if = "Option::is_none")]
    pub(crate) s: Option<String>,
    #[serde(rename = "N", skip_serializing_if = "Option::is_none")]
    pub(crate) n: Option<String>,
    #[serde(rename = "B", skip_serializing_if = "Option::is_none")]
    pub(crate) b: Option<Blob>,
    #[serde(rename = "BOOL", skip_serializing_if = "Option::is_none")]
    pub(crate) bool: Option<bool>,
    #[serde(rename = "NULL", skip_serializing_if = "Option::is_none")]
    pub(crate) null: Option<bool>,
    #[serde(rename = "L", skip_serializing_if = "Option::is_none")]
    pub(crate) l: Option<Vec<Self>>,
    #[serde(rename = "M", skip_serializing_if = "Option::is_none")]
    pub(crate) m: Option<Attributes>,
    #[serde(rename = "SS", skip_serializing_if = "Option::is_none")]
    pub(crate) ss: Option<Vec<String>>,
    #[serde(rename = "NS", skip_serializing_if = "Option::is_none")]
    pub(crate) ns: Option<Vec<String>>,
    #[serde(rename = "BS", skip_serializing_if = "Option::is_none")]
    pub(crate) bs: Option<Vec<Blob>>,
}

/// A condition of the older dialect on one attribute (`Expected`).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ExpectedAttributeValue {
    pub(crate) value: Option<AttributeValue>,
    pub(crate) exists: Option<bool>,
    pub(crate) comparison_operator: Option<String>,
    pub(crate) attribute_value_list: Option<Vec<AttributeValue>>,
}

/// A change of the older dialect of one attribute (`AttributeUpdates`).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct AttributeValueUpdate {
    pub(crate) value: Option<AttributeValue>,
    pub(crate) action: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct PutItemInput {
    pub(crate) table_name: Option<String>,
    pub(crate) item: Option<Attributes>,
    pub(crate) expected: Option<BTreeMap<String, ExpectedAttributeValue>>,
    pub(crate) conditional_operator: Option<String>,
    pub(crate) condition_expression: Option<String>,
    pub(crate) expression_attribute_names: Option<Names>,
    pub(crate) expression_attribute_values: Option<Attributes>,
    pub(crate) return_values: Option<String>,
    pub(crate) return_values_on_condition_check_failure: Option<String>,
    pub(crate) return_consumed_capacity: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct UpdateItemInput {
    pub(crate) table_name: Option<String>,
    pub(crate) key: Option<Attributes>,
    pub(crate) attribute_updates: Option<BTreeMap<String, AttributeValueUpdate>>,
    pub(crate) update_expression: Option<String>,
    pub(crate) expected: Option<BTreeMap<String, ExpectedAttributeValue>>,
    pub(crate) conditional_operator: Option<String>,
    pub(crate) condition_expression: Option<String>,
    pub(crate) expression_attribute_names: Option<Names>,
    pub(crate) expression_attribute_values: Option<Attributes>,
    pub(crate) return_values: Option<String>,
    pub(crate) return_values_on_condition_check_failure: Option<String>,
    pub(crate) return_consumed_capacity: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct DeleteItemInput {
    pub(crate) table_name: Option<String>,
    pub(crate) key: Option<Attributes>,
    pub(crate) expected: Option<BTreeMap<String, ExpectedAttributeValue>>,
    pub(crate) conditional_operator: Option<String>,
    pub(crate) condition_expression: Option<String>,
    pub(crate) expression_attribute_names: Option<Names>,
    pub(crate) expression_attribute_values: Option<Attributes>,
    pub(crate) return_values: Option<String>,
    pub(crate) return_values_on_condition_check_failure: Option<String>,
    pub(crate) return_consumed_capacity: Option<String>,
}

/// What PutItem, UpdateItem and DeleteItem answer.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct WriteOutput {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) attributes: Option<Attributes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) consumed_capacity: Option<ConsumedCapacity>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct GetItemInput {
    pub(crate) table_name: Option<String>,
    pub(crate) key: Option<Attributes>,
    pub(crate) attributes_to_get: Option<Vec<String>>,
    pub(crate) projection_expression: Option<String>,
    pub(crate) expression_attribute_names: Option<Names>,
    pub(crate) consistent_read: Option<bool>,
    pub(crate) return_consumed_capacity: Option<String>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetItemOutput {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) item: Option<Attributes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) consumed_capacity: Option<ConsumedCapacity>,
}

/// Query and Scan: what one of them lacks, its clients don't send.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct PageInput {
    pub(crate) table_name: Option<String>,
    pub(crate) index_name: Option<String>,
    pub(crate) select: Option<String>,
    pub(crate) attributes_to_get: Option<Vec<String>>,
    pub(crate) limit: Option<i64>,
    pub(crate) consistent_read: Option<bool>,
    pub(crate) key_conditions: Option<BTreeMap<String, ExpectedAttributeValue>>,
    pub(crate) query_filter: Option<BTreeMap<String, ExpectedAttributeValue>>,
    pub(crate) scan_filter: Option<BTreeMap<String, ExpectedAttributeValue>>,
    pub(crate) conditional_operator: Option<String>,
    pub(crate) scan_index_forward: Option<bool>,
    pub(crate) exclusive_start_key: Option<Attributes>,
    pub(crate) projection_expression: Option<String>,
    pub(crate) filter_expression: Option<String>,
    pub(crate) key_condition_expression: Option<String>,
    pub(crate) expression_attribute_names: Option<Names>,
    pub(crate) expression_attribute_values: Option<Attributes>,
    pub(crate) segment: Option<i64>,
    pub(crate) total_segments: Option<i64>,
    pub(crate) return_consumed_capacity: Option<String>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PageOutput {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) items: Option<Vec<Attributes>>,
    pub(crate) count: usize,
    pub(crate) scanned_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_evaluated_key: Option<Attributes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) consumed_capacity: Option<ConsumedCapacity>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct TransactWriteItemsInput {
    pub(crate) transact_items: Option<Vec<TransactWriteItem>>,
    pub(crate) client_request_token: Option<String>,
    pub(crate) return_consumed_capacity: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct TransactWriteItem {
    pub(crate) put: Option<TransactWrite>,
    pub(crate) update: Option<TransactWrite>,
    pub(crate) delete: Option<TransactWrite>,
    pub(crate) condition_check: Option<TransactWrite>,
}

/// An action of a transaction: `Item` belongs to Put, `Key` to the others.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct TransactWrite {
    pub(crate) table_name: Option<String>,
    pub(crate) item: Option<Attributes>,
    pub(crate) key: Option<Attributes>,
    pub(crate) update_expression: Option<String>,
    pub(crate) condition_expression: Option<String>,
    pub(crate) expression_attribute_names: Option<Names>,
    pub(crate) expression_attribute_values: Option<Attributes>,
    pub(crate) return_values_on_condition_check_failure: Option<String>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TransactWriteItemsOutput {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) consumed_capacity: Option<Vec<ConsumedCapacity>>,
}

/// Why an action cancelled its transaction, or that it did not.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CancellationReason {
    pub(crate) code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) item: Option<Attributes>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ConsumedCapacity {
    pub(crate) table_name: String,
    pub(crate) capacity_units: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) table: Option<Capacity>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Capacity {
    pub(crate) capacity_units: f64,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AttributeDefinition {
    pub(crate) attribute_name: String,
    pub(crate) attribute_type: String,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct KeySchemaElement {
    pub(crate) attribute_name: String,
    pub(crate) key_type: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ProjectionShape {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) projection_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) non_key_attributes: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ProvisionedThroughput {
    pub(crate) read_capacity_units: i64,
    pub(crate) write_capacity_units: i64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GlobalSecondaryIndex {
    pub(crate) index_name: String,
    pub(crate) key_schema: Vec<KeySchemaElement>,
    pub(crate) projection: Option<ProjectionShape>,
    pub(crate) provisioned_throughput: Option<ProvisionedThroughput>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct GlobalSecondaryIndexUpdate {
    pub(crate) create: Option<GlobalSecondaryIndex>,
    pub(crate) update: Option<IndexThroughput>,
    pub(crate) delete: Option<IndexName>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct IndexThroughput {
    pub(crate) index_name: String,
    pub(crate) provisioned_throughput: Option<ProvisionedThroughput>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct IndexName {
    pub(crate) index_name: String,
}

/// A key and a value.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Tag {
    pub(crate) key: String,
    pub(crate) value: String,
}

/// A feature that is on or off, of whose further settings nothing is known here.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Feature {
    pub(crate) stream_enabled: Option<bool>,
    pub(crate) enabled: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct CreateTableInput {
    pub(crate) table_name: Option<String>,
    pub(crate) attribute_definitions: Option<Vec<AttributeDefinition>>,
    pub(crate) key_schema: Option<Vec<KeySchemaElement>>,
    pub(crate) local_secondary_indexes: Option<Vec<serde_json::Value>>,
    pub(crate) global_secondary_indexes: Option<Vec<GlobalSecondaryIndex>>,
    pub(crate) billing_mode: Option<String>,
    pub(crate) provisioned_throughput: Option<ProvisionedThroughput>,
    pub(crate) stream_specification: Option<Feature>,
    #[serde(rename = "SSESpecification")]
    pub(crate) sse_specification: Option<Feature>,
    pub(crate) deletion_protection_enabled: Option<bool>,
    pub(crate) tags: Option<Vec<Tag>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct UpdateTableInput {
    pub(crate) table_name: Option<String>,
    pub(crate) attribute_definitions: Option<Vec<AttributeDefinition>>,
    pub(crate) billing_mode: Option<String>,
    pub(crate) provisioned_throughput: Option<ProvisionedThroughput>,
    pub(crate) global_secondary_index_updates: Option<Vec<GlobalSecondaryIndexUpdate>>,
    pub(crate) stream_specification: Option<Feature>,
    #[serde(rename = "SSESpecification")]
    pub(crate) sse_specification: Option<Feature>,
    pub(crate) replica_updates: Option<Vec<serde_json::Value>>,
    pub(crate) deletion_protection_enabled: Option<bool>,
}

/// DescribeTable, DeleteTable, DescribeTimeToLive, DescribeContinuousBackups.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct TableInput {
    pub(crate) table_name: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeTableOutput {
    pub(crate) table: TableDescription,
}

/// What CreateTable, UpdateTable and DeleteTable answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TableOutput {
    pub(crate) table_description: TableDescription,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TableDescription {
    pub(crate) table_name: String,
    pub(crate) table_arn: String,
    pub(crate) table_id: String,
    pub(crate) table_status: &'static str,
    pub(crate) creation_date_time: EpochTime,
    pub(crate) attribute_definitions: Vec<AttributeDefinition>,
    pub(crate) key_schema: Vec<KeySchemaElement>,
    pub(crate) provisioned_throughput: ThroughputDescription,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) billing_mode_summary: Option<BillingModeSummary>,
    pub(crate) item_count: i64,
    pub(crate) table_size_bytes: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) global_secondary_indexes: Option<Vec<IndexDescription>>,
    pub(crate) deletion_protection_enabled: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BillingModeSummary {
    pub(crate) billing_mode: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ThroughputDescription {
    pub(crate) number_of_decreases_today: i64,
    pub(crate) read_capacity_units: u64,
    pub(crate) write_capacity_units: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct IndexDescription {
    pub(crate) index_name: String,
    pub(crate) index_arn: String,
    pub(crate) index_status: &'static str,
    pub(crate) key_schema: Vec<KeySchemaElement>,
    pub(crate) projection: ProjectionShape,
    pub(crate) provisioned_throughput: ThroughputDescription,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ListTablesInput {
    pub(crate) exclusive_start_table_name: Option<String>,
    pub(crate) limit: Option<i64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListTablesOutput {
    pub(crate) table_names: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_evaluated_table_name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct UpdateContinuousBackupsInput {
    pub(crate) table_name: Option<String>,
    pub(crate) point_in_time_recovery_specification: Option<PointInTimeRecoverySpecification>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct PointInTimeRecoverySpecification {
    pub(crate) point_in_time_recovery_enabled: Option<bool>,
    pub(crate) recovery_period_in_days: Option<i64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ContinuousBackupsOutput {
    pub(crate) continuous_backups_description: ContinuousBackupsDescription,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ContinuousBackupsDescription {
    pub(crate) continuous_backups_status: &'static str,
    pub(crate) point_in_time_recovery_description: PointInTimeRecoveryDescription,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PointInTimeRecoveryDescription {
    pub(crate) point_in_time_recovery_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recovery_period_in_days: Option<u32>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TimeToLiveOutput {
    pub(crate) time_to_live_description: TimeToLiveDescription,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TimeToLiveDescription {
    pub(crate) time_to_live_status: &'static str,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ListTagsInput {
    pub(crate) resource_arn: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListTagsOutput {
    pub(crate) tags: Vec<Tag>,
}
