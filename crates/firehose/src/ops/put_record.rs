//! PutRecord: one record, durable when its id is answered.

use bytes::Bytes;
use headwater_wire::{Access, Context, Fault, Operation};

use super::{access, record_id};
use crate::checks::Checks;
use crate::shapes::{PutRecordInput, PutRecordOutput, Record};
use crate::{State, convert, fault};

/// The most data of one record.
const RECORD_BYTES_MAX: usize = 1_024_000;

pub(crate) struct PutRecord;

impl Operation<State> for PutRecord {
    const NAME: &'static str = "PutRecord";
    type Input = PutRecordInput;
    type Output = PutRecordOutput;

    fn access(_: &State, cx: &Context, input: &PutRecordInput) -> Result<Access, Fault> {
        Ok(access("firehose:PutRecord", &convert::key(cx, input.delivery_stream_name.as_deref())?))
    }

    async fn call(state: &State, cx: &Context, input: PutRecordInput) -> Result<PutRecordOutput, Fault> {
        let key = convert::key(cx, input.delivery_stream_name.as_deref())?;
        let mut checks = Checks::default();
        checks.present("record", input.record.as_ref());
        let data = input.record.map(|record| data(&mut checks, "record", record));
        checks.finish()?;
        let refuse = |error| fault::of(cx.caller.account, error);
        let delivery = state.deliveries.get(&key).await.map_err(refuse)?;
        let once = cx.retry_token(Self::NAME);
        let offsets =
            state.deliveries.put(&delivery, data.into_iter().collect(), once).await.map_err(refuse)?;
        let offset = offsets.first().copied().unwrap_or_default();
        Ok(PutRecordOutput { record_id: record_id(&delivery, offset), encrypted: false })
    }
}

/// A record's data, checked.
pub(super) fn data(checks: &mut Checks, path: &str, record: Record) -> Bytes {
    checks.present(format!("{path}.data"), record.data.as_ref());
    let data = record.data.map(|blob| blob.0).unwrap_or_default();
    checks.blob(format!("{path}.data"), data.len(), RECORD_BYTES_MAX);
    data
}
