//! TagDeliveryStream, UntagDeliveryStream and ListTagsForDeliveryStream.

use headwater_wire::{Access, Context, Fault, Operation};

use super::access;
use crate::checks::Checks;
use crate::shapes::{
    Empty, ListTagsInput, ListTagsOutput, Tag, TagDeliveryStreamInput, UntagDeliveryStreamInput,
};
use crate::{State, convert, fault};

pub(crate) struct TagDeliveryStream;

impl Operation<State> for TagDeliveryStream {
    const NAME: &'static str = "TagDeliveryStream";
    type Input = TagDeliveryStreamInput;
    type Output = Empty;

    fn access(_: &State, cx: &Context, input: &Self::Input) -> Result<Access, Fault> {
        Ok(access("firehose:TagDeliveryStream", &convert::key(cx, input.delivery_stream_name.as_deref())?))
    }

    async fn call(state: &State, cx: &Context, input: Self::Input) -> Result<Empty, Fault> {
        let key = convert::key(cx, input.delivery_stream_name.as_deref())?;
        let mut checks = Checks::default();
        checks.present("tags", input.tags.as_ref());
        checks.count("tags", input.tags.as_ref().map(Vec::len), 1, headwater_delivery::TAGS_MAX);
        checks.finish()?;
        let tags = convert::tags(input.tags.as_deref().unwrap_or(&[]))?;
        state.deliveries.tag(&key, tags).await.map_err(|error| fault::of(cx.caller.account, error))?;
        Ok(Empty {})
    }
}

pub(crate) struct UntagDeliveryStream;

impl Operation<State> for UntagDeliveryStream {
    const NAME: &'static str = "UntagDeliveryStream";
    type Input = UntagDeliveryStreamInput;
    type Output = Empty;

    fn access(_: &State, cx: &Context, input: &Self::Input) -> Result<Access, Fault> {
        Ok(access("firehose:UntagDeliveryStream", &convert::key(cx, input.delivery_stream_name.as_deref())?))
    }

    async fn call(state: &State, cx: &Context, input: Self::Input) -> Result<Empty, Fault> {
        let key = convert::key(cx, input.delivery_stream_name.as_deref())?;
        let mut checks = Checks::default();
        checks.present("tagKeys", input.tag_keys.as_ref());
        checks.count("tagKeys", input.tag_keys.as_ref().map(Vec::len), 1, headwater_delivery::TAGS_MAX);
        checks.finish()?;
        let keys = input.tag_keys.unwrap_or_default();
        state.deliveries.untag(&key, &keys).await.map_err(|error| fault::of(cx.caller.account, error))?;
        Ok(Empty {})
    }
}

pub(crate) struct ListTagsForDeliveryStream;

impl Operation<State> for ListTagsForDeliveryStream {
    const NAME: &'static str = "ListTagsForDeliveryStream";
    type Input = ListTagsInput;
    type Output = ListTagsOutput;

    fn access(_: &State, cx: &Context, input: &Self::Input) -> Result<Access, Fault> {
        Ok(access(
            "firehose:ListTagsForDeliveryStream",
            &convert::key(cx, input.delivery_stream_name.as_deref())?,
        ))
    }

    async fn call(state: &State, cx: &Context, input: Self::Input) -> Result<Self::Output, Fault> {
        let key = convert::key(cx, input.delivery_stream_name.as_deref())?;
        let mut checks = Checks::default();
        checks.range("limit", input.limit, 1, 50);
        checks.finish()?;
        let limit = usize::try_from(input.limit.unwrap_or(50)).unwrap_or(50);
        let tags = state.deliveries.tags(&key).await.map_err(|error| fault::of(cx.caller.account, error))?;
        let after = |name: &String| input.exclusive_start_tag_key.as_ref().is_none_or(|start| name > start);
        let mut rest: Vec<Tag> = tags
            .into_iter()
            .filter(|(name, _)| after(name))
            .map(|(key, value)| Tag { key, value: Some(value) })
            .collect();
        let has_more_tags = rest.len() > limit;
        rest.truncate(limit);
        Ok(ListTagsOutput { tags: rest, has_more_tags })
    }
}
