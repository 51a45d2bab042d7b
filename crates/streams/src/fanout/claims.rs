//! Who is subscribed to what: one subscription for each consumer and shard.
//!
//! **Invariants.** The newest claim is the one that holds; the others were told. A claim is
//! remembered for [`RESUBSCRIBE_MIN`] after it was made, also when it was released before. There
//! are at most [`SUBSCRIPTIONS_MAX`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use headwater_base::Clock;
use tokio::sync::watch;

use super::{RESUBSCRIBE_MIN, SUBSCRIPTION_LIFETIME, SUBSCRIPTIONS_MAX};
use crate::ConsumerError;

/// A consumer's id and the index of a shard of its stream.
type Place = (u64, u32);

/// Every claim of a node.
#[derive(Debug, Default)]
pub(super) struct Claims(Mutex<HashMap<Place, Entry>>);

#[derive(Debug)]
struct Entry {
    made: Duration,
    /// Tells the subscription that it is over, and why; gone once it was released.
    end: Option<watch::Sender<Option<End>>>,
}

/// Why a subscription ends that could have gone on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    TakenOver,
    Deregistered,
}

/// One subscription's right to its place. Dropping it releases it.
#[derive(Debug)]
pub(super) struct Claim {
    claims: Arc<Claims>,
    clock: Clock,
    place: Place,
    end: watch::Receiver<Option<End>>,
}

impl Claims {
    /// Claims a place, from whoever has it.
    pub(super) fn claim(self: &Arc<Self>, place: Place, clock: &Clock) -> Result<Claim, ConsumerError> {
        let now = clock.monotonic();
        let (end, ending) = watch::channel(None);
        let mut entries = self.lock();
        if entries.get(&place).is_some_and(|known| now < known.made + RESUBSCRIBE_MIN) {
            return Err(ConsumerError::InUse);
        }
        if entries.len() >= SUBSCRIPTIONS_MAX && !entries.contains_key(&place) {
            entries.retain(|_, entry| entry.counts(now));
            if entries.len() >= SUBSCRIPTIONS_MAX {
                return Err(ConsumerError::TooMany {
                    what: "subscriptions on one node",
                    limit: SUBSCRIPTIONS_MAX,
                });
            }
        }
        if let Some(before) = entries.insert(place, Entry { made: now, end: Some(end) }) {
            before.tell(End::TakenOver);
        }
        metrics::gauge!("headwater_fanout_subscriptions").increment(1.0);
        Ok(Claim { claims: Arc::clone(self), clock: clock.clone(), place, end: ending })
    }

    /// Ends every subscription of a consumer.
    pub(super) fn end_consumer(&self, consumer: u64) {
        self.lock().retain(|(id, _), entry| {
            if *id == consumer {
                entry.tell(End::Deregistered);
            }
            *id != consumer
        });
    }

    /// How many are held.
    pub(super) fn held(&self) -> usize {
        self.lock().values().filter(|entry| entry.end.is_some()).count()
    }

    /// How many are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Place, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// Whether it still matters: held, or too fresh to be claimed again. One that outlived its
    /// lifetime belongs to a subscriber that takes nothing, not even the end.
    fn counts(&self, now: Duration) -> bool {
        let age = now.saturating_sub(self.made);
        age < if self.end.is_some() { SUBSCRIPTION_LIFETIME } else { RESUBSCRIBE_MIN }
    }

    fn tell(&self, why: End) {
        if let Some(end) = &self.end {
            end.send_replace(Some(why));
        }
    }
}

impl Claim {
    /// Why the subscription is over, if it is.
    pub(super) fn ended(&self) -> Option<ConsumerError> {
        (*self.end.borrow()).map(|end| match end {
            End::TakenOver => ConsumerError::InUse,
            End::Deregistered => ConsumerError::NoSuchConsumer,
        })
    }

    /// Completes when it is.
    pub(super) async fn ending(&mut self) {
        if self.end.wait_for(Option::is_some).await.is_err() {
            // Pruned: it goes on until its time is over.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        metrics::gauge!("headwater_fanout_subscriptions").decrement(1.0);
        let now = self.clock.monotonic();
        let mut entries = self.claims.lock();
        let Some(entry) = entries.get_mut(&self.place) else { return };
        // Another one's, if this one was taken over.
        if !entry.end.as_ref().is_some_and(|end| end.subscribe().same_channel(&self.end)) {
            return;
        }
        entry.end = None;
        if !entry.counts(now) {
            entries.remove(&self.place);
        }
    }
}
