//! CompleteMultipartUpload: the parts become the object, in one commit and without copying.

use headwater_objects::{
    ChecksumAlgorithm, CompletedPart, CompletionError, DeclaredObject, ObjectError, PART_NUMBER_MAX,
    check_customer_key,
};
use s3s::dto::{self, CompleteMultipartUploadInput, CompleteMultipartUploadOutput};
use s3s::{S3Request, S3Response};

use super::upload_part::other_algorithm;
use crate::body::{check_form, check_spoken};
use crate::codec::{Answer, Circumstances, Codec};
use crate::convert::{self, set_checksums};
use crate::encryption;
use crate::fault::Refusal;
use crate::{classes, versions};

pub(crate) async fn call(
    codec: &Codec,
    request: S3Request<CompleteMultipartUploadInput>,
) -> Answer<CompleteMultipartUploadOutput> {
    let (bucket, arrival) = (request.bucket()?, request.arrival()?);
    let customer = encryption::customer_key(&request.headers, &arrival)?;
    let input = request.input;
    let (key, id) = (convert::key(&input.key)?, convert::upload_id(&input.upload_id)?);
    let condition = convert::write_condition(input.if_match.as_ref(), input.if_none_match.as_ref())?;
    check_spoken(&request.headers)?;
    let declared = declared(&input)?;
    let location = convert::location(
        (&request.headers, &request.uri),
        bucket.name.as_str(),
        &input.key,
        arrival.context.tls.is_some(),
    );
    let said = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
    if said.is_empty() {
        return Err(Refusal::malformed_xml());
    }
    let parts = said.into_iter().map(part).collect::<Result<Vec<_>, _>>()?;
    if customer.is_some() {
        // Completing needs no key; one that is given must be the upload's.
        match codec.objects.upload(&bucket, &key, id).await {
            Ok(upload) => check_customer_key(upload.encryption.as_ref(), customer.as_ref())
                .map_err(encryption::of_part)?,
            // It may have been completed before.
            Err(ObjectError::NoSuchUpload(_)) => {}
            Err(other) => return Err(other.into()),
        }
    }
    // Its parts are in the books already.
    let _room = codec.objects.claim(&bucket, 1, 0).await?;
    let info = codec.objects.complete_upload(&bucket, &key, id, &parts, &declared, &condition).await?;
    let mut output = CompleteMultipartUploadOutput {
        bucket: Some(bucket.name.to_string()),
        key: Some(key.to_string()),
        location: Some(location),
        e_tag: Some(convert::etag(&info.etag)),
        checksum_type: Some(convert::checksum_type(info.checksums.composite)),
        expiration: classes::expiration(&codec.objects, &bucket, &info).await?,
        version_id: versions::told(&bucket, info.version),
        ..Default::default()
    };
    set_checksums!(output, info.checksums.values);
    let headers = encryption::read(info.encryption.as_ref(), None);
    Ok(S3Response::with_headers(output, headers))
}

/// What the client says of the object.
fn declared(input: &CompleteMultipartUploadInput) -> Result<DeclaredObject, Refusal> {
    let checksum = convert::said_checksum!(input)?;
    if let Some((algorithm, value)) = &checksum {
        // One of checksums may tell of how many.
        check_form(*algorithm, value.split('-').next().unwrap_or_default())?;
    }
    let composite = match input.checksum_type.as_ref().map(dto::ChecksumType::as_str) {
        None => None,
        Some("COMPOSITE") => Some(true),
        Some("FULL_OBJECT") => Some(false),
        Some(_) => {
            return Err(Refusal::invalid_request("Value for x-amz-checksum-type header is invalid."));
        }
    };
    let size = input.mpu_object_size.map(|size| {
        u64::try_from(size).map_err(|_| {
            let message = format!("Value for x-amz-mp-object-size header is less than zero: '{size}'");
            Refusal::invalid_request(message)
        })
    });
    Ok(DeclaredObject { checksum, composite, size: size.transpose()? })
}

impl From<CompletionError> for Refusal {
    fn from(error: CompletionError) -> Self {
        let lower = |algorithm: ChecksumAlgorithm| algorithm.name().to_lowercase();
        match error {
            CompletionError::WrongSize { said, found } => Self::invalid_request(format!(
                "The provided 'x-amz-mp-object-size' header value {said} does not match what was computed: {found}"
            )),
            CompletionError::OtherAlgorithm { expected, said } => other_algorithm(&expected, said.name()),
            CompletionError::OtherType { composite } => Self::invalid_request(format!(
                "The upload was created using the {} checksum mode. The complete request must use the same checksum \
                 mode.",
                convert::checksum_type(composite).as_str()
            )),
            CompletionError::ChecksumMissing { number, algorithm } => Self::invalid_request(format!(
                "The upload was created using a {} checksum. The complete request must include the checksum for each \
                 part. It was missing for part {number} in the request.",
                lower(algorithm)
            )),
            CompletionError::PartDigest { number, algorithm } => {
                let algorithm = lower(algorithm);
                let message = format!(
                    "The {algorithm} you specified for part {number} did not match what we received."
                );
                Self::new(400, "BadDigest", message)
            }
            CompletionError::TooLarge(_) => Self::new(
                400,
                "EntityTooLarge",
                "Your proposed upload exceeds the maximum allowed object size.",
            ),
            CompletionError::Object(error) => error.into(),
        }
    }
}

fn part(said: dto::CompletedPart) -> Result<CompletedPart, Refusal> {
    let number =
        said.part_number.and_then(|n| u32::try_from(n).ok()).filter(|n| (1..=PART_NUMBER_MAX).contains(n));
    let number = number.ok_or_else(|| {
        Refusal::invalid_argument("PartNumber must be an integer between 1 and 10000, inclusive")
    })?;
    let checksum = convert::said_checksum!(said)?;
    let etag = said.e_tag.map(|etag| etag.value().to_owned()).unwrap_or_default();
    Ok(CompletedPart { number, etag, checksum })
}
