//! UpdateTable: the index, the billing mode, the protection against deletion.
//!
//! The index is not stored, so a new one is ACTIVE when this answers, whatever the table holds.

use headwater_wire::{Access, Context, Fault, Operation};

use crate::shapes::{TableOutput, UpdateTableInput};
use crate::{State, convert, fault, target};

pub(crate) struct UpdateTable;

impl Operation<State> for UpdateTable {
    const NAME: &'static str = "UpdateTable";
    type Input = UpdateTableInput;
    type Output = TableOutput;

    fn access(_: &State, cx: &Context, input: &UpdateTableInput) -> Result<Access, Fault> {
        target::access(cx, "dynamodb:UpdateTable", input.table_name.as_deref())
    }

    async fn call(state: &State, cx: &Context, input: UpdateTableInput) -> Result<TableOutput, Fault> {
        let key = target::table(cx, input.table_name.as_deref())?;
        // So that a missing table is named as DescribeTable names it.
        state.tables.table(&key).await.map_err(|error| fault::of_table(&key, error))?;
        let change = |table: &mut _| convert::update_settings(table, &input);
        let table = state.tables.update::<Fault>(&key, change).await?;
        let extent = state.tables.extent(&table).await.map_err(fault::of)?;
        Ok(TableOutput { table_description: convert::description(&table, extent, "ACTIVE") })
    }
}
