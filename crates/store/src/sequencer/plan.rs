//! Works out the effects of a commit that has passed its checks. Changes nothing itself.

use std::collections::HashMap;

use crate::ids::IdSet;
use crate::key::{Key, Kind};
use crate::sequencer::overlay::Overlay;
use crate::sequencer::{FactEffect, LogEffect, LogState, Seen, Stored, counter_bytes};
use crate::{Commit, CommitError, FactOp, LogId, LogOp};

/// The facts as they will be, each key once, in order of first mention.
pub(super) fn facts(
    commit: &Commit,
    seen: &[Seen],
    overlay: &Overlay,
) -> Result<Vec<FactEffect>, CommitError> {
    let mut planned: Vec<FactEffect> = Vec::with_capacity(commit.facts.len());
    let mut place: HashMap<&Key, usize> = HashMap::with_capacity(commit.facts.len());
    for ((key, op), seen) in commit.facts.iter().zip(seen) {
        let here = place.get(key).copied();
        let now = match here {
            Some(at) => seen_of(&planned[at]),
            None => overlay.newest(key, *seen),
        };
        let Some(stored) = after(op, now)? else { continue };
        match here {
            Some(at) => planned[at].stored = stored,
            None => {
                place.insert(key, planned.len());
                planned.push(FactEffect { key: key.clone(), stored });
            }
        }
    }
    Ok(planned)
}

/// What is stored after `op`, where `now` is; `None` when nothing changes.
fn after(op: &FactOp, now: Seen) -> Result<Option<Option<Stored>>, CommitError> {
    let plain = |value: &bytes::Bytes| Some(Some(Stored { value: value.clone(), counter: false }));
    Ok(match (op, now) {
        (FactOp::Put(value), _) | (FactOp::PutIfAbsent(value), Seen::Absent) => plain(value),
        (FactOp::PutIfAbsent(_), Seen::Present { .. }) | (FactOp::Delete, Seen::Absent) => None,
        (FactOp::Delete, Seen::Present { .. }) => Some(None),
        (FactOp::Add(n), Seen::Absent) => Some(Some(Stored { value: counter_bytes(*n), counter: true })),
        (FactOp::Add(n), Seen::Present { number: Some(number), .. }) => {
            let sum = number.checked_add(*n).ok_or(CommitError::Malformed("a counter overflows"))?;
            Some(Some(Stored { value: counter_bytes(sum), counter: true }))
        }
        (FactOp::Add(_), Seen::Present { number: None, .. }) => {
            return Err(CommitError::Malformed("an add to a fact that is not a counter"));
        }
    })
}

/// The version does not matter here: later operations of the same commit only ask what is there.
fn seen_of(effect: &FactEffect) -> Seen {
    match &effect.stored {
        Some(stored) => Seen::fact(crate::Lsn(0), stored.counter, &stored.value),
        None => Seen::Absent,
    }
}

/// The log changes as they will be.
pub(super) fn logs(
    commit: &Commit,
    logs: &HashMap<LogId, LogState>,
    used: &IdSet,
) -> Result<Vec<LogEffect>, CommitError> {
    let mut planner = LogPlanner { logs, used, changed: HashMap::new(), effects: Vec::new() };
    for op in &commit.logs {
        planner.plan(op)?;
    }
    Ok(planner.effects)
}

struct LogPlanner<'a> {
    logs: &'a HashMap<LogId, LogState>,
    used: &'a IdSet,
    /// Logs this commit touched so far; `None` when it dropped them.
    changed: HashMap<LogId, Option<LogState>>,
    effects: Vec<LogEffect>,
}

impl LogPlanner<'_> {
    fn plan(&mut self, op: &LogOp) -> Result<(), CommitError> {
        match op {
            LogOp::Create(log) => self.create(*log),
            LogOp::Drop(log) => {
                self.current(*log)?;
                self.record(*log, None, LogEffect::Dropped(*log));
                Ok(())
            }
            LogOp::Trim(log, offset) => self.trim(*log, *offset),
            LogOp::Append(log, batch) => self.append(*log, batch),
        }
    }

    fn create(&mut self, log: LogId) -> Result<(), CommitError> {
        if self.used.contains(log.0) || self.changed.contains_key(&log) {
            return Err(CommitError::Conflict(log_key(log)));
        }
        self.record(log, Some(LogState::EMPTY), LogEffect::Created(log));
        Ok(())
    }

    fn trim(&mut self, log: LogId, offset: i64) -> Result<(), CommitError> {
        let mut state = self.current(log)?;
        let start = offset.min(state.end);
        if start > state.start {
            state.start = start;
            self.record(log, Some(state), LogEffect::Trimmed(log, start));
        }
        Ok(())
    }

    fn append(&mut self, log: LogId, batch: &bytes::Bytes) -> Result<(), CommitError> {
        let mut state = self.current(log)?;
        let count = crate::batch::offsets_spanned(batch).map_err(CommitError::Malformed)?;
        let base_offset = state.end;
        let full = CommitError::Malformed("the log's offsets are used up");
        state.end = base_offset.checked_add(i64::from(count)).ok_or(full)?;
        self.record(
            log,
            Some(state),
            LogEffect::Appended { log, base_offset, count, payload: batch.clone() },
        );
        Ok(())
    }

    fn current(&self, log: LogId) -> Result<LogState, CommitError> {
        let state = match self.changed.get(&log) {
            Some(changed) => *changed,
            None => self.logs.get(&log).copied(),
        };
        state.ok_or(CommitError::NoSuchLog(log))
    }

    fn record(&mut self, log: LogId, state: Option<LogState>, effect: LogEffect) {
        self.changed.insert(log, state);
        self.effects.push(effect);
    }
}

/// The key a conflict over a log's id is reported under.
fn log_key(log: LogId) -> Key {
    Key::of(Kind(crate::kinds::LOG)).u64(log.0).build()
}
