//! A node as a process of its own, watched from outside: CPU, memory, bytes on disk.
//!
//! The demonstration and the benchmarks run the real binary, `headwater serve`, so that what they
//! measure is what a user gets.
//!
//! **Failure.** A node that ends before it answers is reported with the last lines it printed.
//! Dropping a [`ChildNode`] kills the process.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

/// What the node prints, followed by its endpoint, once it answers.
const READY: &str = "endpoint ";

/// A running node.
#[derive(Debug)]
pub struct ChildNode {
    child: Child,
    endpoint: String,
    data: PathBuf,
    log: PathBuf,
    is_kept: bool,
}

impl ChildNode {
    /// Starts `binary serve --data data` on a free loopback port and waits until it answers. Its
    /// log goes to `data.log` beside the data directory.
    pub fn start(binary: &Path, data: &Path, options: &[&str]) -> anyhow::Result<Self> {
        let log = data.with_extension("log");
        let log_file = std::fs::File::create(&log).with_context(|| format!("creating {}", log.display()))?;
        let mut child = Command::new(binary)
            .arg("serve")
            .arg("--data")
            .arg(data)
            .args(["--listen", "127.0.0.1:0"])
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log_file)
            .spawn()
            .with_context(|| format!("starting {}", binary.display()))?;
        let stdout = child.stdout.take().context("the node's standard output is a pipe")?;
        let mut node = Self { child, endpoint: String::new(), data: data.into(), log, is_kept: false };
        for line in BufReader::new(stdout).lines() {
            if let Some(endpoint) = line?.strip_prefix(READY) {
                node.endpoint = endpoint.trim().to_owned();
                return Ok(node);
            }
        }
        let said = std::fs::read_to_string(&node.log).unwrap_or_default();
        let tail: Vec<&str> = said.lines().rev().take(20).collect();
        bail!("the node ended before it answered:\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"))
    }

    /// `http://127.0.0.1:port`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Where the node writes its log.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Leaves the node running when this value is dropped.
    pub fn keep(&mut self) {
        self.is_kept = true;
    }

    /// kill -9, and waits for the end.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Whether the process still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The CPU time the process has used so far, in all its threads.
    pub fn cpu_time(&self) -> anyhow::Result<Duration> {
        let stat =
            std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).context("reading /proc")?;
        ticks_of_stat(&stat)
            .map(|ticks| Duration::from_secs_f64(ticks as f64 / TICKS_PER_SECOND))
            .context("/proc stat")
    }

    /// Resident memory now.
    pub fn resident_bytes(&self) -> anyhow::Result<u64> {
        self.memory("VmRSS:")
    }

    /// The most memory that was ever resident.
    pub fn resident_bytes_max(&self) -> anyhow::Result<u64> {
        self.memory("VmHWM:")
    }

    fn memory(&self, field: &str) -> anyhow::Result<u64> {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).context("reading /proc")?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kilobytes =
            line.and_then(|rest| rest.split_whitespace().next()).and_then(|n| n.parse::<u64>().ok());
        kilobytes.map(|kb| kb * 1024).with_context(|| format!("no {field} in /proc"))
    }
}

impl Drop for ChildNode {
    fn drop(&mut self) {
        if !self.is_kept {
            // It may have ended already; there is nobody left to tell.
            let _ = self.kill();
        }
    }
}

/// Linux reports process times in hundredths of a second, whatever the kernel's own tick.
const TICKS_PER_SECOND: f64 = 100.0;

/// User and system time of a `/proc/<pid>/stat` line. The command's name is in parentheses and may
/// hold anything, so counting begins after the last one.
fn ticks_of_stat(stat: &str) -> Option<u64> {
    let after_name = &stat[stat.rfind(')')? + 1..];
    let mut fields = after_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_read_past_any_name() {
        let stat = "42 (a b) c) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 8 0 1000 0 0";
        assert_eq!(ticks_of_stat(stat), Some(300));
        assert_eq!(ticks_of_stat("nonsense"), None);
    }
}
