//! The reconciler: walks over buckets whose rules changed, and looks at keys that are due.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use headwater_base::Timestamp;
use headwater_store::{Commit, Direction, KeyRange, Scanned, StoreError};
use headwater_work::{Pass, Reconciler, TaskResult};

use super::act::committed;
use super::stage::stage_due;
use crate::records::lifecycle::NameRecord;
use crate::records::{decode, keys};
use crate::{Bucket, BucketName, ObjectError, ObjectKey, Objects};

/// How many due keys a pass looks at.
const PASS_KEYS: usize = 512;

/// How many of them at once: their commits share what a commit costs.
const AT_ONCE: usize = 64;

/// How many walks a pass moves on.
const PASS_WALKS: usize = 16;

/// When a key is looked at again that could not be settled.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// The longest time between two looks at what is due.
const LOOK_EVERY_MAX: Duration = Duration::from_secs(30);

/// Does what rules ask for; run by `work`.
#[derive(Debug)]
pub struct Lifecycles {
    pub(super) objects: Objects,
}

/// The buckets of one pass, by incarnation; `None` for those that are gone.
pub(super) type Buckets = HashMap<u64, Option<Arc<Bucket>>>;

impl Objects {
    /// How often it is looked whether something is due: several times a day, however short that is.
    pub(crate) fn look_every(&self) -> Duration {
        (self.day.length() / 8).clamp(Duration::from_millis(10), LOOK_EVERY_MAX)
    }

    /// The bucket of an incarnation, if it still stands, in the hands of lifecycle.
    pub(crate) async fn bucket_of_due(&self, incarnation: u64) -> Result<Option<Arc<Bucket>>, ObjectError> {
        let fact_key = keys::name(incarnation);
        let Some(fact) = self.store.get(&fact_key).await? else {
            return Ok(None);
        };
        let name = decode::<NameRecord>(&fact_key, &fact.value)?.bucket;
        let name = BucketName::new(&name)
            .map_err(|_| StoreError::Corrupt(format!("{fact_key:?}: not a bucket's name")))?;
        match self.bucket(&name).await {
            Ok(bucket) if bucket.incarnation == incarnation => Ok(Some(Arc::new(bucket.for_lifecycle()))),
            Ok(_) => Ok(None),
            Err(ObjectError::NoSuchBucket(_)) => Ok(None),
            Err(e) => Err(e),
        }
    }
}

impl Lifecycles {
    pub(crate) fn new(objects: Objects) -> Self {
        Self { objects }
    }

    /// One bounded step: a piece of each walk, then keys that are due.
    ///
    /// # Errors
    /// The store's; the step can be repeated.
    pub async fn step(&self) -> Result<Pass, ObjectError> {
        let walked = self.step_walks(PASS_WALKS).await?;
        let now = self.objects.seams.clock.now();
        let mut range = KeyRange::prefix(&keys::all_due());
        range.end = Some(keys::due(now.ms().saturating_add(1), 0, ""));
        let entries = self.objects.store.scan(&range, PASS_KEYS, Direction::Forward).await?;
        if entries.is_empty() {
            return Ok(if walked { Pass::More } else { Pass::Done });
        }
        let buckets = self.buckets_of(&entries).await?;
        let looks: Vec<_> = entries.iter().map(|entry| self.look(entry, &buckets)).collect();
        let outcomes: Vec<_> = futures::stream::iter(looks).buffer_unordered(AT_ONCE).collect().await;
        outcomes.into_iter().find_map(Result::err).map_or(Ok(Pass::More), Err)
    }

    async fn buckets_of(&self, entries: &[Scanned]) -> Result<Buckets, ObjectError> {
        let mut buckets = Buckets::new();
        for entry in entries {
            let Some((_, incarnation, _)) = keys::due_of(&entry.key) else { continue };
            if let Entry::Vacant(place) = buckets.entry(incarnation) {
                place.insert(self.objects.bucket_of_due(incarnation).await?);
            }
        }
        Ok(buckets)
    }

    /// Looks at one key. What cannot be done now is put off, so that others get their turn.
    async fn look(&self, entry: &Scanned, buckets: &Buckets) -> Result<(), ObjectError> {
        let due = keys::due_of(&entry.key)
            .and_then(|(_, incarnation, key)| Some((incarnation, ObjectKey::new(&key).ok()?)));
        let Some((incarnation, key)) = due else {
            return Err(StoreError::Corrupt(format!("{:?}: not a due key", entry.key)).into());
        };
        let Some(bucket) = buckets.get(&incarnation).and_then(Option::as_ref) else {
            return self.forget(entry).await;
        };
        match self.objects.settle(bucket, &key, entry).await {
            Ok(()) => Ok(()),
            Err(error @ (ObjectError::Store(_) | ObjectError::Commit(_))) => Err(error),
            Err(error) => {
                tracing::warn!(
                    bucket = %bucket.name,
                    error = &error as &dyn std::error::Error,
                    "a lifecycle could not act on an object and will try again"
                );
                let again = self.objects.seams.clock.now().plus(RETRY_AFTER);
                self.put_off(bucket, &key, entry, again).await
            }
        }
    }

    async fn put_off(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        entry: &Scanned,
        until: Timestamp,
    ) -> Result<(), ObjectError> {
        let mut commit = Commit::new().delete(entry.key.clone()).freeing();
        stage_due(&mut commit, bucket.incarnation, key, until);
        committed(self.objects.store.commit(commit).await).map(|_| ())
    }

    /// Drops the entry of a bucket that is gone.
    async fn forget(&self, entry: &Scanned) -> Result<(), ObjectError> {
        let commit = Commit::new().delete(entry.key.clone()).freeing();
        committed(self.objects.store.commit(commit).await).map(|_| ())
    }
}

#[async_trait]
impl Reconciler for Lifecycles {
    fn name(&self) -> String {
        "lifecycle".to_owned()
    }

    async fn pass(&self) -> TaskResult<Pass> {
        Ok(self.step().await?)
    }
}
