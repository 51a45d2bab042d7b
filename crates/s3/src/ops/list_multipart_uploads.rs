//! ListMultipartUploads: what is under way in a bucket.

use headwater_objects::{ListQuery, UploadInfo, UploadQuery, UploadedEntry};
use s3s::dto::{
    ChecksumAlgorithm, CommonPrefix, EncodingType, ListMultipartUploadsInput, ListMultipartUploadsOutput,
    MultipartUpload, Owner, StorageClass,
};
use s3s::{S3Request, S3Response};

use crate::codec::{Answer, Circumstances, Codec};
use crate::convert;

pub(crate) async fn call(
    codec: &Codec,
    request: S3Request<ListMultipartUploadsInput>,
) -> Answer<ListMultipartUploadsOutput> {
    let (bucket, owner) = (request.bucket()?, convert::owner(&request.arrival()?));
    let input = request.input;
    let encoded = convert::encodes(input.encoding_type.as_ref())?;
    let limit = convert::page_size(input.max_uploads, "max-uploads")?;
    let after = input.key_marker.clone().filter(|marker| !marker.is_empty());
    let marker = input.upload_id_marker.as_deref().filter(|marker| !marker.is_empty() && after.is_some());
    let query = UploadQuery {
        after_upload: marker.map(convert::upload_id).transpose()?,
        list: ListQuery {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone().filter(|d| !d.is_empty()),
            after,
            limit,
        },
    };
    let listing = codec.objects.list_uploads(&bucket, &query).await?;
    let (next_key, next_upload) = match listing.entries.last().filter(|_| listing.truncated) {
        None => (None, None),
        Some(UploadedEntry::Prefix(prefix)) => (Some(convert::listed(prefix, encoded)), None),
        Some(UploadedEntry::Upload(last)) => {
            (Some(convert::listed(last.key.as_str(), encoded)), Some(last.id.to_string()))
        }
    };
    let (mut uploads, mut prefixes) = (Vec::new(), Vec::new());
    for entry in &listing.entries {
        match entry {
            UploadedEntry::Upload(info) => uploads.push(upload(info, encoded, &owner)),
            UploadedEntry::Prefix(prefix) => {
                prefixes.push(CommonPrefix { prefix: Some(convert::listed(prefix, encoded)) });
            }
        }
    }
    Ok(S3Response::new(ListMultipartUploadsOutput {
        bucket: Some(bucket.name.to_string()),
        prefix: Some(convert::listed(&query.list.prefix, encoded)),
        key_marker: Some(convert::listed(query.list.after.as_deref().unwrap_or_default(), encoded)),
        upload_id_marker: Some(input.upload_id_marker.unwrap_or_default()),
        max_uploads: Some(limit as i32),
        is_truncated: Some(listing.truncated),
        next_key_marker: next_key,
        next_upload_id_marker: next_upload,
        uploads: Some(uploads),
        common_prefixes: Some(prefixes),
        delimiter: query.list.delimiter.as_deref().map(|d| convert::listed(d, encoded)),
        encoding_type: encoded.then(|| EncodingType::from_static("url")),
        ..Default::default()
    }))
}

fn upload(info: &UploadInfo, encoded: bool, owner: &Owner) -> MultipartUpload {
    let options = &info.options;
    MultipartUpload {
        key: Some(convert::listed(info.key.as_str(), encoded)),
        upload_id: Some(info.id.to_string()),
        initiated: Some(convert::time(info.initiated)),
        initiator: Some(convert::initiator_to_xml(info, owner)),
        owner: Some(owner.clone()),
        storage_class: Some(StorageClass::from_static(info.attributes.storage_class.name())),
        checksum_algorithm: options.algorithm.map(|a| ChecksumAlgorithm::from_static(a.name())),
        checksum_type: options.algorithm.map(|_| convert::checksum_type(options.composite)),
    }
}
