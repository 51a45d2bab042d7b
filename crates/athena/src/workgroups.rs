//! Workgroups: named settings for queries. `primary` is always there.

use std::sync::Arc;

use headwater_base::{Scope, Seams};
use headwater_store::{Commit, CommitError, Direction, KeyRange, Store};
use headwater_wire::Fault;

use crate::fault;
use crate::records::workgroup::{self, WorkGroupRow};
use crate::records::{decode, encode};

/// The workgroup of queries that name none.
pub const PRIMARY: &str = "primary";
/// The most workgroups of an account in a region.
const WORKGROUPS_MAX: usize = 1000;

/// The workgroups of a node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct WorkGroups {
    store: Arc<dyn Store>,
    seams: Seams,
}

impl WorkGroups {
    /// The workgroups of `store`.
    pub fn new(store: Arc<dyn Store>, seams: Seams) -> Self {
        Self { store, seams }
    }

    /// The workgroup's settings.
    pub async fn get(&self, scope: &Scope, name: &str) -> Result<WorkGroupRow, Fault> {
        check_name(name)?;
        let fact =
            self.store.get(&workgroup::key(scope, name)).await.map_err(|error| fault::store(&error))?;
        match fact {
            Some(fact) => decode("workgroup", &fact.value).map_err(|error| fault::store(&error)),
            None if name == PRIMARY => Ok(WorkGroupRow { enabled: true, ..WorkGroupRow::default() }),
            None => Err(fault::invalid(format!("WorkGroup {name} is not found."))),
        }
    }

    /// Creates a workgroup.
    pub async fn create(&self, scope: &Scope, name: &str, row: WorkGroupRow) -> Result<(), Fault> {
        check_name(name)?;
        let exists = || fault::invalid("WorkGroup is already created");
        if name == PRIMARY {
            return Err(exists());
        }
        if self.list(scope).await?.len() >= WORKGROUPS_MAX {
            return Err(fault::invalid(format!("an account has at most {WORKGROUPS_MAX} workgroups")));
        }
        let row = WorkGroupRow { enabled: true, created_ms: self.seams.clock.now().ms(), ..row };
        let key = workgroup::key(scope, name);
        match self.store.commit(Commit::new().expect_absent(key.clone()).put(key, encode(&row))).await {
            Ok(_) => Ok(()),
            Err(CommitError::Conflict(_)) => Err(exists()),
            Err(error) => Err(fault::commit(&error)),
        }
    }

    /// Changes a workgroup. The last of two changes at the same moment wins.
    pub async fn put(&self, scope: &Scope, name: &str, row: &WorkGroupRow) -> Result<(), Fault> {
        let commit = Commit::new().put(workgroup::key(scope, name), encode(row));
        self.store.commit(commit).await.map(|_| ()).map_err(|error| fault::commit(&error))
    }

    /// Removes a workgroup.
    pub async fn delete(&self, scope: &Scope, name: &str) -> Result<(), Fault> {
        if name == PRIMARY {
            return Err(fault::invalid("The primary workgroup cannot be deleted"));
        }
        self.get(scope, name).await?;
        let commit = Commit::new().delete(workgroup::key(scope, name)).freeing();
        self.store.commit(commit).await.map(|_| ()).map_err(|error| fault::commit(&error))
    }

    /// All workgroups in name order, `primary` among them.
    pub async fn list(&self, scope: &Scope) -> Result<Vec<(String, WorkGroupRow)>, Fault> {
        let range = KeyRange::prefix(&workgroup::prefix(scope));
        let rows = self.store.scan(&range, WORKGROUPS_MAX + 1, Direction::Forward).await;
        let mut groups = Vec::new();
        for row in rows.map_err(|error| fault::store(&error))? {
            let name = workgroup::name(&row.key).unwrap_or_default();
            groups.push((name, decode("workgroup", &row.fact.value).map_err(|error| fault::store(&error))?));
        }
        if !groups.iter().any(|(name, _)| name == PRIMARY) {
            groups.push((PRIMARY.to_owned(), WorkGroupRow { enabled: true, ..WorkGroupRow::default() }));
            groups.sort_by(|a, b| a.0.cmp(&b.0));
        }
        Ok(groups)
    }
}

fn check_name(name: &str) -> Result<(), Fault> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if (1..=128).contains(&name.len()) && name.bytes().all(legal) {
        return Ok(());
    }
    Err(fault::invalid("a workgroup's name has 1 to 128 of a-z A-Z 0-9 . _ -"))
}
