//! ListDeliveryStreams, in the order of names.

use headwater_delivery::{DeliveryName, Source};
use headwater_wire::{Access, Context, Fault, Operation};

use crate::checks::Checks;
use crate::shapes::{ListDeliveryStreamsInput, ListDeliveryStreamsOutput};
use crate::{State, fault};

/// Names answered when the client names no limit.
const LIMIT: i64 = 10;
/// Delivery streams are read in pages of this many while those of another type are passed over.
const PAGE: usize = 1000;

pub(crate) struct ListDeliveryStreams;

impl Operation<State> for ListDeliveryStreams {
    const NAME: &'static str = "ListDeliveryStreams";
    type Input = ListDeliveryStreamsInput;
    type Output = ListDeliveryStreamsOutput;

    fn access(_: &State, _: &Context, _: &Self::Input) -> Result<Access, Fault> {
        Ok(Access { action: "firehose:ListDeliveryStreams", resource: None })
    }

    async fn call(state: &State, cx: &Context, input: Self::Input) -> Result<Self::Output, Fault> {
        let mut checks = Checks::default();
        checks.range("limit", input.limit, 1, 10_000);
        let types = ["DirectPut", "KinesisStreamAsSource", "MSKAsSource", "DatabaseAsSource"];
        checks.one_of("deliveryStreamType", input.delivery_stream_type.as_deref(), &types);
        checks.finish()?;
        let limit = usize::try_from(input.limit.unwrap_or(LIMIT)).unwrap_or(1);
        let start = input.exclusive_start_delivery_stream_name.as_deref().map(DeliveryName::new).transpose();
        let mut after = start.map_err(|error| fault::invalid(error.to_string()))?;
        let mut names = Vec::new();
        loop {
            let page = state.deliveries.list(&cx.scope(), after.as_ref(), PAGE).await;
            let page = page.map_err(|error| fault::of(cx.caller.account, error))?;
            let last = page.len() < PAGE;
            after = page.last().map(|delivery| delivery.key.name.clone());
            let wanted =
                page.iter().filter(|delivery| is_of(&delivery.source, input.delivery_stream_type.as_deref()));
            names.extend(wanted.map(|delivery| delivery.key.name.as_str().to_owned()));
            if last || names.len() > limit {
                break;
            }
        }
        let more = names.len() > limit;
        names.truncate(limit);
        Ok(ListDeliveryStreamsOutput { delivery_stream_names: names, has_more_delivery_streams: more })
    }
}

fn is_of(source: &Source, wanted: Option<&str>) -> bool {
    match (wanted, source) {
        (None, _) => true,
        (Some("DirectPut"), Source::DirectPut { .. }) => true,
        (Some("KinesisStreamAsSource"), Source::Stream { .. }) => true,
        (Some(_), _) => false,
    }
}
