//! Partitions: one by one, in batches, and by expression.

use headwater_base::OnceToken;
use headwater_store::{Commit, Direction, Fact, Key};

use crate::engine::{PAGE_ROWS, RACES_MAX};
use crate::filter::PartitionFilter;
use crate::records::partition::PartitionRecord;
use crate::records::{decode, encode, keys};
use crate::storages::shared_part;
use crate::{Catalog, CatalogError, Partition, PartitionValues, Table, TableKey, name};

/// One of several equal shares of a table's partitions, for readers that read side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Which share, from 0.
    pub number: u32,
    /// How many there are.
    pub total: u32,
}

impl Segment {
    fn holds(self, values: &[String]) -> bool {
        let parts: Vec<&[u8]> = values.iter().map(String::as_bytes).collect();
        let [a, b, c, d, ..] = OnceToken::derive(&parts).0;
        u32::from_be_bytes([a, b, c, d]) % self.total.max(1) == self.number
    }
}

impl Catalog {
    /// Adds to `commit`: this partition exists (nothing changes if it already does). The commit
    /// must also expect the table ([`Catalog::stage_expect_table`]) or create it.
    pub fn stage_partition(&self, commit: &mut Commit, table: &Table, partition: &Partition) {
        let (record, content, shared) = self.partition_record(partition);
        let key = keys::partition(table.incarnation, &partition.values);
        commit.stage(|commit| {
            commit
                .put_if_absent(keys::storage(table.incarnation, content), shared)
                .put_if_absent(key, encode(&record))
        });
    }

    /// Creates partitions; for each the outcome. All that do not exist yet are created at once.
    pub async fn create_partitions(
        &self,
        key: &TableKey,
        partitions: &[Partition],
    ) -> Result<Vec<Result<(), CatalogError>>, CatalogError> {
        for _ in 0..RACES_MAX {
            let table = self.table(key).await?;
            let mut commit = Commit::new();
            self.stage_expect_table(&mut commit, &table);
            let mut outcomes = Vec::with_capacity(partitions.len());
            for partition in partitions {
                outcomes.push(self.stage_new_partition(&mut commit, &table, partition).await?);
            }
            if commit.is_empty() {
                return Ok(outcomes);
            }
            match self.commit(commit, &format!("Table {}", table.key.table)).await {
                Ok(_) => return Ok(outcomes),
                Err(CatalogError::Changed(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(CatalogError::Changed(format!("Table {}", key.table)))
    }

    async fn stage_new_partition(
        &self,
        commit: &mut Commit,
        table: &Table,
        partition: &Partition,
    ) -> Result<Result<(), CatalogError>, CatalogError> {
        if let Err(error) = name::check_values(&partition.values, table.partition_keys.len()) {
            return Ok(Err(error));
        }
        let key = keys::partition(table.incarnation, &partition.values);
        if self.store.get(&key).await?.is_some() {
            return Ok(Err(CatalogError::Exists("Partition".to_owned())));
        }
        commit.stage(|commit| commit.expect_absent(key));
        self.stage_partition(commit, table, &Partition { created: self.now(), ..partition.clone() });
        Ok(Ok(()))
    }

    /// The partition with these values.
    pub async fn partition(&self, table: &Table, values: &[String]) -> Result<Partition, CatalogError> {
        let key = keys::partition(table.incarnation, values);
        match self.store.get(&key).await? {
            Some(fact) => self.read_partition(table, &key, &fact).await,
            None => Err(not_found(values)),
        }
    }

    /// Partitions that satisfy a Glue expression (`year = '2026' AND month IN ('1','2')`; empty
    /// means all), in key order after `after`.
    pub async fn partitions(
        &self,
        table: &Table,
        expression: &str,
        after: Option<&PartitionValues>,
        limit: usize,
    ) -> Result<Vec<Partition>, CatalogError> {
        let filter = PartitionFilter::parse(expression, &table.partition_keys)?;
        self.partitions_page(table, &filter, None, after, limit).await
    }

    /// The same with a parsed expression and, where asked for, of one segment only. Costs the
    /// partitions in the key ranges the expression leaves, not all of them.
    pub async fn partitions_page(
        &self,
        table: &Table,
        filter: &PartitionFilter,
        segment: Option<Segment>,
        after: Option<&PartitionValues>,
        limit: usize,
    ) -> Result<Vec<Partition>, CatalogError> {
        let after = after.map(|values| keys::partition(table.incarnation, values));
        let mut found = Vec::new();
        for range in filter.key_ranges(&keys::partitions(table.incarnation)) {
            let mut range = match &after {
                Some(after) => range.after(after),
                None => range,
            };
            while found.len() < limit {
                let rows =
                    self.store.scan(&range, page_rows(limit - found.len()), Direction::Forward).await?;
                let Some(last) = rows.last() else { break };
                range = range.after(&last.key);
                for row in &rows {
                    let record = decode::<PartitionRecord>(&row.key, &row.fact.value)?;
                    let wanted =
                        segment.is_none_or(|s| s.holds(&record.values)) && filter.matches(&record.values);
                    if wanted && found.len() < limit {
                        found.push(self.partition_of(table, record).await?);
                    }
                }
            }
        }
        Ok(found)
    }

    /// Replaces the partition with these values by `partition`, whose values may be others.
    pub async fn update_partition(
        &self,
        key: &TableKey,
        values: &[String],
        partition: &Partition,
    ) -> Result<(), CatalogError> {
        for _ in 0..RACES_MAX {
            let table = self.table(key).await?;
            name::check_values(&partition.values, table.partition_keys.len())?;
            let old_key = keys::partition(table.incarnation, values);
            let Some(fact) = self.store.get(&old_key).await? else { return Err(not_found(values)) };
            let created = self.read_partition(&table, &old_key, &fact).await?.created;
            let (record, content, shared) =
                self.partition_record(&Partition { created, ..partition.clone() });
            let new_key = keys::partition(table.incarnation, &partition.values);
            let mut commit = Commit::new().expect(old_key.clone(), fact.version);
            self.stage_expect_table(&mut commit, &table);
            if new_key != old_key {
                if self.store.get(&new_key).await?.is_some() {
                    return Err(CatalogError::Exists("Partition".to_owned()));
                }
                commit = commit.expect_absent(new_key.clone()).delete(old_key);
            }
            let commit = commit
                .put_if_absent(keys::storage(table.incarnation, content), shared)
                .put(new_key, encode(&record));
            match self.commit(commit, "Partition").await {
                Ok(_) => return Ok(()),
                Err(CatalogError::Changed(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(CatalogError::Changed("Partition".to_owned()))
    }

    /// Removes partitions from the catalog; for each the outcome. Their objects stay.
    pub async fn delete_partitions(
        &self,
        key: &TableKey,
        partitions: &[PartitionValues],
    ) -> Result<Vec<Result<(), CatalogError>>, CatalogError> {
        let table = self.table(key).await?;
        let mut commit = Commit::new().freeing();
        let mut outcomes = Vec::with_capacity(partitions.len());
        for values in partitions {
            let partition_key = keys::partition(table.incarnation, values);
            if self.store.get(&partition_key).await?.is_none() {
                outcomes.push(Err(not_found(values)));
                continue;
            }
            commit = commit.delete(partition_key);
            outcomes.push(Ok(()));
        }
        if !commit.is_empty() {
            self.commit(commit, "Partition").await?;
        }
        Ok(outcomes)
    }

    fn partition_record(&self, partition: &Partition) -> (PartitionRecord, [u8; 16], bytes::Bytes) {
        let (content, shared) = shared_part(&partition.storage);
        let record = PartitionRecord {
            values: partition.values.clone(),
            location: partition.storage.location.clone(),
            storage: content,
            parameters: partition.parameters.clone(),
            created_ms: partition.created.ms(),
        };
        (record, content, shared)
    }

    async fn read_partition(&self, table: &Table, key: &Key, fact: &Fact) -> Result<Partition, CatalogError> {
        self.partition_of(table, decode(key, &fact.value)?).await
    }

    async fn partition_of(&self, table: &Table, record: PartitionRecord) -> Result<Partition, CatalogError> {
        Ok(Partition {
            storage: self.storage(table.incarnation, record.storage, record.location).await?,
            values: record.values,
            parameters: record.parameters,
            created: headwater_base::Timestamp::from_ms(record.created_ms),
        })
    }
}

fn not_found(values: &[String]) -> CatalogError {
    CatalogError::NotFound(format!("Partition {values:?}"))
}

/// How many rows to read when so many are still wanted.
fn page_rows(wanted: usize) -> usize {
    wanted.clamp(16, PAGE_ROWS)
}
