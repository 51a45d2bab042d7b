//! The loop of one delivery: wait until something is due, then plan, produce, commit.
//!
//! A pass waits for work, does one plan and asks to be called again; an error is shown, counted
//! and tried again with backoff while the source keeps the data.
//!
//! **Invariants.** One plan at a time. Memory is bounded by two chunks, the open files' budget and
//! the pieces on their way to disk (together some 64 MiB), whatever the plan's size.
//!
//! **Failure.** Killed anywhere before the commit: the next run plans from the same positions and
//! the bodies are swept. A table or bucket that is gone, or a stream that was deleted: the error
//! shows in the delivery's health until it returns, which is noticed at once (a stream's other
//! incarnation never counts as its return). A ledger that does not meet: nothing is delivered until the node is restarted and
//! it meets.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use headwater_catalog::{CatalogError, Table};
use headwater_objects::{Bucket, ObjectError};
use headwater_store::{CommitError, LogId, StoreError, Watch, WatchTarget};
use headwater_streams::{Stream, StreamError, Streams};
use headwater_work::{Pass, Reconciler, TaskResult, Work};
use tokio::sync::Mutex;

use crate::commit::CommitStep;
use crate::definition::{Delivery, DeliveryKey, Source};
use crate::engine::{DeliveryError, Inner};
use crate::ledger::{Counts, LedgerRow};
use crate::output::{StagedFile, Uploads};
use crate::plan::{Due, Gauge, Lane, Plan, PlanRange, readable};
use crate::produce::{Chunk, ProduceError, Producer};
use crate::records::keys;

/// Payload that is decoded at once. With its rows it takes some three times that.
const CHUNK_BYTES: usize = 4 << 20;
/// While records wait for their interval, their size is looked at this often.
const SIZE_LOOK_EVERY: Duration = Duration::from_millis(100);
/// A quiet delivery looks for new shards this often.
const QUIET_LOOK_EVERY: Duration = Duration::from_secs(10);
/// A plan that makes too large a commit is halved, down to this.
const PLAN_BYTES_MIN: u64 = 64 << 10;

/// Why a pass failed. All of them are tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// Something outside must come back first.
    #[error("{0}")]
    Waiting(String),
    /// The configuration can't work.
    #[error("{0}")]
    Invalid(String),
    /// The source can't be read.
    #[error("{0}")]
    Source(String),
    /// Records are not accounted for.
    #[error("the ledger does not meet: {0}")]
    LedgerBroken(String),
    /// The plan makes more objects and partitions than one commit takes.
    #[error("the plan is too large for one commit")]
    TooLarge,
    /// The records can't be made into files.
    #[error("producing failed: {0}")]
    Produce(#[from] ProduceError),
    /// Objects failed.
    #[error("writing objects failed: {0}")]
    Objects(#[from] ObjectError),
    /// The catalog failed.
    #[error("the catalog failed: {0}")]
    Catalog(#[from] CatalogError),
    /// The commit failed.
    #[error("the commit failed: {0}")]
    Commit(CommitError),
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(#[from] StoreError),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] DeliveryError),
}

/// Delivers one delivery.
pub(crate) struct Runner {
    inner: Arc<Inner>,
    key: DeliveryKey,
    incarnation: u64,
    /// Only the pass uses it; passes never overlap.
    state: Mutex<State>,
}

struct State {
    gauge: Gauge,
    /// Plans are cut at this size, below the buffering size when commits were too large.
    plan_bytes: u64,
    /// Change when what the last pass missed may be there again.
    missed: Vec<Watch>,
}

/// What a pass reads first.
struct Now {
    delivery: Arc<Delivery>,
    stream: Option<Arc<Stream>>,
    lanes: Vec<Lane>,
}

impl Runner {
    pub(crate) fn new(inner: Arc<Inner>, key: DeliveryKey, incarnation: u64) -> Self {
        let state = State { gauge: Gauge::default(), plan_bytes: u64::MAX, missed: Vec::new() };
        Self { inner, key, incarnation, state: Mutex::new(state) }
    }

    /// Waits until something is due and delivers it. `false`: the delivery is gone, or the node
    /// stops.
    pub(crate) async fn step(&self) -> Result<bool, RunError> {
        let mut state = self.state.lock().await;
        state.missed.clear();
        loop {
            // Watches first, then the reads they guard.
            let definition = self.inner.store.watch(WatchTarget::Prefix(keys::guard(self.incarnation)));
            let Some(now) = self.look().await? else { return Ok(false) };
            let mut watches = self.watches(&now);
            watches.push(definition);
            let buffering = now.delivery.destination.buffering;
            let limit = buffering.size.bytes().min(state.plan_bytes).max(1);
            state.gauge.look(&*self.inner.store, &now.lanes, limit).await?;
            let clock = &self.inner.seams.clock;
            self.note_waiting(&state.gauge, now.stream.as_deref());
            let due = match state.gauge.due(buffering, clock.now()) {
                Due::At(_) if limit < buffering.size.bytes() && state.gauge.full(limit) => Due::Now,
                due => due,
            };
            let pause = match due {
                Due::Now => {
                    self.deliver(&mut state, now).await?;
                    return Ok(true);
                }
                Due::At(at) => at.since(clock.now()).min(SIZE_LOOK_EVERY).max(Duration::from_millis(1)),
                Due::Never => QUIET_LOOK_EVERY,
            };
            // Records that wait for their interval need no wake-up at each append.
            let quiet = matches!(due, Due::Never);
            tokio::select! {
                () = clock.sleep(pause) => {}
                () = changed(&mut watches), if quiet => {}
                () = self.inner.work.stopping() => return Ok(false),
            }
        }
    }

    /// What the delivery, its source and its positions are now; `None` if the delivery is gone.
    async fn look(&self) -> Result<Option<Now>, RunError> {
        let delivery = match self.inner.definition(&self.key).await {
            Ok((_, delivery)) if delivery.incarnation == self.incarnation && !delivery.deleting => delivery,
            Ok(_) | Err(DeliveryError::NoSuchDelivery(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let rows = self.inner.positions(self.incarnation).await?;
        if let Some((row, _)) = rows.iter().find(|(row, _)| !row.meets()) {
            return Err(RunError::LedgerBroken(describe(row)));
        }
        let stream = self.stream(&delivery).await?;
        let lanes = match &stream {
            Some(stream) => readable(&stream.shards, &stream.ended, &rows),
            None => rows.iter().map(|(row, version)| Lane::of(row, Some(*version))).collect(),
        };
        Ok(Some(Now { delivery, stream, lanes }))
    }

    async fn stream(&self, delivery: &Delivery) -> Result<Option<Arc<Stream>>, RunError> {
        let Source::Stream { key, incarnation } = &delivery.source else { return Ok(None) };
        let name = key.name.as_str();
        match self.inner.streams.get(key).await {
            Ok(stream) if stream.incarnation == *incarnation => Ok(Some(stream)),
            Ok(_) => Err(RunError::Source(format!(
                "stream {name:?} was deleted and another created under its name; this delivery reads the first alone: \
                 create it anew to read the second"
            ))),
            Err(StreamError::NoSuchStream(_)) => {
                Err(RunError::Source(format!("stream {name:?} was deleted")))
            }
            Err(error) => Err(RunError::Source(error.to_string())),
        }
    }

    fn watches(&self, now: &Now) -> Vec<Watch> {
        let readable = now.lanes.iter().filter(|lane| lane.gone.is_none());
        let mut targets: Vec<WatchTarget> = readable.map(|lane| WatchTarget::Log(lane.row.log)).collect();
        if let Some(stream) = &now.stream {
            targets.push(WatchTarget::Prefix(Streams::guard_key(&stream.key, stream.incarnation)));
        }
        targets.into_iter().map(|target| self.inner.store.watch(target)).collect()
    }

    /// Shows what waits, and warns long before retention takes it.
    fn note_waiting(&self, gauge: &Gauge, stream: Option<&Stream>) {
        let oldest = gauge.oldest();
        let now = self.inner.seams.clock.now();
        let expires = oldest
            .zip(stream)
            .filter(|(oldest, stream)| now.since(*oldest) > stream.retention / 2)
            .map(|(oldest, stream)| oldest.plus(stream.retention));
        let mut health = self.inner.health();
        let health = health.entry(self.incarnation).or_default();
        if let (Some(expires), None) = (expires, health.expires) {
            let name = self.key.name.as_str();
            tracing::warn!(delivery = name, %expires, "undelivered records will be removed by the stream's retention");
        }
        health.oldest_waiting = oldest;
        health.expires = expires;
    }

    /// Plans what was measured and carries it out.
    async fn deliver(&self, state: &mut State, now: Now) -> Result<(), RunError> {
        let delivery = Arc::clone(&now.delivery);
        match self.carry_out(&state.gauge, now).await {
            Ok(CommitStep::Done) => {
                state.plan_bytes = state.plan_bytes.saturating_mul(2);
                Ok(())
            }
            Ok(CommitStep::Stale) => Ok(()),
            Err(RunError::TooLarge | RunError::Produce(ProduceError::TooManyFiles)) => {
                if state.plan_bytes <= PLAN_BYTES_MIN {
                    return Err(RunError::TooLarge);
                }
                let size = state.gauge.bytes().min(state.plan_bytes);
                state.plan_bytes = (size / 2).max(PLAN_BYTES_MIN);
                state.gauge = Gauge::default();
                Ok(())
            }
            Err(RunError::Waiting(_)) => {
                // Watches first, then the reads they guard: it may have come back meanwhile.
                state.missed = self.watch_destination(&delivery).await?;
                self.inner.destination_bucket(&delivery).await?;
                self.table(&delivery).await.map(drop)
            }
            Err(error) => Err(error),
        }
    }

    async fn carry_out(&self, gauge: &Gauge, now: Now) -> Result<CommitStep, RunError> {
        // Without its bucket a plan is not even begun.
        let bucket = self.inner.destination_bucket(&now.delivery).await?;
        let table = self.table(&now.delivery).await?;
        let ranges = gauge.ranges(&now.lanes);
        let plan = Plan {
            id: Plan::id_of(&now.delivery, table.as_deref(), &ranges),
            ranges,
            table,
            stream: now.stream,
            newest: gauge.newest(),
            head: self.inner.head(self.incarnation).await?,
            delivery: now.delivery,
        };
        let (staged, counts) = self.produce(&plan, bucket).await?;
        let step = self.inner.commit_plan(&plan, &staged, &counts).await?;
        if step == CommitStep::Done {
            self.report(&plan, &counts);
        }
        Ok(step)
    }

    /// Changes of the bucket and the table that the delivery writes to.
    async fn watch_destination(&self, delivery: &Delivery) -> Result<Vec<Watch>, RunError> {
        let mut watches = vec![self.inner.objects.watch_bucket(&delivery.destination.bucket)];
        if let Some(conversion) = &delivery.destination.conversion {
            watches.extend(self.inner.catalog.watch_table(&conversion.table).await?);
        }
        // Another destination may be configured, or the delivery deleted.
        let definition = keys::definition(&self.key.scope, self.key.name.as_str());
        watches.push(self.inner.store.watch(WatchTarget::Prefix(definition)));
        Ok(watches)
    }

    async fn table(&self, delivery: &Delivery) -> Result<Option<Arc<Table>>, RunError> {
        let Some(conversion) = &delivery.destination.conversion else { return Ok(None) };
        let name = || format!("{}.{}", conversion.table.database, conversion.table.table);
        match self.inner.catalog.table(&conversion.table).await {
            Ok(table) => Ok(Some(table)),
            Err(CatalogError::NotFound(_)) => {
                Err(RunError::Waiting(format!("table {} does not exist; create it to go on", name())))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Reads, converts and uploads; the next chunk is read while one is converted.
    async fn produce(
        &self,
        plan: &Plan,
        bucket: Arc<Bucket>,
    ) -> Result<(Vec<StagedFile>, BTreeMap<u32, Counts>), RunError> {
        let mut producer = Producer::new(plan)?;
        let mut uploads = Uploads::new(self.inner.objects.clone(), bucket);
        let mut reader = PlanReader::new(&self.inner, &plan.ranges);
        let mut next = reader.chunk().await?;
        while let Some(chunk) = next.take() {
            let converting = Work::blocking(move || {
                let emits = producer.chunk(&chunk);
                (producer, emits)
            });
            let ((returned, emits), read) = tokio::join!(converting, reader.chunk());
            producer = returned;
            uploads.take(emits?).await?;
            next = read?;
        }
        let (emits, mut counts) = Work::blocking(move || producer.finish()).await?;
        uploads.take(emits).await?;
        for (shard, expired) in reader.expired {
            counts.entry(shard).or_default().expired += expired;
        }
        Ok((uploads.finish(), counts))
    }

    fn report(&self, plan: &Plan, counts: &BTreeMap<u32, Counts>) {
        let mut all = Counts::default();
        for counts in counts.values() {
            all.add(counts);
        }
        let name = self.key.name.as_str();
        let count = |what: &'static str, n: u64| {
            metrics::counter!("headwater_delivery_records_total", "delivery" => name.to_owned(), "outcome" => what)
                .increment(n);
        };
        count("delivered", all.delivered);
        count("dropped", all.dropped);
        count("dead_lettered", all.dead_lettered);
        count("expired", all.expired);
        if all.expired > 0 {
            tracing::error!(
                delivery = name,
                records = all.expired,
                "retention removed records before delivery"
            );
        }
        let now = self.inner.seams.clock.now();
        let lag = now.since(plan.newest).as_secs_f64();
        metrics::gauge!("headwater_delivery_lag_seconds", "delivery" => name.to_owned()).set(lag);
        let mut health = self.inner.health();
        let health = health.entry(self.incarnation).or_default();
        health.last_delivery = Some(now);
        health.error = None;
        tracing::debug!(delivery = name, plan = %plan.id, records = all.records(), rows = all.rows, "delivered");
    }

    /// Shows an error in the delivery's health.
    fn note_error(&self, error: &RunError) {
        let name = self.key.name.as_str();
        metrics::counter!("headwater_delivery_failures_total", "delivery" => name.to_owned()).increment(1);
        let stopped = matches!(error, RunError::LedgerBroken(_));
        if stopped {
            tracing::error!(delivery = name, %error, "the delivery is stopped");
        }
        let mut health = self.inner.health();
        let health = health.entry(self.incarnation).or_default();
        let since = health.error.take().map_or_else(|| self.inner.seams.clock.now(), |(_, since)| since);
        health.error = Some((error.to_string(), since));
        health.stopped |= stopped;
    }
}

#[async_trait]
impl Reconciler for Runner {
    fn name(&self) -> String {
        format!("delivery {}", self.key.name.as_str())
    }

    async fn pass(&self) -> TaskResult<Pass> {
        match self.step().await {
            Ok(true) => Ok(Pass::More),
            Ok(false) => Ok(Pass::Done),
            Err(error) => {
                self.note_error(&error);
                Err(error.into())
            }
        }
    }

    async fn recovered(&self) {
        let mut state = self.state.lock().await;
        if state.missed.is_empty() {
            std::future::pending().await
        }
        changed(&mut state.missed).await;
    }
}

fn describe(row: &LedgerRow) -> String {
    let counted = row.counts.records();
    format!("shard {}: {} to {} was read, {counted} records are counted", row.shard, row.start, row.position)
}

/// Returns when anything changed at any of the watches.
async fn changed(watches: &mut [Watch]) {
    type Wait<'a> = Pin<Box<dyn Future<Output = bool> + Send + 'a>>;
    let waits: Vec<Wait<'_>> = watches.iter_mut().map(|watch| watch.changed().boxed() as Wait<'_>).collect();
    futures::future::select_all(waits).await;
}

/// Reads a plan's ranges in chunks that are cut at the same batches each time.
struct PlanReader<'a> {
    inner: &'a Inner,
    ranges: &'a [PlanRange],
    /// The range being read, and the next offset in it.
    at: usize,
    next: i64,
    /// Batches read but not yet in a chunk.
    ahead: std::collections::VecDeque<headwater_store::StoredBatch>,
    /// Records that were gone already, by shard.
    expired: BTreeMap<u32, u64>,
}

impl<'a> PlanReader<'a> {
    fn new(inner: &'a Inner, ranges: &'a [PlanRange]) -> Self {
        let next = ranges.first().map_or(0, PlanRange::from);
        Self { inner, ranges, at: 0, next, ahead: Default::default(), expired: BTreeMap::new() }
    }

    /// The next chunk; `None` at the end of the plan.
    async fn chunk(&mut self) -> Result<Option<Chunk>, RunError> {
        while let Some(range) = self.ranges.get(self.at) {
            let shard = range.lane.row.shard;
            if range.lane.gone.is_some() {
                *self.expired.entry(shard).or_default() += (range.to - self.next) as u64;
                self.next = range.to;
            }
            let mut chunk = Chunk { shard, from: range.from(), to: range.to, batches: Vec::new() };
            let mut bytes = 0;
            while bytes < CHUNK_BYTES && self.next < range.to {
                let log = range.lane.row.log;
                let Some(batch) = self.batch(log).await? else {
                    self.pass_over_expired(shard, log, range.to).await?;
                    break;
                };
                let gap = batch.base_offset.min(range.to) - self.next;
                if gap > 0 {
                    *self.expired.entry(shard).or_default() += gap as u64;
                }
                self.next = batch.next_offset();
                if batch.base_offset < range.to {
                    bytes += batch.payload.len();
                    chunk.batches.push(batch);
                }
            }
            if self.next >= range.to {
                self.at += 1;
                self.next = self.ranges.get(self.at).map_or(0, PlanRange::from);
                self.ahead.clear();
            } else if chunk.batches.is_empty() {
                // The log ends before the range does: it was dropped or wiped since the plan.
                return Err(RunError::Source(format!("shard {shard} ends before offset {}", range.to)));
            }
            if !chunk.batches.is_empty() {
                return Ok(Some(chunk));
            }
        }
        Ok(None)
    }

    /// At the end of the log: what lies before its start is gone.
    async fn pass_over_expired(&mut self, shard: u32, log: LogId, to: i64) -> Result<(), RunError> {
        let start = self.inner.store.bounds(log).await?.start.min(to);
        if start > self.next {
            *self.expired.entry(shard).or_default() += (start - self.next) as u64;
            self.next = start;
        }
        Ok(())
    }

    async fn batch(&mut self, log: LogId) -> Result<Option<headwater_store::StoredBatch>, RunError> {
        if self.ahead.is_empty() {
            self.ahead.extend(self.inner.store.read(log, self.next, CHUNK_BYTES).await?);
        }
        Ok(self.ahead.pop_front())
    }
}
