//! Removal of what hung on dropped databases and tables.
//!
//! A drop leaves a `DROPPED` fact in its own commit; what it names is unreachable from then on. It
//! is removed in bounded commits, and the fact last, so a crash in between loses nothing but time.

use headwater_store::{Commit, Key};

use crate::engine::PAGE_ROWS;
use crate::records::table::TableRecord;
use crate::records::{Present, decode, encode, keys};
use crate::{Catalog, CatalogError};

impl Catalog {
    /// Removes what hung on one thing dropped earlier whose removal a crash cut short. Says
    /// whether there was one. For a reconciler.
    pub async fn sweep_dropped(&self) -> Result<bool, CatalogError> {
        let rows = self.page(&keys::dropped(), None, 1).await?;
        match rows.first().and_then(|row| keys::dropped_of(&row.key)) {
            Some((keys::DROPPED_DATABASE, incarnation)) => self.sweep_database(incarnation).await?,
            Some((_, incarnation)) => self.sweep_table(incarnation).await?,
            None => return Ok(false),
        }
        Ok(true)
    }

    /// Drops the tables of a dropped database, then forgets it.
    pub(crate) async fn sweep_database(&self, incarnation: u64) -> Result<(), CatalogError> {
        loop {
            let rows = self.page(&keys::tables(incarnation), None, PAGE_ROWS).await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                let record: TableRecord = decode(&row.key, &row.fact.value)?;
                let dropped = keys::dropped_thing(keys::DROPPED_TABLE, record.incarnation);
                let commit = Commit::new()
                    .delete(row.key)
                    .delete(keys::table_guard(record.incarnation, record.schema_id))
                    .put(dropped, encode(&Present {}))
                    .freeing();
                self.commit(commit, "Table").await?;
                self.sweep_table(record.incarnation).await?;
            }
        }
        self.forget(keys::dropped_thing(keys::DROPPED_DATABASE, incarnation)).await
    }

    /// Removes partitions, versions and descriptors of a dropped table, then forgets it.
    pub(crate) async fn sweep_table(&self, incarnation: u64) -> Result<(), CatalogError> {
        for prefix in
            [keys::partitions(incarnation), keys::table_versions(incarnation), keys::storages(incarnation)]
        {
            loop {
                let rows = self.page(&prefix, None, PAGE_ROWS).await?;
                if rows.is_empty() {
                    break;
                }
                let commit =
                    rows.into_iter().fold(Commit::new().freeing(), |commit, row| commit.delete(row.key));
                self.commit(commit, "Table").await?;
            }
        }
        self.forget(keys::dropped_thing(keys::DROPPED_TABLE, incarnation)).await
    }

    async fn forget(&self, dropped: Key) -> Result<(), CatalogError> {
        self.commit(Commit::new().delete(dropped).freeing(), "a dropped thing").await?;
        Ok(())
    }
}
