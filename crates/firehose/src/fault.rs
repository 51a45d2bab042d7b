//! Engine errors as the service's codes and messages.

use headwater_base::AccountId;
use headwater_delivery::DeliveryError;
use headwater_wire::Fault;

/// The fault of an engine error in an account.
pub(crate) fn of(account: AccountId, error: DeliveryError) -> Fault {
    match error {
        DeliveryError::NoSuchDelivery(name) => Fault::client(
            "ResourceNotFoundException",
            format!("Firehose {name} under account {account} not found."),
        ),
        DeliveryError::Exists(name) => Fault::client(
            "ResourceInUseException",
            format!("Firehose {name} under accountId {account} already exists"),
        ),
        DeliveryError::NoSuchStream(name) => {
            invalid(format!("Stream {name} under account {account} not found, or not active."))
        }
        DeliveryError::NotDirectPut(_) => {
            invalid("This operation is not permitted on KinesisStreamAsSource delivery stream type.")
        }
        DeliveryError::Changed { current } => Fault::client(
            "ConcurrentModificationException",
            format!("Version id does not match the delivery stream's current version id {current}."),
        ),
        DeliveryError::Invalid(message) => invalid(message),
        DeliveryError::Throttled(_) => {
            Fault::server("ServiceUnavailableException", "Slow down.").with_status(503)
        }
        error @ (DeliveryError::Unreadable(_)
        | DeliveryError::Store(_)
        | DeliveryError::Commit(_)
        | DeliveryError::Stream(_)) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(%error, cause, "an operation on delivery streams failed");
            Fault::server("InternalFailure", "The request processing has failed because of an unknown error.")
        }
    }
}

/// A parameter that makes no sense, or asks for what this node does not do.
pub(crate) fn invalid(message: impl Into<String>) -> Fault {
    Fault::client("InvalidArgumentException", message)
}

/// A feature of the service that this node does not have.
pub(crate) fn unsupported(what: &str) -> Fault {
    invalid(format!("{what} is not supported by this node."))
}
