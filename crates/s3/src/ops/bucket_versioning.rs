//! Get- and PutBucketVersioning.

use headwater_objects::Versioning;
use s3s::dto::{
    BucketVersioningStatus, GetBucketVersioningInput, GetBucketVersioningOutput, PutBucketVersioningInput,
    PutBucketVersioningOutput,
};
use s3s::{S3Request, S3Response};

use crate::codec::{Answer, Circumstances, Codec};
use crate::fault::Refusal;

/// A bucket that never had versions says so by an empty answer.
pub(crate) async fn get(
    _: &Codec,
    request: S3Request<GetBucketVersioningInput>,
) -> Answer<GetBucketVersioningOutput> {
    let status = match request.bucket()?.versioning {
        Versioning::Never => None,
        Versioning::Enabled => Some("Enabled"),
        Versioning::Suspended => Some("Suspended"),
    };
    let status = status.map(BucketVersioningStatus::from_static);
    Ok(S3Response::new(GetBucketVersioningOutput { mfa_delete: None, status }))
}

pub(crate) async fn put(
    codec: &Codec,
    request: S3Request<PutBucketVersioningInput>,
) -> Answer<PutBucketVersioningOutput> {
    let bucket = request.bucket()?;
    let input = request.input;
    let asked = input.versioning_configuration;
    let mfa = asked.mfa_delete.as_ref().map(|mfa| mfa.as_str());
    if input.mfa.is_some() || mfa == Some("Enabled") {
        return Err(Refusal::not_implemented("MFA delete"));
    }
    let enabled = match asked.status.as_ref().map(|status| status.as_str()) {
        Some("Enabled") => true,
        Some("Suspended") => false,
        None => {
            return Err(Refusal::new(
                400,
                "IllegalVersioningConfigurationException",
                "The Versioning element must be specified",
            ));
        }
        Some(_) => return Err(Refusal::malformed_xml()),
    };
    codec.objects.set_versioning(&bucket, enabled).await?;
    Ok(S3Response::new(PutBucketVersioningOutput {}))
}
