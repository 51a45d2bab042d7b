//! ListStreamConsumers: consumers by name, page by page.
//!
//! A paging token carries the stream (also its incarnation) and the last consumer listed, and
//! expires after 300 seconds.
//!
//! **Layout** of what is sealed (purpose `list consumers`): version 1, when it was given (ms, i64),
//! the stream's incarnation (u64), the last consumer's name.

use std::time::Duration;

use headwater_base::Timestamp;
use headwater_streams::{Consumer, ConsumerName, Stream};
use headwater_wire::{Access, Context, Fault, Operation};

use crate::checks::Checks;
use crate::shapes::{ListStreamConsumersInput, ListStreamConsumersOutput};
use crate::{State, convert, fault, target};

const PAGE_MAX: usize = 100;
const TOKEN_LIFETIME: Duration = Duration::from_secs(300);
const PURPOSE: &str = "list consumers";
const VERSION: u8 = 1;

pub(crate) struct ListStreamConsumers;

impl Operation<State> for ListStreamConsumers {
    const NAME: &'static str = "ListStreamConsumers";
    type Input = ListStreamConsumersInput;
    type Output = ListStreamConsumersOutput;

    fn access(_: &State, cx: &Context, input: &ListStreamConsumersInput) -> Result<Access, Fault> {
        let key = target::stream_arn(cx, input.stream_arn.as_deref())?;
        Ok(target::access("kinesis:ListStreamConsumers", &key))
    }

    async fn call(
        state: &State,
        cx: &Context,
        input: ListStreamConsumersInput,
    ) -> Result<ListStreamConsumersOutput, Fault> {
        check(&input)?;
        let key = target::stream_arn(cx, input.stream_arn.as_deref())?;
        let stream = state.stream_created(&key, input.stream_creation_timestamp).await?;
        let after = match &input.next_token {
            Some(token) => Some(open(state, cx, &stream, token).await?),
            None => None,
        };
        let consumers = state.streams.consumers(&stream).await.map_err(|error| fault::of(&key, error))?;
        let limit = input.max_results.map_or(PAGE_MAX, |limit| (limit as usize).min(PAGE_MAX));
        let later = |consumer: &&Consumer| after.as_ref().is_none_or(|after| consumer.name > *after);
        let mut later = consumers.iter().filter(later);
        let page: Vec<&Consumer> = later.by_ref().take(limit).collect();
        let next_token = match page.last().filter(|_| later.next().is_some()) {
            None => None,
            Some(last) => Some(seal(state, cx, &stream, &last.name).await?),
        };
        let consumers = page.into_iter().map(|consumer| convert::consumer(&key, consumer)).collect();
        Ok(ListStreamConsumersOutput { consumers, next_token })
    }
}

fn check(input: &ListStreamConsumersInput) -> Result<(), Fault> {
    let mut checks = Checks::new();
    checks.range("maxResults", input.max_results, 1, 10_000);
    checks.length("nextToken", input.next_token.as_deref(), 1, 1_048_576);
    checks.stream_id(input.stream_id.as_deref());
    checks.finish()?;
    if input.next_token.is_some() && input.stream_creation_timestamp.is_some() {
        return Err(fault::invalid("NextToken and StreamCreationTimestamp cannot be provided together."));
    }
    Ok(())
}

async fn seal(state: &State, cx: &Context, stream: &Stream, last: &ConsumerName) -> Result<String, Fault> {
    let sealed = state.streams.seal(PURPOSE, &cx.scope(), &encode(cx.time, stream.incarnation, last)).await;
    sealed.map_err(|error| fault::internal(&error))
}

/// The last consumer that was listed before.
async fn open(state: &State, cx: &Context, stream: &Stream, token: &str) -> Result<ConsumerName, Fault> {
    let refused = || fault::invalid("Invalid NextToken.");
    let opened = state.streams.unseal(PURPOSE, &cx.scope(), token).await;
    let bytes = opened.map_err(|error| fault::internal(&error))?.ok_or_else(refused)?;
    let (issued, incarnation, last) = decode(&bytes).ok_or_else(refused)?;
    if incarnation != stream.incarnation {
        return Err(refused());
    }
    if cx.time.since(issued) > TOKEN_LIFETIME {
        return Err(Fault::client("ExpiredNextTokenException", "The NextToken is older than 300 seconds."));
    }
    Ok(last)
}

fn encode(issued: Timestamp, incarnation: u64, last: &ConsumerName) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.extend_from_slice(&issued.ms().to_be_bytes());
    out.extend_from_slice(&incarnation.to_be_bytes());
    out.extend_from_slice(last.as_str().as_bytes());
    out
}

fn decode(bytes: &[u8]) -> Option<(Timestamp, u64, ConsumerName)> {
    let (version, rest) = bytes.split_first()?;
    let (issued, rest) = rest.split_first_chunk()?;
    let (incarnation, name) = rest.split_first_chunk()?;
    let name = ConsumerName::new(std::str::from_utf8(name).ok()?).ok()?;
    let issued = Timestamp::from_ms(i64::from_be_bytes(*issued));
    (*version == VERSION).then_some((issued, u64::from_be_bytes(*incarnation), name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn tokens_survive_a_round_trip(issued: i64, incarnation: u64, name in "[a-zA-Z0-9_.-]{1,128}") {
            let (issued, name) = (Timestamp::from_ms(issued), ConsumerName::new(&name).unwrap());
            prop_assert_eq!(decode(&encode(issued, incarnation, &name)), Some((issued, incarnation, name)));
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }
    }
}
