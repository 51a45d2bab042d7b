//! UpdateItem: attributes change, if the condition holds; an item that isn't there begins.

use headwater_wire::{Access, Context, Fault, Operation};

use super::returned;
use crate::convert::{Conditions, Expressions};
use crate::expression::Update;
use crate::item::PathTree;
use crate::shapes::{UpdateItemInput, WriteOutput};
use crate::tables::{Change, Effect};
use crate::{State, checks, convert, fault, target};

pub(crate) struct UpdateItem;

impl Operation<State> for UpdateItem {
    const NAME: &'static str = "UpdateItem";
    type Input = UpdateItemInput;
    type Output = WriteOutput;

    fn access(_: &State, cx: &Context, input: &UpdateItemInput) -> Result<Access, Fault> {
        target::access(cx, "dynamodb:UpdateItem", input.table_name.as_deref())
    }

    async fn call(state: &State, cx: &Context, mut input: UpdateItemInput) -> Result<WriteOutput, Fault> {
        let table = target::table(cx, input.table_name.as_deref())?;
        let attributes = convert::item(checks::present("key", input.key.take())?)?;
        returned::check(input.return_values.as_deref())?;
        checks::consumed_capacity(input.return_consumed_capacity.as_deref())?;
        checks::conditional_operator(input.conditional_operator.as_deref())?;
        let shows_item = checks::shows_failed(input.return_values_on_condition_check_failure.as_deref())?;
        let (effect, condition) = read(&mut input)?;
        let table = state.tables.table(&table).await.map_err(fault::of)?;
        let key = table.schema.exactly(&attributes).map_err(|error| fault::of(error.into()))?;
        let touched = match &effect {
            Effect::Update(update) | Effect::Reduce(update) => {
                convert::check_no_key(update, &table.schema)?;
                PathTree::of(update.paths())
            }
            Effect::Put(_) | Effect::Delete | Effect::Check => PathTree::default(),
        };
        let change = Change { key, condition, effect };
        let changed = state.tables.write(&table, &change).await;
        let changed = changed.map_err(|error| fault::of_write(error, shows_item))?;
        let capacity = input.return_consumed_capacity.as_deref();
        Ok(returned::output(&table, changed, input.return_values.as_deref(), &touched, capacity))
    }
}

/// What is to happen and on what condition, in either dialect.
fn read(input: &mut UpdateItemInput) -> Result<(Effect, Option<crate::expression::Condition>), Fault> {
    let update = input.update_expression.as_deref();
    let condition = input.condition_expression.as_deref();
    convert::one_dialect(
        &[
            ("AttributeUpdates", input.attribute_updates.is_some()),
            ("Expected", input.expected.is_some()),
            ("ConditionalOperator", input.conditional_operator.is_some()),
        ],
        &[("UpdateExpression", update.is_some()), ("ConditionExpression", condition.is_some())],
    )?;
    let mut expressions = Expressions::new(
        input.expression_attribute_names.take(),
        input.expression_attribute_values.take(),
        &[("UpdateExpression", update), ("ConditionExpression", condition)],
    )?;
    let effect = match (input.attribute_updates.take(), expressions.update(update)?) {
        (Some(updates), _) => convert::attribute_updates(updates)?,
        (None, Some(update)) => Effect::Update(update),
        (None, None) => Effect::Update(Update::default()),
    };
    let conditions = Conditions {
        expected: input.expected.take(),
        conditional_operator: input.conditional_operator.as_deref(),
        condition_expression: condition,
    };
    let condition = conditions.read(&mut expressions)?;
    expressions.finish()?;
    Ok((effect, condition))
}
