//! GetItem: an item, or the parts of it that are asked for. Every read is consistent.

use headwater_wire::{Access, Context, Fault, Operation};

use crate::convert::Expressions;
use crate::item::{Path, PathTree, size_of_item};
use crate::shapes::{GetItemInput, GetItemOutput};
use crate::{State, checks, convert, fault, target};

pub(crate) struct GetItem;

impl Operation<State> for GetItem {
    const NAME: &'static str = "GetItem";
    type Input = GetItemInput;
    type Output = GetItemOutput;

    fn access(_: &State, cx: &Context, input: &GetItemInput) -> Result<Access, Fault> {
        target::access(cx, "dynamodb:GetItem", input.table_name.as_deref())
    }

    async fn call(state: &State, cx: &Context, input: GetItemInput) -> Result<GetItemOutput, Fault> {
        let table = target::table(cx, input.table_name.as_deref())?;
        let attributes = convert::item(checks::present("key", input.key)?)?;
        checks::consumed_capacity(input.return_consumed_capacity.as_deref())?;
        let projection = input.projection_expression.as_deref();
        convert::one_dialect(
            &[("AttributesToGet", input.attributes_to_get.is_some())],
            &[("ProjectionExpression", projection.is_some())],
        )?;
        let parameters = [("ProjectionExpression", projection)];
        let mut expressions = Expressions::new(input.expression_attribute_names, None, &parameters)?;
        let paths = expressions.projection(projection)?;
        expressions.finish()?;
        let paths =
            paths.or(input.attributes_to_get.map(|names| names.into_iter().map(Path::attribute).collect()));
        let table = state.tables.table(&table).await.map_err(fault::of)?;
        let key = table.schema.exactly(&attributes).map_err(|error| fault::of(error.into()))?;
        let item = state.tables.item(&table, &key).await.map_err(fault::of)?;
        let bytes = item.as_ref().map_or(0, size_of_item);
        let units = convert::read_units(bytes, input.consistent_read == Some(true));
        let item = match paths {
            Some(paths) => item.map(|item| PathTree::of(&paths).project(&item)),
            None => item,
        };
        let capacity = input.return_consumed_capacity.as_deref();
        Ok(GetItemOutput {
            item: item.map(convert::attributes),
            consumed_capacity: convert::consumed(capacity, table.key.name.as_str(), units),
        })
    }
}
