//! Names in statements to tables in the catalog: catalog `awsdatacatalog`, databases, tables and
//! views, whatever their case.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::datasource::ViewTable;
use datafusion::error::Result;
use headwater_catalog::{CatalogError, QueryError, Table, TableKey};

use crate::error;
use crate::run::Run;
use crate::table::{CatalogTable, external};
use crate::view;

/// The name of the only data catalog.
pub const CATALOG: &str = "awsdatacatalog";
/// How deep views may name views.
const VIEW_DEPTH_MAX: usize = 16;

/// The data catalog within one query.
#[derive(Debug)]
pub struct DataCatalog(pub Arc<Run>);

impl CatalogProvider for DataCatalog {
    fn schema_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        Some(Arc::new(DatabaseTables { run: Arc::clone(&self.0), database: name.to_lowercase() }))
    }
}

#[derive(Debug)]
struct DatabaseTables {
    run: Arc<Run>,
    database: String,
}

#[async_trait]
impl SchemaProvider for DatabaseTables {
    fn table_names(&self) -> Vec<String> {
        Vec::new()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let table = match find(&self.run, &self.database, name).await {
            Ok(Some(table)) => table,
            Ok(None) => return Err(external(missing(&self.run, &self.database, name).await)),
            Err(problem) => return Err(external(problem)),
        };
        if let Some(sql) = view::definition(&table).map_err(external)? {
            return Ok(Some(self.view(&sql).await?));
        }
        let history = self.run.history(&self.database, &table.key.table);
        let provider = CatalogTable::new(Arc::clone(&self.run), table, history).map_err(external)?;
        Ok(Some(Arc::new(provider)))
    }

    fn table_exist(&self, _name: &str) -> bool {
        true
    }
}

impl DatabaseTables {
    async fn view(&self, sql: &str) -> Result<Arc<dyn TableProvider>> {
        if self.run.depth >= VIEW_DEPTH_MAX {
            let text = format!("INVALID_VIEW: views nest deeper than {VIEW_DEPTH_MAX}");
            return Err(external(QueryError::User(text)));
        }
        let inner = Arc::new(self.run.within(&self.database));
        let plan = Box::pin(crate::engine::plan_query(&inner, sql)).await.map_err(external)?;
        Ok(Arc::new(ViewTable::new(plan, Some(sql.to_owned()))))
    }
}

/// The table of this name, if there is one.
pub async fn find(run: &Run, database: &str, name: &str) -> Result<Option<Arc<Table>>, QueryError> {
    let key = key(run, database, name);
    match run.catalog.table(&key).await {
        Ok(table) => Ok(Some(table)),
        Err(CatalogError::NotFound(_)) => Ok(None),
        Err(problem) => Err(error::catalog(&problem)),
    }
}

/// Where a table of this name is or would be.
pub fn key(run: &Run, database: &str, name: &str) -> TableKey {
    TableKey {
        scope: run.request.scope.clone(),
        database: database.to_lowercase(),
        table: name.to_lowercase(),
    }
}

/// The refusal of a name: the database or the table is missing.
pub async fn missing(run: &Run, database: &str, name: &str) -> QueryError {
    use crate::dialect::position;
    let sql = &run.request.sql;
    match run.catalog.database(&run.request.scope, database).await {
        Err(CatalogError::NotFound(_)) => QueryError::User(format!(
            "SCHEMA_NOT_FOUND: {}: Schema '{database}' does not exist",
            position::of_name(sql, name)
        )),
        _ => QueryError::User(format!(
            "TABLE_NOT_FOUND: {}: Table '{CATALOG}.{database}.{name}' does not exist",
            position::of_name(sql, name)
        )),
    }
}
