//! PutRecord: one record, durable before it is answered.

use headwater_base::OnceToken;
use headwater_streams::Stream;
use headwater_wire::{Access, Context, Fault, Operation};

use crate::checks::Checks;
use crate::sequence::SequenceNumber;
use crate::shapes::{PutRecordInput, PutRecordOutput, PutRecordsEntry};
use crate::{State, convert, fault, target};

/// The most bytes of a record: its data and its partition key.
pub(super) const RECORD_BYTES_MAX: usize = 1 << 20;

pub(crate) struct PutRecord;

impl Operation<State> for PutRecord {
    const NAME: &'static str = "PutRecord";
    type Input = PutRecordInput;
    type Output = PutRecordOutput;

    fn access(_: &State, cx: &Context, input: &PutRecordInput) -> Result<Access, Fault> {
        let key = target::stream(cx, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
        Ok(target::access("kinesis:PutRecord", &key))
    }

    async fn call(state: &State, cx: &Context, input: PutRecordInput) -> Result<PutRecordOutput, Fault> {
        let key = target::stream(cx, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
        let after = input.sequence_number_for_ordering;
        let entry = PutRecordsEntry {
            data: input.data,
            partition_key: input.partition_key,
            explicit_hash_key: input.explicit_hash_key,
        };
        let mut checks = Checks::new();
        check_record(&mut checks, "", &entry);
        checks.sequence_number("sequenceNumberForOrdering", after.as_deref());
        checks.finish()?;
        let records = [convert::new_record(entry)?];
        let stream = state.streams.get(&key).await.map_err(|error| fault::of(&key, error))?;
        if let Some(number) = after.filter(|number| SequenceNumber::parse(number).is_none()) {
            return Err(fault::invalid(format!(
                "ExclusiveMinimumSequenceNumber {number} used in PutRecord on stream {} under account {} is invalid.",
                key.name.as_str(),
                key.scope.account
            )));
        }
        if input.dry_run == Some(true) {
            return Err(fault::dry_run());
        }
        let once = retry_token(cx, Self::NAME, &stream);
        let mut outcomes = state.streams.put_each(&stream, &records, once).await;
        let outcome = outcomes.pop().expect("one outcome for one record");
        let placed = outcome.map_err(|error| fault::of(&key, error))?;
        Ok(convert::put_record(&stream, &placed))
    }
}

/// Checks one record's members; `path` is what stands before their names.
pub(super) fn check_record(checks: &mut Checks, path: &str, entry: &PutRecordsEntry) {
    checks.present(format_args!("{path}data"), entry.data.as_ref());
    checks.present(format_args!("{path}partitionKey"), entry.partition_key.as_ref());
    checks.length(format_args!("{path}partitionKey"), entry.partition_key.as_deref(), 1, 256);
    checks.hash_key(format_args!("{path}explicitHashKey"), entry.explicit_hash_key.as_deref());
    let bytes =
        entry.data.as_ref().map(|data| data.0.len() + entry.partition_key.as_ref().map_or(0, String::len));
    checks.blob(format_args!("{path}data"), bytes, RECORD_BYTES_MAX);
}

/// The token that recognises an SDK's retry of a put into this incarnation of the stream.
pub(super) fn retry_token(cx: &Context, operation: &str, stream: &Stream) -> Option<OnceToken> {
    let mut what = [0; 40];
    what[..32].copy_from_slice(&cx.body_sha256);
    what[32..].copy_from_slice(&stream.incarnation.to_be_bytes());
    cx.once(operation, &what)
}
