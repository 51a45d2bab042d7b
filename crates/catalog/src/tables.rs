//! Tables and their versions.

use std::collections::HashSet;
use std::sync::Arc;

use headwater_base::Scope;
use headwater_store::{Commit, Key, Lsn, StoreError, Watch, WatchTarget};

use crate::engine::RACES_MAX;
use crate::records::table::TableRecord;
use crate::records::{Present, decode, encode, keys};
use crate::{Catalog, CatalogError, Column, Table, TableKey, name};

/// Whether an update keeps what the table was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Archive {
    /// As a version that can be asked for.
    Keep,
    /// Not at all (`SkipArchive`).
    Skip,
}

/// A table as it is stored, and the commit that last wrote it.
struct StoredTable {
    key: Key,
    record: TableRecord,
    version: Lsn,
}

impl Catalog {
    /// The table as it is now.
    pub async fn table(&self, key: &TableKey) -> Result<Arc<Table>, CatalogError> {
        let stored = self.stored_table(key).await?;
        Ok(Arc::new(stored.record.into_table(normal_key(key))))
    }

    /// Change when a table of this name, or the database it belongs in, is created, changed or
    /// dropped. Create them, then look.
    pub async fn watch_table(&self, key: &TableKey) -> Result<Vec<Watch>, CatalogError> {
        let key = normal_key(key);
        let database = keys::database(&key.scope, &key.database);
        let mut watches = vec![self.store.watch(WatchTarget::Prefix(database))];
        match self.stored_database(&key.scope, &key.database).await {
            Ok(database) => {
                let table = keys::table(database.record.incarnation, &key.table);
                watches.push(self.store.watch(WatchTarget::Prefix(table)));
            }
            Err(CatalogError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(watches)
    }

    /// Tables of a database, in name order after `after`.
    pub async fn tables(
        &self,
        scope: &Scope,
        database: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Arc<Table>>, CatalogError> {
        let incarnation = self.stored_database(scope, database).await?.record.incarnation;
        let after = after.map(|name| keys::table(incarnation, name));
        let rows = self.page(&keys::tables(incarnation), after.as_ref(), limit).await?;
        rows.iter()
            .map(|row| {
                let table = keys::table_name_of(&row.key)
                    .ok_or_else(|| StoreError::Corrupt(format!("{:?} is no table's key", row.key)))?;
                let key = TableKey { scope: scope.clone(), database: database.to_lowercase(), table };
                Ok(Arc::new(decode::<TableRecord>(&row.key, &row.fact.value)?.into_table(key)))
            })
            .collect()
    }

    /// Creates a table. Incarnation, schema id, version and times are given by the catalog.
    pub async fn create_table(&self, table: Table) -> Result<Arc<Table>, CatalogError> {
        let what = what(&table.key);
        for _ in 0..RACES_MAX {
            let mut commit = Commit::new();
            let created = self.stage_create_table(&mut commit, table.clone()).await?;
            match self.commit(commit, &what).await {
                Ok(_) => return Ok(created),
                // Somebody created it, or dropped the database: looking again tells which.
                Err(CatalogError::Changed(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(CatalogError::Changed(what))
    }

    /// Adds to `commit` the creation of `table` (CTAS): expects that there is none.
    pub async fn stage_create_table(
        &self,
        commit: &mut Commit,
        table: Table,
    ) -> Result<Arc<Table>, CatalogError> {
        let database = self.stored_database(&table.key.scope, &table.key.database).await?.record.incarnation;
        let name = name::normal("table", &table.key.table)?;
        let now = self.now();
        let table = Table {
            key: TableKey { table: name, ..normal_key(&table.key) },
            incarnation: self.seams.chance.u64(),
            schema_id: 0,
            version: 0,
            created: now,
            updated: now,
            ..normal_columns(table)
        };
        check_columns(&table)?;
        let key = keys::table(database, &table.key.table);
        if self.store.get(&key).await?.is_some() {
            return Err(CatalogError::Exists(what(&table.key)));
        }
        let guard = keys::table_guard(table.incarnation, table.schema_id);
        commit.stage(|commit| {
            commit
                .expect_present(keys::database_guard(database))
                .expect_absent(key.clone())
                .expect_absent(guard.clone())
                .put(key, encode(&TableRecord::of(&table)))
                .put(guard, encode(&Present {}))
        });
        Ok(Arc::new(table))
    }

    /// Adds to `commit` the check that the table is still this incarnation with this schema id.
    pub fn stage_expect_table(&self, commit: &mut Commit, table: &Table) {
        let guard = keys::table_guard(table.incarnation, table.schema_id);
        commit.stage(|commit| commit.expect_present(guard));
    }

    /// Replaces what is known of a table by `table` (whose key names it); its incarnation and
    /// creation time stay. With `expected` only if that is its version now.
    pub async fn update_table(
        &self,
        table: Table,
        expected: Option<u64>,
        archive: Archive,
    ) -> Result<Arc<Table>, CatalogError> {
        let what = what(&table.key);
        for _ in 0..RACES_MAX {
            let stored = self.stored_table(&table.key).await?;
            if expected.is_some_and(|version| version != stored.record.version) {
                return Err(CatalogError::Changed(what));
            }
            let (commit, updated) = self.updating(stored, table.clone(), archive)?;
            match self.commit(commit, &what).await {
                Ok(_) => return Ok(updated),
                Err(CatalogError::Changed(_)) if expected.is_none() => {}
                Err(error) => return Err(error),
            }
        }
        Err(CatalogError::Changed(what))
    }

    /// The commit that makes `stored` into `table`.
    fn updating(
        &self,
        stored: StoredTable,
        table: Table,
        archive: Archive,
    ) -> Result<(Commit, Arc<Table>), CatalogError> {
        let key = normal_key(&table.key);
        let before = stored.record.clone().into_table(key.clone());
        let mut table = Table {
            key,
            incarnation: before.incarnation,
            version: before.version + 1,
            schema_id: before.schema_id,
            created: before.created,
            updated: self.now(),
            ..normal_columns(table)
        };
        check_columns(&table)?;
        let mut commit = Commit::new().expect(stored.key.clone(), stored.version);
        if !same_schema(&before, &table) {
            table.schema_id += 1;
            commit = commit
                .delete(keys::table_guard(before.incarnation, before.schema_id))
                .put(keys::table_guard(table.incarnation, table.schema_id), encode(&Present {}));
        }
        if archive == Archive::Keep {
            commit =
                commit.put(keys::table_version(before.incarnation, before.version), encode(&stored.record));
        }
        Ok((commit.put(stored.key, encode(&TableRecord::of(&table))), Arc::new(table)))
    }

    /// Drops a table with its partitions and versions. Its objects stay where they are. Gives what
    /// it was.
    pub async fn delete_table(&self, key: &TableKey) -> Result<Arc<Table>, CatalogError> {
        for _ in 0..RACES_MAX {
            let stored = self.stored_table(key).await?;
            let incarnation = stored.record.incarnation;
            let commit = Commit::new()
                .expect(stored.key.clone(), stored.version)
                .delete(stored.key)
                .delete(keys::table_guard(incarnation, stored.record.schema_id))
                .put(keys::dropped_thing(keys::DROPPED_TABLE, incarnation), encode(&Present {}))
                .freeing();
            match self.commit(commit, &what(key)).await {
                Ok(_) => {
                    self.sweep_table(incarnation).await?;
                    return Ok(Arc::new(stored.record.into_table(normal_key(key))));
                }
                Err(CatalogError::Changed(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(CatalogError::Changed(what(key)))
    }

    /// A version of a table: what it is or what it was.
    pub async fn table_version(&self, key: &TableKey, version: u64) -> Result<Arc<Table>, CatalogError> {
        let stored = self.stored_table(key).await?;
        if stored.record.version == version {
            return Ok(Arc::new(stored.record.into_table(normal_key(key))));
        }
        let version_key = keys::table_version(stored.record.incarnation, version);
        match self.store.get(&version_key).await? {
            Some(fact) => {
                Ok(Arc::new(decode::<TableRecord>(&version_key, &fact.value)?.into_table(normal_key(key))))
            }
            None => Err(CatalogError::NotFound(format!("Version {version} of {}", what(key)))),
        }
    }

    /// Versions of a table, newest first, those older than `before`; the first is what it is now.
    pub async fn table_versions(
        &self,
        key: &TableKey,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Arc<Table>>, CatalogError> {
        let stored = self.stored_table(key).await?;
        let incarnation = stored.record.incarnation;
        let mut versions = Vec::new();
        if before.is_none_or(|before| stored.record.version < before) {
            versions.push(Arc::new(stored.record.into_table(normal_key(key))));
        }
        let after = before.map(|before| keys::table_version(incarnation, before));
        let rows = self.page(&keys::table_versions(incarnation), after.as_ref(), limit).await?;
        for row in rows.iter().take(limit.saturating_sub(versions.len())) {
            let record = decode::<TableRecord>(&row.key, &row.fact.value)?;
            versions.push(Arc::new(record.into_table(normal_key(key))));
        }
        Ok(versions)
    }

    /// Forgets an old version of a table; the present one can't be forgotten.
    pub async fn delete_table_version(&self, key: &TableKey, version: u64) -> Result<(), CatalogError> {
        let found = self.table_version(key, version).await?;
        let version_key = keys::table_version(found.incarnation, version);
        if self.store.get(&version_key).await?.is_none() {
            return Err(CatalogError::Invalid("the present version of a table can't be deleted".to_owned()));
        }
        self.commit(Commit::new().delete(version_key).freeing(), &what(key)).await?;
        Ok(())
    }

    async fn stored_table(&self, key: &TableKey) -> Result<StoredTable, CatalogError> {
        let database = self.stored_database(&key.scope, &key.database).await?.record.incarnation;
        let table_key = keys::table(database, &key.table.to_lowercase());
        match self.store.get(&table_key).await? {
            Some(fact) => {
                let record = decode(&table_key, &fact.value)?;
                Ok(StoredTable { key: table_key, record, version: fact.version })
            }
            None => Err(CatalogError::NotFound(what(key))),
        }
    }
}

fn what(key: &TableKey) -> String {
    format!("Table {}.{}", key.database, key.table)
}

fn normal_key(key: &TableKey) -> TableKey {
    TableKey {
        scope: key.scope.clone(),
        database: key.database.to_lowercase(),
        table: key.table.to_lowercase(),
    }
}

fn normal_columns(mut table: Table) -> Table {
    for column in table.storage.columns.iter_mut().chain(&mut table.partition_keys) {
        column.name = column.name.to_lowercase();
    }
    table
}

fn check_columns(table: &Table) -> Result<(), CatalogError> {
    let mut seen = HashSet::new();
    for column in table.storage.columns.iter().chain(&table.partition_keys) {
        if column.name.is_empty() {
            return Err(CatalogError::Invalid("a column has a name".to_owned()));
        }
        if !seen.insert(column.name.as_str()) {
            return Err(CatalogError::Invalid(format!("Duplicate column name: {}", column.name)));
        }
    }
    Ok(())
}

/// Whether deliveries planned for one fit the other: the same columns of the same types.
fn same_schema(a: &Table, b: &Table) -> bool {
    let same = |a: &[Column], b: &[Column]| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.name == b.name && a.hive_type == b.hive_type)
    };
    same(&a.storage.columns, &b.storage.columns) && same(&a.partition_keys, &b.partition_keys)
}
