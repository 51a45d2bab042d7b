//! UploadPartCopy: a part from a range of an object. A part has an MD5 of its own, so its bytes are
//! read, and they are written again.

use std::collections::BTreeSet;

use futures::StreamExt;
use headwater_objects::{ObjectError, PART_BYTES_MAX};
use s3s::dto::{self, CopyPartResult, UploadPartCopyInput, UploadPartCopyOutput};
use s3s::{S3Request, S3Response};

use super::{copy_object, upload_part};
use crate::codec::{Answer, Circumstances, Codec};
use crate::convert::{self, ReadConditions, Verdict, set_checksums};
use crate::encryption;
use crate::fault::Refusal;
use crate::versions;

pub(crate) async fn call(
    codec: &Codec,
    request: S3Request<UploadPartCopyInput>,
) -> Answer<UploadPartCopyOutput> {
    let (bucket, arrival) = (request.bucket()?, request.arrival()?);
    let (input, headers) = (request.input, request.headers);
    let (key, id) = (convert::key(&input.key)?, convert::upload_id(&input.upload_id)?);
    let number = upload_part::number(input.part_number)?;
    let upload = codec.objects.upload(&bucket, &key, id).await?;
    let source = copy_object::source(codec, &arrival, &headers, &input.copy_source).await?;
    let customer = encryption::customer_key(&headers, &arrival)?;
    let sealing = codec.objects.sealing_of_part(&upload, customer.as_ref()).map_err(encryption::of_part)?;
    let mut reader = match codec.objects.open_version(source.bucket(), &source.key, source.version).await {
        Ok(reader) => reader,
        Err(e) => return Err(source.unread(codec, e).await),
    };
    reader.unlock(encryption::source_key(&headers, &arrival)?.as_ref())?;
    let conditions = ReadConditions {
        if_match: input.copy_source_if_match.as_ref(),
        if_none_match: input.copy_source_if_none_match.as_ref(),
        if_modified_since: input.copy_source_if_modified_since.as_ref(),
        if_unmodified_since: input.copy_source_if_unmodified_since.as_ref(),
    };
    if conditions.verdict(&reader.info) != Verdict::Go {
        return Err(Refusal::precondition_failed());
    }
    let range = range(input.copy_source_range.as_deref(), reader.info.size)?;
    let wanted = BTreeSet::from_iter(upload.options.algorithm);
    let length = range.end - range.start;
    let _room = codec.objects.claim(&bucket, 0, length).await?;
    let body = codec
        .objects
        .stage_for(upload.attributes.storage_class, reader.stream(range).boxed(), &wanted, &sealing)
        .await?;
    if body.size != length {
        return Err(ObjectError::Body("the source ended early".into()).into());
    }
    let part = codec.objects.put_part(&bucket, &key, id, number, &body).await?;
    let mut result = CopyPartResult {
        e_tag: Some(convert::etag(&part.etag)),
        last_modified: Some(convert::time(part.modified)),
        ..Default::default()
    };
    set_checksums!(result, upload_part::told(&part, &upload));
    let output = UploadPartCopyOutput {
        copy_part_result: Some(result),
        copy_source_version_id: versions::told(source.bucket(), reader.info.version),
        ..Default::default()
    };
    let headers = encryption::read(upload.encryption.as_ref(), customer.as_ref());
    Ok(S3Response::with_headers(output, headers))
}

/// The bytes that are copied, no more than a part may have.
fn range(header: Option<&str>, size: u64) -> Result<std::ops::Range<u64>, Refusal> {
    let range = header.map_or(Ok(0..size), |header| named_range(header, size))?;
    if range.end - range.start > PART_BYTES_MAX { Err(copy_object::too_large()) } else { Ok(range) }
}

/// The bytes that `x-amz-copy-source-range` names: `bytes=first-last`, both within the source.
fn named_range(header: &str, size: u64) -> Result<std::ops::Range<u64>, Refusal> {
    match dto::Range::parse(header) {
        Ok(dto::Range::Int { first, last: Some(last) }) if last < size => Ok(first..last + 1),
        Ok(dto::Range::Int { last: Some(_), .. }) => Err(Refusal::invalid_argument(format!(
            "Range specified is not valid for source object of size: {size}"
        ))),
        _ => Err(Refusal::invalid_argument(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the \
             zero-based offsets of the first and last bytes to copy",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn source_ranges_lie_within_the_source() {
        assert_eq!(range(None, 10).unwrap(), 0..10);
        assert_eq!(range(Some("bytes=2-9"), 10).unwrap(), 2..10);
        for bad in ["bytes=2-10", "bytes=2-", "bytes=-3", "2-3"] {
            assert_eq!(range(Some(bad), 10).unwrap_err().code, "InvalidArgument", "{bad}");
        }
    }

    #[test]
    fn copied_parts_are_no_larger_than_others() {
        let most = 5 << 30;
        assert_eq!(range(None, most).unwrap(), 0..most);
        assert_eq!(range(Some("bytes=1-5368709120"), most + 1).unwrap(), 1..most + 1);
        assert_eq!(range(None, most + 1).unwrap_err().code, "InvalidRequest");
        assert_eq!(range(Some("bytes=0-5368709120"), most + 1).unwrap_err().code, "InvalidRequest");
    }
}
