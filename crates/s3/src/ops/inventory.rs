//! Get-, Put- and DeleteBucketInventoryConfiguration, and ListBucketInventoryConfigurations.

use headwater_objects::BucketConfig;
use s3s::dto::{
    DeleteBucketInventoryConfigurationInput, DeleteBucketInventoryConfigurationOutput,
    GetBucketInventoryConfigurationInput, GetBucketInventoryConfigurationOutput, InventoryConfiguration,
    ListBucketInventoryConfigurationsInput, ListBucketInventoryConfigurationsOutput,
    PutBucketInventoryConfigurationInput, PutBucketInventoryConfigurationOutput,
};
use s3s::{S3Request, S3Response};

use super::configured;
use crate::codec::{Answer, Circumstances, Codec};
use crate::document;
use crate::fault::Refusal;

configured::operations! {
    BucketConfig::Inventory, InventoryConfiguration in inventory_configuration, listed in inventory_configuration_list, checked by check;
    GetBucketInventoryConfigurationInput => GetBucketInventoryConfigurationOutput, PutBucketInventoryConfigurationInput => PutBucketInventoryConfigurationOutput,
    DeleteBucketInventoryConfigurationInput => DeleteBucketInventoryConfigurationOutput, ListBucketInventoryConfigurationsInput => ListBucketInventoryConfigurationsOutput
}

const VERSIONS: [&str; 2] = ["All", "Current"];
const FREQUENCIES: [&str; 2] = ["Daily", "Weekly"];
const FORMATS: [&str; 3] = ["CSV", "ORC", "Parquet"];

fn check(configuration: &InventoryConfiguration) -> Result<(), Refusal> {
    let destination = &configuration.destination.s3_bucket_destination;
    let is_known = VERSIONS.contains(&configuration.included_object_versions.as_str())
        && FREQUENCIES.contains(&configuration.schedule.frequency.as_str())
        && FORMATS.contains(&destination.format.as_str());
    if !is_known {
        return Err(document::malformed());
    }
    if !destination.bucket.starts_with("arn:aws:s3:::") {
        return Err(Refusal::new(400, "InvalidS3DestinationBucket", "Invalid bucket ARN."));
    }
    Ok(())
}
