//! Query: the items of one hash key, of the table or of its index, in the order of their range keys.

use headwater_wire::{Access, Context, Fault, Operation};

use super::page;
use crate::convert::Expressions;
use crate::expression::Condition;
use crate::shapes::{PageInput, PageOutput};
use crate::tables::Request;
use crate::{State, convert, fault, target};

pub(crate) struct Query;

impl Operation<State> for Query {
    const NAME: &'static str = "Query";
    type Input = PageInput;
    type Output = PageOutput;

    fn access(_: &State, cx: &Context, input: &PageInput) -> Result<Access, Fault> {
        target::access(cx, "dynamodb:Query", input.table_name.as_deref())
    }

    async fn call(state: &State, cx: &Context, mut input: PageInput) -> Result<PageOutput, Fault> {
        let key = target::table(cx, input.table_name.as_deref())?;
        page::check(&input)?;
        let mut expressions = Expressions::new(
            input.expression_attribute_names.take(),
            input.expression_attribute_values.take(),
            &[
                ("KeyConditionExpression", input.key_condition_expression.as_deref()),
                ("FilterExpression", input.filter_expression.as_deref()),
                ("ProjectionExpression", input.projection_expression.as_deref()),
            ],
        )?;
        let asked = asked(&mut input, &mut expressions)?;
        let table = state.tables.table(&key).await.map_err(fault::of)?;
        let index = page::index(&input, &table)?;
        let schema = index.map_or(&table.schema, |index| &index.schema);
        let key = convert::key_condition(asked, schema)?;
        let older = input.query_filter.take();
        let reading = page::read(&mut input, &mut expressions, older, &table, index)?;
        expressions.finish()?;
        let filtered = reading.filter.iter().flat_map(Condition::paths);
        if let Some(path) = filtered.into_iter().find(|path| schema.has(&path.attribute)) {
            return Err(fault::invalid(format!(
                "Filter Expression can only contain non-primary key attributes: Primary key attribute: {}",
                path.attribute
            )));
        }
        let request = Request {
            key: Some(&key),
            segment: None,
            index,
            filter: reading.filter.as_ref(),
            limit: reading.limit,
            start: reading.start.clone(),
            backward: input.scan_index_forward == Some(false),
        };
        let page = state.tables.page(&table, &request).await.map_err(fault::of)?;
        Ok(reading.output(&table, page))
    }
}

/// The condition on the key, in either dialect.
fn asked(input: &mut PageInput, expressions: &mut Expressions) -> Result<Condition, Fault> {
    let asked = match input.key_conditions.take() {
        Some(conditions) => convert::legacy(conditions, None)?,
        None => expressions.condition("KeyConditionExpression", input.key_condition_expression.as_deref())?,
    };
    asked.ok_or_else(|| {
        fault::invalid(
            "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.",
        )
    })
}
