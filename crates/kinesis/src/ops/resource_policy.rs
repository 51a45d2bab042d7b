//! PutResourcePolicy, GetResourcePolicy, DeleteResourcePolicy: who of other accounts may use a
//! stream or a consumer of it. The guard reads the policy with every request.

use std::sync::Arc;

use headwater_streams::{POLICY_BYTES_MAX, Stream};
use headwater_wire::{Access, Context, Fault, Operation};

use super::consumers;
use crate::checks::Checks;
use crate::shapes::{GetResourcePolicyOutput, Nothing, PutResourcePolicyInput, ResourcePolicyInput};
use crate::target::{self, Resource};
use crate::{State, fault};

/// What GetResourcePolicy answers when there is none.
const NO_POLICY: &str = "{}";

pub(crate) struct PutResourcePolicy;

impl Operation<State> for PutResourcePolicy {
    const NAME: &'static str = "PutResourcePolicy";
    type Input = PutResourcePolicyInput;
    type Output = Nothing;

    fn access(_: &State, cx: &Context, input: &PutResourcePolicyInput) -> Result<Access, Fault> {
        Ok(target::resource(cx, input)?.access("kinesis:PutResourcePolicy"))
    }

    async fn call(state: &State, cx: &Context, input: PutResourcePolicyInput) -> Result<Nothing, Fault> {
        let mut checks = Checks::new();
        checks.present("policy", input.policy.as_ref());
        checks.finish()?;
        let resource = target::resource(cx, &input)?;
        let policy = input.policy.unwrap_or_default();
        if policy.len() > POLICY_BYTES_MAX {
            return Err(fault::invalid(format!("A resource policy has at most {POLICY_BYTES_MAX} bytes.")));
        }
        cx.authority.check_policy(&policy).map_err(|why| fault::invalid(format!("Invalid policy: {why}")))?;
        let stream = found(state, &resource).await?;
        let set = state.streams.set_policy(&stream, &resource.consumer(), policy).await;
        set.map_err(|error| fault::of(&stream.key, error))?;
        Ok(Nothing {})
    }
}

pub(crate) struct GetResourcePolicy;

impl Operation<State> for GetResourcePolicy {
    const NAME: &'static str = "GetResourcePolicy";
    type Input = ResourcePolicyInput;
    type Output = GetResourcePolicyOutput;

    fn access(_: &State, cx: &Context, input: &ResourcePolicyInput) -> Result<Access, Fault> {
        Ok(target::resource(cx, input)?.access("kinesis:GetResourcePolicy"))
    }

    async fn call(
        state: &State,
        cx: &Context,
        input: ResourcePolicyInput,
    ) -> Result<GetResourcePolicyOutput, Fault> {
        let resource = target::resource(cx, &input)?;
        let stream = found(state, &resource).await?;
        let policy = stream.policies.get(&resource.consumer());
        Ok(GetResourcePolicyOutput { policy: policy.map_or(NO_POLICY, AsRef::as_ref).to_owned() })
    }
}

pub(crate) struct DeleteResourcePolicy;

impl Operation<State> for DeleteResourcePolicy {
    const NAME: &'static str = "DeleteResourcePolicy";
    type Input = ResourcePolicyInput;
    type Output = Nothing;

    fn access(_: &State, cx: &Context, input: &ResourcePolicyInput) -> Result<Access, Fault> {
        Ok(target::resource(cx, input)?.access("kinesis:DeleteResourcePolicy"))
    }

    async fn call(state: &State, cx: &Context, input: ResourcePolicyInput) -> Result<Nothing, Fault> {
        let resource = target::resource(cx, &input)?;
        let stream = found(state, &resource).await?;
        let consumer = resource.consumer();
        if !stream.policies.contains_key(&consumer) {
            let arn = input.resource_arn.unwrap_or_default();
            let message = format!("No resource policy found for resource ARN {arn}.");
            return Err(Fault::client("ResourceNotFoundException", message));
        }
        let removed = state.streams.remove_policy(&stream, &consumer).await;
        removed.map_err(|error| fault::of(&stream.key, error))?;
        Ok(Nothing {})
    }
}

/// The stream of a resource that is there.
async fn found(state: &State, resource: &Resource) -> Result<Arc<Stream>, Fault> {
    match resource {
        Resource::Stream(key) => state.stream(key).await,
        Resource::Consumer(target) => Ok(consumers::find(state, target).await?.0),
    }
}
