//! Tables come, change and go.

use std::sync::Arc;

use headwater_base::Scope;
use headwater_store::{Commit, CommitError, Direction, Key, KeyRange, Lsn};

use super::write::RACES_MAX;
use super::{Extent, KeySchema, PAGE_ROWS, Settings, Table, TableError, TableKey, Tables};
use crate::records::table::TableRecord;
use crate::records::token::TokenRecord;
use crate::records::{Present, corrupt, decode, encode, keys};

/// The most tables of an account in a region.
const TABLES_MAX: usize = 2500;
/// How long a transaction's token is remembered.
pub(super) const TOKEN_MS: i64 = 10 * 60 * 1000;

/// What a table is created with.
#[derive(Clone, Debug)]
pub(crate) struct NewTable {
    pub(crate) schema: KeySchema,
    pub(crate) settings: Settings,
}

struct StoredTable {
    key: Key,
    version: Lsn,
    table: Table,
}

impl Tables {
    /// Creates a table. It is usable when this returns.
    pub(crate) async fn create(&self, key: TableKey, new: NewTable) -> Result<Arc<Table>, TableError> {
        let own = KeyRange::prefix(&keys::tables(&key.scope));
        if self.store.scan(&own, TABLES_MAX, Direction::Forward).await?.len() >= TABLES_MAX {
            return Err(TableError::TooMany(format!("There may be at most {TABLES_MAX} tables.")));
        }
        let table = Table {
            key: key.clone(),
            incarnation: self.seams.chance.u64(),
            id: self.seams.chance.uuid().into_bytes(),
            created: self.now(),
            schema: new.schema,
            settings: new.settings,
        };
        let at = keys::table(&key.scope, key.name.as_str());
        let guard = keys::guard(table.incarnation);
        let commit = Commit::new()
            .expect_absent(at.clone())
            .expect_absent(guard.clone())
            .put(at, encode(&TableRecord::of(&table)))
            .put(guard, encode(&Present {}));
        match self.store.commit(commit).await {
            Ok(_) => Ok(Arc::new(table)),
            Err(CommitError::Conflict(_)) => Err(TableError::Exists(key)),
            Err(error) => Err(TableError::of_commit(error)),
        }
    }

    /// The table.
    pub(crate) async fn table(&self, key: &TableKey) -> Result<Arc<Table>, TableError> {
        Ok(Arc::new(self.stored_table(key).await?.table))
    }

    /// How much it holds.
    pub(crate) async fn extent(&self, table: &Table) -> Result<Extent, TableError> {
        let items = self.counter(&keys::extent(table.incarnation, keys::EXTENT_ITEMS)).await?;
        let bytes = self.counter(&keys::extent(table.incarnation, keys::EXTENT_BYTES)).await?;
        Ok(Extent { items, bytes })
    }

    /// Names of tables, in order after `after`.
    pub(crate) async fn names(
        &self,
        scope: &Scope,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, TableError> {
        let range = KeyRange::prefix(&keys::tables(scope));
        let range = match after {
            Some(name) => range.after(&keys::table(scope, name)),
            None => range,
        };
        let rows = self.store.scan(&range, limit, Direction::Forward).await?;
        let name = |key: &Key| keys::table_name_of(key).ok_or_else(|| corrupt(key, "no table's key").into());
        rows.iter().map(|row| name(&row.key)).collect()
    }

    /// Changes a table's settings; `change` may refuse, and is asked again after a race.
    pub(crate) async fn update<E: From<TableError>>(
        &self,
        key: &TableKey,
        change: impl Fn(&mut Table) -> Result<(), E> + Send,
    ) -> Result<Arc<Table>, E> {
        for _ in 0..RACES_MAX {
            let mut stored = self.stored_table(key).await?;
            change(&mut stored.table)?;
            let commit = Commit::new()
                .expect(stored.key.clone(), stored.version)
                .put(stored.key, encode(&TableRecord::of(&stored.table)));
            match self.commit(commit).await {
                Ok(()) => return Ok(Arc::new(stored.table)),
                Err(TableError::Contended) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(TableError::Contended.into())
    }

    /// Drops a table with all it holds.
    pub(crate) async fn delete(&self, key: &TableKey) -> Result<Arc<Table>, TableError> {
        let stored = self.stored_table(key).await?;
        if stored.table.settings.deletion_protected {
            return Err(TableError::Protected(key.clone()));
        }
        let incarnation = stored.table.incarnation;
        let commit = Commit::new()
            .expect(stored.key.clone(), stored.version)
            .delete(stored.key)
            .delete(keys::guard(incarnation))
            .put(keys::dropped(incarnation), encode(&Present {}))
            .freeing();
        self.commit(commit).await?;
        self.remove_contents(incarnation).await?;
        Ok(Arc::new(stored.table))
    }

    /// Removes what a crash left of a dropped table, and tokens that are too old to be asked for.
    /// Says whether there may be more. For a reconciler.
    pub(crate) async fn sweep(&self) -> Result<bool, TableError> {
        let rows = self.first_rows(&keys::all_dropped()).await?;
        for row in &rows {
            let incarnation =
                keys::dropped_of(&row.key).ok_or_else(|| corrupt(&row.key, "no dropped table's key"))?;
            self.remove_contents(incarnation).await?;
        }
        Ok(rows.len() == PAGE_ROWS || self.forget_tokens().await?)
    }

    async fn forget_tokens(&self) -> Result<bool, TableError> {
        let horizon = self.now().ms() - TOKEN_MS;
        let mut range = KeyRange::prefix(&keys::tokens());
        loop {
            let rows = self.store.scan(&range, PAGE_ROWS, Direction::Forward).await?;
            let Some(last) = rows.last().map(|row| row.key.clone()) else { return Ok(false) };
            let mut commit = Commit::new().freeing();
            for row in rows {
                let record: TokenRecord = decode(&row.key, &row.fact.value)?;
                if record.done_ms < horizon {
                    commit = commit.delete(row.key);
                }
            }
            if !commit.is_empty() {
                self.commit(commit).await?;
            }
            range = range.after(&last);
        }
    }

    /// Removes the items of a dropped table in bounded commits, and the note of it last.
    async fn remove_contents(&self, incarnation: u64) -> Result<(), TableError> {
        for prefix in [keys::items(incarnation), keys::all_parts(incarnation)] {
            loop {
                let range = KeyRange::prefix(&prefix);
                let rows = self.store.scan(&range, super::read::ITEM_ROWS, Direction::Forward).await?;
                if rows.is_empty() {
                    break;
                }
                let commit =
                    rows.into_iter().fold(Commit::new().freeing(), |commit, row| commit.delete(row.key));
                self.commit(commit).await?;
            }
        }
        let commit = Commit::new()
            .delete(keys::extent(incarnation, keys::EXTENT_ITEMS))
            .delete(keys::extent(incarnation, keys::EXTENT_BYTES))
            .delete(keys::dropped(incarnation))
            .freeing();
        self.commit(commit).await
    }

    async fn stored_table(&self, key: &TableKey) -> Result<StoredTable, TableError> {
        let at = keys::table(&key.scope, key.name.as_str());
        let fact = self.store.get(&at).await?.ok_or_else(|| TableError::NoSuchTable(key.clone()))?;
        let record: TableRecord = decode(&at, &fact.value)?;
        let table = record.into_table(key.clone()).ok_or_else(|| corrupt(&at, "a name that is none"))?;
        Ok(StoredTable { key: at, version: fact.version, table })
    }

    async fn counter(&self, key: &Key) -> Result<i64, TableError> {
        let Some(fact) = self.store.get(key).await? else { return Ok(0) };
        let bytes = fact.value.as_ref().try_into().map_err(|_| corrupt(key, "no counter"))?;
        Ok(i64::from_le_bytes(bytes))
    }
}
