//! ListStreams: names in order, page by page.

use headwater_streams::StreamName;
use headwater_wire::{Access, Context, Fault, Operation};

use crate::checks::Checks;
use crate::shapes::{ListStreamsInput, ListStreamsOutput};
use crate::{State, convert, fault};

const PAGE_DEFAULT: usize = 100;
const PURPOSE: &str = "list streams";

pub(crate) struct ListStreams;

impl Operation<State> for ListStreams {
    const NAME: &'static str = "ListStreams";
    type Input = ListStreamsInput;
    type Output = ListStreamsOutput;

    fn access(_: &State, _: &Context, _: &ListStreamsInput) -> Result<Access, Fault> {
        Ok(Access { action: "kinesis:ListStreams", resource: None })
    }

    async fn call(state: &State, cx: &Context, input: ListStreamsInput) -> Result<ListStreamsOutput, Fault> {
        let mut checks = Checks::new();
        checks.range("limit", input.limit, 1, 10_000);
        checks.stream_name("exclusiveStartStreamName", input.exclusive_start_stream_name.as_deref());
        checks.length("nextToken", input.next_token.as_deref(), 1, 1_048_576);
        checks.finish()?;
        let scope = cx.scope();
        let after = after(state, cx, &input).await?;
        let limit = input.limit.map_or(PAGE_DEFAULT, |limit| limit as usize);
        let listed = state.streams.list(&scope, after.as_ref(), limit + 1).await;
        let mut streams = listed.map_err(|error| fault::internal(&error))?;
        let has_more_streams = streams.len() > limit;
        streams.truncate(limit);
        let next_token = match streams.last().filter(|_| has_more_streams) {
            None => None,
            Some(last) => {
                let sealed = state.streams.seal(PURPOSE, &scope, last.key.name.as_str().as_bytes()).await;
                Some(sealed.map_err(|error| fault::internal(&error))?)
            }
        };
        Ok(ListStreamsOutput {
            stream_names: streams.iter().map(|stream| stream.key.name.as_str().to_owned()).collect(),
            has_more_streams,
            next_token,
            stream_summaries: streams
                .iter()
                .map(|stream| convert::summary(stream, state.streams.status(&stream.key)))
                .collect(),
        })
    }
}

/// The name after which the page begins: the token's, or the one that was given.
async fn after(state: &State, cx: &Context, input: &ListStreamsInput) -> Result<Option<StreamName>, Fault> {
    let refused = || fault::invalid("Invalid NextToken.");
    let name = match &input.next_token {
        None => input.exclusive_start_stream_name.clone(),
        Some(token) => {
            let opened = state.streams.unseal(PURPOSE, &cx.scope(), token).await;
            let name = opened.map_err(|error| fault::internal(&error))?.ok_or_else(refused)?;
            Some(String::from_utf8(name).map_err(|_| refused())?)
        }
    };
    name.map(|name| StreamName::new(&name).map_err(|_| refused())).transpose()
}
