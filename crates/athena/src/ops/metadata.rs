//! Data catalogs, databases and tables, as Athena's clients browse them.

use headwater_catalog::{CatalogError, TableKey};
use headwater_wire::{Access, Context, Fault, Operation};

use super::start_query_execution::DATA_CATALOG;
use super::{anywhere, page_size};
use crate::shapes::{
    DataCatalog, DataCatalogSummary, GetDataCatalogInput, GetDataCatalogOutput, GetDatabaseInput,
    GetDatabaseOutput, GetTableMetadataInput, GetTableMetadataOutput, ListDataCatalogsOutput,
    ListDatabasesInput, ListDatabasesOutput, ListTableMetadataInput, ListTableMetadataOutput, PageInput,
};
use crate::{State, convert, fault};

/// Entries of a page.
const PAGE_MAX: usize = 50;
/// The data catalog's name as it is shown.
const CATALOG_NAME: &str = "AwsDataCatalog";

fn check_catalog(name: &str) -> Result<(), Fault> {
    if name.eq_ignore_ascii_case(DATA_CATALOG) {
        return Ok(());
    }
    Err(fault::invalid(format!("Catalog {name} does not exist")))
}

fn missing(error: &CatalogError, what: &str) -> Fault {
    match error {
        CatalogError::NotFound(_) => fault::metadata(format!("EntityNotFoundException: {what} not found")),
        other => fault::catalog(other),
    }
}

/// The operation.
pub struct ListDataCatalogs;

impl Operation<State> for ListDataCatalogs {
    const NAME: &'static str = "ListDataCatalogs";
    type Input = PageInput;
    type Output = ListDataCatalogsOutput;

    fn access(_: &State, _: &Context, _: &Self::Input) -> Result<Access, Fault> {
        Ok(anywhere("athena:ListDataCatalogs"))
    }

    async fn call(_: &State, _: &Context, _: Self::Input) -> Result<Self::Output, Fault> {
        let only = DataCatalogSummary { catalog_name: CATALOG_NAME.to_owned(), type_name: "GLUE".to_owned() };
        Ok(ListDataCatalogsOutput { data_catalogs_summary: vec![only], next_token: None })
    }
}

/// The operation.
pub struct GetDataCatalog;

impl Operation<State> for GetDataCatalog {
    const NAME: &'static str = "GetDataCatalog";
    type Input = GetDataCatalogInput;
    type Output = GetDataCatalogOutput;

    fn access(_: &State, _: &Context, _: &Self::Input) -> Result<Access, Fault> {
        Ok(anywhere("athena:GetDataCatalog"))
    }

    async fn call(_: &State, cx: &Context, input: Self::Input) -> Result<Self::Output, Fault> {
        check_catalog(&input.name)?;
        let account = ("catalog-id".to_owned(), cx.caller.account.to_string());
        let data_catalog = DataCatalog {
            name: CATALOG_NAME.to_owned(),
            type_name: "GLUE".to_owned(),
            description: None,
            parameters: Some([account].into()),
        };
        Ok(GetDataCatalogOutput { data_catalog })
    }
}

/// The operation.
pub struct ListDatabases;

impl Operation<State> for ListDatabases {
    const NAME: &'static str = "ListDatabases";
    type Input = ListDatabasesInput;
    type Output = ListDatabasesOutput;

    fn access(_: &State, _: &Context, _: &Self::Input) -> Result<Access, Fault> {
        Ok(anywhere("athena:ListDatabases"))
    }

    async fn call(state: &State, cx: &Context, input: Self::Input) -> Result<Self::Output, Fault> {
        check_catalog(&input.catalog_name)?;
        let limit = page_size(input.max_results, PAGE_MAX)?;
        let after = input.next_token.as_deref();
        let page = state
            .catalog
            .databases(&cx.scope(), after, limit + 1)
            .await
            .map_err(|error| fault::catalog(&error))?;
        let shown = &page[..page.len().min(limit)];
        Ok(ListDatabasesOutput {
            database_list: shown.iter().map(|database| convert::database(database)).collect(),
            next_token: shown.last().filter(|_| page.len() > limit).map(|database| database.name.clone()),
        })
    }
}

/// The operation.
pub struct GetDatabase;

impl Operation<State> for GetDatabase {
    const NAME: &'static str = "GetDatabase";
    type Input = GetDatabaseInput;
    type Output = GetDatabaseOutput;

    fn access(_: &State, _: &Context, _: &Self::Input) -> Result<Access, Fault> {
        Ok(anywhere("athena:GetDatabase"))
    }

    async fn call(state: &State, cx: &Context, input: Self::Input) -> Result<Self::Output, Fault> {
        check_catalog(&input.catalog_name)?;
        let name = input.database_name.to_lowercase();
        let found = state.catalog.database(&cx.scope(), &name).await;
        let found = found.map_err(|error| missing(&error, &format!("database {name}")))?;
        Ok(GetDatabaseOutput { database: convert::database(&found) })
    }
}

/// The operation.
pub struct ListTableMetadata;

impl Operation<State> for ListTableMetadata {
    const NAME: &'static str = "ListTableMetadata";
    type Input = ListTableMetadataInput;
    type Output = ListTableMetadataOutput;

    fn access(_: &State, _: &Context, _: &Self::Input) -> Result<Access, Fault> {
        Ok(anywhere("athena:ListTableMetadata"))
    }

    async fn call(state: &State, cx: &Context, input: Self::Input) -> Result<Self::Output, Fault> {
        check_catalog(&input.catalog_name)?;
        let limit = page_size(input.max_results, PAGE_MAX)?;
        let database = input.database_name.to_lowercase();
        let after = input.next_token.as_deref();
        let page = state.catalog.tables(&cx.scope(), &database, after, limit + 1).await;
        let page = page.map_err(|error| missing(&error, &format!("database {database}")))?;
        let shown = &page[..page.len().min(limit)];
        let pattern = input.expression.map(|text| text.to_lowercase());
        let wanted = |name: &str| pattern.as_deref().is_none_or(|pattern| fits(name, pattern));
        Ok(ListTableMetadataOutput {
            table_metadata_list: shown
                .iter()
                .filter(|table| wanted(&table.key.table))
                .map(|table| convert::table(table))
                .collect(),
            next_token: shown.last().filter(|_| page.len() > limit).map(|table| table.key.table.clone()),
        })
    }
}

/// Athena's pattern for tables: `*` stands for any text.
fn fits(name: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => name == pattern,
        Some((front, rest)) => match name.strip_prefix(front) {
            Some(tail) if rest.is_empty() => !tail.is_empty() || pattern.ends_with('*'),
            Some(tail) => tail.char_indices().any(|(at, _)| fits(&tail[at..], rest)) || fits("", rest),
            None => false,
        },
    }
}

/// The operation.
pub struct GetTableMetadata;

impl Operation<State> for GetTableMetadata {
    const NAME: &'static str = "GetTableMetadata";
    type Input = GetTableMetadataInput;
    type Output = GetTableMetadataOutput;

    fn access(_: &State, _: &Context, _: &Self::Input) -> Result<Access, Fault> {
        Ok(anywhere("athena:GetTableMetadata"))
    }

    async fn call(state: &State, cx: &Context, input: Self::Input) -> Result<Self::Output, Fault> {
        check_catalog(&input.catalog_name)?;
        let key = TableKey {
            scope: cx.scope(),
            database: input.database_name.to_lowercase(),
            table: input.table_name.to_lowercase(),
        };
        let found = state.catalog.table(&key).await;
        let found = found.map_err(|error| missing(&error, &format!("table {}", key.table)))?;
        Ok(GetTableMetadataOutput { table_metadata: convert::table(&found) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        for (name, pattern, want) in [
            ("orders", "orders", true),
            ("orders", "ord*", true),
            ("orders", "*ers", true),
            ("orders", "*d*r*", true),
            ("orders", "*", true),
            ("orders", "ord", false),
            ("orders", "*x*", false),
        ] {
            assert_eq!(fits(name, pattern), want, "{name} {pattern}");
        }
    }
}
