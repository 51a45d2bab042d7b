//! Changes of what is said about a version: tags, retention, legal hold. Its body, times and LSN
//! stay as they are.

use std::collections::BTreeMap;

use headwater_store::{Commit, CommitError, Lsn};

use crate::object::Current;
use crate::records::object::ObjectRecord;
use crate::records::version::HistoryRecord;
use crate::records::{encode, keys};
use crate::{Bucket, Bypass, Change, ObjectError, ObjectKey, ObjectLock, Objects, Retention, VersionId};

impl Objects {
    /// Replaces a version's tags; those of the current one if none is named. Returns which it is.
    ///
    /// # Errors
    /// Those of [`Objects::head_version`].
    pub async fn set_tags(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        version: Option<VersionId>,
        tags: BTreeMap<String, String>,
    ) -> Result<VersionId, ObjectError> {
        let change = |record: &mut ObjectRecord| {
            record.tags.clone_from(&tags);
            Ok(())
        };
        let event = if tags.is_empty() { Change::TaggingDelete } else { Change::TaggingPut };
        self.rewrite(bucket, key, version, Some(event), change).await
    }

    /// Replaces or removes a version's retention; that of the current one if none is named.
    ///
    /// # Errors
    /// Those of [`Objects::head_version`]; [`ObjectError::NoObjectLock`]; [`ObjectError::Locked`] when
    /// that would weaken it.
    pub async fn set_retention(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        version: Option<VersionId>,
        retention: Option<Retention>,
        bypass: Bypass,
    ) -> Result<VersionId, ObjectError> {
        check_locks(bucket)?;
        let now = self.seams.clock.now();
        let change = |record: &mut ObjectRecord| {
            let lock = record.lock();
            if !lock.may_become(retention, now, bypass) {
                return Err(ObjectError::Locked(key.as_str().to_owned()));
            }
            ObjectLock { retention, ..lock }.write(record);
            Ok(())
        };
        self.rewrite(bucket, key, version, Some(Change::RetentionPut), change).await
    }

    /// Puts a version's legal hold on or takes it off; that of the current one if none is named.
    ///
    /// # Errors
    /// Those of [`Objects::head_version`]; [`ObjectError::NoObjectLock`].
    pub async fn set_legal_hold(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        version: Option<VersionId>,
        hold: bool,
    ) -> Result<VersionId, ObjectError> {
        check_locks(bucket)?;
        let change = |record: &mut ObjectRecord| {
            record.hold = Some(hold);
            Ok(())
        };
        self.rewrite(bucket, key, version, None, change).await
    }

    /// Rewrites the record of a version: the row, and its copy if it is the newest. `event` says
    /// what that is to those who are notified, if anything.
    pub(crate) async fn rewrite(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        version: Option<VersionId>,
        event: Option<Change>,
        change: impl Fn(&mut ObjectRecord) -> Result<(), ObjectError>,
    ) -> Result<VersionId, ObjectError> {
        let mut tries = self.tries(bucket, key).await?;
        loop {
            let found = self.demand(bucket, key, version).await?;
            let current = keys::current(bucket.incarnation, key.as_str());
            let Some((found, history)) = self.row_of_found(bucket, key, found).await? else {
                tries.lost(&current).await?;
                continue;
            };
            let mut commit = Commit::new();
            if let Some((_, at)) = history {
                commit.stage(|c| c.expect(keys::history(bucket.incarnation, key.as_str()), at));
            }
            let is_newest = history.is_some_and(|(history, _)| Some(history.newest) == found.record.seq);
            tries.standing.expect(&mut commit, bucket.incarnation);
            self.stage_look_at(&mut commit, bucket, &tries.standing, key);
            let fact = found.fact_key(bucket.incarnation, key);
            found.expect(&mut commit, fact.clone());
            let (id, lsn) = (found.id(), found.lsn());
            let mut record = ObjectRecord { lsn: Some(lsn.0), ..found.record };
            change(&mut record)?;
            commit.stage(|c| c.put(fact, encode(&record)));
            if is_newest {
                commit.stage(|c| c.put(current, encode(&record)));
            }
            if let Some(event) = event {
                self.notify(&mut commit, bucket, key, event, record.touched().without_size());
            }
            match self.store.commit(commit).await {
                Ok(_) => return Ok(id),
                Err(CommitError::Conflict(lost)) => tries.lost(&lost).await?,
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// The row of what was read, perhaps from its copy, and its key's history; neither for a plain
    /// object. `None` when it moved meanwhile.
    pub(crate) async fn row_of_found(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        found: Current,
    ) -> Result<Option<(Current, Option<(HistoryRecord, Lsn)>)>, ObjectError> {
        let Some(seq) = found.record.seq else {
            return Ok(Some((found, None)));
        };
        let history = self.history(bucket, key).await?;
        let row = self.row(bucket, key, seq).await?.filter(|row| row.id() == found.id());
        Ok(row.zip(history).map(|(row, history)| (row, Some(history))))
    }
}

fn check_locks(bucket: &Bucket) -> Result<(), ObjectError> {
    match bucket.lock {
        Some(_) => Ok(()),
        None => Err(ObjectError::NoObjectLock(bucket.name.as_str().to_owned())),
    }
}
