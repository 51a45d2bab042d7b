//! The Glue face: `AWSGlue` over JSON 1.1. Databases, tables, partitions, crawlers, jobs, triggers.
//!
//! The catalog is the `catalog` engine's; crawlers, jobs and triggers live here, because no other
//! face needs them:
//!
//! ```text
//! ops ── catalog engine                 databases, tables, partitions
//!    ├── crawlers ── crawl              objects of S3 → tables and partitions
//!    ├── jobs ── runs                   SQL statements through the QueryEngine port
//!    └── triggers ── schedule           what is due → crawls and runs
//! ```
//!
//! **Invariants.** Whatever runs is a durable row first: a crawl or run that was under way when the
//! node ended goes on when it starts again, and a statement that was committed is not run twice. A
//! schedule fires once for each moment it names, also across restarts.
//!
//! **Failure.** See `docs/services/glue.md`.

mod checks;
mod convert;
mod crawl;
mod crawlers;
mod fault;
mod jobs;
mod ops;
mod records;
mod refused;
mod runs;
mod schedule;
mod script;
mod shapes;
mod tags;
mod token;
mod triggers;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use headwater_base::{Seams, Timestamp};
use headwater_catalog::{Catalog, QueryEngine};
use headwater_objects::Objects;
use headwater_store::Store;
use headwater_wire::{Answer, Face, OperationRow, OperationSet, VerifiedRequest};
use headwater_work::Work;

use crate::crawl::{CrawlReconciler, Crawls, SweepReconciler};
use crate::runs::{RunReconciler, Runner};
use crate::triggers::ScheduleReconciler;

/// 100 partitions or tables of wide schemas, and the JSON around them.
const BODY_BYTES_MAX: usize = 16 << 20;

/// How often is looked whether something is due.
const SCHEDULE_EVERY: Duration = Duration::from_secs(1);
/// How often runs and crawls are looked for that no signal announced.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How often leftovers of dropped tables are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(300);

/// What the face is built on.
#[derive(Clone, Debug)]
pub struct Ground {
    /// Where crawlers, jobs and triggers are kept.
    pub store: Arc<dyn Store>,
    /// The catalog.
    pub catalog: Catalog,
    /// What crawlers and scripts are read from.
    pub objects: Objects,
    /// What runs the statements of jobs; without it every run fails with a sentence that says so.
    pub queries: Option<Arc<dyn QueryEngine>>,
    /// Time and chance.
    pub seams: Seams,
}

/// What the operations work on.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) ground: Ground,
    pub(crate) runner: Arc<Runner>,
    pub(crate) crawls: Arc<Crawls>,
}

impl State {
    pub(crate) fn catalog(&self) -> &Catalog {
        &self.ground.catalog
    }

    /// Has runs and crawls looked for soon.
    pub(crate) fn wake(&self) {
        self.runner.wake();
        self.crawls.wake();
    }
}

/// The face.
#[derive(Debug)]
pub struct Glue {
    state: State,
    operations: OperationSet<State>,
}

impl Glue {
    /// The face over its ground. Registers what runs by itself with `work`.
    pub fn new(ground: Ground, work: &Work) -> Self {
        let state = State { ground, runner: Arc::default(), crawls: Arc::default() };
        let runs = RunReconciler { state: state.clone(), work: work.clone() };
        let runs = work.reconcile(Arc::new(runs), LOOK_EVERY);
        let crawls = work.reconcile(Arc::new(CrawlReconciler(state.clone())), LOOK_EVERY);
        // A face is made once, so both are empty.
        let _ = (state.runner.wake.set(runs.signal), state.crawls.wake.set(crawls.signal));
        work.reconcile(Arc::new(ScheduleReconciler(state.clone())), SCHEDULE_EVERY);
        work.reconcile(Arc::new(SweepReconciler(state.catalog().clone())), SWEEP_EVERY);
        Self { state, operations: ops::all().refusing(refused::REFUSED) }
    }
}

#[async_trait]
impl Face for Glue {
    fn signing_name(&self) -> &'static str {
        "glue"
    }

    fn target_prefix(&self) -> Option<&'static str> {
        Some("AWSGlue")
    }

    fn body_bytes_max(&self) -> usize {
        BODY_BYTES_MAX
    }

    fn operations(&self) -> Vec<OperationRow> {
        self.operations.rows().to_vec()
    }

    async fn handle(&self, request: VerifiedRequest) -> Answer {
        self.operations.handle(&self.state, request).await
    }
}

/// For the fuzz target `schedule`: what parses is due after `seconds` or never; an exclusion is a
/// pattern or a refusal.
#[doc(hidden)]
pub fn fuzz_schedule(expression: &str, exclusion: &str, seconds: u32) {
    let now = Timestamp::from_ms(i64::from(seconds) * 1000);
    if let Ok(schedule) = schedule::Schedule::parse(expression) {
        assert!(schedule.next_after(now).is_none_or(|due| due > now));
    }
    let _ = crawl::exclusion(exclusion);
}
