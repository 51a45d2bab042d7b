//! ListObjectVersions: buckets are unversioned, so every object is its only version, `null`.

use headwater_objects::{ListQuery, Listed, ObjectInfo};
use s3s::dto::{
    CommonPrefix, EncodingType, ListObjectVersionsInput, ListObjectVersionsOutput, ObjectVersion,
    ObjectVersionStorageClass, Owner,
};
use s3s::{S3Request, S3Response};

use super::list_objects::algorithms;
use crate::codec::{Answer, Circumstances, Codec};
use crate::convert;
use crate::fault::Refusal;

pub(crate) async fn call(
    codec: &Codec,
    request: S3Request<ListObjectVersionsInput>,
) -> Answer<ListObjectVersionsOutput> {
    let (bucket, owner) = (request.bucket()?, convert::owner(&request.arrival()?));
    let input = request.input;
    let encoded = convert::encodes(input.encoding_type.as_ref())?;
    let limit = convert::page_size(input.max_keys, "max-keys")?;
    let after = input.key_marker.clone().filter(|marker| !marker.is_empty());
    if after.is_none() && input.version_id_marker.as_deref().is_some_and(|marker| !marker.is_empty()) {
        return Err(Refusal::invalid_argument(
            "A version-id marker cannot be specified without a key marker.",
        ));
    }
    let query = ListQuery {
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: input.delimiter.clone().filter(|d| !d.is_empty()),
        after,
        limit,
    };
    let listing = codec.objects.list(&bucket, &query).await?;
    let last = listing.entries.last().filter(|_| listing.truncated);
    let next_key = last.map(|last| convert::listed(last.name(), encoded));
    let next_version = last.filter(|last| matches!(last, Listed::Object(_))).map(|_| "null".to_owned());
    let (mut versions, mut prefixes) = (Vec::new(), Vec::new());
    for entry in &listing.entries {
        match entry {
            Listed::Object(info) => versions.push(version(info, encoded, &owner)),
            Listed::Prefix(prefix) => {
                prefixes.push(CommonPrefix { prefix: Some(convert::listed(prefix, encoded)) });
            }
        }
    }
    Ok(S3Response::new(ListObjectVersionsOutput {
        name: Some(bucket.name.to_string()),
        prefix: Some(convert::listed(&query.prefix, encoded)),
        key_marker: Some(convert::listed(query.after.as_deref().unwrap_or_default(), encoded)),
        version_id_marker: Some(input.version_id_marker.unwrap_or_default()),
        max_keys: Some(limit as i32),
        is_truncated: Some(listing.truncated),
        next_key_marker: next_key,
        next_version_id_marker: next_version,
        versions: Some(versions),
        common_prefixes: Some(prefixes),
        delimiter: query.delimiter.as_deref().map(|d| convert::listed(d, encoded)),
        encoding_type: encoded.then(|| EncodingType::from_static("url")),
        ..Default::default()
    }))
}

fn version(info: &ObjectInfo, encoded: bool, owner: &Owner) -> ObjectVersion {
    ObjectVersion {
        key: Some(convert::listed(info.key.as_str(), encoded)),
        version_id: Some("null".to_owned()),
        is_latest: Some(true),
        last_modified: Some(convert::time(info.modified)),
        e_tag: Some(convert::etag(&info.etag)),
        size: Some(info.size as i64),
        storage_class: Some(ObjectVersionStorageClass::from_static("STANDARD")),
        checksum_algorithm: Some(algorithms(info)),
        checksum_type: Some(convert::checksum_type(info.checksums.composite)),
        owner: Some(owner.clone()),
        ..Default::default()
    }
}
