//! Listings of versions: what is plain (`CURRENT`) and what has rows (`VERSION`), merged by key;
//! the versions of a key newest first.
//!
//! Both are read from one snapshot. The copies among the `CURRENT` facts are passed over; each
//! stands for rows that are listed, so a page still costs the entries returned.

use std::collections::VecDeque;

use headwater_base::Timestamp;
use headwater_store::{Direction, Key, KeyRange, Scanned, Snapshot};

use super::{Fold, ListQuery};
use crate::object::{Current, row_of};
use crate::records::version::HistoryRecord;
use crate::records::{decode, keys};
use crate::{Bucket, ObjectError, ObjectInfo, ObjectKey, Objects, VersionId};

/// How many rows are read at first, and after a prefix was passed over.
const FIRST_ROWS: usize = 16;

/// The most rows read at once.
const ROWS_MAX: usize = 1000;

/// Which versions to list.
#[derive(Clone, Debug, Default)]
pub struct VersionQuery {
    /// Prefix, delimiter and limit, as for objects; `after` is the last key seen.
    pub list: ListQuery,
    /// The last version seen of the key `after`; without it, all of that key's versions were.
    pub after_version: Option<VersionId>,
}

/// One entry of a listing of versions.
#[expect(clippy::large_enum_variant, reason = "nearly all entries are versions: a box each would cost more")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListedVersion {
    /// A version.
    Version {
        /// What it is.
        info: ObjectInfo,
        /// Whether it is the newest of its key.
        latest: bool,
    },
    /// A delete marker.
    Marker {
        /// Its key.
        key: ObjectKey,
        /// Which version it is.
        version: VersionId,
        /// When it was written.
        modified: Timestamp,
        /// Whether it is the newest of its key.
        latest: bool,
    },
    /// A common prefix.
    Prefix(String),
}

/// A page of versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionListing {
    /// In byte order of their keys; of one key the newest first.
    pub entries: Vec<ListedVersion>,
    /// Whether there is more.
    pub truncated: bool,
}

impl ListedVersion {
    /// The key or the common prefix, and the version: what the next page comes after.
    pub fn position(&self) -> (&str, Option<VersionId>) {
        match self {
            Self::Version { info, .. } => (info.key.as_str(), Some(info.version)),
            Self::Marker { key, version, .. } => (key.as_str(), Some(*version)),
            Self::Prefix(prefix) => (prefix, None),
        }
    }
}

impl Objects {
    /// A page of versions and delete markers. Costs the entries returned.
    ///
    /// # Errors
    /// The store's.
    pub async fn list_versions(
        &self,
        bucket: &Bucket,
        query: &VersionQuery,
    ) -> Result<VersionListing, ObjectError> {
        let limit = query.list.limit;
        let mut entries = Vec::new();
        if limit == 0 {
            return Ok(VersionListing { entries, truncated: false });
        }
        let snapshot = self.store.snapshot().await?;
        let mut merge = Merge::begin(&*snapshot, bucket.incarnation, query).await?;
        while let Some(entry) = merge.next().await? {
            if entries.len() == limit {
                return Ok(VersionListing { entries, truncated: true });
            }
            entries.push(entry);
        }
        Ok(VersionListing { entries, truncated: false })
    }
}

/// Both kinds of rows, in step.
struct Merge<'a> {
    snapshot: &'a dyn Snapshot,
    incarnation: u64,
    query: &'a ListQuery,
    plain: Rows,
    rows: Rows,
    /// The key whose newest row was met.
    latest_of: Option<ObjectKey>,
}

impl<'a> Merge<'a> {
    async fn begin(
        snapshot: &'a dyn Snapshot,
        incarnation: u64,
        query: &'a VersionQuery,
    ) -> Result<Merge<'a>, ObjectError> {
        let list = &query.list;
        let mut plain = KeyRange::prefix(&keys::current_prefix(incarnation, &list.prefix));
        let mut rows = KeyRange::prefix(&keys::version_prefix(incarnation, &list.prefix));
        let mut latest_of = None;
        if let Some(after) = list.after.as_deref() {
            plain = plain.after(&keys::current(incarnation, after));
            match seq_of(snapshot, incarnation, after, query.after_version).await? {
                Some(seq) => {
                    rows = rows.after(&keys::version(incarnation, after, seq));
                    latest_of = newer_rows(snapshot, incarnation, after, seq).await?;
                }
                None => skip_to(&mut rows, keys::versions(incarnation, after).successor_of_prefix()),
            }
        }
        let (plain, rows) = (Rows::over(plain), Rows::over(rows));
        let mut merge = Self { snapshot, incarnation, query: list, plain, rows, latest_of };
        if let Some(prefix) = list.after.as_deref().and_then(|after| merge.fold().common_prefix(after)) {
            // It was returned with the last entry.
            merge.pass_over(&prefix);
        }
        Ok(merge)
    }

    async fn next(&mut self) -> Result<Option<ListedVersion>, ObjectError> {
        let Some((key, current)) = self.next_row().await? else {
            return Ok(None);
        };
        if let Some(prefix) = self.fold().common_prefix(key.as_str()) {
            self.pass_over(&prefix);
            return Ok(Some(ListedVersion::Prefix(prefix)));
        }
        let latest = self.latest_of.as_ref() != Some(&key);
        self.latest_of = Some(key.clone());
        Ok(Some(if current.is_marker() {
            let modified = Timestamp::from_ms(current.record.modified_ms);
            ListedVersion::Marker { version: current.id(), key, modified, latest }
        } else {
            ListedVersion::Version { info: current.info(&key), latest }
        }))
    }

    /// The next row of either kind. A key is plain or has rows, never both.
    async fn next_row(&mut self) -> Result<Option<(ObjectKey, Current)>, ObjectError> {
        loop {
            let plain = self.plain.peek(self.snapshot).await?.map(row_of).transpose()?;
            let row = self.rows.peek(self.snapshot).await?.map(row_of).transpose()?;
            match (plain, row) {
                // Copies are passed over as far as their rows, not ahead of them: a prefix skips both.
                (Some((key, copy)), row)
                    if copy.record.seq.is_some() && row.as_ref().is_none_or(|row| key <= row.0) =>
                {
                    self.plain.pop();
                }
                (Some(plain), Some(row)) if plain.0 < row.0 => {
                    self.plain.pop();
                    return Ok(Some(plain));
                }
                (_, Some(row)) => {
                    self.rows.pop();
                    return Ok(Some(row));
                }
                (plain, None) => {
                    self.plain.pop();
                    return Ok(plain);
                }
            }
        }
    }

    fn fold(&self) -> Fold<'_> {
        Fold { incarnation: self.incarnation, prefix_key: keys::current_prefix, query: self.query }
    }

    fn pass_over(&mut self, prefix: &str) {
        self.plain.skip_to(keys::current_prefix(self.incarnation, prefix).successor_of_prefix());
        self.rows.skip_to(keys::version_prefix(self.incarnation, prefix).successor_of_prefix());
    }
}

/// Where a version lies, or lay, in its key's history; `None` when it is past all of its rows.
async fn seq_of(
    snapshot: &dyn Snapshot,
    incarnation: u64,
    key: &str,
    version: Option<VersionId>,
) -> Result<Option<u64>, ObjectError> {
    match version.map(|version| version.0) {
        None => Ok(None),
        Some(Some(named)) => Ok(Some(named.seq)),
        Some(None) => {
            let fact_key = keys::history(incarnation, key);
            let Some(fact) = snapshot.get(&fact_key).await? else {
                return Ok(None);
            };
            let history: HistoryRecord = decode(&fact_key, &fact.value)?;
            // A null version that is gone is not known to have been anywhere: nothing may be left
            // out, so its key begins again.
            Ok(Some(history.null.unwrap_or(u64::MAX)))
        }
    }
}

/// The key, if it has a row at or above `seq`: then those below are not its newest.
async fn newer_rows(
    snapshot: &dyn Snapshot,
    incarnation: u64,
    key: &str,
    seq: u64,
) -> Result<Option<ObjectKey>, ObjectError> {
    let mut range = KeyRange::prefix(&keys::versions(incarnation, key));
    range.end = Some(keys::version(incarnation, key, seq).next());
    let newer = snapshot.scan(&range, 1, Direction::Forward).await?;
    Ok(newer.first().map(row_of).transpose()?.map(|(key, _)| key))
}

fn skip_to(range: &mut KeyRange, next: Option<Key>) {
    if let Some(next) = next.filter(|next| *next > range.start) {
        range.start = next;
    }
}

/// The rows of a range, read ahead in batches that grow.
struct Rows {
    range: KeyRange,
    read: VecDeque<Scanned>,
    batch: usize,
    more: bool,
}

impl Rows {
    fn over(range: KeyRange) -> Self {
        Self { range, read: VecDeque::new(), batch: FIRST_ROWS, more: true }
    }

    async fn peek(&mut self, snapshot: &dyn Snapshot) -> Result<Option<&Scanned>, ObjectError> {
        if self.read.is_empty() && self.more {
            self.read = snapshot.scan(&self.range, self.batch, Direction::Forward).await?.into();
            self.more = self.read.len() == self.batch;
            self.batch = (self.batch * 2).min(ROWS_MAX);
            if let Some(last) = self.read.back() {
                self.range.start = last.key.next();
            }
        }
        Ok(self.read.front())
    }

    fn pop(&mut self) {
        self.read.pop_front();
    }

    /// Goes on at `next`, or at the end if there is no key after what is passed over.
    fn skip_to(&mut self, next: Option<Key>) {
        let Some(next) = next else {
            self.read.clear();
            self.more = false;
            return;
        };
        while self.read.front().is_some_and(|row| row.key < next) {
            self.read.pop_front();
        }
        if self.read.is_empty() {
            self.batch = FIRST_ROWS;
            skip_to(&mut self.range, Some(next));
        }
    }
}
