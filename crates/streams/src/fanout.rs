//! Enhanced fan-out: subscriptions that push a shard's records to a consumer as they are stored.
//!
//! A subscription is pulled by whoever sends its events, one at a time: it reads what is new, or
//! waits until something is (a watch of the store), or until it is time for a sign of life. It
//! keeps no queue, so a subscriber that does not read costs the one event it does not take, and
//! its own place in the log is all that is remembered of it.
//!
//! **Invariants.** A consumer has one subscription to a shard: a later one takes over, but not
//! within [`RESUBSCRIBE_MIN`] of the last (`claims`). Events under way are at most [`FANOUT_BYTES_MAX`] as they
//! are sent; beyond it every subscription goes on in events of [`SCARCE_EVENT_BYTES_MAX`], so that those who do
//! not read starve nobody. (One record that is larger by itself is sent even then.) What follows the last event
//! of a closed shard is nothing.
//!
//! **Failure.** Subscriptions live in memory: a stop of the node ends them, and subscribers come
//! back with the position of their last event. Nothing is lost by it, since nothing is taken from
//! the log.

mod claims;

use std::sync::Arc;
use std::time::Duration;

use headwater_base::Timestamp;
use headwater_store::{Watch, WatchTarget};

use crate::memory::{Memory, Share};
use crate::records::ShardRow;
use crate::{Consumer, ConsumerError, Shard, ShardRead, Stream, StreamError, StreamKey, Streams};
use claims::{Claim, Claims};

/// How long a subscription lasts.
pub const SUBSCRIPTION_LIFETIME: Duration = Duration::from_secs(300);

/// How soon after a subscription the same consumer may subscribe to the same shard again.
pub const RESUBSCRIBE_MIN: Duration = Duration::from_secs(5);

/// How often a subscription without new records says that it lives, and where it is.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(5);

/// The most subscriptions of a node.
pub const SUBSCRIPTIONS_MAX: usize = 10_000;

/// The most bytes of events that are under way to subscribers, as they are sent; more only for one event of
/// [`SCARCE_EVENT_BYTES_MAX`], or of one record, to each subscriber.
pub const FANOUT_BYTES_MAX: usize = 64 << 20;

/// About how many bytes of records one event has; more only if one record alone is larger.
pub const EVENT_BYTES_MAX: usize = 512 << 10;

/// The same while [`FANOUT_BYTES_MAX`] are under way.
pub const SCARCE_EVENT_BYTES_MAX: usize = 16 << 10;

/// The most records of one event, and of one while memory is scarce.
const EVENT_RECORDS_MAX: usize = 2000;
const SCARCE_EVENT_RECORDS_MAX: usize = 64;

/// What every subscription of a node shares.
#[derive(Debug)]
pub(crate) struct Fanout {
    claims: Arc<Claims>,
    /// Memory for events.
    memory: Memory,
}

impl Fanout {
    pub(crate) fn new() -> Self {
        Self { claims: Arc::default(), memory: Memory::new(FANOUT_BYTES_MAX) }
    }

    /// Ends every subscription of a consumer that is no more.
    pub(crate) fn end_consumer(&self, consumer: u64) {
        self.claims.end_consumer(consumer);
    }

    /// How many records, and bytes of them, the next event may have, and the memory for it.
    fn room(&self) -> (usize, usize, Share) {
        match self.memory.take(EVENT_RECORDS_MAX, EVENT_BYTES_MAX) {
            Some(share) => (EVENT_RECORDS_MAX, EVENT_BYTES_MAX, share),
            None => (SCARCE_EVENT_RECORDS_MAX, SCARCE_EVENT_BYTES_MAX, Share::nothing()),
        }
    }
}

/// One event: records, or that there are none.
#[derive(Debug)]
pub struct Pushed {
    /// The stream as it was when the records were read.
    pub stream: Arc<Stream>,
    /// The index of the shard.
    pub shard: u32,
    /// The records and where they end.
    pub read: ShardRead,
    /// When they were read.
    pub time: Timestamp,
    /// Whether the shard is closed and this its end.
    pub is_last: bool,
    /// The memory they hold.
    pub share: Share,
}

/// A consumer's subscription to a shard. Dropping it releases it.
#[derive(Debug)]
pub struct Subscription {
    streams: Streams,
    stream: StreamKey,
    incarnation: u64,
    shard: u32,
    next: i64,
    claim: Claim,
    appends: Watch,
    /// A shard is closed by a change of its fact.
    shards: Watch,
    ends_at: Duration,
    heartbeat_at: Duration,
    is_over: bool,
}

impl Streams {
    /// Subscribes a consumer to a shard, from offset `from` on. Whoever was subscribed before is
    /// sent away.
    ///
    /// # Errors
    /// [`ConsumerError::InUse`] within [`RESUBSCRIBE_MIN`] of the consumer's last subscription to
    /// the shard, [`ConsumerError::TooMany`], [`ConsumerError::NoSuchConsumer`], or the stream's.
    pub async fn subscribe(
        &self,
        stream: &Stream,
        consumer: &Consumer,
        shard: &Shard,
        from: i64,
    ) -> Result<Subscription, ConsumerError> {
        let claim = self.fanout.claims.claim((consumer.id, shard.index), &self.seams.clock)?;
        // A deregistration that came before the claim has not ended it: look again.
        if !self.consumers(stream).await?.iter().any(|known| known.id == consumer.id) {
            return Err(ConsumerError::NoSuchConsumer);
        }
        let now = self.seams.clock.monotonic();
        Ok(Subscription {
            streams: self.clone(),
            stream: stream.key.clone(),
            incarnation: stream.incarnation,
            shard: shard.index,
            next: from,
            claim,
            appends: self.watch(shard.log),
            shards: self.store.watch(WatchTarget::Prefix(ShardRow::prefix(stream.incarnation))),
            ends_at: now + SUBSCRIPTION_LIFETIME,
            // The first event says at once where the subscription begins.
            heartbeat_at: now,
            is_over: false,
        })
    }

    /// How many subscriptions there are at this moment.
    pub fn subscriptions(&self) -> usize {
        self.fanout.claims.held()
    }
}

impl Subscription {
    /// The next event: as soon as there are records, or when a sign of life is due. `None` when the
    /// subscription is over: after five minutes, at the end of the shard, when the node stops.
    /// An error is the last thing it says. Safe to drop while it waits.
    pub async fn next(&mut self) -> Option<Result<Pushed, ConsumerError>> {
        while !self.is_over {
            let now = self.streams.seams.clock.monotonic();
            if let Some(error) = self.claim.ended() {
                self.is_over = true;
                return Some(Err(error));
            }
            if now >= self.ends_at || self.streams.work.is_stopping() {
                break;
            }
            let pushed = match self.read().await {
                Ok(pushed) => pushed,
                Err(error) => {
                    self.is_over = true;
                    return Some(Err(error.into()));
                }
            };
            self.next = pushed.read.next;
            self.is_over = pushed.is_last;
            if pushed.is_last || !pushed.read.records.is_empty() || now >= self.heartbeat_at {
                self.heartbeat_at = now + HEARTBEAT_EVERY;
                return Some(Ok(pushed));
            }
            drop(pushed);
            self.wait(now).await;
        }
        self.is_over = true;
        None
    }

    async fn read(&self) -> Result<Pushed, StreamError> {
        // The stream first: a shard that is closed then has no records after what is read.
        let stream = self.streams.get(&self.stream).await?;
        let gone = || StreamError::NoSuchStream(self.stream.clone());
        let shard = stream.shard(self.shard).filter(|_| stream.incarnation == self.incarnation);
        let shard = shard.ok_or_else(gone)?;
        let (records_max, bytes_max, mut share) = self.streams.fanout.room();
        let read = self.streams.read(shard, self.next, records_max, bytes_max).await;
        let read = read.map_err(|error| if matches!(error, StreamError::Gone) { gone() } else { error })?;
        let is_last = shard.closed_at.is_some_and(|closed| read.next >= closed);
        self.streams.fanout.memory.fit(&mut share, &read.records);
        let time = self.streams.seams.clock.now();
        Ok(Pushed { shard: shard.index, is_last, read, time, share, stream })
    }

    /// Waits until there may be something to say.
    async fn wait(&mut self, now: Duration) {
        let until = self.heartbeat_at.min(self.ends_at).saturating_sub(now);
        let is_open = tokio::select! {
            is_open = self.appends.changed() => is_open,
            is_open = self.shards.changed() => is_open,
            () = self.claim.ending() => true,
            () = self.streams.work.stopping() => true,
            () = self.streams.seams.clock.sleep(until) => true,
        };
        self.is_over = !is_open;
    }
}

#[cfg(test)]
mod tests;
