//! What an object is, apart from its body.

use std::collections::BTreeMap;

use headwater_base::Timestamp;
use headwater_store::{Key, Lsn, Scanned, StoreError};

use crate::ObjectKey;
use crate::records::object::ObjectRecord;
use crate::records::{decode, keys};

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
    /// The version id, when the bucket is versioned.
    pub version_id: Option<String>,
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

/// The current object as stored, with the version of its fact.
#[derive(Clone, Debug)]
pub(crate) struct Current {
    pub(crate) record: ObjectRecord,
    pub(crate) version: Lsn,
}

impl Current {
    pub(crate) fn read(key: &Key, fact: &headwater_store::Fact) -> Result<Self, StoreError> {
        Ok(Self { record: decode(key, &fact.value)?, version: fact.version })
    }

    /// The commit that put the body.
    pub(crate) fn lsn(&self) -> Lsn {
        self.record.lsn.map_or(self.version, Lsn)
    }

    pub(crate) fn info(self, key: &ObjectKey) -> ObjectInfo {
        let lsn = self.lsn();
        let ObjectRecord { size, etag, modified_ms, content_type, headers, metadata, tags, system, .. } =
            self.record;
        ObjectInfo {
            key: key.clone(),
            size,
            etag,
            modified: Timestamp::from_ms(modified_ms),
            lsn,
            attributes: Attributes { content_type, headers, metadata, tags, system },
            checksums: Checksums { values: self.record.checksums, composite: self.record.composite },
            version_id: None,
        }
    }
}

/// Reads one row of a scan over `CURRENT` facts.
pub(crate) fn info_of(row: &Scanned) -> Result<ObjectInfo, StoreError> {
    let corrupt = || StoreError::Corrupt(format!("{:?}: not an object's key", row.key));
    let name = keys::object_key_of(&row.key).ok_or_else(corrupt)?;
    let key = ObjectKey::new(&name).map_err(|_| corrupt())?;
    Ok(Current::read(&row.key, &row.fact)?.info(&key))
}
