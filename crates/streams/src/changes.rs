//! Changes of streams that are under way: one at a time for each stream, and seen while they last.
//!
//! A change is one commit, so nothing here is stored: what a crash interrupts did not happen. Other
//! nodes' changes are met by the commit itself, which expects the stream as it was read.
//!
//! **Invariants.** At most one change per stream is under way on a node.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::{StreamError, StreamKey, StreamStatus};

#[derive(Debug, Default)]
pub(crate) struct Changes(Mutex<HashMap<StreamKey, StreamStatus>>);

/// A change under way; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    changes: &'a Changes,
    key: StreamKey,
}

impl Changes {
    /// Begins a change during which the stream is in `status`.
    pub(crate) fn begin(&self, key: &StreamKey, status: StreamStatus) -> Result<Change<'_>, StreamError> {
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(status) = under_way.get(key) {
            return Err(StreamError::NotActive(key.clone(), *status));
        }
        under_way.insert(key.clone(), status);
        Ok(Change { changes: self, key: key.clone() })
    }

    /// Where the stream is in its life.
    pub(crate) fn status(&self, key: &StreamKey) -> StreamStatus {
        let under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.get(key).copied().unwrap_or(StreamStatus::Active)
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        self.changes.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use headwater_base::Scope;

    use super::*;
    use crate::StreamName;

    #[test]
    fn one_change_at_a_time_and_seen_while_it_lasts() {
        let scope = Scope::new("000000000001".parse().unwrap(), "eu-west-1".parse().unwrap());
        let key = |name| StreamKey { scope: scope.clone(), name: StreamName::new(name).unwrap() };
        let changes = Changes::default();
        let change = changes.begin(&key("a"), StreamStatus::Updating).unwrap();
        assert_eq!(changes.status(&key("a")), StreamStatus::Updating);
        assert!(matches!(
            changes.begin(&key("a"), StreamStatus::Deleting),
            Err(StreamError::NotActive(_, StreamStatus::Updating))
        ));
        assert!(changes.begin(&key("b"), StreamStatus::Updating).is_ok());
        drop(change);
        assert_eq!(changes.status(&key("a")), StreamStatus::Active);
        assert!(changes.begin(&key("a"), StreamStatus::Deleting).is_ok());
    }
}
