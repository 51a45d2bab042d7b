//! A store that fails when told to: conflicts, back-pressure, and crashes before and after a
//! commit took effect.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use headwater_store::layered::{Layer, Layered};
use headwater_store::{Commit, CommitError, Committed, Store};
use tokio::sync::Notify;

use crate::records::keys;

/// What happens at a commit of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing happens and it says so.
    Conflict,
    /// The store is behind.
    Busy,
    /// The process ends before the commit.
    CrashBefore,
    /// The process ends after the commit, before anyone hears of it.
    CrashAfter,
}

/// A store with faults.
pub(super) type FaultyStore = Layered<Faults>;

/// Faults that strike commits made by work that runs under [`Faults::until_crash`].
#[derive(Debug)]
pub(super) struct Faults {
    inner: Arc<dyn Store>,
    script: Mutex<VecDeque<Fault>>,
    armed: AtomicBool,
    crashed: Notify,
}

impl Faults {
    /// None yet, over a store.
    pub(super) fn over(inner: Arc<dyn Store>) -> FaultyStore {
        let (armed, crashed) = (AtomicBool::new(false), Notify::new());
        Layered(Self { inner, script: Mutex::default(), armed, crashed })
    }

    /// Adds a fault to those that strike one commit each.
    pub(super) fn next(&self, fault: Fault) {
        self.script.lock().unwrap().push_back(fault);
    }

    /// No more faults.
    pub(super) fn clear(&self) {
        self.script.lock().unwrap().clear();
    }

    /// Runs `work` until it ends, or until the process "crashes": then it is dropped.
    pub(super) async fn until_crash<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.armed.store(true, Ordering::Release);
        let ended = tokio::select! {
            biased;
            () = self.crashed.notified() => None,
            done = work => Some(done),
        };
        self.armed.store(false, Ordering::Release);
        ended
    }

    async fn crash(&self) -> ! {
        self.crashed.notify_one();
        std::future::pending().await
    }
}

#[async_trait]
impl Layer for Faults {
    fn beneath(&self) -> &dyn Store {
        &*self.inner
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        let armed = self.armed.load(Ordering::Acquire);
        let fault = if armed { self.script.lock().unwrap().pop_front() } else { None };
        match fault {
            None => self.inner.commit(commit).await,
            Some(Fault::Conflict) => Err(CommitError::Conflict(keys::head(0))),
            Some(Fault::Busy) => Err(CommitError::Busy),
            Some(Fault::CrashBefore) => self.crash().await,
            Some(Fault::CrashAfter) => {
                let _ = self.inner.commit(commit).await;
                self.crash().await
            }
        }
    }
}
