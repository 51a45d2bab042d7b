//! Engine errors as the service's codes and messages.

use headwater_catalog::CatalogError;
use headwater_store::{CommitError, StoreError};
use headwater_wire::Fault;

/// The fault of a catalog error.
pub(crate) fn of(error: CatalogError) -> Fault {
    match error {
        CatalogError::NotFound(what) => not_found(&format!("{what} not found.")),
        CatalogError::Exists(what) => exists(&format!("{what} already exists.")),
        CatalogError::Changed(what) => changed(&what),
        CatalogError::Invalid(message) => invalid(message),
        CatalogError::Throttled(why) => throttled(why),
        error @ (CatalogError::Store(_) | CatalogError::Commit(_)) => internal(&error),
    }
}

/// The fault of a failed read.
pub(crate) fn of_store(error: StoreError) -> Fault {
    internal(&error)
}

/// The fault of a commit that did not happen; a conflict means that `what` was changed meanwhile.
pub(crate) fn of_commit(error: CommitError, what: &str) -> Fault {
    match error {
        CommitError::Conflict(_) => changed(what),
        CommitError::Full => throttled("no space left for new data"),
        CommitError::Busy => throttled("the store is behind"),
        CommitError::TooLarge { size, limit } => {
            invalid(format!("{what} is too large: {size} of at most {limit} bytes"))
        }
        error @ (CommitError::NoSuchLog(_) | CommitError::Malformed(_) | CommitError::Closed) => {
            internal(&error)
        }
    }
}

pub(crate) fn not_found(message: &str) -> Fault {
    Fault::client("EntityNotFoundException", message)
}

pub(crate) fn exists(message: &str) -> Fault {
    Fault::client("AlreadyExistsException", message)
}

pub(crate) fn invalid(message: impl Into<String>) -> Fault {
    Fault::client("InvalidInputException", message)
}

fn changed(what: &str) -> Fault {
    Fault::client(
        "ConcurrentModificationException",
        format!("{what} was changed by another request. Try again."),
    )
}

fn throttled(why: &str) -> Fault {
    Fault::client("ThrottlingException", format!("The node can't take more now: {why}. Try again."))
}

/// The client learns that it was not its fault; the log learns why.
pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Fault {
    tracing::error!(error, "glue request failed");
    Fault::server("InternalServiceException", "The request failed because of an internal error of the node.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_its_code() {
        let cases = [
            (CatalogError::NotFound("Table t".into()), "EntityNotFoundException", "Table t not found.", 400),
            (
                CatalogError::Exists("Table t".into()),
                "AlreadyExistsException",
                "Table t already exists.",
                400,
            ),
            (
                CatalogError::Changed("Table t".into()),
                "ConcurrentModificationException",
                "Table t was changed",
                400,
            ),
            (CatalogError::Invalid("no".into()), "InvalidInputException", "no", 400),
            (CatalogError::Throttled("full"), "ThrottlingException", "full", 400),
            (CatalogError::Store(StoreError::Closed), "InternalServiceException", "internal error", 500),
            (CatalogError::Commit(CommitError::Closed), "InternalServiceException", "internal error", 500),
        ];
        for (error, code, message, status) in cases {
            let fault = of(error);
            assert_eq!((fault.code.as_ref(), fault.status), (code, status));
            assert!(fault.message.contains(message), "{}", fault.message);
        }
        assert_eq!(of_commit(CommitError::Full, "Job j").code, "ThrottlingException");
        assert_eq!(
            of_commit(CommitError::TooLarge { size: 2, limit: 1 }, "Job j").code,
            "InvalidInputException"
        );
    }
}
