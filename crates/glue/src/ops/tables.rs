//! Tables.

use headwater_base::Scope;
use headwater_catalog::{Archive, Table, TableKey};
use headwater_wire::{Context, Fault};
use regex::Regex;
use std::sync::Arc;

use super::operation;
use crate::checks::{arn, at_most, page, present, required, scope};
use crate::shapes::{
    BatchDeleteTableInput, CreateTableInput, GetTableOutput, GetTablesInput, Nothing, SearchTablesInput,
    TableErrorShape, TableErrorsOutput, TableListOutput, TableNameInput, UpdateTableInput,
};
use crate::{State, convert, fault, token};

/// The most tables a page holds.
const PAGE_MAX: usize = 100;
/// The most tables a search's page holds.
const SEARCH_PAGE_MAX: usize = 1000;
/// The most tables one call deletes.
const BATCH_MAX: usize = 100;

operation!(CreateTable(CreateTableInput) -> Nothing,
    |cx, input| named(cx, &input.database_name, input.table_input.as_ref().and_then(|t| t.name.as_deref())), create);
operation!(DeleteTable(TableNameInput) -> Nothing,
    |cx, input| named(cx, &input.database_name, input.name.as_deref()), delete);
operation!(GetTable(TableNameInput) -> GetTableOutput,
    |cx, input| named(cx, &input.database_name, input.name.as_deref()), get);
operation!(GetTables(GetTablesInput) -> TableListOutput,
    |cx, input| named(cx, &input.database_name, Some("*")), list);
operation!(SearchTables(SearchTablesInput) -> TableListOutput, |cx, _input| arn(cx, "catalog"), search);
operation!(UpdateTable(UpdateTableInput) -> Nothing,
    |cx, input| named(cx, &input.database_name, input.table_input.as_ref().and_then(|t| t.name.as_deref())), update);
operation!(BatchDeleteTable(BatchDeleteTableInput) -> TableErrorsOutput,
    |cx, input| named(cx, &input.database_name, Some("*")), batch_delete);

/// The ARN of a table.
pub(super) fn named(cx: &Context, database: &Option<String>, table: Option<&str>) -> headwater_base::Arn {
    let database = database.as_deref().unwrap_or_default().to_lowercase();
    arn(cx, format!("table/{database}/{}", table.unwrap_or_default().to_lowercase()))
}

/// The key of the table that a request names.
pub(super) fn key(
    cx: &Context,
    catalog_id: Option<&str>,
    database: &Option<String>,
    table: &Option<String>,
    member: &str,
) -> Result<TableKey, Fault> {
    let scope = scope(cx, catalog_id)?;
    let database = required(database, "databaseName")?.to_lowercase();
    Ok(TableKey { scope, database, table: required(table, member)?.to_lowercase() })
}

async fn create(state: &State, cx: &Context, input: CreateTableInput) -> Result<Nothing, Fault> {
    let scope = scope(cx, input.catalog_id.as_deref())?;
    if input.open_table_format_input.is_some() {
        return Err(fault::invalid("This node does not create Iceberg tables by OpenTableFormatInput."));
    }
    // Every partition key is indexed here; an index that is asked for is there already.
    let _ = input.partition_indexes;
    let database = required(&input.database_name, "databaseName")?;
    let table = convert::table(&scope, database, present(input.table_input, "tableInput")?)?;
    state.catalog().create_table(table).await.map_err(fault::of)?;
    Ok(Nothing {})
}

async fn delete(state: &State, cx: &Context, input: TableNameInput) -> Result<Nothing, Fault> {
    let key = key(cx, input.catalog_id.as_deref(), &input.database_name, &input.name, "name")?;
    state.catalog().delete_table(&key).await.map_err(fault::of)?;
    Ok(Nothing {})
}

async fn get(state: &State, cx: &Context, input: TableNameInput) -> Result<GetTableOutput, Fault> {
    let key = key(cx, input.catalog_id.as_deref(), &input.database_name, &input.name, "name")?;
    let found = state.catalog().table(&key).await.map_err(fault::of)?;
    Ok(GetTableOutput { table: convert::table_shape(&found) })
}

async fn list(state: &State, cx: &Context, input: GetTablesInput) -> Result<TableListOutput, Fault> {
    let scope = scope(cx, input.catalog_id.as_deref())?;
    let database = required(&input.database_name, "databaseName")?;
    let limit = page(input.max_results, PAGE_MAX)?;
    let after = token::open_one(input.next_token.as_deref())?;
    let pattern = name_pattern(input.expression.as_deref().unwrap_or_default())?;
    let wanted = |table: &Table| pattern.is_match(&table.key.table);
    let mut found = filtered(state, &scope, database, after, limit + 1, &wanted).await?;
    let next_token = token::cut(&mut found, limit, |table| vec![table.key.table.clone()]);
    Ok(TableListOutput {
        table_list: found.iter().map(|table| convert::table_shape(table)).collect(),
        next_token,
    })
}

/// The first `limit` tables of a database after `after` that are wanted.
async fn filtered(
    state: &State,
    scope: &Scope,
    database: &str,
    mut after: Option<String>,
    limit: usize,
    wanted: &(dyn Fn(&Table) -> bool + Send + Sync),
) -> Result<Vec<Arc<Table>>, Fault> {
    let mut found = Vec::new();
    while found.len() < limit {
        let rows =
            state.catalog().tables(scope, database, after.as_deref(), PAGE_MAX).await.map_err(fault::of)?;
        let Some(last) = rows.last() else { break };
        after = Some(last.key.table.clone());
        found.extend(rows.into_iter().filter(|table| wanted(table)));
    }
    found.truncate(limit);
    Ok(found)
}

/// GetTables takes regular expressions, and what clients send for them: a `*` that repeats nothing
/// a regular expression would repeat stands for any text.
fn name_pattern(expression: &str) -> Result<Regex, Fault> {
    let mut pattern = String::from("(?i)^(?:");
    let mut before = None;
    for c in expression.chars() {
        if c == '*' && !matches!(before, Some('.' | ')' | ']' | '\\')) {
            pattern.push('.');
        }
        pattern.push(c);
        before = Some(c);
    }
    pattern.push_str(if expression.is_empty() { ".*)$" } else { ")$" });
    Regex::new(&pattern).map_err(|_| fault::invalid(format!("{expression:?} is not a valid expression")))
}

/// Searches names and descriptions, databases in order. A page ends at a database's end at the
/// latest, so it may hold fewer tables than asked for.
async fn search(state: &State, cx: &Context, input: SearchTablesInput) -> Result<TableListOutput, Fault> {
    let scope = scope(cx, input.catalog_id.as_deref())?;
    let limit = page(input.max_results, SEARCH_PAGE_MAX)?;
    let text = input.search_text.as_deref().unwrap_or_default().trim_matches('"').to_lowercase();
    let filters = input.filters.unwrap_or_default();
    let wanted = |table: &Table| {
        let described = table.description.as_deref().unwrap_or_default().to_lowercase();
        (text.is_empty() || table.key.table.contains(&text) || described.contains(&text))
            && filters.iter().all(|f| has_property(table, f.key.as_deref(), f.value.as_deref()))
    };
    let begin = token::open(input.next_token.as_deref())?.unwrap_or_default();
    let mut database = begin.first().cloned();
    let mut after = begin.get(1).cloned();
    let mut found = Vec::new();
    loop {
        let current = match (database.take(), after.is_some()) {
            (Some(name), true) => Some(name),
            (last, _) => {
                let next = state.catalog().databases(&scope, last.as_deref(), 1).await.map_err(fault::of)?;
                next.first().map(|database| database.name.clone())
            }
        };
        let Some(current) = current else {
            return Ok(TableListOutput { table_list: found, next_token: None });
        };
        let mut more =
            filtered(state, &scope, &current, after.take(), limit + 1 - found.len(), &wanted).await?;
        let full = found.len() + more.len() > limit;
        more.truncate(limit - found.len());
        let last = more.last().map(|table| table.key.table.clone());
        found.extend(more.iter().map(|table| convert::table_shape(table)));
        if full {
            let next_token = Some(token::seal(&[current, last.unwrap_or_default()]));
            return Ok(TableListOutput { table_list: found, next_token });
        }
        database = Some(current);
    }
}

fn has_property(table: &Table, key: Option<&str>, value: Option<&str>) -> bool {
    let (key, value) = (key.unwrap_or_default(), value.unwrap_or_default());
    match key {
        "DatabaseName" => table.key.database.eq_ignore_ascii_case(value),
        "Name" | "name" => table.key.table.eq_ignore_ascii_case(value),
        "TableType" => table.table_type.as_deref() == Some(value),
        _ => table.parameters.get(key).is_some_and(|found| found == value),
    }
}

async fn update(state: &State, cx: &Context, input: UpdateTableInput) -> Result<Nothing, Fault> {
    let scope = scope(cx, input.catalog_id.as_deref())?;
    let database = required(&input.database_name, "databaseName")?;
    let table = convert::table(&scope, database, present(input.table_input, "tableInput")?)?;
    let expected = input.version_id.as_deref().map(convert::version).transpose()?;
    let archive = if input.skip_archive.unwrap_or_default() { Archive::Skip } else { Archive::Keep };
    state.catalog().update_table(table, expected, archive).await.map_err(fault::of)?;
    Ok(Nothing {})
}

async fn batch_delete(
    state: &State,
    cx: &Context,
    input: BatchDeleteTableInput,
) -> Result<TableErrorsOutput, Fault> {
    let scope = scope(cx, input.catalog_id.as_deref())?;
    let database = required(&input.database_name, "databaseName")?.to_lowercase();
    let names = present(input.tables_to_delete, "tablesToDelete")?;
    at_most(&names, BATCH_MAX, "tablesToDelete")?;
    state.catalog().database(&scope, &database).await.map_err(fault::of)?;
    let mut errors = Vec::new();
    for name in names {
        let key = TableKey { scope: scope.clone(), database: database.clone(), table: name.to_lowercase() };
        if let Err(error) = state.catalog().delete_table(&key).await {
            errors.push(TableErrorShape { table_name: name, error_detail: fault::of(error).into() });
        }
    }
    Ok(TableErrorsOutput { errors })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text_where_clients_mean_that() {
        for (expression, name, matches) in [
            ("", "anything", true),
            ("sales*", "sales_2026", true),
            ("*2026", "sales_2026", true),
            ("*les*", "sales_2026", true),
            ("sales.*", "sales_2026", true),
            ("[a-z]*", "sales", true),
            ("Sales|other", "sales", true),
            ("sales", "sales_2026", false),
            ("(a|s)ales", "sales", true),
        ] {
            assert_eq!(name_pattern(expression).unwrap().is_match(name), matches, "{expression} {name}");
        }
        assert_eq!(name_pattern("(").unwrap_err().code, "InvalidInputException");
    }
}
