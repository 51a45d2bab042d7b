//! Get-, Put- and DeleteObjectTagging.

use std::collections::BTreeMap;

use s3s::dto::{
    DeleteObjectTaggingInput, DeleteObjectTaggingOutput, GetObjectTaggingInput, GetObjectTaggingOutput,
    PutObjectTaggingInput, PutObjectTaggingOutput,
};
use s3s::{S3Request, S3Response};

use crate::codec::{Answer, Circumstances, Codec};
use crate::{convert, keys, tags, versions};

pub(crate) async fn get(
    codec: &Codec,
    request: S3Request<GetObjectTaggingInput>,
) -> Answer<GetObjectTaggingOutput> {
    let bucket = request.bucket()?;
    let version = versions::asked(request.input.version_id.as_deref())?;
    let key = convert::key(&request.input.key)?;
    let info = versions::info(&codec.objects, &bucket, &key, version).await?;
    let version_id = versions::told(&bucket, info.version);
    Ok(S3Response::new(GetObjectTaggingOutput { tag_set: tags::to_xml(info.attributes.tags), version_id }))
}

pub(crate) async fn put(
    codec: &Codec,
    request: S3Request<PutObjectTaggingInput>,
) -> Answer<PutObjectTaggingOutput> {
    let (bucket, standing) = (request.bucket()?, request.standing()?);
    let version = versions::asked(request.input.version_id.as_deref())?;
    let key = convert::key(&request.input.key)?;
    let tags = tags::from_xml(request.input.tagging, tags::OBJECT_TAGS_MAX)?;
    let said = keys::said_tags(tags.clone());
    standing.may_object_saying("s3:PutObjectTagging", key.as_str(), version, &said).await?;
    match codec.objects.set_tags(&bucket, &key, version, tags).await {
        Ok(version) => {
            let version_id = versions::told(&bucket, version);
            Ok(S3Response::new(PutObjectTaggingOutput { version_id }))
        }
        Err(e) => Err(versions::unread(&codec.objects, &bucket, &key, e).await),
    }
}

pub(crate) async fn delete(
    codec: &Codec,
    request: S3Request<DeleteObjectTaggingInput>,
) -> Answer<DeleteObjectTaggingOutput> {
    let bucket = request.bucket()?;
    let version = versions::asked(request.input.version_id.as_deref())?;
    let key = convert::key(&request.input.key)?;
    match codec.objects.set_tags(&bucket, &key, version, BTreeMap::new()).await {
        Ok(version) => {
            let output = DeleteObjectTaggingOutput { version_id: versions::told(&bucket, version) };
            Ok(S3Response::with_status(output, http::StatusCode::NO_CONTENT))
        }
        Err(e) => Err(versions::unread(&codec.objects, &bucket, &key, e).await),
    }
}
