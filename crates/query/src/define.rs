//! Statements that change the catalog. Each is one change of it, or says why it was none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use headwater_base::Timestamp;
use headwater_catalog::{
    Archive, CatalogError, Column, Database, Partition, QueryError, QueryOutcome, StatementKind,
    StorageDescriptor, Table,
};
use headwater_objects::{ListQuery, Listed};
use headwater_tables::path::{parse_folder, partition_path};
use headwater_tables::schema::arrow_type;

use crate::ddl::statement::{
    ColumnDefinition, CreateTable, PartitionSpec, RowFormat, Statement, StoredAs, TableName,
};
use crate::engine::{self, done};
use crate::error::unsupported;
use crate::run::Run;
use crate::scan::location::Location;
use crate::{error, names, show, view, write};

/// Partitions added in one commit.
const PARTITIONS_PER_COMMIT: usize = 500;
/// Partitions removed in one commit.
const DROPS_PER_COMMIT: usize = 500;
/// Entries asked for in one page of a listing.
const LIST_PAGE: usize = 1000;
/// The most folders MSCK REPAIR TABLE looks at.
const FOLDERS_MAX: usize = 1_000_000;

/// Runs a defining statement.
pub async fn run(run: &Arc<Run>, statement: Statement) -> Result<QueryOutcome, QueryError> {
    let substatement = match statement {
        Statement::CreateDatabase { name, if_not_exists, comment, location, properties } => {
            let database = Database {
                name,
                description: comment,
                location,
                parameters: properties,
                created: Timestamp::EPOCH,
            };
            create_database(run, database, if_not_exists).await?;
            "CREATE_DATABASE"
        }
        Statement::DropDatabase { name, if_exists, cascade } => {
            drop_database(run, &name, if_exists, cascade).await?;
            "DROP_DATABASE"
        }
        Statement::CreateTable(create) => {
            create_table(run, *create).await?;
            "CREATE_TABLE"
        }
        Statement::CreateView { name, or_replace, query } => {
            create_view(run, &name, or_replace, &query).await?;
            "CREATE_VIEW"
        }
        Statement::DropTable { name, if_exists } => {
            drop_table(run, &name, if_exists, false).await?;
            "DROP_TABLE"
        }
        Statement::DropView { name, if_exists } => {
            drop_table(run, &name, if_exists, true).await?;
            "DROP_VIEW"
        }
        Statement::AddPartitions { name, if_not_exists, partitions } => {
            add_partitions(run, &name, if_not_exists, &partitions).await?;
            "ALTER_TABLE_ADD_PARTITION"
        }
        Statement::DropPartitions { name, if_exists, partitions } => {
            drop_partitions(run, &name, if_exists, &partitions).await?;
            "ALTER_TABLE_DROP_PARTITION"
        }
        Statement::AddColumns { name, columns } => {
            let columns = checked(&columns)?;
            alter(run, &name, |table| table.storage.columns.extend(columns)).await?;
            "ALTER_TABLE_ADD_COLUMNS"
        }
        Statement::SetProperties { name, properties } => {
            alter(run, &name, |table| table.parameters.extend(properties)).await?;
            "ALTER_TABLE_SET_TBLPROPERTIES"
        }
        Statement::RepairTable(name) => {
            repair(run, &*show::load(run, &name).await?).await?;
            "MSCK_REPAIR_TABLE"
        }
        _ => return Err(unsupported("this statement")),
    };
    Ok(done(run, StatementKind::Ddl, substatement))
}

/// Takes "it is there already" (or "it is not there") for done, where the statement says so.
fn lenient<T>(result: Result<T, CatalogError>, lenient: bool, what: &str) -> Result<(), QueryError> {
    match result {
        Ok(_) => Ok(()),
        Err(CatalogError::Exists(_) | CatalogError::NotFound(_)) if lenient => Ok(()),
        Err(CatalogError::Exists(_)) => {
            Err(QueryError::User(format!("ALREADY_EXISTS: {what} already exists")))
        }
        Err(CatalogError::NotFound(_)) => {
            Err(QueryError::User(format!("ENTITY_NOT_FOUND: {what} does not exist")))
        }
        Err(problem) => Err(error::catalog(&problem)),
    }
}

async fn create_database(run: &Run, database: Database, if_not_exists: bool) -> Result<(), QueryError> {
    let what = format!("Database {}", database.name);
    lenient(run.catalog.create_database(&run.request.scope, database).await, if_not_exists, &what)
}

async fn drop_database(run: &Run, name: &str, if_exists: bool, cascade: bool) -> Result<(), QueryError> {
    let tables = run.catalog.tables(&run.request.scope, name, None, 1).await;
    if tables.is_ok_and(|tables| !tables.is_empty()) && !cascade {
        return Err(QueryError::User(format!(
            "FAILED: Database {name} is not empty. One or more tables exist. Use CASCADE to drop them, too"
        )));
    }
    lenient(
        run.catalog.delete_database(&run.request.scope, name).await,
        if_exists,
        &format!("Database {name}"),
    )
}

fn database_of(run: &Run, name: &TableName) -> String {
    name.database.clone().unwrap_or_else(|| run.request.database.to_lowercase())
}

/// The classes of a form of files.
pub struct FormClasses {
    /// The input format.
    pub input: &'static str,
    /// The output format.
    pub output: &'static str,
    /// The SerDe.
    pub serde: &'static str,
}

const TEXT_INPUT: &str = "org.apache.hadoop.mapred.TextInputFormat";
const TEXT_OUTPUT: &str = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat";
const LAZY_SIMPLE: &str = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe";

/// The classes of a form by its name in `STORED AS` and in CTAS.
pub fn form(name: &str) -> Result<FormClasses, QueryError> {
    let (input, output, serde) = match name {
        "PARQUET" | "PARQUETFILE" => (
            "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
            "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
            "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
        ),
        "ORC" => (
            "org.apache.hadoop.hive.ql.io.orc.OrcInputFormat",
            "org.apache.hadoop.hive.ql.io.orc.OrcOutputFormat",
            "org.apache.hadoop.hive.ql.io.orc.OrcSerde",
        ),
        "AVRO" => (
            "org.apache.hadoop.hive.ql.io.avro.AvroContainerInputFormat",
            "org.apache.hadoop.hive.ql.io.avro.AvroContainerOutputFormat",
            "org.apache.hadoop.hive.serde2.avro.AvroSerDe",
        ),
        "JSON" => (TEXT_INPUT, TEXT_OUTPUT, "org.openx.data.jsonserde.JsonSerDe"),
        "TEXTFILE" => (TEXT_INPUT, TEXT_OUTPUT, LAZY_SIMPLE),
        other => return Err(unsupported(format_args!("STORED AS {other}"))),
    };
    Ok(FormClasses { input, output, serde })
}

fn checked(columns: &[ColumnDefinition]) -> Result<Vec<Column>, QueryError> {
    columns
        .iter()
        .map(|column| {
            arrow_type(&column.hive_type).map_err(|why| {
                QueryError::User(format!("SYNTAX_ERROR: line 1:1: column {}: {why}", column.name))
            })?;
            Ok(Column {
                name: column.name.clone(),
                hive_type: column.hive_type.clone(),
                comment: column.comment.clone(),
            })
        })
        .collect()
}

async fn create_table(run: &Run, create: CreateTable) -> Result<(), QueryError> {
    if !create.external {
        return Err(unsupported(
            "CREATE TABLE without EXTERNAL; use CREATE EXTERNAL TABLE or CREATE TABLE … AS",
        ));
    }
    let location = create.location.as_deref().ok_or_else(|| {
        QueryError::User("SYNTAX_ERROR: line 1:1: CREATE EXTERNAL TABLE needs a LOCATION".to_owned())
    })?;
    Location::parse(location).map_err(|why| QueryError::User(format!("SYNTAX_ERROR: line 1:1: {why}")))?;
    let database = database_of(run, &create.name);
    write::require_database(run, &database).await?;
    let name = create.name.table.clone();
    let if_not_exists = create.if_not_exists;
    let table = described(run, &database, create)?;
    lenient(run.catalog.create_table(table).await, if_not_exists, &format!("Table {name}"))
}

fn described(run: &Run, database: &str, create: CreateTable) -> Result<Table, QueryError> {
    let storage = storage_of(&create)?;
    let mut parameters = create.properties;
    parameters.insert("EXTERNAL".to_owned(), "TRUE".to_owned());
    Ok(Table {
        key: names::key(run, database, &create.name.table),
        incarnation: 0,
        schema_id: 0,
        version: 0,
        storage,
        partition_keys: checked(&create.partitioned_by)?,
        table_type: Some("EXTERNAL_TABLE".to_owned()),
        parameters,
        description: create.comment,
        owner: Some("hadoop".to_owned()),
        created: Timestamp::EPOCH,
        updated: Timestamp::EPOCH,
        extra_json: None,
    })
}

fn storage_of(create: &CreateTable) -> Result<StorageDescriptor, QueryError> {
    let (mut input, mut output, named_serde) = match &create.stored_as {
        None => (TEXT_INPUT.to_owned(), TEXT_OUTPUT.to_owned(), None),
        Some(StoredAs::Named(name)) => {
            let classes = form(name)?;
            let serde = (name != "TEXTFILE").then_some(classes.serde);
            (classes.input.to_owned(), classes.output.to_owned(), serde)
        }
        Some(StoredAs::Formats { input, output }) => (input.clone(), output.clone(), None),
    };
    let (serde, serde_parameters) = match &create.row_format {
        Some(RowFormat::Serde { class, properties }) => (class.clone(), properties.clone()),
        Some(RowFormat::Delimited(properties)) => (LAZY_SIMPLE.to_owned(), properties.clone()),
        None => (named_serde.unwrap_or(LAZY_SIMPLE).to_owned(), BTreeMap::new()),
    };
    // A Parquet SerDe without STORED AS means Parquet files.
    if create.stored_as.is_none() && serde.to_lowercase().contains("parquet") {
        let classes = form("PARQUET")?;
        (input, output) = (classes.input.to_owned(), classes.output.to_owned());
    }
    Ok(StorageDescriptor {
        columns: checked(&create.columns)?,
        location: create.location.clone().unwrap_or_default(),
        input_format: Some(input),
        output_format: Some(output),
        serde_library: Some(serde),
        serde_parameters,
        ..StorageDescriptor::default()
    })
}

async fn create_view(
    run: &Arc<Run>,
    name: &TableName,
    or_replace: bool,
    query: &str,
) -> Result<(), QueryError> {
    let database = database_of(run, name);
    write::require_database(run, &database).await?;
    let plan = engine::plan_query(run, query).await?;
    let mut columns = Vec::new();
    for field in plan.schema().fields() {
        let kind = headwater_tables::schema::hive_type(field.data_type())
            .map_err(|why| unsupported(format_args!("column {} of a view: {why}", field.name())))?;
        columns.push((field.name().clone(), kind));
    }
    let existing = names::find(run, &database, &name.table).await?;
    let table = Table {
        key: names::key(run, &database, &name.table),
        incarnation: 0,
        schema_id: 0,
        version: 0,
        storage: StorageDescriptor {
            columns: columns
                .iter()
                .map(|(name, kind)| Column { name: name.clone(), hive_type: kind.clone(), comment: None })
                .collect(),
            ..StorageDescriptor::default()
        },
        partition_keys: Vec::new(),
        table_type: Some(view::TABLE_TYPE.to_owned()),
        parameters: view::parameters(),
        description: None,
        owner: None,
        created: Timestamp::EPOCH,
        updated: Timestamp::EPOCH,
        extra_json: Some(view::extra_json(query, &database, &columns)),
    };
    let what = format!("View {}", name.table);
    match existing {
        None => lenient(run.catalog.create_table(table).await, false, &what),
        Some(old) if or_replace && view::definition(&old)?.is_some() => {
            lenient(run.catalog.update_table(table, None, Archive::Skip).await, false, &what)
        }
        Some(_) => Err(QueryError::User(format!("ALREADY_EXISTS: {what} already exists"))),
    }
}

async fn drop_table(run: &Run, name: &TableName, if_exists: bool, is_view: bool) -> Result<(), QueryError> {
    let database = database_of(run, name);
    let found = names::find(run, &database, &name.table).await?;
    let kind = if is_view { "View" } else { "Table" };
    if let Some(table) = &found
        && view::definition(table)?.is_some() != is_view
    {
        let other = if is_view { "a table; use DROP TABLE" } else { "a view; use DROP VIEW" };
        return Err(QueryError::User(format!("FAILED: {} is {other}", name.table)));
    }
    let key = names::key(run, &database, &name.table);
    lenient(run.catalog.delete_table(&key).await, if_exists, &format!("{kind} {database}.{}", name.table))
}

async fn alter(run: &Run, name: &TableName, change: impl FnOnce(&mut Table)) -> Result<(), QueryError> {
    let found = show::load(run, name).await?;
    let mut table = Table::clone(&found);
    change(&mut table);
    let done = run.catalog.update_table(table, Some(found.version), Archive::Keep).await;
    done.map(|_| ()).map_err(|problem| error::catalog(&problem))
}

/// The values of a spec in the order of the table's keys.
fn values_of(table: &Table, spec: &PartitionSpec) -> Result<Vec<String>, QueryError> {
    let known: BTreeSet<&str> = table.partition_keys.iter().map(|key| key.name.as_str()).collect();
    if let Some((key, _)) = spec.iter().find(|(key, _)| !known.contains(key.as_str())) {
        return Err(QueryError::User(format!("FAILED: Partition spec has the unknown key {key}")));
    }
    table
        .partition_keys
        .iter()
        .map(|key| {
            let value = spec.iter().find(|(name, _)| *name == key.name).map(|(_, value)| value.clone());
            value
                .ok_or_else(|| QueryError::User(format!("FAILED: Partition spec lacks the key {}", key.name)))
        })
        .collect()
}

fn partition_of(table: &Table, values: Vec<String>, location: Option<&str>) -> Result<Partition, QueryError> {
    let location = match location {
        Some(location) => {
            Location::parse(location).map_err(|why| QueryError::User(format!("FAILED: {why}")))?;
            location.to_owned()
        }
        None => {
            let keys: Vec<&str> = table.partition_keys.iter().map(|key| key.name.as_str()).collect();
            let texts: Vec<&str> = values.iter().map(String::as_str).collect();
            format!("{}/{}", table.storage.location.trim_end_matches('/'), partition_path(&keys, &texts))
        }
    };
    Ok(Partition {
        values,
        storage: StorageDescriptor { location, ..table.storage.clone() },
        parameters: BTreeMap::new(),
        created: Timestamp::EPOCH,
    })
}

async fn add_partitions(
    run: &Run,
    name: &TableName,
    if_not_exists: bool,
    specs: &[(PartitionSpec, Option<String>)],
) -> Result<(), QueryError> {
    let table = show::load(run, name).await?;
    let partitions: Vec<Partition> = specs
        .iter()
        .map(|(spec, location)| partition_of(&table, values_of(&table, spec)?, location.as_deref()))
        .collect::<Result<_, _>>()?;
    add(run, &table, &partitions, if_not_exists).await
}

async fn add(
    run: &Run,
    table: &Table,
    partitions: &[Partition],
    if_not_exists: bool,
) -> Result<(), QueryError> {
    for some in partitions.chunks(PARTITIONS_PER_COMMIT) {
        let outcomes = run.catalog.create_partitions(&table.key, some).await;
        let outcomes = outcomes.map_err(|problem| error::catalog(&problem))?;
        for (outcome, partition) in outcomes.into_iter().zip(some) {
            lenient(outcome, if_not_exists, &format!("Partition {:?}", partition.values))?;
        }
    }
    Ok(())
}

async fn drop_partitions(
    run: &Run,
    name: &TableName,
    if_exists: bool,
    specs: &[PartitionSpec],
) -> Result<(), QueryError> {
    let table = show::load(run, name).await?;
    let values: Vec<Vec<String>> =
        specs.iter().map(|spec| values_of(&table, spec)).collect::<Result<_, _>>()?;
    for some in values.chunks(DROPS_PER_COMMIT) {
        let outcomes = run.catalog.delete_partitions(&table.key, some).await;
        let outcomes = outcomes.map_err(|problem| error::catalog(&problem))?;
        for (outcome, values) in outcomes.into_iter().zip(some) {
            lenient(outcome, if_exists, &format!("Partition {values:?}"))?;
        }
    }
    Ok(())
}

/// Adds the partitions whose `key=value` folders are there. Removes none, as Athena.
async fn repair(run: &Run, table: &Table) -> Result<(), QueryError> {
    let location = Location::parse(&table.storage.location).map_err(QueryError::User)?;
    let bucket = run.snapshot.bucket(&location).await?;
    let mut folders = vec![(location.prefix.clone(), Vec::<String>::new())];
    for key in &table.partition_keys {
        let mut deeper = Vec::new();
        for (prefix, values) in folders {
            for folder in subfolders(run, &bucket, &prefix).await? {
                let name = folder[prefix.len()..].trim_end_matches('/');
                if let Some((found, value)) = parse_folder(name)
                    && found.eq_ignore_ascii_case(&key.name)
                {
                    deeper.push((folder, [values.clone(), vec![value]].concat()));
                }
            }
        }
        if deeper.len() > FOLDERS_MAX {
            return Err(QueryError::Resources(format!("FAILED: more than {FOLDERS_MAX} partition folders")));
        }
        folders = deeper;
    }
    if table.partition_keys.is_empty() {
        return Ok(());
    }
    let partitions: Vec<Partition> = folders
        .into_iter()
        .map(|(prefix, values)| {
            let url = format!("s3://{}/{prefix}", location.bucket.as_str());
            partition_of(table, values, Some(&url))
        })
        .collect::<Result<_, _>>()?;
    add(run, table, &partitions, true).await
}

async fn subfolders(
    run: &Run,
    bucket: &headwater_objects::Bucket,
    prefix: &str,
) -> Result<Vec<String>, QueryError> {
    let mut found = Vec::new();
    let mut query = ListQuery {
        prefix: prefix.to_owned(),
        delimiter: Some("/".to_owned()),
        limit: LIST_PAGE,
        ..ListQuery::default()
    };
    loop {
        let page = run.objects.list(bucket, &query).await.map_err(|problem| error::internal(&problem))?;
        for entry in &page.entries {
            match entry {
                Listed::Prefix(folder) => {
                    query.after = Some(folder.clone());
                    found.push(folder.clone());
                }
                Listed::Object(info) => query.after = Some(info.key.as_str().to_owned()),
            }
        }
        if !page.truncated || page.entries.is_empty() || found.len() > FOLDERS_MAX {
            return Ok(found);
        }
    }
}
