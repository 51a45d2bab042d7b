//! CreateStream: the stream is ACTIVE when this answers.

use headwater_streams::{Distribution, NewStream, RECORD_BYTES, SHARDS_MAX, StreamKey, StreamMode};
use headwater_wire::{Access, Context, Fault, Operation};

use super::{distribution_strategy, warm_throughput};
use crate::checks::Checks;
use crate::shapes::{CreateStreamInput, Nothing};
use crate::{State, convert, fault, target};

/// Open shards of a new on-demand stream, as AWS creates them.
const ON_DEMAND_SHARDS: u32 = 4;

pub(crate) struct CreateStream;

impl Operation<State> for CreateStream {
    const NAME: &'static str = "CreateStream";
    type Input = CreateStreamInput;
    type Output = Nothing;

    fn access(_: &State, cx: &Context, input: &CreateStreamInput) -> Result<Access, Fault> {
        Ok(target::access("kinesis:CreateStream", &key(cx, input)?))
    }

    async fn call(state: &State, cx: &Context, input: CreateStreamInput) -> Result<Nothing, Fault> {
        let key = key(cx, &input)?;
        let new = new_stream(input)?;
        state.streams.create(&key, new).await.map_err(|error| fault::of(&key, error))?;
        Ok(Nothing {})
    }
}

fn key(cx: &Context, input: &CreateStreamInput) -> Result<StreamKey, Fault> {
    let mut checks = Checks::new();
    checks.present("streamName", input.stream_name.as_ref());
    checks.finish()?;
    target::stream(cx, input.stream_name.as_deref(), None)
}

fn new_stream(input: CreateStreamInput) -> Result<NewStream, Fault> {
    let mode = input.stream_mode_details.as_ref().and_then(|details| details.stream_mode.as_deref());
    let mut checks = Checks::new();
    checks.range("shardCount", input.shard_count, 1, i64::from(i32::MAX));
    if input.stream_mode_details.is_some() {
        checks.present("streamModeDetails.streamMode", mode.as_ref());
    }
    checks.one_of("streamModeDetails.streamMode", mode, &["PROVISIONED", "ON_DEMAND"]);
    checks.range("maxRecordSizeInKiB", input.max_record_size_in_kib, 1024, 10240);
    checks.range("warmThroughputMiBps", input.warm_throughput_mibps, 0, i64::from(i32::MAX));
    let strategy = input.record_distribution_strategy.as_deref();
    checks.one_of("recordDistributionStrategy", strategy, &distribution_strategy::STRATEGIES);
    checks.count("tags", input.tags.as_ref().map(|tags| tags.len()), 1, 200);
    checks.tags("tags", input.tags.iter().flatten());
    checks.finish()?;
    let mode = if mode == Some("ON_DEMAND") { StreamMode::OnDemand } else { StreamMode::Provisioned };
    let shards = match (mode, input.shard_count) {
        (StreamMode::Provisioned, Some(shards)) => u32::try_from(shards).unwrap_or(u32::MAX),
        (StreamMode::Provisioned, None) => {
            return Err(fault::invalid("ShardCount must be provided for a stream in PROVISIONED mode."));
        }
        (StreamMode::OnDemand, None) => ON_DEMAND_SHARDS,
        (StreamMode::OnDemand, Some(_)) => {
            return Err(fault::invalid("ShardCount must not be provided for a stream in ON_DEMAND mode."));
        }
    };
    if shards > SHARDS_MAX {
        let message = format!("A stream may have at most {SHARDS_MAX} shards; {shards} were asked for.");
        return Err(Fault::client("LimitExceededException", message));
    }
    let distribution = distribution_strategy::of(strategy);
    if mode == StreamMode::Provisioned && input.warm_throughput_mibps.is_some() {
        return Err(fault::warm_when_provisioned());
    }
    if mode == StreamMode::Provisioned && distribution == Distribution::Auto {
        return Err(fault::auto_when_provisioned());
    }
    let kib = input.max_record_size_in_kib.map(|kib| kib as usize);
    let warm_mib = input.warm_throughput_mibps.map(warm_throughput::check).transpose()?;
    Ok(NewStream {
        mode,
        tags: convert::tags(input.tags)?,
        record_bytes_max: kib.map_or(RECORD_BYTES, |kib| kib * 1024),
        distribution,
        warm_mib,
        ..NewStream::of_shards(shards)
    })
}
