//! Deletes, one by one and many at once. They free space, so neither back-pressure nor a full disk
//! stops them.

use headwater_store::{Commit, CommitError};

use crate::bucket::TRIES_MAX;
use crate::object::Current;
use crate::put::{release, target_of};
use crate::records::keys;
use crate::{Bucket, Condition, ObjectError, ObjectInfo, ObjectKey, Objects};

impl Objects {
    /// Removes the object; nothing happens if it is not there.
    ///
    /// # Errors
    /// The store's.
    pub async fn delete(&self, bucket: &Bucket, key: &ObjectKey) -> Result<(), ObjectError> {
        self.delete_many(bucket, std::slice::from_ref(key)).await
    }

    /// Removes up to 1000 objects in one commit; those that are not there are skipped.
    ///
    /// # Errors
    /// The store's. Nothing is removed then.
    pub async fn delete_many(&self, bucket: &Bucket, gone: &[ObjectKey]) -> Result<(), ObjectError> {
        let mut commit = Commit::new().freeing();
        let mut targets = Vec::new();
        for key in gone {
            if let Some(current) = self.current(bucket, key).await? {
                add_removal(&mut commit, bucket, key, &current);
                targets.extend(target_of(&current));
            }
        }
        if commit.is_empty() {
            return Ok(());
        }
        self.store.commit(commit).await?;
        targets.into_iter().for_each(|target| self.doomed.push(Some(target)));
        Ok(())
    }

    /// Removes the object if it satisfies `condition`.
    ///
    /// # Errors
    /// Those of [`Condition::check`].
    pub async fn delete_if(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        condition: &Condition,
    ) -> Result<(), ObjectError> {
        let fact = keys::current(bucket.incarnation, key.as_str());
        for _ in 0..TRIES_MAX {
            let current = self.current(bucket, key).await?;
            condition.check(key, current.as_ref().map(|c| c.record.etag.as_str()))?;
            let Some(current) = current else {
                return Ok(());
            };
            let mut commit = Commit::new().freeing();
            condition.expect(&mut commit, fact.clone(), Some(&current));
            add_removal(&mut commit, bucket, key, &current);
            match self.store.commit(commit).await {
                Ok(_) => {
                    self.doomed.push(target_of(&current));
                    return Ok(());
                }
                Err(CommitError::Conflict(_)) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Err(ObjectError::Contended)
    }

    /// Adds to `commit`: this object, as it was read (same LSN), is gone; its body is swept. The
    /// commit conflicts if the object was replaced meanwhile or the bucket is gone.
    ///
    /// # Errors
    /// The store's.
    pub async fn stage_delete(
        &self,
        commit: &mut Commit,
        bucket: &Bucket,
        object: &ObjectInfo,
    ) -> Result<(), ObjectError> {
        let fact = keys::current(bucket.incarnation, object.key.as_str());
        commit.stage(|c| c.expect_present(keys::guard(bucket.incarnation)));
        match self.current(bucket, &object.key).await?.filter(|current| current.lsn() == object.lsn) {
            Some(current) => {
                commit.stage(|c| c.expect(fact, current.version));
                add_removal(commit, bucket, &object.key, &current);
                self.doomed.push(target_of(&current));
            }
            // Replaced or gone: no fact has this version any more, so the commit conflicts.
            None => commit.stage(|c| c.expect(fact, object.lsn)),
        }
        Ok(())
    }
}

fn add_removal(commit: &mut Commit, bucket: &Bucket, key: &ObjectKey, current: &Current) {
    let fact = keys::current(bucket.incarnation, key.as_str());
    let body = keys::body(bucket.incarnation, key.as_str(), keys::NO_VERSION);
    release(commit, &current.record.place, &fact);
    commit.stage(|c| c.delete(fact).delete(body));
}
