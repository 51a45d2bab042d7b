//! How a change of a key starts over when others came first.
//!
//! Whoever loses a race waits for its turn at the key among the losers, so each of them soon has
//! only those to fear that try for the first time: many writers of one key all get through.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use headwater_store::Key;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::history::Standing;
use crate::records::keys;
use crate::{Bucket, ObjectError, ObjectKey, Objects};

/// How often a change starts over.
const KEY_TRIES_MAX: usize = 64;

/// How many turns there are; keys share them by their hash.
const TURNS: usize = 64;

/// Where those wait who lost a race.
#[derive(Clone, Debug)]
pub(crate) struct Turns(Arc<[Arc<Semaphore>]>);

impl Default for Turns {
    fn default() -> Self {
        Self((0..TURNS).map(|_| Arc::new(Semaphore::new(1))).collect())
    }
}

impl Turns {
    async fn take(&self, incarnation: u64, key: &ObjectKey) -> Option<OwnedSemaphorePermit> {
        let mut hasher = DefaultHasher::new();
        (incarnation, key).hash(&mut hasher);
        let turn = self.0[(hasher.finish() % TURNS as u64) as usize].clone();
        // Never closed: a turn always comes.
        turn.acquire_owned().await.ok()
    }
}

/// The tries of one change of one key.
#[derive(Debug)]
pub(crate) struct Tries<'a> {
    objects: &'a Objects,
    bucket: &'a Bucket,
    key: &'a ObjectKey,
    /// How the bucket stood when last looked at.
    pub(crate) standing: Standing,
    left: usize,
    /// Held from the first conflict on.
    turn: Option<OwnedSemaphorePermit>,
}

impl Objects {
    /// Begins a change of a key.
    pub(crate) async fn tries<'a>(
        &'a self,
        bucket: &'a Bucket,
        key: &'a ObjectKey,
    ) -> Result<Tries<'a>, ObjectError> {
        let standing = self.standing(bucket).await?;
        Ok(Tries { objects: self, bucket, key, standing, left: KEY_TRIES_MAX, turn: None })
    }
}

impl Tries<'_> {
    /// After a commit lost against others over the fact `lost`: looks again at how the bucket
    /// stands, and waits for a turn.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`] when the bucket is gone, [`ObjectError::Contended`] when this
    /// was tried often enough.
    pub(crate) async fn lost(&mut self, lost: &Key) -> Result<(), ObjectError> {
        if *lost == keys::guard(self.bucket.incarnation) {
            self.objects.same_bucket(self.bucket).await?;
        }
        self.left = self.left.checked_sub(1).ok_or(ObjectError::Contended)?;
        if self.turn.is_none() {
            self.turn = self.objects.turns.take(self.bucket.incarnation, self.key).await;
        }
        self.standing = self.objects.standing_now(self.bucket).await?;
        Ok(())
    }
}
