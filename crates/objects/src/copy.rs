//! Copies. A body in a blob or in parts is shared: the copy gets a reference of its own, and no
//! byte moves. Inline bodies are small and are put again.
//!
//! **Invariant.** A copy's commit expects its source's fact unchanged. So a body that nothing names
//! can never come to be named again, which is what lets the sweep delete it.

use headwater_store::{Commit, CommitError};

use crate::bucket::TRIES_MAX;
use crate::object::Current;
use crate::put::{Naming, add_object, new_record, target_of};
use crate::records::keys;
use crate::records::object::PlaceRecord;
use crate::{Attributes, Bucket, Checksums, Condition, ObjectError, ObjectInfo, ObjectKey, Objects};

impl Objects {
    /// Copies `source`, as it was read, to `key`. The copy has `attributes`; ETag and checksums are
    /// the source's.
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
        let guard = keys::guard(to.incarnation);
        let (source_fact, fact) = (
            keys::current(from.incarnation, source.key.as_str()),
            keys::current(to.incarnation, key.as_str()),
        );
        for _ in 0..TRIES_MAX {
            let original = self.current(from, &source.key).await?;
            let original = original.filter(|o| o.lsn() == source.lsn).ok_or(ObjectError::Contended)?;
            let Some(naming) = self.naming_of(from, &source.key, &original).await? else {
                continue;
            };
            let old = self.current(to, key).await?;
            condition.check(key, old.as_ref().map(|c| c.record.etag.as_str()))?;
            let record = copied(&original, attributes.clone(), self.seams.clock.now());
            let mut commit =
                Commit::new().expect_present(guard.clone()).expect(source_fact.clone(), original.version);
            if source_fact != fact {
                condition.expect(&mut commit, fact.clone(), old.as_ref());
            }
            add_object(&mut commit, to, key, &record, naming, old.as_ref());
            match self.store.commit(commit).await {
                Ok(committed) => {
                    let replaced = old.as_ref().filter(|old| old.record.place != record.place);
                    self.doomed.push(replaced.and_then(target_of));
                    return Ok(Current { record, version: committed.lsn }.info(key));
                }
                Err(CommitError::Conflict(lost)) if lost == guard => self.same_bucket(to).await?,
                Err(CommitError::Conflict(_)) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Err(ObjectError::Contended)
    }

    /// What a copy's fact names; `None` when the source's inline body changed under our hands.
    async fn naming_of(
        &self,
        from: &Bucket,
        key: &ObjectKey,
        original: &Current,
    ) -> Result<Option<Naming<'static>>, ObjectError> {
        if original.record.place != PlaceRecord::Inline {
            return Ok(Some(Naming::Shared));
        }
        let body = self.store.get(&keys::body(from.incarnation, key.as_str(), keys::NO_VERSION)).await?;
        Ok(body.filter(|body| body.version == original.lsn()).map(|body| Naming::Inline(body.value)))
    }
}

fn copied(
    original: &Current,
    attributes: Attributes,
    now: headwater_base::Timestamp,
) -> crate::records::object::ObjectRecord {
    let old = original.record.clone();
    let checksums = Checksums { values: old.checksums, composite: old.composite };
    new_record(old.size, old.etag, now, old.place, attributes, checksums)
}
