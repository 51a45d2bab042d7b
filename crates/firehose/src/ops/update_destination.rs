//! UpdateDestination. Takes effect with the next objects; those under way keep the old settings.

use headwater_wire::{Access, Context, Fault, Operation};

use super::access;
use crate::checks::Checks;
use crate::convert::DESTINATION_ID;
use crate::shapes::{Empty, UpdateDestinationInput};
use crate::{State, convert, fault};

pub(crate) struct UpdateDestination;

impl Operation<State> for UpdateDestination {
    const NAME: &'static str = "UpdateDestination";
    type Input = UpdateDestinationInput;
    type Output = Empty;

    fn access(_: &State, cx: &Context, input: &Self::Input) -> Result<Access, Fault> {
        Ok(access("firehose:UpdateDestination", &convert::key(cx, input.delivery_stream_name.as_deref())?))
    }

    async fn call(state: &State, cx: &Context, input: Self::Input) -> Result<Empty, Fault> {
        let key = convert::key(cx, input.delivery_stream_name.as_deref())?;
        let mut checks = Checks::default();
        let version = input.current_delivery_stream_version_id.as_deref();
        checks.present("currentDeliveryStreamVersionId", version.as_ref());
        checks
            .pattern("currentDeliveryStreamVersionId", version, "[0-9]+", |text| text.parse::<u64>().is_ok());
        checks.present("destinationId", input.destination_id.as_ref());
        checks.finish()?;
        if input.destination_id.as_deref() != Some(DESTINATION_ID) {
            return Err(fault::invalid("Destination Id is not valid for the delivery stream."));
        }
        let update = input.extended_s3_destination_update.or(input.s3_destination_update);
        let update = update
            .ok_or_else(|| fault::invalid("Exactly one destination update is supported for a Firehose"))?;
        let refuse = |error| fault::of(cx.caller.account, error);
        let now = state.deliveries.get(&key).await.map_err(refuse)?;
        let destination = convert::updated_destination(&key.scope, &now, &update)?;
        let expected = version.and_then(|text| text.parse().ok()).unwrap_or(0);
        state.deliveries.update(&key, expected, destination).await.map_err(refuse)?;
        Ok(Empty {})
    }
}
