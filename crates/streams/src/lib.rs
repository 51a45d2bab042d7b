//! Streams, shards and records: the log that Kinesis, Kafka, Firehose and DMS share.
//!
//! A shard is a log of the store; a record is a record of a Kafka RecordBatch v2 (key = partition
//! key, value = data). A stream recreated under its old name is another incarnation.
//!
//! **Invariants.** A record that [`Streams::put`] placed is durable. Within a shard, records keep
//! the order of their puts. No shard, log or incarnation number is used twice.
//!
//! **Failure.** A crash during a put leaves all of a part or nothing of it (a part is one commit;
//! puts up to 7 MiB are one part). A deletion is one commit: afterwards puts find no log and fail.

pub mod aggregate;
pub mod batch;
mod cache;
mod consumers;
mod engine;
mod error;
mod fanout;
mod lifecycle;
mod name;
mod put;
mod read;
mod records;
mod retention;
mod stream;
mod tags;
mod token;

pub use consumers::{CONSUMERS_MAX, Consumer, ConsumerError, consumer_arn};
pub use engine::Streams;
pub use error::StreamError;
pub use fanout::{
    EVENT_BYTES_MAX, FANOUT_BYTES_MAX, HEARTBEAT_EVERY, Pushed, RESUBSCRIBE_MIN, SCARCE_EVENT_BYTES_MAX,
    SUBSCRIPTION_LIFETIME, SUBSCRIPTIONS_MAX, Share, Subscription,
};
pub use name::{ConsumerName, StreamKey, StreamName};
pub use stream::{
    Encryption, HashKey, NewRecord, NewStream, PartitionKey, Placed, RETENTION_MAX, RETENTION_MIN,
    SHARDS_MAX, Shard, ShardRead, Stream, StreamMode, StreamRecord, StreamStatus, TAGS_MAX,
};
