//! `headwater backup DIR`: a consistent copy of a running node's data directory.
//!
//! The copy opens like any data directory: `headwater serve --data DIR`. The request lies as a file in
//! the node's data directory, so whoever may write there may ask.

use std::path::Path;

use anyhow::{Context, bail};
use headwater_server::BACKUP_REQUEST;
use serde_json::Value;

use crate::Shared;
use crate::output::{self, Output};
use crate::target::{Target, data_directory};

/// Asks the node and waits for the copy.
pub async fn run(shared: &Shared, to: &Path, output: Output) -> anyhow::Result<()> {
    let data = data_directory(shared.data.clone())?;
    let aws = Target::find(shared)?.aws()?;
    let to = std::path::absolute(to).with_context(|| format!("the place of the copy, {}", to.display()))?;
    let request = data.join(BACKUP_REQUEST);
    std::fs::write(&request, format!("{}\n", to.display())).with_context(|| {
        format!("asking for a backup in {}: is it the node's data directory?", data.display())
    })?;
    let spinner = output::spinner("backing up");
    spinner.set_message(format!("{} to {}", data.display(), to.display()));
    let answer = aws.client().send_unsigned("POST", "/_headwater/backup").await;
    spinner.finish_and_clear();
    // The node takes the request away; if it never saw it, nobody else shall.
    let _ = std::fs::remove_file(request);
    let answer = answer.context("is a node running? without one, copy the directory itself")?;
    let page: Value = serde_json::from_slice(&answer.body).context("reading what the node says")?;
    if answer.status != 200 {
        bail!("{}", page["error"].as_str().unwrap_or("the node did not say why"));
    }
    let number = |name: &str| page[name].as_u64().unwrap_or_default();
    let text = format!(
        "copied to {}: {} facts, {} batches, {} bodies, {}, up to commit {}",
        to.display(),
        output::grouped(number("facts")),
        output::grouped(number("batches")),
        output::grouped(number("blobs")),
        output::bytes(number("store_bytes") + number("blob_bytes")),
        output::grouped(number("commit")),
    );
    output.result(text, &page);
    Ok(())
}
