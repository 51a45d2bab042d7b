//! Engine errors as the service's codes and messages.

use headwater_base::AccountId;
use headwater_streams::{ConsumerError, Shard, StreamError, StreamKey};
use headwater_wire::Fault;

use crate::convert;

/// The fault of an engine error about the stream `key`.
pub(crate) fn of(key: &StreamKey, error: StreamError) -> Fault {
    let (name, account) = (key.name.as_str(), key.scope.account);
    match error {
        StreamError::NoSuchStream(key) => no_such_stream(key.name.as_str(), key.scope.account),
        StreamError::Exists(_) => Fault::client(
            "ResourceInUseException",
            format!("Stream {name} under account {account} already exists."),
        ),
        StreamError::NotActive(_, status) => {
            let status = convert::status(status);
            Fault::client(
                "ResourceInUseException",
                format!("Stream {name} under account {account} not ACTIVE, instead in state {status}"),
            )
        }
        StreamError::NoSuchShard(index) => could_not_find(&convert::shard_id(index), key),
        StreamError::ShardClosed(index) => invalid(format!(
            "Shard {} in stream {name} under account {account} has already been merged or split, and thus is not \
             eligible for merging or splitting.",
            convert::shard_id(index)
        )),
        StreamError::NotAdjacent(first, second) => invalid(format!(
            "Shards {} and {} in stream {name} under account {account} are not an adjacent pair of shards eligible \
             for merging",
            convert::shard_id(first),
            convert::shard_id(second)
        )),
        StreamError::BadSplit(shard, at) => bad_split(key, &shard, &at.0.to_string()),
        StreamError::ScaledTooFar { open, target } => {
            let how = if target > open { "up over double" } else { "down below half" };
            Fault::client(
                "LimitExceededException",
                format!(
                    "UpdateShardCount cannot scale {how} your current open shard count. Current open shard count: \
                     {open}, Target shard count: {target}"
                ),
            )
        }
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
    in_record(of(key, error))
}

/// The code and message of a fault as a record's outcome tells it.
pub(crate) fn in_record(fault: Fault) -> (String, String) {
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

/// A shard to split or merge that is not there.
pub(crate) fn could_not_find(shard: &str, key: &StreamKey) -> Fault {
    let (name, account) = (key.name.as_str(), key.scope.account);
    let message = format!("Could not find shard {shard} in stream {name} under account {account}.");
    Fault::client("ResourceNotFoundException", message)
}

/// A hash key at which a shard can't be split.
pub(crate) fn bad_split(key: &StreamKey, shard: &Shard, at: &str) -> Fault {
    invalid(format!(
        "NewStartingHashKey {at} used in SplitShard() on shard {} in stream {} under account {} is not both greater \
         than one plus the shard's StartingHashKey {} and less than the shard's EndingHashKey {}.",
        shard.id(),
        key.name.as_str(),
        key.scope.account,
        shard.hash_first.0,
        shard.hash_last.0
    ))
}

/// A change that is for the other kind of stream.
pub(crate) fn on_demand(key: &StreamKey) -> Fault {
    let (name, account) = (key.name.as_str(), key.scope.account);
    let message = format!("Request is invalid. Stream {name} under account {account} is in On-Demand mode.");
    Fault::client("ValidationException", message)
}

/// Warm throughput belongs to streams on demand.
pub(crate) fn warm_when_provisioned() -> Fault {
    invalid("Warm throughput is only supported for streams in ON_DEMAND mode.")
}

/// Even distribution belongs to streams on demand.
pub(crate) fn auto_when_provisioned() -> Fault {
    invalid("The AUTO record distribution strategy is only supported for streams in ON_DEMAND mode.")
}

/// The answer to a request that only asked whether it would succeed.
pub(crate) fn dry_run() -> Fault {
    Fault::client("DryRunOperationException", "The request would have succeeded, but the DryRun flag is set.")
}

/// A shard that has taken or given all that its stream's limits allow for now.
pub(crate) fn rate_exceeded(key: &StreamKey, shard: &Shard) -> Fault {
    let (name, account) = (key.name.as_str(), key.scope.account);
    let message = format!("Rate exceeded for shard {} in stream {name} under account {account}.", shard.id());
    Fault::client(THROTTLED, message)
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
    use headwater_streams::{StreamName, StreamStatus};

    use super::*;

    #[test]
    fn every_error_has_its_code() {
        let scope = Scope::new("000000000042".parse().unwrap(), "eu-west-1".parse().unwrap());
        let key = StreamKey { scope, name: StreamName::new("orders").unwrap() };
        let cases = [
            (StreamError::NoSuchStream(key.clone()), "ResourceNotFoundException", 400),
            (StreamError::Exists(key.clone()), "ResourceInUseException", 400),
            (StreamError::NotActive(key.clone(), StreamStatus::Updating), "ResourceInUseException", 400),
            (StreamError::NoSuchShard(7), "ResourceNotFoundException", 400),
            (StreamError::ShardClosed(7), "InvalidArgumentException", 400),
            (StreamError::NotAdjacent(7, 8), "InvalidArgumentException", 400),
            (StreamError::ScaledTooFar { open: 1, target: 3 }, "LimitExceededException", 400),
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
