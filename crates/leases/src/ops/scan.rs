//! Scan: all items of the table or of its index, whole or a segment.

use headwater_wire::{Access, Context, Fault, Operation};

use super::page;
use crate::convert::Expressions;
use crate::shapes::{PageInput, PageOutput};
use crate::tables::Request;
use crate::{State, convert, fault, target};

pub(crate) struct Scan;

impl Operation<State> for Scan {
    const NAME: &'static str = "Scan";
    type Input = PageInput;
    type Output = PageOutput;

    fn access(_: &State, cx: &Context, input: &PageInput) -> Result<Access, Fault> {
        target::access(cx, "dynamodb:Scan", input.table_name.as_deref())
    }

    async fn call(state: &State, cx: &Context, mut input: PageInput) -> Result<PageOutput, Fault> {
        let key = target::table(cx, input.table_name.as_deref())?;
        page::check(&input)?;
        let segment = convert::segment(input.segment, input.total_segments)?;
        let mut expressions = Expressions::new(
            input.expression_attribute_names.take(),
            input.expression_attribute_values.take(),
            &[
                ("FilterExpression", input.filter_expression.as_deref()),
                ("ProjectionExpression", input.projection_expression.as_deref()),
            ],
        )?;
        let table = state.tables.table(&key).await.map_err(fault::of)?;
        let index = page::index(&input, &table)?;
        let older = input.scan_filter.take();
        let reading = page::read(&mut input, &mut expressions, older, &table, index)?;
        expressions.finish()?;
        let request = Request {
            key: None,
            segment,
            index,
            filter: reading.filter.as_ref(),
            limit: reading.limit,
            start: reading.start.clone(),
            backward: false,
        };
        let page = state.tables.page(&table, &request).await.map_err(fault::of)?;
        Ok(reading.output(&table, page))
    }
}
