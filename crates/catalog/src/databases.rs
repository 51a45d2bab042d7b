//! Databases.

use std::sync::Arc;

use headwater_base::Scope;
use headwater_store::{Commit, CommitError, Key, Lsn, StoreError};

use crate::records::database::DatabaseRecord;
use crate::records::{Present, decode, encode, keys};
use crate::{Catalog, CatalogError, Database, name};

/// A database as it is stored, and the commit that last wrote it.
pub(crate) struct StoredDatabase {
    pub(crate) key: Key,
    pub(crate) record: DatabaseRecord,
    pub(crate) version: Lsn,
}

impl Catalog {
    /// Creates a database. Its creation time is now.
    pub async fn create_database(
        &self,
        scope: &Scope,
        database: Database,
    ) -> Result<Arc<Database>, CatalogError> {
        let database =
            Database { name: name::normal("database", &database.name)?, created: self.now(), ..database };
        let key = keys::database(scope, &database.name);
        let record = DatabaseRecord::of(self.seams.chance.u64(), &database);
        let guard = keys::database_guard(record.incarnation);
        let commit = Commit::new()
            .expect_absent(key.clone())
            .expect_absent(guard.clone())
            .put(key, encode(&record))
            .put(guard, encode(&Present {}));
        match self.store.commit(commit).await {
            Ok(_) => Ok(Arc::new(database)),
            Err(CommitError::Conflict(_)) => Err(CatalogError::Exists(format!("Database {}", database.name))),
            Err(error) => Err(CatalogError::of_commit(error, &format!("Database {}", database.name))),
        }
    }

    /// The database.
    pub async fn database(&self, scope: &Scope, name: &str) -> Result<Arc<Database>, CatalogError> {
        let stored = self.stored_database(scope, name).await?;
        Ok(Arc::new(stored.record.into_database(name.to_lowercase())))
    }

    /// Databases, in name order after `after`.
    pub async fn databases(
        &self,
        scope: &Scope,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Arc<Database>>, CatalogError> {
        let after = after.map(|name| keys::database(scope, name));
        let rows = self.page(&keys::databases(scope), after.as_ref(), limit).await?;
        rows.iter()
            .map(|row| {
                let name = keys::database_name_of(&row.key)
                    .ok_or_else(|| StoreError::Corrupt(format!("{:?} is no database's key", row.key)))?;
                Ok(Arc::new(decode::<DatabaseRecord>(&row.key, &row.fact.value)?.into_database(name)))
            })
            .collect()
    }

    /// Replaces what is known of a database; its name and creation time stay.
    pub async fn update_database(&self, scope: &Scope, database: Database) -> Result<(), CatalogError> {
        let stored = self.stored_database(scope, &database.name).await?;
        let record = DatabaseRecord {
            created_ms: stored.record.created_ms,
            ..DatabaseRecord::of(stored.record.incarnation, &database)
        };
        let what = format!("Database {}", database.name);
        let commit =
            Commit::new().expect(stored.key.clone(), stored.version).put(stored.key, encode(&record));
        self.commit(commit, &what).await?;
        Ok(())
    }

    /// Drops a database with all its tables. Their objects stay where they are.
    pub async fn delete_database(&self, scope: &Scope, name: &str) -> Result<(), CatalogError> {
        let stored = self.stored_database(scope, name).await?;
        let incarnation = stored.record.incarnation;
        let commit = Commit::new()
            .expect(stored.key.clone(), stored.version)
            .delete(stored.key)
            .delete(keys::database_guard(incarnation))
            .put(keys::dropped_thing(keys::DROPPED_DATABASE, incarnation), encode(&Present {}))
            .freeing();
        self.commit(commit, &format!("Database {name}")).await?;
        self.sweep_database(incarnation).await
    }

    pub(crate) async fn stored_database(
        &self,
        scope: &Scope,
        name: &str,
    ) -> Result<StoredDatabase, CatalogError> {
        let key = keys::database(scope, &name.to_lowercase());
        match self.store.get(&key).await? {
            Some(fact) => {
                let record = decode(&key, &fact.value)?;
                Ok(StoredDatabase { key, record, version: fact.version })
            }
            None => Err(CatalogError::NotFound(format!("Database {name}"))),
        }
    }
}
