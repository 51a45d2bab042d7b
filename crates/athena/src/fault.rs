//! What the client sees of an error.

use headwater_catalog::CatalogError;
use headwater_objects::ObjectError;
use headwater_store::{CommitError, StoreError};
use headwater_wire::Fault;

/// `InvalidRequestException`: the request is wrong.
pub fn invalid(message: impl Into<String>) -> Fault {
    let mut fault = Fault::client("InvalidRequestException", message);
    fault.members.push(("AthenaErrorCode", "INVALID_INPUT".to_owned()));
    fault
}

/// `TooManyRequestsException`: try again later.
pub fn throttled(message: impl Into<String>) -> Fault {
    let mut fault = Fault::client("TooManyRequestsException", message);
    fault.members.push(("Reason", "CONCURRENT_QUERY_LIMIT_EXCEEDED".to_owned()));
    fault
}

/// `MetadataException`: the catalog said no.
pub fn metadata(message: impl Into<String>) -> Fault {
    Fault::client("MetadataException", message)
}

/// A read of the store failed.
pub fn store(error: &StoreError) -> Fault {
    match error {
        StoreError::NoSuchLog(_) | StoreError::Corrupt(_) | StoreError::Io(_) | StoreError::Closed => {
            internal(error)
        }
    }
}

/// A commit failed.
pub fn commit(error: &CommitError) -> Fault {
    match error {
        CommitError::Full => throttled("the node has no space left; free some and try again"),
        CommitError::Busy => throttled("the node is behind; try again"),
        CommitError::TooLarge { .. } => invalid("the request is too large"),
        CommitError::Conflict(_) => throttled("the request collided with another; try again"),
        CommitError::NoSuchLog(_) | CommitError::Malformed(_) | CommitError::Closed => internal(error),
    }
}

/// The catalog refused.
pub fn catalog(error: &CatalogError) -> Fault {
    match error {
        CatalogError::NotFound(what) => metadata(format!("{what} not found")),
        CatalogError::Exists(_) | CatalogError::Changed(_) | CatalogError::Invalid(_) => {
            metadata(error.to_string())
        }
        CatalogError::Throttled(_) => throttled(error.to_string()),
        CatalogError::Store(inner) => store(inner),
        CatalogError::Commit(inner) => commit(inner),
    }
}

/// The objects refused something about the results at `location`.
pub fn object(error: &ObjectError, location: &str) -> Fault {
    match error {
        ObjectError::NoSuchBucket(name) => invalid(format!("Unable to verify/create output bucket {name}")),
        ObjectError::NoSuchKey(_) => invalid(format!("Could not find results at {location}")),
        ObjectError::Throttled(_) => throttled(error.to_string()),
        ObjectError::Store(inner) => store(inner),
        ObjectError::Commit(inner) => commit(inner),
        other => internal(other),
    }
}

fn internal(error: &(dyn std::error::Error + 'static)) -> Fault {
    tracing::error!(error = &*format!("{error:?}"), "an Athena request failed");
    Fault::server("InternalServerException", "the request failed inside the node; see its log")
}
