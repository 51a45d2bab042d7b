//! The objects engine. This file shows the surface that other engines rely on; S3's own breadth
//! (conditions, multipart, versions, tags) is added beside it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use headwater_base::{AccountId, InvalidName, Region, Seams, Timestamp};
use headwater_blob::{BlobError, Blobs};
use headwater_store::{Commit, CommitError, Lsn, Store, StoreError};
use headwater_work::Work;

/// A bucket's name, by S3's rules.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct BucketName(Arc<str>);

impl BucketName {
    /// The name, if it is one (3 to 63 of `a-z 0-9 . -`, and the further rules).
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-';
        if !(3..=63).contains(&text.len()) || !text.bytes().all(legal) {
            return Err(InvalidName::new("bucket name", text, "3 to 63 of a-z 0-9 . -"));
        }
        Ok(Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An object's key: 1 to 1024 bytes of UTF-8.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ObjectKey(Arc<str>);

impl ObjectKey {
    /// The key, if it is one.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        if text.is_empty() || text.len() > 1024 {
            return Err(InvalidName::new("object key", text, "1 to 1024 bytes"));
        }
        Ok(Self(text.into()))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A bucket as it is now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bucket {
    /// Its name, unique on the node.
    pub name: BucketName,
    /// Distinguishes buckets that had the same name at different times.
    pub incarnation: u64,
    /// Who owns it.
    pub owner: AccountId,
    /// Where it is said to be.
    pub region: Region,
    /// When it was created.
    pub created: Timestamp,
}

/// An object as listed or read, without its body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectInfo {
    /// The key.
    pub key: ObjectKey,
    /// Length of the body in bytes.
    pub size: u64,
    /// Without quotes.
    pub etag: String,
    /// When it was put.
    pub modified: Timestamp,
    /// The commit that put it: its place in the history of all objects.
    pub lsn: Lsn,
    /// Content type, user metadata, tags and the rest.
    pub attributes: Attributes,
    /// The checksums kept with it.
    pub checksums: Checksums,
    /// The version id, when the bucket is versioned.
    pub version_id: Option<String>,
}

/// What a writer says about an object.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Attributes {
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// The other standard headers kept as given: `cache-control`, `content-disposition`,
    /// `content-encoding`, `content-language`, `expires`, by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// `x-amz-meta-*`, names in lower case without the prefix.
    pub metadata: BTreeMap<String, String>,
    /// Object tags.
    pub tags: BTreeMap<String, String>,
    /// Free-form facts of the program itself (plan id, ranges, rows, digest of a delivery), never
    /// shown to S3 clients.
    pub system: BTreeMap<String, String>,
}

/// Checksums of a body, base64 as S3 writes them, by algorithm name (`CRC32`, `CRC32C`,
/// `CRC64NVME`, `SHA1`, `SHA256`); `composite` says that they are checksums of checksums.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Checksums {
    /// By algorithm name.
    pub values: BTreeMap<String, String>,
    /// Whether they are `COMPOSITE` (else `FULL_OBJECT`).
    pub composite: bool,
}

/// A durable body that no commit names yet. Keep it until the commit that names it is published.
#[derive(Clone, Debug)]
pub struct StagedBody {
    /// Length in bytes.
    pub size: u64,
    /// MD5 in hex: the ETag of a simple put.
    pub md5: String,
    /// The SHA-256 of the body in hex, if asked for when it was staged.
    pub sha256: Option<String>,
    #[expect(dead_code, reason = "filled by the objects owner")]
    pub(crate) place: Place,
}

/// Where a staged body lies.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    #[expect(dead_code, reason = "filled by the objects owner")]
    Inline(Bytes),
}

/// What to list.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    /// Keys must begin with this.
    pub prefix: String,
    /// Folds keys that share what comes before it after the prefix.
    pub delimiter: Option<String>,
    /// Only keys (and common prefixes) after this one.
    pub after: Option<String>,
    /// At most this many entries.
    pub limit: usize,
}

/// One entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed {
    /// An object.
    Object(ObjectInfo),
    /// A common prefix.
    Prefix(String),
}

/// A page of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Entries in byte order of their keys.
    pub entries: Vec<Listed>,
    /// Whether there is more.
    pub truncated: bool,
}

/// An open object: what it is, and its body, pinned while this lives.
#[derive(Clone, Debug)]
pub struct ObjectReader {
    /// What it is.
    pub info: ObjectInfo,
}

impl ObjectReader {
    /// The bytes of `range`, at once.
    pub async fn read(&self, range: Range<u64>) -> Result<Bytes, ObjectError> {
        let _ = range;
        todo!("objects owner")
    }

    /// The bytes of `range`, in pieces of at most 1 MiB.
    pub fn stream(&self, range: Range<u64>) -> BoxStream<'static, Result<Bytes, ObjectError>> {
        let _ = range;
        todo!("objects owner")
    }
}

/// Why an operation on objects did not happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ObjectError {
    /// There is no such bucket.
    #[error("bucket {0:?} does not exist")]
    NoSuchBucket(String),
    /// There is no such object.
    #[error("object {0:?} does not exist")]
    NoSuchKey(String),
    /// A bucket of that name exists.
    #[error("bucket {0:?} exists already")]
    BucketExists(String),
    /// The bucket still holds something.
    #[error("bucket {0:?} is not empty")]
    BucketNotEmpty(String),
    /// A condition (`If-Match`, `If-None-Match`) failed.
    #[error("precondition failed")]
    PreconditionFailed,
    /// The range lies outside the body.
    #[error("range not satisfiable; the body has {0} bytes")]
    BadRange(u64),
    /// A parameter is out of its bounds.
    #[error("{0}")]
    Invalid(String),
    /// The disk is full or the node is behind: retry later.
    #[error("throttled: {0}")]
    Throttled(&'static str),
    /// Bodies failed.
    #[error("the body store failed")]
    Blob(#[from] BlobError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// A commit failed in a way the engine can't mend.
    #[error("the commit failed")]
    Commit(#[source] CommitError),
}

/// The engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Objects {
    pub(crate) store: Arc<dyn Store>,
    #[expect(dead_code, reason = "filled by the objects owner")]
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) seams: Seams,
}

impl Objects {
    /// The engine over a store and a place for bodies. Registers its sweep with `work`.
    pub fn new(store: Arc<dyn Store>, blobs: Arc<dyn Blobs>, seams: Seams, work: &Work) -> Self {
        let _ = work;
        Self { store, blobs, seams }
    }

    /// Creates a bucket.
    pub async fn create_bucket(
        &self,
        name: &BucketName,
        owner: AccountId,
        region: &Region,
    ) -> Result<Arc<Bucket>, ObjectError> {
        let _ = (name, owner, region);
        todo!("objects owner")
    }

    /// The bucket as it is now.
    pub async fn bucket(&self, name: &BucketName) -> Result<Arc<Bucket>, ObjectError> {
        let _ = name;
        todo!("objects owner")
    }

    /// Writes a body down, durably, without naming it yet. `sha256` asks for the digest, too.
    pub async fn stage_body(
        &self,
        body: BoxStream<'static, Result<Bytes, ObjectError>>,
        sha256: bool,
    ) -> Result<StagedBody, ObjectError> {
        let _ = (body, sha256);
        todo!("objects owner")
    }

    /// Writes a body that is already in memory down.
    pub async fn stage_bytes(&self, body: Bytes, sha256: bool) -> Result<StagedBody, ObjectError> {
        let _ = (body, sha256);
        todo!("objects owner")
    }

    /// Adds to `commit`: this bucket still exists, and from this commit on `key` is this body.
    /// Replaces what was there (its body is swept). `modified` becomes its time.
    pub async fn stage_put(
        &self,
        commit: &mut Commit,
        bucket: &Bucket,
        key: &ObjectKey,
        body: &StagedBody,
        attributes: Attributes,
        modified: Timestamp,
    ) -> Result<(), ObjectError> {
        let _ = (commit, bucket, key, body, attributes, modified);
        todo!("objects owner")
    }

    /// Adds to `commit`: this object, as it was read (same LSN), is gone; its body is swept. The
    /// commit conflicts if the object was replaced meanwhile or the bucket is gone.
    pub async fn stage_delete(
        &self,
        commit: &mut Commit,
        bucket: &Bucket,
        object: &ObjectInfo,
    ) -> Result<(), ObjectError> {
        let _ = (commit, bucket, object);
        todo!("objects owner")
    }

    /// The store the objects' facts live in, for engines whose commits span several engines.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Time and chance, as given to the engine.
    pub fn seams(&self) -> &Seams {
        &self.seams
    }

    /// Puts an object that is in memory, in a commit of its own.
    pub async fn put_bytes(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        body: Bytes,
        attributes: Attributes,
    ) -> Result<ObjectInfo, ObjectError> {
        let _ = (bucket, key, body, attributes);
        todo!("objects owner")
    }

    /// What the object is.
    pub async fn head(&self, bucket: &Bucket, key: &ObjectKey) -> Result<ObjectInfo, ObjectError> {
        let _ = (bucket, key);
        todo!("objects owner")
    }

    /// Opens the object.
    pub async fn open(&self, bucket: &Bucket, key: &ObjectKey) -> Result<ObjectReader, ObjectError> {
        let _ = (bucket, key);
        todo!("objects owner")
    }

    /// Removes the object; nothing happens if it is not there.
    pub async fn delete(&self, bucket: &Bucket, key: &ObjectKey) -> Result<(), ObjectError> {
        let _ = (bucket, key);
        todo!("objects owner")
    }

    /// A page of current objects. Costs the entries returned, not the keys passed over.
    pub async fn list(&self, bucket: &Bucket, query: &ListQuery) -> Result<Listing, ObjectError> {
        let _ = (bucket, query);
        todo!("objects owner")
    }
}
