//! Statements that tell: SHOW, DESCRIBE, EXPLAIN.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use futures::StreamExt;
use headwater_catalog::{Column, QueryError, QueryOutcome, StatementKind, Table};
use headwater_tables::path::partition_path;

use crate::ddl::statement::{Statement, TableName};
use crate::engine::{self, done};
use crate::run::Run;
use crate::{error, names, view};

/// Names asked for in one page.
const PAGE: usize = 1000;
/// The most lines one SHOW answers.
const LINES_MAX: usize = 1_000_000;
/// Width of DESCRIBE's columns, as Hive pads them.
const PAD: usize = 20;

/// Runs a telling statement; `None` if it is none.
pub async fn run(run: &Arc<Run>, statement: &Statement) -> Result<Option<QueryOutcome>, QueryError> {
    Ok(Some(match statement {
        Statement::ShowDatabases(pattern) => {
            let names = databases(run, pattern.as_deref()).await?;
            table(run, "SHOW_DATABASES", &["database_name"], lines(names))?
        }
        Statement::ShowTables { database, pattern } => {
            let names = tables(run, database.as_deref(), pattern.as_deref(), |_| true).await?;
            table(run, "SHOW_TABLES", &["tab_name"], lines(names))?
        }
        Statement::ShowViews { database, pattern } => {
            let is_view = |table: &Table| table.table_type.as_deref() == Some(view::TABLE_TYPE);
            let names = tables(run, database.as_deref(), pattern.as_deref(), is_view).await?;
            table(run, "SHOW_VIEWS", &["views"], lines(names))?
        }
        Statement::ShowPartitions(name) => table(
            run,
            "SHOW_PARTITIONS",
            &["partition"],
            lines(partitions(run, &*load(run, name).await?).await?),
        )?,
        Statement::ShowColumns(name) => {
            let found = load(run, name).await?;
            let names =
                found.storage.columns.iter().chain(&found.partition_keys).map(|c| c.name.clone()).collect();
            table(run, "SHOW_COLUMNS", &["field"], lines(names))?
        }
        Statement::ShowCreateTable(name) => {
            let text = create_table(&*load(run, name).await?)?;
            table(
                run,
                "SHOW_CREATE_TABLE",
                &["createtab_stmt"],
                lines(text.lines().map(str::to_owned).collect()),
            )?
        }
        Statement::ShowProperties(name) => {
            let found = load(run, name).await?;
            let rows = found.parameters.iter().map(|(key, value)| vec![format!("{key}\t{value}")]).collect();
            table(run, "SHOW_TBLPROPERTIES", &["prpt_name"], rows)?
        }
        Statement::Describe(name) => {
            let rows = describe(&*load(run, name).await?);
            table(run, "DESCRIBE_TABLE", &["col_name"], rows)?
        }
        _ => return Ok(None),
    }))
}

/// `EXPLAIN query`.
pub async fn explain(run: &Arc<Run>, sql: &str) -> Result<QueryOutcome, QueryError> {
    let text = engine::explain(run, sql).await?;
    table(run, "EXPLAIN", &["Query Plan"], lines(text.lines().map(str::to_owned).collect()))
}

/// The table that a statement names.
pub async fn load(run: &Run, name: &TableName) -> Result<Arc<Table>, QueryError> {
    let database = name.database.clone().unwrap_or_else(|| run.request.database.to_lowercase());
    match names::find(run, &database, &name.table).await? {
        Some(table) => Ok(table),
        None => Err(names::missing(run, &database, &name.table).await),
    }
}

fn lines(names: Vec<String>) -> Vec<Vec<String>> {
    names.into_iter().map(|name| vec![name]).collect()
}

fn table(
    run: &Run,
    substatement: &'static str,
    columns: &[&str],
    rows: Vec<Vec<String>>,
) -> Result<QueryOutcome, QueryError> {
    let schema = Arc::new(Schema::new(
        columns.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect::<Vec<_>>(),
    ));
    let arrays: Vec<ArrayRef> = (0..columns.len())
        .map(|n| Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row[n]))) as ArrayRef)
        .collect();
    let batch =
        RecordBatch::try_new(Arc::clone(&schema), arrays).map_err(|problem| error::internal(&problem))?;
    let outcome = done(run, StatementKind::Utility, substatement);
    Ok(QueryOutcome { schema, batches: futures::stream::iter([Ok(batch)]).boxed(), ..outcome })
}

async fn databases(run: &Run, pattern: Option<&str>) -> Result<Vec<String>, QueryError> {
    let mut names = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = run.catalog.databases(&run.request.scope, after.as_deref(), PAGE).await;
        let page = page.map_err(|problem| error::catalog(&problem))?;
        names.extend(page.iter().map(|database| database.name.clone()).filter(|name| matches(name, pattern)));
        after = page.last().map(|database| database.name.clone());
        if page.len() < PAGE || names.len() >= LINES_MAX {
            return Ok(names);
        }
    }
}

async fn tables(
    run: &Run,
    database: Option<&str>,
    pattern: Option<&str>,
    wanted: impl Fn(&Table) -> bool,
) -> Result<Vec<String>, QueryError> {
    let database = database.map_or_else(|| run.request.database.to_lowercase(), str::to_owned);
    let mut names = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = run.catalog.tables(&run.request.scope, &database, after.as_deref(), PAGE).await;
        let page = page.map_err(|problem| match problem {
            headwater_catalog::CatalogError::NotFound(_) => {
                QueryError::User(format!("SCHEMA_NOT_FOUND: line 1:1: Schema '{database}' does not exist"))
            }
            other => error::catalog(&other),
        })?;
        let found = page.iter().filter(|table| wanted(table)).map(|table| table.key.table.clone());
        names.extend(found.filter(|name| matches(name, pattern)));
        after = page.last().map(|table| table.key.table.clone());
        if page.len() < PAGE || names.len() >= LINES_MAX {
            return Ok(names);
        }
    }
}

async fn partitions(run: &Run, table: &Table) -> Result<Vec<String>, QueryError> {
    if table.partition_keys.is_empty() {
        let name = &table.key.table;
        return Err(QueryError::User(format!(
            "FAILED: Execution Error: Table {name} is not a partitioned table"
        )));
    }
    let keys: Vec<&str> = table.partition_keys.iter().map(|key| key.name.as_str()).collect();
    let mut names = Vec::new();
    let mut after = None;
    loop {
        let page = run.catalog.partitions(table, "", after.as_ref(), PAGE).await;
        let page = page.map_err(|problem| error::catalog(&problem))?;
        for partition in &page {
            let values: Vec<&str> = partition.values.iter().map(String::as_str).collect();
            names.push(partition_path(&keys, &values).trim_end_matches('/').to_owned());
        }
        after = page.last().map(|partition| partition.values.clone());
        if page.len() < PAGE || names.len() >= LINES_MAX {
            return Ok(names);
        }
    }
}

/// Hive's pattern: `*` stands for any text, `|` for or; without any, the whole name.
fn matches(name: &str, pattern: Option<&str>) -> bool {
    let Some(pattern) = pattern else { return true };
    pattern.to_lowercase().split('|').any(|one| {
        let text = one.split('*').map(regex::escape).collect::<Vec<_>>().join(".*");
        regex::Regex::new(&format!("^{text}$")).is_ok_and(|regex| regex.is_match(name))
    })
}

fn describe(table: &Table) -> Vec<Vec<String>> {
    let line = |column: &Column| {
        let comment = column.comment.as_deref().unwrap_or_default();
        vec![format!("{:PAD$}\t{:PAD$}\t{comment:PAD$}", column.name, column.hive_type)]
    };
    let mut rows: Vec<Vec<String>> =
        table.storage.columns.iter().chain(&table.partition_keys).map(line).collect();
    if !table.partition_keys.is_empty() {
        rows.push(vec![format!("{:PAD$}\t{:PAD$}\t{:PAD$}", "", "", "")]);
        rows.push(vec!["# Partition Information\t \t ".to_owned()]);
        rows.push(vec![format!("{:PAD$}\t{:PAD$}\t{:PAD$}", "# col_name", "data_type", "comment")]);
        rows.push(vec![format!("{:PAD$}\t{:PAD$}\t{:PAD$}", "", "", "")]);
        rows.extend(table.partition_keys.iter().map(line));
    }
    rows
}

/// The statement that would create the table.
fn create_table(table: &Table) -> Result<String, QueryError> {
    let name = &table.key.table;
    if let Some(sql) = view::definition(table)? {
        return Ok(format!("CREATE VIEW {name} AS\n{sql}"));
    }
    let columns = |columns: &[Column]| {
        let one = |column: &Column| {
            let comment =
                column.comment.as_ref().map(|text| format!(" COMMENT {}", quoted(text))).unwrap_or_default();
            format!("  `{}` {}{comment}", column.name, column.hive_type)
        };
        columns.iter().map(one).collect::<Vec<_>>().join(", \n")
    };
    let pairs = |pairs: &engine::Parameters| {
        pairs.iter().map(|(k, v)| format!("  {}={}", quoted(k), quoted(v))).collect::<Vec<_>>().join(", \n")
    };
    let storage = &table.storage;
    let mut text = format!("CREATE EXTERNAL TABLE `{name}`(\n{})\n", columns(&storage.columns));
    if let Some(comment) = &table.description {
        text += &format!("COMMENT {}\n", quoted(comment));
    }
    if !table.partition_keys.is_empty() {
        text += &format!("PARTITIONED BY ( \n{})\n", columns(&table.partition_keys));
    }
    if let Some(serde) = &storage.serde_library {
        text += &format!("ROW FORMAT SERDE \n  {} \n", quoted(serde));
    }
    if !storage.serde_parameters.is_empty() {
        text += &format!("WITH SERDEPROPERTIES ( \n{}) \n", pairs(&storage.serde_parameters));
    }
    if let (Some(input), Some(output)) = (&storage.input_format, &storage.output_format) {
        text +=
            &format!("STORED AS INPUTFORMAT \n  {} \nOUTPUTFORMAT \n  {}\n", quoted(input), quoted(output));
    }
    text += &format!("LOCATION\n  {}\n", quoted(&storage.location));
    if !table.parameters.is_empty() {
        text += &format!("TBLPROPERTIES (\n{})", pairs(&table.parameters));
    }
    Ok(text.trim_end().to_owned())
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_hives() {
        assert!(matches("orders", None));
        assert!(matches("orders", Some("*ord*")));
        assert!(matches("orders", Some("x|orders")));
        assert!(!matches("orders", Some("ord")));
        assert!(!matches("orders", Some("o.ders")));
    }
}
