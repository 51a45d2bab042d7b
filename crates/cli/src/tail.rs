//! `headwater tail STREAM`: the records of all shards as they arrive, children after their parents.
//!
//! **Invariants.** A child shard is begun when all parents that were read have ended, so records of
//! one key come in the order they were put.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::time::Duration;

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use headwater_base::Seams;
use serde_json::{Value, json};

use crate::aws::{Aws, Service};
use crate::output::Output;

/// The pause between two looks at shards that had nothing new.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Records asked for at once.
const PAGE: u64 = 1000;

/// Where to begin.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum From {
    /// With what arrives from now on.
    Now,
    /// With the oldest record that is still there.
    Oldest,
    /// With what arrived since, in seconds since the epoch.
    Since(f64),
}

impl From {
    /// From the command's flags.
    ///
    /// # Errors
    /// When `since` is neither a duration nor a time.
    pub fn of(is_from_start: bool, since: Option<&str>) -> anyhow::Result<Self> {
        match since {
            None if is_from_start => Ok(Self::Oldest),
            None => Ok(Self::Now),
            Some(text) => {
                let now = Seams::system().clock.now().ms() as f64 / 1000.0;
                Ok(Self::Since(moment(text, now)?))
            }
        }
    }

    /// Which shards have the records in question.
    fn filter(self) -> Value {
        match self {
            Self::Now => json!({"Type": "AT_LATEST"}),
            Self::Oldest => json!({"Type": "FROM_TRIM_HORIZON"}),
            Self::Since(time) => json!({"Type": "FROM_TIMESTAMP", "Timestamp": time}),
        }
    }

    fn iterator(self) -> Value {
        match self {
            Self::Now => json!({"ShardIteratorType": "LATEST"}),
            Self::Oldest => json!({"ShardIteratorType": "TRIM_HORIZON"}),
            Self::Since(time) => json!({"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": time}),
        }
    }
}

/// `90s`, `15m`, `6h`, `2d` before now, or a time such as `2026-01-31T12:00:00Z`.
fn moment(text: &str, now: f64) -> anyhow::Result<f64> {
    let units = [('s', 1.0), ('m', 60.0), ('h', 3600.0), ('d', 86_400.0)];
    for (unit, seconds) in units {
        if let Some(Ok(count)) = text.strip_suffix(unit).map(str::parse::<u32>) {
            return Ok((now - f64::from(count) * seconds).max(0.0));
        }
    }
    match chrono::DateTime::parse_from_rfc3339(text) {
        Ok(time) => Ok(time.timestamp_millis() as f64 / 1000.0),
        Err(_) => bail!("--since takes 90s, 15m, 6h, 2d or a time like 2026-01-31T12:00:00Z, not {text:?}"),
    }
}

/// Prints every record on a line, until interrupted or `limit` records were printed.
pub async fn run(
    aws: &Aws,
    stream: &str,
    from: From,
    limit: Option<u64>,
    output: Output,
) -> anyhow::Result<()> {
    let mut shards = Shards::default();
    for shard in listed(aws, stream, from).await? {
        shards.learn(&shard["ShardId"], parents(&shard));
    }
    let roots = shards.startable();
    let mut open: BTreeMap<String, String> = BTreeMap::new();
    for shard in roots {
        let iterator = iterator(aws, stream, &shard, from.iterator()).await?;
        open.insert(shard, iterator);
    }
    let clock = Seams::system().clock;
    let mut left = limit.unwrap_or(u64::MAX);
    while left > 0 && !open.is_empty() {
        let mut is_idle = true;
        for shard in open.keys().cloned().collect::<Vec<_>>() {
            let input = json!({"ShardIterator": open[&shard], "Limit": left.min(PAGE)});
            let answer = aws.call(Service::Kinesis, "GetRecords", &input).await?;
            let printed = print(&answer, &shard, output)?;
            left = left.saturating_sub(printed);
            if left == 0 {
                return Ok(());
            }
            is_idle &= printed == 0;
            if let Some(next) = answer["NextShardIterator"].as_str() {
                open.insert(shard, next.to_owned());
                continue;
            }
            open.remove(&shard);
            for child in shards.end(&shard, &answer["ChildShards"]) {
                let start = json!({"ShardIteratorType": "TRIM_HORIZON"});
                let iterator = iterator(aws, stream, &child, start).await?;
                open.insert(child, iterator);
            }
            is_idle = false;
        }
        if is_idle {
            clock.sleep(LOOK_EVERY).await;
        }
    }
    Ok(())
}

/// What is known of the stream's shards.
#[derive(Debug, Default)]
struct Shards {
    /// The parents of those that were not begun yet.
    waiting: BTreeMap<String, Vec<String>>,
    /// Begun or ended.
    begun: BTreeSet<String>,
    ended: BTreeSet<String>,
}

impl Shards {
    fn learn(&mut self, id: &Value, parents: Vec<String>) {
        let Some(id) = id.as_str() else { return };
        if !self.begun.contains(id) {
            self.waiting.insert(id.to_owned(), parents);
        }
    }

    /// Notes a shard's end and begins those of its children that waited for nothing else.
    fn end(&mut self, shard: &str, children: &Value) -> Vec<String> {
        self.ended.insert(shard.to_owned());
        for child in children.as_array().into_iter().flatten() {
            let parents = child["ParentShards"].as_array().into_iter().flatten();
            let parents = parents.filter_map(|id| id.as_str().map(str::to_owned)).collect();
            self.learn(&child["ShardId"], parents);
        }
        self.startable()
    }

    /// Begins the shards that have no parent which is still to be read.
    fn startable(&mut self) -> Vec<String> {
        let unread = |parent: &String| {
            self.waiting.contains_key(parent) || (self.begun.contains(parent) && !self.ended.contains(parent))
        };
        let ready = |(_, parents): &(&String, &Vec<String>)| !parents.iter().any(unread);
        let ready: Vec<String> = self.waiting.iter().filter(ready).map(|(id, _)| id.clone()).collect();
        for id in &ready {
            self.waiting.remove(id);
            self.begun.insert(id.clone());
        }
        ready
    }
}

fn parents(shard: &Value) -> Vec<String> {
    let ids = [&shard["ParentShardId"], &shard["AdjacentParentShardId"]];
    ids.iter().filter_map(|id| id.as_str().map(str::to_owned)).collect()
}

async fn listed(aws: &Aws, stream: &str, from: From) -> anyhow::Result<Vec<Value>> {
    let mut shards = Vec::new();
    let mut input = json!({"StreamName": stream, "ShardFilter": from.filter()});
    loop {
        let answer = aws.call(Service::Kinesis, "ListShards", &input).await?;
        shards.extend(answer["Shards"].as_array().into_iter().flatten().cloned());
        match answer["NextToken"].as_str() {
            Some(token) => input = json!({"NextToken": token}),
            None => return Ok(shards),
        }
    }
}

async fn iterator(aws: &Aws, stream: &str, shard: &str, mut start: Value) -> anyhow::Result<String> {
    start["StreamName"] = json!(stream);
    start["ShardId"] = json!(shard);
    let answer = aws.call(Service::Kinesis, "GetShardIterator", &start).await?;
    Ok(answer["ShardIterator"].as_str().context("GetShardIterator answered no iterator")?.to_owned())
}

/// Prints the records of an answer and says how many there were. A closed pipe is an error, which
/// ends `headwater tail s | head` quietly enough.
fn print(answer: &Value, shard: &str, output: Output) -> anyhow::Result<u64> {
    let mut out = std::io::stdout().lock();
    let mut count = 0;
    for record in answer["Records"].as_array().into_iter().flatten() {
        let data = STANDARD.decode(record["Data"].as_str().unwrap_or_default()).context("a record's data")?;
        match output {
            Output::Text => {
                out.write_all(&data)?;
                if !data.ends_with(b"\n") {
                    out.write_all(b"\n")?;
                }
            }
            Output::Json => writeln!(out, "{}", as_json(record, shard, &data))?,
        }
        count += 1;
    }
    out.flush()?;
    Ok(count)
}

/// A record for a script: its data as text, or in base64 when it is none.
fn as_json(record: &Value, shard: &str, data: &[u8]) -> Value {
    let mut line = json!({
        "shard": shard,
        "sequence_number": record["SequenceNumber"],
        "arrived": record["ApproximateArrivalTimestamp"],
        "partition_key": record["PartitionKey"],
    });
    match std::str::from_utf8(data) {
        Ok(text) => line["data"] = json!(text),
        Err(_) => line["data_base64"] = record["Data"].clone(),
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(shards: &[&str]) -> Vec<String> {
        shards.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn children_begin_when_all_their_parents_have_ended() {
        let mut shards = Shards::default();
        for (id, parents) in [("0", &[][..]), ("1", &[]), ("2", &["0", "1"]), ("3", &["9"])] {
            shards.learn(&json!(id), ids(parents));
        }
        assert_eq!(shards.startable(), ids(&["0", "1", "3"]), "a parent that is not listed is not read");
        let child = json!([{"ShardId": "2", "ParentShards": ["0", "1"]}]);
        assert_eq!(shards.end("0", &child), ids(&[]));
        assert_eq!(shards.end("1", &child), ids(&["2"]));
        let split = json!([{"ShardId": "4", "ParentShards": ["2"]}, {"ShardId": "5", "ParentShards": ["2"]}]);
        assert_eq!(shards.end("2", &split), ids(&["4", "5"]));
        assert_eq!(shards.end("2", &split), ids(&[]), "nothing is begun twice");
    }

    #[test]
    fn a_moment_is_a_duration_or_a_time() {
        assert_eq!(moment("90s", 1000.0).unwrap(), 910.0);
        assert_eq!(moment("2h", 10_000.0).unwrap(), 2800.0);
        assert_eq!(moment("1970-01-01T00:01:00.5Z", 0.0).unwrap(), 60.5);
        assert!(moment("yesterday", 0.0).is_err());
    }

    #[test]
    fn a_script_gets_text_or_base64() {
        let record = json!({"Data": "/w==", "SequenceNumber": "1", "PartitionKey": "k"});
        assert_eq!(as_json(&record, "s", b"x")["data"], "x");
        assert_eq!(as_json(&record, "s", &[0xFF])["data_base64"], "/w==");
    }
}
