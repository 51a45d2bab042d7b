//! What the demonstration ends with: a table for a person, an object for a script, a verdict.

use std::path::Path;
use std::time::Duration;

use anyhow::bail;
use headwater_bench::ids::Reconciliation;
use headwater_bench::latency::Latencies;
use headwater_bench::produce::Produced;
use serde_json::json;

use crate::output::{self, Output};
use crate::query::Rows;
use crate::status::Shard;

/// Everything that was measured.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub records: u64,
    pub accepted: u64,
    pub delivered: u64,
    pub dead_lettered: u64,
    pub ambiguous: u64,
    pub lost: u64,
    pub doubled: u64,
    pub unknown: u64,
    pub ledger: Shard,
    pub ledger_balanced: bool,
    pub processed_rows: u64,
    pub fraud: Rows,
    pub acknowledge: Latencies,
    pub queryable: Latencies,
    pub resent: u64,
    pub sent_bytes: u64,
    pub stored_bytes: u64,
    pub memory_bytes_max: u64,
    pub produce_seconds: f64,
    pub deliver_seconds: f64,
    pub job_seconds: f64,
    pub server_cpu_seconds: f64,
    pub seconds: f64,
}

impl Report {
    /// Takes over what the producers measured.
    pub fn produce(&mut self, produced: &Produced, sent_bytes: u64) {
        self.acknowledge = produced.acknowledge.clone();
        self.resent = produced.resent;
        self.produce_seconds = produced.took.as_secs_f64();
        self.sent_bytes = sent_bytes;
    }

    /// Takes over where every record went.
    pub fn reconcile(&mut self, book: &Reconciliation) {
        self.accepted = book.accepted.count();
        self.delivered = book.delivered.count();
        self.dead_lettered = book.dead_lettered.count();
        self.ambiguous = book.ambiguous.count_without(&book.accepted);
        self.lost = book.lost();
        self.doubled = book.doubled();
        self.unknown = book.unknown();
    }

    /// An error unless every record is where it belongs, once.
    pub fn verdict(&self) -> anyhow::Result<()> {
        if self.lost + self.doubled + self.unknown > 0 {
            bail!("{} records lost, {} doubled, {} from nowhere", self.lost, self.doubled, self.unknown);
        }
        if !self.ledger_balanced {
            bail!("the ledger does not balance: see headwater status and headwater audit");
        }
        Ok(())
    }

    /// Writes it: the pictures for a person to standard error under `--json`.
    pub fn print(&self, output: Output, kept: Option<&Path>) {
        let text = self.text(kept);
        if output == Output::Json {
            eprintln!("{text}");
        }
        output.result(text, &self.json());
    }

    fn per_second(&self, count: u64, seconds: f64) -> u64 {
        if seconds > 0.0 { (count as f64 / seconds) as u64 } else { 0 }
    }

    fn json(&self) -> serde_json::Value {
        let ms = |duration: Duration| (duration.as_secs_f64() * 10_000.0).round() / 10.0;
        json!({
            "records": self.records,
            "accepted": self.accepted,
            "delivered": self.delivered,
            "dead_lettered": self.dead_lettered,
            "ambiguous": self.ambiguous,
            "lost": self.lost,
            "doubled": self.doubled,
            "ledger_balanced": self.ledger_balanced,
            "processed": self.processed_rows,
            "seconds": (self.seconds * 100.0).round() / 100.0,
            "produce_seconds": self.produce_seconds,
            "deliver_seconds": self.deliver_seconds,
            "job_seconds": self.job_seconds,
            "records_per_second": self.per_second(self.accepted, self.produce_seconds),
            "delivered_per_second": self.per_second(self.accepted, self.deliver_seconds),
            "put_ack_p50_ms": ms(self.acknowledge.percentile(50.0)),
            "put_ack_p99_ms": ms(self.acknowledge.percentile(99.0)),
            "queryable_p50_ms": ms(self.queryable.percentile(50.0)),
            "queryable_p99_ms": ms(self.queryable.percentile(99.0)),
            "probes": self.queryable.count(),
            "sent_bytes": self.sent_bytes,
            "stored_bytes": self.stored_bytes,
            "memory_bytes_max": self.memory_bytes_max,
            "server_cpu_seconds": self.server_cpu_seconds,
        })
    }

    fn text(&self, kept: Option<&Path>) -> String {
        format!("\n{}\n\n{}\n{}", self.fraud_table(), self.figures(), where_next(kept))
    }

    fn fraud_table(&self) -> String {
        let header: Vec<&str> = self.fraud.columns.iter().map(String::as_str).collect();
        let numbers: Vec<usize> = (1..header.len()).collect();
        let mut table = output::table(&header, &numbers);
        for row in &self.fraud.rows {
            table.add_row(row.iter().map(|cell| cell.as_deref().unwrap_or("")));
        }
        table.to_string()
    }

    fn figures(&self) -> String {
        let mut table = output::table(&["", ""], &[1]);
        let mut line = |name: &str, value: String| {
            table.add_row([name.to_owned(), value]);
        };
        line("accepted", output::grouped(self.accepted));
        line("delivered", output::grouped(self.delivered));
        line("dead-lettered", output::grouped(self.dead_lettered));
        line("lost", output::grouped(self.lost));
        line("doubled", output::grouped(self.doubled));
        line("ledger", if self.ledger_balanced { "balanced".into() } else { "DOES NOT BALANCE".into() });
        line("rows in processed", output::grouped(self.processed_rows));
        line(
            "produced",
            format!("{} records/s", output::grouped(self.per_second(self.accepted, self.produce_seconds))),
        );
        let delivered = self.per_second(self.accepted, self.deliver_seconds);
        line("stream to table", format!("{} records/s", output::grouped(delivered)));
        let pair = |all: &Latencies| {
            format!("{} / {}", output::time(all.percentile(50.0)), output::time(all.percentile(99.0)))
        };
        line("put to acknowledgement, p50 / p99", pair(&self.acknowledge));
        line("record to queryable, p50 / p99", pair(&self.queryable));
        line(
            "bytes in / as Parquet",
            format!("{} / {}", output::bytes(self.sent_bytes), output::bytes(self.stored_bytes)),
        );
        line("node: peak memory", output::bytes(self.memory_bytes_max));
        line("node: CPU time", format!("{:.1} s", self.server_cpu_seconds));
        line("job", format!("{:.1} s", self.job_seconds));
        line("everything", format!("{:.1} s", self.seconds));
        table.to_string()
    }
}

fn where_next(kept: Option<&Path>) -> String {
    match kept {
        Some(data) => {
            let data = data.display();
            format!(
                "The node runs on. To look around:\n  \
                 eval \"$(headwater env --data {data})\"\n  \
                 headwater status\n  headwater audit\n  \
                 headwater query --database fraud 'SELECT * FROM processed LIMIT 10' --output s3://card-fraud/athena/\n  \
                 aws s3 ls --recursive s3://card-fraud/raw/"
            )
        }
        None => "To keep the node and look around: headwater demo --keep. The pipeline is \
                 examples/card-fraud/pipeline.toml; your own: headwater serve, headwater up FILE."
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_is_about_records_and_the_ledger() {
        let good = Report { ledger_balanced: true, ..Report::default() };
        assert!(good.verdict().is_ok());
        assert!(Report { lost: 1, ..good.clone() }.verdict().is_err());
        assert!(Report { doubled: 1, ..good.clone() }.verdict().is_err());
        assert!(Report { ledger_balanced: false, ..good }.verdict().is_err());
    }

    #[test]
    fn a_script_finds_what_it_looks_for() {
        let json = Report::default().json();
        for member in ["accepted", "delivered", "dead_lettered", "lost", "doubled", "seconds"] {
            assert!(json[member].is_number(), "{member}");
        }
    }
}
