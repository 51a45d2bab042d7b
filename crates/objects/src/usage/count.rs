//! Counts buckets from their facts, one after the other, and writes down what is known of them.
//!
//! A round counts every bucket. It costs reading every object's fact once, so the next begins no sooner
//! than [`ROUND_EVERY`], and never takes more than one part in [`ROUND_SHARE`] of the time.
//!
//! **Failure.** A round that fails is begun again. What was counted stays.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use headwater_store::{Commit, Direction, KeyRange, Snapshot, StoreError};
use headwater_work::{Pass, Reconciler, TaskResult};

use super::{Growth, WRITE_EVERY};
use crate::records::usage::{CountedObject, CountedPart};
use crate::records::{decode, encode, keys};
use crate::{ObjectError, Objects};

/// How long after the beginning of a round the next one begins.
const ROUND_EVERY: Duration = Duration::from_secs(3600);
/// After a round that took a second the next one begins in so many seconds at least.
const ROUND_SHARE: u32 = 20;
/// How many rows are read at a time, and how many such pages a pass reads.
const PAGE_ROWS: usize = 1000;
const PASS_PAGES: usize = 16;
/// How many buckets are written down by one commit.
const COMMIT_BUCKETS: usize = 500;

/// Counts buckets; run by `work`.
#[derive(Debug)]
pub struct Count {
    objects: Objects,
    round: Mutex<Round>,
}

#[derive(Debug, Default)]
struct Round {
    /// Of the store whose facts are counted.
    generation: u64,
    /// When the round began, by the monotonic clock, and whether it has ended.
    begun: Option<Duration>,
    next: Duration,
    written: Duration,
    left: VecDeque<u64>,
    bucket: Option<Walk>,
}

/// A bucket being counted.
#[derive(Debug)]
struct Walk {
    snapshot: Arc<dyn Snapshot>,
    counted: Growth,
    kind: Kind,
    range: KeyRange,
    incarnation: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// `CURRENT` facts that are no copies.
    Plain,
    Versions,
    Uploads,
}

#[async_trait]
impl Reconciler for Count {
    fn name(&self) -> String {
        "objects: count what buckets hold".to_owned()
    }

    async fn pass(&self) -> TaskResult<Pass> {
        Ok(self.step().await?)
    }
}

impl Count {
    /// How often a pass is due.
    pub(crate) const EVERY: Duration = WRITE_EVERY;

    pub(super) fn new(objects: Objects) -> Self {
        Self { objects, round: Mutex::default() }
    }

    /// One bounded step.
    ///
    /// # Errors
    /// The store's; the step can be repeated.
    pub async fn step(&self) -> Result<Pass, ObjectError> {
        let mut round = std::mem::take(&mut *self.round.lock().expect("no holder of this lock panics"));
        let outcome = self.step_of(&mut round).await;
        *self.round.lock().expect("no holder of this lock panics") = round;
        outcome
    }

    async fn step_of(&self, round: &mut Round) -> Result<Pass, ObjectError> {
        let now = self.objects.seams.clock.monotonic();
        self.notice_wipe(round);
        if round.written == Duration::ZERO || now.saturating_sub(round.written) >= WRITE_EVERY {
            round.written = now;
            self.write_down().await?;
        }
        if round.begun.is_none() && now >= round.next {
            round.left = self.begin().await?;
            round.begun = Some(now);
        }
        for _ in 0..PASS_PAGES {
            if !self.advance(round).await? {
                self.end(round);
                return Ok(Pass::Done);
            }
        }
        Ok(Pass::More)
    }

    /// Counts everything now, whenever it was counted last.
    ///
    /// # Errors
    /// The store's.
    pub async fn count_all(&self) -> Result<(), ObjectError> {
        self.round.lock().expect("no holder of this lock panics").next = Duration::ZERO;
        while self.step().await? == Pass::More {}
        self.write_down().await
    }

    fn notice_wipe(&self, round: &mut Round) {
        let generation = self.objects.store.status().generation;
        if round.generation != generation {
            if round.generation != 0 || round.begun.is_some() || round.bucket.is_some() {
                self.objects.books.clear();
            }
            *round = Round { generation, ..Round::default() };
        }
    }

    /// The buckets there are; forgets the others.
    async fn begin(&self) -> Result<VecDeque<u64>, ObjectError> {
        let buckets = self.objects.all_buckets().await?;
        let there: HashSet<u64> = buckets.iter().map(|bucket| bucket.incarnation).collect();
        self.objects.books.keep_only(&there);
        let mut range = KeyRange::prefix(&keys::all_usage());
        loop {
            let rows = self.objects.store.scan(&range, PAGE_ROWS, Direction::Forward).await?;
            let gone = rows.iter().filter(|row| {
                keys::incarnation_of(&row.key).is_none_or(|incarnation| !there.contains(&incarnation))
            });
            let commit = gone.fold(Commit::new().freeing(), |commit, row| commit.delete(row.key.clone()));
            if !commit.is_empty() {
                self.objects.store.commit(commit).await?;
            }
            match rows.last() {
                Some(last) if rows.len() == PAGE_ROWS => range = range.after(&last.key),
                _ => return Ok(buckets.into_iter().map(|bucket| bucket.incarnation).collect()),
            }
        }
    }

    fn end(&self, round: &mut Round) {
        if let Some(begun) = round.begun.take() {
            let took = self.objects.seams.clock.monotonic().saturating_sub(begun);
            round.next = begun + ROUND_EVERY.max(took * ROUND_SHARE);
        }
    }

    /// Reads one page. Returns whether there is more to read.
    async fn advance(&self, round: &mut Round) -> Result<bool, ObjectError> {
        if round.bucket.is_none() {
            let Some(incarnation) = round.left.pop_front() else { return Ok(false) };
            round.bucket = Some(self.begin_bucket(incarnation).await?);
        }
        // A walk that fails is not gone on with: its bucket is counted again in the next round.
        let Some(mut walk) = round.bucket.take() else { return Ok(false) };
        if walk.page().await? {
            round.bucket = Some(walk);
        } else {
            self.objects.books.end_count(walk.counted, self.objects.seams.clock.now());
        }
        Ok(true)
    }

    async fn begin_bucket(&self, incarnation: u64) -> Result<Walk, ObjectError> {
        self.objects.books.begin_count(incarnation);
        let snapshot = self.objects.store.snapshot().await?;
        self.objects.books.count_from(snapshot.lsn());
        let range = KeyRange::prefix(&keys::current_prefix(incarnation, ""));
        Ok(Walk { snapshot, counted: Growth::default(), kind: Kind::Plain, range, incarnation })
    }

    async fn write_down(&self) -> Result<(), ObjectError> {
        loop {
            let changed = self.objects.books.take_changed(COMMIT_BUCKETS);
            if changed.is_empty() {
                return Ok(());
            }
            let commit = changed.iter().fold(Commit::new(), |commit, (incarnation, record)| {
                commit.put(keys::usage(*incarnation), encode(record))
            });
            if let Err(error) = self.objects.store.commit(commit).await {
                self.objects.books.still_changed(changed.into_iter().map(|(incarnation, _)| incarnation));
                return Err(error.into());
            }
        }
    }
}

impl Walk {
    /// Counts a page. Returns whether there is another.
    async fn page(&mut self) -> Result<bool, StoreError> {
        let rows = self.snapshot.scan(&self.range, PAGE_ROWS, Direction::Forward).await?;
        for row in &rows {
            match self.kind {
                Kind::Plain | Kind::Versions => {
                    let object: CountedObject = decode(&row.key, &row.fact.value)?;
                    let is_copy = self.kind == Kind::Plain && object.seq.is_some();
                    if !is_copy && object.marker != Some(true) {
                        self.counted.add(Growth::of_object(None, Some(object.size)));
                    }
                }
                Kind::Uploads => {
                    if let Some(upload) = keys::upload_of(&row.key) {
                        self.count_parts(upload).await?;
                    }
                }
            }
        }
        match (rows.last(), self.kind) {
            (Some(last), _) if rows.len() == PAGE_ROWS => {
                self.range = self.range.clone().after(&last.key);
                Ok(true)
            }
            (_, Kind::Plain) => {
                self.kind = Kind::Versions;
                self.range = KeyRange::prefix(&keys::version_prefix(self.incarnation, ""));
                Ok(true)
            }
            (_, Kind::Versions) => {
                self.kind = Kind::Uploads;
                self.range = KeyRange::prefix(&keys::upload_prefix(self.incarnation, ""));
                Ok(true)
            }
            (_, Kind::Uploads) => Ok(false),
        }
    }

    async fn count_parts(&mut self, upload: [u8; 16]) -> Result<(), StoreError> {
        let mut range = KeyRange::prefix(&keys::parts(upload));
        loop {
            let rows = self.snapshot.scan(&range, PAGE_ROWS, Direction::Forward).await?;
            for row in &rows {
                let part: CountedPart = decode(&row.key, &row.fact.value)?;
                self.counted.add(Growth::of_bytes(None, Some(part.size)));
            }
            match rows.last() {
                Some(last) if rows.len() == PAGE_ROWS => range = range.after(&last.key),
                _ => return Ok(()),
            }
        }
    }
}
