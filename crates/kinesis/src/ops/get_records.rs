//! GetRecords: what follows an iterator, and an iterator for what follows that.

use bytes::Bytes;
use headwater_streams::{Shard, ShardRead, Stream, StreamError};
use headwater_wire::{Access, Codec, Context, Fault, Operation, held};
use headwater_work::Work;

use crate::checks::Checks;
use crate::cursor::Cursor;
use crate::shapes::{GetRecordsInput, GetRecordsOutput, RecordOutput};
use crate::{State, convert, fault, target};

const RECORDS_MAX: usize = 10_000;

pub(crate) struct GetRecords;

impl Operation<State> for GetRecords {
    const NAME: &'static str = "GetRecords";
    type Input = GetRecordsInput;
    type Output = GetRecordsOutput;

    /// The stream is sealed in the iterator: `call` asks the guard about it once it is open.
    fn access(_: &State, _: &Context, _: &GetRecordsInput) -> Result<Access, Fault> {
        Ok(Access { action: ACTION, resource: None })
    }

    async fn call(state: &State, cx: &Context, input: GetRecordsInput) -> Result<GetRecordsOutput, Fault> {
        check(&input)?;
        let cursor =
            Cursor::open(&state.streams, cx, input.shard_iterator.as_deref().unwrap_or_default()).await?;
        let key = cursor.stream_key(cx);
        cx.authority.check(&cx.caller, &target::access(ACTION, &key), None).await?;
        if let Some(arn) = input.stream_arn.as_deref()
            && target::stream_arn(cx, Some(arn))? != key
        {
            return Err(fault::invalid("ShardIterator and StreamARN name different streams."));
        }
        let gone = || {
            fault::no_such_shard(
                &format!("shardId-{:012}", cursor.shard),
                key.name.as_str(),
                key.scope.account,
            )
        };
        let stream = state.streams.get(&key).await.map_err(|error| match error {
            StreamError::NoSuchStream(_) => gone(),
            error => fault::of(&key, error),
        })?;
        let shard = stream
            .shard(cursor.shard)
            .filter(|_| stream.incarnation == cursor.incarnation)
            .ok_or_else(gone)?;
        if input.dry_run == Some(true) {
            return Err(fault::dry_run());
        }
        let limited = state.limits.hold(&stream);
        if limited && !state.limits.admit_read(&stream, shard, cx.time) {
            return Err(fault::rate_exceeded(&key, shard));
        }
        let limit = input.limit.map_or(RECORDS_MAX, |limit| limit as usize);
        let read = state.streams.read_page(shard, cursor.offset, limit).await;
        let (read, share) = read.map_err(|error| fault::of(&key, error))?;
        if limited {
            let bytes = read.records.iter().map(|r| r.data.len() + r.partition_key.len()).sum();
            state.limits.note_read(&stream, shard, bytes, cx.time);
        }
        let output = answer(state, cx, &stream, shard, read).await?;
        Ok(GetRecordsOutput { share: Some(share), ..output })
    }

    /// Large answers are written on the blocking pool: ten mebibytes take milliseconds, and whoever reads a
    /// backlog would have the requests of all others wait that long, again and again.
    async fn encode(codec: Codec, mut output: GetRecordsOutput) -> Result<Bytes, Fault> {
        let share = output.share.take();
        let body = match answer_bytes(&output) {
            bytes @ 0..WRITTEN_ASIDE_BYTES_MIN => codec.encode_within(&output, bytes),
            bytes => Work::blocking(move || codec.encode_within(&output, bytes)).await,
        };
        Ok(held(body?, Box::new(share)))
    }
}

/// About how many bytes an answer has.
fn answer_bytes(output: &GetRecordsOutput) -> usize {
    let of = |record: &RecordOutput| record.data.0.len() + record.partition_key.len() + RECORD_MEMBERS_BYTES;
    output.records.iter().map(of).sum::<usize>() + ANSWER_MEMBERS_BYTES
}

const WRITTEN_ASIDE_BYTES_MIN: usize = 256 << 10;
/// What a record takes in an answer beside its data and key, and an answer beside its records.
const RECORD_MEMBERS_BYTES: usize = 160;
const ANSWER_MEMBERS_BYTES: usize = 1024;

const ACTION: &str = "kinesis:GetRecords";

fn check(input: &GetRecordsInput) -> Result<(), Fault> {
    let mut checks = Checks::new();
    checks.present("shardIterator", input.shard_iterator.as_ref());
    checks.length("shardIterator", input.shard_iterator.as_deref(), 1, 512);
    checks.range("limit", input.limit, 1, RECORDS_MAX as i64);
    checks.stream_arn("streamARN", input.stream_arn.as_deref());
    checks.stream_id(input.stream_id.as_deref());
    checks.finish()
}

/// At the end of a closed shard there is no next iterator but children, always both or neither.
async fn answer(
    state: &State,
    cx: &Context,
    stream: &Stream,
    shard: &Shard,
    read: ShardRead,
) -> Result<GetRecordsOutput, Fault> {
    let ended = shard.closed_at.is_some_and(|closed| read.next >= closed);
    let next_shard_iterator = match ended {
        true => None,
        false => Some(Cursor::at(cx, stream, shard, read.next).seal(&state.streams, cx).await?),
    };
    let encryption = convert::encryption_if_on(stream);
    Ok(GetRecordsOutput {
        child_shards: ended.then(|| convert::children(stream, shard.index)),
        millis_behind_latest: u64::try_from(read.behind.as_millis()).unwrap_or(u64::MAX),
        records: read.records.into_iter().map(|record| convert::record(shard, record, encryption)).collect(),
        next_shard_iterator,
        share: None,
    })
}
