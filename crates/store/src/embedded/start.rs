//! Puts a recovered store to work.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use headwater_base::Seams;

use crate::Lsn;
use crate::embedded::apply::Applier;
use crate::embedded::disk::{self, DirLock, io_error};
use crate::embedded::engine::{Embedded, Shared, Start, Threads};
use crate::embedded::front::{Bounds, Front, Unsettled};
use crate::embedded::journal::codec::{self, Placed};
use crate::embedded::journal::files::{JournalFile, JournalFiles};
use crate::embedded::journal::format::{GROUP_HEADER_BYTES, GroupHeader, padded, seal_group};
use crate::embedded::journal::writer::{DurableGroup, Writer};
use crate::embedded::logs::{LogTable, Place};
use crate::embedded::recover::{self, Recovery};
use crate::embedded::segment::write::parse_segment_name;
use crate::embedded::{Backup, OpenError, Opened, StoreLoop, StoreOptions, keeper, settle};
use crate::limits::COMMIT_BYTES_MAX;
use crate::sequencer::LogEffect;

/// What the file `FORMAT` says.
const FORMAT: u32 = 1;
const FORMAT_TEXT: &str = "headwater store ";

/// Opens or begins the store in `dir`.
pub(crate) fn open(dir: &Path, options: StoreOptions, seams: Seams) -> Result<Opened, OpenError> {
    if options.journal_first_file.bytes() > options.journal_file.bytes() {
        return Err(OpenError::Options("the first journal file is larger than the others"));
    }
    disk::create_dir_durably(dir).map_err(io_error("create", dir))?;
    let lock = DirLock::take(dir)?;
    check_format(dir)?;
    let names = recover::journal_files(dir)?;
    let next_epoch = names.last().map_or(1, |(epoch, _)| epoch + 1);
    let files = JournalFiles::new(dir, options.journal_file.bytes(), seams.chance.clone(), next_epoch);
    // The file to begin in takes as long to fill as the rest takes to recover: do both at once.
    let (recovered, prepared) = std::thread::scope(|scope| {
        let preparing = scope.spawn(|| files.prepare(options.journal_first_file.bytes()));
        let recovered = recover::recover(dir, &names, &options);
        (recovered, preparing.join())
    });
    let mut recovery = recovered.inspect_err(|_| files.discard_spare())?;
    if let Ok(Err(error)) = prepared {
        tracing::warn!(%error, "cannot prepare a journal file in advance");
    }
    let unsettled = Unsettled::default();
    let logs =
        recover::recover_logs(dir, &options, &recovery, &unsettled).inspect_err(|_| files.discard_spare())?;
    sweep_unfinished(dir, &recovery)?;
    files.recovered(std::mem::take(&mut recovery.files));
    let last = recovery.report.last;
    let begun =
        begin(&files, &options, &recovery.tail, last).map_err(io_error("begin a journal file in", dir))?;
    recovery.apply_tail()?;
    sweep_segments(dir, &logs)?;
    let report = recovery.report.clone();
    launch(Parts { dir, options, seams, lock, recovery, logs, unsettled, files, begun }).map(
        |(store, shared)| {
            let keeper = Box::pin(keeper::run(Arc::clone(&shared)));
            let settler = Box::pin(settle::run(Arc::clone(&shared)));
            let loops = vec![
                StoreLoop { name: "store: journal keeper", run: keeper },
                StoreLoop { name: "store: settler", run: settler },
            ];
            Opened { store: Arc::new(store), loops, backup: Backup { shared }, recovered: report }
        },
    )
}

/// The directory says which format it has; a new one is told.
pub(crate) fn check_format(dir: &Path) -> Result<(), OpenError> {
    let path = dir.join("FORMAT");
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let found = text.trim().strip_prefix(FORMAT_TEXT).and_then(|number| number.parse().ok());
            let found =
                found.ok_or_else(|| recover::damaged("this is not a store's FORMAT file", &path, 0))?;
            if found == FORMAT { Ok(()) } else { Err(OpenError::Format { found, known: FORMAT }) }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            disk::write_durably(&path, format!("{FORMAT_TEXT}{FORMAT}\n").as_bytes())
                .map_err(io_error("write", &path))
        }
        Err(error) => Err(io_error("read", &path)(error)),
    }
}

/// Deletes what a crash left half made: temporary files, journal files without entries.
fn sweep_unfinished(dir: &Path, recovery: &Recovery) -> Result<(), OpenError> {
    let temporary = |name: &str| name.ends_with(".tmp").then_some(());
    let temporary = disk::list(dir, temporary).map_err(io_error("list", dir))?;
    delete(recovery.unused.iter().chain(temporary.iter().map(|((), path)| path)))
}

/// Deletes segments that no fact names. Not before the tail is durable: it may be what unnamed them.
fn sweep_segments(dir: &Path, logs: &LogTable) -> Result<(), OpenError> {
    let segments = disk::list(dir, parse_segment_name).map_err(io_error("list", dir))?;
    delete(segments.iter().filter(|(id, _)| !logs.segments.contains_key(id)).map(|(_, path)| path))
}

fn delete<'a>(garbage: impl Iterator<Item = &'a PathBuf>) -> Result<(), OpenError> {
    for path in garbage {
        std::fs::remove_file(path).map_err(io_error("delete", path))?;
    }
    Ok(())
}

/// The fresh journal file, with the old tail written into it again. After a clean shutdown there is no
/// tail: then a group without entries says how far the journal was, because nothing else will once the old
/// files are gone, and an index that knows more than the journal is refused.
struct Begun {
    active: Arc<JournalFile>,
    position: u64,
    previous: u32,
    /// Where the tail's batches lie now.
    places: Vec<(crate::LogId, Place)>,
}

fn begin(
    files: &JournalFiles,
    options: &StoreOptions,
    tail: &[crate::sequencer::Effects],
    newest: Lsn,
) -> std::io::Result<Begun> {
    let mut buffer = vec![0; GROUP_HEADER_BYTES];
    let mut placed: Vec<Placed> = Vec::new();
    for effects in tail {
        let at = buffer.len();
        buffer.extend_from_slice(&[0; 4]);
        codec::encode(effects, &mut buffer, &mut placed);
        let length = (buffer.len() - at - 4) as u32;
        buffer[at..at + 4].copy_from_slice(&length.to_le_bytes());
    }
    let needed = JournalFile::FIRST_GROUP_AT + padded(buffer.len() as u64);
    let room = needed + padded(COMMIT_BYTES_MAX as u64).min(options.journal_first_file.bytes());
    let active = files.activate(room, options.journal_first_file.bytes())?;
    let mut begun = Begun { active, position: JournalFile::FIRST_GROUP_AT, previous: 0, places: Vec::new() };
    if newest > Lsn(0) {
        let first_lsn = tail.first().map_or(Lsn(newest.0 + 1), |first| first.lsn);
        let length = (buffer.len() - GROUP_HEADER_BYTES) as u32;
        let (epoch, count) = (begun.active.epoch, tail.len() as u32);
        let header = GroupHeader { end: false, epoch, previous: 0, count, first_lsn, length, crc: 0 };
        begun.previous = seal_group(&mut buffer, &header, begun.active.salt);
        std::os::unix::fs::FileExt::write_all_at(&begun.active.file, &buffer, begun.position)?;
        begun.active.file.sync_data()?;
        begun.active.last_lsn.store(newest.0, std::sync::atomic::Ordering::Relaxed);
        let mut placed = placed.into_iter();
        for effects in tail {
            for change in &effects.logs {
                let LogEffect::Appended { log, base_offset, count, payload } = change else { continue };
                let Some(placed) = placed.next() else { continue };
                let length = payload.len() as u32;
                let place = Place {
                    epoch,
                    position: begun.position + placed.position as u64,
                    length,
                    crc: placed.crc,
                    base_offset: *base_offset,
                    count: *count,
                    append_time: effects.time,
                };
                begun.active.payload_bytes.fetch_add(u64::from(length), std::sync::atomic::Ordering::Relaxed);
                begun.places.push((*log, place));
            }
        }
        begun.position += buffer.len() as u64;
    }
    Ok(begun)
}

struct Parts<'a> {
    dir: &'a Path,
    options: StoreOptions,
    seams: Seams,
    lock: DirLock,
    recovery: Recovery,
    logs: LogTable,
    unsettled: Unsettled,
    files: JournalFiles,
    begun: Begun,
}

fn launch(parts: Parts<'_>) -> Result<(Embedded, Arc<Shared>), OpenError> {
    let Parts { dir, options, seams, lock, recovery, mut logs, unsettled, files, begun } = parts;
    for (log, place) in &begun.places {
        logs.recover_batch(*log, *place, &begun.active, &unsettled);
    }
    let bounds = Bounds {
        queue_bytes: options.queue.bytes() as usize,
        parked_bytes: options.parked.bytes() as usize,
        unsettled_bytes: options.unsettled.bytes(),
        unsettled_batches: options.unsettled_batches(),
    };
    let front = Arc::new(Front::new(recovery.state, bounds, seams.clock.clone(), unsettled));
    let files = Arc::new(files);
    let start = Start {
        dir: dir.to_path_buf(),
        options,
        seams,
        front: Arc::clone(&front),
        files: Arc::clone(&files),
        index: recovery.index,
        logs,
        applied: recovery.applied,
        marked: recovery.marked,
        persisted: recovery.persisted,
        epoch: begun.active.epoch,
    };
    let shared = Arc::new(Shared::new(start));
    keeper::look_at_room(&shared);
    let (durable, groups) = mpsc::channel::<DurableGroup>();
    let mut writer = Writer {
        shared: Arc::clone(&shared),
        front,
        files,
        durable,
        clock: shared.seams.clock.clone(),
        active: begun.active,
        position: begun.position,
        previous: begun.previous,
        batches: 0,
        batches_max: shared.options.journal_file_batches,
        group_bytes_max: shared.options.group.bytes() as usize,
        file_bytes: shared.options.journal_first_file.bytes(),
        buffer: Vec::new(),
    };
    let applier = Applier { shared: Arc::clone(&shared), groups, applied: recovery.applied };
    let spawn = |name: &str| std::thread::Builder::new().name(name.to_owned());
    let failed = || io_error("start the threads of", dir);
    let journal = spawn("hw-journal").spawn(move || {
        writer.run();
        writer
    });
    let journal = journal.map_err(failed())?;
    let apply = spawn("hw-apply").spawn(move || applier.run()).map_err(failed())?;
    let threads = Mutex::new(Some(Threads { journal, apply, lock }));
    Ok((Embedded { shared: Arc::clone(&shared), threads }, shared))
}
