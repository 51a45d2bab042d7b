//! `headwater bench`: speed and memory beside their targets, and beside what the machine can do.
//!
//! Every row starts this same binary as a node on a fresh directory and loads it over signed
//! loopback HTTP from this process, so node and generator share the machine. Nothing is
//! acknowledged before it is durable.
//!
//! Each figure is written to standard error as soon as it is known, the table to standard output at
//! the end.
//!
//! **Failure.** A row that cannot be measured says why in the table and the rest go on; the status is
//! then non-zero. A missed target is shown and is no failure.

mod catch_up;
mod delivery;
mod kinesis;
mod lanes;
mod life;
mod million;
mod row;
mod s3;
mod shards;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use futures::future::BoxFuture;
use headwater_base::Seams;
use headwater_bench::child::ChildNode;
use headwater_bench::machine::{self, Machine};
use headwater_work::Work;
use serde_json::json;

use crate::aws::Aws;
use crate::output::{self, Output};
use crate::target::Target;
use row::Row;

/// What to measure.
#[derive(Clone, Debug, Args)]
pub struct Bench {
    /// Only groups of rows whose name contains this; no name lists them
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// How many seconds a row of calls runs
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Where the nodes keep their data: the disk to measure [default: a temporary directory here]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
}

/// A node under measurement and what loads it.
pub struct Bed {
    pub node: ChildNode,
    pub target: Target,
    pub aws: Aws,
    pub seams: Seams,
    pub work: Work,
    /// How long a row of calls runs.
    pub runs: Duration,
    /// What the machine itself can do.
    pub machine: Arc<Machine>,
}

impl Bed {
    /// A fresh node.
    fn make(folder: &Path, seams: &Seams, runs: Duration, machine: Arc<Machine>) -> anyhow::Result<Self> {
        let binary = std::env::current_exe().context("finding this program")?;
        let node = ChildNode::start(&binary, &folder.join("data"), &[])?;
        let target = Target::root_of(node.data(), node.endpoint())?;
        let aws = target.aws()?;
        Ok(Self { node, target, aws, seams: seams.clone(), work: Work::new(seams.clone()), runs, machine })
    }

    /// kill -9, and the same directory with a node again. Returns how long the start took, to the first
    /// answer.
    pub fn restart(&mut self) -> anyhow::Result<Duration> {
        self.node.kill()?;
        let binary = std::env::current_exe().context("finding this program")?;
        let data = self.node.data().to_owned();
        let start = self.seams.clock.monotonic();
        self.node = ChildNode::start(&binary, &data, &[])?;
        let took = self.seams.clock.monotonic() - start;
        self.target = Target::root_of(self.node.data(), self.node.endpoint())?;
        self.aws = self.target.aws()?;
        Ok(took)
    }

    /// Runs `calls` on `connections` connections for the row's time; each call of `call` is one
    /// operation of its connection. Returns every latency and how long it took.
    pub async fn hammer<F>(&self, connections: usize, call: F) -> anyhow::Result<row::Hammered>
    where
        F: Fn(usize, u64) -> BoxFuture<'static, anyhow::Result<()>> + Send + Sync + 'static,
    {
        let going_on = move |connection, number| -> BoxFuture<'static, anyhow::Result<bool>> {
            let calling = call(connection, number);
            Box::pin(async move { calling.await.map(|()| true) })
        };
        self.hammer_for(self.runs, connections, going_on).await
    }

    /// The same for `runs`; a connection ends earlier when its call says `false`, which then counts
    /// for nothing.
    pub async fn hammer_for<F>(
        &self,
        runs: Duration,
        connections: usize,
        call: F,
    ) -> anyhow::Result<row::Hammered>
    where
        F: Fn(usize, u64) -> BoxFuture<'static, anyhow::Result<bool>> + Send + Sync + 'static,
    {
        let call = Arc::new(call);
        let cpu = self.node.cpu_time()?;
        let start = self.seams.clock.monotonic();
        let mut running = Vec::new();
        for connection in 0..connections {
            let (call, clock) = (call.clone(), self.seams.clock.clone());
            running.push(self.work.detach(async move {
                let mut latencies = headwater_bench::latency::Latencies::default();
                for number in 0.. {
                    let begun = clock.monotonic();
                    if begun - start >= runs || !call(connection, number).await? {
                        break;
                    }
                    latencies.record(clock.monotonic() - begun);
                }
                anyhow::Ok(latencies)
            }));
        }
        let mut hammered = row::Hammered::default();
        for connection in running {
            hammered.latencies.merge(connection.await.context("a connection was dropped")??);
        }
        hammered.took = self.seams.clock.monotonic() - start;
        hammered.server_cpu = self.node.cpu_time()?.saturating_sub(cpu);
        Ok(hammered)
    }
}

type Measure = fn(Bed) -> BoxFuture<'static, anyhow::Result<Vec<Row>>>;

/// Groups of rows that share a node, by name.
const GROUPS: &[(&str, Measure)] = &[
    ("start, idle", |bed| Box::pin(life::start_and_idle(bed))),
    ("kinesis put_records json", |bed| Box::pin(kinesis::put_records_json(bed))),
    ("kinesis put_records cbor", |bed| Box::pin(kinesis::put_records_cbor(bed))),
    ("kinesis put_record 32", |bed| Box::pin(kinesis::put_record(bed))),
    ("kinesis put_record 64", |bed| Box::pin(kinesis::put_record_64(bed))),
    ("kinesis put to get", |bed| Box::pin(kinesis::put_to_get(bed))),
    ("kinesis put to push", |bed| Box::pin(kinesis::put_to_push(bed))),
    ("kinesis catch up", |bed| Box::pin(catch_up::catch_up(bed))),
    ("kinesis many shards", |bed| Box::pin(shards::many(bed))),
    ("kinesis idle shards", |bed| Box::pin(shards::idle(bed))),
    ("stream to parquet", |bed| Box::pin(delivery::sustained(bed))),
    ("freshness", |bed| Box::pin(delivery::freshness(bed))),
    ("s3 small objects", |bed| Box::pin(s3::small_objects(bed))),
    ("s3 large object", |bed| Box::pin(s3::large_object(bed))),
    ("s3 hot key", |bed| Box::pin(s3::hot_key(bed))),
    ("s3 million objects", |bed| Box::pin(million::million_objects(bed))),
    ("reopen after kill -9", |bed| Box::pin(life::reopen(bed))),
    ("demo", |bed| Box::pin(life::demo(bed))),
];

/// Measures and prints.
pub async fn run(options: Bench, output: Output) -> anyhow::Result<()> {
    let only = |name: &str| options.only.as_ref().is_none_or(|only| name.contains(only.as_str()));
    if !GROUPS.iter().any(|(name, _)| only(name)) {
        let names: Vec<_> = GROUPS.iter().map(|(name, _)| *name).collect();
        bail!("no group of rows is called so; there are: {}", names.join("; "));
    }
    let seams = Seams::system();
    let scratch = options.scratch.clone().map_or_else(std::env::current_dir, Ok)?;
    let folder = tempfile::Builder::new().prefix(".headwater-bench-").tempdir_in(&scratch);
    let folder = folder.with_context(|| format!("making a directory in {}", scratch.display()))?;
    let spinner = output::spinner("measuring");
    spinner.set_message("the machine");
    let machine = Arc::new(machine::measure(folder.path(), &seams.clock)?);
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for (index, (name, measure)) in GROUPS.iter().enumerate() {
        if !only(name) {
            continue;
        }
        spinner.set_message(*name);
        let place = folder.path().join(format!("{index}"));
        std::fs::create_dir(&place)?;
        let runs = Duration::from_secs(options.seconds);
        let measured = async { measure(Bed::make(&place, &seams, runs, machine.clone())?).await };
        match measured.await {
            Ok(more) => {
                spinner.suspend(|| more.iter().for_each(|row| eprintln!("{}", row.line())));
                rows.extend(more);
            }
            Err(error) => {
                spinner.suspend(|| eprintln!("{name}: not measured: {error:#}"));
                failed.push((*name, format!("{error:#}")));
            }
        }
        std::fs::remove_dir_all(&place)?;
        // What this group left to write shall not be in the way of the next.
        rustix::fs::sync();
    }
    spinner.finish_and_clear();
    let failures: Vec<_> = failed.iter().map(|(name, why)| json!({"row": name, "error": why})).collect();
    let all = json!({
        "machine": row::machine_json(&machine),
        "rows": rows.iter().map(Row::json).collect::<Vec<_>>(),
        "failed": failures,
    });
    output.result(text(&rows, &machine), &all);
    if !failed.is_empty() {
        bail!("{} of {} groups of rows were not measured", failed.len(), GROUPS.len());
    }
    Ok(())
}

fn text(rows: &[Row], machine: &Machine) -> String {
    let mut table =
        output::table(&["", "figure", "target", "", "per server CPU-second", "p50", "p99"], &[1, 2, 4, 5, 6]);
    for row in rows {
        table.add_row(row.cells());
    }
    format!("{table}\n\nThe machine itself: {}", row::machine_text(machine))
}
