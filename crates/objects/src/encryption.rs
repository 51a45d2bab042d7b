//! Whose key a body is sealed with: what a writer asks for, what a bucket does by itself, and what
//! comes of both.
//!
//! ```text
//! Asked (a request) ─┐
//!                    ├─► Objects::sealing ─► Sealing ─► stage ─► StagedBody, sealed
//! bucket's default ──┘        │ keyring
//! ```
//! **Invariants.** A bucket's default holds for every writer that does not ask for something else,
//! also for those that are no S3 client: it is part of [`Bucket`], which every put needs. A customer's
//! key is used and forgotten; what is kept of it recognises it and tells nothing of it.
//!
//! **Failure.** A key that the keyring lacks is an error of the read or write that needs it.

use std::collections::BTreeMap;
use std::sync::Arc;

use headwater_base::Chance;
use headwater_store::{Commit, StoreError};
use uuid::Uuid;

use crate::bucket::TRIES_MAX;
use crate::keyring::{self, Key};
use crate::records::bucket::Present;
use crate::records::encryption::{DefaultEncryptionRecord, EncryptionRecord, SealRecord, SealedWithRecord};
use crate::records::{encode, keys};
use crate::seal::{BodyCipher, Master, digest_of, has_digest};
use crate::{Bucket, ObjectError, Objects, UploadInfo};

/// What a writer asks for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Asked {
    /// Whatever the bucket does by itself.
    #[default]
    Default,
    /// SSE-S3: the node's own key.
    S3,
    /// SSE-KMS.
    Kms {
        /// A key id, an alias, or the ARN of either; the account's own key when not given.
        key: Option<String>,
        /// The encryption context: must be the same again for the data key to unwrap. Kept with the
        /// object.
        context: BTreeMap<String, String>,
        /// Said of the object and given back; `None` is the bucket's.
        bucket_key: Option<bool>,
    },
    /// SSE-C: a key that is not kept.
    Customer(CustomerKey),
}

/// A key that its owner keeps.
#[derive(Clone, PartialEq, Eq)]
pub struct CustomerKey(pub [u8; 32]);

impl std::fmt::Debug for CustomerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CustomerKey")
    }
}

/// What a bucket seals with when a writer asks for nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BucketEncryption {
    /// SSE-S3 or SSE-KMS.
    pub algorithm: DefaultAlgorithm,
    /// Whether objects say that they use a bucket key.
    pub bucket_key: bool,
}

/// The algorithm of a bucket's default.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DefaultAlgorithm {
    /// SSE-S3.
    S3,
    /// SSE-KMS with this key, as it was given; without one the account's own.
    Kms(Option<String>),
}

/// Whose key an object is sealed with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Encryption(SealedWithRecord);

/// [`Encryption`], to look at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SealedWith<'a> {
    /// SSE-S3.
    S3,
    /// SSE-KMS.
    Kms {
        /// The key's ARN.
        arn: &'a str,
        /// The encryption context, as the writer gave it.
        context: &'a BTreeMap<String, String>,
        /// Whether the object says that it uses a bucket key.
        bucket_key: bool,
    },
    /// SSE-C.
    Customer,
}

/// How a body that is about to be staged is sealed, if at all. Made by [`Objects::sealing`].
#[derive(Clone, Debug, Default)]
pub struct Sealing(Option<(Encryption, Master)>);

/// What opens the bodies of one object.
#[derive(Clone, Debug)]
pub(crate) enum Lock {
    /// They are not sealed.
    Plain,
    /// They are sealed with a customer's key that was not given yet.
    Locked,
    /// They are sealed, and here is what unwraps their data keys.
    Open(Arc<Master>),
}

impl BucketEncryption {
    fn asked(&self) -> Asked {
        match &self.algorithm {
            DefaultAlgorithm::S3 => Asked::S3,
            DefaultAlgorithm::Kms(key) => {
                Asked::Kms { key: key.clone(), context: BTreeMap::new(), bucket_key: Some(self.bucket_key) }
            }
        }
    }

    pub(crate) fn of(record: &DefaultEncryptionRecord) -> Self {
        let DefaultEncryptionRecord { kms, kms_key, bucket_key } = record.clone();
        let algorithm = if kms { DefaultAlgorithm::Kms(kms_key) } else { DefaultAlgorithm::S3 };
        Self { algorithm, bucket_key }
    }

    pub(crate) fn record(&self) -> DefaultEncryptionRecord {
        let (kms, kms_key) = match &self.algorithm {
            DefaultAlgorithm::S3 => (false, None),
            DefaultAlgorithm::Kms(key) => (true, key.clone()),
        };
        DefaultEncryptionRecord { kms, kms_key, bucket_key: self.bucket_key }
    }
}

impl Encryption {
    pub(crate) fn of(record: &EncryptionRecord) -> Self {
        Self(record.with.clone())
    }

    pub(crate) fn record(&self, seal: Option<SealRecord>) -> EncryptionRecord {
        EncryptionRecord { with: self.0.clone(), seal }
    }

    /// Whose key it is.
    pub fn with(&self) -> SealedWith<'_> {
        match &self.0 {
            SealedWithRecord::S3(_) => SealedWith::S3,
            SealedWithRecord::Kms { arn, context, bucket_key } => {
                SealedWith::Kms { arn, context, bucket_key: *bucket_key }
            }
            SealedWithRecord::Customer { .. } => SealedWith::Customer,
        }
    }

    /// Whether the ETag is the MD5 of the body: S3 says so of SSE-S3 alone.
    pub(crate) fn has_md5_etag(&self) -> bool {
        matches!(self.0, SealedWithRecord::S3(_))
    }

    /// What unwraps with a customer's key.
    fn customer(&self, key: &CustomerKey) -> Result<Master, ObjectError> {
        match &self.0 {
            SealedWithRecord::Customer { salt, digest } if has_digest(&key.0, salt, digest) => {
                Ok(Master::new(key.0, &self.0))
            }
            SealedWithRecord::Customer { .. } => Err(ObjectError::CustomerKeyWrong),
            SealedWithRecord::S3(_) | SealedWithRecord::Kms { .. } => Err(ObjectError::CustomerKeyUnneeded),
        }
    }
}

/// Checks that a reader gave the key that an object needs, and none that it does not need.
///
/// # Errors
/// [`ObjectError::CustomerKeyNeeded`], [`ObjectError::CustomerKeyWrong`],
/// [`ObjectError::CustomerKeyUnneeded`].
pub fn check_customer_key(
    encryption: Option<&Encryption>,
    key: Option<&CustomerKey>,
) -> Result<(), ObjectError> {
    match (encryption, key) {
        (Some(encryption), Some(key)) => encryption.customer(key).map(|_| ()),
        (None, Some(_)) => Err(ObjectError::CustomerKeyUnneeded),
        (Some(Encryption(SealedWithRecord::Customer { .. })), None) => Err(ObjectError::CustomerKeyNeeded),
        (_, None) => Ok(()),
    }
}

impl Sealing {
    /// Not sealed.
    pub fn none() -> Self {
        Self(None)
    }

    /// How it is sealed.
    pub fn encryption(&self) -> Option<&Encryption> {
        self.0.as_ref().map(|(encryption, _)| encryption)
    }

    /// Whether a body sealed like `other` is sealed like this: a copy may share it.
    pub fn is_that_of(&self, other: Option<&Encryption>) -> bool {
        match (&self.0, other) {
            (None, None) => true,
            (Some((_, master)), Some(other @ Encryption(SealedWithRecord::Customer { .. }))) => {
                self.encryption().is_some_and(|this| this.with() == SealedWith::Customer)
                    && other.customer(&CustomerKey(master.key())).is_ok()
            }
            (Some((this, _)), Some(other)) => this == other,
            _ => false,
        }
    }

    /// A data key for a new body: its cipher, and what to keep.
    pub(crate) fn data_key(&self, chance: &Chance) -> Option<(BodyCipher, EncryptionRecord)> {
        let (encryption, master) = self.0.as_ref()?;
        let (cipher, seal) = master.data_key(chance);
        Some((cipher, encryption.record(Some(seal))))
    }
}

impl Lock {
    /// Opens what a customer's key locks.
    pub(crate) fn unlock(
        &mut self,
        encryption: Option<&Encryption>,
        key: Option<&CustomerKey>,
    ) -> Result<(), ObjectError> {
        check_customer_key(encryption, key)?;
        if let (Some(encryption), Some(key)) = (encryption, key) {
            *self = Self::Open(Arc::new(encryption.customer(key)?));
        }
        Ok(())
    }

    /// The cipher of a body, if it is sealed.
    pub(crate) fn cipher(&self, seal: Option<&SealRecord>) -> Result<Option<BodyCipher>, ObjectError> {
        match (self, seal) {
            (Self::Plain, None) => Ok(None),
            (Self::Locked, _) => Err(ObjectError::CustomerKeyNeeded),
            (Self::Open(master), Some(seal)) => {
                let cipher = master.unwrap(seal);
                cipher
                    .map(Some)
                    .map_err(|_| StoreError::Corrupt("a data key does not unwrap".to_owned()).into())
            }
            (Self::Plain, Some(_)) | (Self::Open(_), None) => {
                Err(StoreError::Corrupt("a body and its object disagree on whether it is sealed".to_owned())
                    .into())
            }
        }
    }
}

impl Objects {
    /// How a body for `bucket` is to be sealed when its writer asks for `asked`.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchKmsKey`]; [`ObjectError::Keyring`] when a key that is made at its first use
    /// cannot be written down.
    pub async fn sealing(&self, bucket: &Bucket, asked: &Asked) -> Result<Sealing, ObjectError> {
        let default = match (asked, &bucket.encryption) {
            (Asked::Default, None) => return Ok(Sealing::none()),
            (Asked::Default, Some(default)) => Some(default.asked()),
            _ => None,
        };
        let (with, key) = match default.as_ref().unwrap_or(asked) {
            Asked::Default => return Ok(Sealing::none()),
            Asked::S3 => {
                let key = self.keyring.s3().await?;
                (SealedWithRecord::S3(key.id.into_bytes().into()), key)
            }
            Asked::Kms { key, context, bucket_key } => {
                let key = self.kms_key(bucket, key.as_deref()).await?;
                let arn = key.arn().ok_or_else(|| ObjectError::NoSuchKmsKey(key.id.to_string()))?;
                let of_bucket = bucket.encryption.as_ref().is_some_and(|default| default.bucket_key);
                let bucket_key = bucket_key.unwrap_or(of_bucket);
                (SealedWithRecord::Kms { arn, context: context.clone(), bucket_key }, key)
            }
            Asked::Customer(key) => {
                let mut salt = [0; 16];
                self.seams.chance.fill(&mut salt);
                let digest = digest_of(&key.0, &salt).into();
                let with = SealedWithRecord::Customer { salt: salt.into(), digest };
                let master = Master::new(key.0, &with);
                return Ok(Sealing(Some((Encryption(with), master))));
            }
        };
        self.note_key(key.id).await?;
        let master = Master::new(key.secret, &with);
        Ok(Sealing(Some((Encryption(with), master))))
    }

    /// How the parts of an upload are sealed: as its creator asked for. A customer's key must be given
    /// again with every part.
    ///
    /// # Errors
    /// Those of [`check_customer_key`], and [`ObjectError::KeyMissing`].
    pub fn sealing_of_part(
        &self,
        upload: &UploadInfo,
        key: Option<&CustomerKey>,
    ) -> Result<Sealing, ObjectError> {
        check_customer_key(upload.encryption.as_ref(), key)?;
        let Some(encryption) = &upload.encryption else {
            return Ok(Sealing::none());
        };
        let master = match key {
            Some(key) => encryption.customer(key)?,
            None => Master::new(self.secret_of(&encryption.0)?, &encryption.0),
        };
        Ok(Sealing(Some((encryption.clone(), master))))
    }

    /// What opens the bodies of an object.
    pub(crate) fn lock_of(&self, record: Option<&EncryptionRecord>) -> Result<Lock, ObjectError> {
        match record.map(|record| &record.with) {
            None => Ok(Lock::Plain),
            Some(SealedWithRecord::Customer { .. }) => Ok(Lock::Locked),
            Some(with) => Ok(Lock::Open(Arc::new(Master::new(self.secret_of(with)?, with)))),
        }
    }

    fn secret_of(&self, with: &SealedWithRecord) -> Result<[u8; 32], ObjectError> {
        let id = match with {
            SealedWithRecord::S3(id) => Some(Uuid::from_bytes(**id)),
            SealedWithRecord::Kms { arn, .. } => keyring::id_of_arn(arn),
            SealedWithRecord::Customer { .. } => return Err(ObjectError::CustomerKeyNeeded),
        };
        let id = id.ok_or_else(|| StoreError::Corrupt("a KMS key without an id".to_owned()))?;
        let key = self.keyring.by_id(id).ok_or_else(|| ObjectError::KeyMissing(id.to_string()))?;
        Ok(key.secret)
    }

    async fn kms_key(&self, bucket: &Bucket, asked: Option<&str>) -> Result<Arc<Key>, ObjectError> {
        let found = self.keyring.kms(bucket.owner, &bucket.region, asked).await?;
        found.ok_or_else(|| ObjectError::NoSuchKmsKey(asked.unwrap_or_default().to_owned()))
    }

    /// Notes in the store that bodies may be sealed with a key of the keyring, so that who lacks the key
    /// can be told. Once a key and process.
    async fn note_key(&self, id: Uuid) -> Result<(), ObjectError> {
        if self.keyring.is_noted(id) {
            return Ok(());
        }
        let fact = keys::sealing_key(id.into_bytes());
        for _ in 0..TRIES_MAX {
            if self.store.get(&fact).await?.is_none() {
                match self.store.commit(Commit::new().put(fact.clone(), encode(&Present {}))).await {
                    Ok(_) => {}
                    Err(headwater_store::CommitError::Conflict(_)) => continue,
                    Err(e) => return Err(e.into()),
                }
            }
            self.keyring.note(id);
            return Ok(());
        }
        Err(ObjectError::Contended)
    }
}
