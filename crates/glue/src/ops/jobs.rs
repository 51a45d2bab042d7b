//! Jobs and their bookmarks.

use headwater_delivery::{bookmark, reset_bookmark};
use headwater_wire::{Context, EpochTime, Fault};

use super::operation;
use crate::checks::{arn, at_most, page, present, required};
use crate::jobs::Job;
use crate::shapes::{
    BatchGetJobsInput, BatchGetJobsOutput, GetJobOutput, GetJobsOutput, JobBookmarkEntry, JobBookmarkOutput,
    JobNameInput, JobNameOutput, JobOutputShape, JobRunInput, JobShape, ListJobsOutput, NameOutput,
    PageInput, UpdateJobInput,
};
use crate::{State, fault, script, tags, token};

/// The most jobs a page holds.
const PAGE_MAX: usize = 1000;
/// The most jobs one call asks for by name.
const BATCH_MAX: usize = 100;

operation!(BatchGetJobs(BatchGetJobsInput) -> BatchGetJobsOutput, |cx, _input| arn(cx, "job/*"), batch_get);
operation!(CreateJob(JobShape) -> NameOutput, |cx, input| named(cx, &input.name), create);
operation!(DeleteJob(JobNameInput) -> JobNameOutput, |cx, input| named(cx, &input.job_name), delete);
operation!(GetJob(JobNameInput) -> GetJobOutput, |cx, input| named(cx, &input.job_name), get);
operation!(GetJobBookmark(JobRunInput) -> JobBookmarkOutput, |cx, input| named(cx, &input.job_name), get_bookmark);
operation!(GetJobs(PageInput) -> GetJobsOutput, |cx, _input| arn(cx, "job/*"), list);
operation!(ListJobs(PageInput) -> ListJobsOutput, |cx, _input| arn(cx, "job/*"), list_names);
operation!(ResetJobBookmark(JobRunInput) -> JobBookmarkOutput, |cx, input| named(cx, &input.job_name), reset);
operation!(UpdateJob(UpdateJobInput) -> JobNameOutput, |cx, input| named(cx, &input.job_name), update);

/// The ARN of a job.
pub(super) fn named(cx: &Context, name: &Option<String>) -> headwater_base::Arn {
    arn(cx, format!("job/{}", name.as_deref().unwrap_or_default()))
}

fn shape(job: Job) -> JobOutputShape {
    JobOutputShape {
        created_on: EpochTime(job.created),
        last_modified_on: EpochTime(job.updated),
        job: JobShape { name: Some(job.name), ..job.shape },
    }
}

async fn batch_get(
    state: &State,
    cx: &Context,
    input: BatchGetJobsInput,
) -> Result<BatchGetJobsOutput, Fault> {
    let names = present(input.job_names, "jobNames")?;
    at_most(&names, BATCH_MAX, "jobNames")?;
    let (mut jobs, mut jobs_not_found) = (Vec::new(), Vec::new());
    for name in names {
        match state.job(&cx.scope(), &name).await {
            Ok(job) => jobs.push(shape(job)),
            Err(fault) if fault.status < 500 => jobs_not_found.push(name),
            Err(fault) => return Err(fault),
        }
    }
    Ok(BatchGetJobsOutput { jobs, jobs_not_found })
}

async fn create(state: &State, cx: &Context, input: JobShape) -> Result<NameOutput, Fault> {
    let name = required(&input.name, "name")?.to_owned();
    state.create_job(&cx.scope(), &name, &input).await?;
    tags::set(state, &named(cx, &input.name), input.tags).await?;
    Ok(NameOutput { name })
}

/// Deleting a job that is not there succeeds, as the service says.
async fn delete(state: &State, cx: &Context, input: JobNameInput) -> Result<JobNameOutput, Fault> {
    let job_name = required(&input.job_name, "jobName")?.to_owned();
    state.delete_job(&cx.scope(), &job_name).await?;
    tags::clear(state, &named(cx, &input.job_name)).await?;
    Ok(JobNameOutput { job_name })
}

async fn get(state: &State, cx: &Context, input: JobNameInput) -> Result<GetJobOutput, Fault> {
    let job = state.job(&cx.scope(), required(&input.job_name, "jobName")?).await?;
    Ok(GetJobOutput { job: shape(job) })
}

async fn page_of(
    state: &State,
    cx: &Context,
    input: &PageInput,
) -> Result<(Vec<Job>, Option<String>), Fault> {
    let limit = page(input.max_results, PAGE_MAX)?;
    let after = token::open_one(input.next_token.as_deref())?;
    let mut found = state.jobs(&cx.scope(), after.as_deref(), limit + 1).await?;
    let next_token = token::cut(&mut found, limit, |job| vec![job.name.clone()]);
    Ok((found, next_token))
}

async fn list(state: &State, cx: &Context, input: PageInput) -> Result<GetJobsOutput, Fault> {
    let (found, next_token) = page_of(state, cx, &input).await?;
    Ok(GetJobsOutput { jobs: found.into_iter().map(shape).collect(), next_token })
}

async fn list_names(state: &State, cx: &Context, input: PageInput) -> Result<ListJobsOutput, Fault> {
    let (found, next_token) = page_of(state, cx, &input).await?;
    Ok(ListJobsOutput { job_names: found.into_iter().map(|job| job.name).collect(), next_token })
}

async fn update(state: &State, cx: &Context, input: UpdateJobInput) -> Result<JobNameOutput, Fault> {
    let job_name = required(&input.job_name, "jobName")?.to_owned();
    state.update_job(&cx.scope(), &job_name, &present(input.job_update, "jobUpdate")?).await?;
    Ok(JobNameOutput { job_name })
}

/// Where the bookmarks of a job stand: the newest object commit each writing statement has read.
async fn places(state: &State, cx: &Context, job: &str) -> Result<Vec<u64>, Fault> {
    let mut places = Vec::new();
    for nth in 0..script::STATEMENTS_MAX {
        let name = Job::bookmark(&cx.scope(), job, nth);
        let place = bookmark(&state.ground.store, &name).await.map_err(|error| fault::internal(&error))?;
        if place.0 == 0 {
            break;
        }
        places.push(place.0);
    }
    Ok(places)
}

fn entry(job: &str, places: &[u64]) -> JobBookmarkOutput {
    let job_bookmark = serde_json::json!({ "read_up_to": places }).to_string();
    let job_bookmark_entry =
        JobBookmarkEntry { job_name: job.to_owned(), version: 0, run: 0, attempt: 0, job_bookmark };
    JobBookmarkOutput { job_bookmark_entry }
}

async fn get_bookmark(state: &State, cx: &Context, input: JobRunInput) -> Result<JobBookmarkOutput, Fault> {
    let job = required(&input.job_name, "jobName")?;
    state.job(&cx.scope(), job).await?;
    let places = places(state, cx, job).await?;
    if places.is_empty() {
        return Err(fault::not_found(&format!("Continuation for job {job} not found")));
    }
    Ok(entry(job, &places))
}

async fn reset(state: &State, cx: &Context, input: JobRunInput) -> Result<JobBookmarkOutput, Fault> {
    let job = required(&input.job_name, "jobName")?;
    if input.run_id.is_some() {
        return Err(fault::invalid(
            "Bookmarks are reset to the beginning; RunId is not supported by this node.",
        ));
    }
    state.job(&cx.scope(), job).await?;
    for nth in (0..places(state, cx, job).await?.len()).rev() {
        let name = Job::bookmark(&cx.scope(), job, nth);
        reset_bookmark(&state.ground.store, &name).await.map_err(|error| fault::internal(&error))?;
    }
    Ok(entry(job, &[]))
}
