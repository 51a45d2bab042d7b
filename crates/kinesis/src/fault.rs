//! Engine errors as the service's codes and messages.

use headwater_base::AccountId;
use headwater_streams::{ConsumerError, StreamError, StreamKey};
use headwater_wire::Fault;

/// The fault of an engine error about the stream `key`.
pub(crate) fn of(key: &StreamKey, error: StreamError) -> Fault {
    let (name, account) = (key.name.as_str(), key.scope.account);
    match error {
        StreamError::NoSuchStream(key) => no_such_stream(key.name.as_str(), key.scope.account),
        StreamError::Exists(_) => Fault::client(
            "ResourceInUseException",
            format!("Stream {name} under account {account} already exists."),
        ),
        StreamError::NotActive(_) => Fault::client(
            "ResourceInUseException",
            format!("Stream {name} under account {account} is being changed by another request. Try again."),
        ),
        StreamError::OffsetOutOfRange(_) => invalid("Invalid ShardIterator."),
        StreamError::Invalid(message) => invalid(message),
        StreamError::TooMany { what, limit } => {
            Fault::client("LimitExceededException", format!("There may be at most {limit} {what}."))
        }
        StreamError::Throttled(_) | StreamError::Full => {
            Fault::client(THROTTLED, throttled_message(key, matches!(error, StreamError::Full)))
        }
        StreamError::Gone => no_such_stream(name, account),
        error @ (StreamError::Store(_) | StreamError::Commit(_)) => internal(&error),
    }
}

/// The code and message of one record that was not put.
pub(crate) fn of_record(key: &StreamKey, error: StreamError) -> (String, String) {
    let fault = of(key, error);
    if fault.status >= 500 {
        (INTERNAL.to_owned(), "Internal Service Failure".to_owned())
    } else {
        (fault.code.into_owned(), fault.message)
    }
}

/// The fault of an engine error about a consumer of the stream `key`.
pub(crate) fn of_consumer(key: &StreamKey, consumer: &str, error: ConsumerError) -> Fault {
    let (name, account) = (key.name.as_str(), key.scope.account);
    match error {
        ConsumerError::NoSuchConsumer => no_such_consumer(consumer, account),
        ConsumerError::Exists => {
            in_use(format!("Consumer {consumer} under stream {name} already exists for account {account}."))
        }
        ConsumerError::HasConsumers => in_use(format!(
            "Stream {name} under account {account} has registered consumers. Deregister them, or set \
             EnforceConsumerDeletion."
        )),
        ConsumerError::InUse => in_use(format!(
            "Another active subscription exists for this consumer: {account}:{name}:{consumer}"
        )),
        ConsumerError::TooMany { what, limit } => of(key, StreamError::TooMany { what, limit }),
        ConsumerError::Stream(error) => of(key, error),
    }
}

/// The fault of an engine error about a consumer's subscription to a shard.
pub(crate) fn of_subscription(key: &StreamKey, consumer: &str, shard: &str, error: ConsumerError) -> Fault {
    match error {
        ConsumerError::InUse => {
            let fault = of_consumer(key, consumer, error);
            Fault { message: format!("{}:{shard}", fault.message), ..fault }
        }
        error => of_consumer(key, consumer, error),
    }
}

/// A fault as the last message of a stream of events, where a failure of the node has another name.
pub(crate) fn in_events(fault: Fault) -> Fault {
    if fault.status < 500 {
        return fault;
    }
    Fault { code: "InternalFailureException".into(), ..fault }
}

pub(crate) fn no_such_consumer(consumer: &str, account: AccountId) -> Fault {
    Fault::client("ResourceNotFoundException", format!("Consumer {consumer}, account {account} not found."))
}

fn in_use(message: String) -> Fault {
    Fault::client("ResourceInUseException", message)
}

/// A parameter that makes no sense.
pub(crate) fn invalid(message: impl Into<String>) -> Fault {
    Fault::client("InvalidArgumentException", message)
}

pub(crate) fn no_such_stream(name: &str, account: AccountId) -> Fault {
    Fault::client("ResourceNotFoundException", format!("Stream {name} under account {account} not found."))
}

pub(crate) fn no_such_shard(shard: &str, name: &str, account: AccountId) -> Fault {
    let message = format!("Shard {shard} in stream {name} under account {account} does not exist");
    Fault::client("ResourceNotFoundException", message)
}

/// The answer to a request that only asked whether it would succeed.
pub(crate) fn dry_run() -> Fault {
    Fault::client("DryRunOperationException", "The request would have succeeded, but the DryRun flag is set.")
}

const THROTTLED: &str = "ProvisionedThroughputExceededException";
const INTERNAL: &str = "InternalFailure";

fn throttled_message(key: &StreamKey, full: bool) -> String {
    let (name, account) = (key.name.as_str(), key.scope.account);
    if full {
        return format!(
            "The node's disk has no room for new records in stream {name} under account {account}."
        );
    }
    format!(
        "Rate exceeded for stream {name} under account {account}: more data waits to be stored than allowed."
    )
}

/// The client learns that it was not its fault; the log learns why.
pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Fault {
    tracing::error!(error, "kinesis request failed");
    Fault::server(INTERNAL, "The request failed because of an internal error of the node.")
}

#[cfg(test)]
mod tests {
    use headwater_base::Scope;
    use headwater_store::{CommitError, StoreError};
    use headwater_streams::StreamName;

    use super::*;

    #[test]
    fn every_error_has_its_code() {
        let scope = Scope::new("000000000042".parse().unwrap(), "eu-west-1".parse().unwrap());
        let key = StreamKey { scope, name: StreamName::new("orders").unwrap() };
        let cases = [
            (StreamError::NoSuchStream(key.clone()), "ResourceNotFoundException", 400),
            (StreamError::Exists(key.clone()), "ResourceInUseException", 400),
            (StreamError::NotActive(key.clone()), "ResourceInUseException", 400),
            (StreamError::OffsetOutOfRange(7), "InvalidArgumentException", 400),
            (StreamError::Invalid("no".to_owned()), "InvalidArgumentException", 400),
            (StreamError::TooMany { what: "tags", limit: 1 }, "LimitExceededException", 400),
            (StreamError::Throttled("behind"), THROTTLED, 400),
            (StreamError::Full, THROTTLED, 400),
            (StreamError::Gone, "ResourceNotFoundException", 400),
            (StreamError::Store(StoreError::Io("x".to_owned())), INTERNAL, 500),
            (StreamError::Commit(CommitError::Closed), INTERNAL, 500),
        ];
        for (error, code, status) in cases {
            let fault = of(&key, error.clone());
            assert_eq!((fault.code.as_ref(), fault.status), (code, status), "{error:?}");
        }
        let missing = of(&key, StreamError::NoSuchStream(key.clone()));
        assert_eq!(missing.message, "Stream orders under account 000000000042 not found.");
        assert!(of(&key, StreamError::Full).message.contains("disk"));
    }
}
