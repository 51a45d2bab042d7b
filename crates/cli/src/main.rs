//! `headwater`: the one binary. A node (`serve`), the main job shown on an empty machine (`demo`),
//! and the verbs of a client that speaks to a node over the real protocols.
//!
//! **Failure.** Every command ends with a non-zero status and one readable line on standard error
//! when what was asked did not happen.

mod audit;
mod aws;
mod backup;
mod bench;
mod demo;
mod env;
mod output;
mod query;
mod records;
mod serve;
mod status;
mod streams;
mod tail;
mod target;
mod up;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use output::Output;
use target::Target;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Streams, storage, catalog and queries for machine learning, exactly once, in one binary.
#[derive(Debug, Parser)]
#[command(name = "headwater", version, about, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    shared: Shared,
}

/// What every client verb takes.
#[derive(Clone, Debug, Args)]
struct Shared {
    /// The data directory of the node; default: the platform's data folder
    #[arg(long, global = true, value_name = "DIR", env = "HEADWATER_DATA")]
    data: Option<PathBuf>,
    /// The node to talk to, http(s)://host:port; default: AWS_ENDPOINT_URL, or the node that runs on the data directory
    #[arg(long, global = true, value_name = "URL")]
    endpoint: Option<String>,
    /// The certificates (PEM) to believe of an https endpoint; default: AWS_CA_BUNDLE, or those this machine trusts
    #[arg(long, global = true, value_name = "FILE")]
    ca_bundle: Option<PathBuf>,
    /// The region to sign for; default: AWS_REGION, or eu-central-1
    #[arg(long, global = true, value_name = "NAME")]
    region: Option<String>,
    /// Write one JSON value to standard output, for scripts (tail: one for each record)
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node
    Serve(serve::Serve),
    /// Show the main job on an empty machine: a million card transactions, from producer to table
    Demo(demo::Demo),
    /// Recount every ledger from the files: a verdict per delivery and shard
    Audit,
    /// Copy a node's data directory, consistently, while it runs
    Backup {
        /// Where to; must be empty or absent
        to: PathBuf,
    },
    /// Read a data directory back, while no node runs on it; non-zero when anything is wrong
    Verify,
    /// Make a damaged data directory openable again, giving up what cannot be read
    Repair {
        /// Only say what would be lost
        #[arg(long)]
        plan: bool,
    },
    /// Measure speed and memory, beside their targets and the machine's own limits
    Bench(bench::Bench),
    /// Print the exports that point AWS tools at the node: eval "$(headwater env)"
    Env,
    /// Make a pipeline be what its file says
    Up {
        /// The pipeline, in TOML
        file: PathBuf,
        /// Only say what would be done
        #[arg(long)]
        plan: bool,
    },
    /// Show the node's journal, deliveries and background tasks
    Status,
    /// Run a statement through Athena and print what it gives
    Query {
        /// The statement
        sql: String,
        /// The database that bare names mean
        #[arg(long, default_value = "default")]
        database: String,
        /// Where the result is kept, s3://bucket/prefix/
        #[arg(long, value_name = "URI")]
        output: Option<String>,
    },
    /// Show every stream: shards, how fast it takes records, how far its readers are behind
    Streams,
    /// Put each line of standard input to a stream
    Put {
        /// The stream
        stream: String,
        /// The member of each JSON line whose value is the partition key; a digest of the line otherwise
        #[arg(long, value_name = "MEMBER")]
        key: Option<String>,
    },
    /// Print the records of a stream as they arrive
    Tail {
        /// The stream
        stream: String,
        /// Begin with the oldest record that is still there
        #[arg(long, conflicts_with = "since")]
        from_start: bool,
        /// Begin with what arrived since: 90s, 15m, 6h, 2d ago, or a time like 2026-01-31T12:00:00Z
        #[arg(long, value_name = "WHEN")]
        since: Option<String>,
        /// End after this many records
        #[arg(long, value_name = "N")]
        records: Option<u64>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let done = runtime.block_on(run(arguments));
    // A store that is still being opened is not waited for: it copes with any end.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("headwater: {error:#}");
    ExitCode::FAILURE
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let shared = arguments.shared;
    let output = if shared.json { Output::Json } else { Output::Text };
    match arguments.command {
        Command::Serve(serve) => serve::run(serve, shared.data).await,
        Command::Demo(demo) => demo::run(demo, shared.data, output).await,
        Command::Backup { to } => backup::run(&shared, &to, output).await,
        Command::Verify => verify::run(&target::data_directory(shared.data)?, output).await,
        Command::Repair { plan } => verify::repair(&target::data_directory(shared.data)?, plan, output).await,
        Command::Audit => audit::run(&Target::find(&shared)?.aws()?, output).await,
        Command::Bench(bench) => bench::run(bench, output).await,
        Command::Status => status::run(&Target::find(&shared)?.aws()?, output).await,
        Command::Env => env::run(&Target::find(&shared)?, output),
        Command::Up { file, plan } => up::run(&Target::find(&shared)?.aws()?, &file, plan, output).await,
        Command::Query { sql, database, output: location } => {
            query::run(&Target::find(&shared)?.aws()?, &sql, &database, location, output).await
        }
        Command::Put { stream, key } => {
            records::put(&Target::find(&shared)?.aws()?, &stream, key, output).await
        }
        Command::Streams => streams::run(&Target::find(&shared)?.aws()?, output).await,
        Command::Tail { stream, from_start, since, records } => {
            let from = tail::From::of(from_start, since.as_deref())?;
            tail::run(&Target::find(&shared)?.aws()?, &stream, from, records, output).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }
}
