//! Puts: the commit that makes a staged body an object.
//!
//! A put in a bucket without versions looks at the object it replaces only to release what that one
//! names; it does not depend on what it saw, so writers of one key never conflict and the last commit
//! wins. If another writer slipped in between, the reference of *its* body stays behind, stale; the
//! sweep holds references against the facts that should name them and removes stale ones. What a put
//! is in a bucket with versions, `history` says.

use std::collections::BTreeMap;

use bytes::Bytes;
use headwater_base::Timestamp;
use headwater_blob::BlobId;
use headwater_store::{Commit, CommitError, Key};

use crate::object::Current;
use crate::records::acl::AclRecord;
use crate::records::keys;
use crate::records::object::{ObjectRecord, PlaceRecord};
use crate::stage::Place;
use crate::sweep::Target;
use crate::{
    Attributes, Bucket, Change, ChecksumAlgorithm, Checksums, ObjectError, ObjectInfo, ObjectKey, Objects,
    StagedBody, StorageClass,
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
    /// Adds to `commit`: this bucket still exists, and from this commit on `key` is this body. In a
    /// bucket without versions it replaces what was there (its body is swept); in one with versions it
    /// is a new one, and the commit conflicts when another writer of the key comes first. `modified`
    /// becomes its time.
    ///
    /// # Errors
    /// The store's; [`ObjectError::Locked`] when what it would replace is held.
    pub async fn stage_put(
        &self,
        commit: &mut Commit,
        bucket: &Bucket,
        key: &ObjectKey,
        body: &StagedBody,
        attributes: Attributes,
        modified: Timestamp,
    ) -> Result<(), ObjectError> {
        let line = self.line(bucket, key, self.standing_now(bucket).await?).await?;
        line.check_replaceable(self.seams.clock.now())?;
        let record = record_of(body, attributes, modified);
        commit.stage(|c| c.expect_present(keys::guard(bucket.incarnation)));
        line.expect(commit, &Condition::Anything);
        let record = line.append(commit, record, inline_of(body), &self.seams);
        self.notify(commit, bucket, key, Self::put_change(bucket), record.touched());
        self.doomed.push(line.let_go(&record));
        self.books.note_staged(bucket.incarnation, line.change(Some(&record)));
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
        let body = self.stage_bytes(bucket, body, false).await?;
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
        self.put_as(bucket, key, body, attributes, condition, Self::put_change(bucket)).await
    }

    /// The same, told as `change`.
    pub(crate) async fn put_as(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        body: &StagedBody,
        attributes: Attributes,
        condition: &Condition,
        change: Change,
    ) -> Result<ObjectInfo, ObjectError> {
        check_lock(bucket, &attributes)?;
        let now = self.seams.clock.now();
        let record = record_of(body, attributes, now);
        let mut tries = self.tries(bucket, key).await?;
        loop {
            let line = self.line(bucket, key, tries.standing).await?;
            condition.check(key, line.etag())?;
            line.check_replaceable(now)?;
            let mut commit = Commit::new().expect_present(keys::guard(bucket.incarnation));
            line.expect(&mut commit, condition);
            let record = line.append(&mut commit, record.clone(), inline_of(body), &self.seams);
            self.notify(&mut commit, bucket, key, change, record.touched());
            match self.store.commit(commit).await {
                Ok(committed) => {
                    self.doomed.push(line.let_go(&record));
                    self.books.note(bucket.incarnation, committed.lsn, line.change(Some(&record)));
                    return Ok(Current { record, version: committed.lsn }.info(key));
                }
                Err(CommitError::Conflict(lost)) => tries.lost(&lost).await?,
                Err(e) => return Err(e.into()),
            }
        }
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

/// The bytes of a staged body that lie inline.
fn inline_of(body: &StagedBody) -> Option<Bytes> {
    match &body.place {
        Place::Inline(bytes) => Some(bytes.clone()),
        Place::Blob(_) | Place::Cold(_) => None,
    }
}

/// Whether the bucket can keep what a writer asks to be held.
///
/// # Errors
/// [`ObjectError::NoObjectLock`].
pub(crate) fn check_lock(bucket: &Bucket, attributes: &Attributes) -> Result<(), ObjectError> {
    if !attributes.lock.is_empty() && bucket.lock.is_none() {
        return Err(ObjectError::NoObjectLock(bucket.name.as_str().to_owned()));
    }
    Ok(())
}

fn record_of(body: &StagedBody, attributes: Attributes, modified: Timestamp) -> ObjectRecord {
    let place = body.place.record();
    let checksums = Checksums { values: kept_checksums(&body.checksums), composite: false };
    let record = new_record(body.size, body.etag.clone(), modified, place, attributes, checksums);
    ObjectRecord { encryption: body.encryption.clone(), ..record }
}

pub(crate) fn new_record(
    size: u64,
    etag: String,
    modified: Timestamp,
    place: PlaceRecord,
    attributes: Attributes,
    checksums: Checksums,
) -> ObjectRecord {
    let Attributes { content_type, headers, metadata, tags, system, lock, storage_class, acl } = attributes;
    let mut record = ObjectRecord {
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
        seq: None,
        nonce: None,
        marker: None,
        retention_mode: None,
        retain_until_ms: None,
        hold: None,
        class: class_code(storage_class),
        restored: None,
        acl: acl.as_ref().map(AclRecord::of),
        encryption: None,
    };
    lock.write(&mut record);
    record
}

/// How a class stands in a record.
pub(crate) fn class_code(class: StorageClass) -> Option<u8> {
    (class != StorageClass::Standard).then(|| class.code())
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

/// The reference fact of a body that lies outside the fact that names it.
pub(crate) fn reference(place: &PlaceRecord, namer: &Key) -> Option<Key> {
    match place {
        PlaceRecord::Inline => None,
        PlaceRecord::Blob(id) => Some(keys::blob_ref(BlobId(**id), namer)),
        PlaceRecord::Cold(id) => Some(keys::cold_ref(BlobId(**id), namer)),
        PlaceRecord::Parts(upload) => Some(keys::upload_ref(**upload, namer)),
    }
}

/// Stages that `namer` no longer names `place`. The sweep finds a blob by its file, and an upload
/// only by its references: so those stay, stale, until the parts are gone.
pub(crate) fn release(commit: &mut Commit, place: &PlaceRecord, namer: &Key) {
    let reference = match place {
        PlaceRecord::Inline | PlaceRecord::Parts(_) => return,
        PlaceRecord::Blob(id) => keys::blob_ref(BlobId(**id), namer),
        PlaceRecord::Cold(id) => keys::cold_ref(BlobId(**id), namer),
    };
    commit.stage(|c| c.delete(reference));
}

/// Stages that `namer` names no body of `record` any more, a restored copy included.
pub(crate) fn release_all(commit: &mut Commit, record: &ObjectRecord, namer: &Key) {
    for place in record.places() {
        release(commit, place, namer);
    }
}

/// What the sweep should look at when what lay there is gone.
pub(crate) fn target_of_place(place: &PlaceRecord) -> Option<Target> {
    match place {
        PlaceRecord::Inline => None,
        PlaceRecord::Blob(id) => Some(Target::Blob(BlobId(**id))),
        PlaceRecord::Cold(id) => Some(Target::Cold(BlobId(**id))),
        PlaceRecord::Parts(upload) => Some(Target::Upload(**upload)),
    }
}
