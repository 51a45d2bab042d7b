//! Shard iterators: sealed tokens that say where the next read begins.
//!
//! **Layout** of what is sealed (purpose `iterator`): version 2, when it was given (ms, i64), the
//! stream's incarnation (u64), the shard's index (u32), the offset (i64), the account that owns the
//! stream (u64), the stream's name. The token opens for the account it was given to.

use std::time::Duration;

use headwater_base::{AccountId, Scope, Timestamp};
use headwater_streams::{Shard, Stream, StreamKey, StreamName, Streams};
use headwater_wire::{Context, Fault};

use crate::fault;

/// How long an iterator is good for.
const LIFETIME: Duration = Duration::from_secs(300);

const PURPOSE: &str = "iterator";
const VERSION: u8 = 2;

/// Where a read begins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Cursor {
    pub(crate) issued: Timestamp,
    pub(crate) incarnation: u64,
    pub(crate) shard: u32,
    pub(crate) offset: i64,
    pub(crate) account: AccountId,
    pub(crate) stream: StreamName,
}

impl Cursor {
    /// The position `offset` of a shard, from now on.
    pub(crate) fn at(cx: &Context, stream: &Stream, shard: &Shard, offset: i64) -> Self {
        Self {
            issued: cx.time,
            incarnation: stream.incarnation,
            shard: shard.index,
            offset,
            account: stream.key.scope.account,
            stream: stream.key.name.clone(),
        }
    }

    /// The cursor as an iterator.
    pub(crate) async fn seal(&self, streams: &Streams, cx: &Context) -> Result<String, Fault> {
        let sealed = streams.seal(PURPOSE, &cx.scope(), &self.encode()).await;
        sealed.map_err(|error| fault::of(&self.stream_key(cx), error))
    }

    /// The cursor of an iterator that is still good. Quotes around it, as shells leave them, do no
    /// harm.
    pub(crate) async fn open(streams: &Streams, cx: &Context, iterator: &str) -> Result<Self, Fault> {
        let refused = || fault::invalid("Invalid ShardIterator.");
        let sealed = iterator.trim_matches('"');
        let opened = streams.unseal(PURPOSE, &cx.scope(), sealed).await;
        let bytes = opened.map_err(|error| fault::internal(&error))?.ok_or_else(refused)?;
        let cursor = Self::decode(&bytes).ok_or_else(refused)?;
        if cx.time.since(cursor.issued) > LIFETIME {
            return Err(expired(cursor.issued, cx.time));
        }
        Ok(cursor)
    }

    pub(crate) fn stream_key(&self, cx: &Context) -> StreamKey {
        StreamKey { scope: Scope::new(self.account, cx.region.clone()), name: self.stream.clone() }
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.issued.ms().to_be_bytes());
        out.extend_from_slice(&self.incarnation.to_be_bytes());
        out.extend_from_slice(&self.shard.to_be_bytes());
        out.extend_from_slice(&self.offset.to_be_bytes());
        out.extend_from_slice(&self.account.number().to_be_bytes());
        out.extend_from_slice(self.stream.as_str().as_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first()?;
        let (issued, rest) = rest.split_first_chunk()?;
        let (incarnation, rest) = rest.split_first_chunk()?;
        let (shard, rest) = rest.split_first_chunk()?;
        let (offset, rest) = rest.split_first_chunk()?;
        let (account, name) = rest.split_first_chunk()?;
        (*version == VERSION).then_some(Self {
            issued: Timestamp::from_ms(i64::from_be_bytes(*issued)),
            incarnation: u64::from_be_bytes(*incarnation),
            shard: u32::from_be_bytes(*shard),
            offset: i64::from_be_bytes(*offset),
            account: AccountId::from_number(u64::from_be_bytes(*account)).ok()?,
            stream: StreamName::new(std::str::from_utf8(name).ok()?).ok()?,
        })
    }
}

fn expired(issued: Timestamp, now: Timestamp) -> Fault {
    let date = |time: Timestamp| time.utc().format("%a %b %d %H:%M:%S UTC %Y").to_string();
    let message = format!(
        "Iterator expired. The iterator was created at time {} while right now it is {} which is further in the \
         future than the tolerated delay of {} milliseconds.",
        date(issued),
        date(now),
        LIFETIME.as_millis()
    );
    Fault::client("ExpiredIteratorException", message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn cursors_survive_a_round_trip(
            issued: i64, incarnation: u64, shard: u32, offset: i64, account in 0u64..1_000_000_000_000,
            name in "[a-zA-Z0-9_.-]{1,128}",
        ) {
            let account = AccountId::from_number(account).unwrap();
            let stream = StreamName::new(&name).unwrap();
            let cursor = Cursor { issued: Timestamp::from_ms(issued), incarnation, shard, offset, account, stream };
            prop_assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = Cursor::decode(&bytes);
        }
    }

    #[test]
    fn the_refusal_of_an_old_iterator_says_both_times() {
        let fault = expired(Timestamp::from_ms(0), Timestamp::from_ms(300_001));
        assert_eq!(fault.code, "ExpiredIteratorException");
        assert!(fault.message.contains("at time Thu Jan 01 00:00:00 UTC 1970 while"), "{}", fault.message);
        assert!(fault.message.contains("is Thu Jan 01 00:05:00 UTC 1970 which"), "{}", fault.message);
    }
}
