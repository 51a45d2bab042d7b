//! Buckets, objects, versions, multipart and change events: what S3, Firehose, Athena, crawlers
//! and transfers share.
//!
//! Bodies up to 128 KiB live inline in facts, larger ones in checksummed blobs. An object is the
//! fact that names its body; the fact's version (an LSN) is the object's place in history.
//!
//! ```text
//! stage (body durable, unnamed) ─► commit: guard, CURRENT, BODY or BLOB_REF ─► published
//!                                                       sweep ◄─ bodies no fact names
//! ```
//! **Invariants.** A body is durable before a fact names it. A blob is removed only when no fact
//! names it and none can come to. In a bucket without versions a put reads nothing it depends on, so
//! writers of one key never conflict: the last commit wins. In one with versions each adds a row to
//! its key's history (`history`). Every put expects its bucket's guard.
//!
//! **Failure.** A crash leaves at most bodies and references that nothing names; [`Sweep`] removes
//! them. A damaged body is an error, never bytes.

mod acl;
mod bucket;
mod change;
mod checksum;
mod class;
mod config;
mod copy;
mod delete;
mod encryption;
mod engine;
mod error;
mod history;
mod keyring;
mod lifecycle;
mod list;
mod lock;
mod multipart;
mod name;
mod object;
mod outbox;
mod put;
mod read;
mod records;
mod references;
mod restore;
mod scrub;
mod seal;
mod stage;
mod sweep;
mod tier;
mod tries;
mod usage;
mod version;

pub use acl::{Acl, AclOwner, GRANTS_MAX, Grant, Grantee, Permission};
pub use bucket::Bucket;
// The kinds of failure inside an ObjectError, so that faces can tell them apart.
pub use headwater_blob::{BlobError, BlobId};
pub use headwater_store::{CommitError, Lsn, StoreError};

pub use checksum::ChecksumAlgorithm;
pub use class::StorageClass;
pub use config::{BucketAccess, BucketConfig, Ownership, PolicyTraits, PublicAccessBlock};
pub use delete::{Deletion, Removal};
pub use encryption::{
    Asked, BucketEncryption, CustomerKey, DefaultAlgorithm, Encryption, SealedWith, Sealing,
    check_customer_key,
};
pub use engine::{ObjectOptions, Objects};
pub use error::ObjectError;
pub use keyring::{KEYRING_FILE, Keyring, KeyringError, NamedKey};
pub use lifecycle::{
    Day, Ending, Expiration, Filter, FilterForm, Lifecycle, Lifecycles, NoncurrentExpiration,
    NoncurrentTransition, RULES_MAX, Rule, RuleError, RuleErrorKind, TRANSITION_BYTES_MIN, Transition,
    TransitionMinimum, When,
};
pub use list::{ListQuery, Listed, ListedVersion, Listing, VersionListing, VersionQuery};
pub use lock::{BucketLock, Bypass, DefaultRetention, ObjectLock, Period, Retention, RetentionMode};
pub use multipart::{
    CompletedPart, CompletionError, DeclaredObject, Initiator, PART_BYTES_MAX, PART_NUMBER_MAX, PartInfo,
    PartListing, UploadInfo, UploadListing, UploadOptions, UploadQuery, UploadedEntry,
};
pub use name::{BucketName, ObjectKey, UploadId};
pub use object::{Attributes, Checksums, ObjectInfo, Restored};
pub use outbox::{Change, ChangeEvent, Origin, OutboxRow};
pub use put::Condition;
pub use read::ObjectReader;
pub use references::{BodyPlace, blob_references, referenced_body, sealing_key, sealing_keys, used_keys};
pub use restore::{RestoreBegun, Restores};
pub use scrub::{Damage, Scrub, ScrubOptions, ScrubReport};
pub use stage::{BodyStream, INLINE_BYTES_MAX, StagedBody};
pub use sweep::Sweep;
pub use usage::{BucketUsage, Claim, Count, Quota, Quotas};
pub use version::{VersionId, Versioning};
