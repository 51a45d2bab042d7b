//! ListObjectVersions: every version and delete marker, by key and then the newest first.

use headwater_objects::{ListQuery, ListedVersion, ObjectInfo, VersionQuery};
use s3s::dto::{
    CommonPrefix, DeleteMarkerEntry, EncodingType, ListObjectVersionsInput, ListObjectVersionsOutput,
    ObjectVersion, ObjectVersionStorageClass,
};
use s3s::{S3Request, S3Response};

use super::list_objects::algorithms;
use crate::arrival::Arrival;
use crate::codec::{Answer, Circumstances, Codec};
use crate::convert;
use crate::fault::Refusal;
use crate::{classes, versions};

pub(crate) async fn call(
    codec: &Codec,
    request: S3Request<ListObjectVersionsInput>,
) -> Answer<ListObjectVersionsOutput> {
    let (bucket, arrival) = (request.bucket()?, request.arrival()?);
    let input = request.input;
    let encoded = convert::encodes(input.encoding_type.as_ref())?;
    let limit = convert::page_size(input.max_keys, "max-keys")?;
    let after = input.key_marker.clone().filter(|marker| !marker.is_empty());
    let marker = input.version_id_marker.as_deref().filter(|marker| !marker.is_empty());
    if after.is_none() && marker.is_some() {
        return Err(Refusal::invalid_argument(
            "A version-id marker cannot be specified without a key marker.",
        ));
    }
    let list = ListQuery {
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: input.delimiter.clone().filter(|d| !d.is_empty()),
        after,
        limit,
    };
    let query = VersionQuery { list, after_version: versions::asked(marker)? };
    let listing = codec.objects.list_versions(&bucket, &query).await?;
    let last = listing.entries.last().filter(|_| listing.truncated).map(ListedVersion::position);
    let restores = classes::wants_restores(input.optional_object_attributes.as_deref());
    let (mut versions, mut markers, mut prefixes) = (Vec::new(), Vec::new(), Vec::new());
    for entry in &listing.entries {
        match entry {
            ListedVersion::Version { info, latest } => {
                versions.push(version(info, *latest, encoded, &arrival, restores));
            }
            ListedVersion::Marker { key, version, modified, latest } => markers.push(DeleteMarkerEntry {
                key: Some(convert::listed(key.as_str(), encoded)),
                version_id: Some(version.to_string()),
                is_latest: Some(*latest),
                last_modified: Some(convert::time(*modified)),
                owner: Some(convert::owner(&arrival)),
            }),
            ListedVersion::Prefix(prefix) => {
                prefixes.push(CommonPrefix { prefix: Some(convert::listed(prefix, encoded)) });
            }
        }
    }
    let query = &query.list;
    Ok(S3Response::new(ListObjectVersionsOutput {
        name: Some(bucket.name.to_string()),
        prefix: Some(convert::listed(&query.prefix, encoded)),
        key_marker: Some(convert::listed(query.after.as_deref().unwrap_or_default(), encoded)),
        version_id_marker: Some(input.version_id_marker.unwrap_or_default()),
        max_keys: Some(limit as i32),
        is_truncated: Some(listing.truncated),
        next_key_marker: last.map(|(name, _)| convert::listed(name, encoded)),
        next_version_id_marker: last.and_then(|(_, version)| version).map(|version| version.to_string()),
        versions: Some(versions),
        delete_markers: Some(markers),
        common_prefixes: Some(prefixes),
        delimiter: query.delimiter.as_deref().map(|d| convert::listed(d, encoded)),
        encoding_type: encoded.then(|| EncodingType::from_static("url")),
        ..Default::default()
    }))
}

fn version(
    info: &ObjectInfo,
    latest: bool,
    encoded: bool,
    arrival: &Arrival,
    restores: bool,
) -> ObjectVersion {
    ObjectVersion {
        key: Some(convert::listed(info.key.as_str(), encoded)),
        version_id: Some(info.version.to_string()),
        is_latest: Some(latest),
        last_modified: Some(convert::time(info.modified)),
        e_tag: Some(convert::etag(&info.etag)),
        size: Some(info.size as i64),
        storage_class: Some(ObjectVersionStorageClass::from_static(info.attributes.storage_class.name())),
        checksum_algorithm: Some(algorithms(info)),
        checksum_type: Some(convert::checksum_type(info.checksums.composite)),
        owner: Some(convert::object_owner(arrival, info)),
        restore_status: if restores { classes::restore_status(info) } else { None },
    }
}
