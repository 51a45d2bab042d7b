//! Completing an upload: one commit that names its parts as an object.

use headwater_store::{Commit, CommitError, Lsn, Scanned};

use super::declared::{CompletedPart, CompletionError, DeclaredObject, total};
use super::{PartRecord, UploadInfo, upload_info};
use crate::checksum::{combined, composite, multipart_etag};
use crate::object::Current;
use crate::put::{new_record, release, target_of_place};
use crate::records::object::{ObjectRecord, PlaceRecord};
use crate::records::upload::LayoutRecord;
use crate::records::{decode, encode, keys};
use crate::usage::Growth;
use crate::{
    Bucket, Change, ChecksumAlgorithm, Checksums, Condition, ObjectError, ObjectInfo, ObjectKey, Objects,
    UploadId,
};

/// The smallest part that is not the last.
const PART_BYTES_MIN: u64 = 5 << 20;

/// What an upload has when it is completed.
struct Uploaded {
    info: UploadInfo,
    version: Lsn,
    chosen: Vec<(u32, Scanned, PartRecord)>,
    left_over: Vec<(u32, Scanned, PartRecord)>,
}

impl Objects {
    /// Completes an upload: from this commit on the object is these parts, in this order. May be
    /// repeated while the object is the current one.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchUpload`], [`ObjectError::InvalidPart`],
    /// [`ObjectError::InvalidPartOrder`], [`ObjectError::PartTooSmall`]; those of
    /// [`Condition::check`]; [`ObjectError::BadDigest`] when its checksum is another than `declared`; the
    /// rest of [`CompletionError`].
    pub async fn complete_upload(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        id: UploadId,
        parts: &[CompletedPart],
        declared: &DeclaredObject,
        condition: &Condition,
    ) -> Result<ObjectInfo, CompletionError> {
        if parts.is_empty() || parts.windows(2).any(|pair| pair[0].number >= pair[1].number) {
            return Err(ObjectError::InvalidPartOrder.into());
        }
        let mut tries = self.tries(bucket, key).await?;
        loop {
            let line = self.line(bucket, key, tries.standing).await?;
            let Some(uploaded) = self.uploaded(bucket, key, id, parts).await? else {
                return completed_before(id, key, line.current, declared);
            };
            condition.check(key, line.etag())?;
            let now = self.seams.clock.now();
            line.check_replaceable(now)?;
            let record = uploaded.object(id, now)?;
            declared.check(&record)?;
            let mut commit = uploaded.commit(bucket, key, id);
            line.expect(&mut commit, condition);
            let record = line.append(&mut commit, record, None, &self.seams);
            self.notify(&mut commit, bucket, key, Change::CreatedMultipart, record.touched());
            match self.store.commit(commit).await {
                Ok(committed) => {
                    self.doomed.push(line.let_go(&record));
                    let mut change = line.change(Some(&record));
                    change.add(Growth::of_bytes(Some(uploaded.bytes()), None));
                    self.books.note(bucket.incarnation, committed.lsn, change);
                    let left_over =
                        uploaded.left_over.iter().map(|(_, _, part)| target_of_place(&part.place));
                    left_over.for_each(|target| self.doomed.push(target));
                    return Ok(Current { record, version: committed.lsn }.info(key));
                }
                Err(CommitError::Conflict(lost)) => {
                    self.same_bucket(bucket).await?;
                    tries.lost(&lost).await?;
                }
                Err(e) => return Err(ObjectError::from(e).into()),
            }
        }
    }

    /// The upload and its parts, sorted into chosen and left over; `None` when it is not there.
    async fn uploaded(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        id: UploadId,
        parts: &[CompletedPart],
    ) -> Result<Option<Uploaded>, CompletionError> {
        let fact_key = keys::upload(bucket.incarnation, key.as_str(), id.0);
        let Some(fact) = self.store.get(&fact_key).await.map_err(ObjectError::from)? else {
            return Ok(None);
        };
        let record = decode(&fact_key, &fact.value).map_err(ObjectError::from)?;
        let info = upload_info(key.clone(), id, record);
        let (mut chosen, mut left_over) = (Vec::with_capacity(parts.len()), Vec::new());
        let mut wanted = parts.iter().peekable();
        for (number, row, record) in self.part_rows(id).await? {
            match wanted.next_if(|part| part.number <= number) {
                Some(part) if part.number == number => {
                    part.check(&record, &info.options)?;
                    chosen.push((number, row, record));
                }
                Some(part) => return Err(ObjectError::InvalidPart(part.number).into()),
                None => left_over.push((number, row, record)),
            }
        }
        if let Some(missing) = wanted.next() {
            return Err(ObjectError::InvalidPart(missing.number).into());
        }
        let all_but_last = &chosen[..chosen.len() - 1];
        if let Some((number, _, part)) = all_but_last.iter().find(|(_, _, part)| part.size < PART_BYTES_MIN) {
            return Err(ObjectError::PartTooSmall { number: *number, size: part.size }.into());
        }
        Ok(Some(Uploaded { info, version: fact.version, chosen, left_over }))
    }
}

/// The answer to a completion whose upload is gone: the object, if it is the current one.
fn completed_before(
    id: UploadId,
    key: &ObjectKey,
    current: Option<Current>,
    declared: &DeclaredObject,
) -> Result<ObjectInfo, CompletionError> {
    let same = |current: &Current| current.record.place == PlaceRecord::Parts(id.0.into());
    let current = current.filter(same).ok_or_else(|| ObjectError::NoSuchUpload(id.to_string()))?;
    declared.check(&current.record)?;
    Ok(current.info(key))
}

impl Uploaded {
    /// Of all its parts.
    fn bytes(&self) -> u64 {
        self.chosen.iter().chain(&self.left_over).map(|(_, _, part)| part.size).sum()
    }

    fn object(&self, id: UploadId, now: headwater_base::Timestamp) -> Result<ObjectRecord, CompletionError> {
        let etags: Vec<&str> = self.chosen.iter().map(|(_, _, part)| part.etag.as_str()).collect();
        let size = total(self.chosen.iter().map(|(_, _, part)| part.size))?;
        let place = PlaceRecord::Parts(id.0.into());
        let attributes = self.info.attributes.clone();
        let record = new_record(size, multipart_etag(&etags), now, place, attributes, self.checksums()?);
        let encryption = self.info.encryption.as_ref().map(|encryption| encryption.record(None));
        Ok(ObjectRecord { encryption, ..record })
    }

    fn checksums(&self) -> Result<Checksums, ObjectError> {
        let algorithm = self.info.options.algorithm.unwrap_or(ChecksumAlgorithm::Crc64Nvme);
        let mut sums = Vec::with_capacity(self.chosen.len());
        for (number, _, part) in &self.chosen {
            let sum = part.checksums.get(algorithm.name()).ok_or(ObjectError::InvalidPart(*number))?;
            sums.push((sum.as_str(), part.size));
        }
        let is_composite = self.info.options.composite;
        let value = if is_composite {
            composite(algorithm, &sums.iter().map(|(sum, _)| *sum).collect::<Vec<_>>())
        } else {
            combined(algorithm, &sums)
        };
        let value =
            value.ok_or_else(|| ObjectError::Invalid(format!("no {} of these parts", algorithm.name())))?;
        Ok(Checksums { values: [(algorithm.name().to_owned(), value)].into(), composite: is_composite })
    }

    /// What completing takes of the upload: its fact, and the parts it leaves over.
    fn commit(&self, bucket: &Bucket, key: &ObjectKey, id: UploadId) -> Commit {
        let upload = keys::upload(bucket.incarnation, key.as_str(), id.0);
        let layout = self.chosen.iter().map(|(number, _, part)| (*number, part.size)).collect();
        let mut commit = Commit::new()
            .expect_present(keys::guard(bucket.incarnation))
            .expect(upload.clone(), self.version)
            .put(keys::layout(id.0), encode(&LayoutRecord { parts: layout }))
            .delete(upload.clone())
            .delete(keys::upload_ref(id.0, &upload));
        for (_, row, _) in &self.chosen {
            commit.stage(|c| c.expect(row.key.clone(), row.fact.version));
        }
        for (number, row, part) in &self.left_over {
            release(&mut commit, &part.place, &row.key);
            commit.stage(|c| c.delete(row.key.clone()).delete(keys::part_body(id.0, *number)));
        }
        commit
    }
}
