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
use headwater_streams::aggregate::{self, UserRecord};
use headwater_streams::batch::{self, BatchError};
use headwater_tables::decode::{Decoded, JsonDecoder};
use headwater_tables::write::{Format, WriteError};

use crate::deadletter::{DeadLetter, Letters};
use crate::definition::{Delivery, Source};
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
    /// Lines written to error objects since they were last counted.
    letters_written: u64,
    files: FileSet,
    counts: BTreeMap<u32, Counts>,
    /// Whether aggregated records are taken apart: those of a stream are.
    splits: bool,
}

/// A record on its way: one of a shard's, or one of those that came aggregated in it.
pub(crate) struct Record {
    pub(crate) data: Bytes,
    pub(crate) offset: i64,
    /// Which of an aggregate's it is.
    pub(crate) part: Option<u64>,
    pub(crate) arrived: Timestamp,
    /// The chunk's record that it is, or that it came in: an index into the [`Fates`].
    pub(crate) whole: usize,
}

/// What becomes of each record of a chunk. An aggregated one is dead-lettered if anything in it is,
/// otherwise delivered if anything in it is.
#[derive(Debug, Default)]
struct Fates(Vec<Fate>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Dropped,
    Delivered,
    DeadLettered,
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
        let letters = Letters::new(plan);
        let splits = matches!(delivery.source, Source::Stream { .. });
        Ok(Self { delivery, decoder, letters, letters_written: 0, files, counts: BTreeMap::new(), splits })
    }

    /// Takes in a chunk; gives what is ready to be uploaded.
    pub(crate) fn chunk(&mut self, chunk: &Chunk) -> Result<Vec<Emit>, ProduceError> {
        let (records, mut fates) = read(chunk, self.splits)?;
        let sorted = self.sort(chunk.shard, records, &mut fates)?;
        let rows = match self.decoder.take() {
            Some(decoder) => {
                let done = self.convert(&decoder, chunk.shard, sorted, &mut fates);
                self.decoder = Some(decoder);
                done?
            }
            None => self.pass_on(sorted, &mut fates)?,
        };
        let counts = Counts { rows, ..fates.counts(std::mem::take(&mut self.letters_written)) };
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
    fn sort(&mut self, shard: u32, records: Vec<Record>, fates: &mut Fates) -> Result<Sorted, ProduceError> {
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
                Err(reason) => self.bury(shard, &record, DeadLetter::NoPartition(&reason), fates)?,
            }
        }
        Ok(sorted)
    }

    /// Gives the number of rows.
    fn convert(
        &mut self,
        decoder: &JsonDecoder,
        shard: u32,
        sorted: Sorted,
        fates: &mut Fates,
    ) -> Result<u64, ProduceError> {
        let data: Vec<Bytes> = sorted.records.iter().map(|record| record.data.clone()).collect();
        let Decoded { batch, origin, misfits, .. } = decoder.decode(&data);
        let of_row: Vec<u32> = origin.iter().map(|record| sorted.group_of[*record as usize]).collect();
        let split = split_rows(&batch, &of_row, sorted.groups.len()).map_err(WriteError)?;
        for ((group, rows), oldest) in sorted.groups.iter().zip(&split).zip(&sorted.oldest) {
            if rows.num_rows() > 0 {
                self.files.rows(group, rows, *oldest)?;
            }
        }
        for misfit in &misfits {
            if let Some(record) = sorted.records.get(misfit.index) {
                self.bury(shard, record, DeadLetter::Misfit(&misfit.reason), fates)?;
            }
        }
        for record in origin.iter().filter_map(|index| sorted.records.get(*index as usize)) {
            fates.raise(record, Fate::Delivered);
        }
        Ok(batch.num_rows() as u64)
    }

    /// Gives the number of rows.
    fn pass_on(&mut self, sorted: Sorted, fates: &mut Fates) -> Result<u64, ProduceError> {
        let delimiter = self.delivery.destination.delimiter.clone();
        for (record, group) in sorted.records.iter().zip(&sorted.group_of) {
            let group = &sorted.groups[*group as usize];
            self.files.record(group, &record.data, &delimiter, record.arrived)?;
            fates.raise(record, Fate::Delivered);
        }
        Ok(sorted.records.len() as u64)
    }

    fn bury(
        &mut self,
        shard: u32,
        record: &Record,
        why: DeadLetter<'_>,
        fates: &mut Fates,
    ) -> Result<(), ProduceError> {
        let line = self.letters.write(shard, record, why);
        self.files.record(&Group::error(why.output_type()), &line, b"\n", record.arrived)?;
        fates.raise(record, Fate::DeadLettered);
        self.letters_written += 1;
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

impl Fates {
    /// The fate of one more record, for now that of one that holds nothing.
    fn begin(&mut self) -> usize {
        self.0.push(Fate::Dropped);
        self.0.len() - 1
    }

    fn raise(&mut self, record: &Record, fate: Fate) {
        let own = &mut self.0[record.whole];
        *own = fate.max(*own);
    }

    /// What became of the records, which left so many lines in error objects.
    fn counts(&self, letters: u64) -> Counts {
        let count = |fate: Fate| self.0.iter().filter(|own| **own == fate).count() as u64;
        let dead_lettered = count(Fate::DeadLettered);
        Counts {
            delivered: count(Fate::Delivered),
            dropped: count(Fate::Dropped),
            dead_lettered,
            further_letters: letters - dead_lettered,
            ..Counts::default()
        }
    }
}

/// The plan's records in a chunk, aggregated ones taken apart if `splits`. A record without a value
/// (a Kafka tombstone) and an empty aggregate hold nothing.
fn read(chunk: &Chunk, splits: bool) -> Result<(Vec<Record>, Fates), BatchError> {
    let (mut records, mut fates) = (Vec::new(), Fates::default());
    for stored in &chunk.batches {
        for decoded in batch::decode(&stored.payload)? {
            let offset = stored.base_offset + i64::from(decoded.offset_delta);
            if offset < chunk.from || offset >= chunk.to {
                continue;
            }
            let whole = fates.begin();
            let arrived = stored.append_time;
            let Some(data) = decoded.record.value else { continue };
            let parts = if splits { aggregate::split(&data) } else { None };
            match parts {
                None => records.push(Record { data, offset, part: None, arrived, whole }),
                Some(parts) => {
                    let part = |(part, user): (u64, UserRecord)| Record {
                        data: user.data,
                        offset,
                        part: Some(part),
                        arrived,
                        whole,
                    };
                    records.extend((0..).zip(parts).map(part));
                }
            }
        }
    }
    Ok((records, fates))
}
