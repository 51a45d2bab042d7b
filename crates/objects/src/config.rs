//! A bucket's configurations: what its owner laid down besides objects and tags.
//!
//! Every configuration is a fact of its own (`BUCKET_CONFIG`: which, and an id where a bucket may
//! have several), read when it is needed and never cached. What the guard must know of every request
//! stands in the bucket's record besides ([`BucketAccess`]), so a bucket without a policy, ACLs or
//! CORS costs no further read.
//!
//! **Invariants.** A configuration is written only while its bucket stands: every write expects the
//! guard. It goes with its bucket. What [`BucketAccess`] says of a document changes in the commit
//! that changes the document.
//!
//! **Failure.** A change is one commit: after a crash it happened or it did not.

use bytes::Bytes;
use headwater_store::{Commit, CommitError, Direction, KeyRange, StoreError};

use crate::bucket::TRIES_MAX;
use crate::records::bucket::ConfigRecord;
use crate::records::{decode, encode, keys};
use crate::{Bucket, ObjectError, Objects};

/// Which configuration a fact holds. Numbers are never reused; `docs/formats/keys.md` lists them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum BucketConfig {
    /// The bucket policy: JSON.
    Policy = 1,
    /// The block of public access: stands in the bucket's record.
    PublicAccessBlock = 2,
    /// Who owns what is put: stands in the bucket's record.
    OwnershipControls = 3,
    /// The bucket's ACL.
    Acl = 4,
    /// Cross-origin rules.
    Cors = 5,
    /// Default encryption: stands in the bucket's record.
    Encryption = 6,
    /// Lifecycle rules.
    Lifecycle = 7,
    /// Who hears of changes.
    Notification = 8,
    /// Who pays: stands in the bucket's record.
    RequestPayment = 9,
    /// Transfer acceleration.
    Accelerate = 10,
    /// Access logging.
    Logging = 11,
    /// Inventories, by id.
    Inventory = 12,
    /// Storage class analyses, by id.
    Analytics = 13,
    /// Request metrics, by id.
    Metrics = 14,
    /// Intelligent tiering, by id.
    IntelligentTiering = 15,
}

impl BucketConfig {
    /// The number in keys.
    pub(crate) const fn number(self) -> u32 {
        self as u32
    }
}

/// What the guard must know of a bucket at every request. The default is a new bucket's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BucketAccess {
    /// What its policy is like, if it has one.
    pub policy: Option<PolicyTraits>,
    /// Whether it has an ACL that says more than that the owner has full control.
    pub has_acl: bool,
    /// Whether it has cross-origin rules.
    pub has_cors: bool,
    /// Whether who asks pays.
    pub requester_pays: bool,
    /// The block of public access; `None` once it was removed.
    pub public_access_block: Option<PublicAccessBlock>,
    /// Who owns what is put; `None` once the controls were removed.
    pub ownership: Option<Ownership>,
}

/// What a bucket policy is like.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PolicyTraits {
    /// It lets everybody do something.
    pub is_public: bool,
    /// It asks for the tags of the object a request is about.
    pub asks_object_tags: bool,
}

/// What of public access is blocked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PublicAccessBlock {
    /// Public ACLs are refused when they are put.
    pub block_public_acls: bool,
    /// Public grants of ACLs do not count.
    pub ignore_public_acls: bool,
    /// A public policy is refused when it is put.
    pub block_public_policy: bool,
    /// Of a public policy, other accounts get nothing.
    pub restrict_public_buckets: bool,
}

impl PublicAccessBlock {
    /// Everything blocked: a new bucket's.
    pub const ALL: Self = Self {
        block_public_acls: true,
        ignore_public_acls: true,
        block_public_policy: true,
        restrict_public_buckets: true,
    };
}

/// Who owns what others put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ownership {
    /// The bucket's owner; there are no ACLs.
    BucketOwnerEnforced,
    /// The bucket's owner, if the writer gives it full control.
    BucketOwnerPreferred,
    /// The writer.
    ObjectWriter,
}

impl Default for BucketAccess {
    fn default() -> Self {
        Self {
            policy: None,
            has_acl: false,
            has_cors: false,
            requester_pays: false,
            public_access_block: Some(PublicAccessBlock::ALL),
            ownership: Some(Ownership::BucketOwnerEnforced),
        }
    }
}

impl BucketAccess {
    /// Whether ACLs count. Without ownership controls they do, as in buckets made before 2023.
    pub fn acls_count(&self) -> bool {
        self.ownership != Some(Ownership::BucketOwnerEnforced)
    }

    /// What is blocked; nothing once the configuration was removed.
    pub fn blocked(&self) -> PublicAccessBlock {
        self.public_access_block.unwrap_or_default()
    }

    /// As bits, none set for a new bucket: 0 policy, 1 it is public, 2 it asks for tags, 3 ACL,
    /// 4 CORS, 5 requester pays, 6 the block was removed, 7 to 10 parts of it were lifted, 11 and 12
    /// the ownership.
    pub(crate) fn bits(self) -> u32 {
        let policy = self.policy.unwrap_or_default();
        let block = self.public_access_block.unwrap_or(PublicAccessBlock::ALL);
        let flags = [
            self.policy.is_some(),
            policy.is_public,
            policy.asks_object_tags,
            self.has_acl,
            self.has_cors,
            self.requester_pays,
            self.public_access_block.is_none(),
            !block.block_public_acls,
            !block.ignore_public_acls,
            !block.block_public_policy,
            !block.restrict_public_buckets,
        ];
        let ownership = match self.ownership {
            Some(Ownership::BucketOwnerEnforced) => 0,
            Some(Ownership::BucketOwnerPreferred) => 1,
            Some(Ownership::ObjectWriter) => 2,
            None => 3,
        };
        flags.iter().rev().fold(ownership, |bits, flag| bits << 1 | u32::from(*flag))
    }

    /// Back from bits. Every number is something.
    pub(crate) fn from_bits(bits: u32) -> Self {
        let is_set = |at: u32| bits >> at & 1 == 1;
        let policy = PolicyTraits { is_public: is_set(1), asks_object_tags: is_set(2) };
        let block = PublicAccessBlock {
            block_public_acls: !is_set(7),
            ignore_public_acls: !is_set(8),
            block_public_policy: !is_set(9),
            restrict_public_buckets: !is_set(10),
        };
        Self {
            policy: is_set(0).then_some(policy),
            has_acl: is_set(3),
            has_cors: is_set(4),
            requester_pays: is_set(5),
            public_access_block: (!is_set(6)).then_some(block),
            ownership: match bits >> 11 & 3 {
                0 => Some(Ownership::BucketOwnerEnforced),
                1 => Some(Ownership::BucketOwnerPreferred),
                2 => Some(Ownership::ObjectWriter),
                _ => None,
            },
        }
    }
}

impl Objects {
    /// A configuration as it was set, if it was. `id` is empty where there can be only one.
    ///
    /// # Errors
    /// The store's.
    pub async fn bucket_config(
        &self,
        bucket: &Bucket,
        what: BucketConfig,
        id: &str,
    ) -> Result<Option<Bytes>, ObjectError> {
        let key = keys::bucket_config(bucket.incarnation, what.number(), id);
        let fact = self.store.get(&key).await?;
        Ok(fact.map(|fact| document_of(&key, &fact.value)).transpose()?)
    }

    /// Up to `limit` configurations of one kind whose id comes after `after`, by id.
    ///
    /// # Errors
    /// The store's.
    pub async fn bucket_configs(
        &self,
        bucket: &Bucket,
        what: BucketConfig,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Bytes)>, ObjectError> {
        let all = KeyRange::prefix(&keys::bucket_config_kind(bucket.incarnation, what.number()));
        let range = match after {
            Some(after) => all.after(&keys::bucket_config(bucket.incarnation, what.number(), after)),
            None => all,
        };
        let rows = self.store.scan(&range, limit, Direction::Forward).await?;
        let entry = |row: &headwater_store::Scanned| {
            let id = keys::config_id_of(&row.key)
                .ok_or_else(|| StoreError::Corrupt(format!("{:?}: not a configuration's key", row.key)))?;
            Ok((id, document_of(&row.key, &row.fact.value)?))
        };
        rows.iter().map(entry).collect()
    }

    /// Sets a configuration. May be repeated.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`] when the bucket went meanwhile.
    pub async fn set_bucket_config(
        &self,
        bucket: &Bucket,
        what: BucketConfig,
        id: &str,
        document: &[u8],
    ) -> Result<(), ObjectError> {
        let key = keys::bucket_config(bucket.incarnation, what.number(), id);
        let value = encode(&ConfigRecord { document: document.to_vec().into() });
        self.write_guarded(bucket, &|commit| commit.put(key.clone(), value.clone())).await
    }

    /// Removes a configuration, whether or not it is there.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`] when the bucket went meanwhile.
    pub async fn delete_bucket_config(
        &self,
        bucket: &Bucket,
        what: BucketConfig,
        id: &str,
    ) -> Result<(), ObjectError> {
        let key = keys::bucket_config(bucket.incarnation, what.number(), id);
        self.write_guarded(bucket, &|commit| commit.delete(key.clone()).freeing()).await
    }

    /// Commits a change of facts that hang on the bucket, while the bucket stands.
    pub(crate) async fn write_guarded(
        &self,
        bucket: &Bucket,
        change: &(dyn Fn(Commit) -> Commit + Send + Sync),
    ) -> Result<(), ObjectError> {
        for _ in 0..TRIES_MAX {
            let commit = Commit::new().expect_present(keys::guard(bucket.incarnation));
            match self.store.commit(change(commit)).await {
                Ok(_) => return Ok(()),
                Err(CommitError::Conflict(_)) => self.same_bucket(bucket).await?,
                Err(e) => return Err(e.into()),
            }
        }
        Err(ObjectError::Contended)
    }

    /// Changes what the guard knows of a bucket, and with it, in the same commit, the document
    /// that this is about, if there is one: sets it, or removes it.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`] when the bucket went meanwhile; what `change` refuses.
    pub async fn change_bucket_access(
        &self,
        bucket: &Bucket,
        document: Option<(BucketConfig, Option<&[u8]>)>,
        change: &(dyn Fn(&mut BucketAccess) -> Result<(), ObjectError> + Send + Sync),
    ) -> Result<(), ObjectError> {
        for _ in 0..TRIES_MAX {
            self.same_bucket(bucket).await?;
            let (mut record, version) = self.bucket_record(&bucket.name).await?;
            if record.incarnation != bucket.incarnation {
                continue;
            }
            let mut access = record.access();
            change(&mut access)?;
            record.access = Some(access.bits()).filter(|bits| *bits != 0);
            let name = keys::bucket(bucket.name.as_str());
            let mut commit = Commit::new()
                .expect(name.clone(), version)
                .expect_present(keys::guard(bucket.incarnation))
                .put(name, encode(&record));
            if let Some((what, document)) = document {
                let key = keys::bucket_config(bucket.incarnation, what.number(), "");
                commit = match document {
                    Some(text) => commit.put(key, encode(&ConfigRecord { document: text.to_vec().into() })),
                    None => commit.delete(key),
                };
            }
            match self.store.commit(commit).await {
                Ok(_) => return Ok(()),
                Err(CommitError::Conflict(_)) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Err(ObjectError::Contended)
    }
}

fn document_of(key: &headwater_store::Key, value: &[u8]) -> Result<Bytes, StoreError> {
    let record: ConfigRecord = decode(key, value)?;
    Ok(Vec::from(record.document).into())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use headwater_base::{Seams, Timestamp};
    use headwater_blob::memory::MemoryBlobs;
    use proptest::prelude::*;

    use super::*;
    use crate::BucketName;

    async fn bucket() -> (Objects, Arc<Bucket>) {
        let seams = Seams::simulated(Timestamp::from_ms(1), 1);
        let store = headwater_store::memory::open(seams.clone());
        let objects = Objects::without_sweep(store, Arc::new(MemoryBlobs::new(seams.clone())), seams);
        let name = BucketName::new("bucket").unwrap();
        let owner = "000000000001".parse().unwrap();
        let bucket = objects.create_bucket(&name, owner, &"eu-west-1".parse().unwrap()).await.unwrap();
        (objects, bucket)
    }

    #[tokio::test]
    async fn configurations_are_set_listed_and_removed() {
        let (objects, bucket) = bucket().await;
        let what = BucketConfig::Inventory;
        assert_eq!(objects.bucket_config(&bucket, what, "a").await.unwrap(), None);
        for id in ["a", "b", "c"] {
            objects.set_bucket_config(&bucket, what, id, id.as_bytes()).await.unwrap();
        }
        objects.set_bucket_config(&bucket, BucketConfig::Analytics, "z", b"z").await.unwrap();
        assert_eq!(objects.bucket_config(&bucket, what, "b").await.unwrap().unwrap(), "b");
        let listed = objects.bucket_configs(&bucket, what, Some("a"), 10).await.unwrap();
        let ids: Vec<&str> = listed.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids, ["b", "c"]);
        objects.delete_bucket_config(&bucket, what, "b").await.unwrap();
        objects.delete_bucket_config(&bucket, what, "b").await.unwrap();
        assert_eq!(objects.bucket_configs(&bucket, what, None, 10).await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn configurations_go_with_their_bucket() {
        let (objects, bucket) = bucket().await;
        objects.set_bucket_config(&bucket, BucketConfig::Metrics, "m", b"m").await.unwrap();
        let traits = PolicyTraits::default();
        let set = |access: &mut BucketAccess| {
            access.policy = Some(traits);
            Ok(())
        };
        let policy = Some((BucketConfig::Policy, Some(&b"{}"[..])));
        objects.change_bucket_access(&bucket, policy, &set).await.unwrap();
        let now = objects.bucket(&bucket.name).await.unwrap();
        assert_eq!(now.access.policy, Some(traits));
        objects.delete_bucket(&now).await.unwrap();
        for (what, id) in [(BucketConfig::Metrics, "m"), (BucketConfig::Policy, "")] {
            assert_eq!(objects.bucket_config(&bucket, what, id).await.unwrap(), None);
        }
        let late = objects.set_bucket_config(&bucket, BucketConfig::Metrics, "m", b"m").await;
        assert!(matches!(late, Err(ObjectError::NoSuchBucket(_))), "{late:?}");
        let late = objects.change_bucket_access(&bucket, policy, &set).await;
        assert!(matches!(late, Err(ObjectError::NoSuchBucket(_))), "{late:?}");
    }

    #[test]
    fn a_new_bucket_is_no_bits() {
        assert_eq!(BucketAccess::default().bits(), 0);
        assert_eq!(BucketAccess::from_bits(0), BucketAccess::default());
        let open = BucketAccess { public_access_block: None, ownership: None, ..BucketAccess::default() };
        assert_eq!(open.bits(), 1 << 6 | 3 << 11);
    }

    proptest! {
        #[test]
        fn access_reads_back(bits in 0_u32..1 << 13) {
            let access = BucketAccess::from_bits(bits);
            prop_assert_eq!(BucketAccess::from_bits(access.bits()), access);
        }
    }
}
