//! The codec's trait, operation by operation: each line leads to its file in `ops`.

use std::sync::Arc;

use headwater_events::Events;
use headwater_objects::{Bucket, Objects};
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result};

use crate::arrival::Arrival;
use crate::fault::Refusal;
use crate::ops;
use crate::standing::Standing;

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

/// The status an operation chose: the library writes one of its own and drops it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Status(pub(crate) http::StatusCode);

fn with_its_status<T>(mut answer: S3Response<T>) -> S3Response<T> {
    if let Some(status) = answer.status {
        answer.extensions.insert(Status(status));
    }
    answer
}

/// What an operation answers.
pub(crate) type Answer<T> = Result<S3Response<T>, Refusal>;

/// The circumstances that the guard found for a request.
pub(crate) trait Circumstances {
    /// Who asks, and how.
    fn arrival(&self) -> Result<Arrival, Refusal>;
    /// What the guard went by in the request's bucket, to ask it again.
    fn standing(&self) -> Result<Arc<Standing>, Refusal>;
    /// The bucket the request is about.
    fn bucket(&self) -> Result<Arc<Bucket>, Refusal>;
}

impl<T> Circumstances for S3Request<T> {
    fn arrival(&self) -> Result<Arrival, Refusal> {
        self.extensions.get::<Arrival>().cloned().ok_or_else(Refusal::access_denied)
    }

    fn standing(&self) -> Result<Arc<Standing>, Refusal> {
        self.arrival()?.standing().ok_or_else(Refusal::access_denied)
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
                let (arrival, standing) = (request.arrival()?, request.standing().ok());
                match $call(self, request).await {
                    Ok(answer) => Ok(with_its_status(answer)),
                    Err(refusal) => {
                        let refusal = match standing {
                            Some(standing) => standing.veil(refusal).await,
                            None => refusal,
                        };
                        arrival.note_fault(&refusal.code);
                        Err(arrival.refuse(refusal))
                    }
                }
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
    delete_bucket_analytics_configuration: DeleteBucketAnalyticsConfigurationInput => DeleteBucketAnalyticsConfigurationOutput, ops::analytics::delete;
    delete_bucket_cors: DeleteBucketCorsInput => DeleteBucketCorsOutput, ops::bucket_cors::delete;
    delete_bucket_intelligent_tiering_configuration: DeleteBucketIntelligentTieringConfigurationInput => DeleteBucketIntelligentTieringConfigurationOutput, ops::intelligent_tiering::delete;
    delete_bucket_inventory_configuration: DeleteBucketInventoryConfigurationInput => DeleteBucketInventoryConfigurationOutput, ops::inventory::delete;
    delete_bucket_metrics_configuration: DeleteBucketMetricsConfigurationInput => DeleteBucketMetricsConfigurationOutput, ops::metrics::delete;
    delete_bucket_ownership_controls: DeleteBucketOwnershipControlsInput => DeleteBucketOwnershipControlsOutput, ops::ownership_controls::delete;
    delete_bucket_policy: DeleteBucketPolicyInput => DeleteBucketPolicyOutput, ops::bucket_policy::delete;
    delete_bucket_encryption: DeleteBucketEncryptionInput => DeleteBucketEncryptionOutput, ops::bucket_encryption::delete;
    delete_bucket_lifecycle: DeleteBucketLifecycleInput => DeleteBucketLifecycleOutput, ops::bucket_lifecycle::delete;
    delete_bucket_tagging: DeleteBucketTaggingInput => DeleteBucketTaggingOutput, ops::bucket_tagging::delete;
    delete_object: DeleteObjectInput => DeleteObjectOutput, ops::delete_object::call;
    delete_object_tagging: DeleteObjectTaggingInput => DeleteObjectTaggingOutput, ops::object_tagging::delete;
    delete_objects: DeleteObjectsInput => DeleteObjectsOutput, ops::delete_objects::call;
    delete_public_access_block: DeletePublicAccessBlockInput => DeletePublicAccessBlockOutput, ops::public_access_block::delete;
    get_bucket_accelerate_configuration: GetBucketAccelerateConfigurationInput => GetBucketAccelerateConfigurationOutput, ops::accelerate::get;
    get_bucket_acl: GetBucketAclInput => GetBucketAclOutput, ops::bucket_acl::get;
    get_bucket_analytics_configuration: GetBucketAnalyticsConfigurationInput => GetBucketAnalyticsConfigurationOutput, ops::analytics::get;
    get_bucket_cors: GetBucketCorsInput => GetBucketCorsOutput, ops::bucket_cors::get;
    get_bucket_intelligent_tiering_configuration: GetBucketIntelligentTieringConfigurationInput => GetBucketIntelligentTieringConfigurationOutput, ops::intelligent_tiering::get;
    get_bucket_inventory_configuration: GetBucketInventoryConfigurationInput => GetBucketInventoryConfigurationOutput, ops::inventory::get;
    get_bucket_encryption: GetBucketEncryptionInput => GetBucketEncryptionOutput, ops::bucket_encryption::get;
    get_bucket_lifecycle_configuration: GetBucketLifecycleConfigurationInput => GetBucketLifecycleConfigurationOutput, ops::bucket_lifecycle::get;
    get_bucket_location: GetBucketLocationInput => GetBucketLocationOutput, ops::head_bucket::location;
    get_bucket_logging: GetBucketLoggingInput => GetBucketLoggingOutput, ops::bucket_logging::get;
    get_bucket_metrics_configuration: GetBucketMetricsConfigurationInput => GetBucketMetricsConfigurationOutput, ops::metrics::get;
    get_bucket_ownership_controls: GetBucketOwnershipControlsInput => GetBucketOwnershipControlsOutput, ops::ownership_controls::get;
    get_bucket_policy: GetBucketPolicyInput => GetBucketPolicyOutput, ops::bucket_policy::get;
    get_bucket_policy_status: GetBucketPolicyStatusInput => GetBucketPolicyStatusOutput, ops::bucket_policy::status;
    get_bucket_request_payment: GetBucketRequestPaymentInput => GetBucketRequestPaymentOutput, ops::request_payment::get;
    get_bucket_notification_configuration: GetBucketNotificationConfigurationInput => GetBucketNotificationConfigurationOutput, ops::bucket_notification::get;
    get_bucket_tagging: GetBucketTaggingInput => GetBucketTaggingOutput, ops::bucket_tagging::get;
    get_bucket_versioning: GetBucketVersioningInput => GetBucketVersioningOutput, ops::bucket_versioning::get;
    get_object: GetObjectInput => GetObjectOutput, ops::get_object::call;
    get_object_acl: GetObjectAclInput => GetObjectAclOutput, ops::object_acl::get;
    get_object_attributes: GetObjectAttributesInput => GetObjectAttributesOutput, ops::get_object_attributes::call;
    get_object_legal_hold: GetObjectLegalHoldInput => GetObjectLegalHoldOutput, ops::object_legal_hold::get;
    get_object_lock_configuration: GetObjectLockConfigurationInput => GetObjectLockConfigurationOutput, ops::object_lock::get;
    get_object_retention: GetObjectRetentionInput => GetObjectRetentionOutput, ops::object_retention::get;
    get_object_tagging: GetObjectTaggingInput => GetObjectTaggingOutput, ops::object_tagging::get;
    get_public_access_block: GetPublicAccessBlockInput => GetPublicAccessBlockOutput, ops::public_access_block::get;
    head_bucket: HeadBucketInput => HeadBucketOutput, ops::head_bucket::call;
    head_object: HeadObjectInput => HeadObjectOutput, ops::head_object::call;
    list_bucket_analytics_configurations: ListBucketAnalyticsConfigurationsInput => ListBucketAnalyticsConfigurationsOutput, ops::analytics::list;
    list_bucket_intelligent_tiering_configurations: ListBucketIntelligentTieringConfigurationsInput => ListBucketIntelligentTieringConfigurationsOutput, ops::intelligent_tiering::list;
    list_bucket_inventory_configurations: ListBucketInventoryConfigurationsInput => ListBucketInventoryConfigurationsOutput, ops::inventory::list;
    list_bucket_metrics_configurations: ListBucketMetricsConfigurationsInput => ListBucketMetricsConfigurationsOutput, ops::metrics::list;
    list_buckets: ListBucketsInput => ListBucketsOutput, ops::list_buckets::call;
    list_multipart_uploads: ListMultipartUploadsInput => ListMultipartUploadsOutput, ops::list_multipart_uploads::call;
    list_object_versions: ListObjectVersionsInput => ListObjectVersionsOutput, ops::list_object_versions::call;
    list_objects: ListObjectsInput => ListObjectsOutput, ops::list_objects::call;
    list_objects_v2: ListObjectsV2Input => ListObjectsV2Output, ops::list_objects_v2::call;
    list_parts: ListPartsInput => ListPartsOutput, ops::list_parts::call;
    put_bucket_accelerate_configuration: PutBucketAccelerateConfigurationInput => PutBucketAccelerateConfigurationOutput, ops::accelerate::put;
    put_bucket_acl: PutBucketAclInput => PutBucketAclOutput, ops::bucket_acl::put;
    put_bucket_analytics_configuration: PutBucketAnalyticsConfigurationInput => PutBucketAnalyticsConfigurationOutput, ops::analytics::put;
    put_bucket_cors: PutBucketCorsInput => PutBucketCorsOutput, ops::bucket_cors::put;
    put_bucket_intelligent_tiering_configuration: PutBucketIntelligentTieringConfigurationInput => PutBucketIntelligentTieringConfigurationOutput, ops::intelligent_tiering::put;
    put_bucket_inventory_configuration: PutBucketInventoryConfigurationInput => PutBucketInventoryConfigurationOutput, ops::inventory::put;
    put_bucket_logging: PutBucketLoggingInput => PutBucketLoggingOutput, ops::bucket_logging::put;
    put_bucket_metrics_configuration: PutBucketMetricsConfigurationInput => PutBucketMetricsConfigurationOutput, ops::metrics::put;
    put_bucket_ownership_controls: PutBucketOwnershipControlsInput => PutBucketOwnershipControlsOutput, ops::ownership_controls::put;
    put_bucket_policy: PutBucketPolicyInput => PutBucketPolicyOutput, ops::bucket_policy::put;
    put_bucket_request_payment: PutBucketRequestPaymentInput => PutBucketRequestPaymentOutput, ops::request_payment::put;
    put_bucket_lifecycle_configuration: PutBucketLifecycleConfigurationInput => PutBucketLifecycleConfigurationOutput, ops::bucket_lifecycle::put;
    put_bucket_notification_configuration: PutBucketNotificationConfigurationInput => PutBucketNotificationConfigurationOutput, ops::bucket_notification::put;
    put_bucket_encryption: PutBucketEncryptionInput => PutBucketEncryptionOutput, ops::bucket_encryption::put;
    put_bucket_tagging: PutBucketTaggingInput => PutBucketTaggingOutput, ops::bucket_tagging::put;
    put_bucket_versioning: PutBucketVersioningInput => PutBucketVersioningOutput, ops::bucket_versioning::put;
    put_object: PutObjectInput => PutObjectOutput, ops::put_object::call;
    put_object_acl: PutObjectAclInput => PutObjectAclOutput, ops::object_acl::put;
    put_object_legal_hold: PutObjectLegalHoldInput => PutObjectLegalHoldOutput, ops::object_legal_hold::put;
    put_object_lock_configuration: PutObjectLockConfigurationInput => PutObjectLockConfigurationOutput, ops::object_lock::put;
    put_object_retention: PutObjectRetentionInput => PutObjectRetentionOutput, ops::object_retention::put;
    put_object_tagging: PutObjectTaggingInput => PutObjectTaggingOutput, ops::object_tagging::put;
    put_public_access_block: PutPublicAccessBlockInput => PutPublicAccessBlockOutput, ops::public_access_block::put;
    restore_object: RestoreObjectInput => RestoreObjectOutput, ops::restore_object::call;
    upload_part: UploadPartInput => UploadPartOutput, ops::upload_part::call;
    upload_part_copy: UploadPartCopyInput => UploadPartCopyOutput, ops::upload_part_copy::call;
}
