//! AbortMultipartUpload: gives an upload up.

use s3s::dto::{AbortMultipartUploadInput, AbortMultipartUploadOutput};
use s3s::{S3Request, S3Response};

use crate::codec::{Answer, Circumstances, Codec};
use crate::convert;

pub(crate) async fn call(
    codec: &Codec,
    request: S3Request<AbortMultipartUploadInput>,
) -> Answer<AbortMultipartUploadOutput> {
    let (key, id) = (convert::key(&request.input.key)?, convert::upload_id(&request.input.upload_id)?);
    codec.objects.abort_upload(&*request.bucket()?, &key, id).await?;
    Ok(S3Response::new(AbortMultipartUploadOutput::default()))
}
