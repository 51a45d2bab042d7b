//! Every crash point: the disk as it may look after losing power at any moment.
//!
//! A child process runs a workload under `strace`, which records every write, fsync, rename, truncate
//! and unlink of the whole process, the index engine's too, and the acknowledgements among them. Then
//! the disk is rebuilt as of many moments: with everything in the page cache kept (kill -9), with
//! everything unsynced lost, and with a random mix of unsynced writes kept, lost or torn. Each such
//! disk is opened, and must hold every acknowledged commit and no half of any. The same is done with a
//! process that recovers from a kill: the power may fail while it does, or right after.
//!
//! **What these tests are known to notice.** Each of these was taken out, and they failed, with every seed
//! tried: the journal's fdatasync; the directory's sync after naming a journal file, and after naming a
//! segment; a segment's fsync; writing the tail again at recovery; doing so before the index is given the
//! tail; saying in the next mark which logs went; waiting for the index's flush before noting it; putting back
//! what a recovery that was cut short had set aside. Looking at every moment they also noticed when segments
//! that the tail unnamed were deleted before it was durable. A torn end left on the index engine's journal
//! they notice with some seeds only; a unit test of `index/wal.rs` pins that.
//!
//! `cargo test` looks at a sample, chosen where mistakes show; `HEADWATER_CHAOS=1` looks at every moment,
//! and `HEADWATER_SEED` chooses what is lost.

mod disk;
mod kill;
mod trace;
mod workload;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use headwater_base::{Chance, Timestamp};

use self::disk::{Disk, Fate};
use self::trace::Op;

/// Names the directory a child is to work in.
const CHILD_DIR: &str = "HEADWATER_CRASH_CHILD";
/// Says how many commits each of the child's tasks does per round, or that it only recovers.
const CHILD_COMMITS: &str = "HEADWATER_CRASH_COMMITS";
/// Says how many rounds the child does.
const CHILD_ROUNDS: &str = "HEADWATER_CRASH_ROUNDS";
/// Says what time it is for a child that recovers, in milliseconds.
const CHILD_TIME: &str = "HEADWATER_CRASH_TIME";
/// Commits per task and round of a recorded run.
const RECORDED: u64 = 30;
/// Evenly spread moments looked at by `cargo test`.
const SAMPLE: usize = 40;
/// Moments of each kind where mistakes show, looked at by `cargo test`.
const SAMPLE_OF_KIND: usize = 10;
/// Kills whose recovery is recorded by `cargo test`, and by `HEADWATER_CHAOS=1`.
const RECOVERIES: (usize, usize) = (3, 40);

/// Not a test of its own: the child of the others, which does nothing unless it is told where.
#[tokio::test]
async fn child() {
    let Some(dir) = std::env::var_os(CHILD_DIR) else { return };
    let number = |name| -> u64 { std::env::var(name).unwrap().parse().unwrap() };
    match number(CHILD_COMMITS) {
        0 => workload::recover(Path::new(&dir), Timestamp::from_ms(number(CHILD_TIME) as i64)).await,
        each => drop(workload::run(Path::new(&dir), each, number(CHILD_ROUNDS)).await),
    }
}

fn exhaustive() -> bool {
    std::env::var_os("HEADWATER_CHAOS").is_some()
}

fn seed() -> u64 {
    std::env::var("HEADWATER_SEED").map_or(1, |text| text.parse().unwrap())
}

/// There is strace on Linux; elsewhere these tests look at nothing.
fn without_strace() {
    if cfg!(target_os = "linux") {
        panic!("strace is needed: tests/clients/setup.sh installs it");
    }
    eprintln!("no strace for this system; crash points were not looked at");
}

/// Records a child's work in `dir`. `None` on systems that have no strace.
fn record(dir: &Path, commits: u64) -> Option<Vec<Op>> {
    let log = dir.with_extension("trace");
    let started = Command::new("strace")
        .args(["-f", "-qq", "-xx", "-s", "33554432", "-e", trace::CALLS, "-o"])
        .arg(&log)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--nocapture"])
        .env(CHILD_DIR, dir)
        .env(CHILD_COMMITS, commits.to_string())
        .env(CHILD_ROUNDS, workload::ROUNDS.to_string())
        .env(CHILD_TIME, workload::began().ms().to_string())
        .output();
    let output = match started {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            without_strace();
            return None;
        }
        started => started.unwrap(),
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    Some(trace::parse(&std::fs::read_to_string(&log).unwrap(), dir))
}

/// Opens and checks every disk that a crash now may leave.
async fn look(disk: &Disk, fates: &[Fate], image: &Path, chance: &Chance, when: &str) -> usize {
    for fate in fates {
        let promised = disk.crash(image, *fate, chance);
        let when = format!("{when}, {fate:?}, seed {}", seed());
        workload::check(&image.join("store"), &promised, &when).await;
        std::fs::remove_dir_all(image).unwrap();
    }
    fates.len()
}

#[tokio::test]
async fn every_acknowledged_commit_survives_every_crash_point() {
    let root = tempfile::tempdir().unwrap();
    let work = root.path().join("work");
    std::fs::create_dir(&work).unwrap();
    let Some(ops) = record(&work, RECORDED) else { return };
    let mut whole = Disk::default();
    ops.iter().for_each(|op| whole.apply(op));
    whole.assert_is(&work);
    let chance = Chance::seeded(seed());
    let moments = moments(&ops, &chance);
    let mut disk = Disk::default();
    let mut looked = 0;
    for (n, op) in ops.iter().enumerate() {
        if moments.contains(&n) {
            let when = format!("before op {n} of {}", ops.len());
            let image = root.path().join("image");
            looked += look(&disk, &[Fate::Kept, Fate::Lost, Fate::Mixed], &image, &chance, &when).await;
        }
        disk.apply(op);
    }
    println!("{looked} disks of {} operations", ops.len());
    assert!(looked >= SAMPLE.min(ops.len()));
}

/// The ops before which to crash.
fn moments(ops: &[Op], chance: &Chance) -> BTreeSet<usize> {
    if exhaustive() {
        return (0..ops.len()).collect();
    }
    let step = (ops.len() / SAMPLE).max(1);
    let first = chance.below(step as u64) as usize;
    let mut moments: BTreeSet<usize> = (first..ops.len()).step_by(step).collect();
    // The first acknowledgement after a name in the store's directory was taken: the name must be durable.
    let mut after_names = Vec::new();
    let mut named = false;
    for (n, op) in ops.iter().enumerate() {
        match op {
            Op::Rename { to, .. } if to.parent() == Some(Path::new("store")) => named = true,
            Op::Write { path, .. } if named && path.ends_with("acks") => {
                named = false;
                after_names.push(n + 1);
            }
            _ => {}
        }
    }
    moments.extend(spread(&after_names, SAMPLE_OF_KIND));
    moments
}

/// Some of the given moments, evenly spread.
fn spread(moments: &[usize], wanted: usize) -> Vec<usize> {
    moments.iter().copied().step_by((moments.len() / wanted.max(1)).max(1)).take(wanted).collect()
}

/// A killed process leaves its last group in the page cache. Who recovers from that makes it durable
/// before anyone is told of it and before anything rests on it.
#[tokio::test]
async fn a_crash_while_recovering_loses_nothing() {
    let root = tempfile::tempdir().unwrap();
    let work = root.path().join("work");
    std::fs::create_dir(&work).unwrap();
    let Some(ops) = record(&work, RECORDED) else { return };
    let kills = kills(&ops);
    let chance = Chance::seeded(seed());
    let mut disk = Disk::default();
    let mut looked = 0;
    for (n, op) in ops.iter().enumerate() {
        if kills.contains(&n) {
            let when = format!("killed before op {n} of {}", ops.len());
            looked += while_recovering(&disk, root.path(), &chance, &when).await;
        }
        disk.apply(op);
    }
    println!("{looked} disks of {} recoveries", kills.len());
    assert!(looked >= kills.len());
}

/// The ops before which to kill: a group was written and not yet synced. Some are groups that may have given
/// up the segments that were removed soon after.
fn kills(ops: &[Op]) -> BTreeSet<usize> {
    let is = |path: &Path, end: &str| path.extension().is_some_and(|found| found == end);
    let (mut groups, mut before_removals) = (Vec::new(), Vec::new());
    for (n, op) in ops.iter().enumerate() {
        match op {
            Op::Write { path, .. } if is(path, "hwj") => groups.push(n + 1),
            Op::Remove { path } if is(path, "hws") => before_removals.push(groups.len()),
            _ => {}
        }
    }
    before_removals.dedup();
    let wanted = if exhaustive() { RECOVERIES.1 } else { RECOVERIES.0 };
    let mut kills: BTreeSet<usize> = spread(&groups, wanted).into_iter().collect();
    for end in spread(&before_removals, wanted) {
        kills.extend(&groups[end.saturating_sub(3)..end]);
    }
    kills
}

async fn while_recovering(disk: &Disk, root: &Path, chance: &Chance, when: &str) -> usize {
    let killed = root.join("killed");
    disk.crash(&killed, Fate::Kept, chance);
    let ops = record(&killed, 0).expect("strace was there before");
    let mut disk = disk.clone();
    disk.restart();
    let step = if exhaustive() { 1 } else { (ops.len() / 16).max(1) };
    let mut looked = 0;
    for (n, op) in ops.iter().enumerate() {
        if n % step == 0 {
            let when = format!("{when}, recovering, before op {n} of {}", ops.len());
            looked += look(&disk, &[Fate::Lost, Fate::Mixed], &root.join("image"), chance, &when).await;
        }
        disk.apply(op);
    }
    disk.assert_is(&killed);
    std::fs::remove_dir_all(&killed).unwrap();
    looked + look(&disk, &[Fate::Lost], &root.join("image"), chance, &format!("{when}, recovered")).await
}

/// Flipped bits are reported or harmless, never served.
#[tokio::test]
async fn flipped_bits_are_never_served() {
    let root = tempfile::tempdir().unwrap();
    let work = root.path().join("work");
    std::fs::create_dir(&work).unwrap();
    let promised = workload::run(&work, 2 * RECORDED, 1).await;
    let chance = Chance::seeded(2);
    let flips = if exhaustive() { 2000 } else { 60 };
    for n in 0..flips {
        let image = root.path().join("image");
        disk::copy_dir(&work.join("store"), &image);
        let files: Vec<_> = disk::files_of(&image)
            .into_iter()
            .filter(|path| path.extension().is_some_and(|end| end == "hwj" || end == "hws"))
            .collect();
        let path = &files[chance.below(files.len() as u64) as usize];
        let mut bytes = std::fs::read(path).unwrap();
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) + 1;
        let bit = chance.below(used as u64 * 8) as usize;
        bytes[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(path, &bytes).unwrap();
        workload::check_damaged(&image, &promised, &format!("flip {n}: bit {bit} of {}", path.display()))
            .await;
        std::fs::remove_dir_all(&image).unwrap();
    }
}
