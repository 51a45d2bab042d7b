//! GetQueryResults: a page of a result.

use headwater_wire::{Access, Context, Fault, Operation};

use super::{anywhere, page_size};
use crate::shapes::{GetQueryResultsInput, GetQueryResultsOutput};
use crate::{State, convert};

/// Rows of a page.
const ROWS_MAX: usize = 1000;

/// The operation.
pub struct GetQueryResults;

impl Operation<State> for GetQueryResults {
    const NAME: &'static str = "GetQueryResults";
    type Input = GetQueryResultsInput;
    type Output = GetQueryResultsOutput;

    fn access(_: &State, _: &Context, _: &Self::Input) -> Result<Access, Fault> {
        Ok(anywhere("athena:GetQueryResults"))
    }

    async fn call(state: &State, cx: &Context, input: Self::Input) -> Result<Self::Output, Fault> {
        let execution = state.executions.require(&cx.scope(), &input.query_execution_id).await?;
        let from = convert::result_token(input.next_token.as_deref())?;
        let limit = page_size(input.max_results, ROWS_MAX)?;
        state.executions.page(&execution, from, limit).await.map(convert::results)
    }
}
