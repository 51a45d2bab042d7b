//! Puts: the commit that makes a staged body an object.
//!
//! A put looks at the object it replaces only to release what that one names; it does not depend on
//! what it saw, so writers of one key never conflict and the last commit wins. If another writer
//! slipped in between, the reference of *its* body stays behind, stale; the sweep holds references
//! against the facts that should name them and removes stale ones.

use std::collections::BTreeMap;

use bytes::Bytes;
use headwater_base::Timestamp;
use headwater_blob::BlobId;
use headwater_store::{Commit, CommitError, Key};

use crate::bucket::TRIES_MAX;
use crate::object::Current;
use crate::records::bucket::Present;
use crate::records::object::{ObjectRecord, PlaceRecord};
use crate::records::{encode, keys};
use crate::stage::Place;
use crate::sweep::Target;
use crate::{
    Attributes, Bucket, ChecksumAlgorithm, Checksums, ObjectError, ObjectInfo, ObjectKey, Objects, StagedBody,
};

/// What must hold of the current object for a change to happen.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Condition {
    /// Nothing.
    #[default]
    Anything,
    /// There is none (`If-None-Match: *`).
    Absent,
    /// There is one (`If-Match: *`).
    Present,
    /// It has this ETag, without quotes (`If-Match: "…"`).
    Etag(String),
}

impl Condition {
    /// Whether an object with this ETag (or none) satisfies the condition.
    ///
    /// # Errors
    /// [`ObjectError::PreconditionFailed`], or [`ObjectError::NoSuchKey`] when an object is
    /// demanded and there is none.
    pub fn check(&self, key: &ObjectKey, etag: Option<&str>) -> Result<(), ObjectError> {
        match (self, etag) {
            (Self::Anything, _) | (Self::Absent, None) | (Self::Present, Some(_)) => Ok(()),
            (Self::Etag(wanted), Some(found)) if wanted == found => Ok(()),
            (Self::Absent | Self::Etag(_), Some(_)) => Err(ObjectError::PreconditionFailed),
            (Self::Present | Self::Etag(_), None) => Err(ObjectError::NoSuchKey(key.as_str().to_owned())),
        }
    }

    /// Makes `commit` depend on the condition still holding as it was checked.
    pub(crate) fn expect(&self, commit: &mut Commit, key: Key, current: Option<&Current>) {
        match (self, current) {
            (Self::Anything, _) => {}
            (_, Some(current)) => commit.stage(|c| c.expect(key, current.version)),
            (_, None) => commit.stage(|c| c.expect_absent(key)),
        }
    }
}

impl Objects {
    /// Adds to `commit`: this bucket still exists, and from this commit on `key` is this body.
    /// Replaces what was there (its body is swept). `modified` becomes its time.
    ///
    /// # Errors
    /// The store's.
    pub async fn stage_put(
        &self,
        commit: &mut Commit,
        bucket: &Bucket,
        key: &ObjectKey,
        body: &StagedBody,
        attributes: Attributes,
        modified: Timestamp,
    ) -> Result<(), ObjectError> {
        let old = self.current(bucket, key).await?;
        let record = record_of(body, attributes, modified);
        commit.stage(|c| c.expect_present(keys::guard(bucket.incarnation)));
        add_object(commit, bucket, key, &record, Naming::Staged(&body.place), old.as_ref());
        self.doomed.push(old.as_ref().and_then(target_of));
        Ok(())
    }

    /// Puts an object that is in memory, in a commit of its own.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`] when the bucket is gone.
    pub async fn put_bytes(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        body: Bytes,
        attributes: Attributes,
    ) -> Result<ObjectInfo, ObjectError> {
        let body = self.stage_bytes(body, false).await?;
        self.put(bucket, key, &body, attributes, &Condition::Anything).await
    }

    /// Puts a staged body, in a commit of its own.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`] when the bucket is gone; those of [`Condition::check`].
    pub async fn put(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        body: &StagedBody,
        attributes: Attributes,
        condition: &Condition,
    ) -> Result<ObjectInfo, ObjectError> {
        let record = record_of(body, attributes, self.seams.clock.now());
        self.put_record(bucket, key, record, condition, |commit, record, old| {
            add_object(commit, bucket, key, record, Naming::Staged(&body.place), old);
        })
        .await
    }

    /// Commits an object whose facts `add` stages, retrying while others interfere.
    pub(crate) async fn put_record(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        record: ObjectRecord,
        condition: &Condition,
        add: impl Fn(&mut Commit, &ObjectRecord, Option<&Current>) + Send,
    ) -> Result<ObjectInfo, ObjectError> {
        let guard = keys::guard(bucket.incarnation);
        for _ in 0..TRIES_MAX {
            let old = self.current(bucket, key).await?;
            condition.check(key, old.as_ref().map(|c| c.record.etag.as_str()))?;
            let mut commit = Commit::new().expect_present(guard.clone());
            condition.expect(&mut commit, keys::current(bucket.incarnation, key.as_str()), old.as_ref());
            add(&mut commit, &record, old.as_ref());
            match self.store.commit(commit).await {
                Ok(committed) => {
                    self.doomed.push(old.as_ref().and_then(target_of));
                    return Ok(Current { record, version: committed.lsn }.info(key));
                }
                Err(CommitError::Conflict(lost)) if lost == guard => self.same_bucket(bucket).await?,
                Err(CommitError::Conflict(lost))
                    if lost == keys::current(bucket.incarnation, key.as_str()) => {}
                Err(CommitError::Conflict(_)) => return Err(ObjectError::Contended),
                Err(e) => return Err(e.into()),
            }
        }
        Err(ObjectError::Contended)
    }

    /// Replaces an object's tags. Its body, times and LSN stay as they are.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchKey`].
    pub async fn set_tags(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        tags: BTreeMap<String, String>,
    ) -> Result<(), ObjectError> {
        let fact = keys::current(bucket.incarnation, key.as_str());
        for _ in 0..TRIES_MAX {
            let current = self.current(bucket, key).await?;
            let current = current.ok_or_else(|| ObjectError::NoSuchKey(key.as_str().to_owned()))?;
            let (lsn, version) = (current.lsn(), current.version);
            let record = ObjectRecord { tags: tags.clone(), lsn: Some(lsn.0), ..current.record };
            let commit = Commit::new().expect(fact.clone(), version).put(fact.clone(), encode(&record));
            match self.store.commit(commit).await {
                Ok(_) => return Ok(()),
                Err(CommitError::Conflict(_)) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Err(ObjectError::Contended)
    }

    /// The current object's fact.
    pub(crate) async fn current(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
    ) -> Result<Option<Current>, ObjectError> {
        let fact_key = keys::current(bucket.incarnation, key.as_str());
        let Some(fact) = self.store.get(&fact_key).await? else {
            return Ok(None);
        };
        Ok(Some(Current::read(&fact_key, &fact)?))
    }
}

/// What a new object's fact names.
pub(crate) enum Naming<'a> {
    /// A staged body.
    Staged(&'a Place),
    /// A body kept inline elsewhere, copied here.
    Inline(Bytes),
    /// What the record's place says: a blob or an upload that another fact names, too.
    Shared,
}

fn record_of(body: &StagedBody, attributes: Attributes, modified: Timestamp) -> ObjectRecord {
    let place = match &body.place {
        Place::Inline(_) => PlaceRecord::Inline,
        Place::Blob(handle) => PlaceRecord::Blob(handle.id.0.into()),
    };
    let checksums = Checksums { values: kept_checksums(&body.checksums), composite: false };
    new_record(body.size, body.md5.clone(), modified, place, attributes, checksums)
}

pub(crate) fn new_record(
    size: u64,
    etag: String,
    modified: Timestamp,
    place: PlaceRecord,
    attributes: Attributes,
    checksums: Checksums,
) -> ObjectRecord {
    let Attributes { content_type, headers, metadata, tags, system } = attributes;
    ObjectRecord {
        size,
        etag,
        modified_ms: modified.ms(),
        place,
        content_type,
        headers,
        metadata,
        tags,
        system,
        checksums: checksums.values,
        composite: checksums.composite,
        lsn: None,
    }
}

/// What an object keeps of the checksums taken: those that were asked for, else CRC64NVME.
fn kept_checksums(taken: &BTreeMap<ChecksumAlgorithm, String>) -> BTreeMap<String, String> {
    let asked = taken.len() > 1;
    taken
        .iter()
        .filter(|(algorithm, _)| !asked || **algorithm != ChecksumAlgorithm::Crc64Nvme)
        .map(|(algorithm, value)| (algorithm.name().to_owned(), value.clone()))
        .collect()
}

/// Stages an object: its fact, its body or the reference to it, and the release of the old one.
pub(crate) fn add_object(
    commit: &mut Commit,
    bucket: &Bucket,
    key: &ObjectKey,
    record: &ObjectRecord,
    naming: Naming<'_>,
    old: Option<&Current>,
) {
    let fact = keys::current(bucket.incarnation, key.as_str());
    let body = keys::body(bucket.incarnation, key.as_str(), keys::NO_VERSION);
    commit.stage(|c| c.put(fact.clone(), encode(record)));
    let bytes = match naming {
        Naming::Staged(Place::Inline(bytes)) => Some(bytes.clone()),
        Naming::Inline(bytes) => Some(bytes),
        Naming::Staged(Place::Blob(_)) | Naming::Shared => None,
    };
    commit.stage(|c| match bytes {
        Some(bytes) => c.put(body, bytes),
        None => c.delete(body),
    });
    if let Some(reference) = reference(&record.place, &fact) {
        commit.stage(|c| c.put(reference, encode(&Present {})));
    }
    if let Some(old) = old.filter(|old| old.record.place != record.place) {
        release(commit, &old.record.place, &fact);
    }
}

/// The reference fact of a body that lies outside the fact that names it.
pub(crate) fn reference(place: &PlaceRecord, namer: &Key) -> Option<Key> {
    match place {
        PlaceRecord::Inline => None,
        PlaceRecord::Blob(id) => Some(keys::blob_ref(BlobId(**id), namer)),
        PlaceRecord::Parts(upload) => Some(keys::upload_ref(**upload, namer)),
    }
}

/// Stages that `namer` no longer names `place`. The sweep finds a blob by its file, and an upload
/// only by its references: so those stay, stale, until the parts are gone.
pub(crate) fn release(commit: &mut Commit, place: &PlaceRecord, namer: &Key) {
    if let PlaceRecord::Blob(id) = place {
        let reference = keys::blob_ref(BlobId(**id), namer);
        commit.stage(|c| c.delete(reference));
    }
}

/// What the sweep should look at when this object is gone.
pub(crate) fn target_of(old: &Current) -> Option<Target> {
    target_of_place(&old.record.place)
}

pub(crate) fn target_of_place(place: &PlaceRecord) -> Option<Target> {
    match place {
        PlaceRecord::Inline => None,
        PlaceRecord::Blob(id) => Some(Target::Blob(BlobId(**id))),
        PlaceRecord::Parts(upload) => Some(Target::Upload(**upload)),
    }
}
