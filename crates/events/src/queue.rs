//! One destination's queue: its rows, its figures, its dead letters and its bounds.
//!
//! **Invariants.** The router adds rows; one owner (the destination's lane, or the router where no
//! target stands for the destination) removes them. So a row is never removed twice, and the
//! figures, which are counters in the same commits, are what the rows are.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use headwater_base::Timestamp;
use headwater_objects::{CommitError, Lsn, StoreError};
use headwater_store::{Commit, Direction, Fact, Key, KeyRange, Scanned, Store};

use crate::engine::Inner;
use crate::records::keys::Figure;
use crate::records::queued::{DeadRecord, QueuedRecord};
use crate::records::{decode, encode, keys};

/// How many dead letters are kept for each destination.
pub const DEAD_LETTERS_MAX: usize = 10_000;

/// How many events are given up in one commit.
const GIVE_UP_ROWS: usize = 256;

/// How many such commits one pass makes.
const GIVE_UP_ROUNDS_MAX: usize = 64;

/// How a destination's queue stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DestinationStatus {
    /// The destination.
    pub arn: String,
    /// The address that stands for it; `None` if the configuration has none.
    pub url: Option<String>,
    /// Events that wait.
    pub waiting: u64,
    /// Their bytes.
    pub waiting_bytes: u64,
    /// When the oldest of them happened.
    pub oldest: Option<Timestamp>,
    /// Events delivered, ever.
    pub delivered: u64,
    /// Events given up, ever.
    pub dead_lettered: u64,
    /// Dead letters that are kept.
    pub dead_letters: u64,
    /// Dead letters that made room for newer ones, ever.
    pub dropped: u64,
}

/// An event that was given up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeadLetter {
    /// The id its deliveries had.
    pub id: String,
    /// When it happened.
    pub time: Timestamp,
    /// When it was given up.
    pub given_up: Timestamp,
    /// Why.
    pub reason: String,
    /// The message as it was sent.
    pub message: String,
}

/// An event that waits.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) key: Key,
    pub(crate) lsn: Lsn,
    pub(crate) nonce: u64,
    pub(crate) event: QueuedRecord,
}

impl Row {
    fn read(row: &Scanned) -> Result<Self, StoreError> {
        let (_, lsn, nonce) = keys::event_of(&row.key)
            .ok_or_else(|| StoreError::Corrupt(format!("{:?}: not an event's key", row.key)))?;
        Ok(Self { key: row.key.clone(), lsn, nonce, event: decode(&row.key, &row.fact.value)? })
    }
}

/// What a commit changes of a queue's figures.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    rows: i64,
    bytes: i64,
    delivered: i64,
    dead: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct Queue {
    inner: Arc<Inner>,
    arn: String,
}

impl Queue {
    pub(crate) fn new(inner: Arc<Inner>, arn: String) -> Self {
        Self { inner, arn }
    }

    /// Every destination that ever had a queue.
    pub(crate) async fn destinations(store: &dyn Store) -> Result<BTreeSet<String>, StoreError> {
        let range = KeyRange::prefix(&keys::all_figures());
        let rows = store.scan(&range, headwater_store::limits::SCAN_ROWS_MAX, Direction::Forward).await?;
        Ok(rows.iter().filter_map(|row| keys::destination_of(&row.key)).collect())
    }

    /// Up to `limit` waiting events from `from` on, in the order of their commits.
    pub(crate) async fn rows(&self, from: Option<&Key>, limit: usize) -> Result<Vec<Row>, StoreError> {
        let mut range = KeyRange::prefix(&keys::queue(&self.arn));
        if let Some(from) = from {
            range.start = from.clone();
        }
        let rows = self.inner.store.scan(&range, limit, Direction::Forward).await?;
        rows.iter().map(Row::read).collect()
    }

    /// Adds to `commit`: this event waits.
    pub(crate) fn stage_queued(
        commit: &mut Commit,
        tally: &mut Tally,
        arn: &str,
        (lsn, nonce): (Lsn, u64),
        event: &QueuedRecord,
    ) {
        commit.stage(|c| c.put(keys::queued(arn, lsn, nonce), encode(event)));
        tally.rows += 1;
        tally.bytes += event.bytes();
    }

    /// Adds to `commit`: this event was delivered.
    pub(crate) fn stage_delivered(commit: &mut Commit, tally: &mut Tally, row: &Row) {
        commit.stage(|c| c.delete(row.key.clone()));
        tally.rows -= 1;
        tally.bytes -= row.event.bytes();
        tally.delivered += 1;
    }

    /// Adds to `commit`: this event is given up.
    pub(crate) fn stage_dead(&self, commit: &mut Commit, tally: &mut Tally, row: &Row, reason: &str) {
        let given_up_ms = self.inner.seams.clock.now().ms();
        let dead = DeadRecord { event: row.event.clone(), given_up_ms, reason: reason.to_owned() };
        let key = keys::dead(&self.arn, row.lsn, row.nonce);
        commit.stage(|c| c.delete(row.key.clone()).put(key, encode(&dead)));
        tally.rows -= 1;
        tally.bytes -= row.event.bytes();
        tally.dead += 1;
    }

    /// Adds to `commit`: the figures follow.
    pub(crate) fn stage_tally(commit: &mut Commit, arn: &str, tally: Tally) {
        let figures = [
            (Figure::Waiting, tally.rows),
            (Figure::WaitingBytes, tally.bytes),
            (Figure::Delivered, tally.delivered),
            (Figure::Dead, tally.dead),
            (Figure::DeadLettered, tally.dead),
        ];
        for (figure, n) in figures.into_iter().filter(|(_, n)| *n != 0) {
            commit.stage(|c| c.add(keys::figure(arn, figure), n));
        }
    }

    /// Gives up what is too old, and the oldest of what is too much; lets go of the oldest dead
    /// letters when there are too many. A bounded amount.
    pub(crate) async fn keep_bounds(&self) -> Result<(), BoundsError> {
        for _ in 0..GIVE_UP_ROUNDS_MAX {
            if !self.give_up_some().await? {
                break;
            }
        }
        self.let_go_of_dead_letters().await
    }

    /// Whether there may be more to give up.
    async fn give_up_some(&self) -> Result<bool, BoundsError> {
        let rows = self.rows(None, GIVE_UP_ROWS).await?;
        let limit = i64::try_from(self.inner.queue_bytes_max).unwrap_or(i64::MAX);
        let mut excess = self.figure(Figure::WaitingBytes).await? - limit;
        let oldest = self.inner.seams.clock.now().minus(self.inner.keep);
        let (mut commit, mut tally) = (Commit::new().freeing(), Tally::default());
        for row in &rows {
            if Timestamp::from_ms(row.event.time_ms) < oldest {
                self.stage_dead(&mut commit, &mut tally, row, "not taken in time");
            } else if excess > 0 {
                self.stage_dead(&mut commit, &mut tally, row, "too many events wait");
            } else {
                break;
            }
            excess -= row.event.bytes();
        }
        if tally.dead == 0 {
            return Ok(false);
        }
        Self::stage_tally(&mut commit, &self.arn, tally);
        self.inner.store.commit(commit).await?;
        self.count_dead(tally.dead);
        Ok(tally.dead as usize == GIVE_UP_ROWS)
    }

    /// Tells of events that were given up, loudly.
    pub(crate) fn count_dead(&self, events: i64) {
        tracing::error!(destination = self.arn, events, "events were given up and are dead letters");
        let count = u64::try_from(events).unwrap_or_default();
        metrics::counter!("headwater_events_dead_lettered_total", "destination" => self.arn.clone())
            .increment(count);
    }

    async fn let_go_of_dead_letters(&self) -> Result<(), BoundsError> {
        let kept = usize::try_from(self.figure(Figure::Dead).await?).unwrap_or_default();
        let excess = kept.saturating_sub(DEAD_LETTERS_MAX).min(GIVE_UP_ROWS * GIVE_UP_ROUNDS_MAX);
        if excess == 0 {
            return Ok(());
        }
        let range = KeyRange::prefix(&keys::dead_letters(&self.arn));
        let rows = self.inner.store.scan(&range, excess, Direction::Forward).await?;
        let gone = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        let mut commit = Commit::new()
            .freeing()
            .add(keys::figure(&self.arn, Figure::Dead), -gone)
            .add(keys::figure(&self.arn, Figure::Dropped), gone);
        for row in rows {
            commit.stage(|c| c.delete(row.key));
        }
        self.inner.store.commit(commit).await?;
        tracing::error!(destination = self.arn, events = gone, "dead letters made room for newer ones");
        metrics::counter!("headwater_events_dropped_total", "destination" => self.arn.clone(), "reason" => "dead_letters")
            .increment(gone.unsigned_abs());
        Ok(())
    }

    /// Sets the gauges of this queue.
    pub(crate) async fn show(&self) -> Result<(), StoreError> {
        let age = match self.rows(None, 1).await?.first() {
            Some(row) => self.inner.seams.clock.now().since(Timestamp::from_ms(row.event.time_ms)),
            None => Duration::ZERO,
        };
        let destination = || self.arn.clone();
        let waiting = self.figure(Figure::Waiting).await?;
        let bytes = self.figure(Figure::WaitingBytes).await?;
        metrics::gauge!("headwater_events_waiting", "destination" => destination()).set(waiting as f64);
        metrics::gauge!("headwater_events_waiting_bytes", "destination" => destination()).set(bytes as f64);
        metrics::gauge!("headwater_events_oldest_seconds", "destination" => destination())
            .set(age.as_secs_f64());
        Ok(())
    }

    pub(crate) async fn status(&self, url: Option<String>) -> Result<DestinationStatus, StoreError> {
        let oldest = self.rows(None, 1).await?.first().map(|row| Timestamp::from_ms(row.event.time_ms));
        let count = async |figure| Ok(u64::try_from(self.figure(figure).await?).unwrap_or_default());
        Ok::<_, StoreError>(DestinationStatus {
            arn: self.arn.clone(),
            url,
            waiting: count(Figure::Waiting).await?,
            waiting_bytes: count(Figure::WaitingBytes).await?,
            oldest,
            delivered: count(Figure::Delivered).await?,
            dead_lettered: count(Figure::DeadLettered).await?,
            dead_letters: count(Figure::Dead).await?,
            dropped: count(Figure::Dropped).await?,
        })
    }

    pub(crate) async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, StoreError> {
        let range = KeyRange::prefix(&keys::dead_letters(&self.arn));
        let rows = self.inner.store.scan(&range, limit, Direction::Forward).await?;
        let letter = |row: &Scanned| {
            let corrupt = || StoreError::Corrupt(format!("{:?}: not an event's key", row.key));
            let (_, lsn, nonce) = keys::event_of(&row.key).ok_or_else(corrupt)?;
            let record: DeadRecord = decode(&row.key, &row.fact.value)?;
            Ok(DeadLetter {
                id: crate::message::id(lsn, nonce),
                time: Timestamp::from_ms(record.event.time_ms),
                given_up: Timestamp::from_ms(record.given_up_ms),
                reason: record.reason,
                message: String::from_utf8_lossy(&record.event.message).into_owned(),
            })
        };
        rows.iter().map(letter).collect()
    }

    async fn figure(&self, figure: Figure) -> Result<i64, StoreError> {
        let key = keys::figure(&self.arn, figure);
        let read = |fact: Fact| {
            let bytes = fact.value.as_ref().try_into();
            bytes.map(i64::from_le_bytes).map_err(|_| StoreError::Corrupt(format!("{key:?}: not a counter")))
        };
        self.inner.store.get(&key).await?.map_or(Ok(0), read)
    }
}

/// Why a queue was not held to its bounds.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BoundsError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}
