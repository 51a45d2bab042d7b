//! S3: buckets, objects, listings, multipart uploads, tags and checksums, in S3's REST and XML.
//!
//! Bytes → `wire` (route, signature, aws-chunked) → [`S3Face`] → s3s as codec (path, headers and
//! XML to typed inputs) → `guard` (who may what) → one file of `ops` per operation → `objects`.
//!
//! **Invariants.** s3s is our codec, never our guard: a request without the extension that
//! [`S3Face`] puts there after verification is refused, and so is one that still carries a
//! signature of its own. A body that ends in an error (hash, chunk signature, trailer, length,
//! checksum) is never named by a fact.
//!
//! **Failure.** Everything a client does wrong gets S3's own code; `fault` maps the engine's errors.

mod acl;
mod arrival;
mod body;
mod classes;
mod codec;
mod convert;
mod cors;
mod document;
mod encryption;
mod fault;
mod guard;
mod keys;
mod lock;
mod ops;
mod payer;
mod post;
pub mod post_policy;
mod standing;
mod subresource;
mod tags;
mod versions;
mod vouched;

use std::sync::Arc;

use async_trait::async_trait;
use headwater_events::Events;
use headwater_objects::Objects;
use headwater_wire::answer::s3_fault;
use headwater_wire::{AnswerBody, Face, Fault, OperationRow, VerifiedRequest};
use http::{Method, Response, StatusCode};
use http_body_util::BodyExt;
use s3s::service::{S3Service, S3ServiceBuilder};

use arrival::Arrival;
use codec::{Codec, Status};
use guard::{ACTIONS, AskEverything, Hosts, Names, RefuseSignatures};
use ops::get_object_attributes::Document;

/// The largest XML document read: a DeleteObjects of 1000 long keys, a completion of 10,000 parts.
const XML_BYTES_MAX: usize = 4 << 20;

/// What S3 has and this node refuses.
const REFUSED: &[&str] = &[
    "CreateBucketMetadataConfiguration",
    "CreateBucketMetadataTableConfiguration",
    "CreateSession",
    "DeleteBucketMetadataConfiguration",
    "DeleteBucketMetadataTableConfiguration",
    "DeleteBucketReplication",
    "DeleteBucketWebsite",
    "DeleteObjectAnnotation",
    "GetBucketAbac",
    "GetBucketMetadataConfiguration",
    "GetBucketMetadataTableConfiguration",
    "GetBucketReplication",
    "GetBucketWebsite",
    "GetObjectAnnotation",
    "GetObjectTorrent",
    "ListDirectoryBuckets",
    "ListObjectAnnotations",
    "PutBucketAbac",
    "PutBucketReplication",
    "PutBucketWebsite",
    "PutObjectAnnotation",
    "RenameObject",
    "SelectObjectContent",
    "UpdateBucketMetadataAnnotationTableConfiguration",
    "UpdateBucketMetadataInventoryTableConfiguration",
    "UpdateBucketMetadataJournalTableConfiguration",
    "UpdateObjectEncryption",
    "WriteGetObjectResponse",
];

/// For fuzzing: cross-origin rules and lists in XML, and grants in a header, whatever they are. What
/// reads as rules is written and read again as the same.
#[doc(hidden)]
pub fn fuzz_access(xml: &[u8], header: &str, origin: &str) {
    acl::fuzz(xml, header);
    cors::fuzz(xml, origin);
}

/// For the fuzz target `notification`: reads a notification configuration, which must not panic.
#[doc(hidden)]
pub fn fuzz_notification(document: &[u8]) {
    ops::bucket_notification::fuzz(document);
}

/// The S3 face.
pub struct S3Face {
    service: S3Service,
    objects: Objects,
}

impl std::fmt::Debug for S3Face {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3Face").finish_non_exhaustive()
    }
}

impl S3Face {
    /// The face over the engines.
    pub fn new(objects: Objects, events: Events) -> Self {
        let mut builder = S3ServiceBuilder::new(Codec { objects: objects.clone(), events });
        builder.set_auth(RefuseSignatures);
        builder.set_access(AskEverything { objects: objects.clone() });
        builder.set_host(Hosts);
        builder.set_validation(Names);
        let mut config = s3s::config::S3Config::default();
        config.xml_max_body_size = XML_BYTES_MAX;
        builder.set_config(Arc::new(s3s::config::StaticConfigProvider::new(Arc::new(config))));
        Self { service: builder.build(), objects }
    }
}

#[async_trait]
impl Face for S3Face {
    fn signing_name(&self) -> &'static str {
        "s3"
    }

    fn target_prefix(&self) -> Option<&'static str> {
        None
    }

    fn streams_bodies(&self) -> bool {
        true
    }

    fn takes_unsigned(&self) -> bool {
        true
    }

    fn body_bytes_max(&self) -> usize {
        XML_BYTES_MAX
    }

    fn operations(&self) -> Vec<OperationRow> {
        let works = ACTIONS.iter().map(|(name, _)| OperationRow { name, works: true });
        let refused = REFUSED.iter().map(|name| OperationRow { name, works: false });
        works.chain(refused).collect()
    }

    async fn handle(&self, request: VerifiedRequest) -> Response<AnswerBody> {
        let (arrival, request) = Arrival::take(request);
        let request = match request {
            Ok(request) => request,
            Err(fault) => {
                return arrival.sign(s3_fault(&fault, &arrival.path, &arrival.context.request_id));
            }
        };
        if request.method() == Method::OPTIONS {
            return arrival.sign(cors::answer_preflight(&self.objects, &arrival, &request).await);
        }
        let answer = match self.service.call(request).await {
            Ok(mut response) => {
                if let Some(Status(status)) = response.extensions_mut().remove::<Status>() {
                    *response.status_mut() = status;
                }
                if let Some(Document(document)) = response.extensions_mut().remove::<Document>() {
                    *response.body_mut() = document.into();
                }
                response.map(|body| body.map_err(std::io::Error::other).boxed_unsync())
            }
            Err(error) => {
                let source: s3s::StdError = error.into();
                tracing::error!(error = %source, request_id = %arrival.context.request_id, "the s3 codec failed");
                let fault =
                    Fault::server("InternalError", "We encountered an internal error. Please try again.");
                s3_fault(&fault, &arrival.path, &arrival.context.request_id)
            }
        };
        // What went wrong with the body on its way in outweighs what the operation made of it.
        let answer = match arrival.full_fault() {
            Some(fault) if !answer.status().is_success() => {
                s3_fault(&fault, &arrival.path, &arrival.context.request_id)
            }
            _ => answer,
        };
        let answer = match &arrival.reply {
            Some(reply) => reply.to(answer),
            None => answer,
        };
        arrival.sign(if answer.status() == StatusCode::NOT_MODIFIED { without_body(answer) } else { answer })
    }
}

/// Reads foreign bytes as a lifecycle configuration. For fuzzing.
#[doc(hidden)]
pub fn fuzz_lifecycle(bytes: &[u8]) {
    ops::bucket_lifecycle::fuzz(bytes);
}

fn without_body(mut answer: Response<AnswerBody>) -> Response<AnswerBody> {
    answer.headers_mut().remove(http::header::CONTENT_LENGTH);
    answer.headers_mut().remove(http::header::CONTENT_TYPE);
    answer.map(|_| http_body_util::Empty::new().map_err(|never| match never {}).boxed_unsync())
}

#[cfg(test)]
mod tests {
    use headwater_base::{Seams, Timestamp};
    use headwater_blob::memory::MemoryBlobs;
    use headwater_events::{HttpCarrier, Options};
    use http::Request;
    use s3s::Body;

    use super::*;

    #[test]
    fn every_operation_is_listed_once() {
        let mut names: Vec<&str> =
            ACTIONS.iter().map(|(name, _)| *name).chain(REFUSED.iter().copied()).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[tokio::test]
    async fn a_request_that_nobody_verified_is_refused() {
        let seams = Seams::simulated(Timestamp::from_ms(0), 1);
        let store = headwater_store::memory::open(seams.clone());
        let blobs = Arc::new(MemoryBlobs::new(seams.clone()));
        let objects = Objects::without_sweep(store, blobs, seams.clone());
        let carrier = Arc::new(HttpCarrier::new(seams));
        let events = Events::without_tasks(objects.clone(), Options::default(), carrier);
        let face = S3Face::new(objects, events);
        let signed = [
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=00",
            ),
            ("x-amz-date", "20260101T000000Z"),
        ];
        for (path, headers) in [
            ("/", &signed[..0]),
            ("/bucket/key", &signed[..0]),
            ("/bucket/key", &signed[..]),
            (
                "/bucket/key?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20260101%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260101T000000Z&X-Amz-Expires=604800&X-Amz-SignedHeaders=host&X-Amz-Signature=00",
                &[],
            ),
            ("/bucket/key?AWSAccessKeyId=AKID&Signature=00&Expires=9999999999", &[]),
        ] {
            let mut request = Request::builder().uri(path).header("host", "localhost");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let answer = face.service.call(request.body(Body::empty()).unwrap()).await.unwrap();
            assert!(answer.status().is_client_error(), "{path}: {}", answer.status());
        }
    }
}
