//! Every background task: reconcilers, leased jobs, services, schedules, shutdown.
//!
//! Nobody else calls `tokio::spawn`. Every task has a name and shows its last run, last error and
//! next run in [`Work::status`].
//!
//! | kind | what its error does | what shutdown does |
//! |---|---|---|
//! | reconciler | shown, logged, retried with backoff | lets the pass end, then stops |
//! | service | stops the node | waits until it has drained ([`Work::stopping`]) |
//! | detached, seen through | nothing here: its result goes to the caller | waits for it |
//!
//! **Invariants.** A reconciler never runs twice at once. A failing one is retried no sooner than
//! its backoff says, however often it is signalled, unless it knows itself that what it missed is
//! back ([`Reconciler::recovered`]). A panic in a pass is an error of that pass.
//!
//! **Failure.** What does not end within the limit of [`Work::shutdown`] is aborted where it waits;
//! it must leave nothing half-done, because kill -9 could have come at the same place.

mod reconcile;
mod registry;
mod through;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use headwater_base::{Seams, Timestamp};
use tokio::sync::{Notify, oneshot, watch};

use crate::registry::Registry;
pub use crate::through::{Panicked, Through};

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
    /// A stable, readable name: the kind of work, then (after a space) what it is about.
    fn name(&self) -> String;
    /// One pass. An error is shown and logged; the loop retries with backoff.
    async fn pass(&self) -> anyhow::Result<Pass>;
    /// Ends when what the last pass failed for want of may be there again: then the backoff is
    /// over. A reconciler that can't know leaves it to the backoff.
    async fn recovered(&self) {
        std::future::pending().await
    }
}

/// Wakes a reconciler; carries nothing, coalesces. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Signal(pub(crate) Arc<Notify>);

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
    pub(crate) stop: watch::Sender<bool>,
}

impl Running {
    /// Ends the task after its current pass.
    pub fn stop(&self) {
        self.stop.send_replace(true);
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
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    seams: Seams,
    registry: Registry,
    /// Becomes true once, when shutdown begins or a service fails.
    stop: watch::Sender<bool>,
    /// Why the node stops by itself, if it does.
    fatal: watch::Sender<Option<String>>,
    live: AtomicUsize,
    idle: Notify,
}

impl Work {
    /// Nothing running yet.
    pub fn new(seams: Seams) -> Self {
        let inner = Inner {
            seams,
            registry: Registry::default(),
            stop: watch::Sender::new(false),
            fatal: watch::Sender::new(None),
            live: AtomicUsize::new(0),
            idle: Notify::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Runs `reconciler` now, then at each (jittered) interval or signal.
    pub fn reconcile(&self, reconciler: Arc<dyn Reconciler>, every: Duration) -> Running {
        let running = Running { signal: Signal(Arc::new(Notify::new())), stop: watch::Sender::new(false) };
        let slot = self.inner.registry.enter(reconciler.name());
        let id = slot.id();
        let task = reconcile::run(self.clone(), reconciler, every, running.clone(), slot);
        self.spawn_listed(id, task);
        running
    }

    /// Runs a long-lived loop; its end with an error stops the node. The loop watches
    /// [`Work::stopping`] and ends by itself once it has drained.
    pub fn service(&self, name: &str, run: BoxFuture<'static, anyhow::Result<()>>) {
        let slot = self.inner.registry.enter(name.to_owned());
        let (id, work, name) = (slot.id(), self.clone(), name.to_owned());
        self.spawn_listed(id, async move {
            let ended = std::panic::AssertUnwindSafe(run).catch_unwind().await;
            let failure = match ended {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(format!("{error:#}")),
                Err(panic) => Some(format!("panicked: {}", panic_text(panic.as_ref()))),
            };
            slot.ended(work.inner.seams.clock.now(), failure.clone(), None);
            if let Some(error) = failure {
                tracing::error!(service = name, error, "a service failed; the node stops");
                work.inner.fatal.send_replace(Some(format!("{name}: {error}")));
                work.inner.stop.send_replace(true);
            }
        });
    }

    /// Runs `work` to its end even if the caller goes away (a started request). How many run at
    /// once is bounded by who admits them (the front door's limit on requests).
    pub fn detach<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (sender, receiver) = oneshot::channel();
        let guard = self.begin();
        spawn(async move {
            let done = work.await;
            drop(guard);
            // The caller may be gone; the work counts anyway.
            let _ = sender.send(done);
        });
        receiver
    }

    /// Runs `work` as part of the caller's task, and to its end even if the caller goes away: what is left
    /// then becomes a task of its own. Spares the caller two wakings; use [`Work::detach`] for what the
    /// caller has something to do beside. A panic is an error of the work.
    pub fn see_through<F>(&self, work: F) -> Through<F>
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        Through::new(work, self.begin())
    }

    /// Runs CPU-heavy `work` (over half a millisecond) on the blocking pool, whose threads are
    /// bounded by the runtime. A panic in it continues here.
    pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => done,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The runtime is being dropped and with it this very task.
            Err(_) => std::future::pending().await,
        }
    }

    /// Starts CPU-heavy `work` on the blocking pool at once; the receiver gets its result. An error
    /// there means that it panicked or that the node is stopping.
    pub fn begin_blocking<T: Send + 'static>(
        work: impl FnOnce() -> T + Send + 'static,
    ) -> tokio::sync::oneshot::Receiver<T> {
        let (tell, done) = tokio::sync::oneshot::channel();
        tokio::task::spawn_blocking(move || {
            // Nobody waits any more: the result has no use.
            let _ = tell.send(work());
        });
        done
    }

    /// Completes when shutdown begins.
    pub async fn stopping(&self) {
        let mut stop = self.inner.stop.subscribe();
        // The sender lives as long as `self`, so this ends only by the value.
        let _ = stop.wait_for(|stop| *stop).await;
    }

    /// Whether shutdown has begun.
    pub fn is_stopping(&self) -> bool {
        *self.inner.stop.borrow()
    }

    /// Why the node stops by itself: the service that failed and its error.
    pub fn fatal(&self) -> Option<String> {
        self.inner.fatal.borrow().clone()
    }

    /// Every task, in the order they were started.
    pub fn status(&self) -> Vec<TaskStatus> {
        self.inner.registry.rows_status()
    }

    /// How many tasks run at this moment, detached ones included.
    pub fn live(&self) -> usize {
        self.inner.live.load(Ordering::Acquire)
    }

    /// Tells everything to stop and waits for it, at most `limit`; aborts what is left.
    pub async fn shutdown(&self, limit: Duration) {
        self.inner.stop.send_replace(true);
        let drained = async {
            loop {
                let idle = self.inner.idle.notified();
                tokio::pin!(idle);
                idle.as_mut().enable();
                if self.live() == 0 {
                    return;
                }
                idle.await;
            }
        };
        if self.inner.seams.clock.timeout(limit, drained).await.is_none() {
            let names: Vec<String> = self.status().into_iter().map(|task| task.name).collect();
            tracing::warn!(live = self.live(), ?names, "tasks did not end in time and are aborted");
            self.inner.registry.abort_all();
        }
    }

    fn spawn_listed(&self, id: u64, task: impl Future<Output = ()> + Send + 'static) {
        let guard = self.begin();
        let handle = spawn(async move {
            task.await;
            drop(guard);
        });
        self.inner.registry.abortable(id, handle);
    }

    fn begin(&self) -> LiveGuard {
        self.inner.live.fetch_add(1, Ordering::AcqRel);
        LiveGuard(self.inner.clone())
    }
}

/// Counts one running task for as long as it lives, also when it is aborted or panics.
struct LiveGuard(Arc<Inner>);

impl Drop for LiveGuard {
    fn drop(&mut self) {
        if self.0.live.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this crate is the one place that spawns")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) -> tokio::task::AbortHandle {
    tokio::spawn(task).abort_handle()
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    struct Scripted {
        script: Mutex<Vec<anyhow::Result<Pass>>>,
        passes: watch::Sender<u32>,
    }

    #[async_trait]
    impl Reconciler for Scripted {
        fn name(&self) -> String {
            "scripted".into()
        }
        async fn pass(&self) -> anyhow::Result<Pass> {
            let next = self.script.lock().unwrap().pop();
            self.passes.send_modify(|n| *n += 1);
            match next {
                Some(Err(error)) if error.to_string() == "panic" => panic!("as told"),
                Some(outcome) => outcome,
                None => Ok(Pass::Done),
            }
        }
    }

    fn scripted(mut outcomes: Vec<anyhow::Result<Pass>>) -> (Arc<Scripted>, watch::Receiver<u32>) {
        outcomes.reverse();
        let passes = watch::Sender::new(0);
        let seen = passes.subscribe();
        (Arc::new(Scripted { script: Mutex::new(outcomes), passes }), seen)
    }

    #[tokio::test]
    async fn more_comes_back_at_once_and_a_signal_wakes() {
        let work = Work::new(Seams::system());
        let (task, mut passes) = scripted(vec![Ok(Pass::More), Ok(Pass::More), Ok(Pass::Done)]);
        let running = work.reconcile(task, Duration::from_secs(3600));
        passes.wait_for(|n| *n == 3).await.unwrap();
        running.signal.notify();
        passes.wait_for(|n| *n == 4).await.unwrap();
        work.shutdown(Duration::from_secs(5)).await;
        assert_eq!(work.live(), 0);
    }

    #[tokio::test]
    async fn errors_and_panics_are_shown_and_retried() {
        let work = Work::new(Seams::system());
        let (task, mut passes) =
            scripted(vec![Err(anyhow::anyhow!("disk on fire")), Err(anyhow::anyhow!("panic"))]);
        let _running = work.reconcile(task, Duration::from_secs(3600));
        passes.wait_for(|n| *n == 3).await.unwrap();
        work.shutdown(Duration::from_secs(5)).await;
        let _ = passes;
        assert_eq!(work.live(), 0);
    }

    /// Fails until something is there, and knows when it is.
    struct Missing {
        there: watch::Receiver<bool>,
        passes: watch::Sender<u32>,
    }

    #[async_trait]
    impl Reconciler for Missing {
        fn name(&self) -> String {
            "missing".into()
        }
        async fn pass(&self) -> anyhow::Result<Pass> {
            self.passes.send_modify(|n| *n += 1);
            if *self.there.borrow() { Ok(Pass::Done) } else { Err(anyhow::anyhow!("not there")) }
        }
        async fn recovered(&self) {
            let _ = self.there.clone().wait_for(|there| *there).await;
        }
    }

    #[tokio::test]
    async fn a_task_that_knows_what_it_waits_for_does_not_wait_for_the_backoff() {
        let seams = Seams::simulated(Timestamp::from_ms(0), 1);
        let work = Work::new(seams.clone());
        let (there, receiver) = watch::channel(false);
        let passes = watch::Sender::new(0);
        let mut seen = passes.subscribe();
        let _running =
            work.reconcile(Arc::new(Missing { there: receiver, passes }), Duration::from_secs(3600));
        // The manual clock is looked at once a millisecond.
        let look = Duration::from_millis(3);
        let real = Seams::system().clock;
        while *seen.borrow() < 12 {
            seams.clock.advance(Duration::from_secs(60));
            let _ = real.timeout(look, seen.changed()).await;
        }
        there.send_replace(true);
        let failed = *seen.borrow();
        // After so many failures the backoff is 24 seconds at least.
        for _ in 0..100 {
            seams.clock.advance(Duration::from_millis(100));
            if real.timeout(look, seen.wait_for(|n| *n > failed)).await.is_some() {
                break;
            }
        }
        assert!(*seen.borrow() > failed);
        work.shutdown(Duration::from_secs(5)).await;
    }

    #[tokio::test]
    async fn what_is_seen_through_ends_even_if_its_caller_goes_away() {
        let work = Work::new(Seams::system());
        assert_eq!(work.see_through(async { 7 }).await, Ok(7));
        assert_eq!(work.see_through(async { panic!("as told") }).await, Err::<(), _>(Panicked));
        let (go, may_go) = oneshot::channel::<()>();
        let (tell, mut told) = oneshot::channel();
        let mut through = Box::pin(work.see_through(async move {
            may_go.await.unwrap();
            tell.send(7).unwrap();
        }));
        assert!(futures::poll!(&mut through).is_pending());
        drop(through);
        assert_eq!(work.live(), 1);
        assert!(told.try_recv().is_err());
        go.send(()).unwrap();
        assert_eq!(told.await, Ok(7));
        work.shutdown(Duration::from_secs(5)).await;
        assert_eq!(work.live(), 0);
    }

    #[tokio::test]
    async fn status_tells_runs_failures_and_the_last_error() {
        let work = Work::new(Seams::simulated(Timestamp::from_ms(1_000), 7));
        let (task, mut passes) = scripted(vec![Err(anyhow::anyhow!("disk on fire").context("sweeping"))]);
        let _running = work.reconcile(task, Duration::from_secs(60));
        passes.wait_for(|n| *n == 1).await.unwrap();
        tokio::task::yield_now().await;
        let row = &work.status()[0];
        assert_eq!((row.name.as_str(), row.runs, row.failures), ("scripted", 1, 1));
        assert_eq!(row.last_error.as_deref(), Some("sweeping: disk on fire"));
        assert!(row.next_run.is_some_and(|next| next > Timestamp::from_ms(1_000)));
    }

    #[tokio::test]
    async fn a_stopped_reconciler_leaves_the_list() {
        let work = Work::new(Seams::system());
        let (task, mut passes) = scripted(vec![]);
        let running = work.reconcile(task, Duration::from_secs(3600));
        passes.wait_for(|n| *n == 1).await.unwrap();
        running.stop();
        while work.live() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(work.status().is_empty());
    }

    #[tokio::test]
    async fn a_failed_service_stops_the_node() {
        let work = Work::new(Seams::system());
        work.service("listener", async { anyhow::bail!("port taken") }.boxed());
        work.stopping().await;
        assert_eq!(work.fatal().as_deref(), Some("listener: port taken"));
    }

    #[tokio::test]
    async fn detached_work_survives_its_caller_and_shutdown_waits_for_it() {
        let work = Work::new(Seams::system());
        let (go, gate) = oneshot::channel::<()>();
        let done = Arc::new(AtomicUsize::new(0));
        let seen = done.clone();
        drop(work.detach(async move {
            let _ = gate.await;
            seen.fetch_add(1, Ordering::SeqCst);
        }));
        let stop = work.shutdown(Duration::from_secs(5));
        tokio::join!(stop, async { go.send(()).unwrap() });
        assert_eq!(done.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn shutdown_aborts_what_does_not_end() {
        let work = Work::new(Seams::system());
        work.service("deaf", std::future::pending().boxed());
        work.shutdown(Duration::from_millis(10)).await;
        while work.live() > 0 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn blocking_work_returns_its_result() {
        assert_eq!(Work::blocking(|| 6 * 7).await, 42);
    }
}
