//! Get-, Put- and DeleteBucketAnalyticsConfiguration, and ListBucketAnalyticsConfigurations.

use headwater_objects::BucketConfig;
use s3s::dto::{
    AnalyticsConfiguration, DeleteBucketAnalyticsConfigurationInput,
    DeleteBucketAnalyticsConfigurationOutput, GetBucketAnalyticsConfigurationInput,
    GetBucketAnalyticsConfigurationOutput, ListBucketAnalyticsConfigurationsInput,
    ListBucketAnalyticsConfigurationsOutput, PutBucketAnalyticsConfigurationInput,
    PutBucketAnalyticsConfigurationOutput,
};
use s3s::{S3Request, S3Response};

use super::configured;
use crate::codec::{Answer, Circumstances, Codec};
use crate::document;
use crate::fault::Refusal;

configured::operations! {
    BucketConfig::Analytics, AnalyticsConfiguration in analytics_configuration, listed in analytics_configuration_list, checked by check;
    GetBucketAnalyticsConfigurationInput => GetBucketAnalyticsConfigurationOutput, PutBucketAnalyticsConfigurationInput => PutBucketAnalyticsConfigurationOutput,
    DeleteBucketAnalyticsConfigurationInput => DeleteBucketAnalyticsConfigurationOutput, ListBucketAnalyticsConfigurationsInput => ListBucketAnalyticsConfigurationsOutput
}

fn check(configuration: &AnalyticsConfiguration) -> Result<(), Refusal> {
    let Some(export) = &configuration.storage_class_analysis.data_export else { return Ok(()) };
    let destination = &export.destination.s3_bucket_destination;
    if export.output_schema_version.as_str() != "V_1" || destination.format.as_str() != "CSV" {
        return Err(document::malformed());
    }
    if !destination.bucket.starts_with("arn:aws:s3:::") {
        return Err(Refusal::new(400, "InvalidS3DestinationBucket", "Invalid bucket ARN."));
    }
    Ok(())
}
