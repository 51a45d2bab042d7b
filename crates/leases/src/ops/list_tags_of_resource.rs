//! ListTagsOfResource: the tags a table was created with.

use headwater_base::Arn;
use headwater_wire::{Access, Context, Fault, Operation};

use crate::shapes::{ListTagsInput, ListTagsOutput};
use crate::tables::TableKey;
use crate::{State, checks, convert, fault, target};

pub(crate) struct ListTagsOfResource;

fn named(cx: &Context, input: &ListTagsInput) -> Result<TableKey, Fault> {
    let text = checks::present("resourceArn", input.resource_arn.as_deref())?;
    let arn: Arn = text.parse().map_err(|_| fault::invalid(format!("Invalid TableArn: {text}")))?;
    target::resource(cx, &arn)
}

impl Operation<State> for ListTagsOfResource {
    const NAME: &'static str = "ListTagsOfResource";
    type Input = ListTagsInput;
    type Output = ListTagsOutput;

    fn access(_: &State, cx: &Context, input: &ListTagsInput) -> Result<Access, Fault> {
        Ok(Access { action: "dynamodb:ListTagsOfResource", resource: Some(named(cx, input)?.arn()) })
    }

    async fn call(state: &State, cx: &Context, input: ListTagsInput) -> Result<ListTagsOutput, Fault> {
        let table = state.tables.table(&named(cx, &input)?).await.map_err(fault::of)?;
        Ok(ListTagsOutput { tags: convert::tags_of(&table) })
    }
}
