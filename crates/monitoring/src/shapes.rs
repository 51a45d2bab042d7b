//! What clients send, in the service's spelling. No logic.
//!
//! Without the time of a datum: what is published counts when it arrives.

use serde::Deserialize;

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct PutMetricDataInput {
    pub(crate) namespace: Option<String>,
    pub(crate) metric_data: Option<Vec<MetricDatum>>,
    pub(crate) entity_metric_data: Option<Vec<EntityMetricData>>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct EntityMetricData {
    pub(crate) metric_data: Option<Vec<MetricDatum>>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct MetricDatum {
    pub(crate) metric_name: Option<String>,
    pub(crate) dimensions: Option<Vec<Dimension>>,
    pub(crate) value: Option<f64>,
    pub(crate) statistic_values: Option<StatisticSet>,
    pub(crate) values: Option<Vec<f64>>,
    pub(crate) counts: Option<Vec<f64>>,
    pub(crate) unit: Option<String>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Dimension {
    pub(crate) name: Option<String>,
    pub(crate) value: Option<String>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct StatisticSet {
    pub(crate) sample_count: Option<f64>,
    pub(crate) sum: Option<f64>,
    pub(crate) minimum: Option<f64>,
    pub(crate) maximum: Option<f64>,
}
