//! A lane: delivers one destination's queue.
//!
//! Events of different keys go side by side, events of one key one after the other, in the order of
//! their commits. What was taken leaves the queue in one commit per pass.
//!
//! A target that takes nothing (no connection, no answer, 5xx, 429, 404 …) fails the pass: the lane
//! comes back after the backoff of its reconciler. A target that refuses *one* message is asked
//! again a few times, ever later; meanwhile only that key's events wait, then the message becomes a
//! dead letter.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use headwater_base::Timestamp;
use headwater_objects::Lsn;
use headwater_store::{Commit, Key};
use headwater_work::{Pass, Reconciler, TaskError, TaskResult, Work};

use crate::engine::Inner;
use crate::queue::{Queue, Row, Tally};
use crate::{Message, Target, Undelivered, message};

/// How many events a pass looks at.
const PASS_EVENTS: usize = 64;

/// How many keys' events are on their way at once.
const AT_ONCE: usize = 8;

/// How often a message that its target refuses is sent at most.
const ATTEMPTS_MAX: u32 = 5;

/// How long a refused message waits before it is sent again; doubles.
const REFUSED_WAIT: Duration = Duration::from_millis(200);

/// How often the queue is held to its bounds.
const BOUNDS_EVERY: Duration = Duration::from_secs(5);

/// Delivers the queue of one destination.
#[derive(Debug)]
pub struct Lane {
    inner: Arc<Inner>,
    target: Target,
    queue: Queue,
    work: Option<Work>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Where the queue's first waiting event may be; `None`: at its beginning, where it is looked for
    /// now and then. (What was delivered leaves gaps that cost time to read over.)
    from: Option<Key>,
    /// When the queue was last held to its bounds.
    bounded: Option<Timestamp>,
    /// Messages that were refused: how often, and when to ask again.
    refused: HashMap<(Lsn, u64), (u32, Timestamp)>,
}

/// What became of the events of one key.
#[derive(Debug, Default)]
struct Outcome {
    delivered: Vec<Row>,
    refused: Option<(Row, String)>,
    unavailable: Option<String>,
}

impl Lane {
    pub(crate) fn new(inner: Arc<Inner>, target: Target, work: Option<Work>) -> Self {
        let queue = Queue::new(inner.clone(), target.arn.clone());
        Self { inner, target, queue, work, state: Mutex::default() }
    }

    /// Delivers up to a pass's events. Returns whether there may be more.
    async fn deliver(&self) -> TaskResult<bool> {
        let routed = *self.inner.routed.borrow();
        let from = self.state().from.clone();
        let mut rows = self.queue.rows(from.as_ref(), PASS_EVENTS).await?;
        rows.retain(|row| row.lsn <= routed);
        let Some(last) = rows.last().map(|row| row.key.clone()) else { return Ok(false) };
        let (first, looked_at) = (rows[0].key.clone(), rows.len());
        self.forget_refusals_of_others(&rows);
        let halted = AtomicBool::new(false);
        let due = futures::stream::iter(self.due(rows));
        let outcomes = due.map(|rows| self.deliver_key(rows, &halted)).buffer_unordered(AT_ONCE);
        let outcomes: Vec<Outcome> = outcomes.collect().await;
        let gone = self.settle(&outcomes).await?;
        self.state().from = Some(if gone == looked_at { last.next() } else { first });
        if let Some(why) = outcomes.iter().find_map(|outcome| outcome.unavailable.clone()) {
            return Err(TaskError::msg(why));
        }
        if gone == 0 && !self.is_stopping() {
            let refusal = outcomes.into_iter().find_map(|outcome| outcome.refused).map(|(_, why)| why);
            let waiting = || "messages that were refused wait to be sent again".to_owned();
            return Err(TaskError::msg(refusal.unwrap_or_else(waiting)));
        }
        Ok(looked_at == PASS_EVENTS || gone < looked_at)
    }

    /// Holds the queue to its bounds, now and then.
    async fn keep_bounds(&self) -> TaskResult<()> {
        let now = self.inner.seams.clock.now();
        let last = self.state().bounded;
        if last.is_some_and(|last| last <= now && now.since(last) < BOUNDS_EVERY) {
            return Ok(());
        }
        self.queue.keep_bounds().await?;
        let mut state = self.state();
        state.bounded = Some(now);
        // An event that was routed late lies before what was delivered.
        state.from = None;
        Ok(())
    }

    /// Commits what became of a pass's events; returns how many left the queue.
    async fn settle(&self, outcomes: &[Outcome]) -> TaskResult<usize> {
        let (mut commit, mut tally, mut dead) = (Commit::new().freeing(), Tally::default(), 0);
        let delivered: Vec<&Row> = outcomes.iter().flat_map(|outcome| &outcome.delivered).collect();
        for row in &delivered {
            Queue::stage_delivered(&mut commit, &mut tally, row);
        }
        for (row, why) in outcomes.iter().filter_map(|outcome| outcome.refused.as_ref()) {
            if self.attempts_after_refusal(row) >= ATTEMPTS_MAX {
                self.queue.stage_dead(&mut commit, &mut tally, row, why);
                dead += 1;
            }
        }
        if commit.is_empty() {
            return Ok(0);
        }
        Queue::stage_tally(&mut commit, &self.target.arn, tally);
        self.inner.store.commit(commit).await?;
        if dead > 0 {
            self.queue.count_dead(dead);
        }
        metrics::counter!("headwater_events_delivered_total", "destination" => self.target.arn.clone())
            .increment(delivered.len() as u64);
        Ok(delivered.len() + usize::try_from(dead).unwrap_or_default())
    }

    /// Notes one more refusal of a message; returns how often it was sent.
    fn attempts_after_refusal(&self, row: &Row) -> u32 {
        let now = self.inner.seams.clock.now();
        let mut state = self.state();
        let (attempts, not_before) = state.refused.entry((row.lsn, row.nonce)).or_insert((0, now));
        *attempts += 1;
        let wait = REFUSED_WAIT.saturating_mul(1 << (*attempts - 1).min(16));
        *not_before = now.plus(self.inner.seams.chance.jitter(wait));
        *attempts
    }

    /// Remembers refusals of messages that still wait, and no others.
    fn forget_refusals_of_others(&self, rows: &[Row]) {
        let waiting: HashSet<(Lsn, u64)> = rows.iter().map(|row| (row.lsn, row.nonce)).collect();
        self.state().refused.retain(|message, _| waiting.contains(message));
    }

    fn is_stopping(&self) -> bool {
        self.work.as_ref().is_some_and(Work::is_stopping)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }

    /// The events to deliver now, by key, each key's in order. A key whose first message was
    /// refused a moment ago waits.
    fn due(&self, rows: Vec<Row>) -> Vec<Vec<Row>> {
        let now = self.inner.seams.clock.now();
        let mut groups: BTreeMap<(String, String), Vec<Row>> = BTreeMap::new();
        for row in rows {
            groups.entry((row.event.bucket.clone(), row.event.key.clone())).or_default().push(row);
        }
        let state = self.state();
        let is_due = |rows: &Vec<Row>| {
            let head = rows.first().and_then(|row| state.refused.get(&(row.lsn, row.nonce)));
            head.is_none_or(|(_, not_before)| *not_before <= now)
        };
        let mut groups: Vec<Vec<Row>> = groups.into_values().filter(is_due).collect();
        groups.sort_by_key(|rows| rows.first().map(|row| row.lsn));
        groups
    }

    async fn deliver_key(&self, rows: Vec<Row>, halted: &AtomicBool) -> Outcome {
        let mut outcome = Outcome::default();
        for row in rows {
            if halted.load(Ordering::Acquire) || self.is_stopping() {
                break;
            }
            let body = row.event.message.to_vec().into();
            let message = Message { id: message::id(row.lsn, row.nonce), body };
            match self.inner.carrier.carry(&self.target, &message).await {
                Ok(()) => outcome.delivered.push(row),
                Err(Undelivered::Refused(why)) => {
                    outcome.refused = Some((row, why));
                    break;
                }
                Err(Undelivered::Unavailable(why)) => {
                    halted.store(true, Ordering::Release);
                    outcome.unavailable = Some(why);
                    break;
                }
            }
        }
        outcome
    }
}

#[async_trait]
impl Reconciler for Lane {
    fn name(&self) -> String {
        format!("events: deliver to {}", self.target.arn)
    }

    async fn pass(&self) -> TaskResult<Pass> {
        self.keep_bounds().await?;
        let delivered = self.deliver().await;
        if matches!(delivered, Ok(true)) && !self.is_stopping() {
            return Ok(Pass::More);
        }
        self.queue.show().await?;
        delivered.map(|_| Pass::Done)
    }
}
