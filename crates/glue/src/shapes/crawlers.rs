//! Crawlers.

use headwater_wire::EpochTime;
use serde::{Deserialize, Serialize};

use super::{Object, Parameters};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct S3TargetShape {
    pub(crate) path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exclusions: Option<Vec<String>>,
    #[serde(flatten)]
    pub(crate) rest: Object,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TargetsShape {
    #[serde(rename = "S3Targets", skip_serializing_if = "Option::is_none")]
    pub(crate) s3_targets: Option<Vec<S3TargetShape>>,
    #[serde(flatten)]
    pub(crate) rest: Object,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SchemaChangePolicyShape {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) update_behavior: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delete_behavior: Option<String>,
}

/// What a crawler is, as it is created, updated, kept and given back.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CrawlerShape {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) database_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) targets: Option<TargetsShape>,
    /// Kept as text; given back as an object beside this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) schedule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) table_prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) schema_change_policy: Option<SchemaChangePolicyShape>,
    #[serde(skip_serializing)]
    pub(crate) tags: Option<Parameters>,
    #[serde(flatten)]
    pub(crate) rest: Object,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ScheduleShape {
    pub(crate) schedule_expression: String,
    pub(crate) state: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct LastCrawlShape {
    pub(crate) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error_message: Option<String>,
    pub(crate) start_time: EpochTime,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CrawlerOutputShape {
    #[serde(flatten)]
    pub(crate) crawler: CrawlerShape,
    #[serde(rename = "Schedule", skip_serializing_if = "Option::is_none")]
    pub(crate) schedule_state: Option<ScheduleShape>,
    pub(crate) state: &'static str,
    pub(crate) crawl_elapsed_time: i64,
    pub(crate) creation_time: EpochTime,
    pub(crate) last_updated: EpochTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_crawl: Option<LastCrawlShape>,
    pub(crate) version: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetCrawlerOutput {
    pub(crate) crawler: CrawlerOutputShape,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetCrawlersOutput {
    pub(crate) crawlers: Vec<CrawlerOutputShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListCrawlersOutput {
    pub(crate) crawler_names: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BatchGetCrawlersInput {
    pub(crate) crawler_names: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BatchGetCrawlersOutput {
    pub(crate) crawlers: Vec<CrawlerOutputShape>,
    pub(crate) crawlers_not_found: Vec<String>,
}

/// StartCrawlerSchedule, StopCrawlerSchedule and UpdateCrawlerSchedule.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CrawlerScheduleInput {
    pub(crate) crawler_name: Option<String>,
    pub(crate) schedule: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CrawlerMetricsInput {
    pub(crate) crawler_name_list: Option<Vec<String>>,
    pub(crate) max_results: Option<i64>,
    pub(crate) next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CrawlerMetricsShape {
    pub(crate) crawler_name: String,
    pub(crate) time_left_seconds: f64,
    pub(crate) still_estimating: bool,
    pub(crate) last_runtime_seconds: f64,
    pub(crate) median_runtime_seconds: f64,
    pub(crate) tables_created: u64,
    pub(crate) tables_updated: u64,
    pub(crate) tables_deleted: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CrawlerMetricsOutput {
    pub(crate) crawler_metrics_list: Vec<CrawlerMetricsShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}
