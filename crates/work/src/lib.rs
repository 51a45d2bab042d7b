//! Every background task: reconcilers, leased jobs, services, schedules, shutdown.
//!
//! Nobody else calls `tokio::spawn`. Every task has a name and shows its last run, last error and
//! next run in [`Work::status`].

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use headwater_base::{Seams, Timestamp};

/// How a task fails and what it returns, for crates that run tasks.
pub use anyhow::{Error as TaskError, Result as TaskResult};

/// What a reconciler's pass found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// All is as it should be: come back at the next interval or signal.
    Done,
    /// A bounded amount was done and there is more: come back at once.
    More,
}

/// Compares what is with what should be and mends the difference, a bounded amount at a time.
/// Takes no input, so a missed signal costs time and nothing else.
#[async_trait]
pub trait Reconciler: Send + Sync + 'static {
    /// A stable, readable name.
    fn name(&self) -> String;
    /// One pass. An error is shown and logged; the loop retries with backoff.
    async fn pass(&self) -> anyhow::Result<Pass>;
}

/// Wakes a reconciler; carries nothing, coalesces. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Signal(pub(crate) Arc<tokio::sync::Notify>);

impl Signal {
    /// Asks for a pass soon.
    pub fn notify(&self) {
        self.0.notify_one();
    }
}

/// Stops its reconciler when told; dropping it leaves the reconciler running.
#[derive(Clone, Debug)]
pub struct Running {
    /// Wakes the task.
    pub signal: Signal,
    pub(crate) stop: tokio::sync::watch::Sender<bool>,
}

impl Running {
    /// Ends the task after its current pass.
    pub fn stop(&self) {
        let _ = self.stop.send(true);
    }
}

/// One task as status pages show it.
#[derive(Clone, Debug)]
pub struct TaskStatus {
    /// The task's name.
    pub name: String,
    /// When the last pass ended.
    pub last_run: Option<Timestamp>,
    /// The last pass's error, if it failed.
    pub last_error: Option<String>,
    /// When the next pass is due, if it is timed.
    pub next_run: Option<Timestamp>,
    /// How many passes ended.
    pub runs: u64,
    /// How many of them failed.
    pub failures: u64,
}

/// Runs and shows every task. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Work {
    pub(crate) seams: Seams,
}

impl Work {
    /// Nothing running yet.
    pub fn new(seams: Seams) -> Self {
        Self { seams }
    }

    /// Runs `reconciler` now, then at each (jittered) interval or signal.
    pub fn reconcile(&self, reconciler: Arc<dyn Reconciler>, every: Duration) -> Running {
        let _ = (reconciler, every);
        todo!("work owner")
    }

    /// Runs a long-lived loop; its end with an error stops the node.
    pub fn service(&self, name: &str, run: BoxFuture<'static, anyhow::Result<()>>) {
        let _ = (name, run);
        todo!("work owner")
    }

    /// Runs `work` to its end even if the caller goes away (a started request).
    pub fn detach<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> tokio::sync::oneshot::Receiver<T> {
        let _ = (&self.seams, work);
        todo!("work owner")
    }

    /// Runs CPU-heavy `work` (over half a millisecond) on the blocking pool.
    pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        let _ = work;
        todo!("work owner")
    }

    /// Completes when shutdown begins.
    pub async fn stopping(&self) {
        todo!("work owner")
    }

    /// Every task.
    pub fn status(&self) -> Vec<TaskStatus> {
        todo!("work owner")
    }

    /// Tells everything to stop and waits for it, at most `limit`.
    pub async fn shutdown(&self, limit: Duration) {
        let _ = limit;
        todo!("work owner")
    }
}
