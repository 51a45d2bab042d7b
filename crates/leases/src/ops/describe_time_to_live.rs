//! DescribeTimeToLive: items of a lease table don't expire.

use headwater_wire::{Access, Context, Fault, Operation};

use crate::shapes::{TableInput, TimeToLiveDescription, TimeToLiveOutput};
use crate::{State, fault, target};

pub(crate) struct DescribeTimeToLive;

impl Operation<State> for DescribeTimeToLive {
    const NAME: &'static str = "DescribeTimeToLive";
    type Input = TableInput;
    type Output = TimeToLiveOutput;

    fn access(_: &State, cx: &Context, input: &TableInput) -> Result<Access, Fault> {
        target::access(cx, "dynamodb:DescribeTimeToLive", input.table_name.as_deref())
    }

    async fn call(state: &State, cx: &Context, input: TableInput) -> Result<TimeToLiveOutput, Fault> {
        let key = target::table(cx, input.table_name.as_deref())?;
        state.tables.table(&key).await.map_err(|error| fault::of_table(&key, error))?;
        let time_to_live_description = TimeToLiveDescription { time_to_live_status: "DISABLED" };
        Ok(TimeToLiveOutput { time_to_live_description })
    }
}
