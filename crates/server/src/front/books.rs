//! The ledger and its audit, and the streams with who reads them, as the node's pages show them.
//!
//! All speak of every account: the pages are for whoever runs the node, on its own machine.

use std::collections::BTreeMap;

use headwater_delivery::{
    AuditReport, Deliveries, Delivery, DeliveryAudit, DeliveryError, LedgerLine, Source,
};
use headwater_events::{EventError, Events};
use headwater_streams::{Stream, StreamError, StreamMode, Streams};
use serde_json::{Value, json};

/// How many dead letters of each destination are shown.
const DEAD_LETTERS_SHOWN: usize = 100;

/// Every delivery with its ledger, a line per shard.
pub(super) async fn ledgers(deliveries: &Deliveries) -> Result<Vec<Value>, DeliveryError> {
    let mut all = Vec::new();
    for delivery in deliveries.all().await? {
        let lines = deliveries.ledger(&delivery).await?;
        all.push(ledger(deliveries, &delivery, &lines));
    }
    Ok(all)
}

fn ledger(deliveries: &Deliveries, delivery: &Delivery, lines: &[LedgerLine]) -> Value {
    let health = deliveries.health(delivery);
    json!({
        "account": delivery.key.scope.account.to_string(),
        "region": delivery.key.scope.region.as_str(),
        "name": delivery.key.name.as_str(),
        "incarnation": delivery.incarnation,
        "deleting": delivery.deleting,
        "problem": health.error.as_ref().map(|(reason, _)| reason),
        "problem_since": health.error.as_ref().map(|(_, since)| since.iso()),
        "stopped": health.stopped,
        "last_delivery": health.last_delivery.map(|time| time.iso()),
        "oldest_waiting": health.oldest_waiting.map(|time| time.iso()),
        "shards": lines.iter().map(shard).collect::<Vec<_>>(),
    })
}

/// Every stream with its shards, how much it has taken, and how far each delivery is behind.
pub(super) async fn streams(streams: &Streams, deliveries: &Deliveries) -> Result<Vec<Value>, PageError> {
    let mut readers: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
    for delivery in deliveries.all().await? {
        if let Source::Stream { incarnation, .. } = &delivery.source {
            let lines = deliveries.ledger(&delivery).await?;
            let behind: u64 = lines.iter().map(|line| line.buffered).sum();
            let reader = json!({ "delivery": delivery.key.name.as_str(), "records_behind": behind });
            readers.entry(*incarnation).or_default().push(reader);
        }
    }
    let mut all = Vec::new();
    for stream in streams.all().await? {
        let readers = readers.remove(&stream.incarnation).unwrap_or_default();
        all.push(stream_page(streams, &stream, readers).await?);
    }
    Ok(all)
}

async fn stream_page(streams: &Streams, stream: &Stream, readers: Vec<Value>) -> Result<Value, PageError> {
    let (mut taken, mut kept, mut newest) = (0, 0, None);
    for shard in &stream.shards {
        // A shard that ends meanwhile counts nothing.
        let Ok(bounds) = streams.bounds(shard).await else { continue };
        taken += bounds.end;
        kept += bounds.end - bounds.start;
        if bounds.end > 0 {
            newest = newest.max(Some(bounds.last_append_time));
        }
    }
    let taken = taken + stream.ended.iter().map(|shard| shard.end).sum::<i64>();
    let open = stream.open_shards().count();
    Ok(json!({
        "account": stream.key.scope.account.to_string(),
        "region": stream.key.scope.region.as_str(),
        "name": stream.key.name.as_str(),
        "on_demand": stream.mode == StreamMode::OnDemand,
        "retention_hours": stream.retention.as_secs() / 3600,
        "open_shards": open,
        "closed_shards": stream.shards.len() - open,
        "records_taken": taken,
        "records_kept": kept,
        "newest": newest.map(|time| time.iso()),
        "readers": readers,
    }))
}

/// Every destination of events with its figures and its oldest dead letters.
pub(super) async fn destinations(events: &Events) -> Result<Vec<Value>, EventError> {
    let mut all = Vec::new();
    for row in events.status().await? {
        let letters = events.dead_letters(&row.arn, DEAD_LETTERS_SHOWN).await?;
        let letters: Vec<Value> = letters
            .into_iter()
            .map(|letter| {
                json!({
                    "id": letter.id,
                    "time": letter.time.iso(),
                    "given_up": letter.given_up.iso(),
                    "reason": letter.reason,
                    "message": letter.message,
                })
            })
            .collect();
        all.push(json!({
            "arn": row.arn,
            "url": row.url,
            "waiting": row.waiting,
            "waiting_bytes": row.waiting_bytes,
            "oldest": row.oldest.map(|time| time.iso()),
            "delivered": row.delivered,
            "dead_lettered": row.dead_lettered,
            "dropped": row.dropped,
            "dead_letters_kept": row.dead_letters,
            "dead_letters": letters,
        }));
    }
    Ok(all)
}

/// Why a page could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum PageError {
    /// The deliveries could not be read.
    #[error(transparent)]
    Deliveries(#[from] DeliveryError),
    /// The streams could not be read.
    #[error(transparent)]
    Streams(#[from] StreamError),
}

fn shard(line: &LedgerLine) -> Value {
    let counts = line.row.counts;
    json!({
        "shard": line.row.shard,
        "start": line.row.start,
        "position": line.row.position,
        "accepted": line.accepted,
        "delivered": counts.delivered,
        "dropped": counts.dropped,
        "dead_lettered": counts.dead_lettered,
        "expired": counts.expired,
        "discarded": counts.discarded,
        "rows": counts.rows,
        "buffered": line.buffered,
        "meets": line.row.meets(),
    })
}

/// An audit's findings.
pub(super) fn audit(report: &AuditReport) -> Value {
    let deliveries: Vec<Value> = report.deliveries.iter().map(delivery_audit).collect();
    json!({ "balanced": report.balanced(), "deliveries": deliveries })
}

fn delivery_audit(found: &DeliveryAudit) -> Value {
    let shards: Vec<Value> = found
        .shards
        .iter()
        .map(|shard| {
            json!({
                "shard": shard.row.shard,
                "start": shard.row.start,
                "position": shard.row.position,
                "records": shard.row.counts.records(),
                "problems": shard.problems,
            })
        })
        .collect();
    json!({
        "account": found.scope.account.to_string(),
        "region": found.scope.region.as_str(),
        "name": found.name,
        "incarnation": found.incarnation,
        "deleted": found.deleted,
        "balanced": found.balanced(),
        "plans": found.plans,
        "shards": shards,
        "objects": {
            "intact": found.objects.intact,
            "rows": found.objects.rows,
            "bytes": found.objects.bytes,
            "removed": found.objects.removed,
            "removed_names": found.objects.removed_names,
            "problems": found.objects.problems,
        },
    })
}
