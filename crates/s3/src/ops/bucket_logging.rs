//! GetBucketLogging and PutBucketLogging: kept. No access logs are delivered into buckets; the node's own
//! access log has every request.

use headwater_objects::{BucketConfig, BucketName, ObjectError};
use s3s::dto::{
    BucketLoggingStatus, GetBucketLoggingInput, GetBucketLoggingOutput, PutBucketLoggingInput,
    PutBucketLoggingOutput,
};
use s3s::{S3Request, S3Response};

use crate::codec::{Answer, Circumstances, Codec};
use crate::document;
use crate::fault::Refusal;

pub(crate) async fn get(
    codec: &Codec,
    request: S3Request<GetBucketLoggingInput>,
) -> Answer<GetBucketLoggingOutput> {
    let document = codec.objects.bucket_config(&*request.bucket()?, BucketConfig::Logging, "").await?;
    let kept = document.map(|bytes| document::read::<BucketLoggingStatus>(&bytes)).transpose()?;
    let logging_enabled = kept.and_then(|kept| kept.logging_enabled);
    Ok(S3Response::new(GetBucketLoggingOutput { logging_enabled }))
}

pub(crate) async fn put(
    codec: &Codec,
    request: S3Request<PutBucketLoggingInput>,
) -> Answer<PutBucketLoggingOutput> {
    let bucket = request.bucket()?;
    let status = request.input.bucket_logging_status;
    let Some(enabled) = &status.logging_enabled else {
        codec.objects.delete_bucket_config(&bucket, BucketConfig::Logging, "").await?;
        return Ok(S3Response::new(PutBucketLoggingOutput::default()));
    };
    if enabled.target_grants.as_ref().is_some_and(|grants| !grants.is_empty()) {
        return Err(Refusal::not_implemented("Granting access to log files by target grants"));
    }
    let name = BucketName::new(&enabled.target_bucket).map_err(|_| no_target())?;
    let target = match codec.objects.bucket(&name).await {
        Ok(target) => target,
        Err(ObjectError::NoSuchBucket(_)) => return Err(no_target()),
        Err(error) => return Err(error.into()),
    };
    if target.owner != bucket.owner || target.region != bucket.region {
        return Err(invalid_target(
            "The bucket for logging must have the owner and the region of the bucket to be logged",
        ));
    }
    let document = document::write(&status)?;
    codec.objects.set_bucket_config(&bucket, BucketConfig::Logging, "", &document).await?;
    Ok(S3Response::new(PutBucketLoggingOutput::default()))
}

fn no_target() -> Refusal {
    invalid_target("The target bucket for logging does not exist")
}

fn invalid_target(message: &str) -> Refusal {
    Refusal::new(400, "InvalidTargetBucketForLogging", message)
}
