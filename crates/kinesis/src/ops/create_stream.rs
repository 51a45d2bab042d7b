//! CreateStream: the stream is ACTIVE when this answers.

use headwater_streams::{NewStream, RETENTION_MIN, SHARDS_MAX, StreamKey, StreamMode};
use headwater_wire::{Access, Context, Fault, Operation};

use crate::checks::Checks;
use crate::shapes::{CreateStreamInput, Nothing};
use crate::{State, fault, target};

/// Open shards of a new on-demand stream, as AWS creates them.
const ON_DEMAND_SHARDS: u32 = 4;

/// The only record size this node knows, in KiB.
const MAX_RECORD_KIB: i64 = 1024;

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
    checks.count("tags", input.tags.as_ref().map(|tags| tags.len()), 1, 200);
    checks.tags("tags", input.tags.iter().flatten());
    checks.finish()?;
    refuse_unsupported(&input)?;
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
    let tags =
        input.tags.unwrap_or_default().into_iter().map(|(key, value)| (key, value.unwrap_or_default()));
    Ok(NewStream { shards, mode, retention: RETENTION_MIN, tags: tags.collect() })
}

fn refuse_unsupported(input: &CreateStreamInput) -> Result<(), Fault> {
    if input.max_record_size_in_kib.is_some_and(|kib| kib > MAX_RECORD_KIB) {
        return Err(fault::invalid("Records larger than 1 MiB are not supported on this node."));
    }
    if input.record_distribution_strategy.as_deref().is_some_and(|strategy| strategy != "USER_PARTITION_KEY")
    {
        return Err(fault::invalid("This node distributes records by USER_PARTITION_KEY only."));
    }
    Ok(())
}
