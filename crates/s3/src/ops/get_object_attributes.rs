//! GetObjectAttributes: ETag, checksum, parts, class and size in one answer.

use headwater_objects::{PartInfo, check_customer_key};
use s3s::dto::{
    Checksum, GetObjectAttributesInput, GetObjectAttributesOutput, GetObjectAttributesParts, ObjectPart,
    StorageClass,
};
use s3s::{S3Request, S3Response};

use crate::codec::{Answer, Circumstances, Codec};
use crate::convert::{self, set_checksums};
use crate::{encryption, versions};

pub(crate) async fn call(
    codec: &Codec,
    request: S3Request<GetObjectAttributesInput>,
) -> Answer<GetObjectAttributesOutput> {
    let (bucket, arrival) = (request.bucket()?, request.arrival()?);
    let customer = encryption::customer_key(&request.headers, &arrival)?;
    let input = request.input;
    let version = versions::asked(input.version_id.as_deref())?;
    let key = convert::key(&input.key)?;
    // The codec gives the header as it came: one list, or several, parted by commas.
    let asked = |name: &str| {
        let mut listed = input.object_attributes.iter().flat_map(|list| list.as_str().split(','));
        listed.any(|attribute| attribute.trim() == name)
    };
    let info = versions::info(&codec.objects, &bucket, &key, version).await?;
    check_customer_key(info.encryption.as_ref(), customer.as_ref())?;
    let mut output = GetObjectAttributesOutput {
        last_modified: Some(convert::time(info.modified)),
        version_id: versions::told(&bucket, info.version),
        e_tag: asked("ETag").then(|| convert::etag(&info.etag)),
        object_size: asked("ObjectSize").then_some(info.size as i64),
        storage_class: asked("StorageClass")
            .then(|| StorageClass::from_static(info.attributes.storage_class.name())),
        ..Default::default()
    };
    if asked("Checksum") && !info.checksums.values.is_empty() {
        let mut checksum = Checksum::default();
        set_checksums!(checksum, info.checksums.values);
        checksum.checksum_type = Some(convert::checksum_type(info.checksums.composite));
        output.checksum = Some(checksum);
    }
    if asked("ObjectParts")
        && let Some(parts) = codec.objects.object_parts(&bucket, &key, version).await?
    {
        let limit = convert::page_size(input.max_parts, "max-parts")?;
        let after = input.part_number_marker.and_then(|marker| usize::try_from(marker).ok()).unwrap_or(0);
        output.object_parts = Some(page(&parts, after, limit, &info.checksums.values));
    }
    Ok(S3Response::new(output))
}

fn page(
    parts: &[PartInfo],
    after: usize,
    limit: usize,
    kept: &std::collections::BTreeMap<String, String>,
) -> GetObjectAttributesParts {
    let rest = parts.get(after..).unwrap_or_default();
    let shown = rest.iter().take(limit).map(|part| {
        let mut shown = ObjectPart {
            part_number: Some(part.number as i32),
            size: Some(part.size as i64),
            ..Default::default()
        };
        let mut checksums = part.checksums.clone();
        checksums.retain(|algorithm, _| kept.contains_key(algorithm));
        set_checksums!(shown, checksums);
        shown
    });
    let shown: Vec<ObjectPart> = shown.collect();
    let truncated = rest.len() > shown.len();
    GetObjectAttributesParts {
        total_parts_count: Some(parts.len() as i32),
        part_number_marker: Some(after as i32),
        next_part_number_marker: shown.last().and_then(|part| part.part_number),
        max_parts: Some(limit as i32),
        is_truncated: Some(truncated),
        parts: Some(shown),
    }
}
