//! Freshness, measured: single records followed from PutRecord to a row that a query returns.
//!
//! Probe records carry a date of their own, so the query that looks for them reads one small
//! partition. The time counted is from before the put to the answer that has the row: what a user
//! who asks again and again would see.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::bail;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use headwater_base::Seams;
use headwater_bench::cards::{Cards, PROBE_DAY_OF_MONTH, id_of_name};
use headwater_bench::ids::Reconciliation;
use headwater_bench::latency::Latencies;
use serde_json::json;

use super::pipeline::{DATABASE, RESULTS, STREAM};
use crate::aws::{Aws, Service};
use crate::query;

/// How long is waited for the last probes.
const SEEN_WITHIN: Duration = Duration::from_secs(120);

/// The pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The least number of probes, however short the run.
const PROBES_MIN: usize = 10;

/// What a probe needs.
pub struct Probe {
    pub aws: Aws,
    pub cards: Cards,
    pub book: Arc<Reconciliation>,
    pub ids: Range<u64>,
    pub seams: Seams,
}

impl Probe {
    /// Puts a record, looks, puts the next, until producing is over and all were seen.
    pub async fn run(&self, is_over: &AtomicBool) -> anyhow::Result<Latencies> {
        let clock = &self.seams.clock;
        let mut waiting: HashMap<u64, Duration> = HashMap::new();
        let mut seen = Latencies::default();
        let mut ids = self.ids.clone();
        let mut sent = 0;
        let mut over_since = None;
        loop {
            let is_more = !is_over.load(Ordering::Acquire) || sent < PROBES_MIN;
            if let Some(id) = is_more.then(|| ids.next()).flatten() {
                waiting.insert(id, clock.monotonic());
                self.put(id).await?;
                sent += 1;
            } else if waiting.is_empty() {
                return Ok(seen);
            }
            clock.sleep(LOOK_EVERY).await;
            for id in self.look().await? {
                if let Some(since) = waiting.remove(&id) {
                    seen.record(clock.monotonic() - since);
                }
            }
            let now = clock.monotonic();
            if !is_more && now - *over_since.get_or_insert(now) > SEEN_WITHIN {
                bail!(
                    "{} probe records were not in the table after {} s",
                    waiting.len(),
                    SEEN_WITHIN.as_secs()
                );
            }
        }
    }

    async fn put(&self, id: u64) -> anyhow::Result<()> {
        let (mut data, mut key) = (Vec::new(), Vec::new());
        self.cards.write_probe(id, &mut data, &mut key);
        let key = String::from_utf8_lossy(&key).into_owned();
        let input = json!({"StreamName": STREAM, "Data": STANDARD.encode(&data), "PartitionKey": key});
        self.aws.call(Service::Kinesis, "PutRecord", &input).await?;
        self.book.accepted.insert(id);
        Ok(())
    }

    /// The probes that are rows by now.
    async fn look(&self) -> anyhow::Result<Vec<u64>> {
        let sql = format!(
            "SELECT transaction_id FROM raw WHERE year = '2026' AND month = '03' AND day = '{PROBE_DAY_OF_MONTH:02}'"
        );
        let done = query::execute(&self.aws, &sql, DATABASE, Some(RESULTS)).await?;
        let rows = query::results(&self.aws, &done.id).await?;
        let names = rows.rows.iter().filter_map(|row| row.first()?.as_deref());
        Ok(names.filter_map(|name| id_of_name(name.as_bytes())).collect())
    }
}
