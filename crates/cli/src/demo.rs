//! `headwater demo`: the main job on an empty machine.
//!
//! It starts the real binary on a fresh directory and drives it from outside, over the protocols
//! any client uses: a pipeline is applied, a million card transactions are produced, delivered,
//! joined, queried; then every record is looked for by its id, and the ledger is recounted from the
//! files.
//!
//! **Invariants.** Lost and doubled come from ids read back from the table and the error objects,
//! never from counts. With `--json` standard output holds one object and nothing else.
//!
//! **Failure.** The first thing that goes wrong ends it with a non-zero status; so do a lost or
//! doubled record and a ledger that does not balance. The node it started ends with it.

pub(crate) mod pipeline;
pub(crate) mod probe;
mod readback;
mod report;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use headwater_base::Seams;
use headwater_bench::cards::Cards;
use headwater_bench::child::ChildNode;
use headwater_bench::ids::Reconciliation;
use headwater_bench::latency::Latencies;
use headwater_bench::produce::{Load, Produced, Producer, Progress};
use headwater_work::Work;

use crate::aws::Aws;
use crate::output::{self, Output};
use crate::status;
use crate::target::Target;
use report::Report;

/// How many probe records there may be.
const PROBES_MAX: u64 = 2000;

/// How long the last record may take to be delivered.
const DELIVERED_WITHIN: Duration = Duration::from_secs(600);

/// How often the ledger is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What to show.
#[derive(Clone, Debug, Args)]
pub struct Demo {
    /// How many transactions
    #[arg(long, default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    records: u64,
    /// At most this many a second, such as 20000 or 20000/s; as fast as possible otherwise
    #[arg(long, value_name = "N/s", value_parser = parse_rate)]
    rate: Option<u64>,
    /// Leave the node running at the end
    #[arg(long)]
    keep: bool,
    /// How many connections produce
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=256))]
    connections: u64,
    /// The seed of the transactions
    #[arg(long, default_value_t = 7, value_name = "N")]
    seed: u64,
}

fn parse_rate(text: &str) -> Result<u64, String> {
    let number = text.trim_end_matches("/s").replace('_', "");
    match number.parse() {
        Ok(rate) if rate > 0 => Ok(rate),
        _ => Err("a number of records a second, such as 20000/s".into()),
    }
}

/// A demonstration under way.
struct Stage {
    options: Demo,
    aws: Aws,
    cards: Cards,
    book: Arc<Reconciliation>,
    seams: Seams,
    work: Work,
}

/// Runs it.
pub async fn run(options: Demo, data: Option<PathBuf>, output: Output) -> anyhow::Result<()> {
    let seams = Seams::system();
    let folder = Folder::prepare(data, options.keep)?;
    let start = seams.clock.monotonic();
    let binary = std::env::current_exe().context("finding this program")?;
    let mut node = ChildNode::start(&binary, &folder.path, &[])?;
    say(format!("node at {}, data in {}", node.endpoint(), folder.path.display()));
    let stage = Stage {
        aws: Target::root_of(&folder.path, node.endpoint())?.aws()?,
        cards: Cards::new(options.seed),
        book: Arc::new(Reconciliation::new(options.records + PROBES_MAX)),
        work: Work::new(seams.clone()),
        options: options.clone(),
        seams: seams.clone(),
    };
    let mut report =
        stage.play().await.with_context(|| format!("the node's log is {}", node.log().display()))?;
    report.seconds = (seams.clock.monotonic() - start).as_secs_f64();
    report.memory_bytes_max = node.resident_bytes_max()?;
    report.server_cpu_seconds = node.cpu_time()?.as_secs_f64();
    if options.keep {
        node.keep();
    }
    report.print(output, options.keep.then(|| folder.path.clone()).as_deref());
    report.verdict()
}

fn say(line: String) {
    eprintln!("{line}");
}

impl Stage {
    async fn play(&self) -> anyhow::Result<Report> {
        let mut report = Report { records: self.options.records, ..Report::default() };
        pipeline::apply(&self.aws).await?;
        let merchants = self.cards.merchants().to_csv();
        pipeline::crawl_merchants(&self.aws, merchants).await?;
        say("pipeline applied, merchants crawled".into());

        let ingest_start = self.seams.clock.monotonic();
        let progress = Arc::new(Progress::default());
        let (produced, probes) = self.produce_and_probe(&progress).await?;
        report.produce(&produced, progress.bytes.load(Ordering::Relaxed));
        report.queryable = probes;
        self.until_delivered().await?;
        report.deliver_seconds = (self.seams.clock.monotonic() - ingest_start).as_secs_f64();

        let job_start = self.seams.clock.monotonic();
        report.processed_rows = pipeline::run_job(&self.aws).await?;
        report.job_seconds = (self.seams.clock.monotonic() - job_start).as_secs_f64();
        report.fraud = pipeline::fraud_by_category(&self.aws).await?;

        let spinner = output::spinner("reading back");
        spinner.set_message("every id from the table and the error objects");
        readback::delivered(&self.aws, &self.book).await?;
        readback::dead_letters(&self.aws, &self.book).await?;
        spinner.finish_and_clear();
        report.reconcile(&self.book);
        let delivery = self.delivery().await?;
        let (audit, _) = crate::audit::ask(&self.aws).await?;
        report.ledger_balanced = audit.balanced && delivery.shards.iter().all(status::Shard::meets);
        report.ledger = delivery.total();
        report.stored_bytes = readback::stored_bytes(&self.aws, "raw/").await?;
        Ok(report)
    }

    /// Produces everything while a probe follows single records to the table.
    async fn produce_and_probe(&self, progress: &Arc<Progress>) -> anyhow::Result<(Produced, Latencies)> {
        let is_over = Arc::new(AtomicBool::new(false));
        let probe = probe::Probe {
            aws: self.aws.clone(),
            cards: self.cards.clone(),
            book: self.book.clone(),
            ids: self.options.records..self.options.records + PROBES_MAX,
            seams: self.seams.clone(),
        };
        let probing = {
            let is_over = is_over.clone();
            self.work.detach(async move { probe.run(&is_over).await })
        };
        let watching = {
            let (aws, progress, is_over) = (self.aws.clone(), progress.clone(), is_over.clone());
            let (total, clock) = (self.options.records, self.seams.clock.clone());
            self.work.detach(async move { watch(&aws, total, &progress, &is_over, &clock).await })
        };
        let producer = Producer {
            client: self.aws.client().clone(),
            cards: self.cards.clone(),
            book: self.book.clone(),
            progress: progress.clone(),
            seams: self.seams.clone(),
            work: self.work.clone(),
        };
        let load = Load {
            stream: pipeline::STREAM.into(),
            ids: 0..self.options.records,
            connections: self.options.connections as usize,
            rate: self.options.rate,
        };
        let produced = producer.run(&load).await;
        is_over.store(true, Ordering::Release);
        let probes = probing.await.context("the probe was dropped")?;
        watching.await.context("the progress bar was dropped")?;
        Ok((produced?, probes?))
    }

    /// Waits until nothing is buffered any more.
    async fn until_delivered(&self) -> anyhow::Result<()> {
        let accepted = self.book.accepted.count();
        let bar = output::bar(accepted, "delivering");
        let start = self.seams.clock.monotonic();
        while self.seams.clock.monotonic() - start < DELIVERED_WITHIN {
            let delivery = self.delivery().await?;
            let total = delivery.total();
            if let Some(problem) = &delivery.problem {
                bail!("the delivery stands still: {problem}");
            }
            bar.set_position(total.delivered + total.dead_lettered);
            if total.accepted >= accepted && total.buffered == 0 {
                bar.finish_and_clear();
                return Ok(());
            }
            self.seams.clock.sleep(LOOK_EVERY).await;
        }
        bail!("not everything was delivered after {} s; see headwater status", DELIVERED_WITHIN.as_secs())
    }

    async fn delivery(&self) -> anyhow::Result<status::Delivery> {
        let status = status::read(&self.aws).await?;
        let found = status.deliveries.into_iter().find(|delivery| delivery.name == pipeline::DELIVERY);
        found.context("the node's status does not show the delivery")
    }
}

/// Draws how far producing and delivering are until it is over.
async fn watch(
    aws: &Aws,
    total: u64,
    progress: &Progress,
    is_over: &AtomicBool,
    clock: &headwater_base::Clock,
) {
    let bars = indicatif::MultiProgress::new();
    let sent = bars.add(output::bar(total, "producing"));
    let delivered = bars.add(output::bar(total, "delivering"));
    let start = clock.monotonic();
    while !is_over.load(Ordering::Acquire) {
        let acknowledged = progress.acknowledged.load(Ordering::Relaxed);
        sent.set_position(acknowledged);
        let seconds = (clock.monotonic() - start).as_secs_f64().max(0.001);
        sent.set_message(format!("{}/s", output::grouped((acknowledged as f64 / seconds) as u64)));
        // A missed look costs a stale bar and nothing else.
        if let Ok(status) = status::read(aws).await {
            let done =
                status.deliveries.iter().find(|d| d.name == pipeline::DELIVERY).map(status::Delivery::total);
            let done = done.unwrap_or_default();
            delivered.set_position(done.delivered + done.dead_lettered);
        }
        clock.sleep(LOOK_EVERY).await;
    }
    let _ = bars.clear();
}

/// The data directory: the one named, which must be empty, or a temporary one that is removed at
/// the end unless the node is kept.
struct Folder {
    path: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Folder {
    fn prepare(named: Option<PathBuf>, is_kept: bool) -> anyhow::Result<Self> {
        if let Some(path) = named {
            if !is_empty(&path)? {
                bail!("{} is not empty: the demo wants a fresh directory", path.display());
            }
            return Ok(Self { path, _temporary: None });
        }
        let temporary =
            tempfile::Builder::new().prefix("headwater-demo-").tempdir().context("a temporary directory")?;
        if is_kept {
            return Ok(Self { path: temporary.keep().join("data"), _temporary: None });
        }
        Ok(Self { path: temporary.path().join("data"), _temporary: Some(temporary) })
    }
}

fn is_empty(path: &Path) -> anyhow::Result<bool> {
    match std::fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error).with_context(|| format!("looking into {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_with_or_without_their_unit() {
        assert_eq!(parse_rate("20000/s"), Ok(20_000));
        assert_eq!(parse_rate("20_000"), Ok(20_000));
        assert!(parse_rate("fast").is_err() && parse_rate("0").is_err());
    }

    #[test]
    fn a_directory_with_something_in_it_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Folder::prepare(Some(folder.path().join("new")), false).is_ok());
        std::fs::write(folder.path().join("mine"), "x").unwrap();
        assert!(Folder::prepare(Some(folder.path().to_owned()), false).is_err());
    }
}
