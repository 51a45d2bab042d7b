//! HeadBucket and GetBucketLocation: what a bucket is.

use s3s::dto::{
    BucketLocationConstraint, GetBucketLocationInput, GetBucketLocationOutput, HeadBucketInput,
    HeadBucketOutput,
};
use s3s::{S3Request, S3Response};

use crate::codec::{Answer, Circumstances, Codec};

/// The region that S3 names by saying nothing.
const UNNAMED_REGION: &str = "us-east-1";

pub(crate) async fn call(_: &Codec, request: S3Request<HeadBucketInput>) -> Answer<HeadBucketOutput> {
    let region = request.bucket()?.region.to_string();
    Ok(S3Response::new(HeadBucketOutput { bucket_region: Some(region), ..Default::default() }))
}

pub(crate) async fn location(
    _: &Codec,
    request: S3Request<GetBucketLocationInput>,
) -> Answer<GetBucketLocationOutput> {
    let region = request.bucket()?.region.to_string();
    let named = Some(region).filter(|region| region != UNNAMED_REGION);
    Ok(S3Response::new(GetBucketLocationOutput {
        location_constraint: named.map(BucketLocationConstraint::from),
    }))
}
