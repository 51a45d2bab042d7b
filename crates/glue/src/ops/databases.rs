//! Databases.

use headwater_wire::{Context, Fault};

use super::operation;
use crate::checks::{arn, page, present, required, scope};
use crate::shapes::{
    CreateDatabaseInput, DatabaseNameInput, GetDatabaseOutput, GetDatabasesInput, GetDatabasesOutput,
    Nothing, UpdateDatabaseInput,
};
use crate::{State, convert, fault, tags, token};

/// The most databases a page holds.
const PAGE_MAX: usize = 100;

operation!(CreateDatabase(CreateDatabaseInput) -> Nothing, |cx, _input| arn(cx, "catalog"), create);
operation!(DeleteDatabase(DatabaseNameInput) -> Nothing, |cx, input| named(cx, &input.name), delete);
operation!(GetDatabase(DatabaseNameInput) -> GetDatabaseOutput, |cx, input| named(cx, &input.name), get);
operation!(GetDatabases(GetDatabasesInput) -> GetDatabasesOutput, |cx, _input| arn(cx, "catalog"), list);
operation!(UpdateDatabase(UpdateDatabaseInput) -> Nothing, |cx, input| named(cx, &input.name), update);

fn named(cx: &Context, name: &Option<String>) -> headwater_base::Arn {
    arn(cx, format!("database/{}", name.as_deref().unwrap_or_default().to_lowercase()))
}

async fn create(state: &State, cx: &Context, input: CreateDatabaseInput) -> Result<Nothing, Fault> {
    let scope = scope(cx, input.catalog_id.as_deref())?;
    let database = convert::database(present(input.database_input, "databaseInput")?)?;
    let created = state.catalog().create_database(&scope, database).await.map_err(fault::of)?;
    tags::set(state, &named(cx, &Some(created.name.clone())), input.tags).await?;
    Ok(Nothing {})
}

async fn delete(state: &State, cx: &Context, input: DatabaseNameInput) -> Result<Nothing, Fault> {
    let scope = scope(cx, input.catalog_id.as_deref())?;
    state.catalog().delete_database(&scope, required(&input.name, "name")?).await.map_err(fault::of)?;
    tags::clear(state, &named(cx, &input.name)).await?;
    Ok(Nothing {})
}

async fn get(state: &State, cx: &Context, input: DatabaseNameInput) -> Result<GetDatabaseOutput, Fault> {
    let scope = scope(cx, input.catalog_id.as_deref())?;
    let found = state.catalog().database(&scope, required(&input.name, "name")?).await.map_err(fault::of)?;
    Ok(GetDatabaseOutput { database: convert::database_shape(&scope, &found) })
}

async fn list(state: &State, cx: &Context, input: GetDatabasesInput) -> Result<GetDatabasesOutput, Fault> {
    let scope = scope(cx, input.catalog_id.as_deref())?;
    let limit = page(input.max_results, PAGE_MAX)?;
    let after = token::open_one(input.next_token.as_deref())?;
    let mut found =
        state.catalog().databases(&scope, after.as_deref(), limit + 1).await.map_err(fault::of)?;
    let next_token = token::cut(&mut found, limit, |database| vec![database.name.clone()]);
    let database_list = found.iter().map(|database| convert::database_shape(&scope, database)).collect();
    Ok(GetDatabasesOutput { database_list, next_token })
}

async fn update(state: &State, cx: &Context, input: UpdateDatabaseInput) -> Result<Nothing, Fault> {
    let scope = scope(cx, input.catalog_id.as_deref())?;
    let name = required(&input.name, "name")?;
    let database = convert::database(present(input.database_input, "databaseInput")?)?;
    if !database.name.eq_ignore_ascii_case(name) {
        return Err(fault::invalid("A database can't be renamed."));
    }
    state.catalog().update_database(&scope, database).await.map_err(fault::of)?;
    Ok(Nothing {})
}
