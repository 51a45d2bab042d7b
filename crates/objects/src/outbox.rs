//! The outbox: what happened to the objects of buckets that notify, written by the commit that did
//! it and taken by the engine that delivers it.
//!
//! ```text
//! put, delete, tags … ─► commit { the change, OUTBOX row }     the row's version is the event's LSN
//!                                            │
//!                         events: route (rules of the bucket) ─► a queue per target
//! ```
//! A bucket that does not notify pays nothing: whether it does stands in the bucket's record, which
//! every request reads anyway. Which of its rules an event meets is decided later, off the way of
//! the put.
//!
//! **Invariants.** The row is in the change's own commit, so there is an event for every change and
//! none for a change that failed. The key begins with the time of staging, which is only nearly the
//! order of commits; the order is the rows' versions.
//!
//! **Failure.** A crash leaves rows; they are taken after the restart. Who holds a [`Bucket`] from
//! before notifications were switched on does not notify with it yet.

use std::sync::Arc;

use headwater_base::{AccountId, Region, Timestamp};
use headwater_store::{
    Commit, Direction, Key, KeyRange, Lsn, Scanned, Snapshot, StoreError, Watch, WatchTarget,
};

use crate::records::object::ObjectRecord;
use crate::records::outbox::OutboxRecord;
use crate::records::{decode, encode, keys};
use crate::{Bucket, ObjectError, ObjectKey, Objects, VersionId};

/// Who acts when the node does: lifecycle, restores that end, deliveries without a request.
const SERVICE: &str = "s3.amazonaws.com";

/// What happened to an object.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Change {
    /// Put by a request or a delivery.
    CreatedPut,
    /// Put by a form.
    CreatedPost,
    /// Put as a copy.
    CreatedCopy,
    /// Put by completing a multipart upload.
    CreatedMultipart,
    /// An object without versions, or a version, was removed.
    Removed,
    /// A delete marker became the newest version.
    MarkerCreated,
    /// Tags were set.
    TaggingPut,
    /// Tags were removed.
    TaggingDelete,
    /// The access control list was set.
    AclPut,
    /// A restore of an archived object began.
    RestorePost,
    /// A restored copy is there.
    RestoreCompleted,
    /// A restored copy is gone again.
    RestoreDelete,
    /// Lifecycle removed an object or a version.
    Expired,
    /// Lifecycle put a delete marker.
    ExpiredMarker,
    /// Lifecycle moved the object to another storage class.
    Transitioned,
    /// The retention of a version was set.
    RetentionPut,
}

/// Every change with the number it is stored under. Numbers are never reused.
const NUMBERS: &[(Change, u8)] = &[
    (Change::CreatedPut, 1),
    (Change::CreatedPost, 2),
    (Change::CreatedCopy, 3),
    (Change::CreatedMultipart, 4),
    (Change::Removed, 5),
    (Change::MarkerCreated, 6),
    (Change::TaggingPut, 7),
    (Change::TaggingDelete, 8),
    (Change::AclPut, 9),
    (Change::RestorePost, 10),
    (Change::RestoreCompleted, 11),
    (Change::RestoreDelete, 12),
    (Change::Expired, 13),
    (Change::ExpiredMarker, 14),
    (Change::Transitioned, 15),
    (Change::RetentionPut, 16),
];

impl Change {
    /// Every change there is.
    pub fn all() -> impl Iterator<Item = Self> {
        NUMBERS.iter().map(|(change, _)| *change)
    }

    fn number(self) -> u8 {
        let row = NUMBERS.iter().find(|(change, _)| *change == self);
        row.expect("every change has a number").1
    }

    fn of_number(number: u8) -> Option<Self> {
        NUMBERS.iter().find(|(_, n)| *n == number).map(|(change, _)| *change)
    }

    /// The same, when lifecycle does it.
    fn by_lifecycle(self) -> Self {
        match self {
            Self::Removed => Self::Expired,
            Self::MarkerCreated => Self::ExpiredMarker,
            other => other,
        }
    }

    /// Whether the node did it by itself, whoever holds the bucket.
    fn is_lifecycles(self) -> bool {
        matches!(
            self,
            Self::Expired
                | Self::ExpiredMarker
                | Self::Transitioned
                | Self::RestoreCompleted
                | Self::RestoreDelete
        )
    }
}

/// Who changes objects, and with which request: what events say of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    /// The principal's id, such as `AWS:AKIA…`, or a service's name.
    pub principal: String,
    /// The requester's account, or a service's name.
    pub requester: String,
    /// The client's address, or a service's name.
    pub source_ip: String,
    /// The id in the answer's `x-amz-request-id`.
    pub request_id: String,
    /// The id in the answer's `x-amz-id-2`.
    pub host_id: String,
    /// Whether the object came in a form.
    pub is_form: bool,
    /// Whether lifecycle did it: its removals are events of another kind.
    pub is_lifecycle: bool,
}

impl Origin {
    /// A service that works on its own, such as `firehose.amazonaws.com`; `id` takes the place of
    /// the request's.
    pub fn service(name: &str, id: &str) -> Self {
        Self {
            principal: name.to_owned(),
            requester: name.to_owned(),
            source_ip: name.to_owned(),
            request_id: id.to_owned(),
            host_id: id.to_owned(),
            is_form: false,
            is_lifecycle: false,
        }
    }
}

/// An event: what happened to which object, when, and through whom.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChangeEvent {
    /// What happened.
    pub change: Change,
    /// When it was staged, a moment before its commit.
    pub time: Timestamp,
    /// The bucket's incarnation.
    pub incarnation: u64,
    /// The bucket's name.
    pub bucket: String,
    /// The bucket's owner.
    pub owner: AccountId,
    /// The bucket's region.
    pub region: Region,
    /// The object's key, as it is.
    pub key: String,
    /// The body's length, of objects that are there.
    pub size: Option<u64>,
    /// Without quotes.
    pub etag: Option<String>,
    /// In versioned buckets.
    pub version_id: Option<String>,
    /// Who did it.
    pub origin: Origin,
    /// The class an object moved to, or was restored from.
    pub storage_class: Option<String>,
    /// When a restored copy goes.
    pub expiry: Option<Timestamp>,
}

/// An event that waits in the outbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutboxRow {
    /// The commit of the change.
    pub lsn: Lsn,
    /// Distinguishes the events of one commit.
    pub nonce: u64,
    /// The event.
    pub event: ChangeEvent,
    key: Key,
}

impl OutboxRow {
    /// Adds to `commit`: the row has been taken.
    pub fn stage_taken(&self, commit: &mut Commit) {
        commit.stage(|c| c.delete(self.key.clone()));
    }

    /// Where the row lies; rows are read in this order.
    pub fn key(&self) -> &Key {
        &self.key
    }

    fn read(row: &Scanned) -> Result<Self, StoreError> {
        let corrupt = || StoreError::Corrupt(format!("{:?}: not an event", row.key));
        let nonce = keys::outbox_nonce_of(&row.key).ok_or_else(corrupt)?;
        let record: OutboxRecord = decode(&row.key, &row.fact.value)?;
        let event = event_of(record).ok_or_else(corrupt)?;
        Ok(Self { lsn: row.fact.version, nonce, event, key: row.key.clone() })
    }
}

/// The object that an event is about.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Touched<'a> {
    pub(crate) size: Option<u64>,
    pub(crate) etag: Option<&'a str>,
    pub(crate) version: Option<VersionId>,
    pub(crate) storage_class: Option<&'a str>,
    pub(crate) expiry: Option<Timestamp>,
}

impl Touched<'_> {
    /// Of what is known by its version alone.
    pub(crate) fn version(version: Option<VersionId>) -> Self {
        Self { version, ..Self::default() }
    }

    /// For events that are not about the body.
    pub(crate) fn without_size(self) -> Self {
        Self { size: None, ..self }
    }
}

impl ObjectRecord {
    /// What an event says of this object.
    pub(crate) fn touched(&self) -> Touched<'_> {
        let version = self.seq.map(|_| self.id());
        Touched { size: Some(self.size), etag: Some(&self.etag), version, ..Touched::default() }
    }
}

impl Bucket {
    /// The same bucket in the hands of somebody: what is done with it is said to be theirs.
    #[must_use]
    pub fn for_origin(&self, origin: Origin) -> Self {
        Self { origin: Some(Arc::new(origin)), ..self.clone() }
    }

    /// The same bucket in the hands of lifecycle: what it removes has expired.
    #[must_use]
    pub fn for_lifecycle(&self) -> Self {
        self.for_origin(Origin { is_lifecycle: true, ..Origin::service(SERVICE, "") })
    }

    /// The same bucket in the hands of a service; see [`Origin::service`].
    #[must_use]
    pub fn for_service(self: Arc<Self>, name: &str, id: &str) -> Arc<Self> {
        if self.notifies { Arc::new(self.for_origin(Origin::service(name, id))) } else { self }
    }
}

impl Objects {
    /// Adds to `commit`: this happened. Nothing in a bucket that does not notify.
    pub(crate) fn notify(
        &self,
        commit: &mut Commit,
        bucket: &Bucket,
        key: &ObjectKey,
        change: Change,
        touched: Touched<'_>,
    ) {
        if !bucket.notifies {
            return;
        }
        let change = match &bucket.origin {
            Some(origin) if origin.is_lifecycle => change.by_lifecycle(),
            _ => change,
        };
        let time = self.seams.clock.now();
        let nonce = self.seams.chance.u64();
        let origin = match &bucket.origin {
            Some(origin) if !change.is_lifecycles() => (**origin).clone(),
            _ => Origin::service(SERVICE, &format!("{nonce:016X}")),
        };
        let record = OutboxRecord {
            change: change.number(),
            time_ms: time.ms(),
            incarnation: bucket.incarnation,
            bucket: bucket.name.as_str().to_owned(),
            owner: bucket.owner.number(),
            region: bucket.region.as_str().to_owned(),
            key: key.as_str().to_owned(),
            size: touched.size,
            etag: touched.etag.map(str::to_owned),
            version_id: touched.version.map(|version| version.to_string()),
            principal: origin.principal,
            requester: origin.requester,
            source_ip: origin.source_ip,
            request_id: origin.request_id,
            host_id: origin.host_id,
            storage_class: touched.storage_class.map(str::to_owned),
            expiry_ms: touched.expiry.map(Timestamp::ms),
        };
        commit.stage(|c| c.put(keys::outbox(time.ms(), nonce), encode(&record)));
    }

    /// What a put of `bucket` is called.
    pub(crate) fn put_change(bucket: &Bucket) -> Change {
        let is_form = bucket.origin.as_ref().is_some_and(|origin| origin.is_form);
        if is_form { Change::CreatedPost } else { Change::CreatedPut }
    }

    /// Adds to `commit`: from now on the bucket notifies, or does so no more. The commit conflicts
    /// if the bucket changes meanwhile.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`] when it is gone or another one.
    pub async fn stage_notifies(
        &self,
        commit: &mut Commit,
        bucket: &Bucket,
        notifies: bool,
    ) -> Result<(), ObjectError> {
        let (record, version) = self.bucket_record(&bucket.name).await?;
        if record.incarnation != bucket.incarnation || record.deleting {
            return Err(ObjectError::NoSuchBucket(bucket.name.as_str().to_owned()));
        }
        let key = keys::bucket(bucket.name.as_str());
        let record = crate::records::bucket::BucketRecord { notifies: notifies.then_some(true), ..record };
        commit.stage(|c| c.expect(key.clone(), version).put(key, encode(&record)));
        Ok(())
    }

    /// Whether a bucket of this incarnation is still there.
    ///
    /// # Errors
    /// The store's.
    pub async fn is_alive(&self, incarnation: u64) -> Result<bool, ObjectError> {
        Ok(self.store.get(&keys::alive(incarnation)).await?.is_some())
    }

    /// Up to `limit` events of the outbox as `snapshot` sees it, in the order of their keys: those
    /// staged at `from` or later, after `after` if that is given.
    ///
    /// # Errors
    /// The store's.
    pub async fn outbox(
        &self,
        snapshot: &dyn Snapshot,
        from: Timestamp,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<OutboxRow>, ObjectError> {
        let mut range = KeyRange::prefix(&keys::all_outbox());
        range.start = keys::outbox(from.ms(), 0);
        if let Some(after) = after {
            range = range.after(after);
        }
        let rows = snapshot.scan(&range, limit, Direction::Forward).await?;
        Ok(rows.iter().map(OutboxRow::read).collect::<Result<_, _>>()?)
    }

    /// Changes when events come to the outbox (or are taken). Create it, then look.
    pub fn watch_outbox(&self) -> Watch {
        self.store.watch(WatchTarget::Prefix(keys::all_outbox()))
    }
}

fn event_of(record: OutboxRecord) -> Option<ChangeEvent> {
    Some(ChangeEvent {
        change: Change::of_number(record.change)?,
        time: Timestamp::from_ms(record.time_ms),
        incarnation: record.incarnation,
        bucket: record.bucket,
        owner: AccountId::from_number(record.owner).ok()?,
        region: record.region.parse().ok()?,
        key: record.key,
        size: record.size,
        etag: record.etag,
        version_id: record.version_id,
        origin: Origin {
            principal: record.principal,
            requester: record.requester,
            source_ip: record.source_ip,
            request_id: record.request_id,
            host_id: record.host_id,
            is_form: false,
            is_lifecycle: false,
        },
        storage_class: record.storage_class,
        expiry: record.expiry_ms.map(Timestamp::from_ms),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_has_one_number() {
        let mut numbers: Vec<u8> = NUMBERS.iter().map(|(_, n)| *n).collect();
        numbers.dedup();
        assert_eq!(numbers, (1..=16).collect::<Vec<u8>>());
        for change in Change::all() {
            assert_eq!(Change::of_number(change.number()), Some(change));
        }
        assert_eq!(Change::of_number(0), None);
    }
}
