//! SubscribeToShard: a shard's records, pushed to a consumer as events for five minutes.
//!
//! The first event comes at once and says where the subscription begins; afterwards one comes
//! whenever there are records, or after five seconds without. `ContinuationSequenceNumber` is a
//! position: the next subscription may begin at it or after it and misses and repeats nothing.

use futures::StreamExt;
use futures::stream::unfold;
use headwater_streams::Subscription;
use headwater_wire::{Access, Context, Emission, Emissions, EpochTime, EventOperation, Fault};

use super::consumers;
use crate::checks::Checks;
use crate::shapes::{SubscribeToShardEvent, SubscribeToShardInput};
use crate::start::Start;
use crate::target::ConsumerTarget;
use crate::{State, convert, fault, start, target};

pub(crate) struct SubscribeToShard;

impl EventOperation<State> for SubscribeToShard {
    const NAME: &'static str = "SubscribeToShard";
    const EVENT: &'static str = "SubscribeToShardEvent";
    type Input = SubscribeToShardInput;
    type Event = SubscribeToShardEvent;

    fn access(_: &State, cx: &Context, input: &SubscribeToShardInput) -> Result<Access, Fault> {
        Ok(consumer(cx, input)?.access("kinesis:SubscribeToShard"))
    }

    async fn call(
        state: &State,
        cx: &Context,
        input: SubscribeToShardInput,
    ) -> Result<Emissions<SubscribeToShardEvent>, Fault> {
        check(&input)?;
        let target = consumer(cx, &input)?;
        let (stream, consumer) = consumers::find(state, &target).await?;
        let key = &stream.key;
        let id = input.shard_id.as_deref().unwrap_or_default();
        let shard = convert::shard_index(id).and_then(|index| stream.shard(index));
        let shard = shard.ok_or_else(|| fault::no_such_shard(id, key.name.as_str(), key.scope.account))?;
        let position = input.starting_position.as_ref();
        let start = Start {
            operation: Self::NAME,
            now: cx.time,
            stream: &stream,
            shard,
            kind: position.and_then(|position| position.kind.as_deref()).unwrap_or_default(),
            number: position.and_then(|position| position.sequence_number.as_deref()),
            time: position.and_then(|position| position.timestamp).map(|EpochTime(time)| time),
        };
        let from = start.offset(&state.streams).await?;
        if input.dry_run == Some(true) {
            return Err(fault::dry_run());
        }
        let subscribed = state.streams.subscribe(&stream, &consumer, shard, from).await;
        let refused = |error| fault::of_subscription(&target.stream, target.name.as_str(), id, error);
        Ok(events(subscribed.map_err(refused)?, target, id.to_owned()))
    }
}

fn check(input: &SubscribeToShardInput) -> Result<(), Fault> {
    let mut checks = Checks::new();
    checks.present("shardId", input.shard_id.as_ref());
    checks.shard_id("shardId", input.shard_id.as_deref());
    checks.present("startingPosition", input.starting_position.as_ref());
    if let Some(position) = &input.starting_position {
        checks.present("startingPosition.type", position.kind.as_ref());
        checks.one_of("startingPosition.type", position.kind.as_deref(), &start::TYPES);
        checks.sequence_number("startingPosition.sequenceNumber", position.sequence_number.as_deref());
    }
    checks.finish()
}

fn consumer(cx: &Context, input: &SubscribeToShardInput) -> Result<ConsumerTarget, Fault> {
    let mut checks = Checks::new();
    checks.present("consumerARN", input.consumer_arn.as_ref());
    checks.consumer_arn("consumerARN", input.consumer_arn.as_deref());
    checks.stream_id(input.stream_id.as_deref());
    checks.finish()?;
    target::consumer(cx, input.consumer_arn.as_deref().unwrap_or_default())
}

/// The subscription's events, until it is over or nobody asks for the next one any more.
fn events(
    subscription: Subscription,
    target: ConsumerTarget,
    shard: String,
) -> Emissions<SubscribeToShardEvent> {
    let emissions = unfold((subscription, target, shard), |(mut subscription, target, shard)| async move {
        let emission = match subscription.next().await? {
            Ok(pushed) => {
                let (event, share) = convert::event(pushed);
                Ok(Emission { event, hold: Some(Box::new(share)) })
            }
            Err(error) => Err(fault::in_events(fault::of_subscription(
                &target.stream,
                target.name.as_str(),
                &shard,
                error,
            ))),
        };
        Some((emission, (subscription, target, shard)))
    });
    emissions.boxed()
}
