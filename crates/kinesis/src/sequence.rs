//! Sequence numbers as a shape: the engine's, written as text.

use std::fmt;
use std::ops::Deref;

use headwater_base::Timestamp;
use headwater_streams::{Placed, SequenceNumber as Number, Shard};
use serde::{Serialize, Serializer};

/// A sequence number in a request or an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SequenceNumber(Number);

impl SequenceNumber {
    /// The number of the record at `offset`.
    pub(crate) fn of_record(shard: &Shard, offset: i64, appended: Timestamp) -> Self {
        Self(Number::of_record(shard, offset, appended))
    }

    /// The number of a record that was put.
    pub(crate) fn of_placed(placed: &Placed) -> Self {
        Self(Number::of_placed(placed))
    }

    /// The number before the shard's first record.
    pub(crate) fn start_of(shard: &Shard) -> Self {
        Self(Number::start_of(shard))
    }

    /// The position before the record at `offset`, as of `now`.
    pub(crate) fn of_position(shard: &Shard, offset: i64, now: Timestamp) -> Self {
        Self(Number::of_position(shard, offset, now))
    }

    /// The number after the last record of a shard that was closed then.
    pub(crate) fn end_of(shard: &Shard, closed: Timestamp) -> Self {
        Self(Number::end_of(shard, closed))
    }

    /// Reads the decimal digits; `None` when they are not a sequence number.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Number::parse(text).map(Self)
    }
}

impl Deref for SequenceNumber {
    type Target = Number;

    fn deref(&self) -> &Number {
        &self.0
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for SequenceNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.text().as_str())
    }
}
