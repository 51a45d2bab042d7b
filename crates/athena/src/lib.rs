//! Athena's protocol: SQL statements that run on the node, their states, and their results in S3.
//!
//! The face keeps executions and workgroups in the store, runs statements through the catalog's
//! `QueryEngine` port, and writes results through `objects`. What a statement means is not its
//! business.
//!
//! | part | what it does |
//! |---|---|
//! | `ops` | one file per family of operations |
//! | `executions` | starting, running, ending and paging of executions |
//! | [`results`] | CSV, text and metadata files |
//! | `workgroups` | settings of queries |
//! | `records` | what is stored |

mod convert;
pub mod executions;
mod fault;
mod ops;
mod records;
pub mod results;
mod shapes;
mod workgroups;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use headwater_base::Seams;
use headwater_catalog::{Catalog, QueryEngine};
use headwater_objects::Objects;
use headwater_store::Store;
use headwater_wire::{Answer, Face, OperationRow, OperationSet, VerifiedRequest};
use headwater_work::Work;

use executions::Executions;
use executions::runner::Runner;
use workgroups::WorkGroups;

/// Statements are at most 256 KiB; with JSON's escapes a request may be some times that.
const BODY_BYTES_MAX: usize = 4 << 20;
/// How often the runner looks without being woken.
const RUNNER_INTERVAL: Duration = Duration::from_secs(30);

/// What the face may use.
#[derive(Clone, Debug)]
pub struct Options {
    /// Executions that run at a time; more wait in a queue.
    pub at_once: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { at_once: 4 }
    }
}

/// The Athena service.
#[derive(Debug)]
pub struct Athena {
    state: State,
    operations: OperationSet<State>,
}

/// What operations work with.
#[derive(Debug)]
pub struct State {
    pub(crate) executions: Executions,
    pub(crate) workgroups: WorkGroups,
    pub(crate) catalog: Catalog,
    pub(crate) runner: Arc<Runner>,
}

impl Athena {
    /// The service over a store, the objects and the catalog; statements are run by `engine`.
    /// Registers its runner with `work`.
    pub fn new(
        options: &Options,
        store: Arc<dyn Store>,
        objects: Objects,
        catalog: Catalog,
        engine: Arc<dyn QueryEngine>,
        seams: Seams,
        work: &Work,
    ) -> Self {
        let executions = Executions::new(Arc::clone(&store), objects, seams.clone());
        let runner = Arc::new(Runner::new(executions.clone(), engine, work.clone(), options.at_once.max(1)));
        let running =
            work.reconcile(Arc::clone(&runner) as Arc<dyn headwater_work::Reconciler>, RUNNER_INTERVAL);
        runner.wake_by(running.signal.clone());
        let workgroups = WorkGroups::new(store, seams);
        Self { state: State { executions, workgroups, catalog, runner }, operations: operations() }
    }
}

fn operations() -> OperationSet<State> {
    OperationSet::new()
        .with::<ops::start_query_execution::StartQueryExecution>()
        .with::<ops::get_query_execution::GetQueryExecution>()
        .with::<ops::get_query_execution::BatchGetQueryExecution>()
        .with::<ops::get_query_results::GetQueryResults>()
        .with::<ops::get_query_execution::GetQueryRuntimeStatistics>()
        .with::<ops::stop_query_execution::StopQueryExecution>()
        .with::<ops::list_query_executions::ListQueryExecutions>()
        .with::<ops::workgroups::GetWorkGroup>()
        .with::<ops::workgroups::ListWorkGroups>()
        .with::<ops::workgroups::CreateWorkGroup>()
        .with::<ops::workgroups::UpdateWorkGroup>()
        .with::<ops::workgroups::DeleteWorkGroup>()
        .with::<ops::metadata::ListDataCatalogs>()
        .with::<ops::metadata::GetDataCatalog>()
        .with::<ops::metadata::ListDatabases>()
        .with::<ops::metadata::GetDatabase>()
        .with::<ops::metadata::ListTableMetadata>()
        .with::<ops::metadata::GetTableMetadata>()
        .refusing(REFUSED)
}

/// Operations we know and do not speak.
const REFUSED: &[&str] = &[
    "BatchGetNamedQuery",
    "BatchGetPreparedStatement",
    "CancelCapacityReservation",
    "CreateCapacityReservation",
    "CreateDataCatalog",
    "CreateNamedQuery",
    "CreateNotebook",
    "CreatePreparedStatement",
    "CreatePresignedNotebookUrl",
    "DeleteCapacityReservation",
    "DeleteDataCatalog",
    "DeleteNamedQuery",
    "DeleteNotebook",
    "DeletePreparedStatement",
    "ExportNotebook",
    "GetCalculationExecution",
    "GetCalculationExecutionCode",
    "GetCalculationExecutionStatus",
    "GetCapacityAssignmentConfiguration",
    "GetCapacityReservation",
    "GetNamedQuery",
    "GetNotebookMetadata",
    "GetPreparedStatement",
    "GetResourceDashboard",
    "GetSession",
    "GetSessionEndpoint",
    "GetSessionStatus",
    "ImportNotebook",
    "ListApplicationDPUSizes",
    "ListCalculationExecutions",
    "ListCapacityReservations",
    "ListEngineVersions",
    "ListExecutors",
    "ListNamedQueries",
    "ListNotebookMetadata",
    "ListNotebookSessions",
    "ListPreparedStatements",
    "ListSessions",
    "ListTagsForResource",
    "PutCapacityAssignmentConfiguration",
    "StartCalculationExecution",
    "StartSession",
    "StopCalculationExecution",
    "TagResource",
    "TerminateSession",
    "UntagResource",
    "UpdateCapacityReservation",
    "UpdateDataCatalog",
    "UpdateNamedQuery",
    "UpdateNotebook",
    "UpdateNotebookMetadata",
    "UpdatePreparedStatement",
];

#[async_trait]
impl Face for Athena {
    fn signing_name(&self) -> &'static str {
        "athena"
    }

    fn target_prefix(&self) -> Option<&'static str> {
        Some("AmazonAthena")
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
