//! ListObjects, the older form: pages by marker. What both forms share is here, too.

use headwater_objects::{ListQuery, Listed, ObjectInfo};
use s3s::dto::{
    self, ChecksumAlgorithm, CommonPrefix, EncodingType, ListObjectsInput, ListObjectsOutput,
    ObjectStorageClass,
};
use s3s::{S3Request, S3Response};

use crate::arrival::Arrival;
use crate::codec::{Answer, Circumstances, Codec};
use crate::{classes, convert};

pub(crate) async fn call(codec: &Codec, request: S3Request<ListObjectsInput>) -> Answer<ListObjectsOutput> {
    let (bucket, arrival) = (request.bucket()?, request.arrival()?);
    let input = request.input;
    let encoded = convert::encodes(input.encoding_type.as_ref())?;
    let limit = convert::page_size(input.max_keys, "max-keys")?;
    let query = ListQuery {
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: input.delimiter.clone().filter(|d| !d.is_empty()),
        after: input.marker.clone().filter(|m| !m.is_empty()),
        limit,
    };
    let listing = codec.objects.list(&bucket, &query).await?;
    // Without a delimiter the client goes on from the last key itself, as in S3.
    let next = listing.entries.last().map(|last| convert::listed(last.name(), encoded));
    let next = next.filter(|_| listing.truncated && query.delimiter.is_some());
    let restores = classes::wants_restores(input.optional_object_attributes.as_deref());
    let (contents, prefixes) = shown(listing.entries, encoded, Some(&arrival), restores);
    Ok(S3Response::new(ListObjectsOutput {
        name: Some(bucket.name.to_string()),
        prefix: Some(convert::listed(&query.prefix, encoded)),
        marker: Some(convert::listed(query.after.as_deref().unwrap_or_default(), encoded)),
        max_keys: Some(limit as i32),
        is_truncated: Some(listing.truncated),
        contents: Some(contents),
        common_prefixes: Some(prefixes),
        delimiter: query.delimiter.as_deref().map(|d| convert::listed(d, encoded)),
        next_marker: next,
        encoding_type: encoded.then(|| EncodingType::from_static("url")),
        ..Default::default()
    }))
}

/// The entries of a page as S3 shows them: objects and common prefixes apart. With the request, whose
/// the objects are, too; with `restores`, how the restoring of archived ones stands.
pub(crate) fn shown(
    entries: Vec<Listed>,
    encoded: bool,
    asked: Option<&Arrival>,
    restores: bool,
) -> (Vec<dto::Object>, Vec<CommonPrefix>) {
    let (mut contents, mut prefixes) = (Vec::new(), Vec::new());
    for entry in entries {
        match entry {
            Listed::Object(info) => contents.push(object(&info, encoded, asked, restores)),
            Listed::Prefix(prefix) => {
                prefixes.push(CommonPrefix { prefix: Some(convert::listed(&prefix, encoded)) });
            }
        }
    }
    (contents, prefixes)
}

fn object(info: &ObjectInfo, encoded: bool, asked: Option<&Arrival>, restores: bool) -> dto::Object {
    dto::Object {
        key: Some(convert::listed(info.key.as_str(), encoded)),
        last_modified: Some(convert::time(info.modified)),
        e_tag: Some(convert::etag(&info.etag)),
        size: Some(info.size as i64),
        storage_class: Some(ObjectStorageClass::from_static(info.attributes.storage_class.name())),
        checksum_algorithm: Some(algorithms(info)),
        checksum_type: Some(convert::checksum_type(info.checksums.composite)),
        owner: asked.map(|arrival| convert::object_owner(arrival, info)),
        restore_status: if restores { classes::restore_status(info) } else { None },
    }
}

/// The names of the checksums kept with an object.
pub(crate) fn algorithms(info: &ObjectInfo) -> Vec<ChecksumAlgorithm> {
    info.checksums.values.keys().cloned().map(ChecksumAlgorithm::from).collect()
}
