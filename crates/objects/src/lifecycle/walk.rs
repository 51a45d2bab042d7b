//! The walk over a bucket whose rules changed: a job whose row says how far it has come.
//!
//! Each piece commits the entries it found together with its new cursor, and expects the rules it looked at.
//! A change of the rules begins the walk anew.

use headwater_base::Timestamp;
use headwater_store::{Commit, Direction, KeyRange, Lsn, Scanned, StoreError};

use super::act::committed;
use super::config::RulesNow;
use super::decide::{Position, earlier};
use super::reconcile::Lifecycles;
use super::stage::{seen_of, stage_due};
use crate::history::Standing;
use crate::object::row_of;
use crate::records::lifecycle::WalkRecord;
use crate::records::upload::UploadRecord;
use crate::records::{decode, encode, keys};
use crate::{Bucket, ObjectError, ObjectKey, Versioning};

/// How many facts a piece of a walk reads where each says itself when it is due.
const PIECE_FACTS: usize = 1000;

/// How many keys a piece looks at with all their versions.
const PIECE_HISTORIES: usize = 100;

/// The phases of a walk.
const CURRENT: u8 = 0;
const HISTORIES: u8 = 1;
const UPLOADS: u8 = 2;

/// A walk as it stands.
struct Walk<'a> {
    bucket: &'a Bucket,
    record: WalkRecord,
    version: Lsn,
    standing: Standing,
    rules: RulesNow,
}

impl Lifecycles {
    /// Moves up to `limit` walks on by a piece. Returns whether there was one.
    pub(super) async fn step_walks(&self, limit: usize) -> Result<bool, ObjectError> {
        let range = KeyRange::prefix(&keys::walks());
        let rows = self.objects.store.scan(&range, limit, Direction::Forward).await?;
        for row in &rows {
            self.step_walk(row).await?;
        }
        Ok(!rows.is_empty())
    }

    async fn step_walk(&self, row: &Scanned) -> Result<(), ObjectError> {
        let incarnation = keys::incarnation_of(&row.key)
            .ok_or_else(|| StoreError::Corrupt(format!("{:?}: not a walk's key", row.key)))?;
        let end =
            || Commit::new().expect(row.key.clone(), row.fact.version).delete(row.key.clone()).freeing();
        let Some(bucket) = self.objects.bucket_of_due(incarnation).await? else {
            committed(self.objects.store.commit(end()).await)?;
            return Ok(());
        };
        let standing = self.objects.standing_now(&bucket).await?;
        let Some(rules) = self.objects.rules_now(&bucket, &standing).await? else {
            committed(self.objects.store.commit(end()).await)?;
            return Ok(());
        };
        let record: WalkRecord = decode(&row.key, &row.fact.value)?;
        let walk = Walk { bucket: &bucket, record, version: row.fact.version, standing, rules };
        let (mut commit, next) = self.piece(&walk).await?;
        commit.stage(|c| c.expect(row.key.clone(), walk.version));
        walk.standing.expect(&mut commit, incarnation);
        commit.stage(|c| match &next {
            Some(next) => c.put(row.key.clone(), encode(next)),
            None => c.delete(row.key.clone()),
        });
        let done = committed(self.objects.store.commit(commit).await)?;
        if done && next.is_none() {
            tracing::info!(bucket = %bucket.name, facts = walk.record.seen, "walked over a bucket for its lifecycle");
        }
        Ok(())
    }

    /// The entries of the next piece, and how the walk stands after it; `None` at its end.
    async fn piece(&self, walk: &Walk<'_>) -> Result<(Commit, Option<WalkRecord>), ObjectError> {
        let incarnation = walk.bucket.incarnation;
        let (prefix, limit) = match walk.record.phase {
            CURRENT => (keys::current_prefix(incarnation, ""), PIECE_FACTS),
            HISTORIES => (keys::histories(incarnation), PIECE_HISTORIES),
            _ => (keys::upload_prefix(incarnation, ""), PIECE_FACTS),
        };
        let mut range = KeyRange::prefix(&prefix);
        if let Some(after) = &walk.record.after {
            // Past every fact of that key: none is longer than its own name and what closes it.
            let done = match walk.record.phase {
                CURRENT => keys::current(incarnation, after),
                HISTORIES => keys::history(incarnation, after),
                _ => keys::upload(incarnation, after, [0xFF; 16]),
            };
            range = range.after(&done);
        }
        let rows = self.objects.store.scan(&range, limit, Direction::Forward).await?;
        let mut commit = Commit::new();
        for row in &rows {
            let name = keys::object_key_of(&row.key);
            let key = name.and_then(|name| ObjectKey::new(&name).ok());
            let key =
                key.ok_or_else(|| StoreError::Corrupt(format!("{:?}: not an object's key", row.key)))?;
            if let Some(at) = self.due_in(walk, &key, row).await? {
                stage_due(&mut commit, incarnation, &key, at);
            }
        }
        Ok((commit, walk.after(&rows, rows.len() == limit)))
    }

    /// When the key of a fact is to be looked at because of it.
    async fn due_in(
        &self,
        walk: &Walk<'_>,
        key: &ObjectKey,
        row: &Scanned,
    ) -> Result<Option<Timestamp>, ObjectError> {
        let RulesNow { lifecycle, day, now } = &walk.rules;
        match walk.record.phase {
            CURRENT => {
                let (_, current) = row_of(row)?;
                let hides = walk.standing.versioning != Versioning::Never;
                let seen = seen_of(key.as_str(), &current.record);
                let ruling = lifecycle.current(*day, &seen, Position { alone: true, hides }, *now);
                Ok(earlier(ruling.act.map(|_| *now), ruling.next))
            }
            HISTORIES => self.objects.due_of(walk.bucket, key).await,
            _ => {
                let record: UploadRecord = decode(&row.key, &row.fact.value)?;
                let initiated = Timestamp::from_ms(record.initiated_ms);
                Ok(lifecycle.upload_end(*day, key.as_str(), initiated).map(|(at, _)| at))
            }
        }
    }
}

impl Walk<'_> {
    /// How it stands after these rows.
    fn after(&self, rows: &[Scanned], has_more: bool) -> Option<WalkRecord> {
        let seen = self.record.seen + rows.len() as u64;
        let phase = self.record.phase;
        match rows.last().and_then(|row| keys::object_key_of(&row.key)) {
            Some(last) if has_more => Some(WalkRecord { phase, after: Some(last), seen }),
            _ if phase < UPLOADS => Some(WalkRecord { phase: phase + 1, after: None, seen }),
            _ => None,
        }
    }
}
