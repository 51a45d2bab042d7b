//! DescribeStreamSummary: a stream without its shards.

use headwater_streams::StreamMode;
use headwater_wire::{Access, Context, EpochTime, Fault, Operation};

use crate::shapes::{DescribeStreamSummaryOutput, StreamDescriptionSummary, StreamInput};
use crate::{State, convert, fault, target};

pub(crate) struct DescribeStreamSummary;

impl Operation<State> for DescribeStreamSummary {
    const NAME: &'static str = "DescribeStreamSummary";
    type Input = StreamInput;
    type Output = DescribeStreamSummaryOutput;

    fn access(_: &State, cx: &Context, input: &StreamInput) -> Result<Access, Fault> {
        let key = target::of(cx, input)?;
        Ok(target::access("kinesis:DescribeStreamSummary", &key))
    }

    async fn call(
        state: &State,
        cx: &Context,
        input: StreamInput,
    ) -> Result<DescribeStreamSummaryOutput, Fault> {
        let key = target::of(cx, &input)?;
        let stream = state.streams.get(&key).await.map_err(|error| fault::of(&key, error))?;
        let consumers = state.streams.consumers(&stream).await.map_err(|error| fault::of(&key, error))?;
        let consumer_count = consumers.len();
        let (encryption_type, key_id) = convert::encryption(&stream);
        let summary = StreamDescriptionSummary {
            stream_name: key.name.as_str().to_owned(),
            stream_arn: key.arn().to_string(),
            stream_status: convert::status(state.streams.status(&key)),
            stream_mode_details: convert::mode(stream.mode),
            retention_period_hours: convert::retention_hours(&stream),
            stream_creation_timestamp: EpochTime(stream.created),
            enhanced_monitoring: convert::monitoring(&stream),
            encryption_type,
            key_id,
            open_shard_count: stream.open_shards().count(),
            consumer_count,
            warm_throughput: convert::warm_throughput(&stream),
            max_record_size_in_kib: stream.record_bytes_max / 1024,
            record_distribution_strategy: (stream.mode == StreamMode::OnDemand)
                .then(|| convert::distribution(stream.distribution)),
        };
        Ok(DescribeStreamSummaryOutput { stream_description_summary: summary })
    }
}
