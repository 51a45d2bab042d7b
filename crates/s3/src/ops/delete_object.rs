//! DeleteObject: removes an object or one version, or hides it behind a delete marker. What is not
//! there is gone already.

use s3s::dto::{DeleteObjectInput, DeleteObjectOutput};
use s3s::{S3Request, S3Response};

use crate::codec::{Answer, Circumstances, Codec};
use crate::fault::Refusal;
use crate::{convert, lock, versions};

pub(crate) async fn call(codec: &Codec, request: S3Request<DeleteObjectInput>) -> Answer<DeleteObjectOutput> {
    let (bucket, arrival) = (request.bucket()?, request.arrival()?);
    let input = request.input;
    if input.if_match_size.is_some() || input.if_match_last_modified_time.is_some() {
        return Err(directory_buckets_only());
    }
    if input.mfa.is_some() {
        return Err(Refusal::not_implemented("MFA delete"));
    }
    let version = versions::asked(input.version_id.as_deref())?;
    let key = convert::key(&input.key)?;
    let condition = convert::write_condition(input.if_match.as_ref(), None)?;
    let bypass = lock::bypass(&arrival, &input.key, input.bypass_governance_retention).await?;
    let deleted = match version {
        Some(version) => codec.objects.delete_version(&bucket, &key, version, &condition, bypass).await?,
        None => codec.objects.delete_if(&bucket, &key, &condition).await?,
    };
    let output = DeleteObjectOutput {
        delete_marker: deleted.marker.then_some(true),
        version_id: deleted.version.map(|version| version.to_string()),
        ..Default::default()
    };
    Ok(S3Response::with_status(output, http::StatusCode::NO_CONTENT))
}

/// Conditions that S3 knows for directory buckets only, and refuses elsewhere.
pub(crate) fn directory_buckets_only() -> Refusal {
    Refusal::new(501, "NotImplemented", "A header you provided implies functionality that is not implemented")
}
