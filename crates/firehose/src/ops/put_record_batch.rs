//! PutRecordBatch: up to 500 records in one commit; all of them are accepted or none is.

use bytes::Bytes;
use headwater_wire::{Access, Context, Fault, Operation};

use super::put_record::data;
use super::{access, record_id};
use crate::checks::Checks;
use crate::shapes::{PutRecordBatchInput, PutRecordBatchOutput, RecordResponse};
use crate::{State, convert, fault};

const RECORDS_MAX: usize = 500;
/// The most data of one request.
const BYTES_MAX: usize = 4 << 20;

pub(crate) struct PutRecordBatch;

impl Operation<State> for PutRecordBatch {
    const NAME: &'static str = "PutRecordBatch";
    type Input = PutRecordBatchInput;
    type Output = PutRecordBatchOutput;

    fn access(_: &State, cx: &Context, input: &PutRecordBatchInput) -> Result<Access, Fault> {
        Ok(access("firehose:PutRecordBatch", &convert::key(cx, input.delivery_stream_name.as_deref())?))
    }

    async fn call(state: &State, cx: &Context, input: PutRecordBatchInput) -> Result<Self::Output, Fault> {
        let key = convert::key(cx, input.delivery_stream_name.as_deref())?;
        let mut checks = Checks::default();
        checks.present("records", input.records.as_ref());
        checks.count("records", input.records.as_ref().map(Vec::len), 1, RECORDS_MAX);
        checks.finish()?;
        let mut checks = Checks::default();
        let records: Vec<Bytes> = input
            .records
            .unwrap_or_default()
            .into_iter()
            .enumerate()
            .map(|(at, record)| data(&mut checks, &format!("records.{}.member", at + 1), record))
            .collect();
        checks.finish()?;
        if records.iter().map(Bytes::len).sum::<usize>() > BYTES_MAX {
            return Err(fault::invalid("Records size exceeds 4 MB limit"));
        }
        let refuse = |error| fault::of(cx.caller.account, error);
        let delivery = state.deliveries.get(&key).await.map_err(refuse)?;
        let once = cx.retry_token(Self::NAME);
        let offsets = state.deliveries.put(&delivery, records, once).await.map_err(refuse)?;
        let respond = |offset: i64| RecordResponse { record_id: record_id(&delivery, offset) };
        Ok(PutRecordBatchOutput {
            failed_put_count: 0,
            encrypted: false,
            request_responses: offsets.into_iter().map(respond).collect(),
        })
    }
}
