//! Streams, shards and records: the log that Kinesis, Kafka, Firehose and DMS share.
//!
//! A shard is a log of the store; a record is a record of a Kafka RecordBatch v2 (key = partition
//! key, value = data). A stream recreated under its old name is another incarnation.
//!
//! **Invariants.** A record that [`Streams::put`] placed is durable. Within a shard, records keep
//! the order of their puts. No shard, log or incarnation number is used twice. The open shards of a
//! stream tile the ring of hash keys in every committed state.
//!
//! **Failure.** A crash during a put leaves all of a part or nothing of it (a part is one commit;
//! puts up to 7 MiB are one part). A deletion ends with one commit: afterwards puts find no log and
//! fail.

mod account;
pub mod aggregate;
pub mod batch;
mod cache;
mod changes;
mod consumers;
mod engine;
mod error;
mod fanout;
mod lifecycle;
mod memory;
mod name;
mod policies;
mod put;
mod read;
mod records;
mod reshard;
mod retention;
mod sequence;
mod settings;
mod stream;
mod tags;
mod token;

pub use account::{Commitment, CommitmentStatus};
pub use consumers::{ADVANTAGE_CONSUMERS_MAX, CONSUMERS_MAX, Consumer, ConsumerError, consumer_arn};
pub use engine::Streams;
pub use error::StreamError;
pub use fanout::{
    EVENT_BYTES_MAX, FANOUT_BYTES_MAX, HEARTBEAT_EVERY, Pushed, RESUBSCRIBE_MIN, SCARCE_EVENT_BYTES_MAX,
    SUBSCRIPTION_LIFETIME, SUBSCRIPTIONS_MAX, Subscription,
};
pub use memory::Share;
pub use name::{ConsumerName, StreamKey, StreamName};
pub use policies::POLICY_BYTES_MAX;
pub use read::{ANSWERS_BYTES_MAX, PAGE_BYTES_MAX};
pub use reshard::{SCALES_MAX, Scaled};
pub use sequence::{SequenceNumber, SequenceText};
pub use stream::{
    Distribution, ENDED_MAX, Encryption, EndedShard, HashKey, Monitoring, NewRecord, NewStream, PartitionKey,
    Placed, RECORD_BYTES, RECORD_BYTES_MAX, RETENTION_MAX, RETENTION_MIN, SHARDS_MAX, Shard, ShardRead,
    Stream, StreamMode, StreamRecord, StreamStatus, TAGS_MAX,
};
