//! PutRecords: up to 500 records, each with an outcome of its own.

use headwater_streams::{NewRecord, Placed, Stream, StreamError};
use headwater_wire::{Access, Context, Fault, Operation};

use super::put_record::{check_record, retry_token};
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
        let key = target::stream(cx, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
        Ok(target::access("kinesis:PutRecords", &key))
    }

    async fn call(state: &State, cx: &Context, input: PutRecordsInput) -> Result<PutRecordsOutput, Fault> {
        let key = target::stream(cx, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
        let records = records(input.records)?;
        let stream = state.streams.get(&key).await.map_err(|error| fault::of(&key, error))?;
        if input.dry_run == Some(true) {
            return Err(fault::dry_run());
        }
        let once = retry_token(cx, Self::NAME, &stream);
        let outcomes = state.streams.put_each(&stream, &records, once).await;
        answer(&stream, outcomes)
    }
}

fn records(entries: Option<Vec<PutRecordsEntry>>) -> Result<Vec<NewRecord>, Fault> {
    let mut checks = Checks::new();
    checks.present("records", entries.as_ref());
    checks.count("records", entries.as_ref().map(Vec::len), 1, RECORDS_MAX);
    checks.finish()?;
    let entries = entries.unwrap_or_default();
    let mut checks = Checks::new();
    for (at, entry) in entries.iter().enumerate() {
        if !is_plainly_fine(entry) {
            check_record(&mut checks, &format!("records.{}.member.", at + 1), entry);
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
    let data_is_short =
        entry.data.as_ref().is_some_and(|data| data.0.len() <= super::put_record::RECORD_BYTES_MAX / 2);
    key_is_short && data_is_short && entry.explicit_hash_key.is_none()
}

/// A stream that was deleted under the request fails it whole; whatever else happened is told per
/// record.
fn answer(stream: &Stream, outcomes: Vec<Result<Placed, StreamError>>) -> Result<PutRecordsOutput, Fault> {
    let mut failed_record_count = 0;
    let mut records = Vec::with_capacity(outcomes.len());
    for outcome in outcomes {
        records.push(match outcome {
            Ok(placed) => convert::put_result(stream, &placed),
            Err(error @ (StreamError::NoSuchStream(_) | StreamError::NotActive(_))) => {
                return Err(fault::of(&stream.key, error));
            }
            Err(error) => {
                failed_record_count += 1;
                let (error_code, error_message) = fault::of_record(&stream.key, error);
                PutRecordsResult::Refused { error_code, error_message }
            }
        });
    }
    Ok(PutRecordsOutput { failed_record_count, records })
}
