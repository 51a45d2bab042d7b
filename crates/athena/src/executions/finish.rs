//! Ending an execution: its result files, and the commit that names them and ends it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::StreamExt;
use headwater_base::Timestamp;
use headwater_catalog::{QueryError, QueryOutcome, StatementKind};
use headwater_objects::{Attributes, Bucket, ObjectError, ObjectKey, StagedBody};
use headwater_store::{Commit, CommitError};
use headwater_work::Work;

use super::state::State;
use super::{Execution, Executions};
use crate::records::execution::ColumnRow;
use crate::results::{csv, kinds, metadata};

/// Attempts of the ending commit while others write to the bucket.
const COMMIT_ATTEMPTS: usize = 8;

/// A file of the result, written but not named.
struct File {
    key: String,
    body: StagedBody,
    content_type: &'static str,
}

/// What a statement gave, written down.
struct Written {
    files: Vec<File>,
    columns: Vec<ColumnRow>,
    rows: u64,
    output: Option<String>,
    manifest: Option<String>,
}

impl Executions {
    /// Writes the result and ends the execution as succeeded, in one commit.
    pub async fn succeed(&self, execution: Execution, outcome: QueryOutcome) -> Result<(), QueryError> {
        let (bucket, prefix) = self
            .place(&execution.key.scope, &execution.row.output_location)
            .await
            .map_err(|fault| QueryError::User(format!("GENERIC_USER_ERROR: {}", fault.message)))?;
        let bucket = bucket.for_service("athena.amazonaws.com", &execution.key.id);
        let kind = outcome.kind;
        let substatement = outcome.substatement;
        let scanned = Arc::clone(&outcome.bytes_scanned);
        let base = format!("{prefix}{}", execution.key.id);
        let written = self.write(&bucket, &base, outcome).await?;
        let mut execution = execution;
        let now = self.seams.clock.now();
        execution.row.kind = match kind {
            StatementKind::Ddl => 0,
            StatementKind::Dml => 1,
            StatementKind::Utility => 2,
        };
        execution.row.substatement = Some(substatement.to_owned());
        execution.row.bytes_scanned = scanned.load(Ordering::Relaxed);
        execution.row.rows = written.rows;
        execution.row.manifest.clone_from(&written.manifest);
        execution.row.output.clone_from(&written.output);
        execution.row.state = State::Succeeded.number();
        execution.row.completed_ms = Some(now.ms());
        execution.row.engine_ms = execution.row.started_ms.map(|started| now.ms() - started);
        self.end(&bucket, execution, written, now).await
    }

    async fn end(
        &self,
        bucket: &Bucket,
        execution: Execution,
        written: Written,
        now: Timestamp,
    ) -> Result<(), QueryError> {
        for _ in 0..COMMIT_ATTEMPTS {
            let mut execution = execution.clone();
            let mut commit = Commit::new();
            for file in &written.files {
                let attributes =
                    Attributes { content_type: Some(file.content_type.to_owned()), ..Attributes::default() };
                let key = ObjectKey::new(&file.key).map_err(|error| QueryError::User(error.to_string()))?;
                self.objects
                    .stage_put(&mut commit, bucket, &key, &file.body, attributes, now)
                    .await
                    .map_err(|error| internal(&error))?;
            }
            self.stage_columns(&mut commit, &mut execution, written.columns.clone());
            self.stage(&mut commit, &execution);
            match self.store.commit(commit).await {
                Ok(_) => return Ok(()),
                Err(CommitError::Conflict(_)) => {
                    let now = self.get(&execution.key.scope, &execution.key.id).await;
                    // Stopped meanwhile: then there is nothing to end.
                    if now
                        .map_err(|error| internal(&error))?
                        .is_none_or(|now| now.version != execution.version)
                    {
                        return Err(QueryError::Cancelled);
                    }
                }
                Err(error) => return Err(internal(&error)),
            }
        }
        Err(QueryError::Internal("GENERIC_INTERNAL_ERROR: the result's bucket changes too often".to_owned()))
    }

    async fn write(&self, bucket: &Bucket, base: &str, outcome: QueryOutcome) -> Result<Written, QueryError> {
        let url = |key: &str| format!("s3://{}/{key}", bucket.name.as_str());
        let columns: Vec<ColumnRow> = outcome
            .schema
            .fields()
            .iter()
            .map(|field| kinds::column(field.name(), field.data_type()))
            .collect();
        let rows_written = outcome.rows_written;
        let mut files = Vec::new();
        let mut written = Written { files: Vec::new(), columns, rows: 0, output: None, manifest: None };
        if let Some(rows) = rows_written {
            let key = format!("{base}-manifest.csv");
            let list: String = outcome.manifest.iter().map(|object| format!("{object}\n")).collect();
            files.push(self.small(bucket, &key, list.into(), "text/csv").await?);
            written.manifest = Some(url(&key));
            written.output = Some(url(base));
            written.rows = rows;
        } else if outcome.kind == StatementKind::Dml {
            let key = format!("{base}.csv");
            let (body, rows) = self.table(bucket, outcome).await?;
            files.push(File { key: key.clone(), body, content_type: "application/octet-stream" });
            let metadata = metadata::encode(&written.columns).into();
            files.push(
                self.small(bucket, &format!("{key}.metadata"), metadata, "application/octet-stream").await?,
            );
            written.output = Some(url(&key));
            written.rows = rows;
        } else {
            let key = format!("{base}.txt");
            let (text, rows) = plain(outcome).await?;
            files.push(self.small(bucket, &key, text.into(), "text/plain").await?);
            written.output = Some(url(&key));
            written.rows = rows;
        }
        written.files = files;
        Ok(written)
    }

    async fn small(
        &self,
        bucket: &Bucket,
        key: &str,
        body: Bytes,
        content_type: &'static str,
    ) -> Result<File, QueryError> {
        let body = self.objects.stage_bytes(bucket, body, false).await.map_err(|error| internal(&error))?;
        Ok(File { key: key.to_owned(), body, content_type })
    }

    /// Writes the rows of a query as they come, as CSV.
    async fn table(&self, bucket: &Bucket, outcome: QueryOutcome) -> Result<(StagedBody, u64), QueryError> {
        let rows = Arc::new(AtomicU64::new(0));
        let failure: Arc<Mutex<Option<QueryError>>> = Arc::default();
        let header = csv::header(outcome.schema.fields().iter().map(|field| field.name().as_str()));
        let (count, slot) = (Arc::clone(&rows), Arc::clone(&failure));
        let lines = outcome.batches.then(move |batch| {
            let (count, slot) = (Arc::clone(&count), Arc::clone(&slot));
            async move {
                let lines = match batch {
                    Ok(batch) => {
                        count.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
                        Work::blocking(move || csv::lines(&batch)).await.map_err(|error| internal(&error))
                    }
                    Err(error) => Err(error),
                };
                lines.map(Bytes::from).map_err(|error| {
                    *slot.lock().expect("no holder of this lock panics") = Some(error);
                    ObjectError::Invalid("the query failed".to_owned())
                })
            }
        });
        let body = futures::stream::iter([Ok(Bytes::from(header))]).chain(lines).boxed();
        let staged = self.objects.stage_body(bucket, body, false).await;
        let failed = failure.lock().expect("no holder of this lock panics").take();
        match (staged, failed) {
            (_, Some(error)) => Err(error),
            (Ok(body), None) => Ok((body, rows.load(Ordering::Relaxed))),
            (Err(error), None) => Err(internal(&error)),
        }
    }

    /// Ends the execution as failed or cancelled. Nothing happens if it has ended.
    pub async fn fail(
        &self,
        execution: Execution,
        error: &QueryError,
        scanned: u64,
    ) -> Result<(), CommitError> {
        let mut execution = execution;
        let now = self.seams.clock.now();
        let (state, category) = match error {
            QueryError::Cancelled => (State::Cancelled, None),
            QueryError::User(_) => (State::Failed, Some(2)),
            QueryError::Resources(_) => (State::Failed, Some(3)),
            QueryError::Internal(_) => (State::Failed, Some(1)),
        };
        execution.row.state = state.number();
        execution.row.error_category = category;
        execution.row.reason = Some(error.to_string());
        execution.row.bytes_scanned = scanned;
        execution.row.completed_ms = Some(now.ms());
        execution.row.engine_ms = execution.row.started_ms.map(|started| now.ms() - started);
        self.save(&mut execution).await.map(|_| ())
    }
}

/// The lines of what a telling statement gave.
async fn plain(mut outcome: QueryOutcome) -> Result<(String, u64), QueryError> {
    let mut text = String::new();
    let mut rows = 0;
    while let Some(batch) = outcome.batches.next().await {
        let batch = batch?;
        for row in 0..batch.num_rows() {
            for (at, column) in batch.columns().iter().enumerate() {
                if at > 0 {
                    text.push('\t');
                }
                crate::results::cells::write(column.as_ref(), row, &mut text)
                    .map_err(|error| internal(&error))?;
            }
            text.push('\n');
            rows += 1;
        }
    }
    Ok((text, rows))
}

fn internal(error: &(dyn std::error::Error + 'static)) -> QueryError {
    let mut text = format!("GENERIC_INTERNAL_ERROR: {error}");
    let mut next = error.source();
    while let Some(error) = next {
        text += &format!(": {error}");
        next = error.source();
    }
    QueryError::Internal(text)
}
