//! What the plans say of each shard, against the shard's own row.

use std::collections::BTreeMap;

use super::{NAMES_MAX, ShardAudit};
use crate::ledger::{CommittedPlan, CommittedRange, Counts, LedgerRow};

/// Adds up plans in the order of their commits.
pub(super) struct ShardsTally {
    shards: BTreeMap<u32, Read>,
    /// Plans that read a shard without a row.
    strays: BTreeMap<u32, Vec<String>>,
}

/// What a shard's plans say was read.
struct Read {
    next: i64,
    counts: Counts,
    problems: Vec<String>,
}

impl ShardsTally {
    /// Nothing read yet of the shards of these rows.
    pub(super) fn new(rows: &[LedgerRow]) -> Self {
        let read =
            |row: &LedgerRow| Read { next: row.start, counts: Counts::default(), problems: Vec::new() };
        Self { shards: rows.iter().map(|row| (row.shard, read(row))).collect(), strays: BTreeMap::new() }
    }

    /// The next plan.
    pub(super) fn add(&mut self, plan: &CommittedPlan) {
        for range in &plan.ranges {
            match self.shards.get_mut(&range.shard) {
                Some(read) => read.add(plan, range),
                None => {
                    let strays = self.strays.entry(range.shard).or_default();
                    note(strays, format!("plan {} read a shard that has no position", plan.id));
                }
            }
        }
    }

    /// Compares with the rows.
    pub(super) fn finish(mut self, rows: &[LedgerRow]) -> Vec<ShardAudit> {
        let mut audits = Vec::with_capacity(rows.len());
        for row in rows {
            if let Some(mut read) = self.shards.remove(&row.shard) {
                check_row(row, &read.counts, read.next, &mut read.problems);
                read.problems.truncate(NAMES_MAX);
                audits.push(ShardAudit { row: *row, problems: read.problems });
            }
        }
        for (shard, problems) in self.strays {
            let row = LedgerRow::beginning(shard, headwater_store::LogId(0), 0);
            audits.push(ShardAudit { row, problems });
        }
        audits
    }
}

impl Read {
    fn add(&mut self, plan: &CommittedPlan, range: &CommittedRange) {
        if range.from != self.next {
            let kind = if range.from > self.next { "leaves a gap" } else { "overlaps" };
            let (id, from, next) = (plan.id, range.from, self.next);
            note(&mut self.problems, format!("plan {id} {kind}: it begins at {from}, expected {next}"));
        }
        if u64::try_from(range.to - range.from).is_ok_and(|n| n != range.counts.records()) {
            let text = format!("plan {} does not account for all records of its range", plan.id);
            note(&mut self.problems, text);
        }
        self.next = range.to;
        self.counts.add(&range.counts);
    }
}

fn note(problems: &mut Vec<String>, text: String) {
    if problems.len() < NAMES_MAX {
        problems.push(text);
    }
}

fn check_row(row: &LedgerRow, planned: &Counts, next: i64, problems: &mut Vec<String>) {
    if !row.meets() {
        let counted = row.counts.records();
        problems.push(format!("{} to {} was read, {counted} records are counted", row.start, row.position));
    }
    // Deleting a delivery moves its position without a plan, past what it gave up.
    let mut given_up = row.counts;
    given_up.discarded = given_up.discarded.saturating_sub(planned.discarded);
    let expired_late = row.counts.expired.saturating_sub(planned.expired);
    let without_plan = given_up.discarded + if given_up.discarded > 0 { expired_late } else { 0 };
    if i64::try_from(without_plan).is_ok_and(|n| next + n != row.position) {
        problems.push(format!("plans read up to {next}, the position is {}", row.position));
    }
    let same = [
        ("delivered", row.counts.delivered, planned.delivered),
        ("dropped", row.counts.dropped, planned.dropped),
        ("dead-lettered", row.counts.dead_lettered, planned.dead_lettered),
        ("rows", row.counts.rows, planned.rows),
        ("further dead letters", row.counts.further_letters, planned.further_letters),
    ];
    for (what, ledger, plans) in same {
        if ledger != plans {
            problems.push(format!("the ledger says {ledger} {what}, the plans {plans}"));
        }
    }
}
