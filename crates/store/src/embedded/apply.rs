//! The apply thread: durable groups become visible, then acknowledged, then announced.
//!
//! ```text
//! durable ─► index batch ─► logs and view swapped together ─► answers ─► watches
//! ```
//! It is a thread of its own because the engine's writers sleep under back-pressure; the journal
//! thread must not.
//!
//! **Invariants.** Logs and facts of a commit become visible at the same moment. Nobody is answered
//! or woken before that.
//!
//! **Failure.** An error of the index ends the process; the journal has everything, the next start
//! replays it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use bytes::Bytes;

use crate::StoreError;
use crate::embedded::disk;
use crate::embedded::engine::Shared;
use crate::embedded::index::{Applied, Mark};
use crate::embedded::journal::writer::DurableGroup;
use crate::sequencer::LogEffect;

/// The most groups applied in one index batch.
const GROUPS_MAX: usize = 64;
/// How often the thread looks whether a mark is wanted while nothing is committed.
const IDLE_LOOK: Duration = Duration::from_millis(250);

/// The thread's state.
#[derive(Debug)]
pub(crate) struct Applier {
    /// What it makes visible.
    pub shared: Arc<Shared>,
    /// Where durable groups come from. Ends when the journal thread does.
    pub groups: Receiver<DurableGroup>,
    /// How far the index is.
    pub applied: Applied,
}

impl Applier {
    /// Runs until the journal thread ends, then marks and persists the index.
    pub fn run(mut self) {
        loop {
            match self.groups.recv_timeout(IDLE_LOOK) {
                Ok(group) => self.apply(group),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.shared.mark_wanted() {
                self.or_die(mark(&self.shared, self.applied));
            }
        }
        if self.shared.persists_at_close() {
            self.or_die(mark(&self.shared, self.applied).and_then(|()| self.shared.persist()));
        }
    }

    fn apply(&mut self, first: DurableGroup) {
        let mut groups = vec![first];
        while groups.len() < GROUPS_MAX {
            match self.groups.try_recv() {
                Ok(group) => groups.push(group),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        groups.iter_mut().for_each(own_payloads);
        let entries = || groups.iter().flat_map(|group| &group.entries).map(|(effects, _)| effects);
        if entries().next().is_some() {
            let applied = self.shared.index.apply(self.applied, entries());
            self.applied = self.or_die(applied);
            self.shared.swap_in(&groups, self.applied);
        }
        self.answer(groups);
    }

    fn answer(&self, mut groups: Vec<DurableGroup>) {
        let replies = || groups.iter().flat_map(|group| &group.replies);
        let bytes = replies().map(|reply| reply.bytes).sum();
        self.shared.front.published(self.applied.lsn, bytes);
        for reply in groups.iter_mut().flat_map(|group| group.replies.drain(..)) {
            let _ = reply.to.send(reply.answer);
        }
        for (effects, _) in groups.iter().flat_map(|group| &group.entries) {
            self.shared.watches.published(effects);
        }
        self.shared.front.unpark(self.shared.as_ref());
    }

    fn or_die<T>(&self, result: Result<T, StoreError>) -> T {
        result.unwrap_or_else(|error| disk::fatal("apply commits to the index in", &self.shared.dir, &error))
    }
}

/// The hot tail keeps these payloads for long, and is bounded by their length: so none of them may hold a
/// larger buffer in memory, such as the request it came in.
fn own_payloads(group: &mut DurableGroup) {
    for change in group.entries.iter_mut().flat_map(|(effects, _)| &mut effects.logs) {
        if let LogEffect::Appended { payload, .. } = change {
            *payload = owned(std::mem::take(payload));
        }
    }
}

/// The same bytes in a buffer of their own that is at most an eighth larger.
fn owned(payload: Bytes) -> Bytes {
    let most = payload.len() + payload.len() / 8;
    match payload.try_into_mut() {
        Ok(alone) if alone.capacity() <= most => alone.freeze(),
        Ok(roomy) => Bytes::copy_from_slice(&roomy),
        Err(shared) => Bytes::copy_from_slice(&shared),
    }
}

/// Writes down where logs and tokens stand at `applied`.
fn mark(shared: &Shared, applied: Applied) -> Result<(), StoreError> {
    let since = shared.last_mark();
    if since == applied.lsn {
        shared.marked(applied.lsn);
        return Ok(());
    }
    let logs = shared.logs().take_dirty();
    // The sequencer may be ahead of what is applied; a token beyond the mark does no harm, because
    // its entry is replayed after the mark, but its commit must not be taken for published: leave it.
    let (time, once) = shared.front.with_state(|state| {
        let new = state.once.after(since).filter(|(_, outcome)| outcome.lsn <= applied.lsn);
        let once: Vec<_> = new.map(|(token, outcome)| (*token, outcome.clone())).collect();
        (state.last_time, once)
    });
    let mark = Mark { lsn: applied.lsn, time, generation: applied.generation, logs, once };
    shared.index.mark(&mark)?;
    shared.marked(applied.lsn);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_holds_no_larger_buffer() {
        let exact = Bytes::from(vec![7; 100_000]);
        let at = exact.as_ptr();
        assert_eq!(owned(exact).as_ptr(), at, "what has a buffer of its own is not copied");
        let request = Bytes::from(vec![7; 100_000]);
        let piece = request.slice(10..1_000);
        let at = piece.as_ptr();
        let copy = owned(piece.clone());
        assert_eq!(copy, piece);
        assert_ne!(copy.as_ptr(), at);
        let mut roomy = Vec::with_capacity(100_000);
        roomy.extend_from_slice(&[7; 1_000]);
        let at = roomy.as_ptr();
        assert_ne!(owned(roomy.into()).as_ptr(), at);
    }
}
