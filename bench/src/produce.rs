//! Producers: card transactions through signed PutRecords over several connections.
//!
//! Each connection takes the next batch of ids, sends it, sends the refused records again, and
//! writes into the books what was acknowledged. A call whose answer never came, after all its
//! attempts under one invocation id, is booked as ambiguous.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use headwater_base::Seams;
use headwater_wire::client::{Client, ClientError};
use headwater_work::Work;
use serde::Deserialize;

use crate::cards::Cards;
use crate::ids::Reconciliation;
use crate::latency::Latencies;

/// How many records PutRecords takes at most.
pub const BATCH_RECORDS_MAX: u64 = 500;

/// How often refused records of one batch are sent again before the run fails.
const RESENDS_MAX: u32 = 200;

/// The pause before refused records are sent again.
const RESEND_PAUSE: Duration = Duration::from_millis(100);

/// What to send.
#[derive(Clone, Debug)]
pub struct Load {
    /// The stream's name.
    pub stream: String,
    /// The ids of the records.
    pub ids: Range<u64>,
    /// How many connections send at once.
    pub connections: usize,
    /// At most this many records a second; as fast as possible otherwise.
    pub rate: Option<u64>,
}

/// What has been sent so far; read while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    /// Records acknowledged.
    pub acknowledged: AtomicU64,
    /// Bytes of data acknowledged.
    pub bytes: AtomicU64,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Produced {
    /// From sending a PutRecords to its acknowledgement.
    pub acknowledge: Latencies,
    /// How long the whole took.
    pub took: Duration,
    /// Records that were refused at first and sent again.
    pub resent: u64,
}

/// Sends a load.
#[derive(Clone, Debug)]
pub struct Producer {
    /// Whom to.
    pub client: Client,
    /// What.
    pub cards: Cards,
    /// Where it is written down.
    pub book: Arc<Reconciliation>,
    /// How far it is.
    pub progress: Arc<Progress>,
    /// Time.
    pub seams: Seams,
    /// Runs the connections.
    pub work: Work,
}

impl Producer {
    /// Sends everything and returns when all is acknowledged.
    pub async fn run(&self, load: &Load) -> anyhow::Result<Produced> {
        let next = Arc::new(AtomicU64::new(load.ids.start));
        let start = self.seams.clock.monotonic();
        let mut connections = Vec::new();
        for _ in 0..load.connections {
            let (producer, load, next) = (self.clone(), load.clone(), next.clone());
            connections.push(self.work.detach(async move { producer.connection(&load, &next, start).await }));
        }
        let mut all = Produced::default();
        for connection in connections {
            let done = connection.await.context("a producer connection was dropped")??;
            all.acknowledge.merge(done.acknowledge);
            all.resent += done.resent;
        }
        all.took = self.seams.clock.monotonic() - start;
        Ok(all)
    }

    async fn connection(&self, load: &Load, next: &AtomicU64, start: Duration) -> anyhow::Result<Produced> {
        let mut done = Produced::default();
        let mut batch = Batch::default();
        loop {
            let first = next.fetch_add(BATCH_RECORDS_MAX, Ordering::Relaxed);
            if first >= load.ids.end {
                return Ok(done);
            }
            if let Some(rate) = load.rate {
                let due = Duration::from_secs_f64((first - load.ids.start) as f64 / rate.max(1) as f64);
                let elapsed = self.seams.clock.monotonic() - start;
                self.seams.clock.sleep(due.saturating_sub(elapsed)).await;
            }
            batch.fill(&self.cards, first..(first + BATCH_RECORDS_MAX).min(load.ids.end));
            self.send(&load.stream, &mut batch, &mut done).await?;
        }
    }

    /// Sends a batch until every record in it is acknowledged or ambiguous.
    async fn send(&self, stream: &str, batch: &mut Batch, done: &mut Produced) -> anyhow::Result<()> {
        for _ in 0..RESENDS_MAX {
            let started = self.seams.clock.monotonic();
            let answer = self.client.json("kinesis", "Kinesis_20131202.PutRecords", batch.body(stream)).await;
            let body = match answer {
                Ok(body) => body,
                Err(ClientError::Unreachable { .. }) => {
                    for id in batch.ids() {
                        self.book.ambiguous.insert(id);
                    }
                    return Ok(());
                }
                Err(error) => return Err(error).context("PutRecords"),
            };
            done.acknowledge.record(self.seams.clock.monotonic() - started);
            let refused = self.book_answer(batch, &body)?;
            if refused == 0 {
                return Ok(());
            }
            done.resent += refused;
            self.seams.clock.sleep(RESEND_PAUSE).await;
        }
        bail!("PutRecords went on refusing records after {RESENDS_MAX} attempts")
    }

    /// Books what was accepted, leaves what was refused in the batch, and says how many that is.
    fn book_answer(&self, batch: &mut Batch, body: &[u8]) -> anyhow::Result<u64> {
        let refused = if is_all_accepted(body) {
            vec![false; batch.entries.len()]
        } else {
            let answer: Answer = sonic_rs::from_slice(body).context("reading the answer of PutRecords")?;
            answer.records.iter().map(|record| record.error_code.is_some()).collect()
        };
        if refused.len() != batch.entries.len() {
            bail!("PutRecords answered {} results for {} records", refused.len(), batch.entries.len());
        }
        let mut refused = refused.into_iter();
        let (mut accepted, mut bytes) = (0, 0);
        batch.entries.retain(|entry| {
            let is_refused = refused.next().unwrap_or_default();
            if !is_refused {
                self.book.accepted.insert(entry.id);
                accepted += 1;
                bytes += entry.data.len() as u64;
            }
            is_refused
        });
        self.progress.acknowledged.fetch_add(accepted, Ordering::Relaxed);
        self.progress.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(batch.entries.len() as u64)
    }
}

/// Whether an answer says, at its beginning or end, that nothing failed. Spares parsing 500
/// sequence numbers in the common case.
fn is_all_accepted(body: &[u8]) -> bool {
    const NONE_FAILED: &[u8] = b"\"FailedRecordCount\":0";
    let edge = 64.min(body.len());
    let has = |part: &[u8]| part.windows(NONE_FAILED.len()).any(|window| window == NONE_FAILED);
    has(&body[..edge]) || has(&body[body.len() - edge..])
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    records: Vec<Outcome>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Outcome {
    #[serde(default)]
    error_code: Option<String>,
}

/// Records on their way, generated into one buffer.
#[derive(Debug, Default)]
struct Batch {
    data: Vec<u8>,
    keys: Vec<u8>,
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    id: u64,
    data: Range<usize>,
    key: Range<usize>,
}

impl Batch {
    fn fill(&mut self, cards: &Cards, ids: Range<u64>) {
        self.data.clear();
        self.keys.clear();
        self.entries.clear();
        for id in ids {
            let (data, key) = (self.data.len(), self.keys.len());
            cards.write(id, &mut self.data, &mut self.keys);
            self.entries.push(Entry { id, data: data..self.data.len(), key: key..self.keys.len() });
        }
    }

    fn ids(&self) -> impl Iterator<Item = u64> {
        self.entries.iter().map(|entry| entry.id)
    }

    /// The request's JSON, written by hand: this is the generator's hot path.
    fn body(&self, stream: &str) -> Bytes {
        let mut body = Vec::with_capacity(self.data.len() * 4 / 3 + self.entries.len() * 64 + 256);
        body.extend_from_slice(b"{\"StreamName\":\"");
        body.extend_from_slice(stream.as_bytes());
        body.extend_from_slice(b"\",\"Records\":[");
        for (index, entry) in self.entries.iter().enumerate() {
            if index > 0 {
                body.push(b',');
            }
            body.extend_from_slice(b"{\"Data\":\"");
            push_base64(&mut body, &self.data[entry.data.clone()]);
            body.extend_from_slice(b"\",\"PartitionKey\":\"");
            body.extend_from_slice(&self.keys[entry.key.clone()]);
            body.extend_from_slice(b"\"}");
        }
        body.extend_from_slice(b"]}");
        body.into()
    }
}

/// Appends `data` as base64.
pub fn push_base64(out: &mut Vec<u8>, data: &[u8]) {
    let start = out.len();
    out.resize(start + data.len().div_ceil(3) * 4, 0);
    let written = STANDARD.encode_slice(data, &mut out[start..]).expect("four thirds, rounded up, is enough");
    debug_assert_eq!(start + written, out.len());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_what_put_records_takes() {
        let mut batch = Batch::default();
        batch.fill(&Cards::new(1), 10..13);
        let body: serde_json::Value = serde_json::from_slice(&batch.body("cards")).unwrap();
        assert_eq!(body["StreamName"], "cards");
        let records = body["Records"].as_array().unwrap();
        assert_eq!(records.len(), 3);
        let data = STANDARD.decode(records[1]["Data"].as_str().unwrap()).unwrap();
        assert_eq!(crate::cards::id_of_record(&data), Some(11));
        assert!(records[1]["PartitionKey"].as_str().unwrap().starts_with('c'));
    }

    #[test]
    fn only_an_answer_without_failures_is_taken_whole() {
        assert!(is_all_accepted(br#"{"FailedRecordCount":0,"Records":[]}"#));
        assert!(is_all_accepted(br#"{"Records":[],"FailedRecordCount":0}"#));
        assert!(!is_all_accepted(br#"{"FailedRecordCount":1,"Records":[{"ErrorCode":"x"}]}"#));
        assert!(!is_all_accepted(b""));
    }
}
