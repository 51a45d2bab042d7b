//! UpdateStreamWarmThroughput: what an on-demand stream shall be ready for. Stored and echoed; this
//! node's disk is the capacity, so a stream is as warm as it can be at once.

use std::sync::Arc;

use headwater_streams::{Stream, StreamKey, StreamMode};
use headwater_wire::{Access, Context, Fault, Operation};

use crate::checks::Checks;
use crate::shapes::{UpdateWarmThroughputInput, UpdateWarmThroughputOutput, WarmThroughput};
use crate::{State, fault, target};

/// 10 GiB/s, the most AWS allows.
const MIB_MAX: i64 = 10 * 1024;

pub(crate) struct UpdateStreamWarmThroughput;

impl Operation<State> for UpdateStreamWarmThroughput {
    const NAME: &'static str = "UpdateStreamWarmThroughput";
    type Input = UpdateWarmThroughputInput;
    type Output = UpdateWarmThroughputOutput;

    fn access(_: &State, cx: &Context, input: &UpdateWarmThroughputInput) -> Result<Access, Fault> {
        Ok(target::access("kinesis:UpdateStreamWarmThroughput", &target::of(cx, input)?))
    }

    async fn call(
        state: &State,
        cx: &Context,
        input: UpdateWarmThroughputInput,
    ) -> Result<UpdateWarmThroughputOutput, Fault> {
        let mut checks = Checks::new();
        checks.present("warmThroughputMiBps", input.warm_throughput_mibps.as_ref());
        checks.range("warmThroughputMiBps", input.warm_throughput_mibps, 0, i64::from(i32::MAX));
        checks.finish()?;
        let key = target::of(cx, &input)?;
        let (stream, mib) = set(state, &key, input.warm_throughput_mibps.unwrap_or_default()).await?;
        Ok(UpdateWarmThroughputOutput {
            stream_name: key.name.as_str().to_owned(),
            stream_arn: key.arn().to_string(),
            warm_throughput: WarmThroughput {
                target_mibps: mib,
                current_mibps: stream.warm_mib.unwrap_or_default(),
            },
        })
    }
}

/// Sets it and returns the stream as it was, and what was set.
pub(super) async fn set(state: &State, key: &StreamKey, mib: i64) -> Result<(Arc<Stream>, u32), Fault> {
    let mib = check(mib)?;
    let stream = state.stream(key).await?;
    if stream.mode == StreamMode::Provisioned {
        return Err(fault::warm_when_provisioned());
    }
    let set = state.streams.set_warm_throughput(&stream, mib).await;
    set.map_err(|error| fault::of(key, error))?;
    Ok((stream, mib))
}

/// The throughput, if it is within the service's bounds.
pub(super) fn check(mib: i64) -> Result<u32, Fault> {
    u32::try_from(mib).ok().filter(|_| mib <= MIB_MAX).ok_or_else(|| {
        fault::invalid(format!("WarmThroughputMiBps may be at most {MIB_MAX}; {mib} were asked for."))
    })
}
