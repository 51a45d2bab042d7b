//! GetBucketAcl and PutBucketAcl.

use s3s::dto::{GetBucketAclInput, GetBucketAclOutput, PutBucketAclInput, PutBucketAclOutput};
use s3s::{S3Request, S3Response};

use crate::acl::{self, Asked, Of};
use crate::codec::{Answer, Circumstances, Codec};
use crate::fault::Refusal;

pub(crate) async fn get(codec: &Codec, request: S3Request<GetBucketAclInput>) -> Answer<GetBucketAclOutput> {
    let (bucket, arrival) = (request.bucket()?, request.arrival()?);
    let owner = acl::bucket_owner(&arrival, &bucket);
    let list = codec.objects.bucket_acl(&bucket).await?;
    Ok(S3Response::new(GetBucketAclOutput {
        grants: Some(acl::grants_to_xml(&owner, list)),
        owner: Some(acl::owner_to_xml(&owner)),
    }))
}

pub(crate) async fn put(codec: &Codec, request: S3Request<PutBucketAclInput>) -> Answer<PutBucketAclOutput> {
    let (bucket, arrival) = (request.bucket()?, request.arrival()?);
    let owner = acl::bucket_owner(&arrival, &bucket);
    let asked = Asked::of(&request.headers)?;
    let list = match (request.input.access_control_policy, asked) {
        (Some(policy), Asked::Nothing) => {
            acl::admitted(&bucket, &owner, acl::of_xml(policy, owner.clone())?)?
        }
        (None, Asked::Nothing) => return Err(missing()),
        (None, asked) => acl::of_asked(&bucket, &owner, owner.clone(), asked, Of::Bucket)?,
        (Some(_), _) => return Err(twice()),
    };
    codec.objects.set_bucket_acl(&bucket, list.as_ref()).await.map_err(acl::refusal)?;
    Ok(S3Response::new(PutBucketAclOutput::default()))
}

/// The refusal of a change that says nothing.
pub(crate) fn missing() -> Refusal {
    Refusal::new(
        400,
        "MissingSecurityHeader",
        "Your request was missing a required header: an ACL in a header or in the body",
    )
}

/// The refusal of headers beside a body.
pub(crate) fn twice() -> Refusal {
    Refusal::new(400, "UnexpectedContent", "This request does not support content")
}
