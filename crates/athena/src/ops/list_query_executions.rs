//! ListQueryExecutions: a workgroup's executions, newest first.

use headwater_wire::{Access, Context, Fault, Operation};

use super::{on_workgroup, page_size};
use crate::shapes::{ListQueryExecutionsInput, ListQueryExecutionsOutput};
use crate::workgroups::PRIMARY;
use crate::{State, fault};

/// Ids of a page.
const IDS_MAX: usize = 50;

/// The operation.
pub struct ListQueryExecutions;

impl Operation<State> for ListQueryExecutions {
    const NAME: &'static str = "ListQueryExecutions";
    type Input = ListQueryExecutionsInput;
    type Output = ListQueryExecutionsOutput;

    fn access(_: &State, cx: &Context, input: &Self::Input) -> Result<Access, Fault> {
        let workgroup = input.work_group.as_deref().unwrap_or(PRIMARY);
        Ok(on_workgroup(cx, "athena:ListQueryExecutions", workgroup))
    }

    async fn call(state: &State, cx: &Context, input: Self::Input) -> Result<Self::Output, Fault> {
        let scope = cx.scope();
        let workgroup = input.work_group.as_deref().unwrap_or(PRIMARY);
        state.workgroups.get(&scope, workgroup).await?;
        let limit = page_size(input.max_results, IDS_MAX)?;
        let after = match &input.next_token {
            Some(id) => {
                let last = state.executions.get(&scope, id).await.map_err(|error| fault::store(&error))?;
                let last = last.ok_or_else(|| fault::invalid("NextToken is not one of this list's"))?;
                Some((last.row.submitted_ms, last.key.id))
            }
            None => None,
        };
        let mut ids = state
            .executions
            .list(&scope, workgroup, after, limit + 1)
            .await
            .map_err(|error| fault::store(&error))?;
        let more = ids.len() > limit;
        ids.truncate(limit);
        let next_token = ids.last().filter(|_| more).cloned();
        Ok(ListQueryExecutionsOutput { query_execution_ids: ids, next_token })
    }
}
