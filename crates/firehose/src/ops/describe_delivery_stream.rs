//! DescribeDeliveryStream. What keeps a delivery stream from delivering stands in
//! `FailureDescription`.

use headwater_wire::{Access, Context, Fault, Operation};

use super::access;
use crate::shapes::{DescribeDeliveryStreamOutput, NamedInput};
use crate::{State, convert, fault};

pub(crate) struct DescribeDeliveryStream;

impl Operation<State> for DescribeDeliveryStream {
    const NAME: &'static str = "DescribeDeliveryStream";
    type Input = NamedInput;
    type Output = DescribeDeliveryStreamOutput;

    fn access(_: &State, cx: &Context, input: &NamedInput) -> Result<Access, Fault> {
        Ok(access(
            "firehose:DescribeDeliveryStream",
            &convert::key(cx, input.delivery_stream_name.as_deref())?,
        ))
    }

    async fn call(state: &State, cx: &Context, input: NamedInput) -> Result<Self::Output, Fault> {
        let key = convert::key(cx, input.delivery_stream_name.as_deref())?;
        let delivery =
            state.deliveries.get(&key).await.map_err(|error| fault::of(cx.caller.account, error))?;
        Ok(DescribeDeliveryStreamOutput {
            delivery_stream_description: convert::description(&state.deliveries, &delivery),
        })
    }
}
