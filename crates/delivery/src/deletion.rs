//! The last step of a deletion: what was not delivered is counted, and the delivery goes.
//!
//! **Failure.** One commit, repeated against plans that commit meanwhile. A crash before it leaves a
//! delivery that takes and delivers nothing; the supervisor does this step again.

use headwater_store::{Commit, CommitError, LogId, StoreError};
use headwater_streams::{EndedShard, Stream};

use crate::definition::{Delivery, Source};
use crate::engine::{DeliveryError, Inner, read_definition};
use crate::records::position::PositionRecord;
use crate::records::{Record as _, keys};

/// How often the last step of a deletion is tried against a plan that commits meanwhile.
const DELETION_TRIES: u32 = 16;

impl Inner {
    /// Settles the ledger of a delivery that takes nothing any more, and removes it.
    pub(crate) async fn finish_deletion(&self, delivery: &Delivery) -> Result<(), DeliveryError> {
        let id = delivery.incarnation;
        for _ in 0..DELETION_TRIES {
            let fact = keys::definition(&delivery.key.scope, delivery.key.name.as_str());
            let Some(definition) = self.store.get(&fact).await? else { return Ok(()) };
            let stored = read_definition(&definition.value)?;
            if stored.incarnation != id {
                return Ok(());
            }
            let (head, version) = self.head(id).await?;
            let mut commit = Commit::new()
                .expect(fact.clone(), definition.version)
                .expect(keys::head(id), version)
                .put(keys::head(id), head.to_value())
                .put(keys::closed(id), definition.value)
                .delete(fact)
                .freeing();
            self.stage_discarded(&mut commit, delivery).await?;
            for tag in self.scan_all(&keys::tags(id)).await? {
                commit.stage(|c| c.delete(tag.key));
            }
            if let Source::DirectPut { log } = delivery.source {
                commit.stage(|c| c.drop_log(log));
            }
            match self.store.commit(commit).await {
                Ok(_) => {
                    self.health().remove(&id);
                    return Ok(());
                }
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(DeliveryError::Throttled("the delivery is still at work; delete it again"))
    }

    /// Adds to `commit`: every shard's remaining records count as discarded (those that retention
    /// removed before as expired).
    async fn stage_discarded(&self, commit: &mut Commit, delivery: &Delivery) -> Result<(), DeliveryError> {
        let id = delivery.incarnation;
        let (rows, stream) = self.rows(delivery).await?;
        for mut row in rows {
            let ended = stream.as_ref().and_then(|stream| ended(stream, row.shard));
            let gone = ended.map(|shard| (shard.end, shard.end));
            if let Some((start, end)) = self.bounds_of(row.log).await?.or(gone) {
                let expired = (start.min(end) - row.position).max(0);
                let discarded = (end - row.position - expired).max(0);
                row.counts.expired += expired as u64;
                row.counts.discarded += discarded as u64;
                row.position += expired + discarded;
                commit.stage(|c| c.put(keys::position(id, row.shard), PositionRecord::from(&row).to_value()));
            }
        }
        Ok(())
    }

    /// Where a log begins and ends; `None` when it is gone.
    async fn bounds_of(&self, log: LogId) -> Result<Option<(i64, i64)>, StoreError> {
        match self.store.bounds(log).await {
            Ok(bounds) => Ok(Some((bounds.start, bounds.end))),
            Err(StoreError::NoSuchLog(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn ended(stream: &Stream, index: u32) -> Option<&EndedShard> {
    let at = stream.ended.binary_search_by_key(&index, |shard| shard.index).ok()?;
    stream.ended.get(at)
}
