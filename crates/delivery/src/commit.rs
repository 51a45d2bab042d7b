//! The one commit of a plan: objects, partitions, positions and ledger together.
//!
//! **Failure.** Before it, nothing of the plan is visible and its bodies are swept; after it there
//! is nothing left to do. A conflict repeats the commit as long as the plan still stands.

use std::collections::BTreeMap;
use std::sync::Arc;

use headwater_catalog::Table;
use headwater_objects::{Attributes, Bucket, ObjectError};
use headwater_store::{Commit, CommitError};

use crate::definition::Source;
use crate::engine::Inner;
use crate::ledger::{CommittedObject, CommittedPlan, CommittedRange, Counts, LedgerRow};
use crate::naming::{object_key, partition_of};
use crate::output::StagedFile;
use crate::plan::Plan;
use crate::records::plan::{PlanObjectRecord, PlanRecord};
use crate::records::position::{HeadRecord, PositionRecord};
use crate::records::{Record as _, keys};
use crate::runner::RunError;

/// The largest commit the store takes.
const COMMIT_BYTES_MAX: usize = 8 << 20;
/// How often a plan's commit is repeated against unrelated changes before planning anew.
const COMMIT_TRIES: u32 = 16;
/// Longer lists of ranges are left to the ledger and not repeated on each object.
const RANGES_TEXT_MAX: usize = 2048;

/// How a plan's commit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommitStep {
    /// It is delivered.
    Done,
    /// Positions, schema or the delivery changed: plan again.
    Stale,
}

impl Inner {
    /// Commits a produced plan.
    pub(crate) async fn commit_plan(
        &self,
        plan: &Plan,
        staged: &[StagedFile],
        counts: &BTreeMap<u32, Counts>,
    ) -> Result<CommitStep, RunError> {
        let rows = next_rows(plan, counts)?;
        for _ in 0..COMMIT_TRIES {
            let bucket = self.destination_bucket(&plan.delivery).await?;
            let commit = self.build(plan, &bucket, staged, &rows, counts).await?;
            if commit.size() > COMMIT_BYTES_MAX {
                return Err(RunError::TooLarge);
            }
            match self.store.commit(commit).await {
                Ok(_) => return Ok(CommitStep::Done),
                Err(CommitError::Conflict(_)) => {
                    if !self.still_stands(plan).await? {
                        return Ok(CommitStep::Stale);
                    }
                }
                Err(CommitError::TooLarge { .. }) => return Err(RunError::TooLarge),
                Err(CommitError::NoSuchLog(_)) => return Ok(CommitStep::Stale),
                Err(
                    error @ (CommitError::Full
                    | CommitError::Busy
                    | CommitError::Malformed(_)
                    | CommitError::Closed),
                ) => {
                    return Err(RunError::Commit(error));
                }
            }
        }
        Ok(CommitStep::Stale)
    }

    async fn build(
        &self,
        plan: &Plan,
        bucket: &Bucket,
        staged: &[StagedFile],
        rows: &[LedgerRow],
        counts: &BTreeMap<u32, Counts>,
    ) -> Result<Commit, RunError> {
        let id = plan.delivery.incarnation;
        let (head, version) = plan.head;
        let number = head.next_plan;
        let mut commit = Commit::new()
            .expect_present(keys::guard(id))
            .expect(keys::head(id), version)
            .put(keys::head(id), HeadRecord { next_plan: number + 1 }.to_value())
            .freeing();
        if let Some(stream) = &plan.stream {
            self.streams.stage_expect_alive(&mut commit, stream);
        }
        if let Some(table) = &plan.table {
            self.catalog.stage_expect_table(&mut commit, table);
        }
        stage_positions(&mut commit, plan, rows);
        let objects = self.stage_objects(&mut commit, plan, bucket, staged).await?;
        let committed = committed_plan(plan, counts, objects.len());
        commit.stage(|c| c.put(keys::plan(id, number), PlanRecord::from(&committed).to_value()));
        for (ordinal, object) in objects.iter().enumerate() {
            let key = keys::plan_object(id, number, ordinal as u32);
            commit.stage(|c| c.put(key, PlanObjectRecord::from(object).to_value()));
        }
        Ok(commit)
    }

    async fn stage_objects(
        &self,
        commit: &mut Commit,
        plan: &Plan,
        bucket: &Bucket,
        staged: &[StagedFile],
    ) -> Result<Vec<CommittedObject>, RunError> {
        let mut objects = Vec::with_capacity(staged.len());
        let mut partitions = BTreeMap::new();
        for file in staged {
            let key = object_key(plan, &file.closed).map_err(RunError::Invalid)?;
            let now = plan.newest;
            self.objects.stage_put(commit, bucket, &key, &file.body, attributes(plan, file), now).await?;
            if let (Some(table), None) = (&plan.table, file.closed.group.error)
                && let Some(partition) = partition_of(table, &bucket.name, &key, now)
            {
                partitions.entry(partition.values.clone()).or_insert(partition);
            }
            objects.push(CommittedObject {
                bucket: bucket.name.as_str().to_owned(),
                key: key.as_str().to_owned(),
                error: file.closed.group.error.is_some(),
                rows: file.closed.rows,
                size: file.body.size,
                sha256: file.body.sha256.clone().unwrap_or_default(),
            });
        }
        if let Some(table) = &plan.table {
            for partition in partitions.values() {
                self.catalog.stage_partition(commit, table, partition);
            }
        }
        Ok(objects)
    }

    /// Whether a plan could still be committed as it is: nothing it was decided from has moved.
    async fn still_stands(&self, plan: &Plan) -> Result<bool, RunError> {
        let id = plan.delivery.incarnation;
        if self.store.get(&keys::guard(id)).await?.is_none() || self.head(id).await?.1 != plan.head.1 {
            return Ok(false);
        }
        if let (Some(planned), Some(conversion)) = (&plan.table, &plan.delivery.destination.conversion) {
            let now = self.catalog.table(&conversion.table).await?;
            if !same_schema(&now, planned) {
                return Ok(false);
            }
        }
        match (&plan.stream, &plan.delivery.source) {
            (Some(planned), Source::Stream { key, .. }) => {
                let now = self.streams.get(key).await.map_err(|error| RunError::Source(error.to_string()))?;
                Ok(now.incarnation == planned.incarnation)
            }
            _ => Ok(true),
        }
    }

    /// The bucket of today under the destination's name.
    pub(crate) async fn destination_bucket(
        &self,
        delivery: &crate::definition::Delivery,
    ) -> Result<Arc<Bucket>, RunError> {
        let bucket = match self.objects.bucket(&delivery.destination.bucket).await {
            Ok(bucket) => bucket,
            Err(ObjectError::NoSuchBucket(name)) => {
                return Err(RunError::Waiting(format!("bucket {name:?} does not exist; create it to go on")));
            }
            Err(error) => return Err(error.into()),
        };
        if bucket.owner != delivery.key.scope.account {
            let name = bucket.name.as_str();
            return Err(RunError::Waiting(format!("bucket {name:?} belongs to another account")));
        }
        let bucket = bucket.for_service("firehose.amazonaws.com", &format!("{:016X}", delivery.incarnation));
        Ok(bucket)
    }
}

/// Whether two readings of a table agree in what a plan depends on.
pub(crate) fn same_schema(a: &Table, b: &Table) -> bool {
    (a.incarnation, a.schema_id) == (b.incarnation, b.schema_id)
}

/// The rows after the plan. Every record must be counted, or the delivery stops.
fn next_rows(plan: &Plan, counts: &BTreeMap<u32, Counts>) -> Result<Vec<LedgerRow>, RunError> {
    plan.ranges
        .iter()
        .map(|range| {
            let mut row = range.lane.row;
            row.position = range.to;
            row.counts.add(counts.get(&row.shard).unwrap_or(&Counts::default()));
            if row.meets() {
                return Ok(row);
            }
            Err(RunError::LedgerBroken(format!(
                "shard {}: offsets {} to {} were read but {} records are accounted for",
                row.shard,
                row.start,
                row.position,
                row.counts.records()
            )))
        })
        .collect()
}

fn stage_positions(commit: &mut Commit, plan: &Plan, rows: &[LedgerRow]) {
    let id = plan.delivery.incarnation;
    for (range, row) in plan.ranges.iter().zip(rows) {
        let key = keys::position(id, row.shard);
        commit.stage(|c| {
            let c = match range.lane.version {
                Some(version) => c.expect(key.clone(), version),
                None => c.expect_absent(key.clone()),
            };
            c.put(key, PositionRecord::from(row).to_value())
        });
        if let Source::DirectPut { log } = plan.delivery.source {
            commit.stage(|c| c.trim(log, row.position));
        }
    }
}

fn committed_plan(plan: &Plan, counts: &BTreeMap<u32, Counts>, objects: usize) -> CommittedPlan {
    let range = |range: &crate::plan::PlanRange| CommittedRange {
        shard: range.lane.row.shard,
        from: range.from(),
        to: range.to,
        counts: counts.get(&range.lane.row.shard).copied().unwrap_or_default(),
    };
    CommittedPlan {
        number: plan.head.0.next_plan,
        id: plan.id,
        config_version: plan.delivery.config_version,
        schema_id: plan.table.as_ref().map(|table| table.schema_id),
        ranges: plan.ranges.iter().map(range).collect(),
        objects: objects as u32,
        at: plan.newest,
    }
}

fn attributes(plan: &Plan, file: &StagedFile) -> Attributes {
    let mut system = BTreeMap::from([
        ("delivery".to_owned(), plan.delivery.incarnation.to_string()),
        ("plan".to_owned(), plan.id.to_string()),
        ("plan_number".to_owned(), plan.head.0.next_plan.to_string()),
        ("rows".to_owned(), file.closed.rows.to_string()),
    ]);
    let texts: Vec<String> = plan
        .ranges
        .iter()
        .map(|range| format!("{}:{}-{}", range.lane.row.shard, range.from(), range.to))
        .collect();
    let ranges = texts.join(",");
    if ranges.len() <= RANGES_TEXT_MAX {
        system.insert("ranges".to_owned(), ranges);
    }
    if let Some(digest) = &file.body.sha256 {
        system.insert("sha256".to_owned(), digest.clone());
    }
    Attributes { content_type: Some("application/octet-stream".to_owned()), system, ..Attributes::default() }
}
