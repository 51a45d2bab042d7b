//! The guard between codec and operations: who may what, in which bucket.
//!
//! The codec calls [`AskEverything`] after it has named the operation and before it reads the body.
//! So a request is refused before its body is sent: unverified, unknown bucket, not allowed, or
//! asking for what this node does not do.

use std::sync::Arc;

use headwater_base::Arn;
use headwater_objects::{Bucket, BucketName, Objects};
use headwater_wire::Access;
use http::{HeaderMap, Method};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::host::{S3Host, VirtualHost};
use s3s::validation::NameValidation;
use s3s::{S3Result, s3_error};

use crate::arrival::Arrival;
use crate::classes;
use crate::fault::Refusal;
use crate::standing::Standing;
use crate::{acl, cors, keys, payer, subresource, versions};

/// Every operation that works, and the action that it takes.
pub(crate) const ACTIONS: &[(&str, &str)] = &[
    ("AbortMultipartUpload", "s3:AbortMultipartUpload"),
    ("CompleteMultipartUpload", "s3:PutObject"),
    ("CopyObject", "s3:PutObject"),
    ("CreateBucket", "s3:CreateBucket"),
    ("CreateMultipartUpload", "s3:PutObject"),
    ("DeleteBucket", "s3:DeleteBucket"),
    ("DeleteBucketAnalyticsConfiguration", "s3:PutAnalyticsConfiguration"),
    ("DeleteBucketCors", "s3:PutBucketCORS"),
    ("DeleteBucketIntelligentTieringConfiguration", "s3:PutIntelligentTieringConfiguration"),
    ("DeleteBucketInventoryConfiguration", "s3:PutInventoryConfiguration"),
    ("DeleteBucketMetricsConfiguration", "s3:PutMetricsConfiguration"),
    ("DeleteBucketOwnershipControls", "s3:PutBucketOwnershipControls"),
    ("DeleteBucketPolicy", "s3:DeleteBucketPolicy"),
    ("DeleteBucketEncryption", "s3:PutEncryptionConfiguration"),
    ("DeleteBucketLifecycle", "s3:PutLifecycleConfiguration"),
    ("DeleteBucketTagging", "s3:PutBucketTagging"),
    ("DeleteObject", "s3:DeleteObject"),
    ("DeleteObjectTagging", "s3:DeleteObjectTagging"),
    ("DeleteObjects", "s3:DeleteObject"),
    ("DeletePublicAccessBlock", "s3:PutBucketPublicAccessBlock"),
    ("GetBucketAccelerateConfiguration", "s3:GetAccelerateConfiguration"),
    ("GetBucketAcl", "s3:GetBucketAcl"),
    ("GetBucketAnalyticsConfiguration", "s3:GetAnalyticsConfiguration"),
    ("GetBucketCors", "s3:GetBucketCORS"),
    ("GetBucketIntelligentTieringConfiguration", "s3:GetIntelligentTieringConfiguration"),
    ("GetBucketInventoryConfiguration", "s3:GetInventoryConfiguration"),
    ("GetBucketEncryption", "s3:GetEncryptionConfiguration"),
    ("GetBucketLifecycleConfiguration", "s3:GetLifecycleConfiguration"),
    ("GetBucketLocation", "s3:GetBucketLocation"),
    ("GetBucketLogging", "s3:GetBucketLogging"),
    ("GetBucketMetricsConfiguration", "s3:GetMetricsConfiguration"),
    ("GetBucketOwnershipControls", "s3:GetBucketOwnershipControls"),
    ("GetBucketPolicy", "s3:GetBucketPolicy"),
    ("GetBucketPolicyStatus", "s3:GetBucketPolicyStatus"),
    ("GetBucketRequestPayment", "s3:GetBucketRequestPayment"),
    ("GetBucketNotificationConfiguration", "s3:GetBucketNotification"),
    ("GetBucketTagging", "s3:GetBucketTagging"),
    ("GetBucketVersioning", "s3:GetBucketVersioning"),
    ("GetObject", "s3:GetObject"),
    ("GetObjectAcl", "s3:GetObjectAcl"),
    ("GetObjectAttributes", "s3:GetObjectAttributes"),
    ("GetObjectLegalHold", "s3:GetObjectLegalHold"),
    ("GetObjectLockConfiguration", "s3:GetBucketObjectLockConfiguration"),
    ("GetObjectRetention", "s3:GetObjectRetention"),
    ("GetObjectTagging", "s3:GetObjectTagging"),
    ("GetPublicAccessBlock", "s3:GetBucketPublicAccessBlock"),
    ("HeadBucket", "s3:ListBucket"),
    ("HeadObject", "s3:GetObject"),
    ("ListBucketAnalyticsConfigurations", "s3:GetAnalyticsConfiguration"),
    ("ListBucketIntelligentTieringConfigurations", "s3:GetIntelligentTieringConfiguration"),
    ("ListBucketInventoryConfigurations", "s3:GetInventoryConfiguration"),
    ("ListBucketMetricsConfigurations", "s3:GetMetricsConfiguration"),
    ("ListBuckets", "s3:ListAllMyBuckets"),
    ("ListMultipartUploads", "s3:ListBucketMultipartUploads"),
    ("ListObjectVersions", "s3:ListBucketVersions"),
    ("ListObjects", "s3:ListBucket"),
    ("ListObjectsV2", "s3:ListBucket"),
    ("ListParts", "s3:ListMultipartUploadParts"),
    ("PutBucketAccelerateConfiguration", "s3:PutAccelerateConfiguration"),
    ("PutBucketAcl", "s3:PutBucketAcl"),
    ("PutBucketAnalyticsConfiguration", "s3:PutAnalyticsConfiguration"),
    ("PutBucketCors", "s3:PutBucketCORS"),
    ("PutBucketIntelligentTieringConfiguration", "s3:PutIntelligentTieringConfiguration"),
    ("PutBucketInventoryConfiguration", "s3:PutInventoryConfiguration"),
    ("PutBucketLogging", "s3:PutBucketLogging"),
    ("PutBucketMetricsConfiguration", "s3:PutMetricsConfiguration"),
    ("PutBucketOwnershipControls", "s3:PutBucketOwnershipControls"),
    ("PutBucketPolicy", "s3:PutBucketPolicy"),
    ("PutBucketRequestPayment", "s3:PutBucketRequestPayment"),
    ("PostObject", "s3:PutObject"),
    ("PutBucketLifecycleConfiguration", "s3:PutLifecycleConfiguration"),
    ("PutBucketNotificationConfiguration", "s3:PutBucketNotification"),
    ("PutBucketEncryption", "s3:PutEncryptionConfiguration"),
    ("PutBucketTagging", "s3:PutBucketTagging"),
    ("PutBucketVersioning", "s3:PutBucketVersioning"),
    ("PutObject", "s3:PutObject"),
    ("PutObjectAcl", "s3:PutObjectAcl"),
    ("PutObjectLegalHold", "s3:PutObjectLegalHold"),
    ("PutObjectLockConfiguration", "s3:PutBucketObjectLockConfiguration"),
    ("PutObjectRetention", "s3:PutObjectRetention"),
    ("PutObjectTagging", "s3:PutObjectTagging"),
    ("PutPublicAccessBlock", "s3:PutBucketPublicAccessBlock"),
    ("RestoreObject", "s3:RestoreObject"),
    ("UploadPart", "s3:PutObject"),
    ("UploadPartCopy", "s3:PutObject"),
];

/// Request headers that ask for what this node does not do. Ignoring them would be a lie.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("x-amz-website-redirect-location", "Website hosting"),
    ("x-amz-write-offset-bytes", "Appending to an object"),
];

/// The operations that are the bucket's account's alone, whatever its policy says.
const ON_POLICIES: &[&str] = &["DeleteBucketPolicy", "GetBucketPolicy", "PutBucketPolicy"];

/// The operations that put an object.
const PUTTING: &[&str] = &[
    "CompleteMultipartUpload",
    "CopyObject",
    "CreateMultipartUpload",
    "PutObject",
    "UploadPart",
    "UploadPartCopy",
];

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
        subresource::check(operation, cx.uri(), cx.s3_path().as_object().is_some())?;
        check_headers(cx.headers())?;
        let name = cx.s3_path().get_bucket_name().map(str::to_owned);
        let Some(name) = name.filter(|_| *operation != "CreateBucket") else {
            return self.admit_without_bucket(cx, arrival, action).await;
        };
        let bucket = find(&self.objects, &name).await?;
        let bucket = if bucket.notifies { Arc::new(bucket.for_origin(arrival.origin())) } else { bucket };
        arrival.note_bucket_owner(arrival.context.authority.canonical_id(bucket.owner));
        // A form is a PUT to everyone but the page that posted it.
        let method = if arrival.reply.is_some() { &Method::POST } else { cx.method() };
        cors::note(&self.objects, arrival, &bucket, method, cx.headers()).await?;
        check_expected_owner(cx.headers(), "x-amz-expected-bucket-owner", Some(&bucket))?;
        let keys = || keys::of_request(operation, arrival, &bucket, cx.headers(), cx.uri());
        let standing = Standing::of(&self.objects, arrival, bucket.clone(), keys).await?;
        payer::check(&standing, arrival, cx.headers(), cx.uri())?;
        match cx.s3_path().as_object() {
            Some((_, key)) => admit_object(&standing, operation, action, key, cx).await?,
            // Asked key by key.
            None if *operation == "DeleteObjects" => {}
            None => {
                standing.may(action).await?;
                if standing.is_foreign() && ON_POLICIES.contains(operation) {
                    return Err(Refusal::method_not_allowed());
                }
            }
        }
        cx.extensions_mut().insert(bucket);
        arrival.note_standing(standing);
        Ok(())
    }

    /// For what is about no bucket that exists: whoever signs may, in its own account.
    async fn admit_without_bucket(
        &self,
        cx: &S3AccessContext<'_>,
        arrival: &Arrival,
        action: &'static str,
    ) -> Result<(), Refusal> {
        let context = &arrival.context;
        if context.caller.is_anonymous() {
            return Err(Refusal::access_denied());
        }
        let resource = cx.s3_path().get_bucket_name().map(|name| Arn::global("s3", name));
        Ok(context.authority.check(&context.caller, &Access { action, resource }, None).await?)
    }
}

/// Whether the caller may do this to an object, and all that it asks for beside it.
async fn admit_object(
    standing: &Standing,
    operation: &str,
    action: &'static str,
    key: &str,
    cx: &S3AccessContext<'_>,
) -> Result<(), Refusal> {
    let version = versions::asked(keys::query(cx.uri(), "versionId").as_deref())?;
    let headers = cx.headers();
    match operation {
        // Its tags are in the body: the operation asks.
        "PutObjectTagging" => return Ok(()),
        "AbortMultipartUpload" | "ListParts" => {
            return standing.may_upload(action, key, keys::query(cx.uri(), "uploadId").as_deref()).await;
        }
        "GetObjectAttributes" => standing.may_object("s3:GetObject", key, version).await?,
        _ => {}
    }
    if !PUTTING.contains(&operation) {
        return standing.may_object(action, key, version).await;
    }
    standing.may_new_object(action, key).await?;
    if headers.contains_key("x-amz-tagging") {
        standing.may_new_object("s3:PutObjectTagging", key).await?;
    }
    if acl::Asked::of(headers)?.is_something() {
        standing.may_new_object("s3:PutObjectAcl", key).await?;
    }
    Ok(())
}

/// The bucket of that name.
pub(crate) async fn find(objects: &Objects, name: &str) -> Result<Arc<Bucket>, Refusal> {
    let name = BucketName::new(name)
        .map_err(|_| Refusal::new(400, "InvalidBucketName", "The specified bucket is not valid."))?;
    Ok(objects.bucket(&name).await?)
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
    if let Some(class) = headers.get("x-amz-storage-class") {
        classes::named(class.as_bytes())?;
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
    fn headers_that_ask_for_more_are_refused() {
        let refused = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, http::HeaderValue::from_static(value));
            check_headers(&headers).err().map(|refusal| refusal.code.into_owned())
        };
        assert_eq!(refused("x-amz-storage-class", "STANDARD"), None);
        assert_eq!(refused("x-amz-storage-class", "GLACIER"), None);
        assert_eq!(refused("x-amz-storage-class", "OUTPOSTS").as_deref(), Some("InvalidStorageClass"));
        assert_eq!(refused("x-amz-website-redirect-location", "/").as_deref(), Some("NotImplemented"));
    }
}
