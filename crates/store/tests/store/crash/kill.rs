//! kill -9 of a real process under load, and disks that fail.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use headwater_base::{Chance, Seams};

use super::{CHILD_COMMITS, CHILD_DIR, CHILD_ROUNDS, exhaustive, without_strace, workload};

fn child_command(program: &str, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.env(CHILD_DIR, dir).env(CHILD_COMMITS, "150").env(CHILD_ROUNDS, "1000000");
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn arguments() -> [&'static str; 3] {
    ["--exact", "crash::child", "--nocapture"]
}

#[tokio::test]
async fn a_killed_process_loses_nothing_it_acknowledged() {
    let chance = Chance::seeded(3);
    let clock = Seams::system().clock;
    for round in 0..if exhaustive() { 300 } else { 6 } {
        let dir = tempfile::tempdir().unwrap();
        let program = std::env::current_exe().unwrap();
        let mut child =
            child_command(program.to_str().unwrap(), dir.path()).args(arguments()).spawn().unwrap();
        let lines = 20 + chance.below(3000);
        let acks = dir.path().join("acks");
        let written = || std::fs::metadata(&acks).map_or(0, |meta| meta.len() / 8);
        while written() < lines && child.try_wait().unwrap().is_none() {
            clock.sleep(Duration::from_millis(1)).await;
        }
        child.kill().unwrap();
        let ended = child.wait().unwrap();
        assert_eq!(ended.signal(), Some(9), "the child ended by itself: {ended}");
        let acknowledged = workload::acknowledged(&std::fs::read(&acks).unwrap());
        workload::check(&dir.path().join("store"), &acknowledged, &format!("kill {round}")).await;
    }
}

/// A failed fdatasync ends the process: what it could not make durable is never acknowledged.
#[tokio::test]
async fn a_failed_sync_ends_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let program = std::env::current_exe().unwrap();
    let started = child_command("strace", dir.path())
        .args([
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "trace=fdatasync",
            "-e",
            "inject=fdatasync:error=EIO:when=40+",
        ])
        .arg(program)
        .args(arguments())
        .output();
    let output = match started {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            without_strace();
            return;
        }
        started => started.unwrap(),
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(74), "{said}");
    assert!(said.contains("stopping so that nothing false is acknowledged"), "{said}");
    let acknowledged = workload::acknowledged(&std::fs::read(dir.path().join("acks")).unwrap());
    assert_ne!(acknowledged, workload::Acknowledged::default());
    workload::check(&dir.path().join("store"), &acknowledged, "after a failed sync").await;
}
