//! CompleteMultipartUpload: the parts become the object, in one commit and without copying.

use headwater_objects::{ChecksumAlgorithm, CompletedPart, ObjectError, PART_NUMBER_MAX, check_customer_key};
use s3s::dto::{self, CompleteMultipartUploadInput, CompleteMultipartUploadOutput};
use s3s::{S3Request, S3Response};

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
    let declared = declared(&input);
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
    let info =
        codec.objects.complete_upload(&bucket, &key, id, &parts, declared.as_ref(), &condition).await?;
    let mut output = CompleteMultipartUploadOutput {
        bucket: Some(bucket.name.to_string()),
        key: Some(key.to_string()),
        location: Some(format!("/{}/{}", bucket.name, convert::listed(key.as_str(), true))),
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

/// The checksum that the client says the object has.
fn declared(input: &CompleteMultipartUploadInput) -> Option<(ChecksumAlgorithm, String)> {
    let said = [
        (&input.checksum_crc32, ChecksumAlgorithm::Crc32),
        (&input.checksum_crc32c, ChecksumAlgorithm::Crc32c),
        (&input.checksum_crc64nvme, ChecksumAlgorithm::Crc64Nvme),
        (&input.checksum_sha1, ChecksumAlgorithm::Sha1),
        (&input.checksum_sha256, ChecksumAlgorithm::Sha256),
    ];
    said.into_iter().find_map(|(value, algorithm)| Some((algorithm, value.clone()?)))
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
