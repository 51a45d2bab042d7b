//! Where reading a shard begins: what GetShardIterator and SubscribeToShard are told, as an offset.

use headwater_base::Timestamp;
use headwater_streams::{Shard, Stream, StreamKey, Streams};
use headwater_wire::Fault;

use crate::fault;
use crate::sequence::SequenceNumber;

/// The kinds of beginnings.
pub(crate) const TYPES: [&str; 5] =
    ["AFTER_SEQUENCE_NUMBER", "LATEST", "AT_TIMESTAMP", "AT_SEQUENCE_NUMBER", "TRIM_HORIZON"];

/// Where to begin, as a client says it.
pub(crate) struct Start<'a> {
    /// The operation that asks, for its messages.
    pub(crate) operation: &'static str,
    pub(crate) now: Timestamp,
    pub(crate) stream: &'a Stream,
    pub(crate) shard: &'a Shard,
    /// One of [`TYPES`].
    pub(crate) kind: &'a str,
    pub(crate) number: Option<&'a str>,
    pub(crate) time: Option<Timestamp>,
}

impl Start<'_> {
    /// The first offset to read. `LATEST` is fixed now.
    pub(crate) async fn offset(&self, streams: &Streams) -> Result<i64, Fault> {
        let bounds = streams.bounds(self.shard).await.map_err(|error| fault::of(self.key(), error))?;
        match (self.kind, self.number) {
            ("TRIM_HORIZON", None) => Ok(bounds.start),
            ("LATEST", None) => Ok(bounds.end),
            ("AT_TIMESTAMP", _) => self.at_timestamp(streams).await,
            ("AT_SEQUENCE_NUMBER", Some(text)) => Ok(self.parse(text, bounds.end)?.offset.max(bounds.start)),
            ("AFTER_SEQUENCE_NUMBER", Some(text)) => {
                let number = self.parse(text, bounds.end)?;
                let names_a_record = !number.is_start() && !number.is_position;
                Ok((number.offset + i64::from(names_a_record)).max(bounds.start))
            }
            (kind, number) => Err(mismatch(kind, number.is_some())),
        }
    }

    async fn at_timestamp(&self, streams: &Streams) -> Result<i64, Fault> {
        let Some(time) = self.time else {
            return Err(fault::invalid(
                "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no \
                 timestamp parameter.",
            ));
        };
        if time > self.now {
            return Err(fault::invalid(format!(
                "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. \
                 timestampInMillis: {}, currentTimestampInMillis: {}",
                time.ms(),
                self.now.ms()
            )));
        }
        streams.offset_at(self.shard, time).await.map_err(|error| fault::of(self.key(), error))
    }

    /// A sequence number of this shard: its first one, a record's, or a position up to `end`.
    fn parse(&self, text: &str, end: i64) -> Result<SequenceNumber, Fault> {
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
        let is_there =
            number.offset < end || number.is_start() || (number.is_position && number.offset == end);
        if !is_there {
            return Err(self.invalid(text, " because it exceeds the max possible value of the shard"));
        }
        Ok(number)
    }

    fn invalid(&self, number: &str, why: &str) -> Fault {
        fault::invalid(format!(
            "StartingSequenceNumber {number} used in {} on shard {} in stream {} under account {} is invalid{why}.",
            self.operation,
            self.shard.id(),
            self.key().name.as_str(),
            self.key().scope.account
        ))
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
