//! Get-, Put- and DeleteBucketPolicy, and GetBucketPolicyStatus.

use headwater_objects::{BucketAccess, BucketConfig, ObjectError, PolicyTraits};
use http::StatusCode;
use s3s::dto::{
    DeleteBucketPolicyInput, DeleteBucketPolicyOutput, GetBucketPolicyInput, GetBucketPolicyOutput,
    GetBucketPolicyStatusInput, GetBucketPolicyStatusOutput, PolicyStatus, PutBucketPolicyInput,
    PutBucketPolicyOutput,
};
use s3s::{S3Request, S3Response};

use crate::codec::{Answer, Circumstances, Codec};
use crate::fault::Refusal;

/// The most bytes of a policy, its white space not counted.
const POLICY_BYTES_MAX: usize = 20 * 1024;

pub(crate) async fn get(
    codec: &Codec,
    request: S3Request<GetBucketPolicyInput>,
) -> Answer<GetBucketPolicyOutput> {
    let bucket = request.bucket()?;
    let policy = codec.objects.bucket_config(&bucket, BucketConfig::Policy, "").await?.ok_or_else(none)?;
    let policy = String::from_utf8_lossy(&policy).into_owned();
    Ok(S3Response::new(GetBucketPolicyOutput { policy: Some(policy) }))
}

pub(crate) async fn status(
    _codec: &Codec,
    request: S3Request<GetBucketPolicyStatusInput>,
) -> Answer<GetBucketPolicyStatusOutput> {
    let traits = request.bucket()?.access.policy.ok_or_else(none)?;
    let policy_status = PolicyStatus { is_public: Some(traits.is_public) };
    Ok(S3Response::new(GetBucketPolicyStatusOutput { policy_status: Some(policy_status) }))
}

pub(crate) async fn put(
    codec: &Codec,
    request: S3Request<PutBucketPolicyInput>,
) -> Answer<PutBucketPolicyOutput> {
    let (bucket, arrival) = (request.bucket()?, request.arrival()?);
    let text = request.input.policy;
    check_form(&text)?;
    let traits = arrival.context.authority.read_bucket_policy(&text, bucket.name.as_str());
    let traits = traits.map_err(malformed)?;
    let traits = PolicyTraits { is_public: traits.is_public, asks_object_tags: traits.asks_object_tags };
    let note = |access: &mut BucketAccess| {
        if traits.is_public && access.blocked().block_public_policy {
            return Err(ObjectError::PreconditionFailed);
        }
        access.policy = Some(traits);
        Ok(())
    };
    let document = Some((BucketConfig::Policy, Some(text.as_bytes())));
    match codec.objects.change_bucket_access(&bucket, document, &note).await {
        Ok(()) => Ok(S3Response::with_status(PutBucketPolicyOutput::default(), StatusCode::NO_CONTENT)),
        Err(ObjectError::PreconditionFailed) => Err(Refusal::access_denied()),
        Err(other) => Err(other.into()),
    }
}

pub(crate) async fn delete(
    codec: &Codec,
    request: S3Request<DeleteBucketPolicyInput>,
) -> Answer<DeleteBucketPolicyOutput> {
    let note = |access: &mut BucketAccess| {
        access.policy = None;
        Ok(())
    };
    let document = Some((BucketConfig::Policy, None));
    codec.objects.change_bucket_access(&*request.bucket()?, document, &note).await?;
    Ok(S3Response::with_status(DeleteBucketPolicyOutput::default(), StatusCode::NO_CONTENT))
}

/// What is wrong before it is read as a policy.
fn check_form(text: &str) -> Result<(), Refusal> {
    if !text.starts_with('{') {
        return Err(malformed("Policies must be valid JSON and the first byte must be '{'".to_owned()));
    }
    let parsed: serde_json::Value = serde_json::from_str(text)
        .map_err(|error| malformed(format!("This policy contains invalid Json: {error}")))?;
    if parsed.to_string().len() > POLICY_BYTES_MAX {
        return Err(Refusal::new(
            400,
            "PolicyTooLarge",
            format!("Policy exceeds the maximum allowed document size of {POLICY_BYTES_MAX} bytes."),
        ));
    }
    Ok(())
}

fn malformed(why: String) -> Refusal {
    Refusal::new(400, "MalformedPolicy", why)
}

fn none() -> Refusal {
    Refusal::new(404, "NoSuchBucketPolicy", "The bucket policy does not exist")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_checked_first() {
        let code = |text: &str| check_form(text).unwrap_err().code;
        assert!(check_form("{\"Statement\":[]}").is_ok());
        assert_eq!(code(" {}"), "MalformedPolicy");
        assert_eq!(code("{"), "MalformedPolicy");
        assert_eq!(code(&format!("{{\"a\":\"{}\"}}", "x".repeat(POLICY_BYTES_MAX))), "PolicyTooLarge");
        assert!(check_form(&format!("{{{}}}", " ".repeat(POLICY_BYTES_MAX))).is_ok());
    }
}
