//! The journal thread: takes what is queued, writes it with one write and one fdatasync, hands it on.
//!
//! Batching is natural: while one group is being synced, the next one gathers. No timer, so a lone
//! commit waits for nobody.
//!
//! **Failure.** A failed write or fdatasync ends the process ([`disk::fatal`]). For want of room for
//! another file the thread waits, and ordinary commits are refused meanwhile.

use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::time::Duration;

use headwater_base::Clock;

use crate::Lsn;
use crate::embedded::engine::Shared;
use crate::embedded::front::{Front, Queued, Reply};
use crate::embedded::journal::codec::{self, Placed};
use crate::embedded::journal::files::{JournalFile, JournalFiles};
use crate::embedded::journal::format::{GROUP_HEADER_BYTES, GroupHeader, padded, seal_group};
use crate::embedded::{disk, keeper};
use crate::sequencer::{Effects, LogEffect};

/// How long the thread waits for room before it looks again.
const NO_ROOM_WAIT: Duration = Duration::from_millis(100);

/// A group that is durable.
#[derive(Debug)]
pub(crate) struct DurableGroup {
    /// The file it is in.
    pub file: Arc<JournalFile>,
    /// Its entries, each with the places of its batches in the file.
    pub entries: Vec<(Effects, Vec<Placed>)>,
    /// Who waits for it, and the bytes each had queued.
    pub replies: Vec<Reply>,
}

/// The thread's state.
#[derive(Debug)]
pub(crate) struct Writer {
    /// The store; asked for room at each new file.
    pub shared: Arc<Shared>,
    /// Where commits queue.
    pub front: Arc<Front>,
    /// Where files come from.
    pub files: Arc<JournalFiles>,
    /// Where groups go.
    pub durable: Sender<DurableGroup>,
    /// For the age of a file's first batch.
    pub clock: Clock,
    /// The file being written.
    pub active: Arc<JournalFile>,
    /// Where the next group goes.
    pub position: u64,
    /// The CRC of the last group in the file.
    pub previous: u32,
    /// Batches in the file.
    pub batches: u64,
    /// See `StoreOptions`.
    pub batches_max: u64,
    /// See `StoreOptions`.
    pub group_bytes_max: usize,
    /// The size of a file that must be prepared while commits wait.
    pub file_bytes: u64,
    /// The group being built; kept for its allocation.
    pub buffer: Vec<u8>,
}

impl Writer {
    /// Runs until the store is closed and the queue is empty.
    pub fn run(&mut self) {
        while let Some(taken) = self.front.take_group(self.group_bytes_max) {
            if taken.roll {
                self.roll(0);
            }
            if !taken.queued.is_empty() {
                self.write_group(taken.queued);
            }
        }
    }

    /// Writes the mark of a clean shutdown: everything up to `next` is durable in the index.
    /// A full file does without: the next start then looks a little closer.
    pub fn write_end_mark(&mut self, next: Lsn) {
        self.buffer.clear();
        self.buffer.resize(GROUP_HEADER_BYTES, 0);
        if self.position + padded(self.buffer.len() as u64) <= self.active.size {
            self.write(next, 0, true);
        }
    }

    fn write_group(&mut self, queued: Vec<Queued>) {
        self.buffer.clear();
        self.buffer.resize(GROUP_HEADER_BYTES, 0);
        let mut entries = Vec::with_capacity(queued.len());
        let mut replies = Vec::with_capacity(queued.len());
        for one in queued {
            if let Some(effects) = one.effects {
                let placed = self.encode(&effects);
                entries.push((effects, placed));
            }
            replies.extend(one.reply);
        }
        if let Some((first, _)) = entries.first() {
            let first_lsn = first.lsn;
            self.make_room();
            let start = self.position;
            self.write(first_lsn, entries.len() as u32, false);
            self.account(&mut entries, start);
        }
        let group = DurableGroup { file: Arc::clone(&self.active), entries, replies };
        self.durable.send(group).unwrap_or_else(|error| {
            disk::fatal("hand a durable group to the apply thread of", &self.active.path, &error)
        });
    }

    fn encode(&mut self, effects: &Effects) -> Vec<Placed> {
        let length_at = self.buffer.len();
        self.buffer.extend_from_slice(&[0; 4]);
        let mut placed = Vec::new();
        codec::encode(effects, &mut self.buffer, &mut placed);
        let length = (self.buffer.len() - length_at - 4) as u32;
        self.buffer[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
        placed
    }

    /// Sees to it that the group in the buffer fits into the active file.
    fn make_room(&mut self) {
        let needed = padded(self.buffer.len() as u64);
        if self.position + needed > self.active.size || self.batches >= self.batches_max {
            self.roll(needed);
        }
    }

    fn roll(&mut self, needed: u64) {
        loop {
            match self.files.activate(JournalFile::FIRST_GROUP_AT + needed, self.file_bytes) {
                Ok(file) => {
                    self.active = file;
                    self.position = JournalFile::FIRST_GROUP_AT;
                    self.previous = 0;
                    self.batches = 0;
                    keeper::look_at_room(&self.shared);
                    self.shared.wake.notify_waiters();
                    return;
                }
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                    self.front.set_full(true);
                    self.front.wait_a_moment(NO_ROOM_WAIT);
                }
                Err(error) => disk::fatal("prepare a journal file after", &self.active.path, &error),
            }
        }
    }

    fn write(&mut self, first_lsn: Lsn, count: u32, end: bool) {
        let length = (self.buffer.len() - GROUP_HEADER_BYTES) as u32;
        let (epoch, previous) = (self.active.epoch, self.previous);
        let header = GroupHeader { end, epoch, previous, count, first_lsn, length, crc: 0 };
        self.previous = seal_group(&mut self.buffer, &header, self.active.salt);
        let file = &self.active.file;
        if let Err(error) = file.write_all_at(&self.buffer, self.position).and_then(|()| file.sync_data()) {
            disk::fatal("write to", &self.active.path, &error);
        }
        self.position += self.buffer.len() as u64;
        self.active.written.store(self.position, Ordering::Relaxed);
    }

    /// Turns places in the buffer into places in the file, and counts what went in.
    fn account(&mut self, entries: &mut [(Effects, Vec<Placed>)], start: u64) {
        let (mut batches, mut bytes) = (0, 0);
        for (effects, placed) in entries.iter_mut() {
            for place in placed.iter_mut() {
                place.position += start as usize;
            }
            batches += placed.len() as u64;
            bytes += effects.logs.iter().map(payload_bytes).sum::<u64>();
        }
        self.batches += batches;
        if batches > 0 && self.active.first_batch_ms.load(Ordering::Relaxed) == 0 {
            let now = self.clock.monotonic().as_millis() as u64;
            self.active.first_batch_ms.store(now.max(1), Ordering::Relaxed);
        }
        self.active.payload_bytes.fetch_add(bytes, Ordering::Relaxed);
        let last = entries.last().map_or(0, |(effects, _)| effects.lsn.0);
        self.active.last_lsn.store(last, Ordering::Release);
        // Not every caller reads this, but a buffer that once held 8 MiB need not stay that large.
        if self.buffer.capacity() > 2 * self.group_bytes_max {
            self.buffer = Vec::with_capacity(self.group_bytes_max);
        }
    }
}

/// The bytes of log payload in a change.
pub(crate) fn payload_bytes(change: &LogEffect) -> u64 {
    match change {
        LogEffect::Appended { payload, .. } => payload.len() as u64,
        LogEffect::Created(_) | LogEffect::Dropped(_) | LogEffect::Trimmed(..) => 0,
    }
}
