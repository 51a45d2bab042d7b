//! Get-, Put- and DeleteBucketOwnershipControls.

use headwater_objects::{BucketAccess, ObjectError, Ownership};
use http::StatusCode;
use s3s::dto::{
    DeleteBucketOwnershipControlsInput, DeleteBucketOwnershipControlsOutput, GetBucketOwnershipControlsInput,
    GetBucketOwnershipControlsOutput, ObjectOwnership, OwnershipControls, OwnershipControlsRule,
    PutBucketOwnershipControlsInput, PutBucketOwnershipControlsOutput,
};
use s3s::{S3Request, S3Response};

use crate::codec::{Answer, Circumstances, Codec};
use crate::document;
use crate::fault::Refusal;

pub(crate) async fn get(
    _codec: &Codec,
    request: S3Request<GetBucketOwnershipControlsInput>,
) -> Answer<GetBucketOwnershipControlsOutput> {
    let ownership = request.bucket()?.access.ownership.ok_or_else(|| {
        Refusal::new(404, "OwnershipControlsNotFoundError", "The bucket ownership controls were not found")
    })?;
    let name = match ownership {
        Ownership::BucketOwnerEnforced => ObjectOwnership::BUCKET_OWNER_ENFORCED,
        Ownership::BucketOwnerPreferred => ObjectOwnership::BUCKET_OWNER_PREFERRED,
        Ownership::ObjectWriter => ObjectOwnership::OBJECT_WRITER,
    };
    let rule = OwnershipControlsRule { object_ownership: ObjectOwnership::from_static(name) };
    let ownership_controls = Some(OwnershipControls { rules: vec![rule] });
    Ok(S3Response::new(GetBucketOwnershipControlsOutput { ownership_controls }))
}

pub(crate) async fn put(
    codec: &Codec,
    request: S3Request<PutBucketOwnershipControlsInput>,
) -> Answer<PutBucketOwnershipControlsOutput> {
    let bucket = request.bucket()?;
    let [rule] = &request.input.ownership_controls.rules[..] else {
        return Err(document::malformed());
    };
    let ownership = ownership_of(rule.object_ownership.as_str()).ok_or_else(document::malformed)?;
    let note = |access: &mut BucketAccess| {
        if access.has_acl && ownership == Ownership::BucketOwnerEnforced {
            return Err(ObjectError::PreconditionFailed);
        }
        access.ownership = Some(ownership);
        Ok(())
    };
    match codec.objects.change_bucket_access(&bucket, None, &note).await {
        Ok(()) => Ok(S3Response::new(PutBucketOwnershipControlsOutput::default())),
        Err(ObjectError::PreconditionFailed) => Err(acls_in_the_way()),
        Err(other) => Err(other.into()),
    }
}

pub(crate) async fn delete(
    codec: &Codec,
    request: S3Request<DeleteBucketOwnershipControlsInput>,
) -> Answer<DeleteBucketOwnershipControlsOutput> {
    let note = |access: &mut BucketAccess| {
        access.ownership = None;
        Ok(())
    };
    codec.objects.change_bucket_access(&*request.bucket()?, None, &note).await?;
    Ok(S3Response::with_status(DeleteBucketOwnershipControlsOutput::default(), StatusCode::NO_CONTENT))
}

/// An ownership by the name a client gave.
pub(crate) fn ownership_of(name: &str) -> Option<Ownership> {
    Some(match name {
        ObjectOwnership::BUCKET_OWNER_ENFORCED => Ownership::BucketOwnerEnforced,
        ObjectOwnership::BUCKET_OWNER_PREFERRED => Ownership::BucketOwnerPreferred,
        ObjectOwnership::OBJECT_WRITER => Ownership::ObjectWriter,
        _ => return None,
    })
}

/// The refusal of owning everything while a list grants others something.
pub(crate) fn acls_in_the_way() -> Refusal {
    Refusal::new(
        400,
        "InvalidBucketAclWithObjectOwnership",
        "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
    )
}
