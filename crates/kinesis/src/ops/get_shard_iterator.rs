//! GetShardIterator: where reading a shard begins, fixed at the time of the call.

use headwater_wire::{Access, Context, EpochTime, Fault, Operation};

use crate::checks::Checks;
use crate::cursor::Cursor;
use crate::shapes::{GetShardIteratorInput, GetShardIteratorOutput};
use crate::start::Start;
use crate::{State, convert, fault, start, target};

pub(crate) struct GetShardIterator;

impl Operation<State> for GetShardIterator {
    const NAME: &'static str = "GetShardIterator";
    type Input = GetShardIteratorInput;
    type Output = GetShardIteratorOutput;

    fn access(_: &State, cx: &Context, input: &GetShardIteratorInput) -> Result<Access, Fault> {
        let key = target::of(cx, input)?;
        Ok(target::access("kinesis:GetShardIterator", &key))
    }

    async fn call(
        state: &State,
        cx: &Context,
        input: GetShardIteratorInput,
    ) -> Result<GetShardIteratorOutput, Fault> {
        check(&input)?;
        let key = target::of(cx, &input)?;
        let stream = state.streams.get(&key).await.map_err(|error| fault::of(&key, error))?;
        let id = input.shard_id.as_deref().unwrap_or_default();
        let shard = convert::shard_index(id).and_then(|index| stream.shard(index));
        let shard = shard.ok_or_else(|| fault::no_such_shard(id, key.name.as_str(), key.scope.account))?;
        let start = Start {
            operation: Self::NAME,
            now: cx.time,
            stream: &stream,
            shard,
            kind: input.shard_iterator_type.as_deref().unwrap_or_default(),
            number: input.starting_sequence_number.as_deref(),
            time: input.timestamp.map(|EpochTime(time)| time),
        };
        let offset = start.offset(&state.streams).await?;
        if input.dry_run == Some(true) {
            return Err(fault::dry_run());
        }
        let shard_iterator = Cursor::at(cx, &stream, shard, offset).seal(&state.streams, cx).await?;
        Ok(GetShardIteratorOutput { shard_iterator })
    }
}

fn check(input: &GetShardIteratorInput) -> Result<(), Fault> {
    let mut checks = Checks::new();
    checks.present("shardId", input.shard_id.as_ref());
    checks.shard_id("shardId", input.shard_id.as_deref());
    checks.present("shardIteratorType", input.shard_iterator_type.as_ref());
    checks.one_of("shardIteratorType", input.shard_iterator_type.as_deref(), &start::TYPES);
    checks.sequence_number("startingSequenceNumber", input.starting_sequence_number.as_deref());
    checks.finish()
}
