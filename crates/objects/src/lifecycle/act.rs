//! One key looked at: what rules ask for is decided on all of it as it is, and done piece by piece.
//!
//! Every kind of act is one function that makes one commit: expiry, removal, move, the end of a restored
//! copy, the end of an upload. What else such a change means (an event) is staged there.

use headwater_base::Timestamp;
use headwater_store::{Commit, CommitError, Direction, Key, KeyRange, Lsn, Scanned};

use super::config::RulesNow;
use super::decide::{Act, Position, Ruling, earlier};
use super::stage::{seen_of, stage_due};
use crate::history::{Standing, object_bytes};
use crate::object::{Current, row_of};
use crate::outbox::Touched;
use crate::put::target_of_place;
use crate::records::object::ObjectRecord;
use crate::records::upload::UploadRecord;
use crate::records::{decode, keys};
use crate::usage::Growth;
use crate::{
    Bucket, Bypass, Change, Condition, ObjectError, ObjectKey, Objects, StorageClass, UploadId, Versioning,
};

/// How many versions are read at once.
const PAGE_VERSIONS: usize = 1000;

/// How much is decided on before it is done.
const TODO_MAX: usize = 1000;

/// How often a key is looked at again because it changed or there was more.
const ROUNDS_MAX: usize = 1000;

/// Something to be done with a key.
#[derive(Debug)]
enum Todo {
    Version { row: Current, act: Act },
    EndRestored { row: Current },
    Abort { upload: UploadId },
}

/// A key as it was found, and what follows.
#[derive(Debug)]
struct Judged {
    standing: Standing,
    history: Option<Lsn>,
    todo: Vec<Todo>,
    /// When there is more to do, if nothing changes.
    next: Option<Timestamp>,
}

/// What is collected while a key is read.
struct Judging<'a> {
    key: &'a ObjectKey,
    rules: Option<RulesNow>,
    now: Timestamp,
    midnight: Timestamp,
    todo: Vec<Todo>,
    next: Option<Timestamp>,
}

impl Objects {
    /// Looks at a key whose entry came due, does what its bucket's rules ask for, and puts an entry for what is
    /// due next in the place of this one.
    pub(crate) async fn settle(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        entry: &Scanned,
    ) -> Result<(), ObjectError> {
        for _ in 0..ROUNDS_MAX {
            let judged = self.judge(bucket, key).await?;
            if judged.todo.is_empty() {
                if self.finish(bucket, key, entry, &judged).await? {
                    return Ok(());
                }
                continue;
            }
            if let [Todo::Version { row, act: Act::Expire }] = judged.todo.as_slice()
                && judged.standing.versioning == Versioning::Never
            {
                // Nothing is left of the key that could be due: the usual end of most objects is one commit.
                if self.expire(bucket, key, row, &judged, Some(&entry.key)).await? {
                    return Ok(());
                }
                continue;
            }
            for todo in &judged.todo {
                self.act(bucket, key, todo, &judged).await?;
            }
        }
        Err(ObjectError::Contended)
    }

    /// When the key is to be looked at next: now, if there is something to do.
    pub(crate) async fn due_of(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
    ) -> Result<Option<Timestamp>, ObjectError> {
        let judged = self.judge(bucket, key).await?;
        Ok(if judged.todo.is_empty() { judged.next } else { Some(self.seams.clock.now()) })
    }

    async fn judge(&self, bucket: &Bucket, key: &ObjectKey) -> Result<Judged, ObjectError> {
        let standing = self.standing_now(bucket).await?;
        let rules = self.rules_now(bucket, &standing).await?;
        let now = self.seams.clock.now();
        let midnight = self.day.next_midnight(now);
        let mut judging = Judging { key, rules, now, midnight, todo: Vec::new(), next: None };
        let history = self.history(bucket, key).await?;
        if history.is_some() {
            self.judge_rows(bucket, &mut judging).await?;
        } else if let Some(plain) = self.current(bucket, key).await? {
            let hides = standing.versioning != Versioning::Never;
            judging.newest(plain, Position { alone: true, hides });
        }
        self.judge_uploads(bucket, &mut judging).await?;
        let Judging { todo, next, .. } = judging;
        Ok(Judged { standing, history: history.map(|(_, version)| version), todo, next })
    }

    async fn judge_rows(&self, bucket: &Bucket, judging: &mut Judging<'_>) -> Result<(), ObjectError> {
        let mut range = KeyRange::prefix(&keys::versions(bucket.incarnation, judging.key.as_str()));
        let mut newest: Option<Current> = None;
        let mut succeeded = Timestamp::EPOCH;
        let mut count = 0;
        loop {
            let rows = self.store.scan(&range, PAGE_VERSIONS, Direction::Forward).await?;
            for row in &rows {
                let (_, row) = row_of(row)?;
                let modified = Timestamp::from_ms(row.record.modified_ms);
                if newest.is_none() {
                    newest = Some(row);
                } else {
                    judging.noncurrent(row, succeeded, count);
                    count += 1;
                }
                succeeded = modified;
                if judging.todo.len() >= TODO_MAX {
                    return Ok(());
                }
            }
            match rows.last() {
                Some(last) if rows.len() == PAGE_VERSIONS => range = range.after(&last.key),
                _ => break,
            }
        }
        if let Some(newest) = newest {
            judging.newest(newest, Position { alone: count == 0, hides: true });
        }
        Ok(())
    }

    async fn judge_uploads(&self, bucket: &Bucket, judging: &mut Judging<'_>) -> Result<(), ObjectError> {
        let Some(rules) = judging.rules.clone() else { return Ok(()) };
        let range = KeyRange::prefix(&keys::uploads(bucket.incarnation, judging.key.as_str()));
        let rows = self.store.scan(&range, TODO_MAX, Direction::Forward).await?;
        for row in rows {
            let record: UploadRecord = decode(&row.key, &row.fact.value)?;
            let initiated = Timestamp::from_ms(record.initiated_ms);
            let end = rules.lifecycle.upload_end(rules.day, judging.key.as_str(), initiated);
            match (end, keys::upload_of(&row.key)) {
                (Some((at, _)), Some(id)) if at <= judging.now => {
                    judging.todo.push(Todo::Abort { upload: UploadId(id) });
                }
                (Some((at, _)), _) => judging.next = earlier(judging.next, Some(at)),
                _ => {}
            }
        }
        Ok(())
    }

    async fn act(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        todo: &Todo,
        judged: &Judged,
    ) -> Result<(), ObjectError> {
        match todo {
            Todo::Version { row, act: Act::Expire } => {
                self.expire(bucket, key, row, judged, None).await?;
            }
            Todo::Version { row, act: Act::Remove } => {
                self.remove(bucket, key, row, judged).await?;
            }
            Todo::Version { row, act: Act::Move(class) } => {
                self.transition(bucket, key, row, *class, &judged.standing).await?;
            }
            Todo::EndRestored { row } => {
                self.end_restored(bucket, key, row).await?;
            }
            Todo::Abort { upload } => match self.abort_upload(bucket, key, *upload).await {
                Ok(()) => count("abort"),
                Err(ObjectError::NoSuchUpload(_)) => {}
                Err(e) => return Err(e),
            },
        }
        Ok(())
    }

    /// The current object comes to its end: it is removed, or hidden by a delete marker. With `entry` the entry
    /// that led here goes in the same commit. Returns `false` when the key is not as it was judged.
    async fn expire(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        row: &Current,
        judged: &Judged,
        entry: Option<&Key>,
    ) -> Result<bool, ObjectError> {
        let line = self.line(bucket, key, judged.standing).await?;
        let is_same = line.current.as_ref().is_some_and(|current| current.lsn() == row.lsn());
        if !is_same || line.history.map(|(_, version)| version) != judged.history {
            return Ok(false);
        }
        let now = self.seams.clock.now();
        line.check_replaceable(now)?;
        let mut commit = Commit::new();
        self.add_delete(&mut commit, bucket, &line, now);
        line.expect(&mut commit, &Condition::Present);
        if let Some(entry) = entry {
            commit.stage(|c| c.delete(entry.clone()));
        }
        let gone = line.replaced().into_iter().flat_map(|old| old.record.places());
        let targets: Vec<_> = gone.map(target_of_place).collect();
        match self.store.commit(commit).await {
            Ok(committed) => {
                self.books.note(bucket.incarnation, committed.lsn, line.change(None));
                targets.into_iter().for_each(|target| self.doomed.push(target));
                count("expire");
                Ok(true)
            }
            lost => committed(lost),
        }
    }

    /// A version, or a delete marker, goes for good. Returns `false` when the key is not as it was judged.
    async fn remove(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        row: &Current,
        judged: &Judged,
    ) -> Result<bool, ObjectError> {
        let line = self.line(bucket, key, judged.standing).await?;
        let gone = self.find(bucket, key, Some(row.id())).await?.filter(|gone| gone.lsn() == row.lsn());
        let Some(gone) = gone else { return Ok(false) };
        if gone.record.lock().holds(self.seams.clock.now(), Bypass::Nothing) {
            return Ok(false);
        }
        let mut commit = Commit::new().freeing();
        line.expect(&mut commit, &Condition::Anything);
        gone.expect(&mut commit, gone.fact_key(bucket.incarnation, key));
        self.add_removal(&mut commit, bucket, key, &line, &gone).await?;
        self.notify(&mut commit, bucket, key, Change::Removed, Touched::version(Some(gone.id())));
        match self.store.commit(commit).await {
            Ok(committed) => {
                let growth = Growth::of_object(object_bytes(&gone.record), None);
                self.books.note(bucket.incarnation, committed.lsn, growth);
                gone.record.places().for_each(|place| self.doomed.push(target_of_place(place)));
                count("remove");
                Ok(true)
            }
            lost => committed(lost),
        }
    }

    /// A version's body moves to where its new class keeps bodies. Returns `false` when the version is not as it
    /// was judged.
    async fn transition(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        row: &Current,
        class: StorageClass,
        standing: &Standing,
    ) -> Result<bool, ObjectError> {
        let (tier, namer) = (self.tier_of(class), row.fact_key(bucket.incarnation, key));
        let moved = match self.copied_to(tier, &row.record.place, &namer).await {
            Err(ObjectError::Contended) => return Ok(false),
            other => other?,
        };
        let change = |record: &mut ObjectRecord, _: &mut Commit| {
            if record.place != row.record.place || record.class != row.record.class {
                return None;
            }
            if let Some(moved) = &moved {
                record.place = moved.place.clone();
            }
            record.class = Some(class.code());
            Some(())
        };
        let event = Change::Transitioned;
        let done = self.change_row(bucket, key, row, Some(standing), event, &change).await?;
        if done {
            count("transition");
        }
        Ok(done)
    }

    /// Replaces the entry by the next one. Returns `false` when the rules or the entry changed meanwhile.
    async fn finish(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        entry: &Scanned,
        judged: &Judged,
    ) -> Result<bool, ObjectError> {
        let mut commit =
            Commit::new().expect(entry.key.clone(), entry.fact.version).delete(entry.key.clone()).freeing();
        judged.standing.expect(&mut commit, bucket.incarnation);
        if let Some(next) = judged.next {
            stage_due(&mut commit, bucket.incarnation, key, next);
        }
        committed(self.store.commit(commit).await)
    }
}

impl Judging<'_> {
    fn newest(&mut self, row: Current, position: Position) {
        let ruling = self.rules.as_ref().map_or_else(Ruling::default, |rules| {
            let seen = seen_of(self.key.as_str(), &row.record);
            rules.lifecycle.current(rules.day, &seen, position, self.now)
        });
        self.take(row, ruling);
    }

    fn noncurrent(&mut self, row: Current, succeeded: Timestamp, newer: usize) {
        let ruling = self.rules.as_ref().map_or_else(Ruling::default, |rules| {
            let seen = seen_of(self.key.as_str(), &row.record);
            rules.lifecycle.noncurrent(rules.day, &seen, succeeded, newer, self.now)
        });
        self.take(row, ruling);
    }

    fn take(&mut self, row: Current, ruling: Ruling) {
        self.next = earlier(self.next, ruling.next);
        let is_held = row.record.lock().holds(self.now, Bypass::Nothing);
        match ruling.act {
            // It is asked again each day.
            Some(Act::Remove) if is_held => self.next = earlier(self.next, Some(self.midnight)),
            Some(act) => return self.todo.push(Todo::Version { row, act }),
            None => {}
        }
        let until = row.record.restored.as_ref().and_then(|restored| restored.until_ms);
        match until {
            Some(ms) if ms <= self.now.ms() => self.todo.push(Todo::EndRestored { row }),
            Some(ms) => self.next = earlier(self.next, Some(Timestamp::from_ms(ms))),
            None => {}
        }
    }
}

/// Whether a commit was made; `false` when it lost against others.
pub(super) fn committed(
    outcome: Result<headwater_store::Committed, CommitError>,
) -> Result<bool, ObjectError> {
    match outcome {
        Ok(_) => Ok(true),
        Err(CommitError::Conflict(_)) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

fn count(act: &'static str) {
    metrics::counter!("headwater_objects_lifecycle_total", "act" => act).increment(1);
}
