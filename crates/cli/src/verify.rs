//! `headwater verify` and `headwater repair`: a data directory read back, and mended, while no node
//! runs on it.

use std::path::Path;

use anyhow::{Context, bail};
use headwater_store::embedded::{self, Problem};
use headwater_work::Work;
use serde_json::{Value, json};

use crate::output::{self, Output};

/// Where a node keeps its store within its data directory.
const STORE: &str = "store";

/// `headwater verify`: reads every journal group, segment, fact and body; an error when anything is wrong.
pub async fn run(data: &Path, output: Output) -> anyhow::Result<()> {
    let folder = data.join(STORE);
    if !folder.is_dir() {
        bail!("{} is no data directory of a node: say --data DIR", data.display());
    }
    let spinner = output::spinner("verifying");
    spinner.set_message(format!("reading everything in {}", data.display()));
    let directory = data.to_owned();
    let found = Work::blocking(move || headwater_server::verify(&directory)).await;
    spinner.finish_and_clear();
    let found = found.with_context(|| format!("verifying {}", data.display()))?;
    let report = &found.store;
    let text = format!(
        "{} facts, {} journal groups, {} segments with {} batches, {}; {} bodies, {}; newest commit {}{}{}",
        output::grouped(report.facts),
        output::grouped(report.journal_groups),
        output::grouped(report.segments),
        output::grouped(report.batches),
        output::bytes(report.bytes),
        output::grouped(found.blobs),
        output::bytes(found.blob_bytes),
        output::grouped(report.last.0),
        unnamed(&found.orphans),
        listed(&report.problems),
    );
    let json = json!({
        "last_commit": report.last.0,
        "facts": report.facts,
        "journal_groups": report.journal_groups,
        "segments": report.segments,
        "batches": report.batches,
        "bytes": report.bytes,
        "bodies": found.blobs,
        "body_bytes": found.blob_bytes,
        "orphans": found.orphans.iter().map(|id| format!("{id:?}")).collect::<Vec<_>>(),
        "problems": as_json(&report.problems),
    });
    output.result(text, &json);
    if !report.problems.is_empty() {
        bail!("{} problems; headwater repair --plan shows what mending would lose", report.problems.len());
    }
    Ok(())
}

/// `headwater repair [--plan]`: gives up what cannot be read, after showing what that is.
pub async fn repair(data: &Path, is_plan_only: bool, output: Output) -> anyhow::Result<()> {
    let folder = data.join(STORE);
    let mend = if is_plan_only { embedded::plan_repair } else { embedded::repair };
    let plan = Work::blocking(move || mend(&folder)).await;
    let plan = plan.with_context(|| format!("repairing {}", data.display()))?;
    let verb = if is_plan_only { "would be given up" } else { "were given up" };
    let lost = plan.lost_commits;
    let from = plan.first_lost.map(|lsn| format!(" from commit {}", lsn.0)).unwrap_or_default();
    let text = format!("{lost} commits {verb}{from}{}", listed(&plan.losses));
    let json = json!({
        "repaired": !is_plan_only,
        "lost_commits": plan.lost_commits,
        "first_lost": plan.first_lost.map(|lsn| lsn.0),
        "losses": as_json(&plan.losses),
    });
    output.result(text, &json);
    Ok(())
}

/// Orphans are no damage; the first few are named.
fn unnamed(orphans: &[impl std::fmt::Debug]) -> String {
    let Some(first) = orphans.first() else { return String::new() };
    format!(
        "\n  {} bodies that nothing names, {first:?} among them: the next start removes them",
        orphans.len()
    )
}

fn listed(problems: &[Problem]) -> String {
    let line = |problem: &Problem| {
        format!("\n  {} at {}: {}", problem.file.display(), problem.position, problem.what)
    };
    problems.iter().map(line).collect()
}

fn as_json(problems: &[Problem]) -> Vec<Value> {
    let one = |problem: &Problem| json!({"file": problem.file.display().to_string(), "position": problem.position, "what": problem.what});
    problems.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_directory_that_is_none_is_explained() {
        let folder = tempfile::tempdir().unwrap();
        let error = run(folder.path(), Output::Json).await.unwrap_err();
        assert!(error.to_string().contains("--data"), "{error}");
    }
}
