//! The entries of `DUE` that changes of a key write, in their own commits.

use headwater_base::Timestamp;
use headwater_store::Commit;

use super::config::RulesNow;
use super::decide::{Position, Seen, earlier};
use crate::history::{Line, Standing};
use crate::object::Current;
use crate::records::bucket::Present;
use crate::records::object::ObjectRecord;
use crate::records::{encode, keys};
use crate::{Bucket, ObjectKey, Objects, Versioning};

impl RulesNow {
    /// Stages that the key is looked at when an upload of it that begins at `initiated` is given up.
    pub(crate) fn stage_upload(
        &self,
        commit: &mut Commit,
        incarnation: u64,
        key: &ObjectKey,
        initiated: Timestamp,
    ) {
        let end = self.lifecycle.upload_end(self.day, key.as_str(), initiated);
        self.stage(commit, incarnation, key, end.map(|(at, _)| at));
    }

    /// Stages that the key is looked at; at the next midnight if that is due already.
    fn stage(&self, commit: &mut Commit, incarnation: u64, key: &ObjectKey, due: Option<Timestamp>) {
        if let Some(due) = due {
            let at = if due <= self.now { self.day.next_midnight(self.now) } else { due };
            stage_due(commit, incarnation, key, at);
        }
    }

    /// When the newest version of a key is due, from now on.
    fn newest(&self, key: &str, record: &ObjectRecord, hides: bool) -> Option<Timestamp> {
        let seen = seen_of(key, record);
        let ruling = self.lifecycle.current(self.day, &seen, Position { alone: true, hides }, self.now);
        earlier(ruling.act.map(|_| self.now), ruling.next)
    }

    /// When a version that is succeeded now is due.
    fn succeeded(&self, key: &str, old: Option<&Current>) -> Option<Timestamp> {
        // What was the newest and is not shown is a delete marker.
        let seen = old.map_or(Seen::marker(key, self.now), |old| seen_of(key, &old.record));
        let ruling = self.lifecycle.noncurrent(self.day, &seen, self.now, 0, self.now);
        // It pushes another one back.
        let counted = self.lifecycle.counts_versions().then_some(self.now);
        earlier(earlier(ruling.act.map(|_| self.now), ruling.next), counted)
    }
}

impl Line<'_> {
    /// Stages when to look at the key that `record` is the newest version of now.
    pub(crate) fn stage_due_of(&self, commit: &mut Commit, record: &ObjectRecord) {
        let Some(rules) = &self.rules else { return };
        let key = self.key();
        let has_versions = self.standing.versioning != Versioning::Never;
        let newest = rules.newest(key.as_str(), record, has_versions);
        let succeeds = has_versions && (self.history.is_some() || self.current.is_some());
        let succeeded = if succeeds { rules.succeeded(key.as_str(), self.current.as_ref()) } else { None };
        rules.stage(commit, self.incarnation(), key, earlier(newest, succeeded));
    }

    /// Stages that the key is looked at soon: what its versions are has changed in another way.
    pub(crate) fn stage_look(&self, commit: &mut Commit) {
        if let Some(rules) = &self.rules {
            rules.stage(commit, self.incarnation(), self.key(), Some(rules.now));
        }
    }
}

impl Objects {
    /// Stages that the key is looked at soon, if the bucket has rules.
    pub(crate) fn stage_look_at(
        &self,
        commit: &mut Commit,
        bucket: &Bucket,
        standing: &Standing,
        key: &ObjectKey,
    ) {
        if standing.lifecycle.is_some() {
            let at = self.day.next_midnight(self.seams.clock.now());
            stage_due(commit, bucket.incarnation, key, at);
        }
    }
}

/// Stages that the key is looked at then.
pub(crate) fn stage_due(commit: &mut Commit, incarnation: u64, key: &ObjectKey, at: Timestamp) {
    commit.stage(|c| c.put(keys::due(at.ms(), incarnation, key.as_str()), encode(&Present {})));
}

/// A version as rules see it.
pub(crate) fn seen_of<'a>(key: &'a str, record: &'a ObjectRecord) -> Seen<'a> {
    Seen {
        key,
        size: record.size,
        tags: &record.tags,
        class: record.class(),
        modified: Timestamp::from_ms(record.modified_ms),
        is_marker: record.marker == Some(true),
    }
}
