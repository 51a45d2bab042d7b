//! Query executions: durable rows that are queued, run and ended.
//!
//! Starting one is a commit; so is each change of its state. The commit that ends a query names
//! its result object, too, so a result is there if and only if its execution succeeded.
//!
//! **Failure.** After a crash [`runner`] finds what had not ended: queries, CTAS and INSERT run
//! again (their writes are named by the execution's id and happen once); another definition that
//! may or may not have happened fails, and says so.

pub mod finish;
pub mod page;
pub mod runner;
pub mod start;
pub mod state;

use std::sync::Arc;

use headwater_base::{Scope, Seams};
use headwater_objects::{Bucket, BucketName, ObjectError, Objects};
use headwater_store::{Commit, CommitError, Direction, KeyRange, Lsn, Store, StoreError};
use headwater_wire::Fault;

use crate::fault;
use crate::records::execution::{self, ColumnRow, ColumnsRow, ExecutionRow};
use crate::records::index::{self, ExecutionKey};
use crate::records::{decode, encode};
use state::State;

/// Columns kept in one fact.
const COLUMNS_PER_PART: usize = 500;

/// The executions of a node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Executions {
    store: Arc<dyn Store>,
    objects: Objects,
    seams: Seams,
}

/// An execution as it is now.
#[derive(Clone, Debug)]
pub struct Execution {
    /// Which one.
    pub key: ExecutionKey,
    /// What is known of it.
    pub row: ExecutionRow,
    /// The commit that last wrote it.
    pub version: Lsn,
}

impl Execution {
    /// Its state.
    pub fn state(&self) -> State {
        State::from_number(self.row.state)
    }
}

impl Executions {
    /// The executions of `store`, whose results go to `objects`.
    pub fn new(store: Arc<dyn Store>, objects: Objects, seams: Seams) -> Self {
        Self { store, objects, seams }
    }

    /// The execution, if there is one.
    pub async fn get(&self, scope: &Scope, id: &str) -> Result<Option<Execution>, StoreError> {
        let Some(fact) = self.store.get(&execution::key(scope, id)).await? else { return Ok(None) };
        let row = decode("execution", &fact.value)?;
        let key = ExecutionKey { scope: scope.clone(), id: id.to_owned() };
        Ok(Some(Execution { key, row, version: fact.version }))
    }

    /// The execution, or the service's refusal.
    pub async fn require(&self, scope: &Scope, id: &str) -> Result<Execution, Fault> {
        let found = self.get(scope, id).await.map_err(|error| fault::store(&error))?;
        found.ok_or_else(|| fault::invalid(format!("QueryExecution {id} was not found")))
    }

    /// Its statement.
    pub async fn text(&self, execution: &Execution) -> Result<String, StoreError> {
        let mut text = Vec::new();
        for part in 0..execution.row.text_parts {
            let key = execution::text_key(&execution.key.scope, &execution.key.id, part);
            let fact = self.store.get(&key).await?;
            text.extend_from_slice(
                &fact.ok_or_else(|| StoreError::Corrupt("a statement lacks a part".to_owned()))?.value,
            );
        }
        String::from_utf8(text).map_err(|_| StoreError::Corrupt("a statement is not text".to_owned()))
    }

    /// Its result's columns.
    pub async fn columns(&self, execution: &Execution) -> Result<Vec<ColumnRow>, StoreError> {
        let mut columns = Vec::new();
        for part in 0..execution.row.column_parts {
            let key = execution::columns_key(&execution.key.scope, &execution.key.id, part);
            if let Some(fact) = self.store.get(&key).await? {
                columns.extend(decode::<ColumnsRow>("columns", &fact.value)?.columns);
            }
        }
        Ok(columns)
    }

    /// Ids of a workgroup's executions, newest first, after the one at (time, id).
    pub async fn list(
        &self,
        scope: &Scope,
        workgroup: &str,
        after: Option<(i64, String)>,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        let mut range = KeyRange::prefix(&index::by_time_prefix(scope, workgroup));
        if let Some((submitted_ms, id)) = after {
            range = range.after(&index::by_time_key(scope, workgroup, submitted_ms, &id));
        }
        let rows = self.store.scan(&range, limit, Direction::Forward).await?;
        Ok(rows.iter().filter_map(|row| index::id_of_by_time(&row.key)).collect())
    }

    /// What has not ended, oldest first.
    pub async fn open(&self, limit: usize) -> Result<Vec<(i64, ExecutionKey)>, StoreError> {
        let range = KeyRange::prefix(&index::open_prefix());
        let rows = self.store.scan(&range, limit, Direction::Forward).await?;
        Ok(rows.iter().filter_map(|row| index::read_timed(&row.key)).collect())
    }

    /// Adds to `commit`: the execution is this now, if nobody changed it meanwhile.
    pub fn stage(&self, commit: &mut Commit, execution: &Execution) {
        let key = execution::key(&execution.key.scope, &execution.key.id);
        let open = index::open_key(execution.row.submitted_ms, &execution.key);
        let ended = execution.state().has_ended();
        let (version, row) = (execution.version, encode(&execution.row));
        commit.stage(|commit| {
            let commit = commit.expect(key.clone(), version).put(key, row);
            if ended { commit.delete(open) } else { commit }
        });
    }

    /// Adds to `commit` the columns of its result.
    pub fn stage_columns(&self, commit: &mut Commit, execution: &mut Execution, columns: Vec<ColumnRow>) {
        for (part, columns) in columns.chunks(COLUMNS_PER_PART).enumerate() {
            let part = u32::try_from(part).unwrap_or(u32::MAX);
            let key = execution::columns_key(&execution.key.scope, &execution.key.id, part);
            let row = encode(&ColumnsRow { columns: columns.to_vec() });
            commit.stage(|commit| commit.put(key, row));
            execution.row.column_parts = part + 1;
        }
    }

    /// Commits a change of one execution alone. `false` if it was changed meanwhile.
    pub async fn save(&self, execution: &mut Execution) -> Result<bool, CommitError> {
        let mut commit = Commit::new();
        self.stage(&mut commit, execution);
        match self.store.commit(commit).await {
            Ok(done) => {
                execution.version = done.lsn;
                Ok(true)
            }
            Err(CommitError::Conflict(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Where results go that nobody said a place for: a bucket of the account and region, named as
    /// Athena's own tools name it, created when it is first needed.
    pub async fn default_location(&self, scope: &Scope) -> Result<String, Fault> {
        let name = format!("aws-athena-query-results-{}-{}", scope.account, scope.region);
        let bucket = BucketName::new(&name).map_err(|error| fault::invalid(error.to_string()))?;
        match self.objects.create_bucket(&bucket, scope.account, &scope.region).await {
            Ok(_) | Err(ObjectError::BucketExists { .. }) => Ok(format!("s3://{name}/")),
            Err(error) => Err(fault::object(&error, &name)),
        }
    }

    /// The bucket of an output location and the prefix in it, if the account may write there.
    pub async fn place(&self, scope: &Scope, location: &str) -> Result<(Arc<Bucket>, String), Fault> {
        let refuse = || fault::invalid(format!("outputLocation is not a valid S3 path: {location}"));
        let rest = location.strip_prefix("s3://").ok_or_else(refuse)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let name = BucketName::new(bucket).map_err(|_| refuse())?;
        let bucket = self.objects.bucket(&name).await.map_err(|error| fault::object(&error, location))?;
        if bucket.owner != scope.account {
            return Err(fault::invalid(format!("Unable to verify/create output bucket {}", name.as_str())));
        }
        let mut prefix = prefix.to_owned();
        if !prefix.is_empty() && !prefix.ends_with('/') {
            prefix.push('/');
        }
        Ok((bucket, prefix))
    }
}
