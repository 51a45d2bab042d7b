//! The in-memory backend: the same sequencer and the same semantics, nothing durable.
//!
//! For unit tests and simulations. A process that ends forgets everything; `Ok` from `commit` means
//! visible, not durable. Commits happen inside the first poll of their future, so dropping it
//! changes nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use headwater_base::{Seams, Timestamp};

use crate::sequencer::{self, Effects, Entry, LogEffect, Seen, State, Stored};
use crate::watch::Watches;
use crate::{
    Bounds, Commit, CommitError, Committed, Direction, Fact, Key, KeyRange, LogId, Lsn, Scanned, Snapshot,
    Store, StoreError, StoreStatus, StoredBatch, Watch, WatchTarget,
};

/// Opens an empty store in memory.
pub fn open(seams: Seams) -> Arc<dyn Store> {
    Arc::new(MemoryStore { shared: Arc::new(Shared::default()), seams })
}

#[derive(Debug)]
struct MemoryStore {
    shared: Arc<Shared>,
    seams: Seams,
}

#[derive(Debug, Default)]
struct Shared {
    inner: Mutex<Inner>,
    watches: Watches,
}

#[derive(Debug, Default)]
struct Inner {
    state: State,
    facts: Versions,
    batches: HashMap<LogId, Vec<StoredBatch>>,
    log_ids: u64,
    closed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no holder of this lock panics")
    }
}

impl Inner {
    fn open(&self) -> Result<&Self, StoreError> {
        if self.closed { Err(StoreError::Closed) } else { Ok(self) }
    }

    fn commit(
        &mut self,
        commit: Commit,
        now: Timestamp,
    ) -> (Result<Committed, CommitError>, Option<Effects>) {
        if self.closed {
            return (Err(CommitError::Closed), None);
        }
        let now_at = self.state.last_lsn;
        let seen = sequencer::keys_to_read(&commit)
            .map(|key| key.and_then(|key| self.facts.at(key, now_at)))
            .map(|found| {
                found.map_or(Seen::Absent, |(lsn, stored)| Seen::fact(lsn, stored.counter, &stored.value))
            })
            .collect();
        let generation = self.state.generation;
        self.sequence(Entry::Commit { commit, now, generation, seen })
    }

    fn wipe(&mut self, keep: &[Key], now: Timestamp) -> (Result<Committed, CommitError>, Option<Effects>) {
        if self.closed {
            return (Err(CommitError::Closed), None);
        }
        let at = self.state.last_lsn;
        let ranges = keep.iter().map(KeyRange::prefix);
        let kept = ranges.flat_map(|range| self.facts.range(&range, at).collect::<Vec<_>>()).collect();
        self.sequence(Entry::Wipe { kept, now })
    }

    fn sequence(&mut self, entry: Entry) -> (Result<Committed, CommitError>, Option<Effects>) {
        let outcome = sequencer::apply(&mut self.state, entry);
        self.state.forget(self.state.last_lsn);
        if let Some(effects) = &outcome.effects {
            self.publish(effects);
        }
        (outcome.result, outcome.effects)
    }

    fn publish(&mut self, effects: &Effects) {
        if let Some(wiped) = &effects.wiped {
            self.batches.clear();
            self.facts.clear(effects.lsn);
            for (key, version, stored) in &wiped.kept {
                self.facts.write(key, effects.lsn, Some((*version, stored.clone())));
            }
        }
        for fact in &effects.facts {
            self.facts.write(&fact.key, effects.lsn, fact.stored.clone().map(|stored| (effects.lsn, stored)));
        }
        for effect in &effects.logs {
            self.publish_log(effect, effects.time);
        }
    }

    fn publish_log(&mut self, effect: &LogEffect, append_time: Timestamp) {
        match effect {
            LogEffect::Created(log) => {
                self.batches.insert(*log, Vec::new());
            }
            LogEffect::Dropped(log) => {
                self.batches.remove(log);
            }
            LogEffect::Trimmed(log, start) => {
                let batches = self.batches.entry(*log).or_default();
                let gone = batches.partition_point(|batch| batch.next_offset() <= *start);
                batches.drain(..gone);
            }
            LogEffect::Appended { log, base_offset, count, payload } => {
                let (base_offset, count, payload) = (*base_offset, *count, payload.clone());
                let batch = StoredBatch { base_offset, count, append_time, payload };
                self.batches.entry(*log).or_default().push(batch);
            }
        }
    }

    fn read(&self, log: LogId, offset: i64, max_bytes: usize) -> Result<Vec<StoredBatch>, StoreError> {
        let batches = self.batches.get(&log).ok_or(StoreError::NoSuchLog(log))?;
        let first = batches.partition_point(|batch| batch.next_offset() <= offset);
        let mut gathered = 0;
        let wanted = batches[first..].iter().take_while(|batch| {
            let enough = gathered > 0 && gathered + batch.payload.len() > max_bytes;
            gathered += batch.payload.len();
            !enough
        });
        Ok(wanted.cloned().collect())
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        sequencer::check_bounds(&commit)?;
        let (result, effects) = self.shared.lock().commit(commit, self.seams.clock.now());
        if let Some(effects) = effects {
            self.shared.watches.published(&effects);
        }
        result
    }

    async fn get(&self, key: &Key) -> Result<Option<Fact>, StoreError> {
        let inner = self.shared.lock();
        Ok(inner.open()?.facts.at(key, inner.state.last_lsn).map(|(version, stored)| fact(version, stored)))
    }

    async fn scan(
        &self,
        range: &KeyRange,
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<Scanned>, StoreError> {
        let inner = self.shared.lock();
        Ok(inner.open()?.facts.scan(range, inner.state.last_lsn, limit, direction))
    }

    async fn snapshot(&self) -> Result<Arc<dyn Snapshot>, StoreError> {
        let mut inner = self.shared.lock();
        let lsn = inner.open()?.state.last_lsn;
        *inner.facts.pinned.entry(lsn).or_default() += 1;
        Ok(Arc::new(MemorySnapshot { shared: Arc::clone(&self.shared), lsn }))
    }

    fn new_log_id(&self) -> LogId {
        let mut inner = self.shared.lock();
        inner.log_ids += 1;
        LogId(inner.log_ids)
    }

    async fn read(&self, log: LogId, offset: i64, max_bytes: usize) -> Result<Vec<StoredBatch>, StoreError> {
        self.shared.lock().open()?.read(log, offset, max_bytes)
    }

    async fn bounds(&self, log: LogId) -> Result<Bounds, StoreError> {
        let inner = self.shared.lock();
        let state = inner.open()?.state.logs.get(&log).ok_or(StoreError::NoSuchLog(log))?;
        Ok(Bounds { start: state.start, end: state.end, last_append_time: state.last_append_time })
    }

    async fn offset_at(&self, log: LogId, time: Timestamp) -> Result<i64, StoreError> {
        let inner = self.shared.lock();
        let state = inner.open()?.state.logs.get(&log).ok_or(StoreError::NoSuchLog(log))?;
        let batches = inner.batches.get(&log).map_or(&[][..], Vec::as_slice);
        let first = batches.partition_point(|batch| batch.append_time < time);
        Ok(batches.get(first).map_or(state.end, |batch| batch.base_offset.max(state.start)))
    }

    fn watch(&self, target: WatchTarget) -> Watch {
        self.shared.watches.watch(target)
    }

    async fn wipe(&self, keep: &[Key]) -> Result<(), CommitError> {
        let (result, effects) = self.shared.lock().wipe(keep, self.seams.clock.now());
        if let Some(effects) = effects {
            self.shared.watches.published(&effects);
        }
        result.map(|_| ())
    }

    fn status(&self) -> StoreStatus {
        let inner = self.shared.lock();
        StoreStatus {
            published: inner.state.last_lsn,
            generation: inner.state.generation,
            logs: inner.state.logs.len() as u64,
            ..StoreStatus::default()
        }
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.shared.lock().closed = true;
        self.shared.watches.close();
        Ok(())
    }
}

#[derive(Debug)]
struct MemorySnapshot {
    shared: Arc<Shared>,
    lsn: Lsn,
}

#[async_trait]
impl Snapshot for MemorySnapshot {
    fn lsn(&self) -> Lsn {
        self.lsn
    }

    async fn get(&self, key: &Key) -> Result<Option<Fact>, StoreError> {
        let inner = self.shared.lock();
        Ok(inner.facts.at(key, self.lsn).map(|(version, stored)| fact(version, stored)))
    }

    async fn scan(
        &self,
        range: &KeyRange,
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<Scanned>, StoreError> {
        Ok(self.shared.lock().facts.scan(range, self.lsn, limit, direction))
    }
}

impl Drop for MemorySnapshot {
    fn drop(&mut self) {
        let mut inner = self.shared.lock();
        if let Some(count) = inner.facts.pinned.get_mut(&self.lsn) {
            *count -= 1;
            if *count == 0 {
                inner.facts.pinned.remove(&self.lsn);
            }
        }
    }
}

fn fact(version: Lsn, stored: &Stored) -> Fact {
    Fact { value: stored.value.clone(), version }
}

/// What a key holds: a version and a value, or nothing.
type Held = Option<(Lsn, Stored)>;

/// Facts with the older values that snapshots still look at.
#[derive(Debug, Default)]
struct Versions {
    /// Per key, oldest first: the LSN a state began at, and the state.
    rows: BTreeMap<Key, Vec<(Lsn, Held)>>,
    /// Snapshots by LSN.
    pinned: BTreeMap<Lsn, usize>,
}

impl Versions {
    fn at(&self, key: &Key, lsn: Lsn) -> Option<(Lsn, &Stored)> {
        visible(self.rows.get(key)?, lsn)
    }

    fn range(&self, range: &KeyRange, lsn: Lsn) -> impl DoubleEndedIterator<Item = (Key, Lsn, Stored)> {
        let start = std::ops::Bound::Included(range.start.clone());
        let empty = range.end.as_ref().is_some_and(|end| *end <= range.start);
        let end = match &range.end {
            _ if empty => std::ops::Bound::Excluded(range.start.next()),
            Some(end) => std::ops::Bound::Excluded(end.clone()),
            None => std::ops::Bound::Unbounded,
        };
        self.rows.range((start, end)).filter(move |_| !empty).filter_map(move |(key, states)| {
            visible(states, lsn).map(|(version, stored)| (key.clone(), version, stored.clone()))
        })
    }

    fn scan(&self, range: &KeyRange, lsn: Lsn, limit: usize, direction: Direction) -> Vec<Scanned> {
        let limit = limit.min(crate::limits::SCAN_ROWS_MAX);
        let row = |(key, version, stored): (Key, Lsn, Stored)| Scanned { key, fact: fact(version, &stored) };
        match direction {
            Direction::Forward => self.range(range, lsn).take(limit).map(row).collect(),
            Direction::Backward => self.range(range, lsn).rev().take(limit).map(row).collect(),
        }
    }

    fn write(&mut self, key: &Key, at: Lsn, state: Held) {
        let states = self.rows.entry(key.clone()).or_default();
        states.push((at, state));
        if trim_states(states, self.pinned.keys().next().copied()) {
            self.rows.remove(key);
        }
    }

    fn clear(&mut self, at: Lsn) {
        let oldest = self.pinned.keys().next().copied();
        self.rows.retain(|_, states| {
            states.push((at, None));
            !trim_states(states, oldest)
        });
    }
}

fn visible(states: &[(Lsn, Held)], lsn: Lsn) -> Option<(Lsn, &Stored)> {
    let next = states.partition_point(|(at, _)| *at <= lsn);
    let (_, state) = states.get(next.checked_sub(1)?)?;
    state.as_ref().map(|(version, stored)| (*version, stored))
}

/// Drops the states no snapshot can see. Returns whether none is left worth keeping.
fn trim_states(states: &mut Vec<(Lsn, Held)>, oldest: Option<Lsn>) -> bool {
    let keep_from = match oldest {
        Some(lsn) => states.partition_point(|(at, _)| *at <= lsn).saturating_sub(1),
        None => states.len() - 1,
    };
    states.drain(..keep_from);
    matches!(states.as_slice(), [(_, None)])
}
