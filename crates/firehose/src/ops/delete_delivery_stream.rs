//! DeleteDeliveryStream. Records that were not delivered are counted as discarded in the ledger.

use headwater_wire::{Access, Context, Fault, Operation};

use super::access;
use crate::shapes::{Empty, NamedInput};
use crate::{State, convert, fault};

pub(crate) struct DeleteDeliveryStream;

impl Operation<State> for DeleteDeliveryStream {
    const NAME: &'static str = "DeleteDeliveryStream";
    type Input = NamedInput;
    type Output = Empty;

    fn access(_: &State, cx: &Context, input: &NamedInput) -> Result<Access, Fault> {
        Ok(access("firehose:DeleteDeliveryStream", &convert::key(cx, input.delivery_stream_name.as_deref())?))
    }

    async fn call(state: &State, cx: &Context, input: NamedInput) -> Result<Empty, Fault> {
        let key = convert::key(cx, input.delivery_stream_name.as_deref())?;
        state.deliveries.delete(&key).await.map_err(|error| fault::of(cx.caller.account, error))?;
        Ok(Empty {})
    }
}
