//! DeleteObjects: up to 1000 objects and versions; each is told what became of it.

use headwater_objects::{Condition, Deletion, Removal};
use s3s::dto::{self, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ObjectIdentifier};
use s3s::{S3Request, S3Response};

use super::delete_object::directory_buckets_only;
use crate::arrival::Arrival;
use crate::codec::{Answer, Circumstances, Codec};
use crate::fault::Refusal;
use crate::standing::Standing;
use crate::{convert, lock, versions};

/// How many keys one request may name.
const KEYS_MAX: usize = 1000;

pub(crate) async fn call(
    codec: &Codec,
    request: S3Request<DeleteObjectsInput>,
) -> Answer<DeleteObjectsOutput> {
    let (bucket, arrival, standing) = (request.bucket()?, request.arrival()?, request.standing()?);
    let input = request.input;
    let delete = input.delete;
    if delete.objects.is_empty() || delete.objects.len() > KEYS_MAX {
        return Err(Refusal::malformed_xml());
    }
    if input.mfa.is_some() {
        return Err(Refusal::not_implemented("MFA delete"));
    }
    let bypass = input.bypass_governance_retention;
    let (mut removals, mut errors) = (Vec::new(), Vec::new());
    for object in delete.objects {
        match removal((&arrival, &standing), &object, bypass).await {
            Ok(removal) => removals.push(removal),
            Err(refusal) => errors.push(error(object.key, object.version_id, &refusal)),
        }
    }
    let outcomes = codec.objects.delete_many(&bucket, &removals).await?;
    let mut deleted = Vec::new();
    for (removal, outcome) in removals.into_iter().zip(outcomes) {
        match outcome {
            Ok(deletion) => deleted.push(told(&removal, deletion)),
            Err(e) => {
                let version = removal.version.map(|version| version.to_string());
                errors.push(error(removal.key.to_string(), version, &e.into()));
            }
        }
    }
    if delete.quiet == Some(true) {
        deleted.clear();
    }
    Ok(S3Response::new(DeleteObjectsOutput {
        deleted: Some(deleted),
        errors: Some(errors),
        ..Default::default()
    }))
}

/// What is asked of one object, if the caller may.
async fn removal(
    (arrival, standing): (&Arrival, &Standing),
    object: &ObjectIdentifier,
    bypass: Option<bool>,
) -> Result<Removal, Refusal> {
    if object.size.is_some() || object.last_modified_time.is_some() {
        return Err(directory_buckets_only());
    }
    let version = versions::asked(object.version_id.as_deref())?;
    standing.may_object("s3:DeleteObject", &object.key, version).await?;
    let condition = match object.e_tag.as_ref().map(dto::ETag::value) {
        None => Condition::Anything,
        Some("*") => Condition::Present,
        Some(etag) => Condition::Etag(etag.to_owned()),
    };
    let bypass = lock::bypass(arrival, &object.key, bypass).await?;
    Ok(Removal { key: convert::key(&object.key)?, version, condition, bypass })
}

/// What S3 says of one that is deleted: a marker that was made is not the version that was named.
fn told(removal: &Removal, deletion: Deletion) -> DeletedObject {
    let marker_id = deletion.version.filter(|_| deletion.marker).map(|version| version.to_string());
    DeletedObject {
        key: Some(removal.key.to_string()),
        version_id: removal.version.map(|version| version.to_string()),
        delete_marker: deletion.marker.then_some(true),
        delete_marker_version_id: marker_id,
    }
}

fn error(key: String, version_id: Option<String>, refusal: &Refusal) -> dto::Error {
    dto::Error {
        code: Some(refusal.code.to_string()),
        key: Some(key),
        message: Some(refusal.message.clone()),
        version_id,
    }
}
