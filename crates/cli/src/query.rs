//! `headwater query`: SQL through Athena.

use std::time::Duration;

use anyhow::{Context, bail};
use headwater_base::Seams;
use serde_json::{Value, json};

use crate::aws::{Aws, Service};
use crate::output::{self, Output};

/// How long a statement may run.
const RUNS_WITHIN: Duration = Duration::from_secs(30 * 60);

/// How many result pages are printed at most: a million rows.
const PAGES_MAX: usize = 1000;

/// A statement that succeeded.
#[derive(Clone, Debug)]
pub struct Done {
    /// Athena's id of it.
    pub id: String,
    /// Where the result is, `s3://…`.
    pub location: String,
    /// Bytes of table data read.
    pub bytes_scanned: u64,
}

/// A result, as text.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// The columns' names.
    pub columns: Vec<String>,
    /// The rows; `None` is null.
    pub rows: Vec<Vec<Option<String>>>,
}

/// `headwater query "SELECT …"`.
pub async fn run(
    aws: &Aws,
    sql: &str,
    database: &str,
    location: Option<String>,
    output: Output,
) -> anyhow::Result<()> {
    let done = execute(aws, sql, database, location.as_deref()).await?;
    let rows = results(aws, &done.id).await?;
    let mut table = output::table(&rows.columns.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
    let mut objects = Vec::with_capacity(rows.rows.len());
    for row in &rows.rows {
        table.add_row(row.iter().map(|cell| cell.as_deref().unwrap_or("")));
        let members = rows.columns.iter().cloned().zip(row.iter().map(|cell| json!(cell)));
        objects.push(Value::Object(members.collect()));
    }
    let json = json!({"id": done.id, "rows": objects, "bytes_scanned": done.bytes_scanned});
    if rows.columns.is_empty() {
        output.result("done", &json);
    } else {
        output.result(table, &json);
    }
    Ok(())
}

/// Runs a statement to its end.
pub async fn execute(aws: &Aws, sql: &str, database: &str, location: Option<&str>) -> anyhow::Result<Done> {
    let mut input = json!({"QueryString": sql, "QueryExecutionContext": {"Database": database}});
    if let Some(location) = location {
        input["ResultConfiguration"] = json!({"OutputLocation": location});
    }
    let started = aws.call(Service::Athena, "StartQueryExecution", &input).await?;
    let id = started["QueryExecutionId"].as_str().context("Athena gave no query id")?.to_owned();
    let clock = Seams::system().clock;
    let start = clock.monotonic();
    let mut pause = Duration::from_millis(5);
    while clock.monotonic() - start < RUNS_WITHIN {
        let answer = aws.call(Service::Athena, "GetQueryExecution", &json!({"QueryExecutionId": id})).await?;
        let execution = &answer["QueryExecution"];
        let status = &execution["Status"];
        match status["State"].as_str().unwrap_or_default() {
            "SUCCEEDED" => return Ok(done(id, execution)),
            "QUEUED" | "RUNNING" => {}
            state => bail!("{}", status["StateChangeReason"].as_str().unwrap_or(state)),
        }
        clock.sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(250));
    }
    bail!("the statement still runs after {} minutes: query id {id}", RUNS_WITHIN.as_secs() / 60)
}

fn done(id: String, execution: &Value) -> Done {
    let location = execution["ResultConfiguration"]["OutputLocation"].as_str().unwrap_or_default().to_owned();
    let bytes_scanned = execution["Statistics"]["DataScannedInBytes"].as_u64().unwrap_or_default();
    Done { id, location, bytes_scanned }
}

/// All rows of a finished statement.
pub async fn results(aws: &Aws, id: &str) -> anyhow::Result<Rows> {
    let mut rows = Rows::default();
    let mut input = json!({"QueryExecutionId": id, "MaxResults": 1000});
    for page in 0..PAGES_MAX {
        let answer = aws.call(Service::Athena, "GetQueryResults", &input).await?;
        let set = &answer["ResultSet"];
        if page == 0 {
            rows.columns = columns(set);
        }
        for row in set["Rows"].as_array().into_iter().flatten() {
            let cells = row["Data"].as_array().into_iter().flatten();
            rows.rows.push(cells.map(|cell| cell["VarCharValue"].as_str().map(str::to_owned)).collect());
        }
        match answer["NextToken"].as_str() {
            Some(token) => input["NextToken"] = token.into(),
            None => break,
        }
    }
    // The first row of a SELECT's first page repeats the names.
    let is_header = |row: &Vec<Option<String>>| row.iter().flatten().eq(rows.columns.iter());
    if rows.rows.first().is_some_and(is_header) {
        rows.rows.remove(0);
    }
    Ok(rows)
}

fn columns(set: &Value) -> Vec<String> {
    let info = set["ResultSetMetadata"]["ColumnInfo"].as_array().into_iter().flatten();
    info.map(|column| column["Name"].as_str().unwrap_or_default().to_owned()).collect()
}
