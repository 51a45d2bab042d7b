//! PutRecord: one record, durable before it is answered.

use headwater_base::OnceToken;
use headwater_streams::{Distribution, RECORD_BYTES_MAX, Stream};
use headwater_wire::{Access, Context, Fault, Operation};

use crate::checks::Checks;
use crate::sequence::SequenceNumber;
use crate::shapes::{PutRecordInput, PutRecordOutput, PutRecordsEntry};
use crate::{State, convert, fault, target};

pub(crate) struct PutRecord;

impl Operation<State> for PutRecord {
    const NAME: &'static str = "PutRecord";
    type Input = PutRecordInput;
    type Output = PutRecordOutput;

    fn access(_: &State, cx: &Context, input: &PutRecordInput) -> Result<Access, Fault> {
        let key = target::of(cx, input)?;
        Ok(target::access("kinesis:PutRecord", &key))
    }

    async fn call(state: &State, cx: &Context, input: PutRecordInput) -> Result<PutRecordOutput, Fault> {
        let key = target::of(cx, &input)?;
        let after = input.sequence_number_for_ordering;
        let entry = PutRecordsEntry {
            data: input.data,
            partition_key: input.partition_key,
            explicit_hash_key: input.explicit_hash_key,
        };
        let found = state.stream(&key).await;
        let mut checks = Checks::new();
        check_record(&mut checks, "", &entry, Rules::of(found.as_deref().ok()));
        checks.sequence_number("sequenceNumberForOrdering", after.as_deref());
        checks.finish()?;
        let records = [convert::new_record(entry)?];
        let stream = found?;
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
        let hash_keys = state.streams.hash_keys(&stream, &records, once);
        if state.limits.hold(&stream)
            && let Some(shard) = state.limits.refuse_write(&stream, &records[0], hash_keys[0], cx.time)
        {
            return Err(fault::rate_exceeded(&key, shard));
        }
        let mut outcomes = state.streams.put_each_at(&stream, &records, &hash_keys, once).await;
        let outcome = outcomes.pop().expect("one outcome for one record");
        let placed = outcome.map_err(|error| fault::of(&key, error))?;
        Ok(convert::put_record(&stream, &placed))
    }
}

/// What a stream asks of its records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rules {
    /// The most bytes of data and partition key.
    pub(super) bytes_max: usize,
    /// Whether there must be a partition key.
    pub(super) needs_key: bool,
}

impl Rules {
    /// The rules of a stream; what holds for every stream when it is not there.
    pub(super) fn of(stream: Option<&Stream>) -> Self {
        match stream {
            None => Self { bytes_max: RECORD_BYTES_MAX, needs_key: true },
            Some(stream) => Self {
                bytes_max: stream.record_bytes_max,
                needs_key: stream.distribution == Distribution::PartitionKey,
            },
        }
    }
}

/// Checks one record's members; `path` is what stands before their names.
pub(super) fn check_record(checks: &mut Checks, path: &str, entry: &PutRecordsEntry, rules: Rules) {
    checks.present(format_args!("{path}data"), entry.data.as_ref());
    if rules.needs_key {
        checks.present(format_args!("{path}partitionKey"), entry.partition_key.as_ref());
    }
    checks.length(format_args!("{path}partitionKey"), entry.partition_key.as_deref(), 1, 256);
    checks.hash_key(format_args!("{path}explicitHashKey"), entry.explicit_hash_key.as_deref());
    let bytes =
        entry.data.as_ref().map(|data| data.0.len() + entry.partition_key.as_ref().map_or(0, String::len));
    checks.blob(format_args!("{path}data"), bytes, rules.bytes_max);
}

/// The token that recognises an SDK's retry of a put into this incarnation of the stream.
pub(super) fn retry_token(cx: &Context, operation: &str, stream: &Stream) -> Option<OnceToken> {
    let mut what = [0; 40];
    what[..32].copy_from_slice(&cx.body_sha256);
    what[32..].copy_from_slice(&stream.incarnation.to_be_bytes());
    cx.once(operation, &what)
}
