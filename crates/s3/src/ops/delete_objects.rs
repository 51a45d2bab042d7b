//! DeleteObjects: up to 1000 keys; those without conditions go in one commit.

use headwater_objects::{Condition, ObjectKey};
use s3s::dto::{self, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ObjectIdentifier};
use s3s::{S3Request, S3Response};

use crate::codec::{Answer, Circumstances, Codec};
use crate::convert;
use crate::fault::Refusal;

/// How many keys one request may name.
const KEYS_MAX: usize = 1000;

pub(crate) async fn call(
    codec: &Codec,
    request: S3Request<DeleteObjectsInput>,
) -> Answer<DeleteObjectsOutput> {
    let bucket = request.bucket()?;
    let delete = request.input.delete;
    if delete.objects.is_empty() || delete.objects.len() > KEYS_MAX {
        return Err(Refusal::new(
            400,
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published schema",
        ));
    }
    let (mut together, mut errors, mut deleted) = (Vec::new(), Vec::new(), Vec::new());
    for object in delete.objects {
        match target(&object) {
            Err(refusal) => errors.push(error(object.key, &refusal)),
            Ok((key, Condition::Anything)) => {
                deleted.push(object.key);
                together.push(key);
            }
            Ok((key, condition)) => match codec.objects.delete_if(&bucket, &key, &condition).await {
                Ok(()) => deleted.push(object.key),
                Err(e) => errors.push(error(object.key, &e.into())),
            },
        }
    }
    codec.objects.delete_many(&bucket, &together).await?;
    let told = deleted.into_iter().map(|key| DeletedObject { key: Some(key), ..Default::default() });
    let told: Vec<DeletedObject> = if delete.quiet == Some(true) { Vec::new() } else { told.collect() };
    Ok(S3Response::new(DeleteObjectsOutput {
        deleted: Some(told),
        errors: Some(errors),
        ..Default::default()
    }))
}

fn target(object: &ObjectIdentifier) -> Result<(ObjectKey, Condition), Refusal> {
    convert::only_version(object.version_id.as_deref())?;
    let condition =
        object.e_tag.as_ref().map_or(Condition::Anything, |etag| Condition::Etag(etag.value().to_owned()));
    Ok((convert::key(&object.key)?, condition))
}

fn error(key: String, refusal: &Refusal) -> dto::Error {
    dto::Error {
        code: Some(refusal.code.to_string()),
        key: Some(key),
        message: Some(refusal.message.clone()),
        version_id: None,
    }
}
