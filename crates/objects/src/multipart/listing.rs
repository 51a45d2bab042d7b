//! What is under way: uploads of a bucket, parts of an upload, parts of a completed object.

use headwater_store::{Direction, KeyRange, StoreError};

use super::{PartInfo, UploadInfo, part_info, upload_info};
use crate::list::{Fold, Folded};
use crate::records::object::PlaceRecord;
use crate::records::upload::{LayoutRecord, PartRecord, UploadRecord};
use crate::records::{decode, keys};
use crate::{Bucket, ListQuery, ObjectError, ObjectKey, Objects, UploadId, VersionId};

/// Which uploads to list.
#[derive(Clone, Debug, Default)]
pub struct UploadQuery {
    /// Prefix, delimiter and limit, as for objects; `after` is the last key seen.
    pub list: ListQuery,
    /// The last upload seen of the key `after`; without it, all of that key's uploads were.
    pub after_upload: Option<UploadId>,
}

/// One entry of a listing of uploads.
#[expect(clippy::large_enum_variant, reason = "nearly all entries are uploads: a box each would cost more")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadedEntry {
    /// An upload.
    Upload(UploadInfo),
    /// A common prefix.
    Prefix(String),
}

/// A page of uploads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadListing {
    /// By key, then by when they began.
    pub entries: Vec<UploadedEntry>,
    /// Whether there is more.
    pub truncated: bool,
}

/// A page of parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartListing {
    /// By number.
    pub parts: Vec<PartInfo>,
    /// Whether there is more.
    pub truncated: bool,
}

impl Objects {
    /// A page of uploads under way.
    ///
    /// # Errors
    /// The store's.
    pub async fn list_uploads(
        &self,
        bucket: &Bucket,
        query: &UploadQuery,
    ) -> Result<UploadListing, ObjectError> {
        let incarnation = bucket.incarnation;
        let after = query.list.after.as_deref().map(|after| {
            let last = query.after_upload.map_or([0xFF; 16], |id| id.0);
            keys::upload(incarnation, after, last)
        });
        let fold = Fold { incarnation, prefix_key: keys::upload_prefix, query: &query.list };
        let (rows, truncated) = fold.page(&*self.store.snapshot().await?, after).await?;
        let mut entries = Vec::with_capacity(rows.len());
        for row in rows {
            entries.push(match row {
                Folded::Prefix(prefix) => UploadedEntry::Prefix(prefix),
                Folded::Row(row) => {
                    let corrupt = || StoreError::Corrupt(format!("{:?}: not an upload's key", row.key));
                    let key = keys::object_key_of(&row.key).and_then(|key| ObjectKey::new(&key).ok());
                    let id = keys::upload_of(&row.key).map(UploadId);
                    let (key, id) = key.zip(id).ok_or_else(corrupt)?;
                    let record: UploadRecord = decode(&row.key, &row.fact.value)?;
                    UploadedEntry::Upload(upload_info(key, id, record))
                }
            });
        }
        Ok(UploadListing { entries, truncated })
    }

    /// A page of the parts uploaded so far, those numbered above `after`.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchUpload`].
    pub async fn list_parts(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        id: UploadId,
        after: u32,
        limit: usize,
    ) -> Result<PartListing, ObjectError> {
        self.upload(bucket, key, id).await?;
        let range = KeyRange::prefix(&keys::parts(id.0)).after(&keys::part(id.0, after));
        let rows = self.store.scan(&range, limit + 1, Direction::Forward).await?;
        let truncated = rows.len() > limit;
        let mut parts = Vec::with_capacity(rows.len());
        for row in rows.iter().take(limit) {
            let number = keys::part_number_of(&row.key).unwrap_or_default();
            parts.push(part_info(number, decode::<PartRecord>(&row.key, &row.fact.value)?));
        }
        Ok(PartListing { parts, truncated })
    }

    /// The parts a version was completed from (the current one if none is named), numbered from 1 in
    /// their order; `None` for an object put in one piece.
    ///
    /// # Errors
    /// Those of [`Objects::head_version`].
    pub async fn object_parts(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        version: Option<VersionId>,
    ) -> Result<Option<Vec<PartInfo>>, ObjectError> {
        let PlaceRecord::Parts(upload) = self.demand(bucket, key, version).await?.record.place else {
            return Ok(None);
        };
        let rows = self.part_rows(UploadId(*upload)).await?;
        Ok(Some(rows.into_iter().zip(1..).map(|((_, _, record), n)| part_info(n, record)).collect()))
    }

    /// The sizes of the parts a version was completed from (the current one if none is named), in
    /// their order; `None` for an object put in one piece.
    ///
    /// # Errors
    /// Those of [`Objects::head_version`].
    pub async fn object_part_sizes(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        version: Option<VersionId>,
    ) -> Result<Option<Vec<u64>>, ObjectError> {
        let PlaceRecord::Parts(upload) = self.demand(bucket, key, version).await?.record.place else {
            return Ok(None);
        };
        let layout = keys::layout(*upload);
        let Some(fact) = self.store.get(&layout).await? else {
            return Ok(None);
        };
        let parts = decode::<LayoutRecord>(&layout, &fact.value)?.parts;
        Ok(Some(parts.into_iter().map(|(_, size)| size).collect()))
    }
}
