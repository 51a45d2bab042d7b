//! UploadPart.

use headwater_objects::{ChecksumAlgorithm, PART_NUMBER_MAX, PartInfo, UploadInfo, UploadOptions};
use s3s::dto::{UploadPartInput, UploadPartOutput};
use s3s::{S3Request, S3Response};

use crate::body::Declared;
use crate::codec::{Answer, Circumstances, Codec};
use crate::convert::{self, set_checksums};
use crate::encryption;
use crate::fault::Refusal;

pub(crate) async fn call(codec: &Codec, request: S3Request<UploadPartInput>) -> Answer<UploadPartOutput> {
    let (bucket, arrival) = (request.bucket()?, request.arrival()?);
    let (input, headers) = (request.input, request.headers);
    let (key, id) = (convert::key(&input.key)?, convert::upload_id(&input.upload_id)?);
    let number = number(input.part_number)?;
    let checksum = convert::said_checksum!(input)?;
    let named = input.checksum_algorithm.as_ref().map(|a| a.as_str());
    let mut declared = Declared::read(&headers, input.content_length, input.content_md5, checksum, named)?;
    let upload = codec.objects.upload(&bucket, &key, id).await?;
    check_algorithm(&upload.options, declared.algorithm())?;
    declared.also(upload.options.algorithm);
    let customer = encryption::customer_key(&headers, &arrival)?;
    let sealing = codec.objects.sealing_of_part(&upload, customer.as_ref()).map_err(encryption::of_part)?;
    let lies = (upload.attributes.storage_class, &sealing);
    let body = declared.stage(&codec.objects, (&bucket, 0), &arrival, lies, input.body).await?;
    let part = codec.objects.put_part(&bucket, &key, id, number, &body).await?;
    let mut output = UploadPartOutput { e_tag: Some(convert::etag(&part.etag)), ..Default::default() };
    set_checksums!(output, told(&part, &upload));
    let headers = encryption::read(upload.encryption.as_ref(), customer.as_ref());
    Ok(S3Response::with_headers(output, headers))
}

/// A part's number.
pub(crate) fn number(asked: i32) -> Result<u32, Refusal> {
    let number = u32::try_from(asked).ok().filter(|number| (1..=PART_NUMBER_MAX).contains(number));
    number.ok_or_else(|| {
        Refusal::invalid_argument("Part number must be an integer between 1 and 10000, inclusive")
    })
}

/// The parts of an upload are checked by its algorithm; who wants a checksum of checksums sends each.
fn check_algorithm(upload: &UploadOptions, sent: Option<ChecksumAlgorithm>) -> Result<(), Refusal> {
    match (upload.algorithm, sent) {
        (Some(expected), Some(sent)) if expected != sent => {
            Err(other_algorithm(expected.name(), sent.name()))
        }
        (Some(expected), None) if upload.composite => Err(other_algorithm(expected.name(), "null")),
        _ => Ok(()),
    }
}

/// The refusal of a checksum by another algorithm than the upload's.
pub(crate) fn other_algorithm(expected: &str, actual: &str) -> Refusal {
    Refusal::invalid_request(format!(
        "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
        expected.to_lowercase(),
        actual.to_lowercase()
    ))
}

/// The checksums of a part that its uploader is told: those the upload is about.
pub(crate) fn told(part: &PartInfo, upload: &UploadInfo) -> std::collections::BTreeMap<String, String> {
    let algorithm = upload.options.algorithm.unwrap_or(ChecksumAlgorithm::Crc64Nvme);
    let mut checksums = part.checksums.clone();
    checksums.retain(|name, _| name == algorithm.name());
    checksums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_checked_by_their_uploads_algorithm() {
        use ChecksumAlgorithm::{Crc32, Sha1};
        let check = |algorithm, composite, sent| {
            let options = UploadOptions { algorithm, composite, ..UploadOptions::default() };
            check_algorithm(&options, sent).is_ok()
        };
        assert!(check(None, false, None) && check(None, false, Some(Sha1)));
        assert!(check(Some(Sha1), true, Some(Sha1)) && check(Some(Crc32), false, Some(Crc32)));
        assert!(check(Some(Crc32), false, None), "of a full object, the node takes it");
        assert!(!check(Some(Sha1), true, Some(Crc32)) && !check(Some(Crc32), false, Some(Sha1)));
        assert!(!check(Some(Sha1), true, None));
    }

    #[test]
    fn part_numbers_have_bounds() {
        assert_eq!(super::number(1).unwrap(), 1);
        assert_eq!(super::number(10_000).unwrap(), 10_000);
        for bad in [0, -1, 10_001] {
            assert_eq!(super::number(bad).unwrap_err().code, "InvalidArgument");
        }
    }
}
