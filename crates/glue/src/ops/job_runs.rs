//! Runs of jobs.

use std::collections::BTreeMap;

use headwater_base::Timestamp;
use headwater_wire::{Context, EpochTime, Fault};

use super::jobs::named;
use super::operation;
use crate::checks::{at_most, page, present, required};
use crate::jobs::StartRun;
use crate::records::job::RunRecord;
use crate::records::keys::RunKey;
use crate::shapes::{
    BatchStopJobRunInput, BatchStopJobRunOutput, GetJobRunOutput, GetJobRunsOutput, JobRunInput, JobRunShape,
    StartJobRunInput, StartJobRunOutput, StopRunErrorShape, StoppedRunShape,
};
use crate::{State, fault, token};

/// The most runs a page holds.
const PAGE_MAX: usize = 200;
/// The most runs one call stops.
const STOP_MAX: usize = 25;

operation!(BatchStopJobRun(BatchStopJobRunInput) -> BatchStopJobRunOutput, |cx, input| named(cx, &input.job_name), stop);
operation!(GetJobRun(JobRunInput) -> GetJobRunOutput, |cx, input| named(cx, &input.job_name), get);
operation!(GetJobRuns(JobRunInput) -> GetJobRunsOutput, |cx, input| named(cx, &input.job_name), list);
operation!(StartJobRun(StartJobRunInput) -> StartJobRunOutput, |cx, input| named(cx, &input.job_name), start);

fn shape(state: &State, job: &str, id: String, run: RunRecord) -> JobRunShape {
    let time = |ms: i64| EpochTime(Timestamp::from_ms(ms));
    let until = run.completed_ms.unwrap_or_else(|| state.ground.seams.clock.now().ms());
    JobRunShape {
        id,
        attempt: run.attempt,
        trigger_name: run.trigger,
        job_name: job.to_owned(),
        job_mode: "SCRIPT",
        started_on: time(run.started_ms),
        last_modified_on: time(run.updated_ms),
        completed_on: run.completed_ms.map(time),
        job_run_state: run.state.name(),
        arguments: run.arguments,
        error_message: run.error,
        predecessor_runs: Vec::new(),
        execution_time: (until - run.started_ms).max(0) / 1000,
        timeout: run.timeout_minutes,
        state_detail: (run.completed_ms.is_none()).then(|| format!("{} statements done", run.cursor)),
    }
}

async fn start(state: &State, cx: &Context, input: StartJobRunInput) -> Result<StartJobRunOutput, Fault> {
    let job = required(&input.job_name, "jobName")?;
    let scope = cx.scope();
    let mut arguments = input.arguments.unwrap_or_default();
    if let Some(id) = input.job_run_id {
        // A run to be tried again brings its arguments.
        let key = RunKey { scope: scope.clone(), job: job.to_owned(), id };
        let before: BTreeMap<String, String> = state.run(&key).await?.arguments;
        arguments = before.into_iter().chain(arguments).collect();
    }
    let start =
        StartRun { arguments, timeout: input.timeout, ..StartRun::by_client(&scope, job, &cx.caller) };
    let job_run_id = state.start_run(start).await?;
    state.wake();
    Ok(StartJobRunOutput { job_run_id })
}

async fn get(state: &State, cx: &Context, input: JobRunInput) -> Result<GetJobRunOutput, Fault> {
    let job = required(&input.job_name, "jobName")?.to_owned();
    let id = required(&input.run_id, "runId")?.to_owned();
    let run = state.run(&RunKey { scope: cx.scope(), job: job.clone(), id: id.clone() }).await?;
    Ok(GetJobRunOutput { job_run: shape(state, &job, id, run) })
}

async fn list(state: &State, cx: &Context, input: JobRunInput) -> Result<GetJobRunsOutput, Fault> {
    let job = required(&input.job_name, "jobName")?;
    let limit = page(input.max_results, PAGE_MAX)?;
    let after = token::open_one(input.next_token.as_deref())?;
    state.job(&cx.scope(), job).await?;
    let mut found = state.runs_of(&cx.scope(), job, after, limit + 1).await?;
    let next_token = token::cut(&mut found, limit, |(id, _)| vec![id.clone()]);
    let job_runs = found.into_iter().map(|(id, run)| shape(state, job, id, run)).collect();
    Ok(GetJobRunsOutput { job_runs, next_token })
}

async fn stop(
    state: &State,
    cx: &Context,
    input: BatchStopJobRunInput,
) -> Result<BatchStopJobRunOutput, Fault> {
    let job = required(&input.job_name, "jobName")?;
    let ids = present(input.job_run_ids, "jobRunIds")?;
    at_most(&ids, STOP_MAX, "jobRunIds")?;
    if ids.is_empty() {
        return Err(fault::invalid("JobRunIds names at least one run."));
    }
    let (mut successful_submissions, mut errors) = (Vec::new(), Vec::new());
    for id in ids {
        let key = RunKey { scope: cx.scope(), job: job.to_owned(), id: id.clone() };
        let job_name = job.to_owned();
        match state.stop_run(&key).await {
            Ok(()) => successful_submissions.push(StoppedRunShape { job_name, job_run_id: id }),
            Err(fault) => {
                errors.push(StopRunErrorShape { job_name, job_run_id: id, error_detail: fault.into() })
            }
        }
    }
    state.wake();
    Ok(BatchStopJobRunOutput { successful_submissions, errors })
}
