//! The part of the screen that is about objects: what buckets hold, and whether their bodies read back.

use serde::Deserialize;

use crate::output;

/// How many buckets the screen shows; `--json` has all.
const BUCKETS_SHOWN: usize = 20;
/// How many damaged bodies the screen shows.
const DAMAGE_SHOWN: usize = 20;

/// A bucket's line.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub account: String,
    /// How many objects it holds.
    pub objects: u64,
    /// How many bytes.
    pub bytes: u64,
    /// When it was last counted.
    pub counted: Option<String>,
    /// How many bytes it may hold.
    pub quota_bytes: Option<u64>,
    /// How many objects.
    pub quota_objects: Option<u64>,
}

/// How the scrub stands.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Scrub {
    /// Whether a round is under way.
    pub reading: bool,
    /// When it (or the last one) began.
    pub begun: Option<String>,
    /// Bytes read in it.
    pub bytes: u64,
    /// Bodies read in it.
    pub bodies: u64,
    /// When the last whole round ended.
    pub last_ended: Option<String>,
    /// What is damaged.
    pub damage: Vec<Damage>,
}

/// A damaged body.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Damage {
    /// What is wrong.
    pub what: String,
    /// Whose body it is.
    pub objects: Vec<String>,
}

/// The scrub's line, and a line for each damaged body.
pub(super) fn scrub(scrub: &Scrub) -> String {
    let Some(begun) = &scrub.begun else { return String::new() };
    let (bodies, bytes) = (output::grouped(scrub.bodies), output::bytes(scrub.bytes));
    let mut text = match (&scrub.last_ended, scrub.reading) {
        (Some(ended), false) => format!("scrub: every stored body read back by {ended} ({bodies}, {bytes})"),
        (Some(ended), true) => {
            format!("scrub: {bodies} bodies, {bytes} read since {begun}; a whole round ended {ended}")
        }
        (None, _) => format!("scrub: {bodies} bodies, {bytes} read since {begun}"),
    };
    match scrub.damage.len() {
        0 => text.push_str("; no damage\n"),
        count => {
            text.push_str(&format!("; {count} BODIES ARE DAMAGED: put them again or restore a backup\n"))
        }
    }
    for damage in scrub.damage.iter().take(DAMAGE_SHOWN) {
        text.push_str(&format!("  {}: {}\n", damage.objects.join(", "), damage.what));
    }
    if let Some(more @ 1..) = scrub.damage.len().checked_sub(DAMAGE_SHOWN) {
        text.push_str(&format!("  and {more} more: headwater status --json\n"));
    }
    text
}

/// The largest buckets.
pub(super) fn buckets(all: &[Bucket]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let mut largest: Vec<&Bucket> = all.iter().collect();
    largest.sort_by_key(|bucket| std::cmp::Reverse(bucket.bytes));
    let mut table = output::table(&["bucket", "objects", "bytes", "quota", "counted"], &[1, 2, 3]);
    for bucket in largest.iter().take(BUCKETS_SHOWN) {
        let quota = [
            bucket.quota_bytes.map(output::bytes),
            bucket.quota_objects.map(|objects| format!("{} objects", output::grouped(objects))),
        ];
        table.add_row([
            format!("{}/{}", bucket.account, bucket.name),
            output::grouped(bucket.objects),
            output::bytes(bucket.bytes),
            quota.into_iter().flatten().collect::<Vec<_>>().join(", "),
            bucket.counted.clone().unwrap_or_else(|| "–".to_owned()),
        ]);
    }
    let more = all.len().saturating_sub(BUCKETS_SHOWN);
    let more = if more > 0 {
        format!("and {more} smaller buckets: headwater status --json\n")
    } else {
        String::new()
    };
    format!("\n{table}\n{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_told_loudly_and_what_is_left_out_is_counted() {
        let mut state = Scrub { begun: Some("t".into()), ..Scrub::default() };
        assert!(scrub(&state).ends_with("no damage\n"));
        let damage =
            Damage { what: "blocks [3] of its file are damaged".into(), objects: vec!["b/k".into()] };
        state.damage = vec![damage; DAMAGE_SHOWN + 2];
        let text = scrub(&state);
        assert!(text.contains("22 BODIES ARE DAMAGED") && text.contains("b/k: blocks [3]"), "{text}");
        assert!(text.contains("and 2 more"), "{text}");
        assert_eq!(scrub(&Scrub::default()), "");
    }

    #[test]
    fn the_largest_buckets_come_first() {
        let bucket = |n: u64| Bucket { name: format!("b{n}"), bytes: n, ..Bucket::default() };
        let text = buckets(&(0..30).map(bucket).collect::<Vec<_>>());
        assert!(text.contains("b29") && !text.contains("b9 ") && text.contains("and 10 smaller"), "{text}");
    }
}
