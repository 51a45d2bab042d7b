//! Get-, Put- and DeleteBucketMetricsConfiguration, and ListBucketMetricsConfigurations.

use headwater_objects::BucketConfig;
use s3s::dto::{
    DeleteBucketMetricsConfigurationInput, DeleteBucketMetricsConfigurationOutput,
    GetBucketMetricsConfigurationInput, GetBucketMetricsConfigurationOutput,
    ListBucketMetricsConfigurationsInput, ListBucketMetricsConfigurationsOutput, MetricsConfiguration,
    MetricsFilter, PutBucketMetricsConfigurationInput, PutBucketMetricsConfigurationOutput,
};
use s3s::{S3Request, S3Response};

use super::configured;
use crate::codec::{Answer, Circumstances, Codec};
use crate::document;
use crate::fault::Refusal;

configured::operations! {
    BucketConfig::Metrics, MetricsConfiguration in metrics_configuration, listed in metrics_configuration_list, checked by check;
    GetBucketMetricsConfigurationInput => GetBucketMetricsConfigurationOutput, PutBucketMetricsConfigurationInput => PutBucketMetricsConfigurationOutput,
    DeleteBucketMetricsConfigurationInput => DeleteBucketMetricsConfigurationOutput, ListBucketMetricsConfigurationsInput => ListBucketMetricsConfigurationsOutput
}

/// Whatever has the form of a configuration is one, but for a filter by access points: there are none.
fn check(configuration: &MetricsConfiguration) -> Result<(), Refusal> {
    match &configuration.filter {
        Some(MetricsFilter::AccessPointArn(_)) => Err(document::malformed()),
        _ => Ok(()),
    }
}
