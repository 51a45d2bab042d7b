//! DescribeStream: a stream with a page of its shards.

use headwater_streams::{Stream, StreamStatus};
use headwater_wire::{Access, Context, EpochTime, Fault, Operation};

use crate::checks::Checks;
use crate::shapes::{DescribeStreamInput, DescribeStreamOutput, StreamDescription};
use crate::{State, convert, fault, target};

/// The most shards one answer holds; a higher limit is taken as this.
const PAGE_MAX: usize = 100;

pub(crate) struct DescribeStream;

impl Operation<State> for DescribeStream {
    const NAME: &'static str = "DescribeStream";
    type Input = DescribeStreamInput;
    type Output = DescribeStreamOutput;

    fn access(_: &State, cx: &Context, input: &DescribeStreamInput) -> Result<Access, Fault> {
        let key = target::of(cx, input)?;
        Ok(target::access("kinesis:DescribeStream", &key))
    }

    async fn call(
        state: &State,
        cx: &Context,
        input: DescribeStreamInput,
    ) -> Result<DescribeStreamOutput, Fault> {
        let mut checks = Checks::new();
        checks.range("limit", input.limit, 1, 10_000);
        checks.shard_id("exclusiveStartShardId", input.exclusive_start_shard_id.as_deref());
        checks.finish()?;
        let key = target::of(cx, &input)?;
        let stream = state.streams.get(&key).await.map_err(|error| fault::of(&key, error))?;
        let limit = input.limit.map_or(PAGE_MAX, |limit| (limit as usize).min(PAGE_MAX));
        let after =
            input.exclusive_start_shard_id.as_deref().map(|id| shard_after(&stream, id)).transpose()?;
        Ok(DescribeStreamOutput {
            stream_description: describe(&stream, state.streams.status(&key), after, limit),
        })
    }
}

fn shard_after(stream: &Stream, id: &str) -> Result<u32, Fault> {
    let refuse = || {
        let (name, account) = (stream.key.name.as_str(), stream.key.scope.account);
        fault::no_such_shard(id, name, account)
    };
    convert::shard_index(id).ok_or_else(refuse)
}

fn describe(stream: &Stream, now: StreamStatus, after: Option<u32>, limit: usize) -> StreamDescription {
    let later = |index: u32| after.is_none_or(|after| index > after);
    let mut shards = stream.shards.iter().filter(|shard| later(shard.index));
    let page = shards.by_ref().take(limit).map(convert::shard).collect();
    let (encryption_type, key_id) = convert::encryption(stream);
    StreamDescription {
        stream_name: stream.key.name.as_str().to_owned(),
        stream_arn: stream.key.arn().to_string(),
        stream_status: convert::status(now),
        stream_mode_details: convert::mode(stream.mode),
        shards: page,
        has_more_shards: shards.next().is_some(),
        retention_period_hours: convert::retention_hours(stream),
        stream_creation_timestamp: EpochTime(stream.created),
        enhanced_monitoring: convert::monitoring(stream),
        encryption_type,
        key_id,
    }
}
