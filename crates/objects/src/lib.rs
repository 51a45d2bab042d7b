//! Buckets, objects, versions, multipart and change events: what S3, Firehose, Athena, crawlers
//! and transfers share.
//!
//! Bodies up to 128 KiB live inline in facts, larger ones in checksummed blobs. An object is the
//! fact that names its body; the fact's version (an LSN) is the object's place in history.

mod engine;

pub use engine::{
    Attributes, Bucket, BucketName, Checksums, Listed, Listing, ListQuery, ObjectError, ObjectInfo, ObjectKey,
    ObjectReader, Objects, StagedBody,
};
