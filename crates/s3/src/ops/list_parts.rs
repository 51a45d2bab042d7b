//! ListParts: what of an upload is here.

use headwater_objects::PartInfo;
use s3s::dto::{ChecksumAlgorithm, ListPartsInput, ListPartsOutput, Part, StorageClass};
use s3s::{S3Request, S3Response};

use crate::codec::{Answer, Circumstances, Codec};
use crate::convert::{self, set_checksums};

pub(crate) async fn call(codec: &Codec, request: S3Request<ListPartsInput>) -> Answer<ListPartsOutput> {
    let (bucket, owner) = (request.bucket()?, convert::owner(&request.arrival()?));
    let input = request.input;
    let (key, id) = (convert::key(&input.key)?, convert::upload_id(&input.upload_id)?);
    let limit = convert::page_size(input.max_parts, "max-parts")?;
    let after = input.part_number_marker.and_then(|marker| u32::try_from(marker).ok()).unwrap_or(0);
    let upload = codec.objects.upload(&bucket, &key, id).await?;
    let listing = codec.objects.list_parts(&bucket, &key, id, after, limit).await?;
    let end = codec.objects.upload_end(&bucket, &key, upload.initiated).await?;
    let algorithm = upload.options.algorithm;
    let next = listing.parts.last().map_or(after, |part| part.number);
    let parts = listing.parts.into_iter().map(|part| shown(part, algorithm.map(|a| a.name())));
    Ok(S3Response::new(ListPartsOutput {
        bucket: Some(bucket.name.to_string()),
        key: Some(key.to_string()),
        upload_id: Some(id.to_string()),
        initiator: Some(convert::initiator_to_xml(&upload, &owner)),
        owner: Some(owner),
        storage_class: Some(StorageClass::from_static(upload.attributes.storage_class.name())),
        abort_date: end.as_ref().map(|end| convert::time(end.at)),
        abort_rule_id: end.map(|end| end.rule),
        part_number_marker: Some(after as i32),
        next_part_number_marker: Some(next as i32),
        max_parts: Some(limit as i32),
        is_truncated: Some(listing.truncated),
        parts: Some(parts.collect()),
        checksum_algorithm: algorithm.map(|a| ChecksumAlgorithm::from_static(a.name())),
        checksum_type: algorithm.map(|_| convert::checksum_type(upload.options.composite)),
        ..Default::default()
    }))
}

/// A part, with the checksum that its upload is about.
fn shown(part: PartInfo, algorithm: Option<&str>) -> Part {
    let mut shown = Part {
        part_number: Some(part.number as i32),
        size: Some(part.size as i64),
        e_tag: Some(convert::etag(&part.etag)),
        last_modified: Some(convert::time(part.modified)),
        ..Default::default()
    };
    let mut checksums = part.checksums;
    checksums.retain(|name, _| algorithm.is_some_and(|algorithm| algorithm == name));
    set_checksums!(shown, checksums);
    shown
}
