//! What an object is, apart from its body.

use std::collections::BTreeMap;

use headwater_base::Timestamp;
use headwater_store::{Commit, Fact, Key, Lsn, Scanned, StoreError};

use crate::records::acl::AclRecord;
use crate::records::object::ObjectRecord;
use crate::records::object::PlaceRecord;
use crate::records::{decode, keys};
use crate::version::Named;
use crate::{Acl, Encryption, ObjectError, ObjectKey, ObjectLock, StorageClass, VersionId};

/// An object as listed or read, without its body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectInfo {
    /// The key.
    pub key: ObjectKey,
    /// Length of the body in bytes.
    pub size: u64,
    /// Without quotes.
    pub etag: String,
    /// When it was put.
    pub modified: Timestamp,
    /// The commit that put it: its place in the history of all objects. Changing tags does not
    /// change it.
    pub lsn: Lsn,
    /// Content type, user metadata, tags and the rest.
    pub attributes: Attributes,
    /// The checksums kept with it.
    pub checksums: Checksums,
    /// Which version of its key it is; the null version in a bucket that never had versions.
    pub version: VersionId,
    /// Whose key it is sealed with, if it is.
    pub encryption: Option<Encryption>,
    /// Whether a copy of an archived object is, or is being, brought back.
    pub restored: Option<Restored>,
}

/// How the restoring of an archived object stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Restored {
    /// A copy is being brought back.
    Ongoing,
    /// A copy is there until then.
    Until(Timestamp),
}

/// What a writer says about an object.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Attributes {
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// The other standard headers kept as given: `cache-control`, `content-disposition`,
    /// `content-encoding`, `content-language`, `expires`, by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// `x-amz-meta-*`, names in lower case without the prefix.
    pub metadata: BTreeMap<String, String>,
    /// Object tags.
    pub tags: BTreeMap<String, String>,
    /// Free-form facts of the program itself (plan id, ranges, rows, digest of a delivery), never
    /// shown to S3 clients.
    pub system: BTreeMap<String, String>,
    /// What holds the version.
    pub lock: ObjectLock,
    /// The storage class.
    pub storage_class: StorageClass,
    /// Who owns it and whom that one grants what, if that is not the bucket's owner and nobody.
    pub acl: Option<Acl>,
}

/// Checksums of a body, base64 as S3 writes them, by algorithm name (`CRC32`, `CRC32C`,
/// `CRC64NVME`, `SHA1`, `SHA256`); `composite` says that they are checksums of checksums.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Checksums {
    /// By algorithm name.
    pub values: BTreeMap<String, String>,
    /// Whether they are `COMPOSITE` (else `FULL_OBJECT`).
    pub composite: bool,
}

/// An object as stored, with the version of the fact it was read from.
#[derive(Clone, Debug)]
pub(crate) struct Current {
    pub(crate) record: ObjectRecord,
    pub(crate) version: Lsn,
}

impl Current {
    pub(crate) fn read(key: &Key, fact: &Fact) -> Result<Self, StoreError> {
        Ok(Self { record: decode(key, &fact.value)?, version: fact.version })
    }

    /// The commit that put the body.
    pub(crate) fn lsn(&self) -> Lsn {
        self.record.lsn.map_or(self.version, Lsn)
    }

    /// Which version of its key it is.
    pub(crate) fn id(&self) -> VersionId {
        self.record.id()
    }

    /// The fact that names its body: its row, or `CURRENT` of a plain key.
    pub(crate) fn fact_key(&self, incarnation: u64, key: &ObjectKey) -> Key {
        match self.record.seq {
            Some(seq) => keys::version(incarnation, key.as_str(), seq),
            None => keys::current(incarnation, key.as_str()),
        }
    }

    pub(crate) fn is_marker(&self) -> bool {
        self.record.marker == Some(true)
    }

    /// Makes `commit` depend on its fact, which is `key`, being as it was read.
    pub(crate) fn expect(&self, commit: &mut Commit, key: Key) {
        commit.stage(|c| c.expect(key, self.version));
    }

    pub(crate) fn info(self, key: &ObjectKey) -> ObjectInfo {
        let (lsn, version, lock) = (self.lsn(), self.id(), self.record.lock());
        let (storage_class, restored) = (self.record.class(), self.record.restored());
        let ObjectRecord {
            size, etag, modified_ms, content_type, headers, metadata, tags, system, acl, ..
        } = self.record;
        let acl = acl.map(AclRecord::acl);
        ObjectInfo {
            key: key.clone(),
            size,
            etag,
            modified: Timestamp::from_ms(modified_ms),
            lsn,
            attributes: Attributes {
                content_type,
                headers,
                metadata,
                tags,
                system,
                lock,
                storage_class,
                acl,
            },
            checksums: Checksums { values: self.record.checksums, composite: self.record.composite },
            version,
            encryption: self.record.encryption.as_ref().map(Encryption::of),
            restored,
        }
    }
}

impl ObjectRecord {
    /// Which version of its key it is.
    pub(crate) fn id(&self) -> VersionId {
        VersionId(self.seq.zip(self.nonce).map(|(seq, nonce)| Named { seq, nonce }))
    }

    /// Its storage class. A class that only a later program knows reads as `STANDARD`.
    pub(crate) fn class(&self) -> StorageClass {
        self.class.and_then(StorageClass::coded).unwrap_or_default()
    }

    /// How the restoring of it stands.
    pub(crate) fn restored(&self) -> Option<Restored> {
        self.restored.as_ref().map(|restored| match restored.until_ms {
            None => Restored::Ongoing,
            Some(ms) => Restored::Until(Timestamp::from_ms(ms)),
        })
    }

    /// Until when a restored copy is there.
    pub(crate) fn restored_until(&self) -> Option<Timestamp> {
        let until = self.restored.as_ref().and_then(|restored| restored.until_ms);
        until.map(Timestamp::from_ms)
    }

    /// Where its bodies lie: the body, and a restored copy of its own.
    pub(crate) fn places(&self) -> impl Iterator<Item = &PlaceRecord> {
        let copy = self.restored.as_ref().and_then(|restored| restored.place.as_ref());
        std::iter::once(&self.place).chain(copy)
    }

    /// Where the body lies that is read at `now`.
    ///
    /// # Errors
    /// [`ObjectError::Archived`] when there is none.
    pub(crate) fn readable(&self, now: Timestamp) -> Result<&PlaceRecord, ObjectError> {
        let class = self.class();
        if !class.is_archive() {
            return Ok(&self.place);
        }
        let copy =
            self.restored.as_ref().filter(|restored| restored.until_ms.is_some_and(|ms| ms > now.ms()));
        match copy {
            Some(restored) => Ok(restored.place.as_ref().unwrap_or(&self.place)),
            None => Err(ObjectError::Archived(class)),
        }
    }
}

/// Reads one row of a scan over `CURRENT` or `VERSION` facts.
pub(crate) fn row_of(row: &Scanned) -> Result<(ObjectKey, Current), StoreError> {
    let corrupt = || StoreError::Corrupt(format!("{:?}: not an object's key", row.key));
    let name = keys::object_key_of(&row.key).ok_or_else(corrupt)?;
    let key = ObjectKey::new(&name).map_err(|_| corrupt())?;
    Ok((key, Current::read(&row.key, &row.fact)?))
}

/// Reads one row of a scan over `CURRENT` facts.
pub(crate) fn info_of(row: &Scanned) -> Result<ObjectInfo, StoreError> {
    let (key, current) = row_of(row)?;
    Ok(current.info(&key))
}
