//! Reading every id back: from the table through Athena, from the error objects through S3.

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use headwater_bench::cards::{id_of_name, id_of_record};
use headwater_bench::ids::Reconciliation;
use serde_json::Value;

use super::pipeline::{BUCKET, DATABASE, RESULTS};
use crate::aws::{Aws, split_s3_uri};
use crate::query;

/// Marks the id of every row of the table.
pub async fn delivered(aws: &Aws, book: &Reconciliation) -> anyhow::Result<()> {
    let done = query::execute(aws, "SELECT transaction_id FROM raw", DATABASE, Some(RESULTS)).await?;
    let (bucket, key) = split_s3_uri(&done.location)?;
    let result =
        aws.get_object(bucket, key).await?.with_context(|| format!("no result at {}", done.location))?;
    let mut lines = result.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    if lines.next().map(unquoted) != Some(b"transaction_id") {
        bail!("the result at {} does not begin with its header", done.location);
    }
    for line in lines {
        let id = id_of_name(unquoted(line));
        book.saw_delivered(
            id.with_context(|| format!("a row without an id: {:?}", String::from_utf8_lossy(line)))?,
        );
    }
    Ok(())
}

fn unquoted(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(line)
}

/// Marks the id of every record in the error objects.
pub async fn dead_letters(aws: &Aws, book: &Reconciliation) -> anyhow::Result<()> {
    for object in aws.list_objects(BUCKET, "errors/").await? {
        let body =
            aws.get_object(BUCKET, &object.key).await?.with_context(|| format!("{} vanished", object.key))?;
        for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let id = id_of_dead_letter(line).with_context(|| format!("reading {}", object.key))?;
            book.saw_dead_letter(id);
        }
    }
    Ok(())
}

fn id_of_dead_letter(line: &[u8]) -> anyhow::Result<u64> {
    let letter: Value = serde_json::from_slice(line).context("an error record is JSON")?;
    let raw = letter["rawData"].as_str().context("an error record has rawData")?;
    id_of_record(&STANDARD.decode(raw).context("rawData is base64")?).context("a record begins with its id")
}

/// How many bytes the objects under a prefix take.
pub async fn stored_bytes(aws: &Aws, prefix: &str) -> anyhow::Result<u64> {
    Ok(aws.list_objects(BUCKET, prefix).await?.iter().map(|object| object.size).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_record_tells_its_id() {
        let raw = STANDARD.encode(br#"{"transaction_id":"t000000000042","card"#);
        let line = format!(r#"{{"attemptsMade":1,"rawData":"{raw}"}}"#);
        assert_eq!(id_of_dead_letter(line.as_bytes()).unwrap(), 42);
        assert!(id_of_dead_letter(b"{}").is_err());
    }

    #[test]
    fn cells_are_read_quoted_or_not() {
        assert_eq!(unquoted(b"\"t1\""), b"t1");
        assert_eq!(unquoted(b"t1\r"), b"t1");
    }
}
