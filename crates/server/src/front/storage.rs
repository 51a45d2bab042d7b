//! What buckets hold and how the scrub stands, as the node's status page shows them.

use headwater_objects::{BucketUsage, Damage, ObjectError, Objects, ScrubReport};
use serde_json::{Value, json};

/// Every bucket with what it holds and may hold.
pub(super) async fn buckets(objects: &Objects) -> Result<Vec<Value>, ObjectError> {
    Ok(objects.usage().await?.iter().map(bucket).collect())
}

fn bucket(usage: &BucketUsage) -> Value {
    json!({
        "name": usage.bucket.as_str(),
        "account": usage.owner.to_string(),
        "objects": usage.objects,
        "bytes": usage.bytes,
        "counted": usage.counted.map(|time| time.iso()),
        "quota_bytes": usage.quota.bytes,
        "quota_objects": usage.quota.objects,
    })
}

/// How far the scrub is and what is damaged.
pub(super) fn scrub(objects: &Objects) -> Value {
    let ScrubReport { is_reading, begun, bytes, bodies, ended, ended_bytes, ended_bodies, damage } =
        objects.scrub_report();
    json!({
        "reading": is_reading,
        "begun": begun.map(|time| time.iso()),
        "bytes": bytes,
        "bodies": bodies,
        "last_ended": ended.map(|time| time.iso()),
        "last_bytes": ended_bytes,
        "last_bodies": ended_bodies,
        "damage": damage.iter().map(one_damage).collect::<Vec<_>>(),
    })
}

fn one_damage(damage: &Damage) -> Value {
    json!({ "found": damage.found.iso(), "what": damage.what, "objects": damage.objects })
}
