//! StartQueryExecution: queue a statement.

use headwater_wire::{Access, Context, Fault, Operation};

use super::{on_workgroup, parameters};
use crate::executions::start::StartRequest;
use crate::shapes::{StartQueryExecutionInput, StartQueryExecutionOutput};
use crate::workgroups::PRIMARY;
use crate::{State, fault};

/// The longest statement.
const STATEMENT_BYTES_MAX: usize = 262_144;
/// The database of statements that name none.
const DEFAULT_DATABASE: &str = "default";
/// The node's only data catalog, in lower case.
pub const DATA_CATALOG: &str = "awsdatacatalog";

/// The operation.
pub struct StartQueryExecution;

impl Operation<State> for StartQueryExecution {
    const NAME: &'static str = "StartQueryExecution";
    type Input = StartQueryExecutionInput;
    type Output = StartQueryExecutionOutput;

    fn access(_: &State, cx: &Context, input: &Self::Input) -> Result<Access, Fault> {
        let workgroup = input.work_group.as_deref().unwrap_or(PRIMARY);
        Ok(on_workgroup(cx, "athena:StartQueryExecution", workgroup))
    }

    async fn call(state: &State, cx: &Context, input: Self::Input) -> Result<Self::Output, Fault> {
        let scope = cx.scope();
        let request = request(state, cx, input).await?;
        state.executions.place(&scope, &request.output_location).await?;
        let query_execution_id = state.executions.start(&scope, request).await?;
        state.runner.wake();
        Ok(StartQueryExecutionOutput { query_execution_id })
    }
}

async fn request(
    state: &State,
    cx: &Context,
    input: StartQueryExecutionInput,
) -> Result<StartRequest, Fault> {
    if input.query_string.trim().is_empty() || input.query_string.len() > STATEMENT_BYTES_MAX {
        return Err(fault::invalid(format!("QueryString has 1 to {STATEMENT_BYTES_MAX} bytes")));
    }
    if let Some(token) = &input.client_request_token
        && !(32..=128).contains(&token.len())
    {
        return Err(fault::invalid("ClientRequestToken has 32 to 128 characters"));
    }
    let context = input.query_execution_context.unwrap_or_default();
    if let Some(catalog) = &context.catalog
        && !catalog.eq_ignore_ascii_case(DATA_CATALOG)
    {
        return Err(fault::invalid(format!("Catalog {catalog} does not exist")));
    }
    let workgroup = input.work_group.unwrap_or_else(|| PRIMARY.to_owned());
    let settings = state.workgroups.get(&cx.scope(), &workgroup).await?;
    if !settings.enabled {
        return Err(fault::invalid(format!("WorkGroup {workgroup} is disabled.")));
    }
    let own =
        input.result_configuration.and_then(|result| result.output_location).filter(|text| !text.is_empty());
    let chosen = if settings.enforce && settings.output_location.is_some() {
        settings.output_location
    } else {
        own.or(settings.output_location)
    };
    let output_location = match chosen {
        Some(location) => location,
        None => state.executions.default_location(&cx.scope()).await?,
    };
    let sql = match input.execution_parameters {
        Some(parameters) => parameters::bind(&input.query_string, &parameters)?,
        None => input.query_string,
    };
    Ok(StartRequest {
        caller: cx.caller.as_ref().clone(),
        sql,
        database: context.database.unwrap_or_else(|| DEFAULT_DATABASE.to_owned()).to_lowercase(),
        catalog: context.catalog,
        workgroup,
        output_location,
        token: input.client_request_token,
    })
}
