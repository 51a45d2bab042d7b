//! How inputs name a stream or a resource, so that one place reads it from all of them.

use super::*;

/// The three members by which an input names a stream.
pub(crate) trait NamesStream {
    fn stream_name(&self) -> Option<&str>;
    fn stream_arn(&self) -> Option<&str>;
    fn stream_id(&self) -> Option<&str>;
}

macro_rules! names_stream {
    (by name or ARN: $($by_either:ty),+; by ARN: $($by_arn:ty),+) => {
        $(impl NamesStream for $by_either {
            fn stream_name(&self) -> Option<&str> {
                self.stream_name.as_deref()
            }
            fn stream_arn(&self) -> Option<&str> {
                self.stream_arn.as_deref()
            }
            fn stream_id(&self) -> Option<&str> {
                self.stream_id.as_deref()
            }
        })+
        $(impl NamesStream for $by_arn {
            fn stream_name(&self) -> Option<&str> {
                None
            }
            fn stream_arn(&self) -> Option<&str> {
                self.stream_arn.as_deref()
            }
            fn stream_id(&self) -> Option<&str> {
                self.stream_id.as_deref()
            }
        })+
    };
}

names_stream! {
    by name or ARN: StreamInput, DeleteStreamInput, DescribeStreamInput, ListShardsInput, PutRecordInput, PutRecordsInput,
        GetShardIteratorInput, RetentionInput, AddTagsToStreamInput, RemoveTagsFromStreamInput,
        ListTagsForStreamInput, SplitShardInput, MergeShardsInput, UpdateShardCountInput, MonitoringInput,
        EncryptionInput, UpdateWarmThroughputInput;
    by ARN: UpdateStreamModeInput, UpdateMaxRecordSizeInput, UpdateDistributionInput
}

/// The members by which an input names a stream or what belongs to one.
pub(crate) trait NamesResource {
    fn resource_arn(&self) -> Option<&str>;
    fn stream_id(&self) -> Option<&str>;
}

macro_rules! names_resource {
    ($($input:ty),+) => {
        $(impl NamesResource for $input {
            fn resource_arn(&self) -> Option<&str> {
                self.resource_arn.as_deref()
            }
            fn stream_id(&self) -> Option<&str> {
                self.stream_id.as_deref()
            }
        })+
    };
}

names_resource! {
    TagResourceInput, UntagResourceInput, ListTagsForResourceInput, PutResourcePolicyInput, ResourcePolicyInput
}
