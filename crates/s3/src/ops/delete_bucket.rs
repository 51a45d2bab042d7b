//! DeleteBucket: only an empty one.

use s3s::dto::{DeleteBucketInput, DeleteBucketOutput};
use s3s::{S3Request, S3Response};

use crate::codec::{Answer, Circumstances, Codec};

pub(crate) async fn call(codec: &Codec, request: S3Request<DeleteBucketInput>) -> Answer<DeleteBucketOutput> {
    codec.objects.delete_bucket(&*request.bucket()?).await?;
    Ok(S3Response::with_status(DeleteBucketOutput::default(), http::StatusCode::NO_CONTENT))
}
