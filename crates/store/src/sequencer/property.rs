//! The sequencer against a naive model that always looks at the newest state.
//!
//! The model has no overlay, no pre-reads and no effects: it keeps whole maps and copies them. The
//! sequencer is fed pre-reads that lag behind by a random amount, as they do under load.

use std::collections::BTreeMap;

use base::{OnceToken, Timestamp};
use bytes::Bytes;
use headwater_base as base;
use proptest::prelude::*;

use super::*;
use crate::{Kind, LogOp, batch_for_tests};

#[derive(Clone, Debug)]
enum Ask {
    Expect(u8, u8),
    ExpectAbsent(u8),
    ExpectPresent(u8),
    Put(u8, u8),
    PutIfAbsent(u8, u8),
    Delete(u8),
    Add(u8, i8),
    Create(u8),
    Drop(u8),
    Trim(u8, u8),
    Append(u8, u8),
    Once(u8),
}

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<Ask>),
    /// Publishes up to this many more commits.
    Publish(u8),
    /// Moves the clock; backwards, too.
    Clock(i32),
    Wipe(u8),
}

fn ask() -> impl Strategy<Value = Ask> {
    let (key, log) = (0_u8..5, 0_u8..4);
    prop_oneof![
        2 => (key.clone(), 0_u8..6).prop_map(|(k, back)| Ask::Expect(k, back)),
        1 => key.clone().prop_map(Ask::ExpectAbsent),
        1 => key.clone().prop_map(Ask::ExpectPresent),
        3 => (key.clone(), any::<u8>()).prop_map(|(k, v)| Ask::Put(k, v)),
        2 => (key.clone(), any::<u8>()).prop_map(|(k, v)| Ask::PutIfAbsent(k, v)),
        2 => key.clone().prop_map(Ask::Delete),
        2 => (5_u8..7, any::<i8>()).prop_map(|(k, n)| Ask::Add(k, n)),
        1 => (0_u8..7, any::<i8>()).prop_map(|(k, n)| Ask::Add(k, n)),
        3 => log.clone().prop_map(Ask::Create),
        1 => log.clone().prop_map(Ask::Drop),
        1 => (log.clone(), 0_u8..20).prop_map(|(l, o)| Ask::Trim(l, o)),
        4 => (log, 0_u8..5).prop_map(|(l, n)| Ask::Append(l, n)),
        1 => (0_u8..3).prop_map(Ask::Once),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => proptest::collection::vec(ask(), 0..5).prop_map(Step::Commit),
        3 => (0_u8..4).prop_map(Step::Publish),
        1 => (-1000_i32..700_000).prop_map(Step::Clock),
        1 => (0_u8..5).prop_map(Step::Wipe),
    ]
}

fn key(n: u8) -> Key {
    Key::of(Kind(0x0f00)).u32(u32::from(n)).build()
}

type Facts = BTreeMap<Key, (Lsn, Stored)>;

/// The naive model: the newest state, copied whole for each attempt.
#[derive(Clone, Debug, Default)]
struct Model {
    lsn: u64,
    time: i64,
    facts: Facts,
    logs: BTreeMap<LogId, (i64, i64)>,
    ever: std::collections::BTreeSet<LogId>,
    tokens: BTreeMap<OnceToken, Committed>,
}

/// What an attempt comes to, without the details the model does not care for.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Committed(Committed),
    Conflict,
    NoSuchLog(LogId),
    Malformed,
}

impl Model {
    fn commit(&mut self, commit: &Commit, now: i64) -> Verdict {
        let mut next = self.clone();
        let time = self.time.max(now);
        self.tokens.retain(|_, known| time - known.append_time.ms() < crate::limits::ONCE_MS);
        next.tokens = self.tokens.clone();
        next.time = time;
        next.lsn += 1;
        let verdict = next.attempt(commit);
        if let Verdict::Committed(committed) = &verdict {
            let tokens_same = next.tokens == self.tokens;
            let unchanged = next.facts == self.facts && next.logs == self.logs && tokens_same;
            if unchanged && !committed.duplicate && committed.lsn.0 == next.lsn && !wrote(commit, self) {
                return Verdict::Committed(Committed { lsn: Lsn(self.lsn), ..committed.clone() });
            }
            if !committed.duplicate {
                *self = next;
            }
        }
        verdict
    }

    fn attempt(&mut self, commit: &Commit) -> Verdict {
        if let Some(known) = commit.once.and_then(|token| self.tokens.get(&token)) {
            return Verdict::Committed(Committed { duplicate: true, ..known.clone() });
        }
        for (key, expect) in &commit.expects {
            let holds = match (self.facts.get(key), expect) {
                (Some((_, stored)), _) if stored.counter => return Verdict::Malformed,
                (Some((version, _)), Expect::Version(wanted)) => version == wanted,
                (found, Expect::Absent) => found.is_none(),
                (found, _) => found.is_some() && matches!(expect, Expect::Present),
            };
            if !holds {
                return Verdict::Conflict;
            }
        }
        let lsn = Lsn(self.lsn);
        for (key, op) in &commit.facts {
            let there = self.facts.get(key).map(|(_, stored)| stored.value.clone());
            let stored = match (op, there) {
                (FactOp::Put(value), _) | (FactOp::PutIfAbsent(value), None) => {
                    Stored { value: value.clone(), counter: false }
                }
                (FactOp::PutIfAbsent(_), Some(_)) => continue,
                (FactOp::Delete, _) => {
                    self.facts.remove(key);
                    continue;
                }
                (FactOp::Add(n), there) => {
                    let Ok(bytes) = <[u8; 8]>::try_from(there.as_deref().unwrap_or(&[0; 8])) else {
                        return Verdict::Malformed;
                    };
                    let sum = i64::from_le_bytes(bytes) + n;
                    Stored { value: Bytes::copy_from_slice(&sum.to_le_bytes()), counter: true }
                }
            };
            self.facts.insert(key.clone(), (lsn, stored));
        }
        let mut appended = Vec::new();
        for op in &commit.logs {
            let id = match op {
                LogOp::Create(log) | LogOp::Drop(log) | LogOp::Trim(log, _) | LogOp::Append(log, _) => *log,
            };
            if let LogOp::Create(log) = op {
                if !self.ever.insert(*log) {
                    return Verdict::Conflict;
                }
                self.logs.insert(*log, (0, 0));
                continue;
            }
            let Some((start, end)) = self.logs.get_mut(&id) else { return Verdict::NoSuchLog(id) };
            match op {
                LogOp::Create(_) => {}
                LogOp::Drop(_) => {
                    self.logs.remove(&id);
                }
                LogOp::Trim(_, offset) => *start = (*start).max((*offset).min(*end)),
                LogOp::Append(_, batch) => {
                    let Ok(count) = crate::batch::offsets_spanned(batch) else { return Verdict::Malformed };
                    appended.push(crate::Appended { log: id, base_offset: *end, count });
                    *end += i64::from(count);
                }
            }
        }
        let committed =
            Committed { lsn, append_time: Timestamp::from_ms(self.time), appended, duplicate: false };
        if let Some(token) = commit.once {
            self.tokens.insert(token, committed.clone());
        }
        Verdict::Committed(committed)
    }
}

/// Whether the commit wrote something even though the maps look the same afterwards (a deletion of
/// what the same commit put, a log created and dropped).
fn wrote(commit: &Commit, before: &Model) -> bool {
    let facts = commit.facts.iter().any(|(key, op)| match op {
        FactOp::Put(_) | FactOp::Add(_) => true,
        FactOp::PutIfAbsent(_) => !before.facts.contains_key(key),
        FactOp::Delete => before.facts.contains_key(key),
    });
    facts || commit.logs.iter().any(|op| matches!(op, LogOp::Create(_)))
}

/// The sequencer, its published past, and the model side by side.
struct Bench {
    state: State,
    model: Model,
    replica: State,
    /// The facts as of each LSN since the start or the last wipe.
    past: BTreeMap<Lsn, Facts>,
    published: Lsn,
    clock: i64,
}

impl Bench {
    fn new() -> Self {
        let past = BTreeMap::from([(Lsn(0), Facts::new())]);
        let (state, replica) = (State::default(), State::default());
        Self { state, model: Model::default(), replica, past, published: Lsn(0), clock: 1_000_000 }
    }

    fn build(&self, asks: &[Ask]) -> Commit {
        asks.iter().fold(Commit::new(), |commit, ask| match *ask {
            Ask::Expect(k, back) => {
                let newest = self.model.facts.get(&key(k)).map_or(0, |(version, _)| version.0);
                commit.expect(key(k), Lsn(newest.saturating_sub(u64::from(back / 4))))
            }
            Ask::ExpectAbsent(k) => commit.expect_absent(key(k)),
            Ask::ExpectPresent(k) => commit.expect_present(key(k)),
            Ask::Put(k, v) => commit.put(key(k), vec![v; usize::from(v % 11)]),
            Ask::PutIfAbsent(k, v) => commit.put_if_absent(key(k), vec![v; usize::from(v % 11)]),
            Ask::Delete(k) => commit.delete(key(k)),
            Ask::Add(k, n) => commit.add(key(k), i64::from(n)),
            Ask::Create(l) => commit.create_log(LogId(u64::from(l))),
            Ask::Drop(l) => commit.drop_log(LogId(u64::from(l))),
            Ask::Trim(l, o) => commit.trim(LogId(u64::from(l)), i64::from(o)),
            Ask::Append(l, n) => commit.append(LogId(u64::from(l)), batch_for_tests(u32::from(n), b"x")),
            Ask::Once(t) => commit.once(OnceToken([t; 16])),
        })
    }

    fn commit(&mut self, asks: &[Ask]) -> Result<(), TestCaseError> {
        let commit = self.build(asks);
        let seen = keys_to_read(&commit)
            .map(|key| key.and_then(|key| self.past[&self.published].get(key)))
            .map(|found| {
                found.map_or(Seen::Absent, |(lsn, stored)| Seen::fact(*lsn, stored.counter, &stored.value))
            })
            .collect();
        let before = self.model.lsn;
        let wanted = self.model.commit(&commit, self.clock);
        let (now, generation) = (Timestamp::from_ms(self.clock), self.state.generation);
        let outcome = apply(&mut self.state, Entry::Commit { commit, now, generation, seen });
        let got = match outcome.result {
            Ok(committed) => Verdict::Committed(committed),
            Err(CommitError::Conflict(_)) => Verdict::Conflict,
            Err(CommitError::NoSuchLog(log)) => Verdict::NoSuchLog(log),
            Err(CommitError::Malformed(_)) => Verdict::Malformed,
            Err(error) => return Err(TestCaseError::fail(format!("unexpected {error}"))),
        };
        prop_assert_eq!(&got, &wanted);
        prop_assert_eq!(outcome.effects.is_some(), self.model.lsn > before);
        // Nothing is released before what it rests on.
        prop_assert_eq!(outcome.release, self.state.last_lsn);
        if let Some(effects) = outcome.effects {
            self.replicate(&effects)?;
            self.past.insert(effects.lsn, self.model.facts.clone());
        }
        Ok(())
    }

    /// Replaying the effects, twice, leads another sequencer to the same state.
    fn replicate(&mut self, effects: &Effects) -> Result<(), TestCaseError> {
        self.replica.replay(effects);
        self.replica.replay(effects);
        prop_assert_eq!(&self.replica.logs, &self.state.logs);
        prop_assert_eq!(&self.replica.used, &self.state.used);
        prop_assert_eq!(self.replica.last_lsn, self.state.last_lsn);
        let mut facts = self.past.values().next_back().cloned().unwrap_or_default();
        for fact in &effects.facts {
            match &fact.stored {
                Some(stored) => facts.insert(fact.key.clone(), (effects.lsn, stored.clone())),
                None => facts.remove(&fact.key),
            };
        }
        prop_assert_eq!(&facts, &self.model.facts);
        Ok(())
    }

    fn publish(&mut self, upto: Lsn) {
        self.published = upto;
        self.state.forget(upto);
        self.past.retain(|lsn, _| *lsn >= upto);
    }

    fn wipe(&mut self, keep: u8) -> Result<(), TestCaseError> {
        self.publish(self.state.last_lsn);
        let survives = |k: &Key| *k == key(keep);
        self.model.facts.retain(|k, _| survives(k));
        self.model.logs.clear();
        self.model.tokens.clear();
        self.model.lsn += 1;
        self.model.time = self.model.time.max(self.clock);
        let kept =
            self.model.facts.iter().map(|(k, (lsn, stored))| (k.clone(), *lsn, stored.clone())).collect();
        let now = Timestamp::from_ms(self.clock);
        let outcome = apply(&mut self.state, Entry::Wipe { kept, now });
        let effects = outcome.effects.expect("a wipe is journalled");
        self.replica.replay(&effects);
        prop_assert_eq!(effects.lsn, Lsn(self.model.lsn));
        prop_assert!(self.state.logs.is_empty());
        self.past = BTreeMap::from([(effects.lsn, self.model.facts.clone())]);
        self.published = effects.lsn;
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn it_does_what_the_naive_model_does(steps in proptest::collection::vec(step(), 1..60)) {
        let mut bench = Bench::new();
        for step in steps {
            match step {
                Step::Commit(asks) => bench.commit(&asks)?,
                Step::Publish(n) => {
                    let upto = Lsn((bench.published.0 + u64::from(n)).min(bench.state.last_lsn.0));
                    bench.publish(upto);
                }
                Step::Clock(ms) => bench.clock += i64::from(ms),
                Step::Wipe(keep) => bench.wipe(keep)?,
            }
        }
    }
}

#[test]
fn commits_read_before_a_wipe_are_refused() {
    let mut state = State::default();
    let wiped = apply(&mut state, Entry::Wipe { kept: Vec::new(), now: Timestamp::EPOCH });
    assert!(wiped.effects.is_some());
    let commit = Commit::new().put(key(1), "x");
    let late = Entry::Commit { commit, now: Timestamp::EPOCH, generation: 0, seen: vec![Seen::Absent] };
    assert!(matches!(apply(&mut state, late).result, Err(CommitError::Closed)));
}

#[test]
fn the_bound_on_tokens_forgets_the_oldest() {
    let mut table = OnceTable::default();
    let token = |n: u32| OnceToken(u128::from(n).to_be_bytes());
    for n in 0..=crate::limits::ONCE_TOKENS_MAX as u32 {
        let outcome = Remembered { lsn: Lsn(u64::from(n)), time: Timestamp::EPOCH, appended: Box::default() };
        table.remember(token(n), outcome);
    }
    assert!(table.get(&token(0)).is_none());
    assert!(table.get(&token(1)).is_some());
}
