//! StopQueryExecution: end a statement that waits or runs.

use headwater_wire::{Access, Context, Fault, Operation};

use super::anywhere;
use crate::State;
use crate::shapes::{Empty, QueryExecutionIdInput};

/// The operation.
pub struct StopQueryExecution;

impl Operation<State> for StopQueryExecution {
    const NAME: &'static str = "StopQueryExecution";
    type Input = QueryExecutionIdInput;
    type Output = Empty;

    fn access(_: &State, _: &Context, _: &Self::Input) -> Result<Access, Fault> {
        Ok(anywhere("athena:StopQueryExecution"))
    }

    async fn call(state: &State, cx: &Context, input: Self::Input) -> Result<Self::Output, Fault> {
        let execution = state.executions.stop(&cx.scope(), &input.query_execution_id).await?;
        state.runner.cancel(&execution.key);
        Ok(Empty {})
    }
}
