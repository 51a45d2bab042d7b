//! Producers, deliveries and a wiper over one simulated store.
//!
//! Producers append batches under tokens and lose some of the answers, so they retry. Deliveries read
//! a stretch of a log and commit "these records are delivered, I have read up to here" with an expect
//! on their position; two instances race for each log, as after a failed lease. Clocks jump. At the
//! end every accepted record must have been delivered exactly once.
//!
//! **Invariants.** Everything comes from the seed: time, chance, the order of the actors. Two runs of
//! one seed give the same digest, which covers every outcome in order.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::executor::block_on;
use headwater_base::{OnceToken, Seams, Timestamp};
use headwater_store::{
    Commit, CommitError, Committed, Direction, Key, KeyRange, Kind, LogId, Store, batch_for_tests,
};

const LOGS: u64 = 3;
const DELIVERED: Kind = Kind(0x0f10);
const POSITION: Kind = Kind(0x0f11);

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// A digest over every outcome, in order.
    pub digest: u64,
    /// Records accepted, and delivered exactly once.
    pub records: u64,
    /// Retries that were recognised.
    pub recognised: u64,
    /// Deliveries that lost a race.
    pub conflicts: u64,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { digest, records, recognised, conflicts } = self;
        write!(
            f,
            "digest {digest:016x}: {records} records, {recognised} retries recognised, {conflicts} races lost"
        )
    }
}

/// Runs `steps` steps from `seed`. Panics when a promise is broken.
pub fn run(seed: u64, steps: u64) -> Run {
    let seams = Seams::simulated(Timestamp::from_ms(1_700_000_000_000), seed);
    let store = headwater_store::memory::open(seams.clone());
    let mut world = World {
        seams,
        store,
        logs: Vec::new(),
        run: Run { digest: 0xcbf2_9ce4_8422_2325, records: 0, recognised: 0, conflicts: 0 },
        plans: BTreeMap::new(),
        accepted: BTreeMap::new(),
    };
    world.begin();
    for step in 0..steps {
        world.step(step);
    }
    world.drain();
    world.audit();
    world.run
}

/// A stretch one instance has read and not yet committed.
struct Plan {
    log: LogId,
    from: i64,
    to: i64,
    position: headwater_store::Lsn,
}

struct World {
    seams: Seams,
    store: Arc<dyn Store>,
    logs: Vec<LogId>,
    run: Run,
    /// By instance.
    plans: BTreeMap<u64, Plan>,
    /// Records accepted per log, as told to producers.
    accepted: BTreeMap<LogId, i64>,
}

impl World {
    fn begin(&mut self) {
        for _ in 0..LOGS {
            let log = self.store.new_log_id();
            let commit = Commit::new().create_log(log).put(position_key(log), 0_i64.to_be_bytes().to_vec());
            block_on(self.store.commit(commit)).expect("logs can be created");
            self.logs.push(log);
        }
    }

    fn step(&mut self, step: u64) {
        let log = self.logs[self.seams.chance.below(LOGS) as usize];
        match self.seams.chance.below(10) {
            0..=4 => self.produce(log, step),
            5..=6 => self.plan(self.seams.chance.below(2 * LOGS)),
            7..=8 => self.deliver(self.seams.chance.below(2 * LOGS)),
            _ => self.seams.clock.advance(Duration::from_millis(self.seams.chance.below(5_000))),
        }
    }

    /// Appends under a token; one answer in four is lost, and the producer asks again.
    fn produce(&mut self, log: LogId, step: u64) {
        let count = 1 + self.seams.chance.below(5) as u32;
        let commit = Commit::new()
            .append(log, batch_for_tests(count, &step.to_be_bytes()))
            .once(OnceToken::derive(&[&step.to_be_bytes()]));
        let first = block_on(self.store.commit(commit.clone()));
        self.note(&first);
        if self.seams.chance.below(4) == 0 {
            let again = block_on(self.store.commit(commit));
            self.note(&again);
            let (first, again) = (first.as_ref().expect("appends succeed"), again.expect("appends succeed"));
            assert!(again.duplicate && again.appended == first.appended, "a retry was not recognised");
            self.run.recognised += 1;
        }
        *self.accepted.entry(log).or_default() += i64::from(count);
    }

    /// An instance reads its log's position and decides on a stretch.
    fn plan(&mut self, instance: u64) {
        let log = self.logs[(instance % LOGS) as usize];
        let fact = block_on(self.store.get(&position_key(log))).expect("reads succeed").expect("it was put");
        let from = i64::from_be_bytes(fact.value.as_ref().try_into().expect("eight bytes"));
        let batches = block_on(self.store.read(log, from, 200)).expect("reads succeed");
        if let Some(last) = batches.last() {
            let to = last.next_offset();
            self.plans.insert(instance, Plan { log, from, to, position: fact.version });
        }
    }

    /// An instance commits what it planned, if its position still stands.
    fn deliver(&mut self, instance: u64) {
        let Some(Plan { log, from, to, position }) = self.plans.remove(&instance) else { return };
        let mut commit = Commit::new()
            .expect(position_key(log), position)
            .put(position_key(log), to.to_be_bytes().to_vec())
            .trim(log, to);
        for offset in from..to {
            commit = commit.add(delivered_key(log, offset), 1);
        }
        let outcome = block_on(self.store.commit(commit));
        self.note(&outcome);
        match outcome {
            Ok(_) => self.run.records += (to - from) as u64,
            Err(CommitError::Conflict(_)) => self.run.conflicts += 1,
            Err(error) => panic!("{error}"),
        }
    }

    fn drain(&mut self) {
        self.plans.clear();
        for instance in 0..LOGS {
            loop {
                self.plan(instance);
                if !self.plans.contains_key(&instance) {
                    break;
                }
                self.deliver(instance);
            }
        }
    }

    /// Every accepted record was delivered once.
    fn audit(&self) {
        for (log, accepted) in &self.accepted {
            let range = KeyRange::prefix(&Key::of(DELIVERED).u64(log.0).build());
            let rows = block_on(self.store.scan(&range, 100_000, Direction::Forward)).expect("scans succeed");
            assert_eq!(rows.len() as i64, *accepted, "records of {log:?}");
            let one = Bytes::copy_from_slice(&1_i64.to_le_bytes());
            assert!(rows.iter().all(|row| row.fact.value == one), "a record of {log:?} was delivered twice");
        }
    }

    /// Folds an outcome into the digest (FNV-1a).
    fn note(&mut self, outcome: &Result<Committed, CommitError>) {
        for byte in format!("{outcome:?}").bytes() {
            self.run.digest = (self.run.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

fn position_key(log: LogId) -> Key {
    Key::of(POSITION).u64(log.0).build()
}

fn delivered_key(log: LogId, offset: i64) -> Key {
    Key::of(DELIVERED).u64(log.0).i64(offset).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        for seed in 0..20 {
            assert_eq!(run(seed, 1_000), run(seed, 1_000));
        }
        assert_ne!(run(1, 1_000).digest, run(2, 1_000).digest);
    }

    #[test]
    fn races_and_retries_do_happen() {
        let run = run(1, 2_000);
        assert!(run.conflicts > 0 && run.recognised > 0 && run.records > 500, "{run}");
    }
}
