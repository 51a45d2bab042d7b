//! The guard between codec and operations: who may what, in which bucket.
//!
//! The codec calls [`AskEverything`] after it has named the operation and before it reads the body.
//! So a request is refused before its body is sent: unverified, unknown bucket, not allowed, or
//! asking for what this node does not do.

use std::sync::Arc;

use headwater_base::Arn;
use headwater_objects::{Bucket, BucketName, Objects, VersionId};
use headwater_wire::Access;
use http::HeaderMap;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::host::{S3Host, VirtualHost};
use s3s::validation::NameValidation;
use s3s::{S3Result, s3_error};

use crate::arrival::Arrival;
use crate::fault::Refusal;
use crate::lock;

/// Every operation that works, and the action that it takes.
pub(crate) const ACTIONS: &[(&str, &str)] = &[
    ("AbortMultipartUpload", "s3:AbortMultipartUpload"),
    ("CompleteMultipartUpload", "s3:PutObject"),
    ("CopyObject", "s3:PutObject"),
    ("CreateBucket", "s3:CreateBucket"),
    ("CreateMultipartUpload", "s3:PutObject"),
    ("DeleteBucket", "s3:DeleteBucket"),
    ("DeleteBucketTagging", "s3:PutBucketTagging"),
    ("DeleteObject", "s3:DeleteObject"),
    ("DeleteObjectTagging", "s3:DeleteObjectTagging"),
    ("DeleteObjects", "s3:DeleteObject"),
    ("GetBucketLocation", "s3:GetBucketLocation"),
    ("GetBucketNotificationConfiguration", "s3:GetBucketNotification"),
    ("GetBucketTagging", "s3:GetBucketTagging"),
    ("GetBucketVersioning", "s3:GetBucketVersioning"),
    ("GetObject", "s3:GetObject"),
    ("GetObjectAttributes", "s3:GetObjectAttributes"),
    ("GetObjectLegalHold", "s3:GetObjectLegalHold"),
    ("GetObjectLockConfiguration", "s3:GetBucketObjectLockConfiguration"),
    ("GetObjectRetention", "s3:GetObjectRetention"),
    ("GetObjectTagging", "s3:GetObjectTagging"),
    ("HeadBucket", "s3:ListBucket"),
    ("HeadObject", "s3:GetObject"),
    ("ListBuckets", "s3:ListAllMyBuckets"),
    ("ListMultipartUploads", "s3:ListBucketMultipartUploads"),
    ("ListObjectVersions", "s3:ListBucketVersions"),
    ("ListObjects", "s3:ListBucket"),
    ("ListObjectsV2", "s3:ListBucket"),
    ("ListParts", "s3:ListMultipartUploadParts"),
    ("PutBucketNotificationConfiguration", "s3:PutBucketNotification"),
    ("PutBucketTagging", "s3:PutBucketTagging"),
    ("PutBucketVersioning", "s3:PutBucketVersioning"),
    ("PutObject", "s3:PutObject"),
    ("PutObjectLegalHold", "s3:PutObjectLegalHold"),
    ("PutObjectLockConfiguration", "s3:PutBucketObjectLockConfiguration"),
    ("PutObjectRetention", "s3:PutObjectRetention"),
    ("PutObjectTagging", "s3:PutObjectTagging"),
    ("UploadPart", "s3:PutObject"),
    ("UploadPartCopy", "s3:PutObject"),
];

/// The actions that are others when a request names a version.
const VERSION_ACTIONS: &[(&str, &str)] = &[
    ("s3:DeleteObject", "s3:DeleteObjectVersion"),
    ("s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging"),
    ("s3:GetObject", "s3:GetObjectVersion"),
    ("s3:GetObjectAttributes", "s3:GetObjectVersionAttributes"),
    ("s3:GetObjectTagging", "s3:GetObjectVersionTagging"),
    ("s3:PutObjectTagging", "s3:PutObjectVersionTagging"),
];

/// Request headers that ask for what this node does not do. Ignoring them would be a lie.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("x-amz-server-side-encryption", "Server-side encryption"),
    ("x-amz-server-side-encryption-customer-algorithm", "Server-side encryption with customer keys"),
    ("x-amz-website-redirect-location", "Website hosting"),
    ("x-amz-write-offset-bytes", "Appending to an object"),
];

/// The ACLs that say what holds anyway.
const ACLS_IN_FORCE: &[&str] = &["private", "bucket-owner-full-control"];

/// Refuses every signature: the front door has verified and removed the one that counted, so what
/// reaches the codec has not been.
pub(crate) struct RefuseSignatures;

#[async_trait::async_trait]
impl S3Auth for RefuseSignatures {
    async fn get_secret_key(&self, _access_key: &str) -> S3Result<SecretKey> {
        Err(s3_error!(AccessDenied, "Access Denied"))
    }
}

/// Asks the authority about every request, and finds its bucket.
pub(crate) struct AskEverything {
    pub(crate) objects: Objects,
}

#[async_trait::async_trait]
impl S3Access for AskEverything {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let Some(arrival) = cx.extensions_mut().get::<Arrival>().cloned() else {
            return Err(Refusal::access_denied().into());
        };
        let checked = self.admit(cx, &arrival).await;
        checked.map_err(|refusal| {
            arrival.note_fault(&refusal.code);
            arrival.refuse(refusal)
        })
    }
}

impl AskEverything {
    async fn admit(&self, cx: &mut S3AccessContext<'_>, arrival: &Arrival) -> Result<(), Refusal> {
        let Some((operation, action)) = ACTIONS.iter().find(|(name, _)| *name == cx.s3_op().name()) else {
            return Err(Refusal::not_implemented(cx.s3_op().name()));
        };
        arrival.note(operation, None);
        check_headers(cx.headers())?;
        let name = cx.s3_path().get_bucket_name().map(str::to_owned);
        let resource = match (cx.s3_path().as_object(), &name) {
            (Some((bucket, key)), _) => Some(Arn::global("s3", format!("{bucket}/{key}"))),
            (None, Some(bucket)) => Some(Arn::global("s3", bucket.clone())),
            (None, None) => None,
        };
        let bucket = match name {
            Some(name) if *operation != "CreateBucket" => Some(find(&self.objects, &name).await?),
            _ => None,
        };
        check_expected_owner(cx.headers(), "x-amz-expected-bucket-owner", bucket.as_deref())?;
        let query = cx.uri().query().unwrap_or_default();
        let action = if names_a_version(query) { of_version(action) } else { action };
        let access = Access { action, resource };
        let owner = bucket.as_ref().map(|bucket| bucket.owner);
        let context = &arrival.context;
        context.authority.check(&context.caller, &access, owner).await.map_err(Refusal::from)?;
        if let Some(bucket) = bucket {
            let bucket =
                if bucket.notifies { Arc::new(bucket.for_origin(arrival.origin(operation))) } else { bucket };
            cx.extensions_mut().insert(bucket);
        }
        Ok(())
    }
}

/// The bucket of that name.
pub(crate) async fn find(objects: &Objects, name: &str) -> Result<Arc<Bucket>, Refusal> {
    let name = BucketName::new(name)
        .map_err(|_| Refusal::new(400, "InvalidBucketName", "The specified bucket is not valid."))?;
    Ok(objects.bucket(&name).await?)
}

/// The action that an operation takes when a version is named.
fn of_version(action: &'static str) -> &'static str {
    VERSION_ACTIONS.iter().find(|(plain, _)| *plain == action).map_or(action, |(_, of_version)| of_version)
}

fn names_a_version(query: &str) -> bool {
    query.split('&').any(|pair| pair.starts_with("versionId="))
}

/// The caller may read `key` of `bucket`, or the version that is named: for the source of a copy.
pub(crate) async fn may_read(
    arrival: &Arrival,
    bucket: &Bucket,
    key: &str,
    version: Option<VersionId>,
) -> Result<(), Refusal> {
    let action = if version.is_some() { of_version("s3:GetObject") } else { "s3:GetObject" };
    lock::may(arrival, bucket, key, action).await
}

/// Whether a client's idea of a bucket's owner is right.
pub(crate) fn check_expected_owner(
    headers: &HeaderMap,
    header: &str,
    bucket: Option<&Bucket>,
) -> Result<(), Refusal> {
    let expected = headers.get(header).map(http::HeaderValue::as_bytes);
    match (expected, bucket) {
        (Some(expected), Some(bucket)) if expected != bucket.owner.to_string().as_bytes() => {
            Err(Refusal::access_denied())
        }
        _ => Ok(()),
    }
}

fn check_headers(headers: &HeaderMap) -> Result<(), Refusal> {
    if let Some((_, what)) = UNSUPPORTED.iter().find(|(name, _)| headers.contains_key(*name)) {
        return Err(Refusal::not_implemented(what));
    }
    let acl = headers.get("x-amz-acl").map(|acl| acl.to_str().unwrap_or_default());
    let grants = headers.keys().any(|name| name.as_str().starts_with("x-amz-grant-"));
    if grants || acl.is_some_and(|acl| !ACLS_IN_FORCE.contains(&acl)) {
        return Err(Refusal::new(400, "AccessControlListNotSupported", "The bucket does not allow ACLs"));
    }
    let class = headers.get("x-amz-storage-class").map(|class| class.as_bytes());
    if class.is_some_and(|class| class != b"STANDARD") {
        return Err(Refusal::new(400, "InvalidStorageClass", "The storage class you specified is not valid"));
    }
    Ok(())
}

/// Finds the bucket in the host name: `bucket.localhost`, `bucket.s3.anything`. Everything else is
/// the node itself, and the path names the bucket.
pub(crate) struct Hosts;

impl S3Host for Hosts {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let bucket = name
            .strip_suffix(".localhost")
            .map(|rest| rest.strip_suffix(".s3").unwrap_or(rest))
            .or_else(|| name.find(".s3.").map(|at| &name[..at]));
        Ok(match bucket.filter(|bucket| *bucket != "s3") {
            Some(bucket) => VirtualHost::new(name).with_bucket(bucket),
            None => VirtualHost::new(name),
        })
    }
}

/// Bucket names as the engine knows them.
pub(crate) struct Names;

impl NameValidation for Names {
    fn validate_bucket_name(&self, name: &str) -> bool {
        BucketName::new(name).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_name_buckets_or_the_node() {
        let bucket = |host: &'static str| Hosts.parse_host_header(host).unwrap().bucket().map(str::to_owned);
        assert_eq!(bucket("data.localhost:4566").as_deref(), Some("data"));
        assert_eq!(bucket("a.b.localhost").as_deref(), Some("a.b"));
        assert_eq!(bucket("data.s3.localhost:4566").as_deref(), Some("data"));
        assert_eq!(bucket("data.s3.eu-west-1.amazonaws.com").as_deref(), Some("data"));
        for host in ["localhost:4566", "localhost", "node.example.org:4566", "s3.localhost"] {
            assert_eq!(bucket(host), None, "{host}");
        }
    }

    #[test]
    fn a_version_needs_an_action_of_its_own() {
        assert_eq!(of_version("s3:GetObject"), "s3:GetObjectVersion");
        assert_eq!(of_version("s3:GetObjectRetention"), "s3:GetObjectRetention");
        assert!(names_a_version("tagging&versionId=x"));
        assert!(!names_a_version("versions&version-id-marker=x"));
    }

    #[test]
    fn headers_that_ask_for_more_are_refused() {
        let refused = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, http::HeaderValue::from_static(value));
            check_headers(&headers).err().map(|refusal| refusal.code.into_owned())
        };
        assert_eq!(refused("x-amz-acl", "private"), None);
        assert_eq!(refused("x-amz-acl", "public-read").as_deref(), Some("AccessControlListNotSupported"));
        assert_eq!(refused("x-amz-storage-class", "STANDARD"), None);
        assert_eq!(refused("x-amz-storage-class", "GLACIER").as_deref(), Some("InvalidStorageClass"));
        assert_eq!(refused("x-amz-server-side-encryption", "AES256").as_deref(), Some("NotImplemented"));
    }
}
