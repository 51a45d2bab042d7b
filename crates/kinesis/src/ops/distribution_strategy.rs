//! UpdateStreamRecordDistributionStrategy: by partition key, or evenly whatever the key.

use headwater_streams::{Distribution, StreamMode};
use headwater_wire::{Access, Context, Fault, Operation};

use crate::checks::Checks;
use crate::shapes::{Nothing, UpdateDistributionInput};
use crate::{State, fault, target};

pub(crate) struct UpdateStreamRecordDistributionStrategy;

impl Operation<State> for UpdateStreamRecordDistributionStrategy {
    const NAME: &'static str = "UpdateStreamRecordDistributionStrategy";
    type Input = UpdateDistributionInput;
    type Output = Nothing;

    fn access(_: &State, cx: &Context, input: &UpdateDistributionInput) -> Result<Access, Fault> {
        let mut checks = Checks::new();
        checks.present("streamARN", input.stream_arn.as_ref());
        checks.finish()?;
        Ok(target::access("kinesis:UpdateStreamRecordDistributionStrategy", &target::of(cx, input)?))
    }

    async fn call(state: &State, cx: &Context, input: UpdateDistributionInput) -> Result<Nothing, Fault> {
        let asked = input.record_distribution_strategy.as_deref();
        let mut checks = Checks::new();
        checks.present("recordDistributionStrategy", asked.as_ref());
        checks.one_of("recordDistributionStrategy", asked, &STRATEGIES);
        checks.finish()?;
        let key = target::of(cx, &input)?;
        let stream = state.stream(&key).await?;
        let distribution = of(asked);
        if stream.mode == StreamMode::Provisioned && distribution == Distribution::Auto {
            return Err(fault::auto_when_provisioned());
        }
        if stream.distribution != distribution {
            let set = state.streams.set_distribution(&stream, distribution).await;
            set.map_err(|error| fault::of(&key, error))?;
        }
        Ok(Nothing {})
    }
}

pub(super) const STRATEGIES: [&str; 2] = ["AUTO", "USER_PARTITION_KEY"];

/// The strategy of that name; by partition key if none is named.
pub(super) fn of(name: Option<&str>) -> Distribution {
    if name == Some("AUTO") { Distribution::Auto } else { Distribution::PartitionKey }
}
