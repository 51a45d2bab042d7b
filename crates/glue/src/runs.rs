//! The runner of job runs.
//!
//! A pass looks for active runs that nobody runs yet and runs up to [`RUNNING_MAX`] of them side
//! by side. A run does its statements one after another and writes down after each how far it is.
//!
//! **Failure.** A run under way when the node ended is found by the first pass after the start and
//! goes on with the statement it was at. That statement has the id it had before, so if it was
//! committed, it is not done twice.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use headwater_catalog::{Incremental, QueryError, QueryRequest};
use headwater_objects::{BucketName, ObjectKey};
use headwater_store::{Commit, Direction, KeyRange, StoreError};
use headwater_work::Signal;
use headwater_work::{Pass, Reconciler, TaskResult, Work};
use tokio::sync::Notify;

use crate::jobs::{ARG_BOOKMARK, ARG_DATABASE, ARG_INCREMENTAL, ARG_OUTPUT, ARG_SQL, Job};
use crate::records::job::{ActiveRunRecord, RunRecord, RunState, ScriptRecord};
use crate::records::keys::{self, RunKey};
use crate::records::{decode, encode};
use crate::{Ground, State, script};

/// How many runs run side by side.
const RUNNING_MAX: usize = 4;
/// How many active runs a pass looks at.
const ACTIVE_ROWS: usize = 1000;
/// How long a failed run waits before its next attempt.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The runs that run in this process.
#[derive(Debug, Default)]
pub(crate) struct Runner {
    live: Mutex<HashMap<RunKey, Arc<Notify>>>,
    /// Wakes the reconciler, once there is one.
    pub(crate) wake: OnceLock<Signal>,
}

impl Runner {
    /// Tells a run of this process to stop.
    pub(crate) fn stop(&self, key: &RunKey) {
        if let Some(stop) = self.live().get(key) {
            stop.notify_one();
        }
    }

    /// Looks for runs soon.
    pub(crate) fn wake(&self) {
        if let Some(signal) = self.wake.get() {
            signal.notify();
        }
    }

    /// Takes a run on, if nobody runs it and there is room.
    fn take(&self, key: &RunKey) -> Option<Arc<Notify>> {
        let mut live = self.live();
        if live.len() >= RUNNING_MAX || live.contains_key(key) {
            return None;
        }
        let stop = Arc::new(Notify::new());
        live.insert(key.clone(), Arc::clone(&stop));
        Some(stop)
    }

    fn release(&self, key: &RunKey) {
        self.live().remove(key);
    }

    fn live(&self) -> std::sync::MutexGuard<'_, HashMap<RunKey, Arc<Notify>>> {
        self.live.lock().expect("no holder of this lock panics")
    }
}

/// Finds runs to run.
pub(crate) struct RunReconciler {
    pub(crate) state: State,
    pub(crate) work: Work,
}

#[async_trait]
impl Reconciler for RunReconciler {
    fn name(&self) -> String {
        "glue: job runs".to_owned()
    }

    async fn pass(&self) -> TaskResult<Pass> {
        let range = KeyRange::prefix(&keys::everywhere(keys::ACTIVE_RUN));
        let rows = self.state.ground.store.scan(&range, ACTIVE_ROWS, Direction::Forward).await?;
        for key in rows.iter().filter_map(|row| keys::run_of(&row.key)) {
            let Some(stop) = self.state.runner.take(&key) else { continue };
            let (state, work) = (self.state.clone(), self.work.clone());
            let taken = Taken { state: state.clone(), key: key.clone() };
            drop(self.work.detach(async move {
                let run = Run { ground: state.ground.clone(), state, work, key, stop };
                if let Err(error) = run.to_its_end().await {
                    let (job, id) = (&run.key.job, &run.key.id);
                    tracing::error!(%error, job, run = id, "a job run could not be kept account of");
                }
                drop(taken);
            }));
        }
        Ok(Pass::Done)
    }
}

/// A run that this process runs; given back when dropped, also after a panic.
struct Taken {
    state: State,
    key: RunKey,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.state.runner.release(&self.key);
        self.state.runner.wake();
    }
}

/// How a run ended.
enum End {
    Succeeded,
    Stopped,
    TimedOut,
    Failed(String),
}

/// One run.
struct Run {
    state: State,
    ground: Ground,
    work: Work,
    key: RunKey,
    stop: Arc<Notify>,
}

impl Run {
    async fn to_its_end(&self) -> Result<(), StoreError> {
        loop {
            let Some(mut record) = self.record().await? else { return self.forget().await };
            match self.was_stopped().await? {
                Some(false) => {}
                Some(true) => return self.finish(record, End::Stopped).await,
                // It came to its end after it was looked for.
                None => return Ok(()),
            }
            let clock = &self.ground.seams.clock;
            let began = headwater_base::Timestamp::from_ms(record.started_ms);
            let limit = Duration::from_secs(record.timeout_minutes.saturating_mul(60));
            let left = limit.saturating_sub(clock.now().since(began));
            let end = tokio::select! {
                end = self.attempt(&mut record) => end,
                () = self.stop.notified() => Ok(End::Stopped),
                () = clock.sleep(left) => Ok(End::TimedOut),
                // The next start of the node goes on with it.
                () = self.work.stopping() => return Ok(()),
            }?;
            // What the attempt wrote down last is what counts; it may have been cut short.
            let Some(mut record) = self.record().await? else { return self.forget().await };
            match end {
                End::Failed(message) if record.attempt < record.max_retries => {
                    record.attempt += 1;
                    record.error = Some(message);
                    self.save(&mut record).await?;
                    tokio::select! {
                        () = clock.sleep(RETRY_AFTER) => {}
                        () = self.stop.notified() => return self.finish(record, End::Stopped).await,
                        () = self.work.stopping() => return Ok(()),
                    }
                }
                end => return self.finish(record, end).await,
            }
        }
    }

    /// Does the statements that are left.
    async fn attempt(&self, record: &mut RunRecord) -> Result<End, StoreError> {
        record.state = RunState::Running;
        self.save(record).await?;
        let script = match self.script(record).await? {
            Ok(script) => script,
            Err(message) => return Ok(End::Failed(message)),
        };
        let mut writes = 0;
        for (index, statement) in script.statements.iter().enumerate() {
            let nth_write = script::writes_rows(statement).then_some(writes);
            writes += usize::from(nth_write.is_some());
            if index < record.cursor as usize {
                continue;
            }
            let request = match self.request(record, &script, index, nth_write) {
                Ok(request) => request,
                Err(message) => return Ok(End::Failed(message)),
            };
            if let Err(error) = self.execute(request).await {
                let count = script.statements.len();
                return Ok(End::Failed(format!("statement {} of {count}: {error}", index + 1)));
            }
            record.cursor += 1;
            self.save(record).await?;
        }
        Ok(End::Succeeded)
    }

    fn request(
        &self,
        record: &RunRecord,
        script: &ScriptRecord,
        index: usize,
        nth_write: Option<usize>,
    ) -> Result<QueryRequest, String> {
        let caller = record.caller.caller().ok_or("the run's caller is not readable")?;
        let incremental = nth_write.zip(script.incremental_input.clone()).map(|(nth, table)| Incremental {
            table,
            bookmark: Job::bookmark(&self.key.scope, &self.key.job, nth),
        });
        Ok(QueryRequest {
            id: format!("{}-{index:04}", self.key.id),
            scope: self.key.scope.clone(),
            caller,
            database: script.database.clone(),
            sql: script.statements[index].clone(),
            output_location: script.output_location.clone(),
            incremental,
        })
    }

    /// Runs a statement to its end; rows it answers with are not kept.
    async fn execute(&self, request: QueryRequest) -> Result<(), QueryError> {
        let Some(queries) = &self.ground.queries else {
            return Err(QueryError::User("this node was built without a query engine".to_owned()));
        };
        let mut outcome = queries.execute(request).await?;
        while let Some(batch) = outcome.batches.next().await {
            batch?;
        }
        Ok(())
    }

    /// What the run does: as written down when it began, or read now and written down.
    async fn script(&self, record: &RunRecord) -> Result<Result<ScriptRecord, String>, StoreError> {
        let key = keys::run(keys::RUN_SCRIPT, &self.key);
        if let Some(fact) = self.ground.store.get(&key).await? {
            return Ok(Ok(decode(&key, &fact.value)?));
        }
        let script = match self.read_script(record).await {
            Ok(script) => script,
            Err(message) => return Ok(Err(message)),
        };
        match self.ground.store.commit(Commit::new().put(key, encode(&script))).await {
            Ok(_) => Ok(Ok(script)),
            Err(error) => Ok(Err(format!("the script can't be kept: {error}"))),
        }
    }

    async fn read_script(&self, record: &RunRecord) -> Result<ScriptRecord, String> {
        let job = self.state.job(&self.key.scope, &self.key.job).await.map_err(|fault| fault.message)?;
        let arguments = job.arguments(&record.arguments);
        let text = match arguments.get(ARG_SQL) {
            Some(text) => text.clone(),
            None => {
                let command = job.shape.command.unwrap_or_default();
                self.read_object(command.script_location.as_deref().unwrap_or_default()).await?
            }
        };
        let statements = script::statements(&text);
        if text.len() > script::SCRIPT_BYTES_MAX || statements.len() > script::STATEMENTS_MAX {
            let (bytes, count) = (script::SCRIPT_BYTES_MAX, script::STATEMENTS_MAX);
            return Err(format!("a script has at most {bytes} bytes and {count} statements"));
        }
        if statements.is_empty() {
            return Err("the script holds no statement".to_owned());
        }
        let bookmarks = arguments.get(ARG_BOOKMARK).is_none_or(|option| option != "job-bookmark-disable");
        let incremental = arguments.get(ARG_INCREMENTAL).filter(|_| bookmarks).cloned();
        let database = arguments.get(ARG_DATABASE).cloned();
        let of_input = incremental.as_deref().and_then(|table| table.split('.').next()).map(str::to_owned);
        Ok(ScriptRecord {
            statements,
            database: database.or(of_input).unwrap_or_else(|| "default".to_owned()),
            incremental_input: incremental,
            output_location: arguments.get(ARG_OUTPUT).cloned(),
        })
    }

    async fn read_object(&self, location: &str) -> Result<String, String> {
        let failed = |why: &dyn std::fmt::Display| format!("the script {location} can't be read: {why}");
        let (bucket, key) = location
            .strip_prefix("s3://")
            .and_then(|path| path.split_once('/'))
            .ok_or_else(|| failed(&"it has the form s3://bucket/key"))?;
        let name = BucketName::new(bucket).map_err(|e| failed(&e))?;
        let key = ObjectKey::new(key).map_err(|e| failed(&e))?;
        let objects = &self.ground.objects;
        let bucket = objects.bucket(&name).await.map_err(|e| failed(&e))?;
        if bucket.owner != self.key.scope.account {
            return Err(failed(&"access denied"));
        }
        let reader = objects.open(&bucket, &key).await.map_err(|e| failed(&e))?;
        if reader.info.size > script::SCRIPT_BYTES_MAX as u64 {
            return Err(failed(&format!("it has more than {} bytes", script::SCRIPT_BYTES_MAX)));
        }
        let bytes = reader.read(0..reader.info.size).await.map_err(|e| failed(&e))?;
        String::from_utf8(bytes.to_vec()).map_err(|_| failed(&"it is not UTF-8"))
    }

    async fn record(&self) -> Result<Option<RunRecord>, StoreError> {
        let key = keys::run(keys::RUN, &self.key);
        match self.ground.store.get(&key).await? {
            Some(fact) => Ok(Some(decode(&key, &fact.value)?)),
            None => Ok(None),
        }
    }

    /// Whether somebody asked the run to stop; `None` when it is at its end.
    async fn was_stopped(&self) -> Result<Option<bool>, StoreError> {
        let key = keys::run(keys::ACTIVE_RUN, &self.key);
        match self.ground.store.get(&key).await? {
            Some(fact) => Ok(Some(decode::<ActiveRunRecord>(&key, &fact.value)?.stopping)),
            None => Ok(None),
        }
    }

    /// Writes down how far the run is.
    async fn save(&self, record: &mut RunRecord) -> Result<(), StoreError> {
        record.updated_ms = self.ground.seams.clock.now().ms();
        let key = keys::run(keys::RUN, &self.key);
        let commit = Commit::new().expect_present(key.clone()).put(key, encode(record)).freeing();
        self.ground.store.commit(commit).await.map_err(|error| StoreError::Io(error.to_string()))?;
        Ok(())
    }

    async fn finish(&self, mut record: RunRecord, end: End) -> Result<(), StoreError> {
        let now = self.ground.seams.clock.now().ms();
        (record.state, record.error) = match end {
            End::Succeeded => (RunState::Succeeded, None),
            End::Stopped => (RunState::Stopped, record.error),
            End::TimedOut => (RunState::TimedOut, Some("the run took longer than its timeout".to_owned())),
            End::Failed(message) => (RunState::Failed, Some(message)),
        };
        record.updated_ms = now;
        record.completed_ms = Some(now);
        tracing::info!(job = self.key.job, run = self.key.id, state = record.state.name(), "job run ended");
        metrics::counter!("headwater_glue_job_runs_total", "state" => record.state.name()).increment(1);
        let commit = self.ending().put(keys::run(keys::RUN, &self.key), encode(&record));
        self.ground.store.commit(commit).await.map_err(|error| StoreError::Io(error.to_string()))?;
        Ok(())
    }

    /// The run was deleted with its job.
    async fn forget(&self) -> Result<(), StoreError> {
        self.ground.store.commit(self.ending()).await.map_err(|error| StoreError::Io(error.to_string()))?;
        Ok(())
    }

    fn ending(&self) -> Commit {
        Commit::new()
            .delete(keys::run(keys::ACTIVE_RUN, &self.key))
            .delete(keys::run(keys::RUN_SCRIPT, &self.key))
            .freeing()
    }
}
