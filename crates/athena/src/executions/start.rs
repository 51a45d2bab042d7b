//! Starting an execution, and stopping one.

use headwater_base::{Caller, OnceToken, Scope};
use headwater_store::{Commit, CommitError, Direction, KeyRange};
use headwater_wire::Fault;

use super::state::{State, kind_of};
use super::{Execution, Executions};
use crate::fault;
use crate::records::execution::{self, ExecutionRow};
use crate::records::index::{self, ExecutionKey, ExpiryRow};
use crate::records::token::{self, TokenRow};
use crate::records::{decode, encode};

/// Bytes of a statement kept in one fact.
const TEXT_PART_BYTES: usize = 96 * 1024;
/// Executions that may wait or run at a time on the node; more are refused.
pub const OPEN_MAX: usize = 1000;
/// Attempts to stop an execution that changes at the same moment.
const STOP_ATTEMPTS: usize = 8;

/// What to run.
#[derive(Clone, Debug)]
pub struct StartRequest {
    /// Who asks.
    pub caller: Caller,
    /// The statement.
    pub sql: String,
    /// The default database.
    pub database: String,
    /// The data catalog as given.
    pub catalog: Option<String>,
    /// The workgroup.
    pub workgroup: String,
    /// `s3://bucket/prefix/` for the results.
    pub output_location: String,
    /// The client's token.
    pub token: Option<String>,
}

impl Executions {
    /// Queues a statement and answers its id. The same token with the same request gives the same
    /// id again.
    pub async fn start(&self, scope: &Scope, request: StartRequest) -> Result<String, Fault> {
        let digest = digest(&request);
        if let Some(token) = &request.token
            && let Some(id) = self.begun_by(scope, token, &digest).await?
        {
            return Ok(id);
        }
        let open = KeyRange::prefix(&index::open_prefix());
        let waiting = self
            .store
            .scan(&open, OPEN_MAX, Direction::Forward)
            .await
            .map_err(|error| fault::store(&error))?;
        if waiting.len() >= OPEN_MAX {
            return Err(fault::throttled(format!("{OPEN_MAX} queries wait or run already")));
        }
        let id = self.seams.chance.uuid().to_string();
        let token = request.token.clone();
        match self.store.commit(self.started(scope, &id, request, &digest)).await {
            Ok(_) => Ok(id),
            // The same token was used at the same moment.
            Err(CommitError::Conflict(_)) => {
                let begun = self.begun_by(scope, token.as_deref().unwrap_or_default(), &digest).await?;
                begun.ok_or_else(|| fault::throttled("the request collided with another; try again"))
            }
            Err(error) => Err(fault::commit(&error)),
        }
    }

    fn started(&self, scope: &Scope, id: &str, request: StartRequest, digest: &[u8]) -> Commit {
        let execution = ExecutionKey { scope: scope.clone(), id: id.to_owned() };
        let submitted_ms = self.seams.clock.now().ms();
        let expiry = ExpiryRow { workgroup: request.workgroup.clone(), token: request.token.clone() };
        let mut commit = Commit::new()
            .put(index::by_time_key(scope, &request.workgroup, submitted_ms, id), &b""[..])
            .put(index::open_key(submitted_ms, &execution), &b""[..])
            .put(index::expiry_key(submitted_ms, &execution), encode(&expiry));
        let mut parts = 0;
        for piece in request.sql.as_bytes().chunks(TEXT_PART_BYTES) {
            commit = commit.put(execution::text_key(scope, id, parts), piece.to_vec());
            parts += 1;
        }
        if let Some(token) = &request.token {
            let key = token::key(scope, token);
            let row = TokenRow { id: id.to_owned(), request: digest.to_vec() };
            commit = commit.expect_absent(key.clone()).put(key, encode(&row));
        }
        let row = ExecutionRow {
            kind: kind_of(&request.sql),
            workgroup: request.workgroup,
            database: request.database,
            catalog: request.catalog,
            output_location: request.output_location,
            state: State::Queued.number(),
            submitted_ms,
            text_parts: parts,
            access_key: request.caller.access_key,
            user: request.caller.user,
            canonical_id: request.caller.canonical_id,
            ..ExecutionRow::default()
        };
        commit.put(execution::key(scope, id), encode(&row))
    }

    /// The execution that a token began.
    async fn begun_by(&self, scope: &Scope, token: &str, digest: &[u8]) -> Result<Option<String>, Fault> {
        let fact = self.store.get(&token::key(scope, token)).await.map_err(|error| fault::store(&error))?;
        let Some(fact) = fact else { return Ok(None) };
        let row: TokenRow = decode("token", &fact.value).map_err(|error| fault::store(&error))?;
        if row.request != digest {
            return Err(fault::invalid("Idempotent parameters do not match"));
        }
        Ok(Some(row.id))
    }

    /// Ends an execution that has not ended. Nothing happens to one that has.
    pub async fn stop(&self, scope: &Scope, id: &str) -> Result<Execution, Fault> {
        for _ in 0..STOP_ATTEMPTS {
            let mut execution = self.require(scope, id).await?;
            if execution.state().has_ended() {
                return Ok(execution);
            }
            execution.row.state = State::Cancelled.number();
            execution.row.reason = Some("Query cancelled by user".to_owned());
            execution.row.completed_ms = Some(self.seams.clock.now().ms());
            if self.save(&mut execution).await.map_err(|error| fault::commit(&error))? {
                return Ok(execution);
            }
        }
        Err(fault::throttled("the query changes state at this moment; try again"))
    }

    /// Removes up to `limit` executions submitted before `before_ms`; their results stay. Answers
    /// whether there may be more.
    pub async fn expire(&self, before_ms: i64, limit: usize) -> Result<bool, CommitError> {
        let read = |error: headwater_store::StoreError| {
            tracing::warn!(error = %error, "old executions can't be read");
            CommitError::Busy
        };
        let range = KeyRange::prefix(&index::expiry_prefix());
        let rows = self.store.scan(&range, limit, Direction::Forward).await.map_err(read)?;
        let count = rows.len();
        for row in rows {
            let Some((submitted_ms, key)) = index::read_timed(&row.key) else { continue };
            if submitted_ms >= before_ms {
                return Ok(false);
            }
            let expiry: ExpiryRow = decode("expiry", &row.fact.value).map_err(read)?;
            let found = self.get(&key.scope, &key.id).await.map_err(read)?;
            if found.as_ref().is_some_and(|execution| !execution.state().has_ended()) {
                continue;
            }
            self.store.commit(forgotten(row.key, submitted_ms, &key, &expiry, found.as_ref())).await?;
        }
        Ok(count == limit)
    }
}

fn forgotten(
    expiry_key: headwater_store::Key,
    submitted_ms: i64,
    key: &ExecutionKey,
    expiry: &ExpiryRow,
    found: Option<&Execution>,
) -> Commit {
    let (scope, id) = (&key.scope, key.id.as_str());
    let mut commit = Commit::new()
        .delete(expiry_key)
        .delete(index::by_time_key(scope, &expiry.workgroup, submitted_ms, id))
        .delete(execution::key(scope, id))
        .freeing();
    if let Some(token) = &expiry.token {
        commit = commit.delete(token::key(scope, token));
    }
    let (texts, columns) = found.map_or((0, 0), |found| (found.row.text_parts, found.row.column_parts));
    for part in 0..texts {
        commit = commit.delete(execution::text_key(scope, id, part));
    }
    for part in 0..columns {
        commit = commit.delete(execution::columns_key(scope, id, part));
    }
    commit
}

/// What makes two requests with one token the same.
fn digest(request: &StartRequest) -> Vec<u8> {
    let parts = [&request.sql, &request.database, &request.workgroup, &request.output_location];
    let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
    OnceToken::derive(&parts).0.to_vec()
}
