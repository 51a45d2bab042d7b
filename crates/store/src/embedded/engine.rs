//! The store itself: what the threads, the loops and the callers share.
//!
//! **Invariants.** The lock order is logs, then view; no lock is held across a wait or a read of the
//! disk. `Shared` outlives every thread.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use std::thread::JoinHandle;

use async_trait::async_trait;
use headwater_base::{Seams, Timestamp};
use tokio::sync::{Notify, Semaphore};

use crate::embedded::StoreOptions;
use crate::embedded::disk::DirLock;
use crate::embedded::front::{Answer, Front, PreRead};
use crate::embedded::index::{Applied, INDEX_DIR, Index, View};
use crate::embedded::journal::files::JournalFiles;
use crate::embedded::journal::writer::DurableGroup;
use crate::embedded::logs::{Found, LogTable, Piece, read_place};
use crate::embedded::segment::read::Segment;
use crate::sequencer::{Seen, Stored};
use crate::watch::Watches;
use crate::{
    Bounds, Commit, CommitError, Committed, Direction, Fact, Key, KeyRange, LogId, Lsn, Scanned, Snapshot,
    Store, StoreError, StoreStatus, StoredBatch, Watch, WatchTarget,
};

/// Scans of more rows than this go to the blocking pool.
const INLINE_SCAN_ROWS: usize = 128;

/// What everything in an open store shares.
pub(crate) struct Shared {
    /// The data directory.
    pub dir: PathBuf,
    /// Bounds and intervals.
    pub options: StoreOptions,
    /// Time and chance.
    pub seams: Seams,
    /// Where commits enter.
    pub front: Arc<Front>,
    /// The journal's files.
    pub files: Arc<JournalFiles>,
    /// The facts.
    pub index: Index,
    /// Who waits for changes.
    pub watches: Watches,
    /// Wakes the loops.
    pub wake: Notify,
    /// Held during a loop's pass, so that closing can wait for its end.
    pub passes: [Mutex<()>; 2],
    logs: Mutex<LogTable>,
    view: RwLock<Arc<View>>,
    disk_reads: Semaphore,
    log_ids: AtomicU64,
    mark_wanted: AtomicBool,
    last_mark: AtomicU64,
    persisted: AtomicU64,
    flushed: AtomicU64,
    clean_close: AtomicBool,
    /// Counted up at each publish; the maintenance loop reads it.
    pub published_bytes: AtomicU64,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// What a recovered store starts from.
#[derive(Debug)]
pub(crate) struct Start {
    pub dir: PathBuf,
    pub options: StoreOptions,
    pub seams: Seams,
    pub front: Arc<Front>,
    pub files: Arc<JournalFiles>,
    pub index: Index,
    pub logs: LogTable,
    pub applied: Applied,
    /// The last mark.
    pub marked: Lsn,
    /// Up to where marks and facts are durable.
    pub persisted: Lsn,
    /// The epoch this opening writes to: the upper half of its log ids.
    pub epoch: u64,
}

impl Shared {
    pub fn new(start: Start) -> Self {
        let view = RwLock::new(Arc::new(start.index.view(start.applied)));
        let disk_reads = Semaphore::new(start.options.catch_up_reads.max(1));
        Self {
            dir: start.dir,
            options: start.options,
            seams: start.seams,
            front: start.front,
            files: start.files,
            index: start.index,
            watches: Watches::default(),
            wake: Notify::new(),
            passes: [Mutex::new(()), Mutex::new(())],
            logs: Mutex::new(start.logs),
            view,
            disk_reads,
            log_ids: AtomicU64::new((start.epoch << 32) | 1),
            mark_wanted: AtomicBool::new(false),
            last_mark: AtomicU64::new(start.marked.0),
            persisted: AtomicU64::new(start.persisted.0),
            flushed: AtomicU64::new(0),
            clean_close: AtomicBool::new(false),
            published_bytes: AtomicU64::new(0),
        }
    }

    /// The table of logs. Hold it shortly.
    pub fn logs(&self) -> MutexGuard<'_, LogTable> {
        self.logs.lock().expect("no holder of this lock panics")
    }

    /// The facts as published now.
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.read().expect("no holder of this lock panics"))
    }

    /// Makes durable, indexed groups visible: logs and facts at the same moment.
    pub fn swap_in(&self, groups: &[DurableGroup], applied: Applied) {
        let mut entries = groups.iter().flat_map(|group| &group.entries);
        let changed = entries.any(|(effects, _)| effects.wiped.is_some() || !effects.facts.is_empty());
        let view = if changed { self.index.view(applied) } else { self.view().advanced(applied) };
        let view = Arc::new(view);
        let mut bytes = 0;
        let mut logs = self.logs();
        for group in groups {
            for (effects, placed) in &group.entries {
                logs.publish(effects, placed, &group.file, &self.front.unsettled);
            }
            bytes += group.replies.iter().map(|reply| reply.bytes as u64).sum::<u64>();
        }
        let old = std::mem::replace(&mut *self.view.write().expect("no holder of this lock panics"), view);
        drop(logs);
        drop(old);
        self.published_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Commits on the store's own behalf: work that frees space.
    pub fn enter(&self, commit: Commit) -> tokio::sync::oneshot::Receiver<Answer> {
        self.front.enter(commit, self)
    }

    /// A number nobody has had before, also across restarts.
    pub fn new_id(&self) -> u64 {
        self.log_ids.fetch_add(1, Ordering::Relaxed)
    }

    /// Asks the apply thread for a mark.
    pub fn want_mark(&self) {
        self.mark_wanted.store(true, Ordering::Release);
    }

    /// Whether a mark is asked for.
    pub fn mark_wanted(&self) -> bool {
        self.mark_wanted.load(Ordering::Acquire)
    }

    /// The LSN of the last mark written.
    pub fn last_mark(&self) -> Lsn {
        Lsn(self.last_mark.load(Ordering::Acquire))
    }

    /// A mark was written.
    pub fn marked(&self, lsn: Lsn) {
        self.last_mark.store(lsn.0, Ordering::Release);
        self.mark_wanted.store(false, Ordering::Release);
    }

    /// Makes the index durable up to the last mark.
    pub fn persist(&self) -> Result<(), StoreError> {
        let mark = self.last_mark();
        self.index.persist()?;
        self.persisted.fetch_max(mark.0, Ordering::AcqRel);
        Ok(())
    }

    /// The LSN of the newest mark that is durable.
    pub fn persisted(&self) -> Lsn {
        Lsn(self.persisted.load(Ordering::Acquire))
    }

    /// The index's tables hold everything up to this mark.
    pub fn flushed(&self, mark: Lsn) -> Result<(), StoreError> {
        self.index.note_flushed(&self.dir.join(INDEX_DIR), mark)?;
        self.flushed.fetch_max(mark.0, Ordering::AcqRel);
        Ok(())
    }

    /// Up to where the index's tables are known to reach.
    pub fn flushed_to(&self) -> Lsn {
        Lsn(self.flushed.load(Ordering::Acquire))
    }

    /// Whether the end of the threads is a clean shutdown.
    pub fn persists_at_close(&self) -> bool {
        self.clean_close.load(Ordering::Acquire)
    }

    fn read_pieces(
        pieces: Vec<Piece>,
        offset: i64,
        max_bytes: usize,
    ) -> Result<Vec<StoredBatch>, StoreError> {
        let mut batches: Vec<StoredBatch> = Vec::new();
        let mut gathered = 0;
        for piece in pieces {
            let found = match piece {
                Piece::Journal(file, place) => vec![read_place(&file, &place)?],
                Piece::Run(run) => run.segment.read_run(&run.place, offset)?,
            };
            for batch in found {
                if gathered + batch.payload.len() > max_bytes && !batches.is_empty() {
                    return Ok(batches);
                }
                gathered += batch.payload.len();
                batches.push(batch);
            }
        }
        Ok(batches)
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let _permit = self.disk_reads.acquire().await.map_err(|_| StoreError::Closed)?;
        tokio::task::spawn_blocking(read).await.map_err(|error| StoreError::Io(error.to_string()))?
    }

    fn open(&self) -> Result<(), StoreError> {
        if self.front.is_closing() { Err(StoreError::Closed) } else { Ok(()) }
    }
}

impl PreRead for Shared {
    fn seen(&self, keys: &mut dyn Iterator<Item = Option<&Key>>) -> Result<(u64, Vec<Seen>), CommitError> {
        let view = self.view();
        let mut seen = Vec::new();
        for key in keys {
            let row = key.map(|key| view.row(key)).transpose().map_err(|error| {
                tracing::error!(%error, "cannot read the index");
                CommitError::Closed
            })?;
            let found = row.flatten();
            seen.push(
                found.map_or(Seen::Absent, |(lsn, stored)| Seen::fact(lsn, stored.counter, &stored.value)),
            );
        }
        Ok((view.applied.generation, seen))
    }
}

/// The store as its users hold it. Dropping it without closing stops the threads without an end
/// mark, as a crash would, once what is queued is written.
#[derive(Debug)]
pub(crate) struct Embedded {
    pub shared: Arc<Shared>,
    pub threads: Mutex<Option<Threads>>,
}

/// The two threads, and what they leave to do.
#[derive(Debug)]
pub(crate) struct Threads {
    pub journal: JoinHandle<crate::embedded::journal::writer::Writer>,
    pub apply: JoinHandle<()>,
    pub lock: DirLock,
}

impl Embedded {
    fn stop(&self, clean: bool) {
        self.shared.clean_close.store(clean, Ordering::Release);
        self.shared.front.close();
        self.shared.wake.notify_waiters();
        let Some(threads) = self.threads.lock().expect("no holder of this lock panics").take() else {
            return;
        };
        for pass in &self.shared.passes {
            // A pass that is under way ends at its next step.
            drop(pass.lock().expect("no pass panics"));
        }
        let Ok(mut writer) = threads.journal.join() else { return };
        // Dropping the writer's sender ends the apply thread.
        let (sender, _) = std::sync::mpsc::channel();
        writer.durable = sender;
        if threads.apply.join().is_ok() && clean {
            writer.write_end_mark(Lsn(self.shared.front.with_state(|state| state.last_lsn).0 + 1));
        }
        self.shared.watches.close();
        drop(threads.lock);
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.stop(false);
    }
}

#[async_trait]
impl Store for Embedded {
    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        self.shared.enter(commit).await.unwrap_or(Err(CommitError::Closed))
    }

    async fn get(&self, key: &Key) -> Result<Option<Fact>, StoreError> {
        self.shared.open()?;
        self.shared.view().get(key)
    }

    async fn scan(
        &self,
        range: &KeyRange,
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<Scanned>, StoreError> {
        self.shared.open()?;
        scan(&self.shared, self.shared.view(), range, limit, direction).await
    }

    async fn snapshot(&self) -> Result<Arc<dyn Snapshot>, StoreError> {
        self.shared.open()?;
        Ok(Arc::new(EmbeddedSnapshot { shared: Arc::clone(&self.shared), view: self.shared.view() }))
    }

    fn new_log_id(&self) -> LogId {
        LogId(self.shared.new_id())
    }

    async fn read(&self, log: LogId, offset: i64, max_bytes: usize) -> Result<Vec<StoredBatch>, StoreError> {
        self.shared.open()?;
        let (start, found) = {
            let logs = self.shared.logs();
            (logs.bounds(log)?.start, logs.find(log, offset, max_bytes)?)
        };
        match found {
            Found::Hot(batches) => Ok(batches),
            Found::Cold(pieces) => {
                let offset = offset.max(start);
                self.shared.on_disk(move || Shared::read_pieces(pieces, offset, max_bytes)).await
            }
        }
    }

    async fn bounds(&self, log: LogId) -> Result<Bounds, StoreError> {
        self.shared.open()?;
        self.shared.logs().bounds(log)
    }

    async fn offset_at(&self, log: LogId, time: Timestamp) -> Result<i64, StoreError> {
        self.shared.open()?;
        let (start, found) = {
            let logs = self.shared.logs();
            (logs.bounds(log)?.start, logs.find_time(log, time)?)
        };
        match found {
            Ok(offset) => Ok(offset),
            Err(run) => {
                let batches = self.shared.on_disk(move || run.segment.read_run(&run.place, i64::MIN)).await?;
                let first = batches.iter().find(|batch| batch.append_time >= time);
                let first =
                    first.ok_or_else(|| StoreError::Corrupt("a run ends before its own last time".into()))?;
                Ok(first.base_offset.max(start))
            }
        }
    }

    fn watch(&self, target: WatchTarget) -> Watch {
        self.shared.watches.watch(target)
    }

    async fn wipe(&self, keep: &[Key]) -> Result<(), CommitError> {
        let keep = keep.to_vec();
        let shared = Arc::clone(&self.shared);
        let wiped = tokio::task::spawn_blocking(move || {
            // Who was parked behind a wipe that is refused goes on.
            let wiped = shared.front.wipe(|| kept(&shared, &keep));
            wiped.inspect_err(|_| shared.front.unpark(shared.as_ref()))
        });
        let answer = wiped.await.map_err(|_| CommitError::Closed)??;
        answer.await.unwrap_or(Err(CommitError::Closed))?;
        self.shared.wake.notify_waiters();
        Ok(())
    }

    fn status(&self) -> StoreStatus {
        let logs = self.shared.logs();
        let applied = self.shared.view().applied;
        StoreStatus {
            published: applied.lsn,
            generation: applied.generation,
            unsettled_bytes: self.shared.front.unsettled.bytes.load(Ordering::Relaxed),
            queued_bytes: self.shared.front.queued_bytes(),
            segments: logs.segments.len() as u64,
            segment_bytes: logs.segments.values().map(|segment: &Arc<Segment>| segment.size).sum(),
            logs: logs.len() as u64,
            full: self.shared.front.is_full(),
        }
    }

    async fn close(&self) -> Result<(), StoreError> {
        // Joining the threads takes an fsync or two; whoever closes has nothing else to do.
        self.stop(true);
        Ok(())
    }
}

/// The facts that survive a wipe, as they are now.
fn kept(shared: &Shared, keep: &[Key]) -> Result<Vec<(Key, Lsn, Stored)>, CommitError> {
    let view = shared.view();
    let mut kept = Vec::new();
    let mut size = 0;
    for range in keep.iter().map(KeyRange::prefix) {
        for row in view.rows(&range) {
            let (key, version, stored) = row.map_err(|error| {
                tracing::error!(%error, "cannot read the index");
                CommitError::Closed
            })?;
            size += key.len() + stored.value.len() + 16;
            kept.push((key, version, stored));
        }
    }
    let limit = crate::limits::COMMIT_BYTES_MAX;
    if size > limit { Err(CommitError::TooLarge { size, limit }) } else { Ok(kept) }
}

async fn scan(
    shared: &Shared,
    view: Arc<View>,
    range: &KeyRange,
    limit: usize,
    direction: Direction,
) -> Result<Vec<Scanned>, StoreError> {
    if limit <= INLINE_SCAN_ROWS {
        return view.scan(range, limit, direction);
    }
    let range = range.clone();
    shared.on_disk(move || view.scan(&range, limit, direction)).await
}

#[derive(Debug)]
struct EmbeddedSnapshot {
    shared: Arc<Shared>,
    view: Arc<View>,
}

#[async_trait]
impl Snapshot for EmbeddedSnapshot {
    fn lsn(&self) -> Lsn {
        self.view.applied.lsn
    }

    async fn get(&self, key: &Key) -> Result<Option<Fact>, StoreError> {
        self.view.get(key)
    }

    async fn scan(
        &self,
        range: &KeyRange,
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<Scanned>, StoreError> {
        scan(&self.shared, Arc::clone(&self.view), range, limit, direction).await
    }
}
