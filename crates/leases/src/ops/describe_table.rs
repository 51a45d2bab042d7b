//! DescribeTable: what a table is and, exactly, how much it holds.

use headwater_wire::{Access, Context, Fault, Operation};

use crate::shapes::{DescribeTableOutput, TableInput};
use crate::{State, convert, fault, target};

pub(crate) struct DescribeTable;

impl Operation<State> for DescribeTable {
    const NAME: &'static str = "DescribeTable";
    type Input = TableInput;
    type Output = DescribeTableOutput;

    fn access(_: &State, cx: &Context, input: &TableInput) -> Result<Access, Fault> {
        target::access(cx, "dynamodb:DescribeTable", input.table_name.as_deref())
    }

    async fn call(state: &State, cx: &Context, input: TableInput) -> Result<DescribeTableOutput, Fault> {
        let key = target::table(cx, input.table_name.as_deref())?;
        let table = state.tables.table(&key).await.map_err(|error| fault::of_table(&key, error))?;
        let extent = state.tables.extent(&table).await.map_err(fault::of)?;
        Ok(DescribeTableOutput { table: convert::description(&table, extent, "ACTIVE") })
    }
}
