//! Multipart uploads: parts are facts with bodies of their own; completing names them and moves no
//! byte.
//!
//! ```text
//! create    UPLOAD, UPLOAD_REF(upload ← UPLOAD)
//! part n    PART n, and its body: PART_BODY n inline, or a blob and BLOB_REF(blob ← PART n)
//! complete  CURRENT (or a VERSION) names the upload, LAYOUT, UPLOAD_REF(upload ← it); UPLOAD goes
//! abort     UPLOAD goes; its reference, now stale, leads the sweep to the parts
//! ```
//! **Invariants.** A part is added only while its `UPLOAD` fact is there. Completing expects every
//! part it names at the version it read, so a part uploaded again meanwhile is never mixed in.
//!
//! **Failure.** Completing twice gives the same answer as long as the object is the current one.

mod complete;
mod declared;
mod listing;

use std::collections::BTreeMap;

use headwater_base::{AccountId, Timestamp};
use headwater_store::{Commit, CommitError, Direction, KeyRange, Scanned, StoreError};

use crate::bucket::TRIES_MAX;
use crate::put::{check_lock, class_code, reference, release, target_of_place};
use crate::records::acl::AclRecord;
use crate::records::bucket::Present;
use crate::records::upload::{InitiatorRecord, PartRecord, UploadRecord};
use crate::records::{decode, encode, keys};
use crate::stage::Place;
use crate::sweep::Target;
use crate::usage::Growth;
use crate::{
    Asked, Attributes, Bucket, ChecksumAlgorithm, Encryption, ObjectError, ObjectKey, ObjectLock, Objects,
    StagedBody, StorageClass, UploadId,
};

pub use declared::{CompletedPart, CompletionError, DeclaredObject};
pub use listing::{PartListing, UploadListing, UploadQuery, UploadedEntry};

/// The highest part number.
pub const PART_NUMBER_MAX: u32 = 10_000;

/// The most bytes of a part: 5 GiB.
pub const PART_BYTES_MAX: u64 = 5 << 30;

/// How many part rows are read at once.
const PAGE_PARTS: usize = 1000;

/// How an upload's object is to be checked.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UploadOptions {
    /// The algorithm every part is checked by; `None` means CRC64NVME over the whole.
    pub algorithm: Option<ChecksumAlgorithm>,
    /// Whether the object's checksum is one of checksums (else of the whole body).
    pub composite: bool,
    /// How its parts are to be sealed. Of an upload that is read, [`UploadInfo::encryption`] says it.
    pub asked: Asked,
    /// Who begins it; `None` of uploads whose rows are older than this field.
    pub initiator: Option<Initiator>,
}

/// Who began an upload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Initiator {
    /// The account; `None` if nobody signed the request.
    pub account: Option<AccountId>,
    /// What S3 calls it: the account's canonical id, or a user's ARN.
    pub id: String,
}

/// An upload under way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UploadInfo {
    /// Its identity.
    pub id: UploadId,
    /// The object it will be.
    pub key: ObjectKey,
    /// When it began.
    pub initiated: Timestamp,
    /// What the object will carry.
    pub attributes: Attributes,
    /// How the object is to be checked.
    pub options: UploadOptions,
    /// Whose key its parts are sealed with, if they are.
    pub encryption: Option<Encryption>,
}

/// A part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartInfo {
    /// Its number, 1 to [`PART_NUMBER_MAX`].
    pub number: u32,
    /// Length in bytes.
    pub size: u64,
    /// MD5 in hex, or what stands for it, without quotes.
    pub etag: String,
    /// When it was uploaded.
    pub modified: Timestamp,
    /// Its checksums by algorithm name, base64.
    pub checksums: BTreeMap<String, String>,
}

impl Objects {
    /// Begins an upload.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`] when the bucket is gone; those of [`Objects::sealing`].
    pub async fn create_upload(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        attributes: Attributes,
        options: UploadOptions,
    ) -> Result<UploadId, ObjectError> {
        check_lock(bucket, &attributes)?;
        let sealing = self.sealing(bucket, &options.asked).await?;
        let (now, lock) = (self.seams.clock.now(), attributes.lock);
        let id = (u128::from(now.ms() as u64) << 64) | u128::from(self.seams.chance.u64());
        let id = UploadId(id.to_be_bytes());
        let record = UploadRecord {
            initiated_ms: now.ms(),
            content_type: attributes.content_type,
            headers: attributes.headers,
            metadata: attributes.metadata,
            tags: attributes.tags,
            algorithm: options.algorithm.map(|a| a.name().to_owned()),
            composite: options.composite,
            class: class_code(attributes.storage_class),
            retention_mode: lock.retention.map(|retention| retention.mode.into()),
            retain_until_ms: lock.retention.map(|retention| retention.until.ms()),
            hold: lock.hold,
            acl: attributes.acl.as_ref().map(AclRecord::of),
            encryption: sealing.encryption().map(|encryption| encryption.record(None)),
            initiator: options.initiator.map(|initiator| InitiatorRecord {
                account: initiator.account.map(AccountId::number),
                id: initiator.id,
            }),
        };
        let fact = keys::upload(bucket.incarnation, key.as_str(), id.0);
        let mut tries = self.tries(bucket, key).await?;
        loop {
            let mut commit = Commit::new()
                .expect_present(keys::guard(bucket.incarnation))
                .put(fact.clone(), encode(&record))
                .put(keys::upload_ref(id.0, &fact), encode(&Present {}));
            tries.standing.expect(&mut commit, bucket.incarnation);
            if let Some(rules) = self.rules_now(bucket, &tries.standing).await? {
                rules.stage_upload(&mut commit, bucket.incarnation, key, now);
            }
            match self.store.commit(commit).await {
                Ok(_) => return Ok(id),
                Err(CommitError::Conflict(lost)) => tries.lost(&lost).await?,
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// An upload under way.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchUpload`].
    pub async fn upload(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        id: UploadId,
    ) -> Result<UploadInfo, ObjectError> {
        let fact_key = keys::upload(bucket.incarnation, key.as_str(), id.0);
        let fact = self.store.get(&fact_key).await?;
        let fact = fact.ok_or_else(|| ObjectError::NoSuchUpload(id.to_string()))?;
        Ok(upload_info(key.clone(), id, decode(&fact_key, &fact.value)?))
    }

    /// Makes a staged body part `number` of an upload, in place of the one that was. The body was staged
    /// with [`Objects::sealing_of_part`].
    ///
    /// # Errors
    /// [`ObjectError::NoSuchUpload`] when it was completed or aborted; [`ObjectError::Invalid`] for
    /// a number or a size out of bounds.
    pub async fn put_part(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        id: UploadId,
        number: u32,
        body: &StagedBody,
    ) -> Result<PartInfo, ObjectError> {
        if !(1..=PART_NUMBER_MAX).contains(&number) {
            return Err(ObjectError::Invalid(format!(
                "part number {number} is not within 1 to {PART_NUMBER_MAX}"
            )));
        }
        if body.size > PART_BYTES_MAX {
            return Err(ObjectError::Invalid(format!("a part has {PART_BYTES_MAX} bytes at most")));
        }
        let guard = keys::guard(bucket.incarnation);
        let (part, record) = (keys::part(id.0, number), part_record(body, self.seams.clock.now()));
        for _ in 0..TRIES_MAX {
            let old = self.store.get(&part).await?;
            let old = old.map(|fact| decode::<PartRecord>(&part, &fact.value)).transpose()?;
            let mut commit = Commit::new()
                .expect_present(guard.clone())
                .expect_present(keys::upload(bucket.incarnation, key.as_str(), id.0))
                .put(part.clone(), encode(&record));
            commit.stage(|c| match &body.place {
                Place::Inline(bytes) => c.put(keys::part_body(id.0, number), bytes.clone()),
                Place::Blob(_) | Place::Cold(_) => c.delete(keys::part_body(id.0, number)),
            });
            if let Some(reference) = reference(&record.place, &part) {
                commit.stage(|c| c.put(reference, encode(&Present {})));
            }
            let change = Growth::of_bytes(old.as_ref().map(|old| old.size), Some(record.size));
            let replaced = old.map(|old| old.place).filter(|place| *place != record.place);
            if let Some(place) = &replaced {
                release(&mut commit, place, &part);
            }
            match self.store.commit(commit).await {
                Ok(committed) => {
                    self.books.note(bucket.incarnation, committed.lsn, change);
                    self.doomed.push(replaced.as_ref().and_then(target_of_place));
                    return Ok(part_info(number, record));
                }
                Err(CommitError::Conflict(lost)) if lost == guard => self.same_bucket(bucket).await?,
                Err(CommitError::Conflict(_)) => return Err(ObjectError::NoSuchUpload(id.to_string())),
                Err(e) => return Err(e.into()),
            }
        }
        Err(ObjectError::Contended)
    }

    /// Gives an upload up; its parts are swept.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchUpload`].
    pub async fn abort_upload(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        id: UploadId,
    ) -> Result<(), ObjectError> {
        let fact = keys::upload(bucket.incarnation, key.as_str(), id.0);
        let commit = Commit::new().expect_present(fact.clone()).delete(fact).freeing();
        // Nobody can add a part once the upload is gone; one added just now is missed until the next count.
        let held: u64 = self.part_rows(id).await?.iter().map(|(_, _, part)| part.size).sum();
        match self.store.commit(commit).await {
            Ok(committed) => {
                self.books.note(bucket.incarnation, committed.lsn, Growth::of_bytes(Some(held), None));
                // Its reference is stale now: that is how the sweep finds it, also after a crash.
                self.doomed.push(Some(Target::Upload(id.0)));
                Ok(())
            }
            Err(CommitError::Conflict(_)) => Err(ObjectError::NoSuchUpload(id.to_string())),
            Err(e) => Err(e.into()),
        }
    }

    /// Every part row of an upload, by number.
    pub(crate) async fn part_rows(
        &self,
        id: UploadId,
    ) -> Result<Vec<(u32, Scanned, PartRecord)>, ObjectError> {
        let snapshot = self.store.snapshot().await?;
        let mut range = KeyRange::prefix(&keys::parts(id.0));
        let mut found = Vec::new();
        loop {
            let rows = snapshot.scan(&range, PAGE_PARTS, Direction::Forward).await?;
            let (more, last) = (rows.len() == PAGE_PARTS, rows.last().map(|row| row.key.clone()));
            for row in rows {
                let number = keys::part_number_of(&row.key)
                    .ok_or_else(|| StoreError::Corrupt(format!("{:?}: not a part's key", row.key)))?;
                let record = decode(&row.key, &row.fact.value)?;
                found.push((number, row, record));
            }
            match last {
                Some(last) if more => range = range.after(&last),
                _ => return Ok(found),
            }
        }
    }
}

fn part_record(body: &StagedBody, now: Timestamp) -> PartRecord {
    PartRecord {
        size: body.size,
        etag: body.etag.clone(),
        modified_ms: now.ms(),
        place: body.place.record(),
        checksums: body.checksums.iter().map(|(a, value)| (a.name().to_owned(), value.clone())).collect(),
        seal: body.encryption.as_ref().and_then(|encryption| encryption.seal.clone()),
    }
}

fn part_info(number: u32, record: PartRecord) -> PartInfo {
    PartInfo {
        number,
        size: record.size,
        etag: record.etag,
        modified: Timestamp::from_ms(record.modified_ms),
        checksums: record.checksums,
    }
}

fn upload_info(key: ObjectKey, id: UploadId, record: UploadRecord) -> UploadInfo {
    UploadInfo {
        id,
        key,
        initiated: Timestamp::from_ms(record.initiated_ms),
        attributes: Attributes {
            content_type: record.content_type,
            headers: record.headers,
            metadata: record.metadata,
            tags: record.tags,
            system: BTreeMap::new(),
            storage_class: record.class.and_then(StorageClass::coded).unwrap_or_default(),
            lock: ObjectLock::of(record.retention_mode, record.retain_until_ms, record.hold),
            acl: record.acl.map(AclRecord::acl),
        },
        options: UploadOptions {
            algorithm: record.algorithm.as_deref().and_then(ChecksumAlgorithm::named),
            composite: record.composite,
            asked: Asked::Default,
            initiator: record.initiator.map(|initiator| Initiator {
                account: initiator.account.and_then(|number| AccountId::from_number(number).ok()),
                id: initiator.id,
            }),
        },
        encryption: record.encryption.as_ref().map(Encryption::of),
    }
}
