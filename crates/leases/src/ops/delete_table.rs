//! DeleteTable: gone, with all it holds, when this answers.

use headwater_wire::{Access, Context, Fault, Operation};

use crate::shapes::{TableInput, TableOutput};
use crate::tables::Extent;
use crate::{State, convert, fault, target};

pub(crate) struct DeleteTable;

impl Operation<State> for DeleteTable {
    const NAME: &'static str = "DeleteTable";
    type Input = TableInput;
    type Output = TableOutput;

    fn access(_: &State, cx: &Context, input: &TableInput) -> Result<Access, Fault> {
        target::access(cx, "dynamodb:DeleteTable", input.table_name.as_deref())
    }

    async fn call(state: &State, cx: &Context, input: TableInput) -> Result<TableOutput, Fault> {
        let key = target::table(cx, input.table_name.as_deref())?;
        let table = state.tables.delete(&key).await.map_err(|error| fault::of_table(&key, error))?;
        Ok(TableOutput { table_description: convert::description(&table, Extent::default(), "DELETING") })
    }
}
