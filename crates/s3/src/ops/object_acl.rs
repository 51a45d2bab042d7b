//! GetObjectAcl and PutObjectAcl.

use s3s::dto::{GetObjectAclInput, GetObjectAclOutput, PutObjectAclInput, PutObjectAclOutput};
use s3s::{S3Request, S3Response};

use super::bucket_acl::{missing, twice};
use crate::acl::{self, Asked, Of};
use crate::codec::{Answer, Circumstances, Codec};
use crate::{convert, versions};

pub(crate) async fn get(codec: &Codec, request: S3Request<GetObjectAclInput>) -> Answer<GetObjectAclOutput> {
    let (bucket, arrival) = (request.bucket()?, request.arrival()?);
    let version = versions::asked(request.input.version_id.as_deref())?;
    let key = convert::key(&request.input.key)?;
    let info = versions::info(&codec.objects, &bucket, &key, version).await?;
    // Where lists do not count, everything is the bucket owner's, whatever was said when it was put.
    let list = info.attributes.acl.filter(|_| bucket.access.acls_count());
    let owner = list.as_ref().map_or_else(|| acl::bucket_owner(&arrival, &bucket), |list| list.owner.clone());
    Ok(S3Response::new(GetObjectAclOutput {
        owner: Some(acl::owner_to_xml(&owner)),
        grants: Some(acl::grants_to_xml(&owner, list)),
        request_charged: None,
    }))
}

pub(crate) async fn put(codec: &Codec, request: S3Request<PutObjectAclInput>) -> Answer<PutObjectAclOutput> {
    let (bucket, arrival) = (request.bucket()?, request.arrival()?);
    let version = versions::asked(request.input.version_id.as_deref())?;
    let key = convert::key(&request.input.key)?;
    let bucket_owner = acl::bucket_owner(&arrival, &bucket);
    let info = versions::info(&codec.objects, &bucket, &key, version).await?;
    let owner = info.attributes.acl.map_or_else(|| bucket_owner.clone(), |list| list.owner);
    let asked = Asked::of(&request.headers)?;
    let list = match (request.input.access_control_policy, asked) {
        (Some(policy), Asked::Nothing) => acl::admitted(&bucket, &bucket_owner, acl::of_xml(policy, owner)?)?,
        (None, Asked::Nothing) => return Err(missing()),
        (None, asked) => acl::of_asked(&bucket, &bucket_owner, owner, asked, Of::Object)?,
        (Some(_), _) => return Err(twice()),
    };
    codec.objects.set_object_acl(&bucket, &key, version, list.as_ref()).await?;
    Ok(S3Response::new(PutObjectAclOutput::default()))
}
