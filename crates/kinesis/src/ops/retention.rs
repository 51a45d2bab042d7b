//! IncreaseStreamRetentionPeriod and DecreaseStreamRetentionPeriod: 24 to 8760 hours.

use std::sync::Arc;
use std::time::Duration;

use headwater_streams::Stream;
use headwater_wire::{Access, Context, Fault, Operation};

use crate::checks::Checks;
use crate::shapes::{Nothing, RetentionInput};
use crate::{State, convert, fault, target};

const HOURS_MIN: i64 = 24;
const HOURS_MAX: i64 = 8760;

pub(crate) struct IncreaseStreamRetentionPeriod;

impl Operation<State> for IncreaseStreamRetentionPeriod {
    const NAME: &'static str = "IncreaseStreamRetentionPeriod";
    type Input = RetentionInput;
    type Output = Nothing;

    fn access(_: &State, cx: &Context, input: &RetentionInput) -> Result<Access, Fault> {
        let key = target::of(cx, input)?;
        Ok(target::access("kinesis:IncreaseStreamRetentionPeriod", &key))
    }

    async fn call(state: &State, cx: &Context, input: RetentionInput) -> Result<Nothing, Fault> {
        let (stream, hours) = asked(state, cx, &input).await?;
        if hours < convert::retention_hours(&stream) {
            return Err(wrong_way(&stream, hours, "shorter", "DecreaseRetentionPeriod"));
        }
        set(state, &stream, hours).await
    }
}

pub(crate) struct DecreaseStreamRetentionPeriod;

impl Operation<State> for DecreaseStreamRetentionPeriod {
    const NAME: &'static str = "DecreaseStreamRetentionPeriod";
    type Input = RetentionInput;
    type Output = Nothing;

    fn access(_: &State, cx: &Context, input: &RetentionInput) -> Result<Access, Fault> {
        let key = target::of(cx, input)?;
        Ok(target::access("kinesis:DecreaseStreamRetentionPeriod", &key))
    }

    async fn call(state: &State, cx: &Context, input: RetentionInput) -> Result<Nothing, Fault> {
        let (stream, hours) = asked(state, cx, &input).await?;
        if hours > convert::retention_hours(&stream) {
            return Err(wrong_way(&stream, hours, "longer", "IncreaseRetentionPeriod"));
        }
        set(state, &stream, hours).await
    }
}

async fn asked(state: &State, cx: &Context, input: &RetentionInput) -> Result<(Arc<Stream>, u64), Fault> {
    let mut checks = Checks::new();
    checks.present("retentionPeriodHours", input.retention_period_hours.as_ref());
    checks.finish()?;
    let key = target::of(cx, input)?;
    let hours = input.retention_period_hours.unwrap_or_default();
    if hours < HOURS_MIN {
        return Err(fault::invalid(format!(
            "Minimum allowed retention period is {HOURS_MIN} hours. Requested retention period ({hours} hours) is too \
             short."
        )));
    }
    if hours > HOURS_MAX {
        return Err(fault::invalid(format!(
            "Maximum allowed retention period is {HOURS_MAX} hours. Requested retention period ({hours} hours) is too \
             long."
        )));
    }
    let stream = state.streams.get(&key).await.map_err(|error| fault::of(&key, error))?;
    Ok((stream, hours.unsigned_abs()))
}

async fn set(state: &State, stream: &Stream, hours: u64) -> Result<Nothing, Fault> {
    if hours != convert::retention_hours(stream) {
        let changed = state.streams.set_retention(stream, Duration::from_secs(hours * 3600)).await;
        changed.map_err(|error| fault::of(&stream.key, error))?;
    }
    Ok(Nothing {})
}

fn wrong_way(stream: &Stream, hours: u64, comparison: &str, other: &str) -> Fault {
    fault::invalid(format!(
        "Requested retention period ({hours} hours) for stream {} can not be {comparison} than existing retention \
         period ({} hours). Use {other} API.",
        stream.key.name.as_str(),
        convert::retention_hours(stream)
    ))
}
