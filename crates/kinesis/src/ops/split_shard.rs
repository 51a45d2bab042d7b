//! SplitShard: a shard closes and two children take its range.

use headwater_streams::{HashKey, StreamMode};
use headwater_wire::{Access, Context, Fault, Operation};

use crate::checks::Checks;
use crate::shapes::{Nothing, SplitShardInput};
use crate::{State, convert, fault, target};

pub(crate) struct SplitShard;

impl Operation<State> for SplitShard {
    const NAME: &'static str = "SplitShard";
    type Input = SplitShardInput;
    type Output = Nothing;

    fn access(_: &State, cx: &Context, input: &SplitShardInput) -> Result<Access, Fault> {
        Ok(target::access("kinesis:SplitShard", &target::of(cx, input)?))
    }

    async fn call(state: &State, cx: &Context, input: SplitShardInput) -> Result<Nothing, Fault> {
        let at = check(&input)?;
        let key = target::of(cx, &input)?;
        let id = input.shard_to_split.as_deref().unwrap_or_default();
        let index = convert::shard_index(id).ok_or_else(|| fault::could_not_find(id, &key))?;
        let stream = state.stream(&key).await?;
        if stream.mode == StreamMode::OnDemand {
            return Err(fault::on_demand(&key));
        }
        // A hash key of 39 digits may lie beyond the ring: no shard can be split there.
        let Ok(hash) = at.parse() else {
            let shard = stream.shard(index);
            let shard = shard.ok_or_else(|| fault::could_not_find(&convert::shard_id(index), &key))?;
            return Err(fault::bad_split(&key, shard, &at));
        };
        let split = state.streams.split(&stream, index, HashKey(hash)).await;
        split.map_err(|error| fault::of(&key, error))?;
        Ok(Nothing {})
    }
}

/// Checks the members and returns the hash key.
fn check(input: &SplitShardInput) -> Result<String, Fault> {
    let at = input.new_starting_hash_key.as_ref();
    let mut checks = Checks::new();
    checks.present("newStartingHashKey", at);
    checks.hash_key("newStartingHashKey", at.map(String::as_str));
    checks.present("shardToSplit", input.shard_to_split.as_ref());
    checks.shard_id("shardToSplit", input.shard_to_split.as_deref());
    checks.finish()?;
    Ok(at.cloned().unwrap_or_default())
}
