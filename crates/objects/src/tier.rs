//! The two places for bodies, and how a body gets from one to the other.
//!
//! ```text
//! read the version ─► copy its body, durably, unnamed ─► commit: the version as read now names the copy
//!                                                             sweep ◄─ the body it named before
//! ```
//! Bodies that lie in facts stay there, whatever their class: a fact is cheaper than a file. The parts of
//! a multipart object are copied to an upload of their own, which the new place names; so its copies, which
//! name the old one, keep what they have.
//!
//! **Failure.** A crash before the commit leaves blobs that nothing names and, of a multipart object, parts of
//! an upload whose only namer does not name it: the sweep takes both. While the copy is under way the upload
//! is pinned.

use std::sync::Arc;

use futures::TryStreamExt;
use headwater_blob::{BlobId, Blobs, UploadHandle};
use headwater_store::{Commit, CommitError, Key};

use crate::history::{Standing, add_reference};
use crate::object::Current;
use crate::outbox::Touched;
use crate::put::{release, target_of_place};
use crate::records::bucket::Present;
use crate::records::object::{ObjectRecord, PlaceRecord};
use crate::records::upload::{LayoutRecord, PartRecord};
use crate::records::{decode, encode, keys};
use crate::sweep::{Pin, Target};
use crate::{Bucket, Change, ObjectError, ObjectKey, Objects, StorageClass, UploadId};

/// A place for blobs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tier {
    /// The node's own.
    Hot,
    /// The cold tier.
    Cold,
}

/// A body that was copied and that no fact names yet. Keep it until the commit that names it is published.
#[derive(Debug)]
pub(crate) struct Moved {
    pub(crate) place: PlaceRecord,
    _kept: Kept,
}

/// What keeps a copied body from being swept.
#[derive(Debug)]
enum Kept {
    Blob { _handle: UploadHandle },
    Upload { _pin: Pin },
}

/// What a change of a version's body adds to its commit, and what it makes of its record.
pub(crate) trait Rewrite: Send + Sync {
    /// Changes the record of the version, and says what else the commit does. `None` gives the change up.
    fn apply(&self, record: &mut ObjectRecord, commit: &mut Commit) -> Option<()>;
}

impl<F> Rewrite for F
where
    F: Fn(&mut ObjectRecord, &mut Commit) -> Option<()> + Send + Sync,
{
    fn apply(&self, record: &mut ObjectRecord, commit: &mut Commit) -> Option<()> {
        self(record, commit)
    }
}

impl Objects {
    /// Whether there is a cold tier.
    pub fn has_cold_tier(&self) -> bool {
        self.cold.is_some()
    }

    /// Where bodies of a class lie.
    pub(crate) fn tier_of(&self, class: StorageClass) -> Tier {
        if class.is_cold() && self.cold.is_some() { Tier::Cold } else { Tier::Hot }
    }

    /// The place for blobs of a tier.
    ///
    /// # Errors
    /// [`ObjectError::Invalid`] when there is none: a node that once had a cold tier does not start without.
    pub(crate) fn place_for(&self, tier: Tier) -> Result<&Arc<dyn Blobs>, ObjectError> {
        match (tier, &self.cold) {
            (Tier::Hot, _) => Ok(&self.blobs),
            (Tier::Cold, Some(cold)) => Ok(cold),
            (Tier::Cold, None) => Err(ObjectError::Invalid("this node has no cold tier".to_owned())),
        }
    }

    /// Copies a body to a tier, durably; `None` when it lies there or in a fact. `namer` is the fact that
    /// will name the copy.
    pub(crate) async fn copied_to(
        &self,
        tier: Tier,
        place: &PlaceRecord,
        namer: &Key,
    ) -> Result<Option<Moved>, ObjectError> {
        match (tier, place) {
            (_, PlaceRecord::Inline)
            | (Tier::Hot, PlaceRecord::Blob(_))
            | (Tier::Cold, PlaceRecord::Cold(_)) => Ok(None),
            (_, PlaceRecord::Blob(id)) => self.copied_blob(Tier::Hot, BlobId(**id), tier).await.map(Some),
            (_, PlaceRecord::Cold(id)) => self.copied_blob(Tier::Cold, BlobId(**id), tier).await.map(Some),
            (_, PlaceRecord::Parts(upload)) => self.copied_parts(tier, **upload, namer).await,
        }
    }

    /// Changes a version's record, as long as it is the one that was read, and as long as its bucket stands as
    /// it did at `standing`, if that matters. `event` is what that is to those who are notified. Returns
    /// whether it was.
    pub(crate) async fn change_row(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        read: &Current,
        standing: Option<&Standing>,
        event: Change,
        change: &dyn Rewrite,
    ) -> Result<bool, ObjectError> {
        let mut tries = self.tries(bucket, key).await?;
        loop {
            let found = self.find(bucket, key, Some(read.id())).await?;
            let Some(found) = found.filter(|found| found.lsn() == read.lsn()) else {
                return Ok(false);
            };
            if standing.is_some_and(|standing| standing.version != tries.standing.version) {
                return Ok(false);
            }
            let current = keys::current(bucket.incarnation, key.as_str());
            let Some((found, history)) = self.row_of_found(bucket, key, found).await? else {
                tries.lost(&current).await?;
                continue;
            };
            let mut commit = Commit::new().expect_present(keys::guard(bucket.incarnation));
            tries.standing.expect(&mut commit, bucket.incarnation);
            if let Some((_, at)) = history {
                commit.stage(|c| c.expect(keys::history(bucket.incarnation, key.as_str()), at));
            }
            let is_newest = history.is_some_and(|(history, _)| Some(history.newest) == found.record.seq);
            let fact = found.fact_key(bucket.incarnation, key);
            found.expect(&mut commit, fact.clone());
            let mut record = ObjectRecord { lsn: Some(found.lsn().0), ..found.record.clone() };
            if change.apply(&mut record, &mut commit).is_none() {
                return Ok(false);
            }
            let targets = rename(&mut commit, &found.record, &record, &fact);
            commit.stage(|c| c.put(fact, encode(&record)));
            if is_newest {
                commit.stage(|c| c.put(current, encode(&record)));
            }
            let touched = Touched {
                storage_class: Some(record.class().name()),
                expiry: record.restored_until(),
                ..record.touched()
            };
            self.notify(&mut commit, bucket, key, event, touched);
            match self.store.commit(commit).await {
                Ok(_) => {
                    targets.into_iter().for_each(|target| self.doomed.push(Some(target)));
                    return Ok(true);
                }
                Err(CommitError::Conflict(lost)) => tries.lost(&lost).await?,
                Err(e) => return Err(e.into()),
            }
        }
    }

    async fn copied_blob(&self, from: Tier, id: BlobId, to: Tier) -> Result<Moved, ObjectError> {
        let handle = self.copy_blob(from, id, to).await?;
        let place = placed(to, handle.id);
        Ok(Moved { place, _kept: Kept::Blob { _handle: handle } })
    }

    /// Every block is checked as it is read, and sealed anew as it is written.
    async fn copy_blob(&self, from: Tier, id: BlobId, to: Tier) -> Result<UploadHandle, ObjectError> {
        let reader = self.place_for(from)?.open(id).await?;
        let mut writer = self.place_for(to)?.create().await?;
        let len = reader.len();
        let mut pieces = reader.stream(0..len);
        while let Some(piece) = pieces.try_next().await? {
            writer.write(piece).await?;
        }
        Ok(writer.finish().await?)
    }

    /// Copies the parts of an upload to a new one; `None` when none of them lies elsewhere.
    async fn copied_parts(
        &self,
        tier: Tier,
        upload: [u8; 16],
        namer: &Key,
    ) -> Result<Option<Moved>, ObjectError> {
        let _source = self.pins.pin(upload);
        let layout_key = keys::layout(upload);
        let Some(layout) = self.store.get(&layout_key).await? else {
            // It was replaced and swept before it was pinned: the commit would find that, too.
            return Err(ObjectError::Contended);
        };
        let layout: LayoutRecord = decode(&layout_key, &layout.value)?;
        let rows = self.part_rows(UploadId(upload)).await?;
        let elsewhere = rows.iter().any(|(_, _, part)| match part.place {
            PlaceRecord::Blob(_) => tier == Tier::Cold,
            PlaceRecord::Cold(_) => tier == Tier::Hot,
            PlaceRecord::Inline | PlaceRecord::Parts(_) => false,
        });
        if !elsewhere {
            return Ok(None);
        }
        let mut fresh = [0; 16];
        self.seams.chance.fill(&mut fresh);
        let pin = self.pins.pin(fresh);
        let begun = Commit::new()
            .put(keys::upload_ref(fresh, namer), encode(&Present {}))
            .put(keys::layout(fresh), encode(&layout));
        self.store.commit(begun).await?;
        for (number, _, part) in rows {
            self.copy_part(tier, upload, fresh, number, part).await?;
        }
        Ok(Some(Moved { place: PlaceRecord::Parts(fresh.into()), _kept: Kept::Upload { _pin: pin } }))
    }

    async fn copy_part(
        &self,
        tier: Tier,
        upload: [u8; 16],
        fresh: [u8; 16],
        number: u32,
        part: PartRecord,
    ) -> Result<(), ObjectError> {
        let fact = keys::part(fresh, number);
        let mut commit = Commit::new();
        let mut handle = None;
        let place = match &part.place {
            PlaceRecord::Blob(id) | PlaceRecord::Cold(id) => {
                let from = if matches!(part.place, PlaceRecord::Cold(_)) { Tier::Cold } else { Tier::Hot };
                let copied = handle.insert(self.copy_blob(from, BlobId(**id), tier).await?);
                placed(tier, copied.id)
            }
            PlaceRecord::Inline | PlaceRecord::Parts(_) => {
                let body = self.store.get(&keys::part_body(upload, number)).await?;
                let body = body.ok_or(ObjectError::Contended)?;
                commit.stage(|c| c.put(keys::part_body(fresh, number), body.value));
                part.place.clone()
            }
        };
        add_reference(&mut commit, &place, &fact);
        commit.stage(|c| c.put(fact, encode(&PartRecord { place, ..part })));
        self.store.commit(commit).await?;
        // The handle lives until the part names the blob.
        drop(handle);
        Ok(())
    }
}

fn placed(tier: Tier, id: BlobId) -> PlaceRecord {
    match tier {
        Tier::Hot => PlaceRecord::Blob(id.0.into()),
        Tier::Cold => PlaceRecord::Cold(id.0.into()),
    }
}

/// Stages the references of what `new` names and `old` did not, and the release of what only `old` named.
/// Returns what that lets go of.
fn rename(commit: &mut Commit, old: &ObjectRecord, new: &ObjectRecord, namer: &Key) -> Vec<Target> {
    for place in new.places().filter(|place| !old.places().any(|before| before == *place)) {
        add_reference(commit, place, namer);
    }
    let gone = old.places().filter(|place| !new.places().any(|now| now == *place));
    gone.filter_map(|place| {
        release(commit, place, namer);
        target_of_place(place)
    })
    .collect()
}
