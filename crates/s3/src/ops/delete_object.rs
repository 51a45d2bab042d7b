//! DeleteObject: an object that is not there is gone already.

use s3s::dto::{DeleteObjectInput, DeleteObjectOutput};
use s3s::{S3Request, S3Response};

use crate::codec::{Answer, Circumstances, Codec};
use crate::convert;

pub(crate) async fn call(codec: &Codec, request: S3Request<DeleteObjectInput>) -> Answer<DeleteObjectOutput> {
    let bucket = request.bucket()?;
    let input = request.input;
    convert::only_version(input.version_id.as_deref())?;
    let key = convert::key(&input.key)?;
    let condition = convert::write_condition(input.if_match.as_ref(), None)?;
    codec.objects.delete_if(&bucket, &key, &condition).await?;
    Ok(S3Response::with_status(DeleteObjectOutput::default(), http::StatusCode::NO_CONTENT))
}
