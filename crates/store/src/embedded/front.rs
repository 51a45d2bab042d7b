//! Where commits enter: admission, the sequencer, and the queue to the journal thread.
//!
//! ```text
//! commit ─► admitted? ─no─► parked (bounded) ─► admitted later, or Busy, or Full
//!              │yes
//!              ▼ pre-read at the published LSN, then under one lock:
//!           sequence ─► queue (bounded bytes) ─► journal thread
//! ```
//!
//! **Invariants.** The lock is held for computation only. Queue order is LSN order. An outcome that
//! rests on something not yet published rides in the queue behind it. A commit that has entered runs
//! to its end whether or not anyone still waits for it. Commits that free space are neither
//! throttled nor refused for want of room.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use headwater_base::Clock;
use tokio::sync::oneshot;

use crate::sequencer::{self, Effects, Entry, Outcome, Seen, State, Stored};
use crate::{Class, Commit, CommitError, Committed, Key, LogOp, Lsn};

/// What a commit's caller waits for.
pub(crate) type Answer = Result<Committed, CommitError>;

/// Who is told what, once it is published.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Where the answer goes.
    pub to: oneshot::Sender<Answer>,
    /// The answer.
    pub answer: Answer,
    /// Bytes to take off the queue's account.
    pub bytes: usize,
}

/// One thing in the queue.
#[derive(Debug)]
pub(crate) struct Queued {
    /// What to journal; nothing for an outcome that only waits its turn.
    pub effects: Option<Effects>,
    /// Who waits.
    pub reply: Option<Reply>,
}

/// What the journal thread takes at a time.
#[derive(Debug)]
pub(crate) struct Taken {
    /// Begin a new file first.
    pub roll: bool,
    /// The group.
    pub queued: Vec<Queued>,
}

/// Where a pre-read looks.
pub(crate) trait PreRead: Send + Sync {
    /// What is published at `key`, and the generation it belongs to.
    fn seen(&self, keys: &mut dyn Iterator<Item = Option<&Key>>) -> Result<(u64, Vec<Seen>), CommitError>;
}

/// The bounds of [`Front`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Bytes queued and not yet published.
    pub queue_bytes: usize,
    /// Bytes parked.
    pub parked_bytes: usize,
    /// Bytes of payload not yet in a segment.
    pub unsettled_bytes: u64,
    /// Batches not yet in a segment.
    pub unsettled_batches: u64,
}

/// What is in the journal and in no segment.
#[derive(Debug, Default)]
pub(crate) struct Unsettled {
    /// Bytes of payload.
    pub bytes: AtomicU64,
    /// Batches.
    pub batches: AtomicU64,
}

/// Admission, sequencer and queue.
pub(crate) struct Front {
    inner: Mutex<Inner>,
    changed: Condvar,
    bounds: Bounds,
    clock: Clock,
    /// See [`Unsettled`].
    pub unsettled: Unsettled,
    full: AtomicBool,
    queued_bytes: AtomicU64,
}

struct Inner {
    state: State,
    published: Lsn,
    /// Outstanding pre-reads by the LSN they began at.
    reading: BTreeMap<Lsn, usize>,
    queue: VecDeque<Queued>,
    queued_bytes: usize,
    parked: VecDeque<Parked>,
    parked_bytes: usize,
    roll: bool,
    barrier: bool,
    closing: bool,
}

#[derive(Debug)]
struct Parked {
    commit: Commit,
    size: usize,
    to: oneshot::Sender<Answer>,
}

impl std::fmt::Debug for Front {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Front").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

impl Front {
    /// A front that goes on from a recovered state, all of which is published.
    pub fn new(state: State, bounds: Bounds, clock: Clock, unsettled: Unsettled) -> Self {
        let inner = Inner {
            published: state.last_lsn,
            state,
            reading: BTreeMap::new(),
            queue: VecDeque::new(),
            queued_bytes: 0,
            parked: VecDeque::new(),
            parked_bytes: 0,
            roll: false,
            barrier: false,
            closing: false,
        };
        Self {
            inner: Mutex::new(inner),
            changed: Condvar::new(),
            bounds,
            clock,
            unsettled,
            full: AtomicBool::new(false),
            queued_bytes: AtomicU64::new(0),
        }
    }

    /// Takes a commit in. It runs to its end from here on; the receiver gets the outcome.
    pub fn enter(&self, commit: Commit, reads: &dyn PreRead) -> oneshot::Receiver<Answer> {
        let (to, answer) = oneshot::channel();
        if let Err(error) = sequencer::check_bounds(&commit) {
            let _ = to.send(Err(error));
            return answer;
        }
        let size = commit.size();
        let mut inner = self.lock();
        match self.admission(&inner, &commit, size, false) {
            Admission::Enter => self.sequence(inner, commit, size, to, reads),
            Admission::Park => {
                metrics::counter!("headwater_store_commits_parked_total").increment(1);
                inner.parked_bytes += size;
                inner.parked.push_back(Parked { commit, size, to });
            }
            Admission::Refuse(error) => {
                drop(inner);
                let _ = to.send(Err(error));
            }
        }
        answer
    }

    /// Forgets everything but the facts that `keep` finds once everything sequenced is published.
    pub fn wipe(
        &self,
        keep: impl FnOnce() -> Result<Vec<(Key, Lsn, Stored)>, CommitError>,
    ) -> Result<oneshot::Receiver<Answer>, CommitError> {
        let mut inner = self.lock();
        if inner.closing || inner.barrier {
            return Err(CommitError::Closed);
        }
        inner.barrier = true;
        while inner.published < inner.state.last_lsn {
            inner = self.changed.wait(inner).expect("no holder of this lock panics");
        }
        drop(inner);
        let kept = keep();
        let (to, answer) = oneshot::channel();
        let mut inner = self.lock();
        inner.barrier = false;
        let outcome = sequencer::apply(&mut inner.state, Entry::Wipe { kept: kept?, now: self.clock.now() });
        let refused = std::mem::take(&mut inner.parked);
        inner.parked_bytes = 0;
        self.push(inner, outcome, 0, to);
        refuse(refused, &CommitError::Closed);
        Ok(answer)
    }

    /// Waits for something to write and takes it. `None` once the store is closed and all is taken.
    pub fn take_group(&self, bytes_max: usize) -> Option<Taken> {
        let mut inner = self.lock();
        loop {
            let roll = std::mem::take(&mut inner.roll);
            if !inner.queue.is_empty() || roll {
                let mut queued = Vec::with_capacity(inner.queue.len().min(256));
                let mut bytes = 0;
                while let Some(next) = inner.queue.front() {
                    bytes += next.reply.as_ref().map_or(0, |reply| reply.bytes);
                    if bytes > bytes_max && !queued.is_empty() {
                        break;
                    }
                    queued.extend(inner.queue.pop_front());
                }
                return Some(Taken { roll, queued });
            }
            if inner.closing {
                return None;
            }
            inner = self.changed.wait(inner).expect("no holder of this lock panics");
        }
    }

    /// Everything up to `lsn` is visible; answers may go out after this.
    pub fn published(&self, lsn: Lsn, bytes: usize) {
        let mut inner = self.lock();
        inner.published = inner.published.max(lsn);
        inner.queued_bytes -= bytes;
        self.queued_bytes.store(inner.queued_bytes as u64, Ordering::Relaxed);
        self.forget(&mut inner);
        let waited_for = inner.barrier;
        drop(inner);
        if waited_for {
            self.changed.notify_all();
        }
    }

    /// Lets in whoever is parked and may now enter. Call after anything that makes room.
    pub fn unpark(&self, reads: &dyn PreRead) {
        loop {
            let mut inner = self.lock();
            let Some(next) = inner.parked.front() else { return };
            let admission = self.admission(&inner, &next.commit, next.size, true);
            if matches!(admission, Admission::Park) {
                return;
            }
            let Some(Parked { commit, size, to }) = inner.parked.pop_front() else { return };
            inner.parked_bytes -= size;
            match admission {
                Admission::Refuse(error) => {
                    drop(inner);
                    drop(to.send(Err(error)));
                }
                Admission::Enter | Admission::Park => self.sequence(inner, commit, size, to, reads),
            }
        }
    }

    /// Asks the journal thread to begin a new file, so that the current one can be settled.
    pub fn request_roll(&self) {
        self.lock().roll = true;
        self.changed.notify_all();
    }

    /// Says whether ordinary commits are to be refused for want of room.
    pub fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::Release);
    }

    /// Whether ordinary commits are refused for want of room.
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Acquire)
    }

    /// Lets nobody in any more. What is queued is still written.
    pub fn close(&self) {
        let mut inner = self.lock();
        inner.closing = true;
        let refused = std::mem::take(&mut inner.parked);
        inner.parked_bytes = 0;
        drop(inner);
        self.changed.notify_all();
        refuse(refused, &CommitError::Closed);
    }

    /// Whether the store is closed.
    pub fn is_closing(&self) -> bool {
        self.lock().closing
    }

    /// Bytes in the queue.
    pub fn queued_bytes(&self) -> u64 {
        self.queued_bytes.load(Ordering::Relaxed)
    }

    /// Looks at the sequencer's state.
    pub fn with_state<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock().state)
    }

    /// Sleeps, or until something happens.
    pub fn wait_a_moment(&self, limit: Duration) {
        let inner = self.lock();
        drop(self.changed.wait_timeout(inner, limit).expect("no holder of this lock panics"));
    }

    fn admission(&self, inner: &Inner, commit: &Commit, size: usize, was_parked: bool) -> Admission {
        if inner.closing {
            return Admission::Refuse(CommitError::Closed);
        }
        if inner.barrier {
            return Admission::Park;
        }
        if commit.class == Class::Freeing {
            return Admission::Enter;
        }
        if self.is_full() {
            return Admission::Refuse(CommitError::Full);
        }
        let appends = commit.logs.iter().any(|op| matches!(op, LogOp::Append(..)));
        let behind = self.unsettled.bytes.load(Ordering::Relaxed) >= self.bounds.unsettled_bytes
            || self.unsettled.batches.load(Ordering::Relaxed) >= self.bounds.unsettled_batches;
        let crowded = inner.queued_bytes > 0 && inner.queued_bytes + size > self.bounds.queue_bytes;
        let in_line = !was_parked && !inner.parked.is_empty();
        let must_wait = crowded || (appends && (behind || in_line));
        match must_wait {
            false => Admission::Enter,
            true if !was_parked
                && inner.parked_bytes > 0
                && inner.parked_bytes + size > self.bounds.parked_bytes =>
            {
                Admission::Refuse(CommitError::Busy)
            }
            true => Admission::Park,
        }
    }

    /// Sequences a commit that was let in under the lock given.
    fn sequence(
        &self,
        mut inner: MutexGuard<'_, Inner>,
        commit: Commit,
        size: usize,
        to: oneshot::Sender<Answer>,
        reads: &dyn PreRead,
    ) {
        let needs_reading = sequencer::keys_to_read(&commit).any(|key| key.is_some());
        let began = needs_reading.then(|| inner.begin_reading());
        drop(inner);
        let read = reads.seen(&mut sequencer::keys_to_read(&commit));
        let mut inner = self.lock();
        if let Some(began) = began {
            inner.end_reading(began);
        }
        let (generation, seen) = match read {
            Ok(read) => read,
            Err(error) => {
                drop(inner);
                let _ = to.send(Err(error));
                return;
            }
        };
        if inner.closing {
            drop(inner);
            let _ = to.send(Err(CommitError::Closed));
            return;
        }
        if inner.barrier {
            // A wipe began while this one was reading: it is older than the wipe.
            drop(inner);
            let _ = to.send(Err(CommitError::Closed));
            return;
        }
        // The time is read under the lock, so that LSNs and times rise together.
        let now = self.clock.now();
        let outcome = sequencer::apply(&mut inner.state, Entry::Commit { commit, now, generation, seen });
        self.push(inner, outcome, size, to);
    }

    /// Queues an outcome and lets go of the lock before it wakes anybody, who would need it at once.
    fn push(
        &self,
        mut inner: MutexGuard<'_, Inner>,
        outcome: Outcome,
        size: usize,
        to: oneshot::Sender<Answer>,
    ) {
        if outcome.effects.is_none() && outcome.release <= inner.published {
            drop(inner);
            let _ = to.send(outcome.result);
            return;
        }
        let was_empty = inner.queue.is_empty();
        inner.queued_bytes += size;
        self.queued_bytes.store(inner.queued_bytes as u64, Ordering::Relaxed);
        let reply = Some(Reply { to, answer: outcome.result, bytes: size });
        inner.queue.push_back(Queued { effects: outcome.effects, reply });
        drop(inner);
        if was_empty {
            self.changed.notify_all();
        }
    }

    fn forget(&self, inner: &mut Inner) {
        let oldest = inner.reading.keys().next().copied().unwrap_or(inner.published);
        inner.state.forget(oldest.min(inner.published));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no holder of this lock panics")
    }
}

impl Inner {
    fn begin_reading(&mut self) -> Lsn {
        *self.reading.entry(self.published).or_default() += 1;
        self.published
    }

    fn end_reading(&mut self, began: Lsn) {
        if let Some(count) = self.reading.get_mut(&began) {
            *count -= 1;
            if *count == 0 {
                self.reading.remove(&began);
            }
        }
    }
}

enum Admission {
    Enter,
    Park,
    Refuse(CommitError),
}

fn refuse(parked: VecDeque<Parked>, error: &CommitError) {
    for Parked { to, .. } in parked {
        let _ = to.send(Err(error.clone()));
    }
}
