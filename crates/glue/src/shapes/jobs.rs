//! Jobs, runs, triggers.

use headwater_wire::EpochTime;
use serde::{Deserialize, Serialize};

use super::{ErrorDetail, Object, Parameters};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CommandShape {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) script_location: Option<String>,
    #[serde(flatten)]
    pub(crate) rest: Object,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ExecutionPropertyShape {
    pub(crate) max_concurrent_runs: Option<i64>,
}

/// What a job is, as it is created, updated, kept and given back.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct JobShape {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) command: Option<CommandShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) default_arguments: Option<Parameters>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) non_overridable_arguments: Option<Parameters>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) execution_property: Option<ExecutionPropertyShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_retries: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timeout: Option<u64>,
    #[serde(skip_serializing)]
    pub(crate) tags: Option<Parameters>,
    #[serde(flatten)]
    pub(crate) rest: Object,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct JobOutputShape {
    #[serde(flatten)]
    pub(crate) job: JobShape,
    pub(crate) created_on: EpochTime,
    pub(crate) last_modified_on: EpochTime,
}

/// CreateJob and CreateTrigger.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct NameOutput {
    pub(crate) name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct JobNameInput {
    pub(crate) job_name: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct JobNameOutput {
    pub(crate) job_name: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetJobOutput {
    pub(crate) job: JobOutputShape,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetJobsOutput {
    pub(crate) jobs: Vec<JobOutputShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListJobsOutput {
    pub(crate) job_names: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BatchGetJobsInput {
    pub(crate) job_names: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BatchGetJobsOutput {
    pub(crate) jobs: Vec<JobOutputShape>,
    pub(crate) jobs_not_found: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdateJobInput {
    pub(crate) job_name: Option<String>,
    pub(crate) job_update: Option<JobShape>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct StartJobRunInput {
    pub(crate) job_name: Option<String>,
    pub(crate) job_run_id: Option<String>,
    pub(crate) arguments: Option<Parameters>,
    pub(crate) timeout: Option<u64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct StartJobRunOutput {
    pub(crate) job_run_id: String,
}

/// GetJobRun, GetJobRuns, GetJobBookmark and ResetJobBookmark.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct JobRunInput {
    pub(crate) job_name: Option<String>,
    pub(crate) run_id: Option<String>,
    pub(crate) next_token: Option<String>,
    pub(crate) max_results: Option<i64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct JobRunShape {
    pub(crate) id: String,
    pub(crate) attempt: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trigger_name: Option<String>,
    pub(crate) job_name: String,
    pub(crate) job_mode: &'static str,
    pub(crate) started_on: EpochTime,
    pub(crate) last_modified_on: EpochTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) completed_on: Option<EpochTime>,
    pub(crate) job_run_state: &'static str,
    pub(crate) arguments: Parameters,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error_message: Option<String>,
    pub(crate) predecessor_runs: Vec<String>,
    pub(crate) execution_time: i64,
    pub(crate) timeout: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state_detail: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetJobRunOutput {
    pub(crate) job_run: JobRunShape,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetJobRunsOutput {
    pub(crate) job_runs: Vec<JobRunShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BatchStopJobRunInput {
    pub(crate) job_name: Option<String>,
    pub(crate) job_run_ids: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct StoppedRunShape {
    pub(crate) job_name: String,
    pub(crate) job_run_id: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct StopRunErrorShape {
    pub(crate) job_name: String,
    pub(crate) job_run_id: String,
    pub(crate) error_detail: ErrorDetail,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BatchStopJobRunOutput {
    pub(crate) successful_submissions: Vec<StoppedRunShape>,
    pub(crate) errors: Vec<StopRunErrorShape>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct JobBookmarkEntry {
    pub(crate) job_name: String,
    pub(crate) version: i64,
    pub(crate) run: i64,
    pub(crate) attempt: i64,
    pub(crate) job_bookmark: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct JobBookmarkOutput {
    pub(crate) job_bookmark_entry: JobBookmarkEntry,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ActionShape {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) job_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) arguments: Option<Parameters>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timeout: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) crawler_name: Option<String>,
    #[serde(flatten)]
    pub(crate) rest: Object,
}

/// What a trigger is, as it is created, kept and given back.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TriggerShape {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) r#type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) schedule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) actions: Option<Vec<ActionShape>>,
    #[serde(skip_serializing)]
    pub(crate) start_on_creation: Option<bool>,
    #[serde(skip_serializing)]
    pub(crate) tags: Option<Parameters>,
    #[serde(skip_serializing)]
    pub(crate) workflow_name: Option<String>,
    #[serde(skip_serializing)]
    pub(crate) predicate: Option<serde_json::Value>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TriggerOutputShape {
    #[serde(flatten)]
    pub(crate) trigger: TriggerShape,
    pub(crate) state: &'static str,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdateTriggerInput {
    pub(crate) name: Option<String>,
    pub(crate) trigger_update: Option<TriggerShape>,
}

/// GetTrigger and UpdateTrigger.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TriggerOutput {
    pub(crate) trigger: TriggerOutputShape,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetTriggersInput {
    pub(crate) next_token: Option<String>,
    pub(crate) dependent_job_name: Option<String>,
    pub(crate) max_results: Option<i64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetTriggersOutput {
    pub(crate) triggers: Vec<TriggerOutputShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListTriggersOutput {
    pub(crate) trigger_names: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BatchGetTriggersInput {
    pub(crate) trigger_names: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BatchGetTriggersOutput {
    pub(crate) triggers: Vec<TriggerOutputShape>,
    pub(crate) triggers_not_found: Vec<String>,
}

/// Names something and nothing else.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct NameInput {
    pub(crate) name: Option<String>,
}
