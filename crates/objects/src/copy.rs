//! Copies. A body in a blob or in parts is shared: the copy gets a reference of its own, and no
//! byte moves, unless the copy's storage class keeps bodies in the other tier. Inline bodies are small
//! and are put again. A copy that is to be sealed otherwise than its source is read, sealed anew and
//! written.
//!
//! **Invariant.** A copy's commit expects its source's fact unchanged. So a body that nothing names
//! can never come to be named again, which is what lets the sweep delete it.

use bytes::Bytes;
use headwater_store::{Commit, CommitError};

use headwater_base::Timestamp;

use crate::history::Line;
use crate::object::Current;
use crate::put::{check_lock, new_record};
use crate::records::keys;
use crate::records::object::{ObjectRecord, PlaceRecord};
use crate::tier::Moved;
use crate::{
    Attributes, Bucket, Change, ChecksumAlgorithm, Checksums, Condition, ObjectError, ObjectInfo, ObjectKey,
    ObjectReader, Objects, Sealing,
};

impl Objects {
    /// Copies `source`, the version that was read, to `key`. The copy has `attributes`; ETag and
    /// checksums are the source's.
    ///
    /// # Errors
    /// [`ObjectError::Contended`] when the source was replaced since it was read: read it again.
    pub async fn copy(
        &self,
        from: &Bucket,
        source: &ObjectInfo,
        to: &Bucket,
        key: &ObjectKey,
        attributes: Attributes,
        condition: &Condition,
    ) -> Result<ObjectInfo, ObjectError> {
        check_lock(to, &attributes)?;
        let mut tries = self.tries(to, key).await?;
        loop {
            let original = self.find(from, &source.key, Some(source.version)).await?;
            let original = original.filter(|o| o.lsn() == source.lsn).ok_or(ObjectError::Contended)?;
            let line = self.line(to, key, tries.standing).await?;
            condition.check(key, line.etag())?;
            let now = self.seams.clock.now();
            line.check_replaceable(now)?;
            let body = self.inline_body_of(from, &source.key, &original).await?;
            let mut commit = Commit::new().expect_present(keys::guard(to.incarnation));
            let source_fact = original.fact_key(from.incarnation, &source.key);
            original.expect(&mut commit, source_fact);
            line.expect(&mut commit, condition);
            let (record, _moved) = self.copied(&original, attributes.clone(), now, &line).await?;
            let record = line.append(&mut commit, record, body, &self.seams);
            self.notify(&mut commit, to, key, Change::CreatedCopy, record.touched());
            match self.store.commit(commit).await {
                Ok(committed) => {
                    self.doomed.push(line.let_go(&record));
                    self.books.note(to.incarnation, committed.lsn, line.change(Some(&record)));
                    return Ok(Current { record, version: committed.lsn }.info(key));
                }
                Err(CommitError::Conflict(lost)) => tries.lost(&lost).await?,
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Copies an open object byte by byte, sealed as `sealing` says, to `key`. The copy is of one piece;
    /// its checksum is taken again, by `algorithm`, or else by those of the source's.
    ///
    /// # Errors
    /// Those of reading the source and of [`Objects::put`]; [`ObjectError::CustomerKeyNeeded`] when the
    /// source is locked.
    pub async fn copy_sealed(
        &self,
        source: &ObjectReader,
        to: &Bucket,
        key: &ObjectKey,
        (sealing, algorithm): (&Sealing, Option<ChecksumAlgorithm>),
        attributes: Attributes,
        condition: &Condition,
    ) -> Result<ObjectInfo, ObjectError> {
        let info = &source.info;
        let of_source = info.checksums.values.keys().filter_map(|name| ChecksumAlgorithm::named(name));
        let wanted = algorithm.map_or_else(|| of_source.collect(), |algorithm| [algorithm].into());
        let source = source.stream(0..info.size);
        let body = self.stage_for(attributes.storage_class, source, &wanted, sealing).await?;
        if body.size != info.size {
            return Err(ObjectError::Body("the source ended early".to_owned()));
        }
        self.put_as(to, key, &body, attributes, condition, Change::CreatedCopy).await
    }

    /// The source's bytes if they lie inline.
    ///
    /// # Errors
    /// [`ObjectError::Contended`] when they are another's by now.
    async fn inline_body_of(
        &self,
        from: &Bucket,
        key: &ObjectKey,
        original: &Current,
    ) -> Result<Option<Bytes>, ObjectError> {
        if *original.record.readable(self.seams.clock.now())? != PlaceRecord::Inline {
            return Ok(None);
        }
        let body = self.inline_body(from, key, original).await?;
        body.ok_or(ObjectError::Contended).map(Some)
    }

    /// The record of the copy. Its body is the source's, or one of its own when its class keeps bodies
    /// elsewhere; in either case as it is, sealed with the source's data key.
    async fn copied(
        &self,
        original: &Current,
        attributes: Attributes,
        now: Timestamp,
        line: &Line<'_>,
    ) -> Result<(ObjectRecord, Option<Moved>), ObjectError> {
        let old = original.record.clone();
        let source = old.readable(now)?;
        let tier = self.tier_of(attributes.storage_class);
        let moved = self.copied_to(tier, source, &line.current_key()).await?;
        let place = moved.as_ref().map_or_else(|| source.clone(), |moved| moved.place.clone());
        let checksums = Checksums { values: old.checksums, composite: old.composite };
        let record = new_record(old.size, old.etag, now, place, attributes, checksums);
        Ok((ObjectRecord { encryption: old.encryption, ..record }, moved))
    }
}
