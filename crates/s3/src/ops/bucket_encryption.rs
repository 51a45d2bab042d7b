//! Get-, Put- and DeleteBucketEncryption: what a bucket seals bodies with when writers ask for nothing.

use headwater_objects::{BucketEncryption, DefaultAlgorithm};
use s3s::dto::{
    DeleteBucketEncryptionInput, DeleteBucketEncryptionOutput, GetBucketEncryptionInput,
    GetBucketEncryptionOutput, PutBucketEncryptionInput, PutBucketEncryptionOutput, ServerSideEncryption,
    ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
};
use s3s::{S3Request, S3Response};

use crate::codec::{Answer, Circumstances, Codec};
use crate::encryption::Algorithm;
use crate::fault::Refusal;

pub(crate) async fn get(
    _codec: &Codec,
    request: S3Request<GetBucketEncryptionInput>,
) -> Answer<GetBucketEncryptionOutput> {
    let bucket = request.bucket()?;
    let default = bucket.encryption.as_ref().ok_or_else(|| {
        Refusal::new(
            404,
            "ServerSideEncryptionConfigurationNotFoundError",
            "The server side encryption configuration was not found",
        )
    })?;
    let server_side_encryption_configuration = Some(configuration(default));
    Ok(S3Response::new(GetBucketEncryptionOutput { server_side_encryption_configuration }))
}

pub(crate) async fn put(
    codec: &Codec,
    request: S3Request<PutBucketEncryptionInput>,
) -> Answer<PutBucketEncryptionOutput> {
    let bucket = request.bucket()?;
    let default = default_of(&request.input.server_side_encryption_configuration)?;
    codec.objects.set_bucket_encryption(&bucket, Some(&default)).await?;
    Ok(S3Response::new(PutBucketEncryptionOutput::default()))
}

pub(crate) async fn delete(
    codec: &Codec,
    request: S3Request<DeleteBucketEncryptionInput>,
) -> Answer<DeleteBucketEncryptionOutput> {
    codec.objects.set_bucket_encryption(&*request.bucket()?, None).await?;
    Ok(S3Response::with_status(DeleteBucketEncryptionOutput::default(), http::StatusCode::NO_CONTENT))
}

fn configuration(default: &BucketEncryption) -> ServerSideEncryptionConfiguration {
    let (algorithm, key) = match &default.algorithm {
        DefaultAlgorithm::S3 => (ServerSideEncryption::AES256, None),
        DefaultAlgorithm::Kms(key) => (ServerSideEncryption::AWS_KMS, key.clone()),
    };
    let by_default = ServerSideEncryptionByDefault {
        kms_master_key_id: key,
        sse_algorithm: ServerSideEncryption::from_static(algorithm),
    };
    ServerSideEncryptionConfiguration {
        rules: vec![ServerSideEncryptionRule {
            apply_server_side_encryption_by_default: Some(by_default),
            bucket_key_enabled: Some(default.bucket_key),
        }],
    }
}

fn default_of(configuration: &ServerSideEncryptionConfiguration) -> Result<BucketEncryption, Refusal> {
    let malformed = || {
        Refusal::new(
            400,
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published schema",
        )
    };
    let [rule] = &configuration.rules[..] else { return Err(malformed()) };
    let by_default = rule.apply_server_side_encryption_by_default.as_ref().ok_or_else(malformed)?;
    let key = by_default.kms_master_key_id.clone().filter(|key| !key.is_empty());
    let algorithm = match (Algorithm::named(by_default.sse_algorithm.as_str()), key) {
        (Err(refusal), _) if refusal.status == 501 => return Err(refusal),
        (Err(_), _) => return Err(malformed()),
        (Ok(Algorithm::Kms), key) => DefaultAlgorithm::Kms(key),
        (Ok(Algorithm::S3), None) => DefaultAlgorithm::S3,
        (Ok(Algorithm::S3), Some(_)) => {
            return Err(Refusal::invalid_argument(
                "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse",
            ));
        }
    };
    Ok(BucketEncryption { algorithm, bucket_key: rule.bucket_key_enabled.unwrap_or(false) })
}
