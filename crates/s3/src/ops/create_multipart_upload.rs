//! CreateMultipartUpload.

use headwater_objects::{ChecksumAlgorithm, UploadOptions};
use s3s::dto::{self, CreateMultipartUploadInput, CreateMultipartUploadOutput};
use s3s::{S3Request, S3Response};

use crate::codec::{Answer, Circumstances, Codec};
use crate::encryption;
use crate::fault::Refusal;
use crate::{acl, classes, convert, lock};

pub(crate) async fn call(
    codec: &Codec,
    request: S3Request<CreateMultipartUploadInput>,
) -> Answer<CreateMultipartUploadOutput> {
    let (bucket, arrival) = (request.bucket()?, request.arrival()?);
    let (input, headers) = (request.input, request.headers);
    let key = convert::key(&input.key)?;
    let options = options(input.checksum_algorithm.as_ref(), input.checksum_type.as_ref())?;
    let asked = encryption::asked(&headers, &arrival, &bucket)?;
    let sealing = codec.objects.sealing(&bucket, &asked).await?;
    let options = UploadOptions { asked, initiator: Some(convert::initiator(&arrival)), ..options };
    let mut attributes =
        convert::attributes(&headers, input.content_type, input.metadata, input.tagging.as_deref())?;
    attributes.acl = acl::of_new_object(&arrival, &bucket, &headers)?;
    attributes.lock = lock::said!(input).read(&arrival, &bucket, &input.key, codec.now()).await?;
    attributes.storage_class = classes::asked(input.storage_class.as_ref())?;
    let end = codec.objects.upload_end(&bucket, &key, codec.now()).await?;
    let id = codec.objects.create_upload(&bucket, &key, attributes, options.clone()).await?;
    let customer = encryption::customer_key(&headers, &arrival)?;
    let said = encryption::written(sealing.encryption(), customer.as_ref());
    let output = CreateMultipartUploadOutput {
        bucket: Some(bucket.name.to_string()),
        key: Some(key.to_string()),
        upload_id: Some(id.to_string()),
        abort_date: end.as_ref().map(|end| convert::time(end.at)),
        abort_rule_id: end.map(|end| end.rule),
        checksum_algorithm: options.algorithm.map(|a| dto::ChecksumAlgorithm::from_static(a.name())),
        checksum_type: options.algorithm.map(|_| convert::checksum_type(options.composite)),
        ..Default::default()
    };
    Ok(S3Response::with_headers(output, said))
}

/// How the object is to be checked. S3's defaults: composite for CRC32, CRC32C and the SHAs, of the
/// full object for CRC64NVME.
fn options(
    algorithm: Option<&dto::ChecksumAlgorithm>,
    kind: Option<&dto::ChecksumType>,
) -> Result<UploadOptions, Refusal> {
    let algorithm = algorithm.map(|a| convert::algorithm(a.as_str())).transpose()?;
    let composite = match (kind.map(dto::ChecksumType::as_str), algorithm) {
        (None, None) => false,
        (None, Some(algorithm)) => algorithm != ChecksumAlgorithm::Crc64Nvme,
        (Some(_), None) => {
            return Err(Refusal::invalid_request(
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
            ));
        }
        (Some("COMPOSITE"), Some(algorithm)) if algorithm != ChecksumAlgorithm::Crc64Nvme => true,
        (Some("FULL_OBJECT"), Some(algorithm)) if algorithm.combines() => false,
        (Some(kind), Some(algorithm)) => {
            let message = format!(
                "The {kind} checksum type cannot be used with the {} checksum algorithm.",
                algorithm.name().to_lowercase()
            );
            return Err(Refusal::invalid_request(message));
        }
    };
    Ok(UploadOptions { algorithm, composite, ..UploadOptions::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_types_fit_their_algorithms() {
        let options = |algorithm: Option<&'static str>, kind: Option<&'static str>| {
            let algorithm = algorithm.map(dto::ChecksumAlgorithm::from_static);
            let kind = kind.map(dto::ChecksumType::from_static);
            super::options(algorithm.as_ref(), kind.as_ref()).map(|o| o.composite).map_err(|r| r.code)
        };
        assert_eq!(options(None, None), Ok(false));
        assert_eq!(options(Some("CRC32"), None), Ok(true));
        assert_eq!(options(Some("CRC64NVME"), None), Ok(false));
        assert_eq!(options(Some("CRC32"), Some("FULL_OBJECT")), Ok(false));
        assert!(options(Some("SHA256"), Some("FULL_OBJECT")).is_err());
        assert!(options(Some("CRC64NVME"), Some("COMPOSITE")).is_err());
        assert!(options(None, Some("COMPOSITE")).is_err());
    }
}
