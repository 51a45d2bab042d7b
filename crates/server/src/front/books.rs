//! The ledger and its audit as the node's pages show them.
//!
//! Both speak of every account: the pages are for whoever runs the node, on its own machine.

use headwater_delivery::{AuditReport, Deliveries, Delivery, DeliveryAudit, DeliveryError, LedgerLine};
use serde_json::{Value, json};

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
