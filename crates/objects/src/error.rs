//! How the engine says no, sorted by what the caller can do about it.

use headwater_base::Timestamp;
use headwater_blob::BlobError;
use headwater_store::{CommitError, StoreError};

use crate::seal::Broken;
use crate::{KeyringError, StorageClass, VersionId};

/// Why an operation on objects did not happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ObjectError {
    /// There is no such bucket.
    #[error("bucket {0:?} does not exist")]
    NoSuchBucket(String),
    /// There is no such object.
    #[error("object {0:?} does not exist")]
    NoSuchKey(String),
    /// The object has no such version.
    #[error("object {key:?} has no version {version}")]
    NoSuchVersion {
        /// The object's key.
        key: String,
        /// What was asked for.
        version: VersionId,
    },
    /// The version asked for is a delete marker: there is nothing to read or change.
    #[error("version {version} of object {key:?} is a delete marker")]
    DeleteMarker {
        /// The object's key.
        key: String,
        /// The marker's version.
        version: VersionId,
        /// When it was written.
        modified: Timestamp,
    },
    /// Retention or a legal hold keeps the version.
    #[error("a version of object {0:?} is locked")]
    Locked(String),
    /// The bucket has no object lock.
    #[error("bucket {0:?} has no object lock")]
    NoObjectLock(String),
    /// The bucket's other settings don't allow it.
    #[error("{0}")]
    BucketState(&'static str),
    /// There is no such multipart upload; it may have been completed or aborted.
    #[error("upload {0:?} does not exist")]
    NoSuchUpload(String),
    /// A bucket of that name exists.
    #[error("bucket {0:?} exists already")]
    BucketExists(String),
    /// The bucket still holds something.
    #[error("bucket {0:?} is not empty")]
    BucketNotEmpty(String),
    /// A condition (`If-Match`, `If-None-Match`) failed.
    #[error("precondition failed")]
    PreconditionFailed,
    /// Others kept changing the same object: try again.
    #[error("the object is being changed by others")]
    Contended,
    /// The range lies outside the body.
    #[error("range not satisfiable; the body has {0} bytes")]
    BadRange(u64),
    /// A part named by a completion is not there, or is another than it was said to be.
    #[error("part {0} is not there or has another etag or checksum")]
    InvalidPart(u32),
    /// The parts of a completion are not in ascending order.
    #[error("the parts are not in ascending order")]
    InvalidPartOrder,
    /// A part other than the last is smaller than 5 MiB.
    #[error("part {number} is too small: {size} bytes")]
    PartTooSmall {
        /// Which part.
        number: u32,
        /// Its size in bytes.
        size: u64,
    },
    /// The body is not the one the client declared.
    #[error("the body does not match its {0}")]
    BadDigest(String),
    /// The body did not arrive whole; nothing was stored.
    #[error("the body did not arrive: {0}")]
    Body(String),
    /// The bucket may not hold so much.
    #[error("bucket {bucket:?} may hold {limit} {what} and holds {held}")]
    QuotaExceeded {
        /// Which bucket.
        bucket: String,
        /// Of what: `bytes` or `objects`.
        what: &'static str,
        /// How much it may hold.
        limit: u64,
        /// How much it holds.
        held: u64,
    },
    /// A parameter is out of its bounds.
    #[error("{0}")]
    Invalid(String),
    /// The object is archived: it can be read when a copy was restored.
    #[error("the object is archived in class {}", .0.name())]
    Archived(StorageClass),
    /// The object's class needs no restoring.
    #[error("objects of class {} are not restored", .0.name())]
    NotArchived(StorageClass),
    /// A copy is being brought back already.
    #[error("the object is being restored")]
    RestoreInProgress,
    /// The disk is full or the node is behind: retry later.
    #[error("throttled: {0}")]
    Throttled(&'static str),
    /// There is no such KMS key for the bucket's account in its region.
    #[error("there is no KMS key {0:?}")]
    NoSuchKmsKey(String),
    /// The object is sealed with a customer's key, which was not given.
    #[error("the object is sealed with a key that its owner keeps")]
    CustomerKeyNeeded,
    /// The object is sealed with another key than the one given.
    #[error("the object is sealed with another key than the one given")]
    CustomerKeyWrong,
    /// A customer's key was given for an object that is not sealed with one.
    #[error("the object is not sealed with a customer's key")]
    CustomerKeyUnneeded,
    /// The keyring lacks the key that an object is sealed with: restore its file.
    #[error("the keyring has no key {0}, which the object is sealed with")]
    KeyMissing(String),
    /// The keyring can't be written.
    #[error("the keyring failed")]
    Keyring(#[from] KeyringError),
    /// A piece of a sealed body does not open. Never served.
    #[error("piece {0} of a sealed body does not open: it is damaged")]
    SealBroken(u64),
    /// Bodies failed.
    #[error("the body store failed")]
    Blob(#[source] BlobError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// A commit failed in a way the engine can't mend.
    #[error("the commit failed")]
    Commit(#[source] CommitError),
}

impl From<BlobError> for ObjectError {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Full => Self::Throttled("no space left for new data"),
            other => Self::Blob(other),
        }
    }
}

impl From<CommitError> for ObjectError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Full => Self::Throttled("no space left for new data"),
            CommitError::Busy => Self::Throttled("the store is behind"),
            other => Self::Commit(other),
        }
    }
}

impl From<Broken> for ObjectError {
    fn from(Broken(piece): Broken) -> Self {
        Self::SealBroken(piece)
    }
}
