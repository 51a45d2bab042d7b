//! Workgroups and their settings.

use headwater_wire::EpochTime;
use serde::{Deserialize, Serialize};

use super::{EncryptionConfiguration, EngineVersion, ResultConfiguration};

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
