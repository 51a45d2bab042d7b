//! Versions of tables.

use headwater_wire::{Context, Fault};

use super::operation;
use super::tables::{key, named};
use crate::checks::{page, required};
use crate::shapes::{
    GetTableVersionOutput, GetTableVersionsOutput, Nothing, TableVersionInput, TableVersionShape,
};
use crate::{State, convert, fault, token};

/// The most versions a page holds.
const PAGE_MAX: usize = 100;

operation!(DeleteTableVersion(TableVersionInput) -> Nothing,
    |cx, input| named(cx, &input.database_name, input.table_name.as_deref()), delete);
operation!(GetTableVersion(TableVersionInput) -> GetTableVersionOutput,
    |cx, input| named(cx, &input.database_name, input.table_name.as_deref()), get);
operation!(GetTableVersions(TableVersionInput) -> GetTableVersionsOutput,
    |cx, input| named(cx, &input.database_name, input.table_name.as_deref()), list);

fn shape(table: &headwater_catalog::Table) -> TableVersionShape {
    TableVersionShape { table: convert::table_shape(table), version_id: table.version.to_string() }
}

async fn delete(state: &State, cx: &Context, input: TableVersionInput) -> Result<Nothing, Fault> {
    let key = key(cx, input.catalog_id.as_deref(), &input.database_name, &input.table_name, "tableName")?;
    let version = convert::version(required(&input.version_id, "versionId")?)?;
    state.catalog().delete_table_version(&key, version).await.map_err(fault::of)?;
    Ok(Nothing {})
}

async fn get(state: &State, cx: &Context, input: TableVersionInput) -> Result<GetTableVersionOutput, Fault> {
    let key = key(cx, input.catalog_id.as_deref(), &input.database_name, &input.table_name, "tableName")?;
    let found = match input.version_id.as_deref() {
        Some(version) => state.catalog().table_version(&key, convert::version(version)?).await,
        None => state.catalog().table(&key).await,
    };
    Ok(GetTableVersionOutput { table_version: shape(&*found.map_err(fault::of)?) })
}

async fn list(
    state: &State,
    cx: &Context,
    input: TableVersionInput,
) -> Result<GetTableVersionsOutput, Fault> {
    let key = key(cx, input.catalog_id.as_deref(), &input.database_name, &input.table_name, "tableName")?;
    let limit = page(input.max_results, PAGE_MAX)?;
    let before = token::open_one(input.next_token.as_deref())?.map(|v| convert::version(&v)).transpose()?;
    let mut found = state.catalog().table_versions(&key, before, limit + 1).await.map_err(fault::of)?;
    let next_token = token::cut(&mut found, limit, |table| vec![table.version.to_string()]);
    Ok(GetTableVersionsOutput {
        table_versions: found.iter().map(|table| shape(table)).collect(),
        next_token,
    })
}
