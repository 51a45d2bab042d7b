//! GetShardIterator: where reading a shard begins, fixed at the time of the call.

use headwater_streams::{Shard, Stream, StreamKey};
use headwater_wire::{Access, Context, EpochTime, Fault, Operation};

use crate::checks::Checks;
use crate::cursor::Cursor;
use crate::sequence::SequenceNumber;
use crate::shapes::{GetShardIteratorInput, GetShardIteratorOutput};
use crate::{State, convert, fault, target};

pub(crate) struct GetShardIterator;

impl Operation<State> for GetShardIterator {
    const NAME: &'static str = "GetShardIterator";
    type Input = GetShardIteratorInput;
    type Output = GetShardIteratorOutput;

    fn access(_: &State, cx: &Context, input: &GetShardIteratorInput) -> Result<Access, Fault> {
        let key = target::stream(cx, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
        Ok(target::access("kinesis:GetShardIterator", &key))
    }

    async fn call(
        state: &State,
        cx: &Context,
        input: GetShardIteratorInput,
    ) -> Result<GetShardIteratorOutput, Fault> {
        check(&input)?;
        let key = target::stream(cx, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
        let stream = state.streams.get(&key).await.map_err(|error| fault::of(&key, error))?;
        let id = input.shard_id.as_deref().unwrap_or_default();
        let shard = convert::shard_index(id).and_then(|index| stream.shard(index));
        let shard = shard.ok_or_else(|| fault::no_such_shard(id, key.name.as_str(), key.scope.account))?;
        let offset = Start { cx, stream: &stream, shard, input: &input }.offset(state).await?;
        if input.dry_run == Some(true) {
            return Err(fault::dry_run());
        }
        let shard_iterator = Cursor::at(cx, &stream, shard, offset).seal(&state.streams, cx).await?;
        Ok(GetShardIteratorOutput { shard_iterator })
    }
}

const TYPES: [&str; 5] =
    ["AFTER_SEQUENCE_NUMBER", "LATEST", "AT_TIMESTAMP", "AT_SEQUENCE_NUMBER", "TRIM_HORIZON"];

fn check(input: &GetShardIteratorInput) -> Result<(), Fault> {
    let mut checks = Checks::new();
    checks.present("shardId", input.shard_id.as_ref());
    checks.shard_id("shardId", input.shard_id.as_deref());
    checks.present("shardIteratorType", input.shard_iterator_type.as_ref());
    checks.one_of("shardIteratorType", input.shard_iterator_type.as_deref(), &TYPES);
    checks.sequence_number("startingSequenceNumber", input.starting_sequence_number.as_deref());
    checks.finish()
}

/// What is needed to find the first offset.
struct Start<'a> {
    cx: &'a Context,
    stream: &'a Stream,
    shard: &'a Shard,
    input: &'a GetShardIteratorInput,
}

impl Start<'_> {
    async fn offset(&self, state: &State) -> Result<i64, Fault> {
        let bounds = state.streams.bounds(self.shard).await.map_err(|error| fault::of(self.key(), error))?;
        let number = self.input.starting_sequence_number.as_deref();
        match (self.kind(), number) {
            ("TRIM_HORIZON", None) => Ok(bounds.start),
            ("LATEST", None) => Ok(bounds.end),
            ("AT_TIMESTAMP", _) => self.at_timestamp(state).await,
            ("AT_SEQUENCE_NUMBER", Some(number)) => {
                Ok(self.of_number(number, bounds.end)?.map_or(0, |offset| offset).max(bounds.start))
            }
            ("AFTER_SEQUENCE_NUMBER", Some(number)) => {
                Ok(self.of_number(number, bounds.end)?.map_or(0, |offset| offset + 1).max(bounds.start))
            }
            (kind, number) => Err(mismatch(kind, number.is_some())),
        }
    }

    async fn at_timestamp(&self, state: &State) -> Result<i64, Fault> {
        let Some(EpochTime(time)) = self.input.timestamp else {
            return Err(fault::invalid(
                "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no \
                 timestamp parameter.",
            ));
        };
        let now = self.cx.time;
        if time > now {
            return Err(fault::invalid(format!(
                "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. \
                 timestampInMillis: {}, currentTimestampInMillis: {}",
                time.ms(),
                now.ms()
            )));
        }
        state.streams.offset_at(self.shard, time).await.map_err(|error| fault::of(self.key(), error))
    }

    /// The offset that a sequence number of this shard names; `None` for the number the shard
    /// starts with.
    fn of_number(&self, text: &str, end: i64) -> Result<Option<i64>, Fault> {
        let number = SequenceNumber::parse(text).ok_or_else(|| self.invalid(text, ""))?;
        if number.shard != self.shard.index {
            return Err(fault::invalid(format!(
                "Invalid StartingSequenceNumber. It encodes shardId-{:012}, while it was used in a call to a shard \
                 with {}",
                number.shard,
                self.shard.id()
            )));
        }
        if number.shard_created_secs != SequenceNumber::start_of(self.shard).shard_created_secs {
            return Err(self.invalid(text, " because it did not come from this stream"));
        }
        if number.is_start() {
            return Ok(None);
        }
        if number.offset >= end {
            return Err(self.invalid(text, " because it exceeds the max possible value of the shard"));
        }
        Ok(Some(number.offset))
    }

    fn invalid(&self, number: &str, why: &str) -> Fault {
        fault::invalid(format!(
            "StartingSequenceNumber {number} used in GetShardIterator on shard {} in stream {} under account {} is \
             invalid{why}.",
            self.shard.id(),
            self.key().name.as_str(),
            self.key().scope.account
        ))
    }

    fn kind(&self) -> &str {
        self.input.shard_iterator_type.as_deref().unwrap_or_default()
    }

    fn key(&self) -> &StreamKey {
        &self.stream.key
    }
}

fn mismatch(kind: &str, has_number: bool) -> Fault {
    let has = if has_number { "also a" } else { "no" };
    fault::invalid(format!(
        "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or \
         (2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified {kind} and {has} \
         StartingSequenceNumber."
    ))
}
