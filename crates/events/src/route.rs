//! The router: from the outbox to the queues of destinations.
//!
//! A pass takes a snapshot and moves every event it sees, each page of them in one commit, by the
//! rules of its bucket in the same snapshot. Only when all are moved are the queues opened up to
//! the snapshot's LSN: so a queue is delivered in the order of commits, although the outbox's keys
//! are only nearly in that order.
//!
//! **Failure.** After a crash or an error the next pass finds what is left. Between full passes the
//! outbox is read from a while ago on only, past the places of events taken long ago; an event whose
//! commit took longer than that is found by the next full pass.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use headwater_base::{Scope, Timestamp};
use headwater_objects::{ChangeEvent, Lsn, OutboxRow};
use headwater_store::{Commit, Direction, KeyRange, Snapshot};
use headwater_work::{Pass, Reconciler, TaskResult};

use crate::engine::{Inner, read_rules};
use crate::queue::{Queue, Tally};
use crate::records::keys;
use crate::records::queued::QueuedRecord;
use crate::{Notification, message};

/// How many events are moved in one commit.
const PAGE_EVENTS: usize = 500;

/// How long before now the outbox is read from, between full passes.
const LATE_MAX: Duration = Duration::from_secs(60);

/// How often the outbox is read from its beginning, and the house kept.
const FULL_EVERY: Duration = Duration::from_secs(30);

/// How many buckets' rules are read at a time.
const RULES_LOOKED_AT: usize = 1000;

/// Moves events from the outbox to their queues.
#[derive(Debug)]
pub struct Router {
    inner: Arc<Inner>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the last full pass began.
    last_full: Option<Timestamp>,
    /// Destinations without target that were told of.
    told: BTreeSet<String>,
    /// Buckets that were gone at the last keeping of the house.
    gone: BTreeSet<u64>,
}

/// The rules of buckets, as one snapshot sees them.
type Rules = HashMap<u64, Option<Notification>>;

impl Router {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { inner, state: Mutex::default() }
    }

    /// Whether this pass reads the whole outbox and keeps the house.
    fn begin(&self, now: Timestamp) -> bool {
        let mut state = self.state();
        let is_full = state.last_full.is_none_or(|last| now.since(last) >= FULL_EVERY || now < last);
        if is_full {
            state.last_full = Some(now);
        }
        is_full
    }

    async fn route(&self, from: Timestamp) -> TaskResult<()> {
        let snapshot = self.inner.store.snapshot().await?;
        let (mut rules, mut after) = (Rules::new(), None);
        loop {
            let page = self.inner.objects.outbox(&*snapshot, from, after.as_ref(), PAGE_EVENTS).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.key().clone());
            self.move_page(&*snapshot, &page, &mut rules).await?;
            if page.len() < PAGE_EVENTS {
                break;
            }
        }
        self.open(snapshot.lsn());
        Ok(())
    }

    /// Lets lanes deliver what was committed up to here.
    fn open(&self, lsn: Lsn) {
        if self.inner.routed.send_replace(lsn) == lsn {
            return;
        }
        for arn in self.inner.targets.keys() {
            self.inner.wake_lane(arn);
        }
    }

    async fn move_page(
        &self,
        snapshot: &dyn Snapshot,
        page: &[OutboxRow],
        rules: &mut Rules,
    ) -> TaskResult<()> {
        let mut commit = Commit::new();
        let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
        for row in page {
            row.stage_taken(&mut commit);
            let notification = match rules.entry(row.event.incarnation) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(self.rules_of(snapshot, row.event.incarnation).await?),
            };
            if let Some(notification) = notification {
                self.queue(&mut commit, &mut tallies, row, notification);
            }
        }
        for (arn, tally) in &tallies {
            Queue::stage_tally(&mut commit, arn, *tally);
        }
        self.inner.store.commit(commit).await?;
        metrics::counter!("headwater_events_routed_total").increment(page.len() as u64);
        Ok(())
    }

    async fn rules_of(&self, snapshot: &dyn Snapshot, incarnation: u64) -> TaskResult<Option<Notification>> {
        let key = keys::rules(incarnation);
        let fact = snapshot.get(&key).await?;
        Ok(fact.map(|fact| read_rules(&key, &fact.value)).transpose()?)
    }

    fn queue(
        &self,
        commit: &mut Commit,
        tallies: &mut BTreeMap<String, Tally>,
        row: &OutboxRow,
        notification: &Notification,
    ) {
        let place = (row.lsn, row.nonce);
        let queued = |body: bytes::Bytes| QueuedRecord {
            time_ms: row.event.time.ms(),
            bucket: row.event.bucket.clone(),
            key: row.event.key.clone(),
            message: body.to_vec().into(),
        };
        if let Some(rule) = notification.rule_for(&row.event) {
            let tally = tallies.entry(rule.arn.clone()).or_default();
            let event = queued(message::record(&row.event, row.lsn, &rule.id));
            Queue::stage_queued(commit, tally, &rule.arn, place, &event);
            self.tell_if_unmapped(&rule.arn);
        }
        if notification.event_bridge()
            && let Some(body) = message::bridge(&row.event, row.lsn, row.nonce)
        {
            let bus = default_bus(&row.event);
            if self.inner.targets.contains_key(&bus) {
                let tally = tallies.entry(bus.clone()).or_default();
                Queue::stage_queued(commit, tally, &bus, place, &queued(body));
            } else {
                metrics::counter!("headwater_events_dropped_total", "destination" => bus.clone(), "reason" => "no_target")
                    .increment(1);
                self.tell_if_unmapped(&bus);
            }
        }
    }

    /// Tells once of a destination that no target stands for.
    fn tell_if_unmapped(&self, arn: &str) {
        if self.inner.targets.contains_key(arn) {
            return;
        }
        let mut state = self.state();
        if state.told.insert(arn.to_owned()) {
            tracing::warn!(destination = arn, "there are events for a destination that no target stands for");
        }
    }

    /// Bounds the queues that no lane looks after, shows their figures, and forgets the rules of
    /// buckets that are gone.
    async fn keep_house(&self) -> TaskResult<()> {
        let destinations = Queue::destinations(&*self.inner.store).await?;
        for arn in destinations.into_iter().filter(|arn| !self.inner.targets.contains_key(arn)) {
            let queue = Queue::new(self.inner.clone(), arn);
            queue.keep_bounds().await?;
            queue.show().await?;
        }
        self.forget_buckets().await
    }

    /// A bucket's rules outlive it until its last events are routed: they go when the bucket was
    /// gone at the last keeping of the house already, before the full pass that came since.
    async fn forget_buckets(&self) -> TaskResult<()> {
        let mut range = KeyRange::prefix(&keys::all_rules());
        let mut gone = BTreeSet::new();
        loop {
            let rows = self.inner.store.scan(&range, RULES_LOOKED_AT, Direction::Forward).await?;
            for row in &rows {
                let Some(incarnation) = keys::incarnation_of(&row.key) else { continue };
                if self.inner.objects.is_alive(incarnation).await? {
                    continue;
                }
                if self.state().gone.contains(&incarnation) {
                    let commit = Commit::new().freeing().delete(row.key.clone());
                    self.inner.store.commit(commit).await?;
                } else {
                    gone.insert(incarnation);
                }
            }
            match rows.last() {
                Some(last) if rows.len() == RULES_LOOKED_AT => range = range.after(&last.key),
                _ => break,
            }
        }
        self.state().gone = gone;
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

/// The event bus that a bucket's events go to.
fn default_bus(event: &ChangeEvent) -> String {
    let scope = Scope::new(event.owner, event.region.clone());
    headwater_base::Arn::new("events", &scope, "event-bus/default").to_string()
}

#[async_trait]
impl Reconciler for Router {
    fn name(&self) -> String {
        "events: route the outbox".to_owned()
    }

    async fn pass(&self) -> TaskResult<Pass> {
        let now = self.inner.seams.clock.now();
        if !self.begin(now) {
            self.route(now.minus(LATE_MAX)).await?;
            return Ok(Pass::Done);
        }
        self.route(Timestamp::EPOCH).await?;
        self.keep_house().await?;
        Ok(Pass::Done)
    }
}
