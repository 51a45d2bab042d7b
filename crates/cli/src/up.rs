//! `headwater up`: makes a pipeline be what its file says.
//!
//! Each thing in the file is looked up over the real protocols, compared, and created or updated
//! if it differs; what is right is left alone, so running it twice changes nothing. Nothing is ever
//! deleted: what is no longer in the file stays.
//!
//! **Failure.** It stops at the first refusal and says what it was doing. What was applied before
//! stays applied; running it again goes on from there.

mod file;
mod glue;
mod resource;
mod stream;

use std::path::Path;

use anyhow::{Context, bail};
use serde_json::json;

pub use file::{Files, Pipeline};
use resource::{Change, Resource};

use crate::aws::Aws;
use crate::output::{self, Output};

/// What was, or would be, done to one thing.
#[derive(Clone, Debug)]
pub struct Step {
    /// Such as `stream`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// What is to be done.
    pub change: Change,
}

/// `headwater up FILE [--plan]`.
pub async fn run(aws: &Aws, file: &Path, is_plan_only: bool, output: Output) -> anyhow::Result<()> {
    let pipeline = Pipeline::read(file)?;
    let steps = if is_plan_only { plan(aws, &pipeline).await? } else { apply(aws, &pipeline).await? };
    let rows: Vec<_> = steps
        .iter()
        .map(|s| json!({"action": s.change.verb(), "kind": s.kind, "name": s.name, "detail": s.change.detail()}))
        .collect();
    let mut table = output::table(&["action", "kind", "name", "detail"], &[]);
    for step in &steps {
        table.add_row([step.change.verb(), step.kind, &step.name, &step.change.detail()]);
    }
    output.result(table, &json!({"applied": !is_plan_only, "steps": rows}));
    if let Some(stuck) = steps.iter().find(|s| matches!(s.change, Change::Impossible(_))) {
        bail!("{} {} cannot be changed in place: {}", stuck.kind, stuck.name, stuck.change.detail());
    }
    Ok(())
}

/// What would have to be done.
pub async fn plan(aws: &Aws, pipeline: &Pipeline) -> anyhow::Result<Vec<Step>> {
    let mut steps = Vec::new();
    for resource in pipeline.resources() {
        steps.push(look(aws, &*resource).await?);
    }
    Ok(steps)
}

/// Does it, in the order of the file's kinds: what others refer to comes first.
pub async fn apply(aws: &Aws, pipeline: &Pipeline) -> anyhow::Result<Vec<Step>> {
    let mut steps = Vec::new();
    for resource in pipeline.resources() {
        let step = look(aws, &*resource).await?;
        let doing = || format!("{} {} {}", step.change.verb(), step.kind, step.name);
        match &step.change {
            Change::Create => resource.create(aws).await.with_context(doing)?,
            Change::Update(_) => resource.update(aws).await.with_context(doing)?,
            Change::Nothing | Change::Impossible(_) => {}
        }
        steps.push(step);
    }
    Ok(steps)
}

async fn look(aws: &Aws, resource: &dyn Resource) -> anyhow::Result<Step> {
    let (kind, name) = (resource.kind(), resource.name());
    let change = resource.compare(aws).await.with_context(|| format!("looking at {kind} {name}"))?;
    Ok(Step { kind, name, change })
}
