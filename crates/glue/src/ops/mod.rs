//! The operations, those of one subject in one file.

mod crawlers;
mod databases;
mod job_runs;
mod jobs;
mod partitions;
mod table_versions;
mod tables;
mod tags;
mod triggers;

use headwater_wire::OperationSet;

use crate::State;

/// Declares an operation: `Name(Input) -> Output`, the resource it is done to, and what does it.
/// The action the guard checks is `glue:Name`.
macro_rules! operation {
    ($name:ident($input:ty) -> $output:ty, |$cx:ident, $given:ident| $resource:expr, $call:path) => {
        pub(crate) struct $name;

        impl headwater_wire::Operation<crate::State> for $name {
            const NAME: &'static str = stringify!($name);
            type Input = $input;
            type Output = $output;

            fn access(
                _: &crate::State,
                $cx: &headwater_wire::Context,
                $given: &$input,
            ) -> Result<headwater_wire::Access, headwater_wire::Fault> {
                let resource = Some($resource);
                Ok(headwater_wire::Access { action: concat!("glue:", stringify!($name)), resource })
            }

            async fn call(
                state: &crate::State,
                cx: &headwater_wire::Context,
                input: $input,
            ) -> Result<$output, headwater_wire::Fault> {
                $call(state, cx, input).await
            }
        }
    };
}
pub(crate) use operation;

/// Every operation that works.
pub(crate) fn all() -> OperationSet<State> {
    OperationSet::new()
        .with::<databases::CreateDatabase>()
        .with::<databases::DeleteDatabase>()
        .with::<databases::GetDatabase>()
        .with::<databases::GetDatabases>()
        .with::<databases::UpdateDatabase>()
        .with::<tables::BatchDeleteTable>()
        .with::<tables::CreateTable>()
        .with::<tables::DeleteTable>()
        .with::<tables::GetTable>()
        .with::<tables::GetTables>()
        .with::<tables::SearchTables>()
        .with::<tables::UpdateTable>()
        .with::<table_versions::DeleteTableVersion>()
        .with::<table_versions::GetTableVersion>()
        .with::<table_versions::GetTableVersions>()
        .with::<partitions::BatchCreatePartition>()
        .with::<partitions::BatchDeletePartition>()
        .with::<partitions::BatchGetPartition>()
        .with::<partitions::BatchUpdatePartition>()
        .with::<partitions::CreatePartition>()
        .with::<partitions::DeletePartition>()
        .with::<partitions::GetPartition>()
        .with::<partitions::GetPartitions>()
        .with::<partitions::UpdatePartition>()
        .with::<tags::GetCatalogImportStatus>()
        .with::<tags::GetTags>()
        .with::<tags::TagResource>()
        .with::<tags::UntagResource>()
        .with::<crawlers::BatchGetCrawlers>()
        .with::<crawlers::CreateCrawler>()
        .with::<crawlers::DeleteCrawler>()
        .with::<crawlers::GetCrawler>()
        .with::<crawlers::GetCrawlerMetrics>()
        .with::<crawlers::GetCrawlers>()
        .with::<crawlers::ListCrawlers>()
        .with::<crawlers::StartCrawler>()
        .with::<crawlers::StartCrawlerSchedule>()
        .with::<crawlers::StopCrawler>()
        .with::<crawlers::StopCrawlerSchedule>()
        .with::<crawlers::UpdateCrawler>()
        .with::<crawlers::UpdateCrawlerSchedule>()
        .with::<job_runs::BatchStopJobRun>()
        .with::<job_runs::GetJobRun>()
        .with::<job_runs::GetJobRuns>()
        .with::<job_runs::StartJobRun>()
        .with::<jobs::BatchGetJobs>()
        .with::<jobs::CreateJob>()
        .with::<jobs::DeleteJob>()
        .with::<jobs::GetJob>()
        .with::<jobs::GetJobBookmark>()
        .with::<jobs::GetJobs>()
        .with::<jobs::ListJobs>()
        .with::<jobs::ResetJobBookmark>()
        .with::<jobs::UpdateJob>()
        .with::<triggers::BatchGetTriggers>()
        .with::<triggers::CreateTrigger>()
        .with::<triggers::DeleteTrigger>()
        .with::<triggers::GetTrigger>()
        .with::<triggers::GetTriggers>()
        .with::<triggers::ListTriggers>()
        .with::<triggers::StartTrigger>()
        .with::<triggers::StopTrigger>()
        .with::<triggers::UpdateTrigger>()
}
