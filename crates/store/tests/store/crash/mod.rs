//! Every crash point: the disk as it may look after losing power at any moment.
//!
//! A child process runs a workload under `strace`, which records every write, fsync, rename, truncate
//! and unlink of the whole process, the index engine's too, and the acknowledgements among them. Then
//! the disk is rebuilt as of many moments: with everything in the page cache kept (kill -9), with
//! everything unsynced lost, and with a random mix of unsynced writes kept, lost or torn. Each such
//! disk is opened, and must hold every acknowledged commit and no half of any.
//!
//! `cargo test` looks at a sample; `HEADWATER_CHAOS=1` looks at every moment.

mod disk;
mod kill;
mod trace;
mod workload;

use std::path::Path;
use std::process::Command;

use headwater_base::Chance;

use self::disk::{Disk, Fate};
use self::trace::Op;

/// Names the directory a child is to work in.
const CHILD_DIR: &str = "HEADWATER_CRASH_CHILD";
/// Says how many commits each of the child's tasks does.
const CHILD_COMMITS: &str = "HEADWATER_CRASH_COMMITS";
/// Commits per task of a recorded run.
const RECORDED: u64 = 60;
/// The moments looked at by `cargo test`.
const SAMPLE: usize = 40;

/// Not a test of its own: the child of the others, which does nothing unless it is told where.
#[tokio::test]
async fn child() {
    if let Some(dir) = std::env::var_os(CHILD_DIR) {
        let each = std::env::var(CHILD_COMMITS).unwrap().parse().unwrap();
        workload::run(Path::new(&dir), each).await;
    }
}

fn exhaustive() -> bool {
    std::env::var_os("HEADWATER_CHAOS").is_some()
}

/// Records the workload. `None` on systems that have no strace.
fn record(root: &Path) -> Option<Vec<Op>> {
    let log = root.join("trace");
    let dir = root.join("work");
    std::fs::create_dir(&dir).unwrap();
    let started = Command::new("strace")
        .args(["-f", "-qq", "-xx", "-s", "33554432", "-e", trace::CALLS, "-o"])
        .arg(&log)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--nocapture"])
        .env(CHILD_DIR, &dir)
        .env(CHILD_COMMITS, RECORDED.to_string())
        .output();
    let output = match started {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            assert!(!cfg!(target_os = "linux"), "strace is needed: tests/clients/setup.sh installs it");
            eprintln!("no strace for this system; crash points were not looked at");
            return None;
        }
        started => started.unwrap(),
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    Some(trace::parse(&std::fs::read_to_string(&log).unwrap(), &dir))
}

#[tokio::test]
async fn every_acknowledged_commit_survives_every_crash_point() {
    let root = tempfile::tempdir().unwrap();
    let Some(ops) = record(root.path()) else { return };
    let work = root.path().join("work");
    let mut whole = Disk::default();
    ops.iter().for_each(|op| whole.apply(op));
    whole.assert_is(&work);
    let seed = std::env::var("HEADWATER_SEED").map_or(1, |text| text.parse().unwrap());
    let chance = Chance::seeded(seed);
    let step = if exhaustive() { 1 } else { (ops.len() / SAMPLE).max(1) };
    let first = if exhaustive() { 0 } else { chance.below(step as u64) as usize };
    let mut disk = Disk::default();
    let mut looked = 0;
    for (n, op) in ops.iter().enumerate() {
        if n % step == first {
            for fate in [Fate::Kept, Fate::Lost, Fate::Mixed] {
                let image = root.path().join("image");
                let acknowledged = disk.crash(&image, fate, &chance);
                workload::check(
                    &image.join("store"),
                    &acknowledged,
                    &format!("before op {n} of {}, {fate:?}, seed {seed}", ops.len()),
                )
                .await;
                std::fs::remove_dir_all(&image).unwrap();
                looked += 1;
            }
        }
        disk.apply(op);
    }
    println!("{looked} disks of {} operations", ops.len());
    assert!(looked >= SAMPLE.min(ops.len()));
}

/// Flipped bits are reported or harmless, never served.
#[tokio::test]
async fn flipped_bits_are_never_served() {
    let root = tempfile::tempdir().unwrap();
    let work = root.path().join("work");
    std::fs::create_dir(&work).unwrap();
    let acknowledged = workload::run(&work, RECORDED).await;
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
        workload::check_damaged(&image, &acknowledged, &format!("flip {n}: bit {bit} of {}", path.display()))
            .await;
        std::fs::remove_dir_all(&image).unwrap();
    }
}
