//! GetQueryExecution, BatchGetQueryExecution and GetQueryRuntimeStatistics: what became of a
//! statement.

use headwater_wire::{Access, Context, Fault, Operation};

use super::anywhere;
use crate::executions::Execution;
use crate::shapes::{
    BatchGetQueryExecutionInput, BatchGetQueryExecutionOutput, GetQueryExecutionOutput,
    GetQueryRuntimeStatisticsOutput, QueryExecution, QueryExecutionIdInput, UnprocessedQueryExecutionId,
};
use crate::{State, convert, fault};

/// Executions one batch may ask for.
const BATCH_MAX: usize = 50;

/// The operation.
pub struct GetQueryExecution;

impl Operation<State> for GetQueryExecution {
    const NAME: &'static str = "GetQueryExecution";
    type Input = QueryExecutionIdInput;
    type Output = GetQueryExecutionOutput;

    fn access(_: &State, _: &Context, _: &Self::Input) -> Result<Access, Fault> {
        Ok(anywhere("athena:GetQueryExecution"))
    }

    async fn call(state: &State, cx: &Context, input: Self::Input) -> Result<Self::Output, Fault> {
        let execution = state.executions.require(&cx.scope(), &input.query_execution_id).await?;
        Ok(GetQueryExecutionOutput { query_execution: described(state, &execution).await? })
    }
}

async fn described(state: &State, execution: &Execution) -> Result<QueryExecution, Fault> {
    let sql = state.executions.text(execution).await.map_err(|error| fault::store(&error))?;
    Ok(convert::execution(execution, sql))
}

/// The operation.
pub struct BatchGetQueryExecution;

impl Operation<State> for BatchGetQueryExecution {
    const NAME: &'static str = "BatchGetQueryExecution";
    type Input = BatchGetQueryExecutionInput;
    type Output = BatchGetQueryExecutionOutput;

    fn access(_: &State, _: &Context, _: &Self::Input) -> Result<Access, Fault> {
        Ok(anywhere("athena:BatchGetQueryExecution"))
    }

    async fn call(state: &State, cx: &Context, input: Self::Input) -> Result<Self::Output, Fault> {
        if !(1..=BATCH_MAX).contains(&input.query_execution_ids.len()) {
            return Err(fault::invalid(format!("QueryExecutionIds has 1 to {BATCH_MAX} ids")));
        }
        let mut output = BatchGetQueryExecutionOutput::default();
        for id in input.query_execution_ids {
            let found = state.executions.get(&cx.scope(), &id).await.map_err(|error| fault::store(&error))?;
            match found {
                Some(execution) => output.query_executions.push(described(state, &execution).await?),
                None => output.unprocessed_query_execution_ids.push(UnprocessedQueryExecutionId {
                    error_code: "INVALID_INPUT".to_owned(),
                    error_message: format!("QueryExecution {id} was not found"),
                    query_execution_id: id,
                }),
            }
        }
        Ok(output)
    }
}

/// The operation.
pub struct GetQueryRuntimeStatistics;

impl Operation<State> for GetQueryRuntimeStatistics {
    const NAME: &'static str = "GetQueryRuntimeStatistics";
    type Input = QueryExecutionIdInput;
    type Output = GetQueryRuntimeStatisticsOutput;

    fn access(_: &State, _: &Context, _: &Self::Input) -> Result<Access, Fault> {
        Ok(anywhere("athena:GetQueryRuntimeStatistics"))
    }

    async fn call(state: &State, cx: &Context, input: Self::Input) -> Result<Self::Output, Fault> {
        let execution = state.executions.require(&cx.scope(), &input.query_execution_id).await?;
        Ok(GetQueryRuntimeStatisticsOutput {
            query_runtime_statistics: convert::runtime_statistics(&execution),
        })
    }
}
