//! Version ids between S3's answers and the engine, and what S3 says of delete markers.

use headwater_base::Timestamp;
use headwater_objects::{Bucket, ObjectError, ObjectInfo, ObjectKey, Objects, VersionId, Versioning};
use http::{HeaderName, HeaderValue};
use s3s::dto::TimestampFormat;

use crate::convert;
use crate::fault::Refusal;

const DELETE_MARKER: HeaderName = HeaderName::from_static("x-amz-delete-marker");
const VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");

/// The version that a client asks for, if it names one.
pub(crate) fn asked(version: Option<&str>) -> Result<Option<VersionId>, Refusal> {
    match version {
        None => Ok(None),
        Some("") => Err(Refusal::invalid_argument("Version id cannot be the empty string")),
        Some(text) => match VersionId::parse(text) {
            Some(version) => Ok(Some(version)),
            None => Err(Refusal::invalid_argument("Invalid version id specified")),
        },
    }
}

/// The id that an answer gives: nothing in a bucket that never had versions.
pub(crate) fn told(bucket: &Bucket, version: VersionId) -> Option<String> {
    let is_told = !version.is_null() || bucket.versioning != Versioning::Never;
    is_told.then(|| version.to_string())
}

/// What is known of a version, the newest if none is asked for.
pub(crate) async fn info(
    objects: &Objects,
    bucket: &Bucket,
    key: &ObjectKey,
    version: Option<VersionId>,
) -> Result<ObjectInfo, Refusal> {
    match objects.head_version(bucket, key, version).await {
        Ok(info) => Ok(info),
        Err(error) => Err(unread(objects, bucket, key, error).await),
    }
}

/// Why an object can't be read. When its newest version is a delete marker, the answer says so.
pub(crate) async fn unread(
    objects: &Objects,
    bucket: &Bucket,
    key: &ObjectKey,
    error: ObjectError,
) -> Refusal {
    let hidden = matches!(error, ObjectError::NoSuchKey(_)) && bucket.versioning != Versioning::Never;
    let refusal = Refusal::from(error);
    if !hidden {
        return refusal;
    }
    match objects.newest_marker(bucket, key).await {
        Ok(Some(marker)) => with_marker(refusal, marker),
        Ok(None) => refusal,
        Err(e) => e.into(),
    }
}

/// What S3 says when a delete marker is asked for by its id.
pub(crate) fn is_marker(version: VersionId, modified: Timestamp) -> Refusal {
    let message = "The specified method is not allowed against this resource.";
    let mut refusal = with_marker(Refusal::new(405, "MethodNotAllowed", message), version)
        .with_header(http::header::ALLOW, HeaderValue::from_static("DELETE"));
    let mut date = Vec::new();
    if convert::time(modified).format(TimestampFormat::HttpDate, &mut date).is_ok()
        && let Ok(date) = HeaderValue::from_bytes(&date)
    {
        refusal = refusal.with_header(http::header::LAST_MODIFIED, date);
    }
    refusal
}

fn with_marker(refusal: Refusal, version: VersionId) -> Refusal {
    // The codec leaves the type of an error document out when there are headers.
    let refusal = refusal
        .with_header(http::header::CONTENT_TYPE, HeaderValue::from_static("application/xml"))
        .with_header(DELETE_MARKER, HeaderValue::from_static("true"));
    match HeaderValue::from_str(&version.to_string()) {
        Ok(version) => refusal.with_header(VERSION_ID, version),
        Err(_) => refusal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_strictly() {
        let id = "00000000000040000000000002";
        assert_eq!(asked(Some(id)).unwrap().map(|id| id.to_string()).as_deref(), Some(id));
        assert_eq!(asked(Some("null")).unwrap(), Some(VersionId::NULL));
        assert_eq!(asked(None).unwrap(), None);
        for bad in ["", "abc", "NULL"] {
            assert_eq!(asked(Some(bad)).unwrap_err().code, "InvalidArgument", "{bad}");
        }
    }
}
