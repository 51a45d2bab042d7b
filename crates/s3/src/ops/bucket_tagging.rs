//! Get-, Put- and DeleteBucketTagging.

use s3s::dto::{
    DeleteBucketTaggingInput, DeleteBucketTaggingOutput, GetBucketTaggingInput, GetBucketTaggingOutput,
    PutBucketTaggingInput, PutBucketTaggingOutput,
};
use s3s::{S3Request, S3Response};

use crate::codec::{Answer, Circumstances, Codec};
use crate::fault::Refusal;
use crate::tags;

pub(crate) async fn get(
    codec: &Codec,
    request: S3Request<GetBucketTaggingInput>,
) -> Answer<GetBucketTaggingOutput> {
    let tags = codec.objects.bucket_tags(&*request.bucket()?).await?;
    let tags = tags.ok_or_else(|| Refusal::new(404, "NoSuchTagSet", "The TagSet does not exist"))?;
    Ok(S3Response::new(GetBucketTaggingOutput { tag_set: tags::to_xml(tags) }))
}

pub(crate) async fn put(
    codec: &Codec,
    request: S3Request<PutBucketTaggingInput>,
) -> Answer<PutBucketTaggingOutput> {
    let bucket = request.bucket()?;
    let tags = tags::from_xml(request.input.tagging, tags::BUCKET_TAGS_MAX)?;
    codec.objects.set_bucket_tags(&bucket, Some(tags)).await?;
    Ok(S3Response::with_status(PutBucketTaggingOutput::default(), http::StatusCode::NO_CONTENT))
}

pub(crate) async fn delete(
    codec: &Codec,
    request: S3Request<DeleteBucketTaggingInput>,
) -> Answer<DeleteBucketTaggingOutput> {
    codec.objects.set_bucket_tags(&*request.bucket()?, None).await?;
    Ok(S3Response::with_status(DeleteBucketTaggingOutput::default(), http::StatusCode::NO_CONTENT))
}
