//! PutRecords: up to 500 records, each with an outcome of its own.

use headwater_base::OnceToken;
use headwater_streams::{HashKey, NewRecord, Placed, RECORD_BYTES, Shard, Stream, StreamError};
use headwater_wire::{Access, Context, Fault, Operation};

use super::put_record::{Rules, check_record, retry_token};
use crate::checks::Checks;
use crate::shapes::{PutRecordsEntry, PutRecordsInput, PutRecordsOutput, PutRecordsResult};
use crate::{State, convert, fault, target};

const RECORDS_MAX: usize = 500;

/// The most bytes of one request: data and partition keys.
const BYTES_MAX: usize = 10 << 20;

pub(crate) struct PutRecords;

impl Operation<State> for PutRecords {
    const NAME: &'static str = "PutRecords";
    type Input = PutRecordsInput;
    type Output = PutRecordsOutput;

    fn access(_: &State, cx: &Context, input: &PutRecordsInput) -> Result<Access, Fault> {
        let key = target::of(cx, input)?;
        Ok(target::access("kinesis:PutRecords", &key))
    }

    async fn call(state: &State, cx: &Context, input: PutRecordsInput) -> Result<PutRecordsOutput, Fault> {
        let key = target::of(cx, &input)?;
        let found = state.stream(&key).await;
        let records = records(input.records, Rules::of(found.as_deref().ok()))?;
        let stream = found?;
        if input.dry_run == Some(true) {
            return Err(fault::dry_run());
        }
        let once = retry_token(cx, Self::NAME, &stream);
        if state.limits.hold(&stream) {
            return put_within_limits(state, cx, &stream, records, once).await;
        }
        let outcomes = state.streams.put_each(&stream, &records, once).await;
        answer(&stream, outcomes.into_iter().map(Outcome::of).collect())
    }
}

/// What became of one record.
enum Outcome<'a> {
    Put(Placed),
    Failed(StreamError),
    /// The budget of this shard did not admit it.
    OverLimit(&'a Shard),
}

impl Outcome<'_> {
    fn of(outcome: Result<Placed, StreamError>) -> Self {
        outcome.map_or_else(Self::Failed, Self::Put)
    }
}

/// Puts the records that the shards' budgets admit. The token also says which those are: a retry
/// that other budgets meet is another put.
async fn put_within_limits(
    state: &State,
    cx: &Context,
    stream: &Stream,
    records: Vec<NewRecord>,
    once: Option<OnceToken>,
) -> Result<PutRecordsOutput, Fault> {
    let hash_keys = state.streams.hash_keys(stream, &records, once);
    let refuse =
        |(record, at): (&NewRecord, &HashKey)| state.limits.refuse_write(stream, record, *at, cx.time);
    let refused: Vec<Option<&Shard>> = records.iter().zip(&hash_keys).map(refuse).collect();
    let which: Vec<u8> = refused.iter().map(|shard| u8::from(shard.is_some())).collect();
    let once = once.map(|token| OnceToken::derive(&[&token.0, &which]));
    let both = records.into_iter().zip(hash_keys).zip(&refused);
    let (admitted, hash_keys): (Vec<NewRecord>, Vec<HashKey>) =
        both.filter(|(_, shard)| shard.is_none()).map(|(both, _)| both).unzip();
    let mut placed = state.streams.put_each_at(stream, &admitted, &hash_keys, once).await.into_iter();
    let mut outcomes = Vec::with_capacity(refused.len());
    for shard in refused {
        outcomes.push(match shard {
            Some(shard) => Outcome::OverLimit(shard),
            None => Outcome::of(placed.next().expect("one outcome for each record that was put")),
        });
    }
    answer(stream, outcomes)
}

fn records(entries: Option<Vec<PutRecordsEntry>>, rules: Rules) -> Result<Vec<NewRecord>, Fault> {
    let mut checks = Checks::new();
    checks.present("records", entries.as_ref());
    checks.count("records", entries.as_ref().map(Vec::len), 1, RECORDS_MAX);
    checks.finish()?;
    let entries = entries.unwrap_or_default();
    let mut checks = Checks::new();
    for (at, entry) in entries.iter().enumerate() {
        if !is_plainly_fine(entry) {
            check_record(&mut checks, &format!("records.{}.member.", at + 1), entry, rules);
        }
    }
    checks.finish()?;
    let records = entries.into_iter().map(convert::new_record).collect::<Result<Vec<_>, Fault>>()?;
    let bytes: usize = records.iter().map(|record| record.data.len() + record.partition_key.len()).sum();
    if bytes > BYTES_MAX {
        return Err(fault::invalid("Records size exceeds 10 MB limit"));
    }
    Ok(records)
}

/// Whether a record is of the common kind that needs no closer look.
fn is_plainly_fine(entry: &PutRecordsEntry) -> bool {
    let key_is_short = entry.partition_key.as_ref().is_some_and(|key| (1..=256).contains(&key.len()));
    let data_is_short = entry.data.as_ref().is_some_and(|data| data.0.len() <= RECORD_BYTES / 2);
    key_is_short && data_is_short && entry.explicit_hash_key.is_none()
}

/// A stream that was deleted under the request fails it whole; whatever else happened is told per
/// record.
fn answer(stream: &Stream, outcomes: Vec<Outcome<'_>>) -> Result<PutRecordsOutput, Fault> {
    let mut failed_record_count = 0;
    let mut records = Vec::with_capacity(outcomes.len());
    for outcome in outcomes {
        let (error_code, error_message) = match outcome {
            Outcome::Put(placed) => {
                records.push(convert::put_result(&placed));
                continue;
            }
            Outcome::Failed(error @ (StreamError::NoSuchStream(_) | StreamError::NotActive(..))) => {
                return Err(fault::of(&stream.key, error));
            }
            Outcome::Failed(error) => fault::of_record(&stream.key, error),
            Outcome::OverLimit(shard) => fault::in_record(fault::rate_exceeded(&stream.key, shard)),
        };
        failed_record_count += 1;
        records.push(PutRecordsResult::Refused { error_code, error_message });
    }
    Ok(PutRecordsOutput { failed_record_count, records, encryption_type: convert::encryption_if_on(stream) })
}
