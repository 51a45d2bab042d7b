//! The engine's errors in S3's words: code, status and a true sentence.

use std::borrow::Cow;
use std::error::Error as _;

use headwater_objects::{BlobError, CommitError, ObjectError, StoreError};
use headwater_wire::Fault;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use s3s::{S3Error, S3ErrorCode};

use crate::versions;

/// What is said of an archive that is to be read.
const NEEDS_RESTORING: &str = "The operation is not valid for the object's storage class";

/// Why an operation did not happen, as S3 says it.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: String,
    pub(crate) status: u16,
    /// What the answer says besides; seldom anything, and errors are moved about a lot.
    headers: Option<Box<HeaderMap>>,
    /// An element its document has besides, by name.
    pub(crate) detail: Option<(&'static str, &'static str)>,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), status, headers: None, detail: None }
    }

    /// The same with a header.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.get_or_insert_default().insert(name, value);
        self
    }

    pub(crate) fn invalid_argument(message: impl Into<String>) -> Self {
        Self::new(400, "InvalidArgument", message)
    }

    pub(crate) fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(400, "InvalidRequest", message)
    }

    pub(crate) fn invalid_digest() -> Self {
        Self::new(400, "InvalidDigest", "The Content-MD5 you specified was invalid.")
    }

    pub(crate) fn not_implemented(what: &str) -> Self {
        Self::new(501, "NotImplemented", format!("{what} is not implemented by this node."))
    }

    pub(crate) fn precondition_failed() -> Self {
        Self::new(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
    }

    pub(crate) fn access_denied() -> Self {
        Self::new(403, "AccessDenied", "Access Denied")
    }

    pub(crate) fn malformed_xml() -> Self {
        Self::new(
            400,
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published schema",
        )
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
    }

    /// A version that nobody ever locked.
    pub(crate) fn no_object_lock() -> Self {
        Self::new(
            404,
            "NoSuchObjectLockConfiguration",
            "The specified object does not have a ObjectLock configuration",
        )
    }

    fn no_such_upload() -> Self {
        Self::new(
            404,
            "NoSuchUpload",
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been \
             aborted or completed.",
        )
    }

    fn bucket_exists() -> Self {
        Self::new(
            409,
            "BucketAlreadyExists",
            "The requested bucket name is not available. The bucket namespace is shared by all users of the \
             system. Please select a different name and try again.",
        )
    }

    fn contended() -> Self {
        Self::new(
            409,
            "ConditionalRequestConflict",
            "The conditional request cannot succeed due to a conflicting operation against this resource.",
        )
    }

    fn invalid_part() -> Self {
        Self::new(
            400,
            "InvalidPart",
            "One or more of the specified parts could not be found. The part may not have been uploaded, or the \
             specified entity tag may not match the part's entity tag.",
        )
    }

    fn invalid_state(message: &str) -> Self {
        Self::new(403, "InvalidObjectState", message)
    }

    fn restoring() -> Self {
        Self::new(409, "RestoreAlreadyInProgress", "Object restore is already in progress")
    }

    pub(crate) fn internal() -> Self {
        Self::new(500, "InternalError", "We encountered an internal error. Please try again.")
    }

    fn slow_down(message: &str) -> Self {
        Self::new(503, "SlowDown", message)
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let mut fault = Self::client(refusal.code, refusal.message).with_status(refusal.status);
        fault.members.extend(refusal.detail.map(|(name, text)| (name, text.to_owned())));
        fault
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self { code: fault.code, message: fault.message, status: fault.status, headers: None, detail: None }
    }
}

impl From<Refusal> for S3Error {
    fn from(refusal: Refusal) -> Self {
        let code = S3ErrorCode::from_bytes(refusal.code.as_bytes()).unwrap_or(S3ErrorCode::InternalError);
        let mut error = Self::with_message(code, refusal.message);
        error.set_status_code(
            StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        );
        if let Some(headers) = refusal.headers {
            error.set_headers(*headers);
        }
        error
    }
}

impl From<ObjectError> for Refusal {
    #[expect(clippy::too_many_lines, reason = "one arm an error: it reads as a table")]
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::NoSuchBucket(_) => {
                Self::new(404, "NoSuchBucket", "The specified bucket does not exist")
            }
            ObjectError::NoSuchKey(_) => Self::new(404, "NoSuchKey", "The specified key does not exist."),
            ObjectError::NoSuchVersion { .. } => {
                Self::new(404, "NoSuchVersion", "The specified version does not exist.")
            }
            ObjectError::DeleteMarker { version, modified, .. } => versions::is_marker(version, modified),
            ObjectError::Locked(_) => {
                Self::new(403, "AccessDenied", "Access Denied because object protected by object lock.")
            }
            ObjectError::NoObjectLock(_) => {
                Self::invalid_request("Bucket is missing Object Lock Configuration")
            }
            ObjectError::BucketState(why) => Self::new(409, "InvalidBucketState", why),
            ObjectError::NoSuchUpload(_) => Self::no_such_upload(),
            ObjectError::BucketExists(_) => Self::bucket_exists(),
            ObjectError::BucketNotEmpty(_) => {
                Self::new(409, "BucketNotEmpty", "The bucket you tried to delete is not empty")
            }
            ObjectError::PreconditionFailed => Self::precondition_failed(),
            ObjectError::Archived(class) => {
                Self { detail: Some(("StorageClass", class.name())), ..Self::invalid_state(NEEDS_RESTORING) }
            }
            ObjectError::NotArchived(_) => {
                Self::invalid_state("Restore is not allowed for the object's current storage class")
            }
            ObjectError::RestoreInProgress => Self::restoring(),
            ObjectError::Contended => Self::contended(),
            ObjectError::BadRange(_) => {
                Self::new(416, "InvalidRange", "The requested range is not satisfiable")
            }
            ObjectError::InvalidPart(_) => Self::invalid_part(),
            ObjectError::InvalidPartOrder => Self::new(
                400,
                "InvalidPartOrder",
                "The list of parts was not in ascending order. Parts must be ordered by part number.",
            ),
            ObjectError::PartTooSmall { .. } => Self::new(
                400,
                "EntityTooSmall",
                "Your proposed upload is smaller than the minimum allowed size",
            ),
            ObjectError::BadDigest(what) if what == "Content-MD5" => {
                Self::new(400, "BadDigest", "The Content-MD5 you specified did not match what we received.")
            }
            ObjectError::BadDigest(what) => Self::new(
                400,
                "BadDigest",
                format!("The {what} you specified did not match the calculated checksum."),
            ),
            ObjectError::Body(_) => Self::new(
                400,
                "IncompleteBody",
                "You did not provide the number of bytes specified by the Content-Length HTTP header",
            ),
            // As the Ceph gateway answers; AWS has no quotas on bytes.
            ObjectError::QuotaExceeded { what, limit, held, .. } => Self::new(
                403,
                "QuotaExceeded",
                format!(
                    "The bucket may hold {limit} {what} and holds {held}. Delete objects, or have its quota raised."
                ),
            ),
            ObjectError::Invalid(message) => Self::invalid_argument(message),
            ObjectError::Throttled(_) => Self::slow_down("Please reduce your request rate."),
            ObjectError::NoSuchKmsKey(key) => {
                Self::new(400, "KMS.NotFoundException", format!("Key '{key}' does not exist"))
            }
            ObjectError::CustomerKeyNeeded => Self::invalid_request(
                "The object was stored using a form of Server Side Encryption. The correct parameters must be provided \
                 to retrieve the object.",
            ),
            ObjectError::CustomerKeyWrong => Self::access_denied(),
            ObjectError::CustomerKeyUnneeded => {
                Self::invalid_request("The encryption parameters are not applicable to this object.")
            }
            ObjectError::KeyMissing(_) | ObjectError::Keyring(_) | ObjectError::SealBroken(_) => {
                of_seal(&error)
            }
            ObjectError::Blob(error) => of_blob(&error),
            ObjectError::Store(error) => of_store(&error),
            ObjectError::Commit(error) => of_commit(&error),
        }
    }
}

fn of_seal(error: &ObjectError) -> Refusal {
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    tracing::error!(%error, cause, "a body could not be sealed or opened");
    match error {
        ObjectError::KeyMissing(key) => {
            let message = format!("The node's keyring lacks the key {key}, which the object is sealed with.");
            Refusal { message, ..Refusal::internal() }
        }
        _ => Refusal::internal(),
    }
}

fn of_blob(error: &BlobError) -> Refusal {
    match error {
        BlobError::Full => Refusal::slow_down("The disk is full. Please free space and try again."),
        BlobError::NotFound(_) | BlobError::Corrupt { .. } | BlobError::Damaged(_) => {
            tracing::error!(error = %error, "a stored body is damaged");
            Refusal::new(
                500,
                "InternalError",
                "The stored body of this object is damaged on the node's disk and is not served. Put the object \
                 again, or restore the node from a backup.",
            )
        }
        BlobError::Io(_) => {
            tracing::error!(error = %error, "a body could not be read or written");
            Refusal::internal()
        }
    }
}

fn of_store(error: &StoreError) -> Refusal {
    match error {
        StoreError::Closed => {
            Refusal::new(503, "ServiceUnavailable", "The node is shutting down. Please try again.")
        }
        StoreError::NoSuchLog(_) | StoreError::Corrupt(_) | StoreError::Io(_) => {
            tracing::error!(error = %error, "the store could not be read");
            Refusal::internal()
        }
    }
}

fn of_commit(error: &CommitError) -> Refusal {
    match error {
        CommitError::Closed => {
            Refusal::new(503, "ServiceUnavailable", "The node is shutting down. Please try again.")
        }
        CommitError::Full | CommitError::Busy => Refusal::slow_down("Please reduce your request rate."),
        CommitError::Conflict(_) => {
            Refusal::new(409, "OperationAborted", "A conflicting operation is in progress. Please try again.")
        }
        CommitError::TooLarge { .. } => {
            Refusal::new(400, "EntityTooLarge", "Metadata, tags and key together are too large.")
        }
        CommitError::NoSuchLog(_) | CommitError::Malformed(_) => {
            tracing::error!(error = %error, "a commit was refused");
            Refusal::internal()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_statuses_are_s3s() {
        let cases = [
            (ObjectError::NoSuchKey("k".into()), "NoSuchKey", 404),
            (ObjectError::PreconditionFailed, "PreconditionFailed", 412),
            (ObjectError::BadRange(3), "InvalidRange", 416),
            (ObjectError::BucketNotEmpty("b".into()), "BucketNotEmpty", 409),
            (ObjectError::Throttled("x"), "SlowDown", 503),
            (ObjectError::BadDigest("CRC32".into()), "BadDigest", 400),
            (
                ObjectError::QuotaExceeded { bucket: "b".into(), what: "bytes", limit: 1, held: 1 },
                "QuotaExceeded",
                403,
            ),
            (ObjectError::Blob(BlobError::Damaged(headwater_objects::BlobId([0; 16]))), "InternalError", 500),
            (ObjectError::NoSuchKmsKey("k".into()), "KMS.NotFoundException", 400),
            (ObjectError::CustomerKeyNeeded, "InvalidRequest", 400),
            (ObjectError::CustomerKeyWrong, "AccessDenied", 403),
            (ObjectError::SealBroken(1), "InternalError", 500),
        ];
        for (error, code, status) in cases {
            let error = S3Error::from(Refusal::from(error));
            assert_eq!(error.code().as_str(), code);
            assert_eq!(error.status_code().map(|s| s.as_u16()), Some(status));
        }
    }
}
