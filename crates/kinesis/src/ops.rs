//! The operations, one file each (those of one subject share one).

mod account_settings;
mod consumers;
mod create_stream;
mod delete_stream;
mod describe_limits;
mod describe_stream;
mod describe_stream_summary;
mod distribution_strategy;
mod enhanced_monitoring;
mod get_records;
mod get_shard_iterator;
mod list_shards;
mod list_stream_consumers;
mod list_streams;
mod merge_shards;
mod put_record;
mod put_records;
mod resource_policy;
mod retention;
mod split_shard;
mod stream_encryption;
mod subscribe_to_shard;
mod tags;
mod update_max_record_size;
mod update_shard_count;
mod update_stream_mode;
mod warm_throughput;

pub(crate) use account_settings::{DescribeAccountSettings, UpdateAccountSettings};
pub(crate) use consumers::{DeregisterStreamConsumer, DescribeStreamConsumer, RegisterStreamConsumer};
pub(crate) use create_stream::CreateStream;
pub(crate) use delete_stream::DeleteStream;
pub(crate) use describe_limits::DescribeLimits;
pub(crate) use describe_stream::DescribeStream;
pub(crate) use describe_stream_summary::DescribeStreamSummary;
pub(crate) use distribution_strategy::UpdateStreamRecordDistributionStrategy;
pub(crate) use enhanced_monitoring::{DisableEnhancedMonitoring, EnableEnhancedMonitoring};
pub(crate) use get_records::GetRecords;
pub(crate) use get_shard_iterator::GetShardIterator;
pub(crate) use list_shards::ListShards;
pub(crate) use list_stream_consumers::ListStreamConsumers;
pub(crate) use list_streams::ListStreams;
pub(crate) use merge_shards::MergeShards;
pub(crate) use put_record::PutRecord;
pub(crate) use put_records::PutRecords;
pub(crate) use resource_policy::{DeleteResourcePolicy, GetResourcePolicy, PutResourcePolicy};
pub(crate) use retention::{DecreaseStreamRetentionPeriod, IncreaseStreamRetentionPeriod};
pub(crate) use split_shard::SplitShard;
pub(crate) use stream_encryption::{StartStreamEncryption, StopStreamEncryption};
pub(crate) use subscribe_to_shard::SubscribeToShard;
pub(crate) use tags::{
    AddTagsToStream, ListTagsForResource, ListTagsForStream, RemoveTagsFromStream, TagResource, UntagResource,
};
pub(crate) use update_max_record_size::UpdateMaxRecordSize;
pub(crate) use update_shard_count::UpdateShardCount;
pub(crate) use update_stream_mode::UpdateStreamMode;
pub(crate) use warm_throughput::UpdateStreamWarmThroughput;

#[cfg(test)]
mod tests;
