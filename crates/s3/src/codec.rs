//! The codec's trait, operation by operation: each line leads to its file in `ops`.

use std::sync::Arc;

use headwater_events::Events;
use headwater_objects::{Bucket, Objects};
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result};

use crate::arrival::Arrival;
use crate::fault::Refusal;
use crate::ops;

/// What operations work with.
#[derive(Debug)]
pub(crate) struct Codec {
    pub(crate) objects: Objects,
    pub(crate) events: Events,
}

impl Codec {
    /// The time.
    pub(crate) fn now(&self) -> headwater_base::Timestamp {
        self.objects.seams().clock.now()
    }
}

/// What an operation answers.
pub(crate) type Answer<T> = Result<S3Response<T>, Refusal>;

/// The circumstances that the guard found for a request.
pub(crate) trait Circumstances {
    /// Who asks, and how.
    fn arrival(&self) -> Result<Arrival, Refusal>;
    /// The bucket the request is about.
    fn bucket(&self) -> Result<Arc<Bucket>, Refusal>;
}

impl<T> Circumstances for S3Request<T> {
    fn arrival(&self) -> Result<Arrival, Refusal> {
        self.extensions.get::<Arrival>().cloned().ok_or_else(Refusal::access_denied)
    }

    fn bucket(&self) -> Result<Arc<Bucket>, Refusal> {
        self.extensions.get::<Arc<Bucket>>().cloned().ok_or_else(Refusal::access_denied)
    }
}

macro_rules! operations {
    ($($name:ident: $input:ident => $output:ident, $call:path;)*) => {
        #[async_trait::async_trait]
        impl S3 for Codec {
            $(async fn $name(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                let arrival = request.arrival()?;
                $call(self, request).await.map_err(|refusal| {
                    arrival.note_fault(&refusal.code);
                    arrival.refuse(refusal)
                })
            })*
        }
    };
}

operations! {
    abort_multipart_upload: AbortMultipartUploadInput => AbortMultipartUploadOutput, ops::abort_multipart_upload::call;
    complete_multipart_upload: CompleteMultipartUploadInput => CompleteMultipartUploadOutput, ops::complete_multipart_upload::call;
    copy_object: CopyObjectInput => CopyObjectOutput, ops::copy_object::call;
    create_bucket: CreateBucketInput => CreateBucketOutput, ops::create_bucket::call;
    create_multipart_upload: CreateMultipartUploadInput => CreateMultipartUploadOutput, ops::create_multipart_upload::call;
    delete_bucket: DeleteBucketInput => DeleteBucketOutput, ops::delete_bucket::call;
    delete_bucket_tagging: DeleteBucketTaggingInput => DeleteBucketTaggingOutput, ops::bucket_tagging::delete;
    delete_object: DeleteObjectInput => DeleteObjectOutput, ops::delete_object::call;
    delete_object_tagging: DeleteObjectTaggingInput => DeleteObjectTaggingOutput, ops::object_tagging::delete;
    delete_objects: DeleteObjectsInput => DeleteObjectsOutput, ops::delete_objects::call;
    get_bucket_location: GetBucketLocationInput => GetBucketLocationOutput, ops::head_bucket::location;
    get_bucket_notification_configuration: GetBucketNotificationConfigurationInput => GetBucketNotificationConfigurationOutput, ops::bucket_notification::get;
    get_bucket_tagging: GetBucketTaggingInput => GetBucketTaggingOutput, ops::bucket_tagging::get;
    get_bucket_versioning: GetBucketVersioningInput => GetBucketVersioningOutput, ops::bucket_versioning::get;
    get_object: GetObjectInput => GetObjectOutput, ops::get_object::call;
    get_object_attributes: GetObjectAttributesInput => GetObjectAttributesOutput, ops::get_object_attributes::call;
    get_object_legal_hold: GetObjectLegalHoldInput => GetObjectLegalHoldOutput, ops::object_legal_hold::get;
    get_object_lock_configuration: GetObjectLockConfigurationInput => GetObjectLockConfigurationOutput, ops::object_lock::get;
    get_object_retention: GetObjectRetentionInput => GetObjectRetentionOutput, ops::object_retention::get;
    get_object_tagging: GetObjectTaggingInput => GetObjectTaggingOutput, ops::object_tagging::get;
    head_bucket: HeadBucketInput => HeadBucketOutput, ops::head_bucket::call;
    head_object: HeadObjectInput => HeadObjectOutput, ops::head_object::call;
    list_buckets: ListBucketsInput => ListBucketsOutput, ops::list_buckets::call;
    list_multipart_uploads: ListMultipartUploadsInput => ListMultipartUploadsOutput, ops::list_multipart_uploads::call;
    list_object_versions: ListObjectVersionsInput => ListObjectVersionsOutput, ops::list_object_versions::call;
    list_objects: ListObjectsInput => ListObjectsOutput, ops::list_objects::call;
    list_objects_v2: ListObjectsV2Input => ListObjectsV2Output, ops::list_objects_v2::call;
    list_parts: ListPartsInput => ListPartsOutput, ops::list_parts::call;
    put_bucket_notification_configuration: PutBucketNotificationConfigurationInput => PutBucketNotificationConfigurationOutput, ops::bucket_notification::put;
    put_bucket_tagging: PutBucketTaggingInput => PutBucketTaggingOutput, ops::bucket_tagging::put;
    put_bucket_versioning: PutBucketVersioningInput => PutBucketVersioningOutput, ops::bucket_versioning::put;
    put_object: PutObjectInput => PutObjectOutput, ops::put_object::call;
    put_object_legal_hold: PutObjectLegalHoldInput => PutObjectLegalHoldOutput, ops::object_legal_hold::put;
    put_object_lock_configuration: PutObjectLockConfigurationInput => PutObjectLockConfigurationOutput, ops::object_lock::put;
    put_object_retention: PutObjectRetentionInput => PutObjectRetentionOutput, ops::object_retention::put;
    put_object_tagging: PutObjectTaggingInput => PutObjectTaggingOutput, ops::object_tagging::put;
    upload_part: UploadPartInput => UploadPartOutput, ops::upload_part::call;
    upload_part_copy: UploadPartCopyInput => UploadPartCopyOutput, ops::upload_part_copy::call;
}
