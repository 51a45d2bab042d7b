//! Deletes, one by one and many at once. They free space, so neither back-pressure nor a full disk
//! stops them; only delete markers of a bucket that keeps versions are new data like any other.

use futures::StreamExt;
use headwater_base::Timestamp;
use headwater_store::{Commit, CommitError};

use crate::history::{Line, object_bytes};
use crate::object::Current;
use crate::outbox::Touched;
use crate::put::{new_record, target_of_place};
use crate::records::keys;
use crate::records::object::{ObjectRecord, PlaceRecord};
use crate::records::version::HistoryRecord;
use crate::usage::Growth;
use crate::{
    Attributes, Bucket, Bypass, Change, Checksums, Condition, ObjectError, ObjectInfo, ObjectKey, Objects,
    VersionId, Versioning,
};

/// How many deletes are under way at once where each needs a commit of its own.
const AT_ONCE: usize = 32;

/// What a delete did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deletion {
    /// The version that was removed (or was not there), or the delete marker that was written;
    /// `None` in a bucket that never had versions, unless a version was named.
    pub version: Option<VersionId>,
    /// Whether that is a delete marker.
    pub marker: bool,
}

/// Something to delete.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Removal {
    /// The object.
    pub key: ObjectKey,
    /// The version that is to go; without it, the object is deleted as its bucket does that.
    pub version: Option<VersionId>,
    /// What must hold of the version, or of the current object if none is named.
    pub condition: Condition,
    /// Whether governance does not hold it.
    pub bypass: Bypass,
}

impl Removal {
    /// The object, whatever it is.
    pub fn of(key: ObjectKey) -> Self {
        Self { key, version: None, condition: Condition::Anything, bypass: Bypass::Nothing }
    }

    fn is_simple(&self) -> bool {
        self.version.is_none() && self.condition == Condition::Anything
    }
}

impl Objects {
    /// Deletes the object: removes it, or writes a delete marker where versions are kept. Nothing
    /// is removed if it is not there.
    ///
    /// # Errors
    /// The store's; [`ObjectError::NoSuchBucket`] when the bucket is gone.
    pub async fn delete(&self, bucket: &Bucket, key: &ObjectKey) -> Result<Deletion, ObjectError> {
        self.delete_if(bucket, key, &Condition::Anything).await
    }

    /// Deletes the object if it satisfies `condition`.
    ///
    /// # Errors
    /// Those of [`Condition::check`]; [`ObjectError::Locked`] when what would be replaced is held.
    pub async fn delete_if(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        condition: &Condition,
    ) -> Result<Deletion, ObjectError> {
        let mut tries = self.tries(bucket, key).await?;
        loop {
            let line = self.line(bucket, key, tries.standing).await?;
            condition.check(key, line.etag())?;
            let now = self.seams.clock.now();
            line.check_replaceable(now)?;
            let mut commit = Commit::new();
            let deletion = self.add_delete(&mut commit, bucket, &line, now);
            if commit.is_empty() {
                // Nothing to expect anything of: that there are still no versions is looked up.
                tries.standing = self.standing_now(bucket).await?;
                if tries.standing.versioning == Versioning::Never {
                    return Ok(deletion);
                }
                continue;
            }
            line.expect(&mut commit, condition);
            match self.store.commit(commit).await {
                Ok(committed) => {
                    let old = line.replaced().and_then(|old| target_of_place(&old.record.place));
                    self.doomed.push(old);
                    self.books.note(bucket.incarnation, committed.lsn, line.change(None));
                    return Ok(deletion);
                }
                Err(CommitError::Conflict(lost)) => tries.lost(&lost).await?,
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Removes one version, for good, if it satisfies `condition`. Nothing happens if it is not there.
    ///
    /// # Errors
    /// Those of [`Condition::check`]; [`ObjectError::Locked`] when it is held.
    pub async fn delete_version(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        version: VersionId,
        condition: &Condition,
        bypass: Bypass,
    ) -> Result<Deletion, ObjectError> {
        let mut tries = self.tries(bucket, key).await?;
        loop {
            let line = self.line(bucket, key, tries.standing).await?;
            let found = self.find(bucket, key, Some(version)).await?;
            let object = found.as_ref().filter(|found| !found.is_marker());
            condition.check(key, object.map(|found| found.record.etag.as_str()))?;
            let Some(gone) = found else {
                return Ok(Deletion { version: Some(version), marker: false });
            };
            if gone.record.lock().holds(self.seams.clock.now(), bypass) {
                return Err(ObjectError::Locked(key.as_str().to_owned()));
            }
            let deletion = Deletion { version: Some(version), marker: gone.is_marker() };
            let mut commit = Commit::new().freeing();
            line.expect(&mut commit, &Condition::Anything);
            gone.expect(&mut commit, gone.fact_key(bucket.incarnation, key));
            self.add_removal(&mut commit, bucket, key, &line, &gone).await?;
            let named = (line.standing.versioning != Versioning::Never).then_some(version);
            self.notify(&mut commit, bucket, key, Change::Removed, Touched::version(named));
            match self.store.commit(commit).await {
                Ok(committed) => {
                    self.doomed.push(target_of_place(&gone.record.place));
                    let change = Growth::of_object(object_bytes(&gone.record), None);
                    self.books.note(bucket.incarnation, committed.lsn, change);
                    return Ok(deletion);
                }
                Err(CommitError::Conflict(lost)) => tries.lost(&lost).await?,
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Deletes up to 1000 objects and versions; the outcomes are in the order of `gone`. Objects of
    /// a bucket without versions go in one commit.
    ///
    /// # Errors
    /// The store's, of that one commit; nothing of it is removed then.
    pub async fn delete_many(
        &self,
        bucket: &Bucket,
        gone: &[Removal],
    ) -> Result<Vec<Result<Deletion, ObjectError>>, ObjectError> {
        let mut together = false;
        if self.standing(bucket).await?.versioning == Versioning::Never {
            together = self.delete_together(bucket, gone).await?;
        }
        let mut outcomes = Vec::with_capacity(gone.len());
        for removal in gone {
            outcomes.push(self.delete_one(bucket, removal, together && removal.is_simple()));
        }
        Ok(futures::stream::iter(outcomes).buffered(AT_ONCE).collect().await)
    }

    /// One of many, unless it is done.
    async fn delete_one(
        &self,
        bucket: &Bucket,
        removal: &Removal,
        is_done: bool,
    ) -> Result<Deletion, ObjectError> {
        let Removal { key, version, condition, bypass } = removal;
        match version {
            _ if is_done => Ok(Deletion { version: None, marker: false }),
            Some(version) => self.delete_version(bucket, key, *version, condition, *bypass).await,
            None => self.delete_if(bucket, key, condition).await,
        }
    }

    /// Removes what goes without saying in one commit. Returns `false` when the bucket has got
    /// versions meanwhile.
    async fn delete_together(&self, bucket: &Bucket, gone: &[Removal]) -> Result<bool, ObjectError> {
        let standing = self.standing(bucket).await?;
        let mut commit = Commit::new().freeing();
        let (mut targets, mut change) = (Vec::new(), Growth::default());
        for removal in gone.iter().filter(|removal| removal.is_simple()) {
            let line = self.line(bucket, &removal.key, standing).await?;
            if let Some(plain) = &line.current {
                line.remove_plain(&mut commit, plain);
                change.add(line.change(None));
                self.notify(&mut commit, bucket, line.key, Change::Removed, Touched::default());
                targets.push(target_of_place(&plain.record.place));
            }
        }
        if commit.is_empty() {
            return Ok(self.standing_now(bucket).await?.versioning == Versioning::Never);
        }
        standing.expect(&mut commit, bucket.incarnation);
        match self.store.commit(commit).await {
            Ok(committed) => {
                self.books.note(bucket.incarnation, committed.lsn, change);
                targets.into_iter().for_each(|target| self.doomed.push(target));
                Ok(true)
            }
            Err(CommitError::Conflict(_)) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// Adds to `commit`: this object, as it was read (same LSN), is deleted. The commit conflicts if
    /// the object was replaced meanwhile or the bucket is gone.
    ///
    /// # Errors
    /// The store's; [`ObjectError::Locked`] when what would be replaced is held.
    pub async fn stage_delete(
        &self,
        commit: &mut Commit,
        bucket: &Bucket,
        object: &ObjectInfo,
    ) -> Result<(), ObjectError> {
        let line = self.line(bucket, &object.key, self.standing_now(bucket).await?).await?;
        commit.stage(|c| c.expect_present(keys::guard(bucket.incarnation)));
        if line.current.as_ref().is_none_or(|current| current.lsn() != object.lsn) {
            // Replaced or gone: no fact has this version any more, so the commit conflicts.
            commit.stage(|c| c.expect(line.current_key(), object.lsn));
            return Ok(());
        }
        let now = self.seams.clock.now();
        line.check_replaceable(now)?;
        line.expect(commit, &Condition::Present);
        self.add_delete(commit, bucket, &line, now);
        self.doomed.push(line.replaced().and_then(|old| target_of_place(&old.record.place)));
        self.books.note_staged(bucket.incarnation, line.change(None));
        Ok(())
    }

    /// Stages a delete without a version id, as the bucket does it.
    pub(crate) fn add_delete(
        &self,
        commit: &mut Commit,
        bucket: &Bucket,
        line: &Line<'_>,
        now: Timestamp,
    ) -> Deletion {
        if line.standing.versioning == Versioning::Never {
            if let Some(plain) = &line.current {
                line.remove_plain(commit, plain);
                self.notify(commit, bucket, line.key, Change::Removed, Touched::default());
                commit.stage(Commit::freeing);
            }
            return Deletion { version: None, marker: false };
        }
        commit.stage(|c| c.expect_present(keys::guard(bucket.incarnation)));
        let marker = line.append(commit, marker(now), None, &self.seams);
        self.notify(commit, bucket, line.key, Change::MarkerCreated, Touched::version(Some(marker.id())));
        Deletion { version: Some(marker.id()), marker: true }
    }

    /// Stages that one version is gone, and what that makes of its key.
    pub(crate) async fn add_removal(
        &self,
        commit: &mut Commit,
        bucket: &Bucket,
        key: &ObjectKey,
        line: &Line<'_>,
        gone: &Current,
    ) -> Result<(), ObjectError> {
        let (Some((history, _)), Some(seq)) = (line.history, gone.record.seq) else {
            line.remove_plain(commit, gone);
            return Ok(());
        };
        line.remove_row(commit, gone);
        line.stage_look(commit);
        let null = history.null.filter(|null| *null != seq);
        if seq != history.newest {
            // Also when nothing of it changes: who counts versions must see that there are fewer.
            line.write_history(commit, HistoryRecord { null, ..history });
            return Ok(());
        }
        let next = self.row_before(bucket, key, seq).await?;
        line.show(commit, next.as_ref());
        match &next {
            Some(row) => {
                row.expect(commit, line.row_key_of(row));
                let newest = row.record.seq.unwrap_or(keys::PLAIN_SEQ);
                line.write_history(commit, HistoryRecord { newest, null });
            }
            None => line.forget_history(commit),
        }
        Ok(())
    }
}

fn marker(now: Timestamp) -> ObjectRecord {
    let nothing = (Attributes::default(), Checksums::default());
    let record = new_record(0, String::new(), now, PlaceRecord::Inline, nothing.0, nothing.1);
    ObjectRecord { marker: Some(true), ..record }
}
