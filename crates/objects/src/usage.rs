//! How much every bucket holds, and how much it may.
//!
//! A put is blind to what it replaces until it is committed, and must not pay for accounting with a read or
//! a write. So the books are kept in memory: each commit notes what it changed, with its LSN; now and then
//! [`Count`] counts a bucket from its facts, as of one snapshot, and adds what was noted since. What is
//! known is written down every few seconds, so that a start does not begin at nothing.
//!
//! **How wrong it can be.** Until the next count a figure may miss what the last [`WRITE_EVERY`] before a
//! kill changed, double what two writers of one key replaced at the same moment, and hold what a commit of
//! several engines staged and lost. A count after the start mends the first, every count the others.
//!
//! **Quotas** are held against those figures and what is on its way in ([`Claim`]), so that uploads at the same
//! time cannot pass together where none could alone.

mod count;
mod quota;

pub use count::Count;
pub use quota::{Claim, Quota, Quotas};

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use headwater_base::{AccountId, Timestamp};
use headwater_store::Lsn;

use crate::records::usage::UsageRecord;
use crate::records::{decode, keys};
use crate::{Bucket, BucketName, ObjectError, Objects};

/// How often what changed is written down.
pub(crate) const WRITE_EVERY: Duration = Duration::from_secs(10);

/// What a bucket holds, and may hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BucketUsage {
    /// The bucket.
    pub bucket: BucketName,
    /// Whose it is.
    pub owner: AccountId,
    /// Objects.
    pub objects: u64,
    /// Bytes of objects, and of the parts of uploads under way.
    pub bytes: u64,
    /// When it was last counted from the facts; `None`: not yet.
    pub counted: Option<Timestamp>,
    /// What it may hold.
    pub quota: Quota,
}

/// A change of what a bucket holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Growth {
    pub(crate) objects: i64,
    pub(crate) bytes: i64,
}

impl Growth {
    /// From an object (or part) of `old` bytes, if there was one, to one of `new`.
    pub(crate) fn of_object(old: Option<u64>, new: Option<u64>) -> Self {
        Self {
            objects: i64::from(new.is_some()) - i64::from(old.is_some()),
            bytes: Self::of_bytes(old, new).bytes,
        }
    }

    /// The same where it is no object.
    pub(crate) fn of_bytes(old: Option<u64>, new: Option<u64>) -> Self {
        // Bodies are 5 TiB at most.
        Self { objects: 0, bytes: new.unwrap_or_default() as i64 - old.unwrap_or_default() as i64 }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.objects += other.objects;
        self.bytes += other.bytes;
    }
}

/// The books of every bucket that something happened in, by incarnation.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(super) quotas: Quotas,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    buckets: HashMap<u64, Entry>,
    counting: Option<Counting>,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    /// What it holds.
    held: Growth,
    /// What is on its way in.
    claimed: Growth,
    /// What commits up to this one did is in `held`.
    upto: Lsn,
    counted: Option<Timestamp>,
    /// Whether what was written down has been read.
    is_loaded: bool,
    is_changed: bool,
}

/// A count under way.
#[derive(Debug)]
struct Counting {
    incarnation: u64,
    /// The snapshot's commit; what is noted before that is known waits.
    snapshot: Option<Lsn>,
    waiting: Vec<(Lsn, Growth)>,
    since: Growth,
}

impl Books {
    pub(crate) fn with_quotas(quotas: Quotas) -> Self {
        Self { quotas, inner: Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no holder of this lock panics")
    }

    /// Notes what the commit `lsn` did.
    pub(crate) fn note(&self, incarnation: u64, lsn: Lsn, change: Growth) {
        let mut inner = self.inner();
        let entry = inner.buckets.entry(incarnation).or_default();
        // A count that ended meanwhile has seen it.
        if lsn > entry.upto {
            entry.held.add(change);
            entry.is_changed = true;
        }
        if let Some(counting) = inner.counting.as_mut().filter(|c| c.incarnation == incarnation) {
            match counting.snapshot {
                Some(snapshot) if lsn > snapshot => counting.since.add(change),
                Some(_) => {}
                None => counting.waiting.push((lsn, change)),
            }
        }
    }

    /// Notes what a commit will do that somebody else makes.
    pub(crate) fn note_staged(&self, incarnation: u64, change: Growth) {
        self.note(incarnation, Lsn(u64::MAX), change);
    }

    fn begin_count(&self, incarnation: u64) {
        let counting =
            Counting { incarnation, snapshot: None, waiting: Vec::new(), since: Growth::default() };
        self.inner().counting = Some(counting);
    }

    /// The snapshot is taken.
    fn count_from(&self, snapshot: Lsn) {
        if let Some(counting) = &mut self.inner().counting {
            counting.snapshot = Some(snapshot);
            for (lsn, change) in std::mem::take(&mut counting.waiting) {
                if lsn > snapshot {
                    counting.since.add(change);
                }
            }
        }
    }

    /// The snapshot held `counted`.
    fn end_count(&self, counted: Growth, now: Timestamp) {
        let mut inner = self.inner();
        let Some(counting) = inner.counting.take() else { return };
        let entry = inner.buckets.entry(counting.incarnation).or_default();
        entry.held = counted;
        entry.held.add(counting.since);
        entry.upto = counting.snapshot.unwrap_or_default();
        (entry.counted, entry.is_loaded, entry.is_changed) = (Some(now), true, true);
    }

    /// Takes what was written down as the beginning, unless that is known already.
    fn load(&self, incarnation: u64, record: Option<&UsageRecord>) {
        let mut inner = self.inner();
        let entry = inner.buckets.entry(incarnation).or_default();
        if std::mem::replace(&mut entry.is_loaded, true) {
            return;
        }
        if let Some(record) = record {
            let held = Growth { objects: record.objects as i64, bytes: record.bytes as i64 };
            entry.held.add(held);
            entry.counted = Some(Timestamp::from_ms(record.counted_ms));
        }
    }

    fn is_loaded(&self, incarnation: u64) -> bool {
        self.inner().buckets.get(&incarnation).is_some_and(|entry| entry.is_loaded)
    }

    /// Up to `limit` buckets whose figures changed since they were written down.
    fn take_changed(&self, limit: usize) -> Vec<(u64, UsageRecord)> {
        let mut inner = self.inner();
        let changed = inner.buckets.iter_mut().filter(|(_, entry)| entry.is_changed && entry.is_loaded);
        let record = |(incarnation, entry): (&u64, &mut Entry)| {
            entry.is_changed = false;
            (*incarnation, entry.record())
        };
        changed.take(limit).map(record).collect()
    }

    /// They could not be written down.
    fn still_changed(&self, incarnations: impl Iterator<Item = u64>) {
        let mut inner = self.inner();
        for incarnation in incarnations {
            if let Some(entry) = inner.buckets.get_mut(&incarnation) {
                entry.is_changed = true;
            }
        }
    }

    /// Forgets buckets that are gone.
    fn keep_only(&self, there: &HashSet<u64>) {
        self.inner().buckets.retain(|incarnation, entry| {
            there.contains(incarnation) || entry.claimed != Growth::default() || entry.counted.is_none()
        });
    }

    /// Forgets everything: the store was wiped.
    fn clear(&self) {
        *self.inner() = Inner::default();
    }

    fn entry(&self, incarnation: u64) -> Entry {
        self.inner().buckets.get(&incarnation).cloned().unwrap_or_default()
    }
}

impl Entry {
    fn record(&self) -> UsageRecord {
        UsageRecord {
            objects: self.held.objects.max(0) as u64,
            bytes: self.held.bytes.max(0) as u64,
            counted_ms: self.counted.unwrap_or(Timestamp::EPOCH).ms(),
        }
    }
}

impl Objects {
    /// What every bucket holds and may hold, by name.
    ///
    /// # Errors
    /// The store's.
    pub async fn usage(&self) -> Result<Vec<BucketUsage>, ObjectError> {
        let mut found = Vec::new();
        for bucket in self.all_buckets().await? {
            self.load_usage(bucket.incarnation).await?;
            let entry = self.books.entry(bucket.incarnation);
            let record = entry.record();
            found.push(BucketUsage {
                quota: self.books.quotas.of(&bucket.name),
                owner: bucket.owner,
                objects: record.objects,
                bytes: record.bytes,
                counted: entry.counted.filter(|time| *time != Timestamp::EPOCH),
                bucket: bucket.name,
            });
        }
        Ok(found)
    }

    /// Makes room in the bucket's quota for `objects` more objects of `bytes` in all, until the claim is
    /// dropped: after the commit that puts them.
    ///
    /// # Errors
    /// [`ObjectError::QuotaExceeded`].
    pub async fn claim(&self, bucket: &Bucket, objects: u64, bytes: u64) -> Result<Claim, ObjectError> {
        let quota = self.books.quotas.of(&bucket.name);
        if quota.is_unlimited() {
            return Ok(Claim::default());
        }
        self.load_usage(bucket.incarnation).await?;
        Claim::make(&self.books, bucket, quota, objects, bytes)
    }

    async fn load_usage(&self, incarnation: u64) -> Result<(), ObjectError> {
        if self.books.is_loaded(incarnation) {
            return Ok(());
        }
        let key = keys::usage(incarnation);
        let fact = self.store.get(&key).await?;
        let record = fact.map(|fact| decode::<UsageRecord>(&key, &fact.value)).transpose()?;
        self.books.load(incarnation, record.as_ref());
        Ok(())
    }

    /// The reconciler that counts buckets and writes down what is known of them.
    pub fn count(&self) -> Count {
        Count::new(self.clone())
    }
}

/// Shared by the engine's clones.
pub(crate) type SharedBooks = Arc<Books>;

#[cfg(test)]
mod tests {
    use super::*;

    fn held(books: &Books) -> (i64, i64) {
        let entry = books.entry(1);
        (entry.held.objects, entry.held.bytes)
    }

    fn put(bytes: u64) -> Growth {
        Growth::of_object(None, Some(bytes))
    }

    #[test]
    fn a_count_holds_what_its_snapshot_saw_and_what_came_after_once() {
        let books = Books::default();
        books.note(1, Lsn(5), put(10));
        books.begin_count(1);
        // Before the snapshot is known: one in it, one after it.
        books.note(1, Lsn(6), put(100));
        books.note(1, Lsn(8), put(1000));
        books.count_from(Lsn(7));
        books.note(1, Lsn(9), Growth::of_object(Some(10), None));
        books.note(2, Lsn(10), put(7));
        books.end_count(Growth { objects: 2, bytes: 110 }, Timestamp::from_ms(1));
        assert_eq!(held(&books), (2, 1100));
        // Told late: the count has seen it.
        books.note(1, Lsn(7), put(5));
        assert_eq!(held(&books), (2, 1100));
        books.note(1, Lsn(11), Growth::of_object(Some(1000), Some(1)));
        assert_eq!(held(&books), (2, 101));
    }

    #[test]
    fn what_was_written_down_is_where_a_start_begins() {
        let books = Books::default();
        books.note(1, Lsn(5), put(10));
        assert!(books.take_changed(10).is_empty(), "a part of it must not be written down as all of it");
        let record = UsageRecord { objects: 5, bytes: 50, counted_ms: 3 };
        books.load(1, Some(&record));
        books.load(1, Some(&record));
        assert_eq!(held(&books), (6, 60));
        assert_eq!(books.take_changed(10), [(1, UsageRecord { objects: 6, bytes: 60, counted_ms: 3 })]);
        assert!(books.take_changed(10).is_empty());
        books.still_changed([1].into_iter());
        assert_eq!(books.take_changed(10).len(), 1);
    }

    #[test]
    fn figures_never_go_below_nothing() {
        let books = Books::default();
        books.note(1, Lsn(5), Growth::of_object(Some(10), None));
        books.load(1, None);
        assert_eq!(books.take_changed(10), [(1, UsageRecord { objects: 0, bytes: 0, counted_ms: 0 })]);
    }
}
