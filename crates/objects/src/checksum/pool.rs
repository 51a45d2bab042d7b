//! Hashes the bodies that are on their way in side by side, on the blocking pool.
//!
//! What several uploads hand in while a worker is busy it takes together when it comes back, so that their
//! MD5s share its vectors ([`super::md5`]); the more uploads, the cheaper each.
//!
//! **Bounds.** An upload has one batch here at a time. Workers are as many as processors, and a further one is
//! begun only when a whole set of lanes waits.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use headwater_work::Work;
use tokio::sync::oneshot;

use super::Hasher;
use super::md5::{LANES, Lane, update_all};

/// Where batches wait to be hashed.
#[derive(Debug, Default)]
pub(crate) struct HashPool(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Batch>,
    workers: usize,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("waiting", &self.waiting.len()).field("workers", &self.workers).finish()
    }
}

struct Batch {
    hasher: Hasher,
    pieces: Vec<Bytes>,
    done: oneshot::Sender<Hasher>,
}

impl HashPool {
    /// Gives `hasher` these pieces; it comes back when it has them. An error there means that the node is
    /// stopping.
    pub(crate) fn update(self: &Arc<Self>, hasher: Hasher, pieces: Vec<Bytes>) -> oneshot::Receiver<Hasher> {
        let (done, receiver) = oneshot::channel();
        let mut queue = self.queue();
        queue.waiting.push_back(Batch { hasher, pieces, done });
        let is_short = queue.workers == 0 || queue.waiting.len() >= LANES;
        if is_short && queue.workers < workers_max() {
            queue.workers += 1;
            let pool = self.clone();
            // It tells each hasher's owner itself.
            drop(Work::begin_blocking(move || pool.work()));
        }
        receiver
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.0.lock().expect("no holder of this lock panics")
    }

    fn work(&self) {
        // Should hashing panic, this worker is not counted on any longer.
        let mut leave = Leave { pool: self, is_due: true };
        while let Some(mut batches) = self.take() {
            let mut lanes: Vec<Lane<'_>> =
                batches.iter_mut().map(|batch| Lane::new(&mut batch.hasher.md5, &batch.pieces)).collect();
            update_all(&mut lanes);
            drop(lanes);
            for Batch { mut hasher, pieces, done } in batches {
                pieces.iter().for_each(|piece| hasher.update_beside_md5(piece));
                // Its upload was given up: nobody needs it.
                let _ = done.send(hasher);
            }
        }
        leave.is_due = false;
    }

    /// What waits; `None` when that is nothing, and then the worker has left: decided under the lock that
    /// whoever hands in more takes.
    fn take(&self) -> Option<Vec<Batch>> {
        let mut queue = self.queue();
        let count = queue.waiting.len().min(LANES);
        if count == 0 {
            queue.workers -= 1;
            return None;
        }
        Some(queue.waiting.drain(..count).collect())
    }
}

struct Leave<'a> {
    pool: &'a HashPool,
    is_due: bool,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if self.is_due {
            self.pool.queue().workers -= 1;
        }
    }
}

fn workers_max() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[tokio::test]
    async fn bodies_hashed_together_have_the_digests_of_each() {
        let pool = Arc::new(HashPool::default());
        let wanted = BTreeSet::from([crate::ChecksumAlgorithm::Sha256]);
        let body = |n: u8| Bytes::from(vec![n; 100_000 + usize::from(n)]);
        let mut waiting = Vec::new();
        for n in 0..50u8 {
            let body = body(n);
            let pieces = vec![body.slice(..1000), body.slice(1000..)];
            waiting.push(pool.update(Hasher::new(&wanted), pieces));
        }
        for (n, receiver) in waiting.into_iter().enumerate() {
            let mut alone = Hasher::new(&wanted);
            alone.update(&body(n as u8));
            assert_eq!(receiver.await.unwrap().finish(), alone.finish());
        }
    }
}
