//! Get- and PutObjectLockConfiguration: whether a bucket locks, and what new versions get.

use headwater_objects::{BucketLock, DefaultRetention, Period};
use s3s::dto::{
    self, GetObjectLockConfigurationInput, GetObjectLockConfigurationOutput, ObjectLockConfiguration,
    ObjectLockEnabled, ObjectLockRetentionMode, ObjectLockRule, PutObjectLockConfigurationInput,
    PutObjectLockConfigurationOutput,
};
use s3s::{S3Request, S3Response};

use crate::codec::{Answer, Circumstances, Codec};
use crate::fault::Refusal;
use crate::lock;

/// The longest default retention: 100 years.
const DAYS_MAX: i32 = 36_500;
const YEARS_MAX: i32 = 100;

pub(crate) async fn get(
    _: &Codec,
    request: S3Request<GetObjectLockConfigurationInput>,
) -> Answer<GetObjectLockConfigurationOutput> {
    let Some(lock) = request.bucket()?.lock else {
        return Err(Refusal::new(
            404,
            "ObjectLockConfigurationNotFoundError",
            "Object Lock configuration does not exist for this bucket",
        ));
    };
    let rule = lock.default.map(|default| {
        let (days, years) = match default.period {
            Period::Days(days) => (i32::try_from(days).ok(), None),
            Period::Years(years) => (None, i32::try_from(years).ok()),
        };
        let mode = Some(ObjectLockRetentionMode::from_static(lock::mode_name(default.mode)));
        ObjectLockRule { default_retention: Some(dto::DefaultRetention { days, mode, years }) }
    });
    let object_lock_enabled = Some(ObjectLockEnabled::from_static(ObjectLockEnabled::ENABLED));
    let configuration = ObjectLockConfiguration { object_lock_enabled, rule };
    Ok(S3Response::new(GetObjectLockConfigurationOutput { object_lock_configuration: Some(configuration) }))
}

pub(crate) async fn put(
    codec: &Codec,
    request: S3Request<PutObjectLockConfigurationInput>,
) -> Answer<PutObjectLockConfigurationOutput> {
    let bucket = request.bucket()?;
    let asked = request.input.object_lock_configuration.ok_or_else(Refusal::malformed_xml)?;
    if asked.object_lock_enabled.as_ref().map(|enabled| enabled.as_str()) != Some(ObjectLockEnabled::ENABLED)
    {
        return Err(Refusal::malformed_xml());
    }
    let default = asked.rule.map(default_of).transpose()?;
    codec.objects.set_bucket_lock(&bucket, BucketLock { default }).await?;
    Ok(S3Response::new(PutObjectLockConfigurationOutput::default()))
}

fn default_of(rule: ObjectLockRule) -> Result<DefaultRetention, Refusal> {
    let default = rule.default_retention.ok_or_else(Refusal::malformed_xml)?;
    let mode = default.mode.as_ref().and_then(|mode| lock::mode_of(mode.as_str()));
    let mode = mode.ok_or_else(Refusal::malformed_xml)?;
    let period = match (default.days, default.years) {
        (Some(days), None) => Period::Days(count(days, DAYS_MAX)?),
        (None, Some(years)) => Period::Years(count(years, YEARS_MAX)?),
        _ => return Err(Refusal::malformed_xml()),
    };
    Ok(DefaultRetention { mode, period })
}

fn count(asked: i32, max: i32) -> Result<u32, Refusal> {
    match u32::try_from(asked) {
        Ok(count) if count > 0 && asked <= max => Ok(count),
        Ok(count) if count > 0 => Err(Refusal::invalid_argument("Default retention period too large")),
        _ => Err(Refusal::invalid_argument("Default retention period must be a positive integer value.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_days_or_years() {
        let of = |days, years| {
            let mode = Some(ObjectLockRetentionMode::from_static("GOVERNANCE"));
            let default_retention = Some(dto::DefaultRetention { days, mode, years });
            default_of(ObjectLockRule { default_retention }).map(|default| default.period).map_err(|r| r.code)
        };
        assert_eq!(of(Some(3), None), Ok(Period::Days(3)));
        assert_eq!(of(None, Some(100)), Ok(Period::Years(100)));
        for (days, years, code) in [
            (Some(1), Some(1), "MalformedXML"),
            (None, None, "MalformedXML"),
            (Some(0), None, "InvalidArgument"),
            (Some(DAYS_MAX + 1), None, "InvalidArgument"),
            (None, Some(-1), "InvalidArgument"),
        ] {
            assert_eq!(of(days, years), Err(code.into()), "{days:?} {years:?}");
        }
    }
}
