//! Records to files: decode, partition, convert. CPU alone; runs on the blocking pool.
//!
//! **Invariants.** Output depends on the plan and the batches it names, on nothing else: no clock,
//! no chance, and the chunks records come in are cut at the same batches each time. Every record of
//! the plan is counted exactly once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use headwater_base::Timestamp;
use headwater_store::StoredBatch;
use headwater_streams::batch::{self, BatchError};
use headwater_tables::decode::{Decoded, JsonDecoder};
use headwater_tables::write::{Format, WriteError};

use crate::deadletter::{DeadLetter, Letters};
use crate::definition::Delivery;
use crate::ledger::Counts;
use crate::output::{Emit, FileSet, Form, Group, Limits};
use crate::plan::Plan;
use crate::rows::{split_rows, table_schema};

/// What the open files of one plan may hold in memory.
const MEMORY_BYTES: u64 = 44 << 20;
/// The size at which a delivered file is ended and the next begun.
const FILE_BYTES: u64 = 256 << 20;
/// The most files of one plan; more (too many partitions) make the plan smaller.
pub(crate) const FILES_MAX: u32 = 4096;

/// Consecutive batches of one shard.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// The shard.
    pub(crate) shard: u32,
    /// Offsets before this one are not in the plan.
    pub(crate) from: i64,
    /// Offsets from this one on are not in the plan.
    pub(crate) to: i64,
    /// The batches.
    pub(crate) batches: Vec<StoredBatch>,
}

/// Why a plan can't be produced.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProduceError {
    /// The table's schema can't be written.
    #[error("{0}")]
    Schema(String),
    /// A batch can't be read. Its bytes were checked by the store, so its writer was wrong.
    #[error("a record batch is unreadable")]
    Batch(#[from] BatchError),
    /// A file can't be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// There are too many partitions for one plan.
    #[error("the records spread over more than {FILES_MAX} files")]
    TooManyFiles,
}

/// Turns a plan's chunks into files.
#[derive(Debug)]
pub(crate) struct Producer {
    delivery: Arc<Delivery>,
    decoder: Option<JsonDecoder>,
    letters: Letters,
    files: FileSet,
    counts: BTreeMap<u32, Counts>,
}

/// A record on its way.
struct Record {
    data: Bytes,
    offset: i64,
    arrived: Timestamp,
}

/// Records that fit their partition, with the group each belongs to.
#[derive(Default)]
struct Sorted {
    records: Vec<Record>,
    group_of: Vec<u32>,
    groups: Vec<Group>,
    oldest: Vec<Timestamp>,
    numbers: HashMap<Vec<String>, u32>,
}

impl Producer {
    /// For one plan.
    pub(crate) fn new(plan: &Plan) -> Result<Self, ProduceError> {
        let delivery = Arc::clone(&plan.delivery);
        let (form, decoder) = match (&delivery.destination.conversion, &plan.table) {
            (Some(conversion), Some(table)) => {
                let schema = table_schema(table).map_err(ProduceError::Schema)?;
                let format = Format::Parquet(conversion.compression);
                (
                    Form::Rows { schema: Arc::clone(&schema), format },
                    Some(JsonDecoder::with_options(schema, &conversion.json)),
                )
            }
            _ => (Form::Raw { gzip: delivery.destination.gzip }, None),
        };
        let limits = Limits { memory_bytes: MEMORY_BYTES, file_bytes: FILE_BYTES };
        let files = FileSet::new(form, delivery.destination.gzip, limits);
        let letters = Letters::new(&delivery, plan.table.as_deref(), plan.newest);
        Ok(Self { delivery, decoder, letters, files, counts: BTreeMap::new() })
    }

    /// Takes in a chunk; gives what is ready to be uploaded.
    pub(crate) fn chunk(&mut self, chunk: &Chunk) -> Result<Vec<Emit>, ProduceError> {
        let mut counts = Counts::default();
        let records = read(chunk, &mut counts)?;
        let sorted = self.sort(chunk.shard, records, &mut counts)?;
        match self.decoder.take() {
            Some(decoder) => {
                let done = self.convert(&decoder, chunk.shard, sorted, &mut counts);
                self.decoder = Some(decoder);
                done?;
            }
            None => self.pass_on(sorted, &mut counts)?,
        }
        self.counts.entry(chunk.shard).or_default().add(&counts);
        if self.files.files() > FILES_MAX {
            return Err(ProduceError::TooManyFiles);
        }
        Ok(self.files.settle()?)
    }

    /// Ends all files; gives the rest and what became of each shard's records.
    pub(crate) fn finish(self) -> Result<(Vec<Emit>, BTreeMap<u32, Counts>), ProduceError> {
        Ok((self.files.finish()?, self.counts))
    }

    /// Finds each record's partition; those without one become dead letters.
    fn sort(
        &mut self,
        shard: u32,
        records: Vec<Record>,
        counts: &mut Counts,
    ) -> Result<Sorted, ProduceError> {
        let mut sorted = Sorted::default();
        let delivery = Arc::clone(&self.delivery);
        let Some(query) = &delivery.destination.partition_query else {
            for record in records {
                sorted.push(record, Vec::new());
            }
            return Ok(sorted);
        };
        for record in records {
            match query.values(&record.data) {
                Ok(values) => sorted.push(record, values),
                Err(reason) => self.bury(shard, &record, DeadLetter::NoPartition(&reason), counts)?,
            }
        }
        Ok(sorted)
    }

    fn convert(
        &mut self,
        decoder: &JsonDecoder,
        shard: u32,
        sorted: Sorted,
        counts: &mut Counts,
    ) -> Result<(), ProduceError> {
        let data: Vec<Bytes> = sorted.records.iter().map(|record| record.data.clone()).collect();
        let Decoded { batch, origin, misfits, .. } = decoder.decode(&data);
        let of_row: Vec<u32> = origin.iter().map(|record| sorted.group_of[*record as usize]).collect();
        let split = split_rows(&batch, &of_row, sorted.groups.len()).map_err(WriteError)?;
        for ((group, rows), oldest) in sorted.groups.iter().zip(&split).zip(&sorted.oldest) {
            if rows.num_rows() > 0 {
                self.files.rows(group, rows, *oldest)?;
            }
        }
        let mut dead = 0;
        for misfit in &misfits {
            if let Some(record) = sorted.records.get(misfit.index) {
                self.bury(shard, record, DeadLetter::Misfit(&misfit.reason), counts)?;
                dead += 1;
            }
        }
        // `origin` ascends, so equal neighbours are one record's rows.
        let mut rows_of = origin;
        rows_of.dedup();
        counts.rows += batch.num_rows() as u64;
        counts.delivered += rows_of.len() as u64;
        counts.dropped += (sorted.records.len() as u64).saturating_sub(rows_of.len() as u64 + dead);
        Ok(())
    }

    fn pass_on(&mut self, sorted: Sorted, counts: &mut Counts) -> Result<(), ProduceError> {
        let delimiter = self.delivery.destination.delimiter.clone();
        for (record, group) in sorted.records.iter().zip(&sorted.group_of) {
            let group = &sorted.groups[*group as usize];
            self.files.record(group, &record.data, &delimiter, record.arrived)?;
        }
        counts.delivered += sorted.records.len() as u64;
        counts.rows += sorted.records.len() as u64;
        Ok(())
    }

    fn bury(
        &mut self,
        shard: u32,
        record: &Record,
        why: DeadLetter<'_>,
        counts: &mut Counts,
    ) -> Result<(), ProduceError> {
        let line = self.letters.write(shard, record.offset, record.arrived, &record.data, why);
        self.files.record(&Group::error(why.output_type()), &line, b"\n", record.arrived)?;
        counts.dead_lettered += 1;
        Ok(())
    }
}

impl Sorted {
    fn push(&mut self, record: Record, values: Vec<String>) {
        let next = self.groups.len() as u32;
        let number = match self.numbers.get(&values) {
            Some(number) => *number,
            None => {
                self.groups.push(Group::data(values.clone()));
                self.oldest.push(record.arrived);
                self.numbers.insert(values, next);
                next
            }
        };
        let oldest = &mut self.oldest[number as usize];
        *oldest = (*oldest).min(record.arrived);
        self.group_of.push(number);
        self.records.push(record);
    }
}

/// The plan's records in a chunk. A record without a value (a Kafka tombstone) is dropped.
fn read(chunk: &Chunk, counts: &mut Counts) -> Result<Vec<Record>, BatchError> {
    let mut records = Vec::new();
    for stored in &chunk.batches {
        for decoded in batch::decode(&stored.payload)? {
            let offset = stored.base_offset + i64::from(decoded.offset_delta);
            if offset < chunk.from || offset >= chunk.to {
                continue;
            }
            match decoded.record.value {
                Some(data) => records.push(Record { data, offset, arrived: stored.append_time }),
                None => counts.dropped += 1,
            }
        }
    }
    Ok(records)
}
