//! EnableEnhancedMonitoring and DisableEnhancedMonitoring: which shard-level metrics are on. The
//! flags are stored and echoed; the node's own metrics do not depend on them.

use headwater_streams::Monitoring;
use headwater_wire::{Access, Context, Fault, Operation};

use crate::checks::Checks;
use crate::shapes::{MonitoringInput, MonitoringOutput};
use crate::{State, fault, target};

pub(crate) struct EnableEnhancedMonitoring;

impl Operation<State> for EnableEnhancedMonitoring {
    const NAME: &'static str = "EnableEnhancedMonitoring";
    type Input = MonitoringInput;
    type Output = MonitoringOutput;

    fn access(_: &State, cx: &Context, input: &MonitoringInput) -> Result<Access, Fault> {
        Ok(target::access("kinesis:EnableEnhancedMonitoring", &target::of(cx, input)?))
    }

    async fn call(state: &State, cx: &Context, input: MonitoringInput) -> Result<MonitoringOutput, Fault> {
        change(state, cx, &input, |now, asked| now | asked).await
    }
}

pub(crate) struct DisableEnhancedMonitoring;

impl Operation<State> for DisableEnhancedMonitoring {
    const NAME: &'static str = "DisableEnhancedMonitoring";
    type Input = MonitoringInput;
    type Output = MonitoringOutput;

    fn access(_: &State, cx: &Context, input: &MonitoringInput) -> Result<Access, Fault> {
        Ok(target::access("kinesis:DisableEnhancedMonitoring", &target::of(cx, input)?))
    }

    async fn call(state: &State, cx: &Context, input: MonitoringInput) -> Result<MonitoringOutput, Fault> {
        change(state, cx, &input, |now, asked| now & !asked).await
    }
}

const ALL: &str = "ALL";
const ALL_BITS: u8 = (1 << Monitoring::NAMES.len()) - 1;

async fn change(
    state: &State,
    cx: &Context,
    input: &MonitoringInput,
    changed: fn(u8, u8) -> u8,
) -> Result<MonitoringOutput, Fault> {
    let asked = asked(input)?;
    let key = target::of(cx, input)?;
    let stream = state.stream(&key).await?;
    let (before, after) = (stream.monitoring, Monitoring(changed(stream.monitoring.0, asked)));
    if before != after {
        let set = state.streams.set_monitoring(&stream, after).await;
        set.map_err(|error| fault::of(&key, error))?;
    }
    Ok(MonitoringOutput {
        stream_name: key.name.as_str().to_owned(),
        stream_arn: key.arn().to_string(),
        current_shard_level_metrics: before.names().collect(),
        desired_shard_level_metrics: after.names().collect(),
    })
}

/// The bits of the metrics asked for.
fn asked(input: &MonitoringInput) -> Result<u8, Fault> {
    let metrics = input.shard_level_metrics.as_ref();
    let mut known = Monitoring::NAMES.to_vec();
    known.push(ALL);
    let mut checks = Checks::new();
    checks.present("shardLevelMetrics", metrics);
    checks.count("shardLevelMetrics", metrics.map(Vec::len), 1, Monitoring::NAMES.len());
    for (at, metric) in metrics.into_iter().flatten().enumerate() {
        checks.one_of(format_args!("shardLevelMetrics.{}.member", at + 1), Some(metric), &known);
    }
    checks.finish()?;
    let bit = |metric: &String| match Monitoring::NAMES.iter().position(|name| name == metric) {
        Some(at) => 1 << at,
        None => ALL_BITS,
    };
    Ok(metrics.into_iter().flatten().map(bit).fold(0, |bits, bit| bits | bit))
}
