//! Tags: by stream (AddTagsToStream, ListTagsForStream, RemoveTagsFromStream) and by ARN
//! (TagResource, ListTagsForResource, UntagResource).

use std::collections::BTreeMap;

use headwater_streams::{ConsumerError, StreamKey};
use headwater_wire::{Access, Context, Fault, Operation};

use super::consumers;
use crate::checks::Checks;
use crate::shapes::{
    AddTagsToStreamInput, ListTagsForResourceInput, ListTagsForResourceOutput, ListTagsForStreamInput,
    ListTagsForStreamOutput, Nothing, RemoveTagsFromStreamInput, TagResourceInput, UntagResourceInput,
};
use crate::target::{ConsumerTarget, Resource};
use crate::{State, convert, fault, target};

/// The most tags one page holds.
const PAGE_MAX: usize = 50;

pub(crate) struct AddTagsToStream;

impl Operation<State> for AddTagsToStream {
    const NAME: &'static str = "AddTagsToStream";
    type Input = AddTagsToStreamInput;
    type Output = Nothing;

    fn access(_: &State, cx: &Context, input: &AddTagsToStreamInput) -> Result<Access, Fault> {
        let key = target::of(cx, input)?;
        Ok(target::access("kinesis:AddTagsToStream", &key))
    }

    async fn call(state: &State, cx: &Context, input: AddTagsToStreamInput) -> Result<Nothing, Fault> {
        let key = target::of(cx, &input)?;
        add(state, &key, input.tags).await
    }
}

pub(crate) struct RemoveTagsFromStream;

impl Operation<State> for RemoveTagsFromStream {
    const NAME: &'static str = "RemoveTagsFromStream";
    type Input = RemoveTagsFromStreamInput;
    type Output = Nothing;

    fn access(_: &State, cx: &Context, input: &RemoveTagsFromStreamInput) -> Result<Access, Fault> {
        let key = target::of(cx, input)?;
        Ok(target::access("kinesis:RemoveTagsFromStream", &key))
    }

    async fn call(state: &State, cx: &Context, input: RemoveTagsFromStreamInput) -> Result<Nothing, Fault> {
        let key = target::of(cx, &input)?;
        remove(state, &key, input.tag_keys).await
    }
}

pub(crate) struct ListTagsForStream;

impl Operation<State> for ListTagsForStream {
    const NAME: &'static str = "ListTagsForStream";
    type Input = ListTagsForStreamInput;
    type Output = ListTagsForStreamOutput;

    fn access(_: &State, cx: &Context, input: &ListTagsForStreamInput) -> Result<Access, Fault> {
        let key = target::of(cx, input)?;
        Ok(target::access("kinesis:ListTagsForStream", &key))
    }

    async fn call(
        state: &State,
        cx: &Context,
        input: ListTagsForStreamInput,
    ) -> Result<ListTagsForStreamOutput, Fault> {
        let mut checks = Checks::new();
        checks.range("limit", input.limit, 1, PAGE_MAX as i64);
        checks.length("exclusiveStartTagKey", input.exclusive_start_tag_key.as_deref(), 1, 128);
        checks.finish()?;
        let key = target::of(cx, &input)?;
        let tags = tags(state, &key).await?;
        let later = |key: &String| input.exclusive_start_tag_key.as_ref().is_none_or(|after| key > after);
        let limit = input.limit.map_or(PAGE_MAX, |limit| limit as usize);
        let mut later = tags.into_iter().filter(|(key, _)| later(key));
        let page = later.by_ref().take(limit).map(convert::tag).collect();
        Ok(ListTagsForStreamOutput { tags: page, has_more_tags: later.next().is_some() })
    }
}

pub(crate) struct TagResource;

impl Operation<State> for TagResource {
    const NAME: &'static str = "TagResource";
    type Input = TagResourceInput;
    type Output = Nothing;

    fn access(_: &State, cx: &Context, input: &TagResourceInput) -> Result<Access, Fault> {
        Ok(target::resource(cx, input)?.access("kinesis:TagResource"))
    }

    async fn call(state: &State, cx: &Context, input: TagResourceInput) -> Result<Nothing, Fault> {
        match target::resource(cx, &input)? {
            Resource::Stream(key) => add(state, &key, input.tags).await,
            Resource::Consumer(target) => {
                let tags = checked(input.tags)?;
                let (stream, consumer) = consumers::find(state, &target).await?;
                let tagged = state.streams.tag_consumer(&stream, &consumer, tags).await;
                done(&target, tagged)
            }
        }
    }
}

pub(crate) struct UntagResource;

impl Operation<State> for UntagResource {
    const NAME: &'static str = "UntagResource";
    type Input = UntagResourceInput;
    type Output = Nothing;

    fn access(_: &State, cx: &Context, input: &UntagResourceInput) -> Result<Access, Fault> {
        Ok(target::resource(cx, input)?.access("kinesis:UntagResource"))
    }

    async fn call(state: &State, cx: &Context, input: UntagResourceInput) -> Result<Nothing, Fault> {
        match target::resource(cx, &input)? {
            Resource::Stream(key) => remove(state, &key, input.tag_keys).await,
            Resource::Consumer(target) => {
                let tag_keys = checked_keys(input.tag_keys)?;
                let (stream, consumer) = consumers::find(state, &target).await?;
                let untagged = state.streams.untag_consumer(&stream, &consumer, &tag_keys).await;
                done(&target, untagged)
            }
        }
    }
}

pub(crate) struct ListTagsForResource;

impl Operation<State> for ListTagsForResource {
    const NAME: &'static str = "ListTagsForResource";
    type Input = ListTagsForResourceInput;
    type Output = ListTagsForResourceOutput;

    fn access(_: &State, cx: &Context, input: &ListTagsForResourceInput) -> Result<Access, Fault> {
        Ok(target::resource(cx, input)?.access("kinesis:ListTagsForResource"))
    }

    async fn call(
        state: &State,
        cx: &Context,
        input: ListTagsForResourceInput,
    ) -> Result<ListTagsForResourceOutput, Fault> {
        let tags = match target::resource(cx, &input)? {
            Resource::Stream(key) => tags(state, &key).await?,
            Resource::Consumer(target) => {
                let (stream, consumer) = consumers::find(state, &target).await?;
                let tags = state.streams.consumer_tags(&stream, &consumer).await;
                tags.map_err(|error| fault::of(&target.stream, error))?
            }
        };
        Ok(ListTagsForResourceOutput { tags: tags.into_iter().map(convert::tag).collect() })
    }
}

async fn add(
    state: &State,
    key: &StreamKey,
    tags: Option<BTreeMap<String, Option<String>>>,
) -> Result<Nothing, Fault> {
    let tags = checked(tags)?;
    let stream = state.streams.get(key).await.map_err(|error| fault::of(key, error))?;
    state.streams.tag(&stream, tags).await.map_err(|error| fault::of(key, error))?;
    Ok(Nothing {})
}

fn checked(tags: Option<BTreeMap<String, Option<String>>>) -> Result<Vec<(String, String)>, Fault> {
    let mut checks = Checks::new();
    checks.present("tags", tags.as_ref());
    checks.count("tags", tags.as_ref().map(BTreeMap::len), 1, 200);
    checks.tags("tags", tags.iter().flatten());
    checks.finish()?;
    convert::tags(tags)
}

async fn remove(state: &State, key: &StreamKey, tag_keys: Option<Vec<String>>) -> Result<Nothing, Fault> {
    let tag_keys = checked_keys(tag_keys)?;
    let stream = state.streams.get(key).await.map_err(|error| fault::of(key, error))?;
    state.streams.untag(&stream, &tag_keys).await.map_err(|error| fault::of(key, error))?;
    Ok(Nothing {})
}

fn checked_keys(tag_keys: Option<Vec<String>>) -> Result<Vec<String>, Fault> {
    let mut checks = Checks::new();
    checks.present("tagKeys", tag_keys.as_ref());
    checks.count("tagKeys", tag_keys.as_ref().map(Vec::len), 1, 50);
    for (at, tag_key) in tag_keys.iter().flatten().enumerate() {
        checks.length(format_args!("tagKeys.{}.member", at + 1), Some(tag_key), 1, 128);
    }
    checks.finish()?;
    Ok(tag_keys.unwrap_or_default())
}

fn done(target: &ConsumerTarget, outcome: Result<(), ConsumerError>) -> Result<Nothing, Fault> {
    outcome.map_err(|error| fault::of_consumer(&target.stream, target.name.as_str(), error))?;
    Ok(Nothing {})
}

async fn tags(state: &State, key: &StreamKey) -> Result<BTreeMap<String, String>, Fault> {
    let stream = state.streams.get(key).await.map_err(|error| fault::of(key, error))?;
    state.streams.tags(&stream).await.map_err(|error| fault::of(key, error))
}
