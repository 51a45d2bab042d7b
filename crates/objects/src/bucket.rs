//! Buckets: created, found, tagged, and deleted only when empty.
//!
//! **Deletion** must not race with puts, and puts must not write to a fact they share. So it goes
//! in two steps: first the guard that every put expects is taken away (no put can succeed from then
//! on), then the bucket is looked at: empty, it goes; else the guard comes back. Whoever meets a
//! bucket between the two steps (also after a crash) takes the second step itself; it is safe to
//! take it twice. Writers that lose the guard meanwhile look again and go on.

use std::collections::BTreeMap;
use std::sync::Arc;

use headwater_base::{AccountId, Region, Timestamp};
use headwater_store::{Commit, CommitError, Direction, KeyRange, Lsn, StoreError, Watch, WatchTarget};

use crate::records::bucket::{BucketRecord, Present, TagsRecord};
use crate::records::version::{StateRecord, VersionedRecord};
use crate::records::{decode, encode, keys};
use crate::{
    BucketAccess, BucketEncryption, BucketLock, BucketName, ObjectError, Objects, Origin, Versioning,
};

/// How often an operation starts over because others changed what it works on.
pub(crate) const TRIES_MAX: usize = 16;

/// How many buckets are read at a time.
const PAGE_BUCKETS: usize = 1000;

/// More configurations than a bucket can have: a thousand of each of four kinds, and eleven.
const CONFIGS_MAX: usize = 5000;

/// A bucket as it is now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bucket {
    /// Its name, unique on the node.
    pub name: BucketName,
    /// Distinguishes buckets that had the same name at different times.
    pub incarnation: u64,
    /// Who owns it.
    pub owner: AccountId,
    /// Where it is said to be.
    pub region: Region,
    /// When it was created.
    pub created: Timestamp,
    /// Whether it has versions. As of when it was looked at: what changes objects looks again.
    pub versioning: Versioning,
    /// Its object lock, if that is on.
    pub lock: Option<BucketLock>,
    /// What the guard must know of it.
    pub access: BucketAccess,
    /// Whether changes of its objects are events.
    pub notifies: bool,
    /// In whose hands it is: who its events say did it. Without one it is the node itself.
    pub origin: Option<Arc<Origin>>,
    /// What it seals bodies with when their writers ask for nothing.
    pub encryption: Option<BucketEncryption>,
    /// Whether it has a lifecycle. As of when it was looked at, too.
    pub lifecycle: bool,
}

impl Objects {
    /// Creates a bucket.
    ///
    /// # Errors
    /// [`ObjectError::BucketExists`], whoever owns it.
    pub async fn create_bucket(
        &self,
        name: &BucketName,
        owner: AccountId,
        region: &Region,
    ) -> Result<Arc<Bucket>, ObjectError> {
        self.create(name, self.new_record(owner, region)).await
    }

    /// Creates a bucket with object lock, and so with versions.
    ///
    /// # Errors
    /// [`ObjectError::BucketExists`], whoever owns it.
    pub async fn create_bucket_with_lock(
        &self,
        name: &BucketName,
        owner: AccountId,
        region: &Region,
    ) -> Result<Arc<Bucket>, ObjectError> {
        let record = BucketRecord {
            versioning: Some(StateRecord::Enabled),
            lock: Some(BucketLock::default().into()),
            ..self.new_record(owner, region)
        };
        self.create(name, record).await
    }

    fn new_record(&self, owner: AccountId, region: &Region) -> BucketRecord {
        BucketRecord {
            incarnation: self.seams.chance.u64(),
            owner: owner.number(),
            region: region.as_str().to_owned(),
            created_ms: self.seams.clock.now().ms(),
            deleting: false,
            versioning: None,
            lock: None,
            access: None,
            notifies: None,
            encryption: None,
            lifecycle: None,
        }
    }

    async fn create(&self, name: &BucketName, record: BucketRecord) -> Result<Arc<Bucket>, ObjectError> {
        for _ in 0..TRIES_MAX {
            match self.bucket(name).await {
                Err(ObjectError::NoSuchBucket(_)) => {}
                Err(other) => return Err(other),
                Ok(_) => return Err(ObjectError::BucketExists(name.as_str().to_owned())),
            }
            let mut commit = Commit::new()
                .expect_absent(keys::bucket(name.as_str()))
                .expect_absent(keys::alive(record.incarnation))
                .put(keys::bucket(name.as_str()), encode(&record))
                .put(keys::guard(record.incarnation), encode(&Present {}))
                .put(keys::alive(record.incarnation), encode(&Present {}));
            add_standing(&mut commit, &record);
            match self.store.commit(commit).await {
                Ok(_) => return Ok(Arc::new(bucket_of(name, &record)?)),
                Err(CommitError::Conflict(_)) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Err(ObjectError::Contended)
    }

    /// Turns versions on, or suspends them.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`]; [`ObjectError::BucketState`] when object lock needs versions.
    pub async fn set_versioning(&self, bucket: &Bucket, enabled: bool) -> Result<(), ObjectError> {
        self.change_bucket(bucket, |record, _| {
            if !enabled && record.lock.is_some() {
                let why = "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.";
                return Err(ObjectError::BucketState(why));
            }
            record.versioning = Some(if enabled { StateRecord::Enabled } else { StateRecord::Suspended });
            Ok(())
        })
        .await
    }

    /// Turns object lock on (it never goes off again), and says what new versions get.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`]; [`ObjectError::BucketState`] when versions are not enabled.
    pub async fn set_bucket_lock(&self, bucket: &Bucket, lock: BucketLock) -> Result<(), ObjectError> {
        self.change_bucket(bucket, |record, _| {
            if record.versioning != Some(StateRecord::Enabled) {
                let why = "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration";
                return Err(ObjectError::BucketState(why));
            }
            record.lock = Some(lock.into());
            Ok(())
        })
        .await
    }

    /// Changes how the bucket stands.
    pub(crate) async fn change_bucket(
        &self,
        bucket: &Bucket,
        change: impl Fn(&mut BucketRecord, &mut Commit) -> Result<(), ObjectError>,
    ) -> Result<(), ObjectError> {
        let name = &bucket.name;
        for _ in 0..TRIES_MAX {
            self.same_bucket(bucket).await?;
            let (mut record, version) = self.bucket_record(name).await?;
            if record.incarnation != bucket.incarnation || record.deleting {
                continue;
            }
            let mut commit = Commit::new()
                .expect(keys::bucket(name.as_str()), version)
                .expect_present(keys::guard(record.incarnation));
            change(&mut record, &mut commit)?;
            commit.stage(|c| c.put(keys::bucket(name.as_str()), encode(&record)));
            add_standing(&mut commit, &record);
            match self.store.commit(commit).await {
                Ok(_) => return Ok(()),
                Err(CommitError::Conflict(_)) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Err(ObjectError::Contended)
    }

    /// The bucket as it is now.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`].
    pub async fn bucket(&self, name: &BucketName) -> Result<Arc<Bucket>, ObjectError> {
        for _ in 0..TRIES_MAX {
            let (record, version) = self.bucket_record(name).await?;
            if !record.deleting {
                return Ok(Arc::new(bucket_of(name, &record)?));
            }
            self.decide_deletion(name, record, version).await?;
        }
        Err(ObjectError::Contended)
    }

    /// Changes when a bucket of this name is created or deleted. Create it, then look.
    pub fn watch_bucket(&self, name: &BucketName) -> Watch {
        self.store.watch(WatchTarget::Prefix(keys::bucket(name.as_str())))
    }

    /// Every bucket of an account, by name.
    ///
    /// # Errors
    /// The store's.
    pub async fn list_buckets(&self, owner: AccountId) -> Result<Vec<Bucket>, ObjectError> {
        let mut buckets = self.all_buckets().await?;
        buckets.retain(|bucket| bucket.owner == owner);
        Ok(buckets)
    }

    /// Every bucket of every account, by name.
    pub(crate) async fn all_buckets(&self) -> Result<Vec<Bucket>, ObjectError> {
        let mut range = KeyRange::prefix(&keys::buckets());
        let mut found = Vec::new();
        loop {
            let rows = self.store.scan(&range, PAGE_BUCKETS, Direction::Forward).await?;
            for row in &rows {
                let record: BucketRecord = decode(&row.key, &row.fact.value)?;
                let mut reader = row.key.reader();
                reader.kind();
                let name = reader.str().and_then(|name| BucketName::new(&name).ok());
                let name =
                    name.ok_or_else(|| StoreError::Corrupt(format!("{:?}: not a bucket's key", row.key)))?;
                found.push(bucket_of(&name, &record)?);
            }
            match rows.last() {
                Some(last) if rows.len() == PAGE_BUCKETS => range = range.after(&last.key),
                _ => return Ok(found),
            }
        }
    }

    /// Deletes a bucket that holds no object, no version and no delete marker. Uploads under way go with it.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`], [`ObjectError::BucketNotEmpty`].
    pub async fn delete_bucket(&self, bucket: &Bucket) -> Result<(), ObjectError> {
        let name = &bucket.name;
        let mut begun = false;
        for _ in 0..TRIES_MAX {
            let (record, version) = match self.bucket_record(name).await {
                // Somebody who met the bucket between our two steps took the second.
                Err(ObjectError::NoSuchBucket(_)) if begun => return Ok(()),
                other => other?,
            };
            if begun && record.incarnation != bucket.incarnation {
                return Ok(());
            }
            if record.incarnation != bucket.incarnation {
                return Err(ObjectError::NoSuchBucket(name.as_str().to_owned()));
            }
            if self.holds_objects(record.incarnation).await? {
                return Err(ObjectError::BucketNotEmpty(name.as_str().to_owned()));
            }
            let deciding = BucketRecord { deleting: true, ..record };
            let commit = Commit::new()
                .expect(keys::bucket(name.as_str()), version)
                .put(keys::bucket(name.as_str()), encode(&deciding))
                .delete(keys::guard(deciding.incarnation))
                .freeing();
            match self.store.commit(commit).await {
                Ok(committed) => {
                    begun = true;
                    if self.decide_deletion(name, deciding, committed.lsn).await? {
                        return Ok(());
                    }
                }
                Err(CommitError::Conflict(_)) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Err(ObjectError::Contended)
    }

    /// The bucket's tags; none if it never got any.
    ///
    /// # Errors
    /// The store's.
    pub async fn bucket_tags(
        &self,
        bucket: &Bucket,
    ) -> Result<Option<BTreeMap<String, String>>, ObjectError> {
        let key = keys::bucket_tags(bucket.incarnation);
        let Some(fact) = self.store.get(&key).await? else {
            return Ok(None);
        };
        Ok(Some(decode::<TagsRecord>(&key, &fact.value)?.tags))
    }

    /// Replaces the bucket's tags, or removes them.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`] when the bucket went meanwhile.
    pub async fn set_bucket_tags(
        &self,
        bucket: &Bucket,
        tags: Option<BTreeMap<String, String>>,
    ) -> Result<(), ObjectError> {
        let key = keys::bucket_tags(bucket.incarnation);
        let value = tags.map(|tags| encode(&TagsRecord { tags }));
        self.write_guarded(bucket, &|commit| match &value {
            Some(value) => commit.put(key.clone(), value.clone()),
            None => commit.delete(key.clone()),
        })
        .await
    }

    /// Changes what the bucket seals bodies with by itself. Holds for bodies staged from then on; those
    /// that are there stay as they are. A KMS key is not looked for before it is used.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`] when the bucket went meanwhile.
    pub async fn set_bucket_encryption(
        &self,
        bucket: &Bucket,
        encryption: Option<&BucketEncryption>,
    ) -> Result<(), ObjectError> {
        let encryption = encryption.map(BucketEncryption::record);
        self.change_bucket(bucket, |record, _| {
            record.encryption.clone_from(&encryption);
            Ok(())
        })
        .await
    }

    /// After a commit lost the guard: whether the same bucket still stands.
    pub(crate) async fn same_bucket(&self, bucket: &Bucket) -> Result<(), ObjectError> {
        let now = self.bucket(&bucket.name).await?;
        if now.incarnation != bucket.incarnation {
            return Err(ObjectError::NoSuchBucket(bucket.name.as_str().to_owned()));
        }
        Ok(())
    }

    pub(crate) async fn bucket_record(&self, name: &BucketName) -> Result<(BucketRecord, Lsn), ObjectError> {
        let key = keys::bucket(name.as_str());
        let fact = self.store.get(&key).await?;
        let fact = fact.ok_or_else(|| ObjectError::NoSuchBucket(name.as_str().to_owned()))?;
        Ok((decode(&key, &fact.value)?, fact.version))
    }

    /// The second step of a deletion. Returns whether the bucket is gone through this call.
    async fn decide_deletion(
        &self,
        name: &BucketName,
        record: BucketRecord,
        version: Lsn,
    ) -> Result<bool, ObjectError> {
        let (key, incarnation) = (keys::bucket(name.as_str()), record.incarnation);
        let holds_objects = self.holds_objects(incarnation).await?;
        let commit = Commit::new().expect(key.clone(), version).freeing();
        let commit = if holds_objects {
            let back = BucketRecord { deleting: false, ..record };
            commit.put(key, encode(&back)).put(keys::guard(incarnation), encode(&Present {}))
        } else {
            let gone = commit
                .delete(key)
                .delete(keys::alive(incarnation))
                .delete(keys::bucket_tags(incarnation))
                .delete(keys::versioned(incarnation))
                .delete(keys::name(incarnation))
                .delete(keys::walk(incarnation));
            self.with_configs_removed(gone, incarnation).await?
        };
        let rules = record.lifecycle.filter(|_| !holds_objects).map_or(0, |lifecycle| lifecycle.rules);
        let commit = (0..rules).fold(commit, |commit, n| commit.delete(keys::rule(incarnation, n)));
        match self.store.commit(commit).await {
            Ok(_) if holds_objects => Ok(false),
            Ok(_) => {
                self.doomed.wake();
                Ok(true)
            }
            // Somebody else took this step.
            Err(CommitError::Conflict(_)) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// Adds to `commit` the removal of a bucket's configurations. Without the guard no more come.
    async fn with_configs_removed(&self, commit: Commit, incarnation: u64) -> Result<Commit, ObjectError> {
        let range = KeyRange::prefix(&keys::bucket_configs(incarnation));
        let rows = self.store.scan(&range, CONFIGS_MAX, Direction::Forward).await?;
        Ok(rows.into_iter().fold(commit, |commit, row| commit.delete(row.key)))
    }

    async fn holds_objects(&self, incarnation: u64) -> Result<bool, ObjectError> {
        for prefix in [keys::current_prefix(incarnation, ""), keys::version_prefix(incarnation, "")] {
            let range = KeyRange::prefix(&prefix);
            if !self.store.scan(&range, 1, Direction::Forward).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn bucket_of(name: &BucketName, record: &BucketRecord) -> Result<Bucket, StoreError> {
    let corrupt = |what: &str| StoreError::Corrupt(format!("bucket {name}: bad {what}"));
    Ok(Bucket {
        name: name.clone(),
        incarnation: record.incarnation,
        owner: AccountId::from_number(record.owner).map_err(|_| corrupt("owner"))?,
        region: record.region.parse().map_err(|_| corrupt("region"))?,
        created: Timestamp::from_ms(record.created_ms),
        versioning: record.versioning.map_or(Versioning::Never, Versioning::from),
        lock: record.lock.as_ref().map(BucketLock::from),
        access: record.access(),
        notifies: record.notifies.unwrap_or(false),
        origin: None,
        encryption: record.encryption.as_ref().map(BucketEncryption::of),
        lifecycle: record.lifecycle.is_some(),
    })
}

/// Stages what puts and deletes expect of a bucket that has a lifecycle, or has, or had, versions.
fn add_standing(commit: &mut Commit, record: &BucketRecord) {
    let fact = keys::versioned(record.incarnation);
    if record.versioning.is_none() && record.lifecycle.is_none() {
        commit.stage(|c| c.delete(fact));
        return;
    }
    let state = record.versioning.unwrap_or(StateRecord::Never);
    let standing = VersionedRecord { state, lock: record.lock.clone(), lifecycle: record.lifecycle };
    commit.stage(|c| c.put(fact, encode(&standing)));
}

#[cfg(test)]
mod tests {
    use headwater_base::Seams;
    use headwater_blob::memory::MemoryBlobs;

    use super::*;
    use crate::{Attributes, ObjectKey};

    /// What a crash between the two steps of a deletion leaves behind.
    async fn interrupted(holds_an_object: bool) -> (Objects, Arc<Bucket>) {
        let seams = Seams::simulated(Timestamp::from_ms(1), 1);
        let store = headwater_store::memory::open(seams.clone());
        let objects = Objects::without_sweep(store, Arc::new(MemoryBlobs::new(seams.clone())), seams);
        let name = BucketName::new("bucket").unwrap();
        let owner = "000000000001".parse().unwrap();
        let bucket = objects.create_bucket(&name, owner, &"eu-west-1".parse().unwrap()).await.unwrap();
        if holds_an_object {
            let key = ObjectKey::new("k").unwrap();
            objects.put_bytes(&bucket, &key, "x".into(), Attributes::default()).await.unwrap();
        }
        let (record, version) = objects.bucket_record(&name).await.unwrap();
        let deciding = BucketRecord { deleting: true, ..record };
        let first_step = Commit::new()
            .expect(keys::bucket("bucket"), version)
            .put(keys::bucket("bucket"), encode(&deciding))
            .delete(keys::guard(bucket.incarnation));
        objects.store.commit(first_step).await.unwrap();
        (objects, bucket)
    }

    #[tokio::test]
    async fn an_interrupted_deletion_of_an_empty_bucket_is_finished() {
        let (objects, bucket) = interrupted(false).await;
        assert!(matches!(objects.bucket(&bucket.name).await, Err(ObjectError::NoSuchBucket(_))));
        assert!(objects.store.get(&keys::alive(bucket.incarnation)).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn an_interrupted_deletion_of_a_full_bucket_is_undone() {
        let (objects, bucket) = interrupted(true).await;
        assert_eq!(objects.bucket(&bucket.name).await.unwrap(), bucket);
        let key = ObjectKey::new("another").unwrap();
        objects.put_bytes(&bucket, &key, "x".into(), Attributes::default()).await.unwrap();
    }

    #[tokio::test]
    async fn a_writer_that_meets_a_deletion_takes_its_second_step() {
        let (objects, bucket) = interrupted(true).await;
        let key = ObjectKey::new("another").unwrap();
        objects.put_bytes(&bucket, &key, "x".into(), Attributes::default()).await.unwrap();
        let (objects, bucket) = interrupted(false).await;
        let put = objects.put_bytes(&bucket, &key, "x".into(), Attributes::default()).await;
        assert!(matches!(put, Err(ObjectError::NoSuchBucket(_))));
    }
}
