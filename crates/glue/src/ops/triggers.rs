//! Triggers.

use headwater_wire::{Context, Fault};

use super::operation;
use crate::checks::{arn, at_most, page, present, required};
use crate::records::job::CallerRecord;
use crate::shapes::{
    BatchGetTriggersInput, BatchGetTriggersOutput, GetTriggersInput, GetTriggersOutput, ListTriggersOutput,
    NameInput, NameOutput, TriggerOutput, TriggerOutputShape, TriggerShape, UpdateTriggerInput,
};
use crate::triggers::Trigger;
use crate::{State, tags, token};

/// The most triggers a page holds.
const PAGE_MAX: usize = 200;
/// The most triggers one call asks for by name.
const BATCH_MAX: usize = 100;

operation!(BatchGetTriggers(BatchGetTriggersInput) -> BatchGetTriggersOutput, |cx, _input| arn(cx, "trigger/*"), batch_get);
operation!(CreateTrigger(TriggerShape) -> NameOutput, |cx, input| named(cx, &input.name), create);
operation!(DeleteTrigger(NameInput) -> NameOutput, |cx, input| named(cx, &input.name), delete);
operation!(GetTrigger(NameInput) -> TriggerOutput, |cx, input| named(cx, &input.name), get);
operation!(GetTriggers(GetTriggersInput) -> GetTriggersOutput, |cx, _input| arn(cx, "trigger/*"), list);
operation!(ListTriggers(GetTriggersInput) -> ListTriggersOutput, |cx, _input| arn(cx, "trigger/*"), list_names);
operation!(StartTrigger(NameInput) -> NameOutput, |cx, input| named(cx, &input.name), start);
operation!(StopTrigger(NameInput) -> NameOutput, |cx, input| named(cx, &input.name), stop);
operation!(UpdateTrigger(UpdateTriggerInput) -> TriggerOutput, |cx, input| named(cx, &input.name), update);

fn named(cx: &Context, name: &Option<String>) -> headwater_base::Arn {
    arn(cx, format!("trigger/{}", name.as_deref().unwrap_or_default()))
}

fn shape(trigger: Trigger) -> TriggerOutputShape {
    let activated = trigger.record.activated && trigger.is_scheduled();
    TriggerOutputShape {
        state: if activated { "ACTIVATED" } else { "CREATED" },
        trigger: TriggerShape { name: Some(trigger.name), ..trigger.shape },
    }
}

async fn batch_get(
    state: &State,
    cx: &Context,
    input: BatchGetTriggersInput,
) -> Result<BatchGetTriggersOutput, Fault> {
    let names = present(input.trigger_names, "triggerNames")?;
    at_most(&names, BATCH_MAX, "triggerNames")?;
    let (mut triggers, mut triggers_not_found) = (Vec::new(), Vec::new());
    for name in names {
        match state.trigger(&cx.scope(), &name).await {
            Ok(trigger) => triggers.push(shape(trigger)),
            Err(fault) if fault.status < 500 => triggers_not_found.push(name),
            Err(fault) => return Err(fault),
        }
    }
    Ok(BatchGetTriggersOutput { triggers, triggers_not_found })
}

async fn create(state: &State, cx: &Context, input: TriggerShape) -> Result<NameOutput, Fault> {
    let name = required(&input.name, "name")?.to_owned();
    state.create_trigger(&cx.scope(), &name, &input, CallerRecord::of(&cx.caller)).await?;
    tags::set(state, &named(cx, &input.name), input.tags).await?;
    Ok(NameOutput { name })
}

async fn delete(state: &State, cx: &Context, input: NameInput) -> Result<NameOutput, Fault> {
    let name = required(&input.name, "name")?.to_owned();
    state.delete_trigger(&cx.scope(), &name).await?;
    tags::clear(state, &named(cx, &input.name)).await?;
    Ok(NameOutput { name })
}

async fn get(state: &State, cx: &Context, input: NameInput) -> Result<TriggerOutput, Fault> {
    let trigger = state.trigger(&cx.scope(), required(&input.name, "name")?).await?;
    Ok(TriggerOutput { trigger: shape(trigger) })
}

async fn page_of(
    state: &State,
    cx: &Context,
    input: &GetTriggersInput,
) -> Result<(Vec<Trigger>, Option<String>), Fault> {
    let limit = page(input.max_results, PAGE_MAX)?;
    let after = token::open_one(input.next_token.as_deref())?;
    let mut found = state.triggers(&cx.scope(), after.as_deref(), limit + 1).await?;
    let next_token = token::cut(&mut found, limit, |trigger| vec![trigger.name.clone()]);
    if let Some(job) = &input.dependent_job_name {
        found.retain(|trigger| {
            trigger.shape.actions.iter().flatten().any(|action| action.job_name.as_ref() == Some(job))
        });
    }
    Ok((found, next_token))
}

async fn list(state: &State, cx: &Context, input: GetTriggersInput) -> Result<GetTriggersOutput, Fault> {
    let (found, next_token) = page_of(state, cx, &input).await?;
    Ok(GetTriggersOutput { triggers: found.into_iter().map(shape).collect(), next_token })
}

async fn list_names(
    state: &State,
    cx: &Context,
    input: GetTriggersInput,
) -> Result<ListTriggersOutput, Fault> {
    let (found, next_token) = page_of(state, cx, &input).await?;
    Ok(ListTriggersOutput {
        trigger_names: found.into_iter().map(|trigger| trigger.name).collect(),
        next_token,
    })
}

async fn start(state: &State, cx: &Context, input: NameInput) -> Result<NameOutput, Fault> {
    let name = required(&input.name, "name")?.to_owned();
    state.start_trigger(&cx.scope(), &name).await?;
    Ok(NameOutput { name })
}

async fn stop(state: &State, cx: &Context, input: NameInput) -> Result<NameOutput, Fault> {
    let name = required(&input.name, "name")?.to_owned();
    state.stop_trigger(&cx.scope(), &name).await?;
    Ok(NameOutput { name })
}

async fn update(state: &State, cx: &Context, input: UpdateTriggerInput) -> Result<TriggerOutput, Fault> {
    let name = required(&input.name, "name")?;
    let update = present(input.trigger_update, "triggerUpdate")?;
    Ok(TriggerOutput { trigger: shape(state.update_trigger(&cx.scope(), name, update).await?) })
}
