//! `headwater put STREAM < file`: lines in.

use std::io::BufRead;
use std::time::Duration;

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use headwater_base::Seams;
use serde_json::{Value, json};

use crate::aws::{Aws, Service};
use crate::output::{self, Output};

/// How many records one PutRecords takes, and how many bytes are gathered for one.
const BATCH_RECORDS_MAX: usize = 500;
const BATCH_BYTES_MAX: usize = 4 << 20;

/// How often refused records are sent again.
const RESENDS_MAX: u32 = 100;

/// `headwater put STREAM < file`: every line a record.
pub async fn put(aws: &Aws, stream: &str, key: Option<String>, output: Output) -> anyhow::Result<()> {
    let bar = output::spinner("putting");
    let (mut batch, mut sent) = (Batch::default(), 0u64);
    for line in std::io::stdin().lock().split(b'\n') {
        let line = line.context("reading standard input")?;
        if line.is_empty() {
            continue;
        }
        let partition_key = partition_key(&line, key.as_deref())?;
        if let Some(full) = batch.add(&line, &partition_key) {
            sent += send(aws, stream, full).await?;
            bar.set_message(format!("{} records", output::grouped(sent)));
        }
    }
    if !batch.records.is_empty() {
        sent += send(aws, stream, batch.records).await?;
    }
    bar.finish_and_clear();
    output.result(format!("{} records put to {stream}", output::grouped(sent)), &json!({"records": sent}));
    Ok(())
}

/// The records of one PutRecords as they are gathered.
#[derive(Default)]
struct Batch {
    records: Vec<Value>,
    bytes: usize,
}

impl Batch {
    /// Adds a line, and gives back what was there if it has no room beside that: a line as large as
    /// the largest record has a request to itself.
    fn add(&mut self, line: &[u8], partition_key: &str) -> Option<Vec<Value>> {
        let bytes = line.len() + partition_key.len();
        let is_full = self.records.len() == BATCH_RECORDS_MAX || self.bytes + bytes > BATCH_BYTES_MAX;
        let full = (is_full && !self.records.is_empty()).then(|| std::mem::take(self).records);
        self.records.push(json!({"Data": STANDARD.encode(line), "PartitionKey": partition_key}));
        self.bytes += bytes;
        full
    }
}

/// The value of a member of a JSON line, or a digest of the line.
fn partition_key(line: &[u8], member: Option<&str>) -> anyhow::Result<String> {
    let Some(member) = member else {
        let digest = line.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        return Ok(format!("{digest:016x}"));
    };
    let record: Value = serde_json::from_slice(line).context("with --key every line must be JSON")?;
    match &record[member] {
        Value::String(text) if !text.is_empty() => Ok(text.clone()),
        Value::Null | Value::String(_) => {
            bail!("a line has no {member:?}: {}", String::from_utf8_lossy(line))
        }
        other => Ok(other.to_string()),
    }
}

/// Sends a batch until all of it is accepted.
async fn send(aws: &Aws, stream: &str, mut batch: Vec<Value>) -> anyhow::Result<u64> {
    let all = batch.len() as u64;
    let clock = Seams::system().clock;
    for _ in 0..RESENDS_MAX {
        let answer = aws
            .call(Service::Kinesis, "PutRecords", &json!({"StreamName": stream, "Records": batch}))
            .await?;
        let outcomes = answer["Records"].as_array().context("PutRecords answered no results")?;
        let mut refused =
            outcomes.iter().map(|outcome| outcome.get("ErrorCode").is_some_and(|code| !code.is_null()));
        batch.retain(|_| refused.next().unwrap_or_default());
        if batch.is_empty() {
            return Ok(all);
        }
        clock.sleep(Duration::from_millis(100)).await;
    }
    bail!("{stream} went on refusing records after {RESENDS_MAX} attempts")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_sent_before_it_is_over_the_bound() {
        let mut batch = Batch::default();
        let almost = vec![b'x'; BATCH_BYTES_MAX - 1];
        assert!(batch.add(&almost, "k").is_none(), "just as much as there is room for");
        assert_eq!(batch.add(b"x", "k").unwrap().len(), 1);
        let large = vec![b'x'; 9 << 20];
        assert_eq!(batch.add(&large, "k").unwrap().len(), 1);
        assert_eq!(batch.add(b"x", "k").unwrap().len(), 1, "alone, however large");
        for _ in 1..BATCH_RECORDS_MAX {
            assert!(batch.add(b"x", "k").is_none());
        }
        assert_eq!(batch.add(b"x", "k").unwrap().len(), BATCH_RECORDS_MAX);
        assert_eq!((batch.records.len(), batch.bytes), (1, 2));
    }

    #[test]
    fn the_partition_key_is_taken_from_the_line() {
        assert_eq!(partition_key(br#"{"card":"c1"}"#, Some("card")).unwrap(), "c1");
        assert_eq!(partition_key(br#"{"card":7}"#, Some("card")).unwrap(), "7");
        assert!(partition_key(br#"{"card":""}"#, Some("card")).is_err());
        assert!(partition_key(b"plain", Some("card")).is_err());
        let digest = partition_key(b"plain", None).unwrap();
        assert_eq!(digest.len(), 16);
        assert_ne!(digest, partition_key(b"other", None).unwrap());
    }
}
