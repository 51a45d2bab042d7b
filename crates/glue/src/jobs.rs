//! Jobs of command `sql`: what they are, and how their runs are begun and asked to stop.
//!
//! A run is three facts: what it is (`RUN`), what it does (`RUN_SCRIPT`), and that it is not at its
//! end (`ACTIVE_RUN`), which the runner looks for. Every start of a job also writes the job's gate
//! (`RUN_GATE`) as it was when the active runs were counted, so of two starts at once the second
//! counts again, and a job never has more runs than it allows.

use std::collections::BTreeMap;

use bytes::Bytes;
use headwater_base::{Caller, Scope, Timestamp};
use headwater_store::{Commit, CommitError, Direction, KeyRange, Lsn};
use headwater_wire::Fault;

use crate::records::job::{ActiveRunRecord, CallerRecord, JobRecord, RunRecord, RunState};
use crate::records::keys::{self, RunKey};
use crate::records::{decode, encode};
use crate::shapes::JobShape;
use crate::{State, fault};

/// The command's name.
pub(crate) const COMMAND: &str = "sql";
/// The argument that holds the statements themselves.
pub(crate) const ARG_SQL: &str = "--sql";
/// The argument that names the database of unqualified names.
pub(crate) const ARG_DATABASE: &str = "--database";
/// The argument that names the input of which only new objects are read.
pub(crate) const ARG_INCREMENTAL: &str = "--incremental-input";
/// The argument that says where CTAS without a location places tables.
pub(crate) const ARG_OUTPUT: &str = "--output-location";
/// The argument that says whether bookmarks are kept.
pub(crate) const ARG_BOOKMARK: &str = "--job-bookmark-option";
/// The default timeout, as the service has it: two days.
pub(crate) const TIMEOUT_MINUTES: u64 = 2880;
/// The most runs of one job at once, and the most retries, that may be asked for.
const RUNS_MAX: i64 = 1000;
/// How often a start is tried again because of others of the same job.
const START_TRIES: u32 = 64;

/// A job as it is kept.
pub(crate) struct Job {
    pub(crate) name: String,
    pub(crate) shape: JobShape,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    version: Lsn,
}

impl Job {
    /// The arguments of a run: the job's own, then the run's, then those that can't be overridden.
    pub(crate) fn arguments(&self, of_run: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut all = self.shape.default_arguments.clone().unwrap_or_default();
        all.extend(of_run.clone());
        all.extend(self.shape.non_overridable_arguments.clone().unwrap_or_default());
        all
    }

    fn concurrent_runs_max(&self) -> usize {
        let asked = self.shape.execution_property.as_ref().and_then(|property| property.max_concurrent_runs);
        usize::try_from(asked.unwrap_or(1)).unwrap_or(1).max(1)
    }

    /// The name of the bookmark of the script's n-th statement that writes rows, from 0.
    pub(crate) fn bookmark(scope: &Scope, job: &str, nth: usize) -> String {
        format!("glue/{}/{}/{job}/{nth}", scope.account, scope.region)
    }
}

/// Refuses definitions this node can't run.
pub(crate) fn check(shape: &JobShape) -> Result<(), Fault> {
    let command = shape.command.as_ref().ok_or_else(|| fault::invalid("A job has a Command."))?;
    let name = command.name.as_deref().unwrap_or_default();
    if name != COMMAND {
        return Err(fault::invalid(format!(
            "Command name {name:?} is not supported by this node; it runs jobs of command \"{COMMAND}\"."
        )));
    }
    let empty = BTreeMap::new();
    let arguments = shape.default_arguments.as_ref().unwrap_or(&empty);
    let location = command.script_location.as_deref().unwrap_or_default();
    if location.is_empty() && !arguments.contains_key(ARG_SQL) {
        return Err(fault::invalid(format!(
            "A job has Command.ScriptLocation or the default argument {ARG_SQL}."
        )));
    }
    if !location.is_empty() && !location.starts_with("s3://") {
        return Err(fault::invalid("Command.ScriptLocation begins with s3://."));
    }
    check_arguments(arguments)?;
    let concurrent = shape.execution_property.as_ref().and_then(|property| property.max_concurrent_runs);
    if concurrent.is_some_and(|runs| !(1..=RUNS_MAX).contains(&runs)) {
        return Err(fault::invalid(format!("MaxConcurrentRuns is 1 to {RUNS_MAX}.")));
    }
    Ok(())
}

fn check_arguments(arguments: &BTreeMap<String, String>) -> Result<(), Fault> {
    match arguments.get(ARG_BOOKMARK).map(String::as_str) {
        None | Some("job-bookmark-enable" | "job-bookmark-disable") => {}
        Some(other) => {
            return Err(fault::invalid(format!("{ARG_BOOKMARK} {other} is not supported by this node.")));
        }
    }
    match arguments.get(ARG_INCREMENTAL) {
        Some(input) if input.split('.').count() != 2 => {
            Err(fault::invalid(format!("{ARG_INCREMENTAL} has the form database.table.")))
        }
        _ => Ok(()),
    }
}

impl State {
    /// The job.
    pub(crate) async fn job(&self, scope: &Scope, name: &str) -> Result<Job, Fault> {
        let key = keys::named(keys::JOB, scope, name);
        let fact = self.ground.store.get(&key).await.map_err(fault::of_store)?;
        let fact = fact.ok_or_else(|| fault::not_found(&format!("Job {name} not found.")))?;
        job_of(name.to_owned(), &key, &fact)
    }

    /// Jobs in name order after `after`.
    pub(crate) async fn jobs(
        &self,
        scope: &Scope,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Job>, Fault> {
        let rows = self.page_of(keys::JOB, scope, after, limit).await?;
        rows.iter().map(|(name, row)| job_of(name.clone(), &row.key, &row.fact)).collect()
    }

    /// A page of named facts with their names.
    pub(crate) async fn page_of(
        &self,
        kind: headwater_store::Kind,
        scope: &Scope,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, headwater_store::Scanned)>, Fault> {
        let range = KeyRange::prefix(&keys::all(kind, scope));
        let range = match after {
            Some(name) => range.after(&keys::named(kind, scope, name)),
            None => range,
        };
        let rows =
            self.ground.store.scan(&range, limit, Direction::Forward).await.map_err(fault::of_store)?;
        let named = |row: headwater_store::Scanned| keys::name_of(&row.key).map(|(_, name)| (name, row));
        Ok(rows.into_iter().filter_map(named).collect())
    }

    /// Creates a job.
    pub(crate) async fn create_job(&self, scope: &Scope, name: &str, shape: &JobShape) -> Result<(), Fault> {
        check(shape)?;
        let now = self.ground.seams.clock.now().ms();
        let record = JobRecord { definition_json: definition(shape)?, created_ms: now, updated_ms: now };
        let key = keys::named(keys::JOB, scope, name);
        let commit = Commit::new().expect_absent(key.clone()).put(key, encode(&record));
        match self.ground.store.commit(commit).await {
            Ok(_) => Ok(()),
            Err(CommitError::Conflict(_)) => Err(fault::exists(&format!("Job {name} already exists."))),
            Err(error) => Err(fault::of_commit(error, &format!("Job {name}"))),
        }
    }

    /// Replaces a job's definition.
    pub(crate) async fn update_job(&self, scope: &Scope, name: &str, shape: &JobShape) -> Result<(), Fault> {
        check(shape)?;
        let job = self.job(scope, name).await?;
        let now = self.ground.seams.clock.now().ms();
        let record =
            JobRecord { definition_json: definition(shape)?, created_ms: job.created.ms(), updated_ms: now };
        let key = keys::named(keys::JOB, scope, name);
        let commit = Commit::new().expect(key.clone(), job.version).put(key, encode(&record));
        self.commit(commit, &format!("Job {name}")).await
    }

    /// Deletes a job with its runs at their end; a run under way goes on to its end.
    pub(crate) async fn delete_job(&self, scope: &Scope, name: &str) -> Result<(), Fault> {
        loop {
            let range = KeyRange::prefix(&keys::runs(keys::RUN, scope, name));
            let rows =
                self.ground.store.scan(&range, 1000, Direction::Forward).await.map_err(fault::of_store)?;
            let more = rows.len() == 1000;
            let mut commit = Commit::new()
                .freeing()
                .delete(keys::named(keys::JOB, scope, name))
                .delete(keys::named(keys::RUN_GATE, scope, name));
            for row in rows {
                commit = commit.delete(row.key);
            }
            self.commit(commit, &format!("Job {name}")).await?;
            if !more {
                return Ok(());
            }
        }
    }

    /// Begins a run of a job; gives its id.
    pub(crate) async fn start_run(&self, start: StartRun<'_>) -> Result<String, Fault> {
        let what = format!("Job {}", start.job);
        for _ in 0..START_TRIES {
            let mut commit = Commit::new();
            let id = self.stage_run(&mut commit, start.clone()).await?;
            match self.ground.store.commit(commit).await {
                Ok(_) => return Ok(id),
                // Another start of the job came first, or the job is gone: looking again tells.
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(fault::of_commit(error, &what)),
            }
        }
        Err(fault::of_commit(CommitError::Busy, &what))
    }

    /// Adds to `commit` a run of a job; gives its id.
    pub(crate) async fn stage_run(&self, commit: &mut Commit, start: StartRun<'_>) -> Result<String, Fault> {
        let job = self.job(start.scope, start.job).await?;
        check_arguments(&job.arguments(&start.arguments))?;
        // The gate first, then the count it guards.
        let gate = keys::named(keys::RUN_GATE, start.scope, start.job);
        let was = self.ground.store.get(&gate).await.map_err(fault::of_store)?.map(|fact| fact.version);
        let active = KeyRange::prefix(&keys::runs(keys::ACTIVE_RUN, start.scope, start.job));
        let limit = job.concurrent_runs_max();
        let running =
            self.ground.store.scan(&active, limit, Direction::Forward).await.map_err(fault::of_store)?;
        if running.len() + start.beside >= limit {
            let message = format!("Concurrent runs exceeded for {}", start.job);
            return Err(Fault::client("ConcurrentRunsExceededException", message));
        }
        let now = self.ground.seams.clock.now();
        let id = new_run_id(&self.ground.seams, now);
        let key = RunKey { scope: start.scope.clone(), job: start.job.to_owned(), id: id.clone() };
        let record = RunRecord {
            state: RunState::Starting,
            attempt: 0,
            started_ms: now.ms(),
            updated_ms: now.ms(),
            completed_ms: None,
            arguments: start.arguments,
            error: None,
            cursor: 0,
            caller: start.caller,
            timeout_minutes: start.timeout.or(job.shape.timeout).unwrap_or(TIMEOUT_MINUTES),
            trigger: start.trigger,
            max_retries: job.shape.max_retries.unwrap_or(0),
        };
        if start.beside == 0 {
            commit.stage(|commit| match was {
                Some(version) => commit.expect(gate.clone(), version),
                None => commit.expect_absent(gate.clone()),
            });
            commit.stage(|commit| commit.put(gate, Bytes::new()));
        }
        commit.stage(|commit| {
            commit
                .expect_present(keys::named(keys::JOB, start.scope, start.job))
                .put(keys::run(keys::RUN, &key), encode(&record))
                .put(keys::run(keys::ACTIVE_RUN, &key), encode(&ActiveRunRecord { stopping: false }))
        });
        Ok(id)
    }

    /// A run.
    pub(crate) async fn run(&self, key: &RunKey) -> Result<RunRecord, Fault> {
        let fact_key = keys::run(keys::RUN, key);
        let fact = self.ground.store.get(&fact_key).await.map_err(fault::of_store)?;
        let fact = fact.ok_or_else(|| fault::not_found(&format!("Job Run {} not found.", key.id)))?;
        decode(&fact_key, &fact.value).map_err(fault::of_store)
    }

    /// Runs of a job, newest first, after the run `after`.
    pub(crate) async fn runs_of(
        &self,
        scope: &Scope,
        job: &str,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<(String, RunRecord)>, Fault> {
        let range = KeyRange::prefix(&keys::runs(keys::RUN, scope, job));
        let after = after.map(|id| RunKey { scope: scope.clone(), job: job.to_owned(), id });
        let range = match after {
            Some(after) => range.after(&keys::run(keys::RUN, &after)),
            None => range,
        };
        let rows =
            self.ground.store.scan(&range, limit, Direction::Forward).await.map_err(fault::of_store)?;
        let mut runs = Vec::with_capacity(rows.len());
        for row in rows {
            let record = decode(&row.key, &row.fact.value).map_err(fault::of_store)?;
            runs.extend(keys::run_of(&row.key).map(|key| (key.id, record)));
        }
        Ok(runs)
    }

    /// Asks a run to stop. A run at its end is refused.
    pub(crate) async fn stop_run(&self, key: &RunKey) -> Result<(), Fault> {
        let record = self.run(key).await?;
        let active = keys::run(keys::ACTIVE_RUN, key);
        let commit = Commit::new()
            .expect_present(active.clone())
            .put(active, encode(&ActiveRunRecord { stopping: true }));
        match self.ground.store.commit(commit).await {
            Ok(_) => {
                self.runner.stop(key);
                Ok(())
            }
            Err(CommitError::Conflict(_)) => {
                Err(fault::invalid(format!("The job run is {}.", record.state.name())))
            }
            Err(error) => Err(fault::of_commit(error, "Job Run")),
        }
    }

    pub(crate) async fn commit(&self, commit: Commit, what: &str) -> Result<(), Fault> {
        self.ground.store.commit(commit).await.map_err(|error| fault::of_commit(error, what))?;
        Ok(())
    }
}

/// What a run is begun with.
#[derive(Clone)]
pub(crate) struct StartRun<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) job: &'a str,
    pub(crate) arguments: BTreeMap<String, String>,
    pub(crate) caller: CallerRecord,
    pub(crate) timeout: Option<u64>,
    pub(crate) trigger: Option<String>,
    /// How many runs of the job the same commit begins already.
    pub(crate) beside: usize,
}

impl<'a> StartRun<'a> {
    /// A run that a client starts.
    pub(crate) fn by_client(scope: &'a Scope, job: &'a str, caller: &Caller) -> Self {
        let caller = CallerRecord::of(caller);
        Self { scope, job, arguments: BTreeMap::new(), caller, timeout: None, trigger: None, beside: 0 }
    }
}

/// An id that sorts before those of earlier runs.
fn new_run_id(seams: &headwater_base::Seams, now: Timestamp) -> String {
    let mut chance = [0; 24];
    seams.chance.fill(&mut chance);
    format!("jr_{:016x}{}", u64::MAX - now.ms().unsigned_abs(), hex::encode(chance))
}

fn definition(shape: &JobShape) -> Result<String, Fault> {
    serde_json::to_string(shape).map_err(|error| fault::internal(&error))
}

fn job_of(name: String, key: &headwater_store::Key, fact: &headwater_store::Fact) -> Result<Job, Fault> {
    let record: JobRecord = decode(key, &fact.value).map_err(fault::of_store)?;
    let shape: JobShape =
        serde_json::from_str(&record.definition_json).map_err(|error| fault::internal(&error))?;
    Ok(Job {
        name,
        shape,
        created: Timestamp::from_ms(record.created_ms),
        updated: Timestamp::from_ms(record.updated_ms),
        version: fact.version,
    })
}
