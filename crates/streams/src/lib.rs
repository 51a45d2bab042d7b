//! Streams, shards and records: the log that Kinesis, Kafka, Firehose and DMS share.
//!
//! A shard is a log of the store; a record is a record of a Kafka RecordBatch v2 (key = partition
//! key, value = data). A stream recreated under its old name is another incarnation.

pub mod batch;
mod engine;

pub use engine::{
    Encryption, HashKey, NewRecord, NewStream, Placed, Shard, ShardRead, Stream, StreamError, StreamKey, StreamMode,
    StreamName, StreamRecord, StreamStatus, Streams,
};
