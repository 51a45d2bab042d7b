//! Reads everything back, and gives up what can't be read.
//!
//! [`verify`] goes through index, journal and segments and reports what is wrong. The index may be behind
//! the journal, so which segments must be there is what both say together. [`plan`] says what a repair would lose; [`repair`] does it: damaged writes of the journal are replaced by empty entries,
//! so that everything before *and after* them is kept, and the damaged file is kept in `damaged/`.
//!
//! **Failure.** A repair that is cut short can be repeated: the rewritten file replaces the damaged one
//! by a rename, after the damaged one was copied aside.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::embedded::disk::{self, DirLock, io_error};
use crate::embedded::index::{INDEX_DIR, Index, flush};
use crate::embedded::journal::codec;
use crate::embedded::journal::files::parse_journal_name;
use crate::embedded::journal::format::{
    BLOCK_BYTES, FileHeader, GROUP_HEADER_BYTES, GroupHeader, padded, seal_group,
};
use crate::embedded::journal::scan::{Group, Scanner, Step};
use crate::embedded::segment::read::Segment;
use crate::embedded::segment::write::segment_name;
use crate::embedded::{OpenError, Problem, RepairPlan, StoreOptions, VerifyReport, recover};
use crate::sequencer::{Effects, State};
use crate::{Key, KeyRange, Kind, Lsn, StoreError, kinds};

/// Where repaired files' originals go.
const DAMAGED_DIR: &str = "damaged";
/// Says that logs may lack offsets that a repair gave up.
pub(crate) const GAPS_FILE: &str = "GAPS";

/// Reads everything in `dir`, which no process has open. While it is still locked, `also` is shown the
/// keys in `listed` and may add what it finds wrong with what they name.
pub(crate) fn verify(
    dir: &Path,
    listed: Vec<KeyRange>,
    also: impl FnOnce(&BTreeSet<Key>) -> Vec<Problem>,
) -> Result<VerifyReport, OpenError> {
    let _lock = lock(dir)?;
    let mut report = VerifyReport::default();
    let mut named = Named { segments: BTreeMap::new(), listed, keys: BTreeSet::new() };
    let held = verify_index(dir, &mut report, &mut named)?;
    verify_journal(dir, held, &mut report, &mut named)?;
    if report.last < held.facts {
        report.problem(&dir.join(INDEX_DIR), 0, "the index is ahead of the journal");
    }
    for (key, value) in &named.segments {
        match recover::named_segment(key, value) {
            Ok((id, size)) => verify_segment(&dir.join(segment_name(id)), id, size, &mut report),
            Err(error) => report.problem(&dir.join(INDEX_DIR), 0, &error.to_string()),
        }
    }
    report.problems.extend(also(&named.keys));
    Ok(report)
}

/// How far the index is: up to which commit it holds the facts, and everything.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    facts: Lsn,
    everything: Lsn,
}

/// The facts that name files: those of the index, moved on by the entries that it lacks.
#[derive(Debug)]
struct Named {
    /// Those that make segments live.
    segments: BTreeMap<Key, Bytes>,
    /// What the caller wants listed.
    listed: Vec<KeyRange>,
    /// The keys in those ranges.
    keys: BTreeSet<Key>,
}

impl Named {
    /// Keeps copies: the bytes of a journal entry are a piece of a large buffer.
    fn put(&mut self, key: &Key, value: &[u8]) {
        let copy = || Key::from_bytes(Bytes::copy_from_slice(key.as_bytes()));
        if key.reader().kind() == Some(Kind(kinds::SEGMENT)) {
            self.segments.insert(copy(), Bytes::copy_from_slice(value));
        } else if self.listed.iter().any(|range| range.contains(key)) {
            self.keys.insert(copy());
        }
    }

    fn apply(&mut self, effects: Effects) {
        if let Some(wiped) = effects.wiped {
            self.segments.clear();
            self.keys.clear();
            wiped.kept.into_iter().for_each(|(key, _, stored)| self.put(&key, &stored.value));
        }
        for fact in effects.facts {
            match fact.stored {
                Some(stored) => self.put(&fact.key, &stored.value),
                None => {
                    self.segments.remove(&fact.key);
                    self.keys.remove(&fact.key);
                }
            }
        }
    }
}

fn lock(dir: &Path) -> Result<DirLock, OpenError> {
    if !dir.join("FORMAT").exists() {
        return Err(recover::damaged("there is no store here", dir, 0));
    }
    DirLock::take(dir)
}

fn verify_journal(
    dir: &Path,
    held: Held,
    report: &mut VerifyReport,
    named: &mut Named,
) -> Result<(), OpenError> {
    let names = disk::list(dir, parse_journal_name).map_err(io_error("list", dir))?;
    let mut next: Option<Lsn> = None;
    for (_, path) in &names {
        let Ok(mut scanner) = Scanner::open(path).map_err(io_error("read", path))? else {
            report.problem(path, 0, "the file's header is damaged");
            continue;
        };
        loop {
            match scanner.next().map_err(io_error("read", path))? {
                Step::Group(group) => {
                    let due = next.unwrap_or(Lsn(held.everything.0 + 1));
                    if group.header.first_lsn > due {
                        report.problem(path, group.position, "entries are missing before this write");
                    }
                    next = next.max(Some(group.header.next_lsn()));
                    for effects in verify_group(path, &group, report) {
                        if effects.lsn > held.facts {
                            named.apply(effects);
                        }
                    }
                }
                Step::End { .. } => break,
                Step::Damaged { position, next_good } => {
                    report.problem(path, position, "a damaged write, with good ones after it");
                    scanner.skip_to(next_good).map_err(io_error("read", path))?;
                }
            }
        }
    }
    report.last = next.map_or(Lsn(0), |next| Lsn(next.0 - 1));
    Ok(())
}

/// The entries of a group that read back.
fn verify_group(path: &Path, group: &Group, report: &mut VerifyReport) -> Vec<Effects> {
    report.journal_groups += 1;
    report.bytes += group.header.span();
    let mut read = Vec::with_capacity(group.entries.len());
    for (n, (at, bytes)) in group.entries.iter().enumerate() {
        let mut placed = Vec::new();
        match codec::decode(Lsn(group.header.first_lsn.0 + n as u64), bytes, &mut placed) {
            Some(effects) => {
                report.batches += placed.len() as u64;
                read.push(effects);
            }
            None => report.problem(path, *at, "an entry does not read back"),
        }
    }
    read
}

/// Reads every fact.
fn verify_index(dir: &Path, report: &mut VerifyReport, named: &mut Named) -> Result<Held, OpenError> {
    let path = dir.join(INDEX_DIR);
    let index = Index::open(&path, &StoreOptions::default())?;
    read_index(&index, report, named).or_else(|error| {
        report.problem(&path, 0, &error.to_string());
        Ok(Held::default())
    })
}

fn read_index(index: &Index, report: &mut VerifyReport, named: &mut Named) -> Result<Held, StoreError> {
    let applied = index.applied()?;
    let marked = index.load_mark(&mut State::default())?;
    index.read_all(applied.generation, |key, _, stored| {
        report.facts += 1;
        report.bytes += (key.len() + stored.value.len()) as u64;
        named.put(&key, &stored.value);
    })?;
    Ok(Held { facts: applied.lsn, everything: applied.lsn.min(marked) })
}

fn verify_segment(path: &Path, id: u64, size: u64, report: &mut VerifyReport) {
    let (segment, runs) = match Segment::open(path, id) {
        Ok(opened) => opened,
        Err(error) => return report.problem(path, 0, &error.to_string()),
    };
    report.segments += 1;
    report.bytes += segment.size;
    if segment.size != size {
        report.problem(path, segment.size, "the segment is not as long as it was");
    }
    for run in &runs {
        match segment.read_run(&run.into(), i64::MIN) {
            Ok(batches) if batches.len() == run.batches as usize => report.batches += batches.len() as u64,
            Ok(_) => report.problem(path, run.position, "a run does not hold what the footer says"),
            Err(error) => report.problem(path, run.position, &error.to_string()),
        }
    }
}

impl VerifyReport {
    fn problem(&mut self, file: &Path, position: u64, what: &str) {
        self.problems.push(Problem { file: file.to_path_buf(), position, what: what.to_owned() });
    }
}

/// What a repair would lose. Changes nothing.
pub(crate) fn plan(dir: &Path) -> Result<RepairPlan, OpenError> {
    let _lock = lock(dir)?;
    Ok(survey(dir)?.plan)
}

/// Gives up what can't be read.
pub(crate) fn repair(dir: &Path) -> Result<RepairPlan, OpenError> {
    let _lock = lock(dir)?;
    let survey = survey(dir)?;
    if !survey.damaged.is_empty() {
        // Of what is given up here the index may hold the facts.
        let index = dir.join(INDEX_DIR);
        flush::keep_journals(&index).map_err(io_error("mend", &index))?;
    }
    for path in &survey.damaged {
        let aside = dir.join(DAMAGED_DIR);
        std::fs::create_dir_all(&aside).map_err(io_error("create", &aside))?;
        let kept = aside.join(path.file_name().unwrap_or_default());
        std::fs::copy(path, &kept).map_err(io_error("copy", path))?;
        rewrite(path).map_err(io_error("rewrite", path))?;
    }
    if !survey.damaged.is_empty() {
        let gaps = dir.join(GAPS_FILE);
        disk::write_durably(&gaps, b"a repair gave up commits; logs may lack offsets\n")
            .map_err(io_error("write", &gaps))?;
    }
    Ok(survey.plan)
}

#[derive(Debug, Default)]
struct Survey {
    plan: RepairPlan,
    damaged: Vec<PathBuf>,
}

fn survey(dir: &Path) -> Result<Survey, OpenError> {
    let mut survey = Survey::default();
    let mut lost = BTreeSet::new();
    for (_, path) in disk::list(dir, parse_journal_name).map_err(io_error("list", dir))? {
        let Ok(mut scanner) = Scanner::open(&path).map_err(io_error("read", &path))? else {
            let what = "the file's header is damaged: restore a backup".to_owned();
            survey.plan.losses.push(Problem { file: path, position: 0, what });
            continue;
        };
        let mut next = None;
        loop {
            match scanner.next().map_err(io_error("read", &path))? {
                Step::Group(group) => {
                    lost.extend(
                        (next.unwrap_or(group.header.first_lsn).0..group.header.first_lsn.0).map(Lsn),
                    );
                    next = Some(group.header.next_lsn());
                }
                Step::End { .. } => break,
                Step::Damaged { position, next_good } => {
                    let what =
                        format!("the write here can't be read; the next good one is at byte {next_good}");
                    survey.plan.losses.push(Problem { file: path.clone(), position, what });
                    if survey.damaged.last() != Some(&path) {
                        survey.damaged.push(path.clone());
                    }
                    scanner.skip_to(next_good).map_err(io_error("read", &path))?;
                }
            }
        }
    }
    survey.plan.first_lost = lost.first().copied();
    survey.plan.lost_commits = lost.len() as u64;
    Ok(survey)
}

/// Writes a journal file again without its damaged groups, with empty entries in their place.
fn rewrite(path: &Path) -> io::Result<()> {
    let Ok(mut scanner) = Scanner::open(path)? else { return Ok(()) };
    let beside = path.with_extension("tmp");
    let header = scanner.header;
    let out = std::fs::File::options().read(true).write(true).create(true).truncate(true).open(&beside)?;
    // Filler may need more room than what it replaces.
    disk::zero_fill(&out, header.size)?;
    let mut copy = Copy { out, header, position: BLOCK_BYTES, previous: 0, next: None };
    loop {
        match scanner.next()? {
            Step::Group(group) => copy.group(&group)?,
            Step::End { .. } => break,
            Step::Damaged { next_good, .. } => scanner.skip_to(next_good)?,
        }
    }
    let header = FileHeader { size: header.size.max(copy.position), ..header };
    copy.out.write_all_at(&header.encode(), 0)?;
    copy.out.set_len(header.size)?;
    copy.out.sync_all()?;
    std::fs::rename(&beside, path)?;
    disk::sync_dir(path.parent().unwrap_or(Path::new(".")))
}

struct Copy {
    out: std::fs::File,
    header: FileHeader,
    position: u64,
    previous: u32,
    next: Option<Lsn>,
}

impl Copy {
    fn group(&mut self, group: &Group) -> io::Result<()> {
        let first = group.header.first_lsn;
        let missing: Vec<Vec<u8>> = (self.next.unwrap_or(first).0..first.0).map(empty_entry).collect();
        if !missing.is_empty() {
            self.write(Lsn(first.0 - missing.len() as u64), missing.iter().map(Vec::as_slice), false)?;
        }
        self.write(first, group.entries.iter().map(|(_, entry)| entry.as_ref()), group.header.end)?;
        self.next = Some(group.header.next_lsn());
        Ok(())
    }

    fn write<'a>(
        &mut self,
        first_lsn: Lsn,
        entries: impl Iterator<Item = &'a [u8]>,
        end: bool,
    ) -> io::Result<()> {
        let mut buffer = vec![0; GROUP_HEADER_BYTES];
        let mut count = 0;
        for entry in entries {
            buffer.extend_from_slice(&(entry.len() as u32).to_le_bytes());
            buffer.extend_from_slice(entry);
            count += 1;
        }
        let length = (buffer.len() - GROUP_HEADER_BYTES) as u32;
        let (epoch, previous) = (self.header.epoch, self.previous);
        let header = GroupHeader { end, epoch, previous, count, first_lsn, length, crc: 0 };
        self.previous = seal_group(&mut buffer, &header, self.header.salt);
        self.out.write_all_at(&buffer, self.position)?;
        self.position += padded(buffer.len() as u64);
        Ok(())
    }
}

fn empty_entry(lsn: u64) -> Vec<u8> {
    let effects = Effects {
        lsn: Lsn(lsn),
        time: headwater_base::Timestamp::EPOCH,
        once: None,
        facts: Vec::new(),
        logs: Vec::new(),
        wiped: None,
    };
    let mut bytes = Vec::new();
    codec::encode(&effects, &mut bytes, &mut Vec::new());
    bytes
}
