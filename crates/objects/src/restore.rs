//! Restores: a copy of an archived version, brought back for some days.
//!
//! ```text
//! restore ─► the version says that it is being restored, RESTORE (job row)
//!            job: copy the body to the hot tier ─► the version names the copy, until then; DUE; the row goes
//! due ─► the copy is let go of
//! ```
//! Where bodies of the archive classes lie in the hot tier (there is no cold one) nothing is copied, and the
//! version can be read all the same only while it is restored.
//!
//! **Failure.** The job row is there until the version names the copy; after a crash the copy is made again.

use std::time::Duration;

use async_trait::async_trait;
use headwater_base::Timestamp;
use headwater_store::{Commit, CommitError, Direction, KeyRange, Scanned, StoreError};
use headwater_work::{Pass, Reconciler, TaskResult};

use crate::lifecycle::{stage_due, stage_name};
use crate::object::Current;
use crate::records::bucket::Present;
use crate::records::object::{ObjectRecord, RestoredRecord};
use crate::records::{encode, keys};
use crate::tier::Tier;
use crate::{Bucket, Change, ObjectError, ObjectKey, Objects, VersionId};

/// How many restores a pass makes.
const PASS_RESTORES: usize = 16;

/// How many of those that are asked for it looks at.
const READ_JOBS: usize = 1000;

/// How often it is looked for restores that nobody woke the reconciler for.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(30);

/// What asking for a restore did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RestoreBegun {
    /// A copy is being brought back now.
    Begun,
    /// A copy was there already; it stays until this new time.
    Extended(Timestamp),
}

/// Brings copies of archived versions back; run by `work`.
#[derive(Debug)]
pub struct Restores {
    objects: Objects,
}

impl Objects {
    /// The reconciler that brings back what is to be restored.
    pub fn restores(&self) -> Restores {
        Restores { objects: self.clone() }
    }

    /// Asks for a copy of an archived version (the current one if none is named), for `days` from when it is
    /// there. For one that is there already, the days begin anew.
    ///
    /// # Errors
    /// Those of [`Objects::head_version`]; [`ObjectError::NotArchived`]; [`ObjectError::RestoreInProgress`].
    pub async fn restore(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        version: Option<VersionId>,
        days: u32,
    ) -> Result<RestoreBegun, ObjectError> {
        loop {
            let found = self.demand(bucket, key, version).await?;
            let class = found.record.class();
            if !class.is_archive() {
                return Err(ObjectError::NotArchived(class));
            }
            let now = self.seams.clock.now();
            let until = match found.record.restored.as_ref().map(|restored| restored.until_ms) {
                Some(None) => return Err(ObjectError::RestoreInProgress),
                Some(Some(ms)) if ms > now.ms() => Some(self.day.after(now, days)),
                _ => None,
            };
            let done = match until {
                Some(until) => self.extend_restored(bucket, key, &found, days, until).await?,
                None => self.begin_restore(bucket, key, &found, days).await?,
            };
            if done {
                self.rulebook.wake_restores();
                return Ok(until.map_or(RestoreBegun::Begun, RestoreBegun::Extended));
            }
        }
    }

    async fn begin_restore(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        found: &Current,
        days: u32,
    ) -> Result<bool, ObjectError> {
        let change = |record: &mut ObjectRecord, commit: &mut Commit| {
            if record.restored != found.record.restored || record.class != found.record.class {
                return None;
            }
            record.restored = Some(RestoredRecord { days, until_ms: None, place: None });
            let seq = record.seq.unwrap_or(keys::PLAIN_SEQ);
            let job = keys::restore(bucket.incarnation, key.as_str(), seq);
            commit.stage(|c| c.put(job, encode(&Present {})));
            stage_name(commit, bucket);
            Some(())
        };
        self.change_row(bucket, key, found, None, Change::RestorePost, &change).await
    }

    async fn extend_restored(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        found: &Current,
        days: u32,
        until: Timestamp,
    ) -> Result<bool, ObjectError> {
        let change = |record: &mut ObjectRecord, commit: &mut Commit| {
            if record.restored != found.record.restored {
                return None;
            }
            let restored = record.restored.as_mut()?;
            (restored.days, restored.until_ms) = (days, Some(until.ms()));
            stage_due(commit, bucket.incarnation, key, until);
            Some(())
        };
        self.change_row(bucket, key, found, None, Change::RestorePost, &change).await
    }

    /// Makes the copy of a version that is being restored, and says until when it is there. Returns `false`
    /// when the version is not as it was read.
    async fn complete_restore(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        found: &Current,
        job: &Scanned,
    ) -> Result<bool, ObjectError> {
        let namer = found.fact_key(bucket.incarnation, key);
        let copied = self.copied_to(Tier::Hot, &found.record.place, &namer).await?;
        let now = self.seams.clock.now();
        let change = |record: &mut ObjectRecord, commit: &mut Commit| {
            if record.place != found.record.place {
                return None;
            }
            let restored = record.restored.as_mut().filter(|restored| restored.until_ms.is_none())?;
            let until = self.day.after(now, restored.days);
            restored.until_ms = Some(until.ms());
            restored.place = copied.as_ref().map(|copied| copied.place.clone());
            commit.stage(|c| c.delete(job.key.clone()));
            stage_due(commit, bucket.incarnation, key, until);
            Some(())
        };
        self.change_row(bucket, key, found, None, Change::RestoreCompleted, &change).await
    }

    /// Lets go of a restored copy whose time is over. Returns `false` when the version is not as it was read.
    pub(crate) async fn end_restored(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        row: &Current,
    ) -> Result<bool, ObjectError> {
        let change = |record: &mut ObjectRecord, _: &mut Commit| {
            if record.restored != row.record.restored {
                return None;
            }
            record.restored = None;
            Some(())
        };
        self.change_row(bucket, key, row, None, Change::RestoreDelete, &change).await
    }
}

impl Restores {
    /// One bounded step.
    ///
    /// # Errors
    /// The store's or the disk's; the step can be repeated.
    pub async fn step(&self) -> Result<Pass, ObjectError> {
        let range = KeyRange::prefix(&keys::restores());
        let jobs = self.objects.store.scan(&range, READ_JOBS, Direction::Forward).await?;
        let (mut done, mut failed) = (0, None);
        for job in &jobs {
            match self.restore(job).await {
                Ok(()) => done += 1,
                // One that cannot be read must not keep the others waiting.
                Err(error) => failed = Some(error),
            }
            if done == PASS_RESTORES {
                return Ok(Pass::More);
            }
        }
        failed.map_or(Ok(if done > 0 { Pass::More } else { Pass::Done }), Err)
    }

    async fn restore(&self, job: &Scanned) -> Result<(), ObjectError> {
        let objects = &self.objects;
        let at = keys::restore_of(&job.key)
            .and_then(|(incarnation, key, seq)| Some((incarnation, ObjectKey::new(&key).ok()?, seq)));
        let Some((incarnation, key, seq)) = at else {
            return Err(StoreError::Corrupt(format!("{:?}: not a restore's key", job.key)).into());
        };
        let Some(bucket) = objects.bucket_of_due(incarnation).await? else {
            return self.forget(job).await;
        };
        let mut found = objects.row(&bucket, &key, seq).await?;
        if found.is_none() && seq == keys::PLAIN_SEQ {
            found = objects.current(&bucket, &key).await?.filter(|current| current.record.seq.is_none());
        }
        let is_ongoing = |found: &Current| {
            found.record.restored.as_ref().is_some_and(|restored| restored.until_ms.is_none())
        };
        match found.filter(is_ongoing) {
            // It was overwritten or deleted meanwhile.
            None => self.forget(job).await,
            Some(found) => match objects.complete_restore(&bucket, &key, &found, job).await {
                // Looked at again in the next pass.
                Ok(_) | Err(ObjectError::Contended) => Ok(()),
                Err(e) => Err(e),
            },
        }
    }

    async fn forget(&self, job: &Scanned) -> Result<(), ObjectError> {
        let commit =
            Commit::new().expect(job.key.clone(), job.fact.version).delete(job.key.clone()).freeing();
        match self.objects.store.commit(commit).await {
            Ok(_) | Err(CommitError::Conflict(_)) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }
}

#[async_trait]
impl Reconciler for Restores {
    fn name(&self) -> String {
        "restores".to_owned()
    }

    async fn pass(&self) -> TaskResult<Pass> {
        Ok(self.step().await?)
    }
}
