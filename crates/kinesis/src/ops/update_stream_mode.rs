//! UpdateStreamMode: between PROVISIONED and ON_DEMAND. Shards stay as they are.

use headwater_streams::StreamMode;
use headwater_wire::{Access, Context, Fault, Operation};

use crate::checks::Checks;
use crate::shapes::{Nothing, UpdateStreamModeInput};
use crate::{State, fault, target};

pub(crate) struct UpdateStreamMode;

impl Operation<State> for UpdateStreamMode {
    const NAME: &'static str = "UpdateStreamMode";
    type Input = UpdateStreamModeInput;
    type Output = Nothing;

    fn access(_: &State, cx: &Context, input: &UpdateStreamModeInput) -> Result<Access, Fault> {
        check(input)?;
        Ok(target::access("kinesis:UpdateStreamMode", &target::of(cx, input)?))
    }

    async fn call(state: &State, cx: &Context, input: UpdateStreamModeInput) -> Result<Nothing, Fault> {
        let key = target::of(cx, &input)?;
        let asked = input.stream_mode_details.and_then(|details| details.stream_mode);
        let mode = match asked.as_deref() {
            Some("ON_DEMAND") => StreamMode::OnDemand,
            _ => StreamMode::Provisioned,
        };
        if mode == StreamMode::Provisioned && input.warm_throughput_mibps.is_some() {
            return Err(fault::warm_when_provisioned());
        }
        let stream = state.stream(&key).await?;
        if stream.mode != mode {
            let set = state.streams.set_mode(&stream, mode).await;
            set.map_err(|error| fault::of(&key, error))?;
        }
        if let Some(mib) = input.warm_throughput_mibps {
            super::warm_throughput::set(state, &key, mib).await?;
        }
        Ok(Nothing {})
    }
}

fn check(input: &UpdateStreamModeInput) -> Result<(), Fault> {
    let mode = input.stream_mode_details.as_ref().and_then(|details| details.stream_mode.as_deref());
    let mut checks = Checks::new();
    checks.present("streamARN", input.stream_arn.as_ref());
    checks.present("streamModeDetails", input.stream_mode_details.as_ref());
    if input.stream_mode_details.is_some() {
        checks.present("streamModeDetails.streamMode", mode.as_ref());
    }
    checks.one_of("streamModeDetails.streamMode", mode, &["PROVISIONED", "ON_DEMAND"]);
    checks.range("warmThroughputMiBps", input.warm_throughput_mibps, 0, i64::from(i32::MAX));
    checks.finish()
}
