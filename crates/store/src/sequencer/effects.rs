//! What a commit did: the journal's contents, and what the index and the tails are changed by.

use std::collections::HashMap;

use bytes::Bytes;
use headwater_base::{OnceToken, Timestamp};

use crate::ids::IdSet;
use crate::sequencer::LogState;
use crate::{Appended, Committed, Key, LogId, Lsn};

/// Everything one entry changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Effects {
    /// The entry's number: the version of every fact in it.
    pub lsn: Lsn,
    /// The append time of every batch in it.
    pub time: Timestamp,
    /// The token it can be recognised by.
    pub once: Option<OnceToken>,
    /// Facts as they are now; each key at most once.
    pub facts: Vec<FactEffect>,
    /// Changes of logs, in order.
    pub logs: Vec<LogEffect>,
    /// Set when everything before was forgotten.
    pub wiped: Option<Wiped>,
}

/// One fact as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FactEffect {
    /// The key.
    pub key: Key,
    /// What is stored there now; `None` when deleted.
    pub stored: Option<Stored>,
}

/// A fact's bytes, and whether an `add` wrote them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// The value.
    pub value: Bytes,
    /// Whether it is a counter.
    pub counter: bool,
}

/// One change of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LogEffect {
    /// The log exists and is empty.
    Created(LogId),
    /// The log is gone.
    Dropped(LogId),
    /// The log begins here.
    Trimmed(LogId, i64),
    /// The batch is in the log.
    Appended {
        /// The log.
        log: LogId,
        /// The offset of the batch's first record.
        base_offset: i64,
        /// How many offsets it spans.
        count: u32,
        /// The batch.
        payload: Bytes,
    },
}

/// Everything was forgotten but this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wiped {
    /// The generation that begins.
    pub generation: u64,
    /// The facts that survive, with the versions they keep.
    pub kept: Vec<(Key, Lsn, Stored)>,
}

impl Effects {
    /// What the caller of the commit is told.
    pub fn committed(&self) -> Committed {
        let appended = self.logs.iter().filter_map(|effect| match effect {
            LogEffect::Appended { log, base_offset, count, .. } => {
                Some(Appended { log: *log, base_offset: *base_offset, count: *count })
            }
            LogEffect::Created(_) | LogEffect::Dropped(_) | LogEffect::Trimmed(..) => None,
        });
        Committed { lsn: self.lsn, append_time: self.time, appended: appended.collect(), duplicate: false }
    }

    /// Whether journalling this would tell nobody anything.
    pub fn changes_nothing(&self) -> bool {
        self.once.is_none() && self.facts.is_empty() && self.logs.is_empty() && self.wiped.is_none()
    }
}

impl LogEffect {
    /// The log that is changed.
    pub fn log(&self) -> LogId {
        match self {
            Self::Created(log) | Self::Dropped(log) | Self::Trimmed(log, _) | Self::Appended { log, .. } => {
                *log
            }
        }
    }

    /// Makes it so in a table of logs. An effect on a log that is gone says nothing: the table is
    /// already past it.
    pub fn replay(&self, time: Timestamp, logs: &mut HashMap<LogId, LogState>, used: &mut IdSet) {
        match self {
            Self::Created(log) => {
                if used.insert(log.0) {
                    logs.insert(*log, LogState::EMPTY);
                }
            }
            Self::Dropped(log) => {
                used.insert(log.0);
                logs.remove(log);
            }
            Self::Trimmed(log, start) => {
                if let Some(state) = logs.get_mut(log) {
                    state.start = state.start.max(*start);
                }
            }
            Self::Appended { log, base_offset, count, .. } => {
                if let Some(state) = logs.get_mut(log) {
                    state.end = state.end.max(base_offset + i64::from(*count));
                    state.last_append_time = state.last_append_time.max(time);
                }
            }
        }
    }
}
