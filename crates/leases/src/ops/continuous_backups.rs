//! Update- and DescribeContinuousBackups: whether recovery to a point in time was asked for.
//!
//! KCL may ask for it. The answer says what was asked; what the node recovers with is its journal and
//! `headwater backup`, see `docs/services/dynamodb.md`.

use headwater_wire::{Access, Context, Fault, Operation};

use crate::shapes::{
    ContinuousBackupsDescription, ContinuousBackupsOutput, PointInTimeRecoveryDescription, TableInput,
    UpdateContinuousBackupsInput,
};
use crate::tables::Table;
use crate::{State, checks, fault, target};

/// The longest and usual recovery period.
const DAYS_MAX: u32 = 35;

pub(crate) struct UpdateContinuousBackups;
pub(crate) struct DescribeContinuousBackups;

impl Operation<State> for UpdateContinuousBackups {
    const NAME: &'static str = "UpdateContinuousBackups";
    type Input = UpdateContinuousBackupsInput;
    type Output = ContinuousBackupsOutput;

    fn access(_: &State, cx: &Context, input: &UpdateContinuousBackupsInput) -> Result<Access, Fault> {
        target::access(cx, "dynamodb:UpdateContinuousBackups", input.table_name.as_deref())
    }

    async fn call(
        state: &State,
        cx: &Context,
        input: UpdateContinuousBackupsInput,
    ) -> Result<ContinuousBackupsOutput, Fault> {
        let key = target::table(cx, input.table_name.as_deref())?;
        let asked =
            checks::present("pointInTimeRecoverySpecification", input.point_in_time_recovery_specification)?;
        let enabled = checks::present(
            "pointInTimeRecoverySpecification.pointInTimeRecoveryEnabled",
            asked.point_in_time_recovery_enabled,
        )?;
        let days = asked.recovery_period_in_days;
        checks::range("pointInTimeRecoverySpecification.recoveryPeriodInDays", days, 1, DAYS_MAX.into())?;
        let days = days.and_then(|days| u32::try_from(days).ok()).unwrap_or(DAYS_MAX);
        let change = |table: &mut Table| {
            table.settings.recovery_days = enabled.then_some(days);
            Ok(())
        };
        let table = state.tables.update(&key, change).await;
        Ok(output(&*table.map_err(|error| not_found(&key, error))?))
    }
}

impl Operation<State> for DescribeContinuousBackups {
    const NAME: &'static str = "DescribeContinuousBackups";
    type Input = TableInput;
    type Output = ContinuousBackupsOutput;

    fn access(_: &State, cx: &Context, input: &TableInput) -> Result<Access, Fault> {
        target::access(cx, "dynamodb:DescribeContinuousBackups", input.table_name.as_deref())
    }

    async fn call(state: &State, cx: &Context, input: TableInput) -> Result<ContinuousBackupsOutput, Fault> {
        let key = target::table(cx, input.table_name.as_deref())?;
        let table = state.tables.table(&key).await;
        Ok(output(&*table.map_err(|error| not_found(&key, error))?))
    }
}

/// These operations have a code of their own for a missing table.
fn not_found(key: &crate::tables::TableKey, error: crate::tables::TableError) -> Fault {
    match error {
        crate::tables::TableError::NoSuchTable(_) => {
            Fault::client("TableNotFoundException", format!("Table not found: {}", key.name.as_str()))
        }
        other => fault::of(other),
    }
}

fn output(table: &Table) -> ContinuousBackupsOutput {
    let days = table.settings.recovery_days;
    let status = if days.is_some() { "ENABLED" } else { "DISABLED" };
    let recovery = PointInTimeRecoveryDescription {
        point_in_time_recovery_status: status,
        recovery_period_in_days: days,
    };
    ContinuousBackupsOutput {
        continuous_backups_description: ContinuousBackupsDescription {
            continuous_backups_status: "ENABLED",
            point_in_time_recovery_description: recovery,
        },
    }
}
