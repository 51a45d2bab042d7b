//! Get-, Put- and DeleteBucketIntelligentTieringConfiguration, and
//! ListBucketIntelligentTieringConfigurations.

use headwater_objects::BucketConfig;
use s3s::dto::{
    DeleteBucketIntelligentTieringConfigurationInput, DeleteBucketIntelligentTieringConfigurationOutput,
    GetBucketIntelligentTieringConfigurationInput, GetBucketIntelligentTieringConfigurationOutput,
    IntelligentTieringConfiguration, ListBucketIntelligentTieringConfigurationsInput,
    ListBucketIntelligentTieringConfigurationsOutput, PutBucketIntelligentTieringConfigurationInput,
    PutBucketIntelligentTieringConfigurationOutput,
};
use s3s::{S3Request, S3Response};

use super::configured;
use crate::codec::{Answer, Circumstances, Codec};
use crate::document;
use crate::fault::Refusal;

configured::operations! {
    BucketConfig::IntelligentTiering, IntelligentTieringConfiguration in intelligent_tiering_configuration, listed in intelligent_tiering_configuration_list, checked by check;
    GetBucketIntelligentTieringConfigurationInput => GetBucketIntelligentTieringConfigurationOutput, PutBucketIntelligentTieringConfigurationInput => PutBucketIntelligentTieringConfigurationOutput,
    DeleteBucketIntelligentTieringConfigurationInput => DeleteBucketIntelligentTieringConfigurationOutput, ListBucketIntelligentTieringConfigurationsInput => ListBucketIntelligentTieringConfigurationsOutput
}

const STATES: [&str; 2] = ["Enabled", "Disabled"];
/// The tiers, and the fewest days after which an object may go there.
const TIERS: [(&str, i32); 2] = [("ARCHIVE_ACCESS", 90), ("DEEP_ARCHIVE_ACCESS", 180)];
/// The most days.
const DAYS_MAX: i32 = 730;

fn check(configuration: &IntelligentTieringConfiguration) -> Result<(), Refusal> {
    if !STATES.contains(&configuration.status.as_str()) || configuration.tierings.is_empty() {
        return Err(document::malformed());
    }
    for tiering in &configuration.tierings {
        let tier = TIERS.iter().find(|(name, _)| *name == tiering.access_tier.as_str());
        let (name, least) = tier.ok_or_else(document::malformed)?;
        if !(*least..=DAYS_MAX).contains(&tiering.days) {
            return Err(Refusal::invalid_argument(format!(
                "Days of {name} must be between {least} and {DAYS_MAX}"
            )));
        }
    }
    Ok(())
}
