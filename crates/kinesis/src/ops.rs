//! The operations, one file each (those of one subject share one).

mod consumers;
mod create_stream;
mod delete_stream;
mod describe_limits;
mod describe_stream;
mod describe_stream_summary;
mod get_records;
mod get_shard_iterator;
mod list_shards;
mod list_stream_consumers;
mod list_streams;
mod put_record;
mod put_records;
mod retention;
mod subscribe_to_shard;
mod tags;

pub(crate) use consumers::{DeregisterStreamConsumer, DescribeStreamConsumer, RegisterStreamConsumer};
pub(crate) use create_stream::CreateStream;
pub(crate) use delete_stream::DeleteStream;
pub(crate) use describe_limits::DescribeLimits;
pub(crate) use describe_stream::DescribeStream;
pub(crate) use describe_stream_summary::DescribeStreamSummary;
pub(crate) use get_records::GetRecords;
pub(crate) use get_shard_iterator::GetShardIterator;
pub(crate) use list_shards::ListShards;
pub(crate) use list_stream_consumers::ListStreamConsumers;
pub(crate) use list_streams::ListStreams;
pub(crate) use put_record::PutRecord;
pub(crate) use put_records::PutRecords;
pub(crate) use retention::{DecreaseStreamRetentionPeriod, IncreaseStreamRetentionPeriod};
pub(crate) use subscribe_to_shard::SubscribeToShard;
pub(crate) use tags::{
    AddTagsToStream, ListTagsForResource, ListTagsForStream, RemoveTagsFromStream, TagResource, UntagResource,
};
