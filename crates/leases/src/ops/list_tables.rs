//! ListTables: names, in order.

use headwater_wire::{Access, Context, Fault, Operation};

use crate::shapes::{ListTablesInput, ListTablesOutput};
use crate::{State, checks, fault};

const NAMES_MAX: usize = 100;

pub(crate) struct ListTables;

impl Operation<State> for ListTables {
    const NAME: &'static str = "ListTables";
    type Input = ListTablesInput;
    type Output = ListTablesOutput;

    fn access(_: &State, _: &Context, _: &ListTablesInput) -> Result<Access, Fault> {
        Ok(Access { action: "dynamodb:ListTables", resource: None })
    }

    async fn call(state: &State, cx: &Context, input: ListTablesInput) -> Result<ListTablesOutput, Fault> {
        let limit = checks::range("limit", input.limit, 1, NAMES_MAX as i64)?.unwrap_or(NAMES_MAX);
        let after = input.exclusive_start_table_name.as_deref();
        let mut names = state.tables.names(&cx.scope(), after, limit + 1).await.map_err(fault::of)?;
        let more = names.len() > limit;
        names.truncate(limit);
        let last = names.last().filter(|_| more).cloned();
        Ok(ListTablesOutput { table_names: names, last_evaluated_table_name: last })
    }
}
