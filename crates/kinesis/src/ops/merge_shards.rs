//! MergeShards: two adjacent shards close and one child takes both ranges.

use headwater_streams::StreamMode;
use headwater_wire::{Access, Context, Fault, Operation};

use crate::checks::Checks;
use crate::shapes::{MergeShardsInput, Nothing};
use crate::{State, convert, fault, target};

pub(crate) struct MergeShards;

impl Operation<State> for MergeShards {
    const NAME: &'static str = "MergeShards";
    type Input = MergeShardsInput;
    type Output = Nothing;

    fn access(_: &State, cx: &Context, input: &MergeShardsInput) -> Result<Access, Fault> {
        Ok(target::access("kinesis:MergeShards", &target::of(cx, input)?))
    }

    async fn call(state: &State, cx: &Context, input: MergeShardsInput) -> Result<Nothing, Fault> {
        let mut checks = Checks::new();
        for (path, id) in [
            ("shardToMerge", &input.shard_to_merge),
            ("adjacentShardToMerge", &input.adjacent_shard_to_merge),
        ] {
            checks.present(path, id.as_ref());
            checks.shard_id(path, id.as_deref());
        }
        checks.finish()?;
        let key = target::of(cx, &input)?;
        let index = |id: Option<String>| {
            let id = id.unwrap_or_default();
            convert::shard_index(&id).ok_or_else(|| fault::could_not_find(&id, &key))
        };
        let (first, second) = (index(input.shard_to_merge)?, index(input.adjacent_shard_to_merge)?);
        let stream = state.stream(&key).await?;
        if stream.mode == StreamMode::OnDemand {
            return Err(fault::on_demand(&key));
        }
        let merged = state.streams.merge(&stream, first, second).await;
        merged.map_err(|error| fault::of(&key, error))?;
        Ok(Nothing {})
    }
}
