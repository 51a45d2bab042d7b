//! CreateTable: usable, and so ACTIVE, when this answers.

use headwater_wire::{Access, Context, Fault, Operation};

use crate::shapes::{CreateTableInput, TableOutput};
use crate::tables::Extent;
use crate::{State, convert, fault, target};

pub(crate) struct CreateTable;

impl Operation<State> for CreateTable {
    const NAME: &'static str = "CreateTable";
    type Input = CreateTableInput;
    type Output = TableOutput;

    fn access(_: &State, cx: &Context, input: &CreateTableInput) -> Result<Access, Fault> {
        target::access(cx, "dynamodb:CreateTable", input.table_name.as_deref())
    }

    async fn call(state: &State, cx: &Context, input: CreateTableInput) -> Result<TableOutput, Fault> {
        let key = target::table(cx, input.table_name.as_deref())?;
        let table = state.tables.create(key, convert::new_table(input)?).await.map_err(fault::of)?;
        Ok(TableOutput { table_description: convert::description(&table, Extent::default(), "ACTIVE") })
    }
}
