//! Get-, Put- and DeleteObjectTagging.

use std::collections::BTreeMap;

use s3s::dto::{
    DeleteObjectTaggingInput, DeleteObjectTaggingOutput, GetObjectTaggingInput, GetObjectTaggingOutput,
    PutObjectTaggingInput, PutObjectTaggingOutput,
};
use s3s::{S3Request, S3Response};

use crate::codec::{Answer, Circumstances, Codec};
use crate::{convert, tags};

pub(crate) async fn get(
    codec: &Codec,
    request: S3Request<GetObjectTaggingInput>,
) -> Answer<GetObjectTaggingOutput> {
    convert::only_version(request.input.version_id.as_deref())?;
    let key = convert::key(&request.input.key)?;
    let info = codec.objects.head(&*request.bucket()?, &key).await?;
    let tag_set = tags::to_xml(info.attributes.tags);
    Ok(S3Response::new(GetObjectTaggingOutput { tag_set, version_id: None }))
}

pub(crate) async fn put(
    codec: &Codec,
    request: S3Request<PutObjectTaggingInput>,
) -> Answer<PutObjectTaggingOutput> {
    let bucket = request.bucket()?;
    convert::only_version(request.input.version_id.as_deref())?;
    let key = convert::key(&request.input.key)?;
    let tags = tags::from_xml(request.input.tagging, tags::OBJECT_TAGS_MAX)?;
    codec.objects.set_tags(&bucket, &key, tags).await?;
    Ok(S3Response::new(PutObjectTaggingOutput::default()))
}

pub(crate) async fn delete(
    codec: &Codec,
    request: S3Request<DeleteObjectTaggingInput>,
) -> Answer<DeleteObjectTaggingOutput> {
    convert::only_version(request.input.version_id.as_deref())?;
    let key = convert::key(&request.input.key)?;
    codec.objects.set_tags(&*request.bucket()?, &key, BTreeMap::new()).await?;
    Ok(S3Response::with_status(DeleteObjectTaggingOutput::default(), http::StatusCode::NO_CONTENT))
}
