//! The history of a key: what a change reads of it, what its commit expects, and how it goes on.
//!
//! A key of a bucket without versions is *plain*: its `CURRENT` fact is the object. In a bucket
//! with versions every change leaves rows:
//!
//! ```text
//! HISTORY  which row is the newest, which the null version; every change of the rows rewrites it
//! VERSION  a row: a version or a delete marker
//! CURRENT  a copy of the newest row; absent when that is a delete marker
//! BODY     an inline body, under its row's seq
//! ```
//! A plain object becomes row 0, its body staying where it is, in the commit that makes row 1. A
//! key that lost its last row is plain again.
//!
//! **Invariants.** Who changes rows expects `HISTORY` at the version it read, or absent beside
//! `CURRENT` as it read that: so of two writers of one key one starts over, and `CURRENT` is always
//! the newest row. Who adds anything expects the guard and `VERSIONED` as it read it. The namer of
//! a blob or an upload is the row; `CURRENT` names only what is plain.

use bytes::Bytes;
use headwater_base::{Seams, Timestamp};
use headwater_store::{Commit, Direction, Key, KeyRange, Lsn};

use crate::lifecycle::RulesNow;
use crate::lock::BucketLock;
use crate::object::Current;
use crate::put::{reference, release, release_all, target_of_place};
use crate::records::bucket::Present;
use crate::records::lifecycle::LifecycleRecord;
use crate::records::object::{ObjectRecord, PlaceRecord};
use crate::records::version::{HistoryRecord, StateRecord, VersionedRecord};
use crate::records::{decode, encode, keys};
use crate::sweep::Target;
use crate::usage::Growth;
use crate::{Bucket, Bypass, Condition, ObjectError, ObjectKey, Objects, Versioning};

/// How a bucket stands, as a commit must find it again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) versioning: Versioning,
    pub(crate) lock: Option<BucketLock>,
    /// What there is of a lifecycle beside its rules.
    pub(crate) lifecycle: Option<LifecycleRecord>,
    /// Of the `VERSIONED` fact; none while there is none.
    pub(crate) version: Option<Lsn>,
}

impl Standing {
    const PLAIN: Self = Self { versioning: Versioning::Never, lock: None, lifecycle: None, version: None };

    /// Makes `commit` depend on the bucket standing so still.
    pub(crate) fn expect(&self, commit: &mut Commit, incarnation: u64) {
        let fact = keys::versioned(incarnation);
        commit.stage(|c| match self.version {
            Some(version) => c.expect(fact, version),
            None => c.expect_absent(fact),
        });
    }
}

/// A key as a change found it.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    incarnation: u64,
    pub(crate) key: &'a ObjectKey,
    pub(crate) standing: Standing,
    pub(crate) history: Option<(HistoryRecord, Lsn)>,
    /// What GET sees.
    pub(crate) current: Option<Current>,
    /// The row that a put or delete replaces while versioning is suspended.
    null: Option<Current>,
    /// What the bucket's lifecycle asks for.
    pub(crate) rules: Option<RulesNow>,
}

impl Objects {
    /// How the bucket stands. Costs nothing while it never had versions nor a lifecycle.
    pub(crate) async fn standing(&self, bucket: &Bucket) -> Result<Standing, ObjectError> {
        match bucket.versioning {
            Versioning::Never if !bucket.lifecycle => Ok(Standing::PLAIN),
            _ => self.standing_now(bucket).await,
        }
    }

    /// How the bucket stands, whatever its handle says.
    pub(crate) async fn standing_now(&self, bucket: &Bucket) -> Result<Standing, ObjectError> {
        let fact_key = keys::versioned(bucket.incarnation);
        let Some(fact) = self.store.get(&fact_key).await? else {
            return Ok(Standing::PLAIN);
        };
        let record: VersionedRecord = decode(&fact_key, &fact.value)?;
        Ok(Standing {
            versioning: record.state.into(),
            lock: record.lock.as_ref().map(BucketLock::from),
            lifecycle: record.lifecycle,
            version: Some(fact.version),
        })
    }

    /// Reads what a change of the key depends on.
    pub(crate) async fn line<'a>(
        &self,
        bucket: &Bucket,
        key: &'a ObjectKey,
        standing: Standing,
    ) -> Result<Line<'a>, ObjectError> {
        let history = match standing.versioning {
            Versioning::Never => None,
            Versioning::Enabled | Versioning::Suspended => self.history(bucket, key).await?,
        };
        let current = self.current(bucket, key).await?;
        let null_seq = history.as_ref().and_then(|(history, _)| history.null);
        let null = match (standing.versioning, null_seq) {
            (Versioning::Suspended, Some(seq)) => self.row(bucket, key, seq).await?,
            _ => None,
        };
        let rules = self.rules_now(bucket, &standing).await?;
        Ok(Line { incarnation: bucket.incarnation, key, standing, history, current, null, rules })
    }

    /// Which rows the key has, if it is not plain.
    pub(crate) async fn history(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
    ) -> Result<Option<(HistoryRecord, Lsn)>, ObjectError> {
        let fact_key = keys::history(bucket.incarnation, key.as_str());
        let Some(fact) = self.store.get(&fact_key).await? else {
            return Ok(None);
        };
        Ok(Some((decode(&fact_key, &fact.value)?, fact.version)))
    }

    /// A row of the key.
    pub(crate) async fn row(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        seq: u64,
    ) -> Result<Option<Current>, ObjectError> {
        let fact_key = keys::version(bucket.incarnation, key.as_str(), seq);
        let Some(fact) = self.store.get(&fact_key).await? else {
            return Ok(None);
        };
        Ok(Some(Current::read(&fact_key, &fact)?))
    }
}

impl Objects {
    /// The row that is the newest once row `seq` is gone.
    pub(crate) async fn row_before(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        seq: u64,
    ) -> Result<Option<Current>, ObjectError> {
        let range = KeyRange::prefix(&keys::versions(bucket.incarnation, key.as_str()));
        let range = range.after(&keys::version(bucket.incarnation, key.as_str(), seq));
        let rows = self.store.scan(&range, 1, Direction::Forward).await?;
        Ok(rows.first().map(|row| Current::read(&row.key, &row.fact)).transpose()?)
    }
}

impl Line<'_> {
    /// The ETag of what GET sees.
    pub(crate) fn etag(&self) -> Option<&str> {
        self.current.as_ref().map(|current| current.record.etag.as_str())
    }

    /// Makes `commit` depend on the key being as it was found, as far as it matters: a plain object
    /// is replaced whatever it is, unless there is a condition.
    pub(crate) fn expect(&self, commit: &mut Commit, condition: &Condition) {
        self.standing.expect(commit, self.incarnation);
        let (current, history) = (self.current_key(), keys::history(self.incarnation, self.key.as_str()));
        match (self.standing.versioning, &self.history) {
            (Versioning::Never, _) => condition.expect(commit, current, self.current.as_ref()),
            (_, Some((_, version))) => commit.stage(|c| c.expect(history, *version)),
            (_, None) => {
                commit.stage(|c| c.expect_absent(history));
                Condition::Present.expect(commit, current, self.current.as_ref());
            }
        }
        if let Some(row) = &self.null {
            row.expect(commit, self.row_key_of(row));
        }
    }

    /// What a put or delete replaces. While versioning is enabled, nothing.
    pub(crate) fn replaced(&self) -> Option<&Current> {
        match self.standing.versioning {
            Versioning::Never => self.current.as_ref(),
            Versioning::Enabled => None,
            Versioning::Suspended => match self.history {
                Some(_) => self.null.as_ref(),
                None => self.current.as_ref(),
            },
        }
    }

    /// What the books change when the key becomes `record`, or loses what would be replaced.
    pub(crate) fn change(&self, record: Option<&ObjectRecord>) -> Growth {
        let old = self.replaced().and_then(|old| object_bytes(&old.record));
        Growth::of_object(old, record.and_then(object_bytes))
    }

    /// Whether what would be replaced may be.
    ///
    /// # Errors
    /// [`ObjectError::Locked`].
    pub(crate) fn check_replaceable(&self, now: Timestamp) -> Result<(), ObjectError> {
        match self.replaced() {
            Some(old) if old.record.lock().holds(now, Bypass::Nothing) => {
                Err(ObjectError::Locked(self.key.as_str().to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// Stages that `record`, with its inline `body`, is the newest of the key, and returns it as it
    /// is written: with its place in the history, and the bucket's default retention. `seams`
    /// give the chance of its version id, if it gets one.
    pub(crate) fn append(
        &self,
        commit: &mut Commit,
        mut record: ObjectRecord,
        body: Option<Bytes>,
        seams: &Seams,
    ) -> ObjectRecord {
        let seq = match self.standing.versioning {
            Versioning::Never => None,
            versioning => Some(self.begin_row(commit, versioning)),
        };
        record.seq = seq;
        record.nonce =
            seq.filter(|_| self.standing.versioning == Versioning::Enabled).map(|_| seams.chance.u64());
        if record.retention_mode.is_none()
            && record.marker != Some(true)
            && let Some(default) = self.standing.lock.and_then(|lock| lock.default)
        {
            let retention = Some(default.from(Timestamp::from_ms(record.modified_ms)));
            crate::ObjectLock { retention, ..record.lock() }.write(&mut record);
        }
        self.write(commit, &record, body);
        self.stage_due_of(commit, &record);
        record
    }

    /// Writes a record where it belongs: as the plain object, or as the newest row and its copy.
    fn write(&self, commit: &mut Commit, record: &ObjectRecord, body: Option<Bytes>) {
        let (current, value) = (self.current_key(), encode(record));
        let namer = record.seq.map_or_else(|| current.clone(), |seq| self.row_key(seq));
        if record.seq.is_some() {
            commit.stage(|c| c.put(namer.clone(), value.clone()));
        }
        commit.stage(|c| match record.marker {
            Some(true) => c.delete(current),
            _ => c.put(current, value),
        });
        match (body, record.seq) {
            (Some(bytes), seq) => {
                commit.stage(|c| c.put(self.body_key(seq.unwrap_or(keys::PLAIN_SEQ)), bytes));
            }
            // A plain object that had an inline body may have one no more.
            (None, None) => commit.stage(|c| c.delete(self.body_key(keys::PLAIN_SEQ))),
            (None, Some(_)) => {}
        }
        add_reference(commit, &record.place, &namer);
        if record.seq.is_none()
            && let Some(old) = &self.current
        {
            // A restored copy may have become the body itself.
            let gone = old.record.places().filter(|place| **place != record.place);
            gone.for_each(|place| release(commit, place, &namer));
        }
    }

    /// Makes room for the next row: what was plain becomes row 0, what is replaced goes.
    fn begin_row(&self, commit: &mut Commit, versioning: Versioning) -> u64 {
        let seq = self.history.map_or(keys::PLAIN_SEQ, |(history, _)| history.newest) + 1;
        let mut null = self.history.and_then(|(history, _)| history.null);
        match (versioning, &self.history, &self.current) {
            (Versioning::Enabled, None, Some(plain)) => {
                self.plain_becomes_row(commit, plain);
                null = Some(keys::PLAIN_SEQ);
            }
            (Versioning::Suspended, None, Some(plain)) => {
                release_all(commit, &plain.record, &self.current_key());
                commit.stage(|c| c.delete(self.body_key(keys::PLAIN_SEQ)));
            }
            (Versioning::Suspended, Some(_), _) => {
                if let Some(row) = &self.null {
                    self.remove_row(commit, row);
                }
            }
            _ => {}
        }
        if versioning == Versioning::Suspended {
            null = Some(seq);
        }
        self.write_history(commit, HistoryRecord { newest: seq, null });
        seq
    }

    fn plain_becomes_row(&self, commit: &mut Commit, plain: &Current) {
        let (current, row) = (self.current_key(), self.row_key(keys::PLAIN_SEQ));
        let record =
            ObjectRecord { seq: Some(keys::PLAIN_SEQ), lsn: Some(plain.lsn().0), ..plain.record.clone() };
        commit.stage(|c| c.put(row.clone(), encode(&record)));
        for place in record.places() {
            add_reference(commit, place, &row);
            if let Some(reference) = reference(place, &current) {
                commit.stage(|c| c.delete(reference));
            }
        }
    }

    /// Stages that a row is gone.
    pub(crate) fn remove_row(&self, commit: &mut Commit, row: &Current) {
        let fact = self.row_key_of(row);
        release_all(commit, &row.record, &fact);
        let body = self.body_key(row.record.seq.unwrap_or(keys::PLAIN_SEQ));
        commit.stage(|c| c.delete(fact).delete(body));
    }

    /// Stages that the plain object is gone.
    pub(crate) fn remove_plain(&self, commit: &mut Commit, plain: &Current) {
        let current = self.current_key();
        release_all(commit, &plain.record, &current);
        commit.stage(|c| c.delete(current).delete(self.body_key(keys::PLAIN_SEQ)));
    }

    /// Stages that `row` is what GET sees; nothing is when it is a delete marker or there is none.
    pub(crate) fn show(&self, commit: &mut Commit, row: Option<&Current>) {
        let current = self.current_key();
        let shown = row.filter(|row| !row.is_marker());
        commit.stage(|c| match shown {
            Some(row) => {
                let copy = ObjectRecord { lsn: Some(row.lsn().0), ..row.record.clone() };
                c.put(current, encode(&copy))
            }
            None => c.delete(current),
        });
    }

    /// Stages what the rows are now.
    pub(crate) fn write_history(&self, commit: &mut Commit, record: HistoryRecord) {
        let fact = keys::history(self.incarnation, self.key.as_str());
        commit.stage(|c| c.put(fact, encode(&record)));
    }

    /// Stages that there is no row any more.
    pub(crate) fn forget_history(&self, commit: &mut Commit) {
        let fact = keys::history(self.incarnation, self.key.as_str());
        commit.stage(|c| c.delete(fact));
    }

    /// What the sweep should look at once the commit is published that made the key `record`.
    pub(crate) fn let_go(&self, record: &ObjectRecord) -> Option<Target> {
        let old = self.replaced().filter(|old| old.record.place != record.place)?;
        target_of_place(&old.record.place)
    }

    pub(crate) fn incarnation(&self) -> u64 {
        self.incarnation
    }

    pub(crate) fn key(&self) -> &ObjectKey {
        self.key
    }

    pub(crate) fn current_key(&self) -> Key {
        keys::current(self.incarnation, self.key.as_str())
    }

    pub(crate) fn row_key(&self, seq: u64) -> Key {
        keys::version(self.incarnation, self.key.as_str(), seq)
    }

    pub(crate) fn row_key_of(&self, row: &Current) -> Key {
        self.row_key(row.record.seq.unwrap_or(keys::PLAIN_SEQ))
    }

    pub(crate) fn body_key(&self, seq: u64) -> Key {
        keys::body(self.incarnation, self.key.as_str(), seq)
    }
}

/// How long an object is; `None` of a delete marker.
pub(crate) fn object_bytes(record: &ObjectRecord) -> Option<u64> {
    (record.marker != Some(true)).then_some(record.size)
}

/// Stages the reference to a body that lies outside the fact that names it.
pub(crate) fn add_reference(commit: &mut Commit, place: &PlaceRecord, namer: &Key) {
    if let Some(reference) = reference(place, namer) {
        commit.stage(|c| c.put(reference, encode(&Present {})));
    }
}

impl From<StateRecord> for Versioning {
    fn from(record: StateRecord) -> Self {
        match record {
            StateRecord::Enabled => Self::Enabled,
            StateRecord::Suspended => Self::Suspended,
            StateRecord::Never => Self::Never,
        }
    }
}
