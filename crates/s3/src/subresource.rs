//! Sub-resources: what a query names beside the object or the bucket (`?acl`). The codec takes a request whose
//! sub-resource it does not know for one about the object or the bucket itself: `DELETE /b/k?annotation` would
//! delete the object. So each request's query is held against what its operation is about.

use http::Uri;

use crate::fault::Refusal;
use crate::keys;

/// What the node has of a sub-resource at a bucket or at an object.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// S3 has none.
    Nothing,
    /// S3 has it, this node does not.
    Refused,
    /// There are operations on it, none of which brings a document. (The checksums beside a multipart upload are
    /// the object's.)
    Read,
    /// There are operations on it, and one that writes it by a document.
    Written,
}
use At::{Nothing, Read, Refused, Written};

/// Every sub-resource of S3, at buckets and at objects. (S3 ignores other names in a query, and so do we.)
const SUBRESOURCES: &[(&str, At, At)] = &[
    ("abac", Refused, Nothing),
    ("accelerate", Written, Nothing),
    ("acl", Written, Written),
    ("analytics", Written, Nothing),
    ("annotation", Nothing, Refused),
    ("attributes", Nothing, Read),
    ("cors", Written, Nothing),
    ("delete", Written, Nothing),
    ("encryption", Written, Refused),
    ("intelligent-tiering", Written, Nothing),
    ("inventory", Written, Nothing),
    ("legal-hold", Nothing, Written),
    ("lifecycle", Written, Nothing),
    ("location", Read, Nothing),
    ("logging", Written, Nothing),
    ("metadataAnnotationTable", Refused, Nothing),
    ("metadataConfiguration", Refused, Nothing),
    ("metadataInventoryTable", Refused, Nothing),
    ("metadataJournalTable", Refused, Nothing),
    ("metadataTable", Refused, Nothing),
    ("metrics", Written, Nothing),
    ("notification", Written, Nothing),
    ("object-lock", Written, Nothing),
    ("ownershipControls", Written, Nothing),
    ("policy", Written, Nothing),
    ("policyStatus", Read, Nothing),
    ("publicAccessBlock", Written, Nothing),
    ("renameObject", Nothing, Refused),
    ("replication", Refused, Nothing),
    ("requestPayment", Written, Nothing),
    ("restore", Nothing, Written),
    ("retention", Nothing, Written),
    ("select", Nothing, Refused),
    ("session", Refused, Nothing),
    ("tagging", Written, Written),
    ("torrent", Nothing, Refused),
    ("uploads", Read, Read),
    ("versioning", Written, Nothing),
    ("versions", Read, Nothing),
    ("website", Refused, Nothing),
];

/// The operations on objects, buckets and uploads themselves.
const ON_NONE: &[&str] = &[
    "AbortMultipartUpload",
    "CompleteMultipartUpload",
    "CopyObject",
    "CreateBucket",
    "DeleteBucket",
    "DeleteObject",
    "GetObject",
    "HeadBucket",
    "HeadObject",
    "ListObjects",
    "ListObjectsV2",
    "ListParts",
    "PutObject",
    "UploadPart",
    "UploadPartCopy",
];

/// The sub-resources that a query names.
fn named(uri: &Uri) -> impl Iterator<Item = &'static (&'static str, At, At)> {
    let names: Vec<String> = keys::parameters(uri).map(|(name, _)| name).collect();
    SUBRESOURCES.iter().filter(move |(name, ..)| names.iter().any(|given| given == name))
}

/// Whether the query names a sub-resource that a document writes.
pub(crate) fn is_written(uri: &Uri) -> bool {
    named(uri).any(|(_, at_bucket, at_object)| [at_bucket, at_object].contains(&&Written))
}

/// Whether `operation`, which the codec made of the request, is about the sub-resource that its query names.
///
/// # Errors
/// `NotImplemented` for those this node does not have, `MethodNotAllowed` for those that have no such method, and
/// `InvalidArgument` for what there is none of, or for two at once.
pub(crate) fn check(operation: &str, uri: &Uri, is_object: bool) -> Result<(), Refusal> {
    let mut named = named(uri);
    let Some(&(name, at_bucket, at_object)) = named.next() else { return Ok(()) };
    if let Some((other, ..)) = named.next() {
        let message = format!("Conflicting query string parameters: {name}, {other}");
        return Err(Refusal::invalid_argument(message));
    }
    if !ON_NONE.contains(&operation) {
        return Ok(());
    }
    let (at, what) = if is_object { (at_object, "key") } else { (at_bucket, "bucket") };
    match at {
        Read | Written => Err(Refusal::method_not_allowed()),
        Refused => Err(Refusal::not_implemented(&format!("The sub-resource {name}"))),
        Nothing => {
            let message = format!("There is no such thing as the ?{name} sub-resource for a {what}");
            Err(Refusal::invalid_argument(message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::ACTIONS;

    fn code(operation: &str, uri: &str) -> Option<String> {
        let uri: Uri = uri.parse().unwrap();
        let is_object = uri.path().trim_start_matches('/').contains('/');
        check(operation, &uri, is_object).err().map(|refusal| refusal.code.into_owned())
    }

    #[test]
    fn what_the_codec_does_not_know_is_not_done_to_the_object() {
        for (operation, uri, refusal) in [
            ("DeleteObject", "/b/k?annotation&annotationName=x&versionId=3", "NotImplemented"),
            ("PutObject", "/b/k?encryption", "NotImplemented"),
            ("PutObject", "/b/k?renameObject=", "NotImplemented"),
            ("DeleteBucket", "/b?metadataConfiguration", "NotImplemented"),
            ("DeleteObject", "/b/k?legal-hold", "MethodNotAllowed"),
            ("DeleteBucket", "/b?versioning", "MethodNotAllowed"),
            ("GetObject", "/b/k?versions", "InvalidArgument"),
            ("HeadBucket", "/b?retention", "InvalidArgument"),
            ("PutBucketAcl", "/b?acl&tagging", "InvalidArgument"),
        ] {
            assert_eq!(code(operation, uri).as_deref(), Some(refusal), "{operation} {uri}");
        }
    }

    #[test]
    fn what_is_no_subresource_is_ignored() {
        for (operation, uri) in [
            ("GetObject", "/b/k"),
            ("GetObject", "/b/k?versionId=3&response-expires=x&x-id=GetObject&anything"),
            ("UploadPart", "/b/k?partNumber=1&uploadId=a"),
            ("ListObjectsV2", "/b?list-type=2&prefix=acl&start-after=tagging"),
            ("GetBucketAnalyticsConfiguration", "/b?analytics&id=policy"),
            ("PutBucketAcl", "/b?acl="),
            ("PutObjectTagging", "/b/k?tagging&versionId=3"),
        ] {
            assert_eq!(code(operation, uri), None, "{operation} {uri}");
        }
    }

    #[test]
    fn the_operations_exist() {
        assert!(ON_NONE.iter().all(|name| ACTIONS.iter().any(|(known, _)| known == name)));
        assert!(SUBRESOURCES.is_sorted_by_key(|(name, ..)| name));
    }
}
