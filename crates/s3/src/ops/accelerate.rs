//! GetBucketAccelerateConfiguration and PutBucketAccelerateConfiguration: kept, and without effect, since
//! the node is as near as it can be.

use headwater_objects::BucketConfig;
use s3s::dto::{
    AccelerateConfiguration, BucketAccelerateStatus, GetBucketAccelerateConfigurationInput,
    GetBucketAccelerateConfigurationOutput, PutBucketAccelerateConfigurationInput,
    PutBucketAccelerateConfigurationOutput,
};
use s3s::{S3Request, S3Response};

use crate::codec::{Answer, Circumstances, Codec};
use crate::document;
use crate::fault::Refusal;

const STATES: [&str; 2] = [BucketAccelerateStatus::ENABLED, BucketAccelerateStatus::SUSPENDED];

pub(crate) async fn get(
    codec: &Codec,
    request: S3Request<GetBucketAccelerateConfigurationInput>,
) -> Answer<GetBucketAccelerateConfigurationOutput> {
    let document = codec.objects.bucket_config(&*request.bucket()?, BucketConfig::Accelerate, "").await?;
    let kept = document.map(|bytes| document::read::<AccelerateConfiguration>(&bytes)).transpose()?;
    let status = kept.and_then(|kept| kept.status);
    Ok(S3Response::new(GetBucketAccelerateConfigurationOutput { request_charged: None, status }))
}

pub(crate) async fn put(
    codec: &Codec,
    request: S3Request<PutBucketAccelerateConfigurationInput>,
) -> Answer<PutBucketAccelerateConfigurationOutput> {
    let bucket = request.bucket()?;
    if bucket.name.as_str().contains('.') {
        return Err(Refusal::invalid_request(
            "S3 Transfer Acceleration is not supported for buckets with periods (.) in their names",
        ));
    }
    let configuration = request.input.accelerate_configuration;
    if !configuration.status.as_ref().is_some_and(|status| STATES.contains(&status.as_str())) {
        return Err(document::malformed());
    }
    let document = document::write(&configuration)?;
    codec.objects.set_bucket_config(&bucket, BucketConfig::Accelerate, "", &document).await?;
    Ok(S3Response::new(PutBucketAccelerateConfigurationOutput::default()))
}
