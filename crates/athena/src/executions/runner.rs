//! Runs what is queued, a bounded number at a time, oldest first; picks up after a crash what had
//! not ended; forgets what is old.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use headwater_base::Caller;
use headwater_catalog::{QueryEngine, QueryError, QueryRequest};
use headwater_work::{Pass, Reconciler, Signal, TaskResult, Work};
use tokio::sync::watch;

use super::start::OPEN_MAX;
use super::state::State;
use super::{Execution, Executions};
use crate::records::index::ExecutionKey;

/// How long executions are kept.
const KEPT: Duration = Duration::from_secs(45 * 24 * 3600);
/// Executions forgotten in one pass.
const EXPIRED_PER_PASS: usize = 100;
/// How often an execution may be begun; then it fails.
const ATTEMPTS_MAX: u32 = 5;

/// The reconciler of executions.
#[derive(Debug)]
pub struct Runner {
    executions: Executions,
    engine: Arc<dyn QueryEngine>,
    work: Work,
    at_once: usize,
    running: Arc<Mutex<HashMap<ExecutionKey, watch::Sender<bool>>>>,
    signal: OnceLock<Signal>,
}

impl Runner {
    /// A runner of at most `at_once` executions at a time.
    pub fn new(executions: Executions, engine: Arc<dyn QueryEngine>, work: Work, at_once: usize) -> Self {
        Self { executions, engine, work, at_once, running: Arc::default(), signal: OnceLock::new() }
    }

    /// How it is woken; set once.
    pub fn wake_by(&self, signal: Signal) {
        // A second call keeps the first signal.
        let _ = self.signal.set(signal);
    }

    /// Asks for a pass soon.
    pub fn wake(&self) {
        if let Some(signal) = self.signal.get() {
            signal.notify();
        }
    }

    /// Stops the work of an execution, if it runs here.
    pub fn cancel(&self, key: &ExecutionKey) {
        if let Some(cancel) = self.lock().get(key) {
            cancel.send_replace(true);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ExecutionKey, watch::Sender<bool>>> {
        self.running.lock().expect("no holder of this lock panics")
    }

    /// Takes a place for the execution; `None` when it runs already or all places are taken.
    fn enter(&self, key: &ExecutionKey) -> Option<watch::Receiver<bool>> {
        let mut running = self.lock();
        if running.len() >= self.at_once || running.contains_key(key) {
            return None;
        }
        let (sender, receiver) = watch::channel(false);
        running.insert(key.clone(), sender);
        Some(receiver)
    }

    async fn begin(&self, key: ExecutionKey) -> TaskResult<()> {
        let Some(cancelled) = self.enter(&key) else { return Ok(()) };
        let place = Place {
            running: Arc::clone(&self.running),
            key: key.clone(),
            signal: self.signal.get().cloned(),
        };
        let Some(mut execution) = self.executions.get(&key.scope, &key.id).await? else { return Ok(()) };
        if execution.state().has_ended() {
            return Ok(());
        }
        let sql = self.executions.text(&execution).await?;
        let interrupted = execution.state() == State::Running;
        execution.row.state = State::Running.number();
        execution.row.attempts += 1;
        execution.row.started_ms.get_or_insert(self.executions.seams.clock.now().ms());
        if !self.executions.save(&mut execution).await? {
            return Ok(());
        }
        if interrupted && let Some(error) = hopeless(&execution, &sql) {
            self.executions.fail(execution, &error, 0).await?;
            return Ok(());
        }
        let (executions, engine, work) =
            (self.executions.clone(), Arc::clone(&self.engine), self.work.clone());
        // Nobody waits for it: its end is in its row.
        drop(self.work.detach(async move {
            run(executions, engine, work, execution, sql, cancelled).await;
            drop(place);
        }));
        Ok(())
    }
}

/// A taken place; leaving it wakes the runner.
struct Place {
    running: Arc<Mutex<HashMap<ExecutionKey, watch::Sender<bool>>>>,
    key: ExecutionKey,
    signal: Option<Signal>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.running.lock().expect("no holder of this lock panics").remove(&self.key);
        if let Some(signal) = &self.signal {
            signal.notify();
        }
    }
}

#[async_trait]
impl Reconciler for Runner {
    fn name(&self) -> String {
        "athena queries".to_owned()
    }

    async fn pass(&self) -> TaskResult<Pass> {
        for (_, key) in self.executions.open(OPEN_MAX).await? {
            if self.work.is_stopping() || self.lock().len() >= self.at_once {
                break;
            }
            self.begin(key).await?;
        }
        let before = self.executions.seams.clock.now().minus(KEPT).ms();
        let more = self.executions.expire(before, EXPIRED_PER_PASS).await?;
        Ok(if more { Pass::More } else { Pass::Done })
    }
}

/// Why an interrupted execution can't be run again, if it can't.
fn hopeless(execution: &Execution, sql: &str) -> Option<QueryError> {
    if execution.row.attempts > ATTEMPTS_MAX {
        let text = "GENERIC_INTERNAL_ERROR: the node stopped each time this query ran; it is not run again";
        return Some(QueryError::Internal(text.to_owned()));
    }
    let ddl = super::state::kind_of(sql) == 0;
    // CREATE TABLE … AS is named by its id and happens once.
    let ctas =
        ddl && sql.to_ascii_lowercase().split_whitespace().any(|word| word == "select" || word == "with");
    (ddl && !ctas).then(|| {
        QueryError::Internal(
            "GENERIC_INTERNAL_ERROR: the node stopped while this statement ran; it may or may not have taken effect"
                .to_owned(),
        )
    })
}

async fn run(
    executions: Executions,
    engine: Arc<dyn QueryEngine>,
    work: Work,
    execution: Execution,
    sql: String,
    mut cancelled: watch::Receiver<bool>,
) {
    let id = execution.key.id.clone();
    let request = request(&execution, sql);
    let done = async {
        let outcome = engine.execute(request).await.map_err(|error| (error, 0))?;
        let scanned = Arc::clone(&outcome.bytes_scanned);
        executions
            .succeed(execution.clone(), outcome)
            .await
            .map_err(|error| (error, scanned.load(std::sync::atomic::Ordering::Relaxed)))
    };
    let result = tokio::select! {
        result = done => result,
        _ = cancelled.wait_for(|cancelled| *cancelled) => return,
        // The row says that it runs: the next start of the node picks it up.
        () = work.stopping() => return,
    };
    let Err((error, scanned)) = result else { return };
    if matches!(error, QueryError::Internal(_)) {
        tracing::warn!(query = id, error = %error, "a query failed inside the node");
    }
    if let Err(error) = executions.fail(execution, &error, scanned).await {
        tracing::warn!(query = id, error = %error, "a query's end can't be recorded; it will run again");
    }
}

fn request(execution: &Execution, sql: String) -> QueryRequest {
    let row = &execution.row;
    QueryRequest {
        id: execution.key.id.clone(),
        scope: execution.key.scope.clone(),
        caller: Caller {
            account: execution.key.scope.account,
            access_key: row.access_key.clone(),
            user: row.user.clone(),
            canonical_id: row.canonical_id.clone(),
        },
        database: row.database.clone(),
        sql,
        output_location: Some(row.output_location.clone()),
        incremental: None,
    }
}
