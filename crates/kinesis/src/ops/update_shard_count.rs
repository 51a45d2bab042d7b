//! UpdateShardCount: splits and merges until so many shards of the same size are open.

use headwater_streams::{SCALES_MAX, SHARDS_MAX, Stream, StreamError, StreamMode};
use headwater_wire::{Access, Context, Fault, Operation};

use crate::checks::Checks;
use crate::shapes::{UpdateShardCountInput, UpdateShardCountOutput};
use crate::{State, fault, target};

pub(crate) struct UpdateShardCount;

impl Operation<State> for UpdateShardCount {
    const NAME: &'static str = "UpdateShardCount";
    type Input = UpdateShardCountInput;
    type Output = UpdateShardCountOutput;

    fn access(_: &State, cx: &Context, input: &UpdateShardCountInput) -> Result<Access, Fault> {
        Ok(target::access("kinesis:UpdateShardCount", &target::of(cx, input)?))
    }

    async fn call(
        state: &State,
        cx: &Context,
        input: UpdateShardCountInput,
    ) -> Result<UpdateShardCountOutput, Fault> {
        let mut checks = Checks::new();
        checks.present("targetShardCount", input.target_shard_count.as_ref());
        checks.range("targetShardCount", input.target_shard_count, 1, i64::from(i32::MAX));
        checks.present("scalingType", input.scaling_type.as_ref());
        checks.one_of("scalingType", input.scaling_type.as_deref(), &["UNIFORM_SCALING"]);
        checks.finish()?;
        let key = target::of(cx, &input)?;
        let stream = state.stream(&key).await?;
        if stream.mode == StreamMode::OnDemand {
            return Err(fault::on_demand(&key));
        }
        let target = u32::try_from(input.target_shard_count.unwrap_or_default()).unwrap_or(u32::MAX);
        let scaled = state.streams.scale(&stream, target).await;
        let scaled = scaled.map_err(|error| refused(&stream, target, error))?;
        Ok(UpdateShardCountOutput {
            stream_name: key.name.as_str().to_owned(),
            current_shard_count: scaled.before,
            target_shard_count: scaled.target,
            stream_arn: key.arn().to_string(),
        })
    }
}

fn refused(stream: &Stream, target: u32, error: StreamError) -> Fault {
    let open = stream.open_shards().count();
    let (name, account) = (stream.key.name.as_str(), stream.key.scope.account);
    match error {
        StreamError::TooMany { limit, .. } if limit == SHARDS_MAX as usize => Fault::client(
            "LimitExceededException",
            format!(
                "Target shard count or number of open shards cannot be greater than {SHARDS_MAX}. Current open shard \
                 count: {open}, Target shard count: {target}"
            ),
        ),
        StreamError::TooMany { limit: SCALES_MAX, .. } => Fault::client(
            "LimitExceededException",
            format!(
                "The shard count of stream {name} under account {account} was changed {SCALES_MAX} times in the last \
                 24 hours, which is the most allowed."
            ),
        ),
        error => fault::of(&stream.key, error),
    }
}
