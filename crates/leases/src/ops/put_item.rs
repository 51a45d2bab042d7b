//! PutItem: an item, whole, in the place of whatever had its key.

use headwater_wire::{Access, Context, Fault, Operation};

use super::returned;
use crate::convert::{Conditions, Expressions};
use crate::item::PathTree;
use crate::shapes::{PutItemInput, WriteOutput};
use crate::tables::{Change, Effect};
use crate::{State, checks, convert, fault, target};

pub(crate) struct PutItem;

impl Operation<State> for PutItem {
    const NAME: &'static str = "PutItem";
    type Input = PutItemInput;
    type Output = WriteOutput;

    fn access(_: &State, cx: &Context, input: &PutItemInput) -> Result<Access, Fault> {
        target::access(cx, "dynamodb:PutItem", input.table_name.as_deref())
    }

    async fn call(state: &State, cx: &Context, input: PutItemInput) -> Result<WriteOutput, Fault> {
        let key = target::table(cx, input.table_name.as_deref())?;
        let shape = checks::present("item", input.item)?;
        returned::check_whole(input.return_values.as_deref())?;
        checks::consumed_capacity(input.return_consumed_capacity.as_deref())?;
        checks::conditional_operator(input.conditional_operator.as_deref())?;
        let shows_item = checks::shows_failed(input.return_values_on_condition_check_failure.as_deref())?;
        let expression = input.condition_expression.as_deref();
        convert::one_dialect(
            &[("Expected", input.expected.is_some())],
            &[("ConditionExpression", expression.is_some())],
        )?;
        let mut expressions = Expressions::new(
            input.expression_attribute_names,
            input.expression_attribute_values,
            &[("ConditionExpression", expression)],
        )?;
        let condition = Conditions {
            expected: input.expected,
            conditional_operator: input.conditional_operator.as_deref(),
            condition_expression: expression,
        };
        let condition = condition.read(&mut expressions)?;
        expressions.finish()?;
        let item = convert::item(shape)?;
        let table = state.tables.table(&key).await.map_err(fault::of)?;
        let key = table.schema.key_of(&item).map_err(|error| fault::of(error.into()))?;
        let change = Change { key, condition, effect: Effect::Put(item) };
        let changed = state.tables.write(&table, &change).await;
        let changed = changed.map_err(|error| fault::of_write(error, shows_item))?;
        let capacity = input.return_consumed_capacity.as_deref();
        Ok(returned::output(&table, changed, input.return_values.as_deref(), &PathTree::default(), capacity))
    }
}
