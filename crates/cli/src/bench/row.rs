//! A figure, its target, and how both are written.

use std::borrow::Cow;
use std::time::Duration;

use headwater_bench::latency::Latencies;
use headwater_bench::machine::Machine;
use serde_json::{Value, json};

use crate::output;

/// What came of hammering a node with calls.
#[derive(Clone, Debug, Default)]
pub struct Hammered {
    /// One latency per call.
    pub latencies: Latencies,
    /// How long it took.
    pub took: Duration,
    /// The CPU time the node used meanwhile.
    pub server_cpu: Duration,
}

/// What a figure must reach.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// At least this.
    AtLeast(f64),
    /// At most this.
    AtMost(f64),
}

/// A line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was measured.
    pub name: Cow<'static, str>,
    /// The figure, in `unit`.
    pub figure: f64,
    /// Such as `records/s`.
    pub unit: &'static str,
    /// What it must reach.
    pub target: Target,
    /// The figure per CPU-second of the node, where that means something.
    pub per_cpu_second: Option<f64>,
    /// The latencies of its calls, where there are any.
    pub latencies: Latencies,
}

impl Row {
    /// A figure alone.
    pub fn of(name: impl Into<Cow<'static, str>>, figure: f64, unit: &'static str, target: Target) -> Self {
        Self {
            name: name.into(),
            figure,
            unit,
            target,
            per_cpu_second: None,
            latencies: Latencies::default(),
        }
    }

    /// A rate: `each` things per call that was hammered.
    pub fn rate(name: &'static str, hammered: &Hammered, each: f64, unit: &'static str, target: f64) -> Self {
        let things = hammered.latencies.count() as f64 * each;
        let cpu = hammered.server_cpu.as_secs_f64();
        Self {
            name: name.into(),
            figure: things / hammered.took.as_secs_f64(),
            unit,
            target: Target::AtLeast(target),
            per_cpu_second: (cpu > 0.0).then(|| things / cpu),
            latencies: hammered.latencies.clone(),
        }
    }

    /// Whether the target is reached.
    pub fn is_reached(&self) -> bool {
        match self.target {
            Target::AtLeast(least) => self.figure >= least,
            Target::AtMost(most) => self.figure <= most,
        }
    }

    /// The cells of its line.
    pub fn cells(&self) -> Vec<String> {
        let target = match self.target {
            Target::AtLeast(least) => format!("≥ {}", number(least)),
            Target::AtMost(most) => format!("≤ {}", number(most)),
        };
        let has_calls = self.latencies.count() > 0;
        let percentile =
            |p| if has_calls { output::time(self.latencies.percentile(p)) } else { String::new() };
        vec![
            self.name.to_string(),
            format!("{} {}", number(self.figure), self.unit),
            target,
            if self.is_reached() { "reached".into() } else { "MISSED".into() },
            self.per_cpu_second.map(number).unwrap_or_default(),
            percentile(50.0),
            percentile(99.0),
        ]
    }

    /// The line while the measuring goes on.
    pub fn line(&self) -> String {
        let [name, figure, target, reached, ..] = &self.cells()[..] else { return String::new() };
        format!("{name}: {figure} (target {target}: {reached})")
    }

    /// The line for a script.
    pub fn json(&self) -> Value {
        let ms = |p| self.latencies.percentile(p).as_secs_f64() * 1000.0;
        json!({
            "name": self.name,
            "figure": self.figure,
            "unit": self.unit,
            "reached": self.is_reached(),
            "per_server_cpu_second": self.per_cpu_second,
            "p50_ms": ms(50.0),
            "p99_ms": ms(99.0),
        })
    }
}

fn number(value: f64) -> String {
    if value >= 100.0 { output::grouped(value.round() as u64) } else { format!("{value:.1}") }
}

/// The machine's limits in one sentence.
pub fn machine_text(machine: &Machine) -> String {
    let rate = |per_second: f64| format!("{}/s", output::bytes(per_second as u64));
    format!(
        "{} processors; fdatasync of 4 KiB p50 {} p99 {}; disk {}; loopback {}; SHA-256 {}; MD5 {}; JSON {}.",
        machine.processors,
        output::time(machine.fdatasync.percentile(50.0)),
        output::time(machine.fdatasync.percentile(99.0)),
        rate(machine.disk_bytes_per_second),
        rate(machine.loopback_bytes_per_second),
        rate(machine.sha256_bytes_per_second),
        rate(machine.md5_bytes_per_second),
        rate(machine.json_bytes_per_second),
    )
}

/// The machine's limits for a script.
pub fn machine_json(machine: &Machine) -> Value {
    json!({
        "processors": machine.processors,
        "fdatasync_p50_ms": machine.fdatasync.percentile(50.0).as_secs_f64() * 1000.0,
        "fdatasync_p99_ms": machine.fdatasync.percentile(99.0).as_secs_f64() * 1000.0,
        "disk_bytes_per_second": machine.disk_bytes_per_second,
        "loopback_bytes_per_second": machine.loopback_bytes_per_second,
        "sha256_bytes_per_second": machine.sha256_bytes_per_second,
        "md5_bytes_per_second": machine.md5_bytes_per_second,
        "json_bytes_per_second": machine.json_bytes_per_second,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_has_a_direction() {
        assert!(Row::of("x", 5.0, "s", Target::AtMost(5.0)).is_reached());
        assert!(!Row::of("x", 5.0, "s", Target::AtLeast(5.1)).is_reached());
        assert_eq!(Row::of("x", 5.0, "s", Target::AtLeast(5.1)).cells()[3], "MISSED");
    }
}
