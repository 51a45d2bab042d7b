//! DeleteItem: an item goes, if the condition holds.

use headwater_wire::{Access, Context, Fault, Operation};

use super::returned;
use crate::convert::{Conditions, Expressions};
use crate::item::PathTree;
use crate::shapes::{DeleteItemInput, WriteOutput};
use crate::tables::{Change, Effect};
use crate::{State, checks, convert, fault, target};

pub(crate) struct DeleteItem;

impl Operation<State> for DeleteItem {
    const NAME: &'static str = "DeleteItem";
    type Input = DeleteItemInput;
    type Output = WriteOutput;

    fn access(_: &State, cx: &Context, input: &DeleteItemInput) -> Result<Access, Fault> {
        target::access(cx, "dynamodb:DeleteItem", input.table_name.as_deref())
    }

    async fn call(state: &State, cx: &Context, input: DeleteItemInput) -> Result<WriteOutput, Fault> {
        let table = target::table(cx, input.table_name.as_deref())?;
        let attributes = convert::item(checks::present("key", input.key)?)?;
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
        let table = state.tables.table(&table).await.map_err(fault::of)?;
        let key = table.schema.exactly(&attributes).map_err(|error| fault::of(error.into()))?;
        let change = Change { key, condition, effect: Effect::Delete };
        let changed = state.tables.write(&table, &change).await;
        let changed = changed.map_err(|error| fault::of_write(error, shows_item))?;
        let capacity = input.return_consumed_capacity.as_deref();
        Ok(returned::output(&table, changed, input.return_values.as_deref(), &PathTree::default(), capacity))
    }
}
