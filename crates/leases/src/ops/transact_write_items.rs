//! TransactWriteItems: up to a hundred writes and checks, all or none.

use headwater_wire::{Access, Context, Fault, Operation};

use crate::convert::{Conditions, Expressions};
use crate::shapes::{TransactWrite, TransactWriteItem, TransactWriteItemsInput, TransactWriteItemsOutput};
use crate::tables::{Action, Change, Effect, TableError, TableKey, Token};
use crate::{State, checks, convert, fault, target};

/// The most writes of a transaction.
const ACTIONS_MAX: usize = 100;
/// The longest client token.
const TOKEN_CHARS_MAX: usize = 36;

pub(crate) struct TransactWriteItems;

/// What one action of the request is.
#[derive(Clone, Copy)]
enum What {
    Put,
    Update,
    Delete,
    Check,
}

impl Operation<State> for TransactWriteItems {
    const NAME: &'static str = "TransactWriteItems";
    type Input = TransactWriteItemsInput;
    type Output = TransactWriteItemsOutput;

    /// Each action asks for itself, of its own table.
    fn access(_: &State, _: &Context, _: &TransactWriteItemsInput) -> Result<Access, Fault> {
        Ok(Access { action: "dynamodb:TransactWriteItems", resource: None })
    }

    async fn call(
        state: &State,
        cx: &Context,
        input: TransactWriteItemsInput,
    ) -> Result<TransactWriteItemsOutput, Fault> {
        let items = checks::present("transactItems", input.transact_items)?;
        if !(1..=ACTIONS_MAX).contains(&items.len()) {
            return Err(fault::invalid(format!(
                "1 validation error detected: Value '[{} members]' at 'transactItems' failed to satisfy constraint: Member \
                 must have length between 1 and {ACTIONS_MAX}",
                items.len()
            )));
        }
        checks::consumed_capacity(input.return_consumed_capacity.as_deref())?;
        let token = input.client_request_token.map(|text| token(cx, text)).transpose()?;
        let mut actions = Vec::with_capacity(items.len());
        let mut shows_item = Vec::with_capacity(items.len());
        for item in items {
            let (what, write) = only(item)?;
            let (action, table) = permission(cx, what, &write)?;
            let access = Access { action, resource: Some(table.arn()) };
            cx.authority.check(&cx.caller, &access, None).await?;
            shows_item.push(checks::shows_failed(write.return_values_on_condition_check_failure.as_deref())?);
            actions.push(read(state, what, write, &table).await?);
        }
        match state.tables.transact(&actions, token.as_ref()).await {
            Ok(()) => {}
            Err(TableError::Cancelled(reasons)) => return Err(fault::cancelled(&reasons, &shows_item)),
            Err(error) => return Err(fault::of(error)),
        }
        // A transaction's writes count twice.
        let consumed = actions.iter().filter_map(|action| {
            convert::consumed(input.return_consumed_capacity.as_deref(), action.table.key.name.as_str(), 2.0)
        });
        let consumed: Vec<_> = consumed.collect();
        Ok(TransactWriteItemsOutput { consumed_capacity: (!consumed.is_empty()).then_some(consumed) })
    }
}

fn token(cx: &Context, text: String) -> Result<Token, Fault> {
    if !(1..=TOKEN_CHARS_MAX).contains(&text.chars().count()) {
        return Err(fault::invalid(format!(
            "1 validation error detected: Value at 'clientRequestToken' failed to satisfy constraint: Member must have \
             length between 1 and {TOKEN_CHARS_MAX}"
        )));
    }
    Ok(Token { scope: cx.scope(), request: cx.body_sha256, text })
}

fn only(item: TransactWriteItem) -> Result<(What, TransactWrite), Fault> {
    match (item.put, item.update, item.delete, item.condition_check) {
        (Some(put), None, None, None) => Ok((What::Put, put)),
        (None, Some(update), None, None) => Ok((What::Update, update)),
        (None, None, Some(delete), None) => Ok((What::Delete, delete)),
        (None, None, None, Some(check)) => Ok((What::Check, check)),
        _ => Err(fault::invalid("TransactItems can only contain one of Check, Put, Update or Delete")),
    }
}

fn permission(cx: &Context, what: What, write: &TransactWrite) -> Result<(&'static str, TableKey), Fault> {
    let action = match what {
        What::Put => "dynamodb:PutItem",
        What::Update => "dynamodb:UpdateItem",
        What::Delete => "dynamodb:DeleteItem",
        What::Check => "dynamodb:ConditionCheckItem",
    };
    Ok((action, target::table(cx, write.table_name.as_deref())?))
}

async fn read(state: &State, what: What, write: TransactWrite, table: &TableKey) -> Result<Action, Fault> {
    let (update, condition) = (write.update_expression.as_deref(), write.condition_expression.as_deref());
    let mut expressions = Expressions::new(
        write.expression_attribute_names,
        write.expression_attribute_values,
        &[("UpdateExpression", update), ("ConditionExpression", condition)],
    )?;
    let update = expressions.update(update)?;
    let conditions =
        Conditions { expected: None, conditional_operator: None, condition_expression: condition };
    let condition = conditions.read(&mut expressions)?;
    expressions.finish()?;
    if matches!(what, What::Check) {
        checks::present("conditionExpression", condition.as_ref())?;
    }
    let table = state.tables.table(table).await.map_err(fault::of)?;
    let refuse = |error: crate::tables::KeyError| fault::of(error.into());
    let (key, effect) = match what {
        What::Put => {
            let item = convert::item(checks::present("item", write.item)?)?;
            (table.schema.key_of(&item).map_err(refuse)?, Effect::Put(item))
        }
        What::Update | What::Delete | What::Check => {
            let attributes = convert::item(checks::present("key", write.key)?)?;
            let effect = match what {
                What::Update => {
                    let update = checks::present("updateExpression", update)?;
                    convert::check_no_key(&update, &table.schema)?;
                    Effect::Update(update)
                }
                What::Delete => Effect::Delete,
                What::Put | What::Check => Effect::Check,
            };
            (table.schema.exactly(&attributes).map_err(refuse)?, effect)
        }
    };
    Ok(Action { table, change: Change { key, condition, effect } })
}
