//! Consumers of enhanced fan-out: RegisterStreamConsumer, DeregisterStreamConsumer,
//! DescribeStreamConsumer. A consumer is ACTIVE when its registration answers.

use std::sync::Arc;

use headwater_streams::{Consumer, Stream};
use headwater_wire::{Access, Context, Fault, Operation};

use crate::checks::Checks;
use crate::shapes::{
    ConsumerInput, DescribeStreamConsumerOutput, Nothing, RegisterStreamConsumerInput,
    RegisterStreamConsumerOutput,
};
use crate::target::ConsumerTarget;
use crate::{State, convert, fault, target};

pub(crate) struct RegisterStreamConsumer;

impl Operation<State> for RegisterStreamConsumer {
    const NAME: &'static str = "RegisterStreamConsumer";
    type Input = RegisterStreamConsumerInput;
    type Output = RegisterStreamConsumerOutput;

    fn access(_: &State, cx: &Context, input: &RegisterStreamConsumerInput) -> Result<Access, Fault> {
        let key = target::stream_arn(cx, input.stream_arn.as_deref())?;
        Ok(target::access("kinesis:RegisterStreamConsumer", &key))
    }

    async fn call(
        state: &State,
        cx: &Context,
        input: RegisterStreamConsumerInput,
    ) -> Result<RegisterStreamConsumerOutput, Fault> {
        let mut checks = Checks::new();
        checks.present("consumerName", input.consumer_name.as_ref());
        checks.stream_name("consumerName", input.consumer_name.as_deref());
        checks.count("tags", input.tags.as_ref().map(std::collections::BTreeMap::len), 1, 200);
        checks.tags("tags", input.tags.iter().flatten());
        checks.stream_id(input.stream_id.as_deref());
        checks.finish()?;
        let key = target::stream_arn(cx, input.stream_arn.as_deref())?;
        let name = target::consumer_name(input.consumer_name.as_deref().unwrap_or_default())?;
        let tags = convert::tags(input.tags)?;
        let stream = state.streams.get(&key).await.map_err(|error| fault::of(&key, error))?;
        let registered = state.streams.register_consumer(&stream, &name, tags).await;
        let consumer = registered.map_err(|error| fault::of_consumer(&key, name.as_str(), error))?;
        Ok(RegisterStreamConsumerOutput { consumer: convert::consumer(&key, &consumer) })
    }
}

pub(crate) struct DeregisterStreamConsumer;

impl Operation<State> for DeregisterStreamConsumer {
    const NAME: &'static str = "DeregisterStreamConsumer";
    type Input = ConsumerInput;
    type Output = Nothing;

    fn access(_: &State, cx: &Context, input: &ConsumerInput) -> Result<Access, Fault> {
        Ok(named(cx, input)?.access(DEREGISTER))
    }

    async fn call(state: &State, cx: &Context, input: ConsumerInput) -> Result<Nothing, Fault> {
        let (stream, consumer) = find_allowed(state, cx, DEREGISTER, &named(cx, &input)?).await?;
        let removed = state.streams.deregister_consumer(&stream, &consumer).await;
        removed.map_err(|error| fault::of_consumer(&stream.key, consumer.name.as_str(), error))?;
        Ok(Nothing {})
    }
}

pub(crate) struct DescribeStreamConsumer;

impl Operation<State> for DescribeStreamConsumer {
    const NAME: &'static str = "DescribeStreamConsumer";
    type Input = ConsumerInput;
    type Output = DescribeStreamConsumerOutput;

    fn access(_: &State, cx: &Context, input: &ConsumerInput) -> Result<Access, Fault> {
        Ok(named(cx, input)?.access(DESCRIBE))
    }

    async fn call(
        state: &State,
        cx: &Context,
        input: ConsumerInput,
    ) -> Result<DescribeStreamConsumerOutput, Fault> {
        let (stream, consumer) = find_allowed(state, cx, DESCRIBE, &named(cx, &input)?).await?;
        let consumer_description = convert::consumer_description(&stream.key, &consumer);
        Ok(DescribeStreamConsumerOutput { consumer_description })
    }
}

const DEREGISTER: &str = "kinesis:DeregisterStreamConsumer";
const DESCRIBE: &str = "kinesis:DescribeStreamConsumer";

/// The same as [`find`], where the guard could not be asked before: a consumer that is named without
/// its ARN has a policy of its own all the same. Of one that is not there the stream's says who may know.
async fn find_allowed(
    state: &State,
    cx: &Context,
    action: &'static str,
    target: &ConsumerTarget,
) -> Result<(Arc<Stream>, Consumer), Fault> {
    let found = find(state, target).await;
    if target.epoch.is_some() {
        return found;
    }
    let is_stranger = cx.caller.account != target.stream.scope.account;
    if let Ok((stream, consumer)) = &found {
        let access = Access { action, resource: Some(consumer.arn(&stream.key)) };
        match cx.authority.check(&cx.caller, &access, None).await {
            Err(_) if is_stranger => {}
            allowed => return allowed.and(found),
        }
    }
    // A stranger who may not is not told whether there is such a consumer.
    cx.authority.check(&cx.caller, &target::access(action, &target.stream), None).await?;
    found.and(Err(fault::no_such_consumer(target.name.as_str(), target.stream.scope.account)))
}

/// The consumer that a target names, and its stream.
pub(super) async fn find(state: &State, target: &ConsumerTarget) -> Result<(Arc<Stream>, Consumer), Fault> {
    let (key, name) = (&target.stream, target.name.as_str());
    let stream = state.streams.get(key).await.map_err(|error| fault::of(key, error))?;
    let found = state.streams.consumer(&stream, &target.name).await;
    let found = found.map_err(|error| fault::of_consumer(key, name, error))?;
    if target.epoch.is_some_and(|epoch| epoch != found.epoch()) {
        return Err(fault::no_such_consumer(name, key.scope.account));
    }
    Ok((stream, found))
}

/// The consumer named by its ARN, or by its stream's ARN and its name; or by all three, alike.
fn named(cx: &Context, input: &ConsumerInput) -> Result<ConsumerTarget, Fault> {
    let mut checks = Checks::new();
    checks.stream_arn("streamARN", input.stream_arn.as_deref());
    checks.stream_name("consumerName", input.consumer_name.as_deref());
    checks.consumer_arn("consumerARN", input.consumer_arn.as_deref());
    checks.stream_id(input.stream_id.as_deref());
    checks.finish()?;
    let by_arn = input.consumer_arn.as_deref().map(|arn| target::consumer(cx, arn)).transpose()?;
    let by_name = match (input.stream_arn.as_deref(), input.consumer_name.as_deref()) {
        (Some(arn), Some(name)) => Some(ConsumerTarget {
            stream: target::stream_arn(cx, Some(arn))?,
            name: target::consumer_name(name)?,
            epoch: None,
        }),
        _ => None,
    };
    match (by_arn, by_name) {
        (Some(by_arn), Some(by_name))
            if (&by_arn.stream, &by_arn.name) != (&by_name.stream, &by_name.name) =>
        {
            Err(fault::invalid("ConsumerARN and ConsumerName name different consumers."))
        }
        (Some(target), _) | (None, Some(target)) => Ok(target),
        (None, None) => {
            Err(fault::invalid("Either ConsumerARN, or both StreamARN and ConsumerName, must be provided."))
        }
    }
}
