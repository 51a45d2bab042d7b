//! DescribeLimits: what is there, beside the limits this node has.

use headwater_streams::{SHARDS_MAX, StreamMode};
use headwater_wire::{Access, Context, Fault, Operation};

use crate::shapes::{DescribeLimitsInput, DescribeLimitsOutput};
use crate::{State, fault};

/// What is told as the limit of streams on demand; the node has none of its own.
const ON_DEMAND_STREAMS_TOLD: usize = 10_000;

pub(crate) struct DescribeLimits;

impl Operation<State> for DescribeLimits {
    const NAME: &'static str = "DescribeLimits";
    type Input = DescribeLimitsInput;
    type Output = DescribeLimitsOutput;

    fn access(_: &State, _: &Context, _: &DescribeLimitsInput) -> Result<Access, Fault> {
        Ok(Access { action: "kinesis:DescribeLimits", resource: None })
    }

    async fn call(
        state: &State,
        cx: &Context,
        _: DescribeLimitsInput,
    ) -> Result<DescribeLimitsOutput, Fault> {
        let listed = state.streams.list(&cx.scope(), None, usize::MAX).await;
        let streams = listed.map_err(|error| fault::internal(&error))?;
        Ok(DescribeLimitsOutput {
            shard_limit: SHARDS_MAX as usize,
            open_shard_count: streams.iter().map(|stream| stream.open_shards().count()).sum(),
            on_demand_stream_count: streams
                .iter()
                .filter(|stream| stream.mode == StreamMode::OnDemand)
                .count(),
            on_demand_stream_count_limit: ON_DEMAND_STREAMS_TOLD,
        })
    }
}
