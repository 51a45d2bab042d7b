//! The deliveries engine: lifecycle, puts, tags, and what there is to know about each.
//!
//! The loops that deliver are in `runner`; the one that starts and stops them in `supervisor`.
//!
//! **Invariants.** A record is accepted only while its delivery's guard is there, in the commit
//! that appends it. A delivery that is deleted counts what it gives up after its guard is gone, so
//! nothing is accepted that is not counted.
//!
//! **Failure.** Deleting takes two commits: one that closes the delivery, one that settles its
//! ledger. After a crash between them the supervisor does the second.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use headwater_base::{OnceToken, Scope, Seams, Timestamp};
use headwater_catalog::Catalog;
use headwater_objects::Objects;
use headwater_store::{Commit, CommitError, Direction, Key, KeyRange, Lsn, Scanned, Store, StoreError};
use headwater_streams::batch::{self, BatchRecord};
use headwater_streams::{Stream, StreamError, StreamKey, Streams};
use headwater_work::{Running, Work};

use crate::definition::{
    Delivery, DeliveryKey, DeliveryName, Destination, NewDelivery, NewSource, Source, StartAt,
};
use crate::ledger::{LedgerLine, LedgerRow};
use crate::plan::missed;
use crate::records::definition::DefinitionRecord;
use crate::records::position::{HeadRecord, PositionRecord};
use crate::records::{BadRecord, Record as _, keys};
use crate::supervisor::Supervisor;

/// How often the supervisor looks for deliveries it was not told of.
const SUPERVISE_EVERY: Duration = Duration::from_secs(60);
/// Facts are read in pages of this many.
pub(crate) const PAGE: usize = 1000;
/// The most tags of one delivery.
pub const TAGS_MAX: usize = 50;

/// Why an operation on deliveries did not happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DeliveryError {
    /// There is no such delivery.
    #[error("delivery stream {0:?} does not exist")]
    NoSuchDelivery(String),
    /// There is one already.
    #[error("delivery stream {0:?} exists already")]
    Exists(String),
    /// The stream it shall read is not there or not in use.
    #[error("stream {0:?} does not exist or is not active")]
    NoSuchStream(String),
    /// Records can't be put to a delivery that reads a stream.
    #[error("delivery stream {0:?} takes its records from a stream")]
    NotDirectPut(String),
    /// The configuration was changed meanwhile.
    #[error("the delivery stream's version is {current}, not the one given")]
    Changed {
        /// The version it has.
        current: u64,
    },
    /// A parameter is out of its bounds.
    #[error("{0}")]
    Invalid(String),
    /// The node is behind or full: retry later.
    #[error("throttled: {0}")]
    Throttled(&'static str),
    /// Something stored can't be read.
    #[error("{0}")]
    Unreadable(String),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// A commit failed in a way the engine can't mend.
    #[error("the commit failed")]
    Commit(#[source] CommitError),
    /// The streams engine failed.
    #[error("the source failed")]
    Stream(#[source] StreamError),
}

impl From<BadRecord> for DeliveryError {
    fn from(error: BadRecord) -> Self {
        Self::Unreadable(error.to_string())
    }
}

impl From<CommitError> for DeliveryError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Full => Self::Throttled("the disk is full"),
            CommitError::Busy => Self::Throttled("the node is behind"),
            CommitError::TooLarge { .. } => Self::Invalid(error.to_string()),
            CommitError::Conflict(_)
            | CommitError::NoSuchLog(_)
            | CommitError::Malformed(_)
            | CommitError::Closed => Self::Commit(error),
        }
    }
}

/// How a delivery fares.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Health {
    /// What keeps it from delivering, since when; it tries again by itself.
    pub error: Option<(String, Timestamp)>,
    /// Set when its ledger does not meet: it delivers nothing until someone looked at it.
    pub stopped: bool,
    /// When it last committed a plan.
    pub last_delivery: Option<Timestamp>,
    /// The arrival of its oldest record that waits, as last looked at.
    pub oldest_waiting: Option<Timestamp>,
    /// Set once a record has waited for half its stream's retention: when retention will remove it.
    pub expires: Option<Timestamp>,
}

/// The engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Deliveries(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) seams: Seams,
    pub(crate) work: Work,
    pub(crate) streams: Streams,
    pub(crate) objects: Objects,
    pub(crate) catalog: Catalog,
    /// Definitions as last read, by key, with the version they were read at.
    definitions: Mutex<HashMap<Key, (Lsn, Arc<Delivery>)>>,
    pub(crate) running: Mutex<HashMap<u64, Running>>,
    health: Mutex<HashMap<u64, Health>>,
    supervisor: OnceLock<Running>,
}

impl Deliveries {
    /// The engine over the others. Registers its supervisor, which runs every delivery, with
    /// `work`.
    pub fn new(
        store: Arc<dyn Store>,
        seams: Seams,
        work: &Work,
        streams: Streams,
        objects: Objects,
        catalog: Catalog,
    ) -> Self {
        let inner = Arc::new(Inner::new(store, seams, work, streams, objects, catalog));
        let running = work.reconcile(Arc::new(Supervisor::new(&inner)), SUPERVISE_EVERY);
        let _ = inner.supervisor.set(running);
        Self(inner)
    }

    /// Creates a delivery: its definition and an explicit start position for every shard.
    pub async fn create(&self, new: NewDelivery) -> Result<Arc<Delivery>, DeliveryError> {
        let inner = &self.0;
        let name = new.key.name.as_str().to_owned();
        if new.tags.len() > TAGS_MAX {
            return Err(DeliveryError::Invalid(format!("at most {TAGS_MAX} tags are allowed")));
        }
        let mut commit = Commit::new();
        let (source, rows) = inner.begin_source(&mut commit, &new.source).await?;
        let delivery = Delivery {
            incarnation: inner.store.new_log_id().0,
            key: new.key,
            source,
            destination: new.destination,
            config_version: 1,
            created: inner.seams.clock.now(),
            updated: None,
            deleting: false,
        };
        let key = keys::definition(&delivery.key.scope, &name);
        let id = delivery.incarnation;
        commit.stage(|c| {
            c.expect_absent(key.clone())
                .put(key.clone(), DefinitionRecord::from(&delivery).to_value())
                .put(keys::guard(id), Bytes::new())
                .put(keys::head(id), HeadRecord { next_plan: 0 }.to_value())
        });
        for row in &rows {
            commit.stage(|c| c.put(keys::position(id, row.shard), PositionRecord::from(row).to_value()));
        }
        for (tag, value) in new.tags {
            commit.stage(|c| c.put(keys::tag(id, &tag), value.into_bytes()));
        }
        match inner.store.commit(commit).await {
            Ok(_) => {}
            Err(CommitError::Conflict(at)) if at == key => return Err(DeliveryError::Exists(name)),
            Err(CommitError::Conflict(_)) => {
                return Err(DeliveryError::NoSuchStream(source_name(&new.source)));
            }
            Err(error) => return Err(error.into()),
        }
        inner.wake_supervisor();
        Ok(Arc::new(delivery))
    }

    /// The delivery as it is now.
    pub async fn get(&self, key: &DeliveryKey) -> Result<Arc<Delivery>, DeliveryError> {
        self.0.definition(key).await.map(|(_, delivery)| delivery)
    }

    /// Deliveries of a scope in name order, after `after`.
    pub async fn list(
        &self,
        scope: &Scope,
        after: Option<&DeliveryName>,
        limit: usize,
    ) -> Result<Vec<Arc<Delivery>>, DeliveryError> {
        let mut range = KeyRange::prefix(&keys::definitions_of(scope));
        if let Some(after) = after {
            range = range.after(&keys::definition(scope, after.as_str()));
        }
        let rows = self.0.store.scan(&range, limit, Direction::Forward).await?;
        rows.iter().map(|row| Ok(Arc::new(read_definition(&row.fact.value)?))).collect()
    }

    /// Every delivery of the node, in key order.
    pub async fn all(&self) -> Result<Vec<Arc<Delivery>>, DeliveryError> {
        let rows = self.0.scan_all(&keys::definitions()).await?;
        rows.iter().map(|row| Ok(Arc::new(read_definition(&row.fact.value)?))).collect()
    }

    /// Replaces the destination. Takes effect with the next plan. `expected` is the version the
    /// caller saw.
    pub async fn update(
        &self,
        key: &DeliveryKey,
        expected: u64,
        destination: Destination,
    ) -> Result<Arc<Delivery>, DeliveryError> {
        let (version, now) = self.0.definition(key).await?;
        if now.config_version != expected {
            return Err(DeliveryError::Changed { current: now.config_version });
        }
        let mut next = (*now).clone();
        next.destination = destination;
        next.config_version += 1;
        next.updated = Some(self.0.seams.clock.now());
        let fact = keys::definition(&key.scope, key.name.as_str());
        let value = DefinitionRecord::from(&next).to_value();
        let commit = Commit::new().expect(fact.clone(), version).put(fact, value);
        match self.0.store.commit(commit).await {
            Ok(_) => Ok(Arc::new(next)),
            Err(CommitError::Conflict(_)) => Err(DeliveryError::Changed { current: expected + 1 }),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a delivery. What it did not deliver is counted as discarded; the source stream
    /// keeps its records. The ledger stays and can be audited.
    pub async fn delete(&self, key: &DeliveryKey) -> Result<(), DeliveryError> {
        let (version, now) = self.0.definition(key).await?;
        let fact = keys::definition(&key.scope, key.name.as_str());
        if !now.deleting {
            let mut next = (*now).clone();
            next.deleting = true;
            let commit = Commit::new()
                .expect(fact.clone(), version)
                .put(fact, DefinitionRecord::from(&next).to_value())
                .delete(keys::guard(now.incarnation))
                .freeing();
            match self.0.store.commit(commit).await {
                Ok(_) | Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.0.finish_deletion(&now).await?;
        self.0.wake_supervisor();
        Ok(())
    }

    /// Accepts records, durable on return, in the order given; answers with their offsets. With a
    /// token a repeated call returns the first call's offsets.
    pub async fn put(
        &self,
        delivery: &Delivery,
        records: Vec<Bytes>,
        once: Option<OnceToken>,
    ) -> Result<Vec<i64>, DeliveryError> {
        let name = || delivery.key.name.as_str().to_owned();
        let Source::DirectPut { log } = delivery.source else {
            return Err(DeliveryError::NotDirectPut(name()));
        };
        if records.is_empty() {
            return Err(DeliveryError::Invalid("there must be at least one record".to_owned()));
        }
        let timestamp_ms = self.0.seams.clock.now().ms();
        let record = |data| BatchRecord { key: None, value: Some(data), headers: Vec::new(), timestamp_ms };
        let count = records.len() as i64;
        let batch = batch::encode(&records.into_iter().map(record).collect::<Vec<_>>());
        let mut commit = Commit::new().expect_present(keys::guard(delivery.incarnation)).append(log, batch);
        if let Some(token) = once {
            commit = commit.once(token);
        }
        match self.0.store.commit(commit).await {
            Ok(committed) => {
                let base = committed.appended.first().map_or(0, |appended| appended.base_offset);
                Ok((base..base + count).collect())
            }
            Err(CommitError::Conflict(_) | CommitError::NoSuchLog(_)) => {
                Err(DeliveryError::NoSuchDelivery(name()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Adds or replaces tags.
    pub async fn tag(&self, key: &DeliveryKey, tags: Vec<(String, String)>) -> Result<(), DeliveryError> {
        let (_, delivery) = self.0.definition(key).await?;
        let id = delivery.incarnation;
        let mut all: BTreeMap<String, String> = self.tags(key).await?.into_iter().collect();
        all.extend(tags.iter().cloned());
        if all.len() > TAGS_MAX {
            return Err(DeliveryError::Invalid(format!("at most {TAGS_MAX} tags are allowed")));
        }
        let mut commit = Commit::new().expect_present(keys::guard(id));
        for (tag, value) in tags {
            commit.stage(|c| c.put(keys::tag(id, &tag), value.into_bytes()));
        }
        self.commit_tags(commit, key).await
    }

    /// Removes tags; those that are not there are passed over.
    pub async fn untag(&self, key: &DeliveryKey, tags: &[String]) -> Result<(), DeliveryError> {
        let (_, delivery) = self.0.definition(key).await?;
        let mut commit = Commit::new().expect_present(keys::guard(delivery.incarnation)).freeing();
        for tag in tags {
            commit.stage(|c| c.delete(keys::tag(delivery.incarnation, tag)));
        }
        self.commit_tags(commit, key).await
    }

    /// The tags, by name.
    pub async fn tags(&self, key: &DeliveryKey) -> Result<Vec<(String, String)>, DeliveryError> {
        let (_, delivery) = self.0.definition(key).await?;
        let rows = self.0.scan_all(&keys::tags(delivery.incarnation)).await?;
        let tag = |row: Scanned| {
            let mut reader = row.key.reader();
            let name = reader.kind().and_then(|_| reader.u64()).and_then(|_| reader.str())?;
            Some((name, String::from_utf8_lossy(&row.fact.value).into_owned()))
        };
        Ok(rows.into_iter().filter_map(tag).collect())
    }

    /// The ledger of a delivery, by shard.
    pub async fn ledger(&self, delivery: &Delivery) -> Result<Vec<LedgerLine>, DeliveryError> {
        let mut lines = Vec::new();
        for row in self.0.rows(delivery).await?.0 {
            let end = match self.0.store.bounds(row.log).await {
                Ok(bounds) => bounds.end.max(row.position),
                Err(StoreError::NoSuchLog(_)) => row.position,
                Err(error) => return Err(error.into()),
            };
            let records = |n: i64| u64::try_from(n).unwrap_or(0);
            lines.push(LedgerLine {
                row,
                accepted: records(end - row.start),
                buffered: records(end - row.position),
            });
        }
        Ok(lines)
    }

    /// How the delivery fares on this node.
    pub fn health(&self, delivery: &Delivery) -> Health {
        self.0.health().get(&delivery.incarnation).cloned().unwrap_or_default()
    }

    async fn commit_tags(&self, commit: Commit, key: &DeliveryKey) -> Result<(), DeliveryError> {
        match self.0.store.commit(commit).await {
            Ok(_) => Ok(()),
            Err(CommitError::Conflict(_)) => Err(DeliveryError::NoSuchDelivery(key.name.as_str().to_owned())),
            Err(error) => Err(error.into()),
        }
    }
}

impl Inner {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        seams: Seams,
        work: &Work,
        streams: Streams,
        objects: Objects,
        catalog: Catalog,
    ) -> Self {
        Self {
            store,
            seams,
            work: work.clone(),
            streams,
            objects,
            catalog,
            definitions: Mutex::default(),
            running: Mutex::default(),
            health: Mutex::default(),
            supervisor: OnceLock::new(),
        }
    }

    /// The definition and its version; not the one of a delivery that is being removed… unless
    /// that is all there is: callers see it as deleting.
    pub(crate) async fn definition(&self, key: &DeliveryKey) -> Result<(Lsn, Arc<Delivery>), DeliveryError> {
        let fact_key = keys::definition(&key.scope, key.name.as_str());
        let Some(fact) = self.store.get(&fact_key).await? else {
            self.cache().remove(&fact_key);
            return Err(DeliveryError::NoSuchDelivery(key.name.as_str().to_owned()));
        };
        if let Some((version, delivery)) = self.cache().get(&fact_key)
            && *version == fact.version
        {
            return Ok((*version, Arc::clone(delivery)));
        }
        let delivery = Arc::new(read_definition(&fact.value)?);
        self.cache().insert(fact_key, (fact.version, Arc::clone(&delivery)));
        Ok((fact.version, delivery))
    }

    /// Every shard's row with its version, by shard.
    pub(crate) async fn positions(&self, incarnation: u64) -> Result<Vec<(LedgerRow, Lsn)>, DeliveryError> {
        let rows = self.scan_all(&keys::positions(incarnation)).await?;
        rows.into_iter()
            .map(|row| {
                let mut reader = row.key.reader();
                let shard = reader.kind().and_then(|_| reader.u64()).and_then(|_| reader.u32());
                let shard = shard
                    .ok_or_else(|| DeliveryError::Unreadable("a position's key is unreadable".into()))?;
                Ok((PositionRecord::from_value(&row.fact.value)?.into_row(shard), row.fact.version))
            })
            .collect()
    }

    /// The head and its version.
    pub(crate) async fn head(&self, incarnation: u64) -> Result<(HeadRecord, Lsn), DeliveryError> {
        let fact = self.store.get(&keys::head(incarnation)).await?;
        let fact = fact.ok_or_else(|| DeliveryError::Unreadable("a delivery has no head".into()))?;
        Ok((HeadRecord::from_value(&fact.value)?, fact.version))
    }

    pub(crate) fn health(&self) -> MutexGuard<'_, HashMap<u64, Health>> {
        self.health.lock().expect("no holder of this lock panics")
    }

    fn cache(&self) -> MutexGuard<'_, HashMap<Key, (Lsn, Arc<Delivery>)>> {
        self.definitions.lock().expect("no holder of this lock panics")
    }

    fn wake_supervisor(&self) {
        if let Some(running) = self.supervisor.get() {
            running.signal.notify();
        }
    }

    /// All facts under a prefix, read in pages.
    pub(crate) async fn scan_all(&self, prefix: &Key) -> Result<Vec<Scanned>, StoreError> {
        let mut all: Vec<Scanned> = Vec::new();
        let mut range = KeyRange::prefix(prefix);
        loop {
            let page = self.store.scan(&range, PAGE, Direction::Forward).await?;
            let full = page.len() == PAGE;
            all.extend(page);
            match all.last() {
                Some(last) if full => range = range.after(&last.key),
                _ => return Ok(all),
            }
        }
    }

    /// Fixes where each shard begins.
    async fn begin_source(
        &self,
        commit: &mut Commit,
        source: &NewSource,
    ) -> Result<(Source, Vec<LedgerRow>), DeliveryError> {
        match source {
            NewSource::DirectPut => {
                let log = self.store.new_log_id();
                commit.stage(|c| c.create_log(log));
                Ok((Source::DirectPut { log }, vec![LedgerRow::beginning(0, log, 0)]))
            }
            NewSource::Stream { key, start } => self.begin_stream(commit, key, *start).await,
        }
    }

    async fn begin_stream(
        &self,
        commit: &mut Commit,
        key: &StreamKey,
        start: StartAt,
    ) -> Result<(Source, Vec<LedgerRow>), DeliveryError> {
        let missing = || DeliveryError::NoSuchStream(key.name.as_str().to_owned());
        let stream = match self.streams.get(key).await {
            Ok(stream) => stream,
            Err(StreamError::NoSuchStream(_)) => return Err(missing()),
            Err(error) => return Err(DeliveryError::Stream(error)),
        };
        self.streams.stage_expect_alive(commit, &stream);
        let mut rows = Vec::with_capacity(stream.shards.len());
        // Closed shards, too: a shard without a position would be read from its beginning.
        for shard in &stream.shards {
            let bounds = self.store.bounds(shard.log).await?;
            let offset = match start {
                StartAt::Latest => bounds.end,
                StartAt::Oldest => bounds.start,
            };
            rows.push(LedgerRow::beginning(shard.index, shard.log, offset));
        }
        Ok((Source::Stream { key: key.clone(), incarnation: stream.incarnation }, rows))
    }

    /// Every row of a delivery, also of shards that have none stored yet, and the stream it reads if
    /// that is still there.
    pub(crate) async fn rows(
        &self,
        delivery: &Delivery,
    ) -> Result<(Vec<LedgerRow>, Option<Arc<Stream>>), DeliveryError> {
        let stored = self.positions(delivery.incarnation).await?;
        let mut rows: Vec<LedgerRow> = stored.iter().map(|(row, _)| *row).collect();
        let Source::Stream { key, incarnation } = &delivery.source else { return Ok((rows, None)) };
        let stream = self.streams.get(key).await.ok().filter(|stream| stream.incarnation == *incarnation);
        if let Some(stream) = &stream {
            let known: HashSet<u32> = rows.iter().map(|row| row.shard).collect();
            let new = stream.shards.iter().filter(|shard| !known.contains(&shard.index));
            rows.extend(new.map(|shard| LedgerRow::beginning(shard.index, shard.log, 0)));
            rows.extend(missed(&stream.ended, &stored).into_iter().map(|lane| lane.row));
        }
        rows.sort_by_key(|row| row.shard);
        rows.dedup_by_key(|row| row.shard);
        Ok((rows, stream))
    }
}

pub(crate) fn read_definition(value: &[u8]) -> Result<Delivery, BadRecord> {
    DefinitionRecord::from_value(value).and_then(Delivery::try_from)
}

fn source_name(source: &NewSource) -> String {
    match source {
        NewSource::DirectPut => String::new(),
        NewSource::Stream { key, .. } => key.name.as_str().to_owned(),
    }
}
