//! What an embedded store may be told, with defaults for a production node.

use std::time::Duration;

use headwater_base::ByteSize;

/// Sizes, bounds and intervals of an embedded store. Change single fields of the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// The size of a journal file. Default 256 MiB. Must hold one largest commit (8 MiB) at least.
    pub journal_file: ByteSize,
    /// The size of the first journal file of a start, and of one that commits must wait for because no
    /// full-size one is ready: small, so that it is there at once. Default 32 MiB.
    pub journal_first_file: ByteSize,
    /// A journal file is closed at this many batches even if it has room, which bounds the memory
    /// that unsettled batches cost (about 48 bytes each). Default 200,000.
    pub journal_file_batches: u64,
    /// The most bytes in one journal write; one larger commit goes alone. Default 4 MiB.
    pub group: ByteSize,
    /// The most bytes waiting to be journalled before commits are parked. Default 64 MiB.
    pub queue: ByteSize,
    /// The most bytes of commits parked for want of room, or one larger commit; beyond it they get
    /// `Busy`. Default 64 MiB.
    pub parked: ByteSize,
    /// The most bytes of log payload in the journal that no segment holds yet; beyond it appends are
    /// throttled. Default 1 GiB.
    pub unsettled: ByteSize,
    /// A journal file that holds unsettled batches this old is closed and settled. Default 10 minutes.
    pub settle_after: Duration,
    /// Memory for the newest batches of all logs. Default 16 MiB.
    pub hot_tail: ByteSize,
    /// Memory for blocks of the index. Default 32 MiB.
    pub index_cache: ByteSize,
    /// Memory for not yet flushed writes of the index. Default 32 MiB.
    pub index_write_buffer: ByteSize,
    /// The index is written into tables after this many bytes of rows, which is what a start replays into it,
    /// and a bit. Default 16 MiB.
    pub index_flush: ByteSize,
    /// The index is made durable at least this often while there are commits. Default 5 s.
    pub persist_every: Duration,
    /// The index is made durable after this many journalled bytes. Default 64 MiB.
    pub persist_bytes: ByteSize,
    /// Segments are merged up to this size. Default 1 GiB.
    pub segment: ByteSize,
    /// Free space on the disk that ordinary commits may not touch, beyond what the store needs to
    /// go on working (two journal files, a settler's output, an index flush). Default 256 MiB.
    pub reserve: ByteSize,
    /// Reads that touch the disk at the same time. Default 8.
    pub catch_up_reads: usize,
    /// A bound on the bytes below the directory, for quotas and for tests; `None` asks the file
    /// system alone. Default `None`.
    pub quota: Option<ByteSize>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            journal_file: ByteSize::mib(256),
            journal_first_file: ByteSize::mib(32),
            journal_file_batches: 200_000,
            group: ByteSize::mib(4),
            queue: ByteSize::mib(64),
            parked: ByteSize::mib(64),
            unsettled: ByteSize::gib(1),
            settle_after: Duration::from_secs(600),
            hot_tail: ByteSize::mib(16),
            index_cache: ByteSize::mib(32),
            index_write_buffer: ByteSize::mib(32),
            index_flush: ByteSize::mib(16),
            persist_every: Duration::from_secs(5),
            persist_bytes: ByteSize::mib(64),
            segment: ByteSize::gib(1),
            reserve: ByteSize::mib(256),
            catch_up_reads: 8,
            quota: None,
        }
    }
}

impl StoreOptions {
    /// The most batches that no segment holds yet: what eight journal files may hold.
    pub fn unsettled_batches(&self) -> u64 {
        8 * self.journal_file_batches
    }

    /// Small files and short intervals, so that a test sees rolling, settling, merging and
    /// recycling within a few hundred commits.
    pub fn small() -> Self {
        Self {
            journal_file: ByteSize::kib(256),
            journal_first_file: ByteSize::kib(128),
            journal_file_batches: 500,
            group: ByteSize::kib(64),
            queue: ByteSize::mib(1),
            parked: ByteSize::mib(1),
            unsettled: ByteSize::mib(2),
            settle_after: Duration::from_millis(200),
            hot_tail: ByteSize::kib(32),
            index_cache: ByteSize::mib(2),
            index_write_buffer: ByteSize::mib(1),
            index_flush: ByteSize::kib(8),
            persist_every: Duration::from_millis(100),
            persist_bytes: ByteSize::kib(256),
            segment: ByteSize::mib(1),
            reserve: ByteSize::mib(1),
            catch_up_reads: 4,
            quota: None,
        }
    }
}
