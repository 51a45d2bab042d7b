//! Listings: pages in byte order of keys, folding what shares a prefix up to a delimiter.
//!
//! A page reads one snapshot. On meeting a common prefix it seeks past everything below it, so its
//! cost is the entries returned, not the keys passed over. Where keys may fold it looks for the last row first.

mod versions;

use headwater_store::{Direction, Key, KeyRange, Lsn, Scanned, Snapshot, StoreError};

use crate::object::info_of;
use crate::records::keys;
use crate::{Bucket, ObjectError, ObjectInfo, Objects};

pub use versions::{ListedVersion, VersionListing, VersionQuery};

/// The most rows read at once.
const PAGE_ROWS: usize = 1000;

/// How many rows are read at first when keys may fold: below a folder all but the first are read in vain.
const FOLDING_ROWS: usize = 1;

/// What to list.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    /// Keys must begin with this.
    pub prefix: String,
    /// Folds keys that share what comes before it after the prefix.
    pub delimiter: Option<String>,
    /// Only keys (and common prefixes) after this one.
    pub after: Option<String>,
    /// At most this many entries.
    pub limit: usize,
}

/// One entry of a listing.
#[expect(clippy::large_enum_variant, reason = "nearly all entries are objects: a box each would cost more")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed {
    /// An object.
    Object(ObjectInfo),
    /// A common prefix.
    Prefix(String),
}

impl Listed {
    /// The key or the common prefix: what the next page's `after` is.
    pub fn name(&self) -> &str {
        match self {
            Self::Object(info) => info.key.as_str(),
            Self::Prefix(prefix) => prefix,
        }
    }
}

/// A page of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Entries in byte order of their keys.
    pub entries: Vec<Listed>,
    /// Whether there is more.
    pub truncated: bool,
}

impl Objects {
    /// A page of current objects. Costs the entries returned, not the keys passed over.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(&self, bucket: &Bucket, query: &ListQuery) -> Result<Listing, ObjectError> {
        let incarnation = bucket.incarnation;
        let fold = Fold { incarnation, prefix_key: keys::current_prefix, query };
        let after = query.after.as_deref().map(|after| keys::current(incarnation, after));
        let (rows, truncated) = fold.page(&*self.store.snapshot().await?, after).await?;
        let mut entries = Vec::with_capacity(rows.len());
        for row in rows {
            entries.push(match row {
                Folded::Row(row) => Listed::Object(info_of(&row)?),
                Folded::Prefix(prefix) => Listed::Prefix(prefix),
            });
        }
        Ok(Listing { entries, truncated })
    }

    /// A page of the objects below `prefix` that were put after `from` and not after `to`: what a
    /// bookmark (from, to] covers. `after` and `limit` are as for [`Objects::list`]. Costs the keys
    /// below the prefix.
    ///
    /// # Errors
    /// The store's.
    pub async fn list_changed(
        &self,
        bucket: &Bucket,
        prefix: &str,
        (from, to): (Lsn, Lsn),
        after: Option<&str>,
        limit: usize,
    ) -> Result<Listing, ObjectError> {
        let snapshot = self.store.snapshot().await?;
        let mut range = KeyRange::prefix(&keys::current_prefix(bucket.incarnation, prefix));
        if let Some(after) = after {
            range = range.after(&keys::current(bucket.incarnation, after));
        }
        let mut entries = Vec::new();
        loop {
            let rows = snapshot.scan(&range, PAGE_ROWS, Direction::Forward).await?;
            for row in &rows {
                let info = info_of(row)?;
                if info.lsn <= from || info.lsn > to {
                    continue;
                }
                if entries.len() == limit {
                    return Ok(Listing { entries, truncated: true });
                }
                entries.push(Listed::Object(info));
            }
            match rows.last() {
                Some(last) if rows.len() == PAGE_ROWS => range = range.after(&last.key),
                _ => return Ok(Listing { entries, truncated: false }),
            }
        }
    }
}

/// A row, or a prefix that stands for many.
pub(crate) enum Folded {
    Row(Scanned),
    Prefix(String),
}

/// Folds the rows of one kind (current objects, uploads) whose keys are (incarnation, name, …).
pub(crate) struct Fold<'a> {
    pub(crate) incarnation: u64,
    /// The key that all rows whose name begins with a text begin with.
    pub(crate) prefix_key: fn(u64, &str) -> Key,
    pub(crate) query: &'a ListQuery,
}

impl Fold<'_> {
    /// Up to `limit` entries after the row `after`, and whether there is more.
    pub(crate) async fn page(
        &self,
        snapshot: &dyn Snapshot,
        after: Option<Key>,
    ) -> Result<(Vec<Folded>, bool), StoreError> {
        let limit = self.query.limit;
        let mut found = Vec::new();
        if limit == 0 {
            return Ok((found, false));
        }
        let mut range = KeyRange::prefix(&(self.prefix_key)(self.incarnation, &self.query.prefix));
        if let Some(after) = after {
            range = range.after(&after);
        }
        // A common prefix that is not after the last entry was returned with it.
        if let Some(prefix) = self.query.after.as_deref().and_then(|after| self.common_prefix(after)) {
            self.seek_past(&mut range, &prefix);
        }
        let (mut batch, last_row) = match self.query.delimiter {
            Some(_) => match snapshot.scan(&range, 1, Direction::Backward).await?.pop() {
                Some(last) => (FOLDING_ROWS, Some(last.key)),
                None => return Ok((found, false)),
            },
            None => (PAGE_ROWS, None),
        };
        loop {
            let want = batch.min(limit + 1 - found.len()).max(1);
            let rows = match &last_row {
                Some(last) if *last < range.start => Vec::new(),
                // There is a row ahead, so the range need not end for this to end in it: such a seek is cheaper,
                // as the index looks for the end of a range, too.
                Some(_) if want == 1 => {
                    let endless = KeyRange { start: range.start.clone(), end: None };
                    snapshot.scan(&endless, 1, Direction::Forward).await?
                }
                _ => snapshot.scan(&range, want, Direction::Forward).await?,
            };
            let more = rows.len() == want;
            let last = rows.last().map(|row| row.key.clone());
            self.fold(rows, &mut found)?;
            if found.len() > limit {
                found.truncate(limit);
                return Ok((found, true));
            }
            let (Some(last), true) = (last, more) else {
                return Ok((found, false));
            };
            range = range.after(&last);
            match found.last() {
                // The last row read lies below it, and so may many more.
                Some(Folded::Prefix(prefix)) => {
                    let prefix = prefix.clone();
                    self.seek_past(&mut range, &prefix);
                    batch = FOLDING_ROWS;
                }
                _ => batch = (batch * 2).min(PAGE_ROWS),
            }
        }
    }

    /// Adds rows to `found`, folding.
    fn fold(&self, rows: Vec<Scanned>, found: &mut Vec<Folded>) -> Result<(), StoreError> {
        for row in rows {
            let name = keys::object_key_of(&row.key)
                .ok_or_else(|| StoreError::Corrupt(format!("{:?}: not an object's key", row.key)))?;
            match self.common_prefix(&name) {
                None => found.push(Folded::Row(row)),
                Some(prefix) => match found.last() {
                    Some(Folded::Prefix(last)) if *last == prefix => {}
                    _ => found.push(Folded::Prefix(prefix)),
                },
            }
        }
        Ok(())
    }

    /// The prefix that stands for `name`, if it folds.
    pub(crate) fn common_prefix(&self, name: &str) -> Option<String> {
        let delimiter = self.query.delimiter.as_deref().filter(|d| !d.is_empty())?;
        let rest = name.strip_prefix(&self.query.prefix)?;
        let at = rest.find(delimiter)?;
        Some(name[..self.query.prefix.len() + at + delimiter.len()].to_owned())
    }

    fn seek_past(&self, range: &mut KeyRange, prefix: &str) {
        if let Some(next) = (self.prefix_key)(self.incarnation, prefix).successor_of_prefix()
            && next > range.start
        {
            range.start = next;
        }
    }
}
