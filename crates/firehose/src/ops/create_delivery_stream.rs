//! CreateDeliveryStream. The answer comes when the delivery stream is active.

use headwater_delivery::NewDelivery;
use headwater_wire::{Access, Context, Fault, Operation};

use super::access;
use crate::checks::Checks;
use crate::shapes::{CreateDeliveryStreamInput, CreateDeliveryStreamOutput};
use crate::{State, convert, fault};

pub(crate) struct CreateDeliveryStream;

impl Operation<State> for CreateDeliveryStream {
    const NAME: &'static str = "CreateDeliveryStream";
    type Input = CreateDeliveryStreamInput;
    type Output = CreateDeliveryStreamOutput;

    fn access(_: &State, cx: &Context, input: &Self::Input) -> Result<Access, Fault> {
        Ok(access("firehose:CreateDeliveryStream", &convert::key(cx, input.delivery_stream_name.as_deref())?))
    }

    async fn call(state: &State, cx: &Context, input: Self::Input) -> Result<Self::Output, Fault> {
        let key = convert::key(cx, input.delivery_stream_name.as_deref())?;
        let mut checks = Checks::default();
        checks.count("tags", input.tags.as_ref().map(Vec::len), 1, headwater_delivery::TAGS_MAX);
        checks.finish()?;
        let new = NewDelivery {
            source: convert::new_source(cx, &input)?,
            destination: convert::new_destination(&key.scope, &input)?,
            tags: convert::tags(input.tags.as_deref().unwrap_or(&[]))?,
            key,
        };
        let created =
            state.deliveries.create(new).await.map_err(|error| fault::of(cx.caller.account, error))?;
        Ok(CreateDeliveryStreamOutput { delivery_stream_arn: created.key.arn().to_string() })
    }
}
