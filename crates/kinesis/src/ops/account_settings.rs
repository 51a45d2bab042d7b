//! DescribeAccountSettings and UpdateAccountSettings: the commitment to a minimum throughput.

use headwater_streams::{Commitment, CommitmentStatus, StreamError};
use headwater_wire::{Access, Context, EpochTime, Fault, Operation};

use crate::checks::Checks;
use crate::shapes::{
    AccountSettingsOutput, CommitmentOutput, DescribeAccountSettingsInput, UpdateAccountSettingsInput,
};
use crate::{State, fault};

pub(crate) struct DescribeAccountSettings;

impl Operation<State> for DescribeAccountSettings {
    const NAME: &'static str = "DescribeAccountSettings";
    type Input = DescribeAccountSettingsInput;
    type Output = AccountSettingsOutput;

    fn access(_: &State, _: &Context, _: &DescribeAccountSettingsInput) -> Result<Access, Fault> {
        Ok(Access { action: "kinesis:DescribeAccountSettings", resource: None })
    }

    async fn call(
        state: &State,
        cx: &Context,
        _: DescribeAccountSettingsInput,
    ) -> Result<AccountSettingsOutput, Fault> {
        answer(cx, state.streams.commitment(&cx.scope()).await)
    }
}

pub(crate) struct UpdateAccountSettings;

impl Operation<State> for UpdateAccountSettings {
    const NAME: &'static str = "UpdateAccountSettings";
    type Input = UpdateAccountSettingsInput;
    type Output = AccountSettingsOutput;

    fn access(_: &State, _: &Context, _: &UpdateAccountSettingsInput) -> Result<Access, Fault> {
        Ok(Access { action: "kinesis:UpdateAccountSettings", resource: None })
    }

    async fn call(
        state: &State,
        cx: &Context,
        input: UpdateAccountSettingsInput,
    ) -> Result<AccountSettingsOutput, Fault> {
        let commitment = input.minimum_throughput_billing_commitment.as_ref();
        let status = commitment.and_then(|commitment| commitment.status.as_deref());
        let mut checks = Checks::new();
        checks.present("minimumThroughputBillingCommitment", commitment);
        if commitment.is_some() {
            checks.present(STATUS, status.as_ref());
        }
        checks.one_of(STATUS, status, &["ENABLED", "DISABLED"]);
        checks.finish()?;
        answer(cx, state.streams.set_commitment(&cx.scope(), status == Some("ENABLED")).await)
    }
}

const STATUS: &str = "minimumThroughputBillingCommitment.status";

fn answer(cx: &Context, found: Result<Commitment, StreamError>) -> Result<AccountSettingsOutput, Fault> {
    let commitment = found.map_err(|error| fault::internal(&error))?;
    let status = match commitment.status(cx.time) {
        CommitmentStatus::Enabled => "ENABLED",
        CommitmentStatus::Ending => "ENABLED_UNTIL_EARLIEST_ALLOWED_END",
        CommitmentStatus::Disabled => "DISABLED",
    };
    Ok(AccountSettingsOutput {
        minimum_throughput_billing_commitment: CommitmentOutput {
            status,
            started_at: commitment.started.map(EpochTime),
            ended_at: commitment.ended.filter(|ended| *ended <= cx.time).map(EpochTime),
            earliest_allowed_end_at: commitment.earliest_end.map(EpochTime),
        },
    })
}
