//! From tables that were found to the catalog.

use std::collections::BTreeMap;

use headwater_base::{Scope, Timestamp};
use headwater_catalog::{Archive, CatalogError, Column, Partition, StorageDescriptor, Table, TableKey};
use headwater_tables::compress::Codec;
use headwater_tables::infer::FileFormat;
use headwater_tables::schema::{arrow_type, hive_type};

use super::group::{FoundPartition, FoundTable};
use super::{Changes, CrawlError, S3Path};
use crate::State;
use crate::crawlers::Crawler;

/// How many partitions are created at once.
const PARTITIONS_AT_ONCE: usize = 100;
/// How many tables are read at once.
const TABLES_AT_ONCE: usize = 100;
/// The parameter that says which crawler keeps a table.
const KEPT_BY: &str = "UPDATED_BY_CRAWLER";
/// The parameter of tables whose files are gone.
const DEPRECATED: &str = "DEPRECATED_BY_CRAWLER";

fn failed(error: CatalogError) -> CrawlError {
    CrawlError::Failed(error.to_string())
}

/// Creates the table or brings it up to date, with its partitions. Gives its name.
pub(super) async fn table(
    state: &State,
    scope: &Scope,
    crawler: &Crawler,
    path: &S3Path,
    found: &FoundTable,
    changes: &mut Changes,
) -> Result<String, CrawlError> {
    let location = path.location(&found.prefix);
    let wanted = wanted(scope, crawler, path, found);
    let (present, key) = place(state, &wanted, &location).await?;
    let table = match present {
        None => {
            changes.tables_created += 1;
            state.catalog().create_table(Table { key, ..wanted }).await.map_err(failed)?
        }
        Some(present) => match brought_up_to_date(crawler, &present, &wanted) {
            None => present,
            Some(table) => {
                changes.tables_updated += 1;
                state.catalog().update_table(table, None, Archive::Keep).await.map_err(failed)?
            }
        },
    };
    if table.partition_keys.len() == found.keys.len() {
        changes.partitions_added += add_partitions(state, path, &table, &found.partitions).await?;
    }
    Ok(table.key.table.clone())
}

/// The table that is there for this location, or the key under which to create it: its own name,
/// or that with a suffix when another table has the name.
async fn place(
    state: &State,
    wanted: &Table,
    location: &str,
) -> Result<(Option<std::sync::Arc<Table>>, TableKey), CrawlError> {
    let suffix = headwater_base::OnceToken::derive(&[location.as_bytes()]);
    let [a, b, c, d, ..] = suffix.0;
    let suffixed = format!("{}_{}", wanted.key.table, hex::encode([a, b, c, d]));
    for name in [wanted.key.table.clone(), suffixed] {
        let key = TableKey { table: name, ..wanted.key.clone() };
        match state.catalog().table(&key).await {
            Ok(table) if table.storage.location.trim_end_matches('/') == location.trim_end_matches('/') => {
                return Ok((Some(table), key));
            }
            Ok(_) => {}
            Err(CatalogError::NotFound(what)) if what.starts_with("Database") => {
                return Err(CrawlError::Target(format!("{what} not found.")));
            }
            Err(CatalogError::NotFound(_)) => return Ok((None, key)),
            Err(error) => return Err(failed(error)),
        }
    }
    Err(CrawlError::Target(format!("The table names for {location} are taken by other tables.")))
}

/// The table as found, if the present one is to become that.
fn brought_up_to_date(crawler: &Crawler, present: &Table, wanted: &Table) -> Option<Table> {
    let policy = crawler.shape.schema_change_policy.clone().unwrap_or_default();
    if policy.update_behavior.as_deref() == Some("LOG") {
        return None;
    }
    let mut table = present.clone();
    for column in &wanted.storage.columns {
        match table.storage.columns.iter_mut().find(|known| known.name == column.name) {
            Some(known) => known.hive_type = widened(&known.hive_type, &column.hive_type),
            None => table.storage.columns.push(column.clone()),
        }
    }
    table.parameters.remove(DEPRECATED);
    (table != *present).then_some(table)
}

fn widened(known: &str, found: &str) -> String {
    match (arrow_type(known), arrow_type(found)) {
        (Ok(known_type), Ok(found_type)) if known_type != found_type => {
            let wide = headwater_tables::infer::widen(&known_type, &found_type);
            if wide == known_type {
                known.to_owned()
            } else {
                hive_type(&wide).unwrap_or_else(|_| known.to_owned())
            }
        }
        _ => known.to_owned(),
    }
}

async fn add_partitions(
    state: &State,
    path: &S3Path,
    table: &Table,
    found: &[FoundPartition],
) -> Result<u64, CrawlError> {
    let mut added = 0;
    for chunk in found.chunks(PARTITIONS_AT_ONCE) {
        let partitions: Vec<Partition> = chunk
            .iter()
            .map(|partition| Partition {
                values: partition.values.clone(),
                storage: StorageDescriptor {
                    location: path.location(&partition.prefix),
                    ..table.storage.clone()
                },
                parameters: BTreeMap::new(),
                created: Timestamp::EPOCH,
            })
            .collect();
        for outcome in state.catalog().create_partitions(&table.key, &partitions).await.map_err(failed)? {
            match outcome {
                Ok(()) => added += 1,
                // It is there already, or its value is none that a partition can have.
                Err(CatalogError::Exists(_) | CatalogError::Invalid(_)) => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }
    Ok(added)
}

/// Deals with tables this crawler kept under its targets whose files are gone.
pub(super) async fn vanished(
    state: &State,
    scope: &Scope,
    crawler: &Crawler,
    targets: &[String],
    seen: &[String],
    changes: &mut Changes,
) -> Result<(), CrawlError> {
    let policy = crawler.shape.schema_change_policy.clone().unwrap_or_default();
    let behavior = policy.delete_behavior.as_deref().unwrap_or("DEPRECATE_IN_DATABASE");
    let database = crawler.shape.database_name.as_deref().unwrap_or_default();
    if behavior == "LOG" {
        return Ok(());
    }
    let mut after = None;
    loop {
        let tables = state
            .catalog()
            .tables(scope, database, after.as_deref(), TABLES_AT_ONCE)
            .await
            .map_err(failed)?;
        let Some(last) = tables.last() else { return Ok(()) };
        after = Some(last.key.table.clone());
        for table in tables {
            let kept = table.parameters.get(KEPT_BY) == Some(&crawler.name)
                && targets.iter().any(|target| is_below(&table.storage.location, target));
            if !kept || seen.contains(&table.key.table) {
                continue;
            }
            if behavior == "DELETE_FROM_DATABASE" {
                state.catalog().delete_table(&table.key).await.map_err(failed)?;
                changes.tables_deleted += 1;
            } else if !table.parameters.contains_key(DEPRECATED) {
                let mut deprecated = table.as_ref().clone();
                let now = state.ground.seams.clock.now().ms().to_string();
                deprecated.parameters.insert(DEPRECATED.to_owned(), now);
                state.catalog().update_table(deprecated, None, Archive::Keep).await.map_err(failed)?;
                changes.tables_updated += 1;
            }
        }
    }
}

/// Whether a location is a target's or below it.
fn is_below(location: &str, target: &str) -> bool {
    let rest = location.strip_prefix(target.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The table as it should be, were it new.
fn wanted(scope: &Scope, crawler: &Crawler, path: &S3Path, found: &FoundTable) -> Table {
    let shape = &crawler.shape;
    let columns = found.found.inferred.hive_columns().into_iter().map(|(name, hive_type)| Column {
        name,
        hive_type,
        comment: None,
    });
    let key_column =
        |name: &String| Column { name: name.clone(), hive_type: "string".to_owned(), comment: None };
    let mut parameters = of_format(found);
    parameters.insert(KEPT_BY.to_owned(), crawler.name.clone());
    let mut storage = StorageDescriptor {
        columns: columns.collect(),
        location: path.location(&found.prefix),
        compressed: found.found.codec != Codec::None,
        parameters: parameters.clone(),
        ..StorageDescriptor::default()
    };
    set_serde(&mut storage, found);
    Table {
        key: TableKey {
            scope: scope.clone(),
            database: shape.database_name.clone().unwrap_or_default().to_lowercase(),
            table: table_name(shape.table_prefix.as_deref().unwrap_or_default(), path, &found.prefix),
        },
        incarnation: 0,
        schema_id: 0,
        version: 0,
        storage,
        partition_keys: found.keys.iter().map(key_column).collect(),
        table_type: Some("EXTERNAL_TABLE".to_owned()),
        parameters,
        description: None,
        owner: Some("owner".to_owned()),
        created: Timestamp::EPOCH,
        updated: Timestamp::EPOCH,
        extra_json: None,
    }
}

/// The last folder's name (or the bucket's) in lower case, letters and digits kept.
fn table_name(prefix: &str, path: &S3Path, key_prefix: &str) -> String {
    let last = key_prefix.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let last = if last.is_empty() { path.bucket.as_str() } else { last };
    let clean = |c: char| if c.is_alphanumeric() { c } else { '_' };
    format!("{prefix}{}", last.chars().map(clean).collect::<String>()).to_lowercase()
}

/// The parameters that say what the files are.
fn of_format(found: &FoundTable) -> BTreeMap<String, String> {
    let codec = match found.found.codec {
        Codec::None => "none",
        Codec::Gzip => "gzip",
        Codec::Zstd => "zstd",
        Codec::Snappy => "snappy",
    };
    let mut parameters = BTreeMap::from([
        ("typeOfData".to_owned(), "file".to_owned()),
        ("compressionType".to_owned(), codec.to_owned()),
        ("objectCount".to_owned(), found.files.to_string()),
        ("sizeKey".to_owned(), found.bytes.to_string()),
    ]);
    let mut say = |name: &str, value: &str| parameters.insert(name.to_owned(), value.to_owned());
    match found.found.inferred.format {
        FileFormat::Json => say("classification", "json"),
        FileFormat::Parquet => say("classification", "parquet"),
        FileFormat::Csv { delimiter, quoted, header } => {
            say("delimiter", &char::from(delimiter).to_string());
            say("columnsOrdered", "true");
            say("areColumnsQuoted", if quoted { "true" } else { "false" });
            if header {
                say("skip.header.line.count", "1");
            }
            say("classification", "csv")
        }
    };
    parameters
}

/// The Java classes that readers of the table expect.
fn set_serde(storage: &mut StorageDescriptor, found: &FoundTable) {
    const TEXT_IN: &str = "org.apache.hadoop.mapred.TextInputFormat";
    const TEXT_OUT: &str = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat";
    const PARQUET: &str = "org.apache.hadoop.hive.ql.io.parquet";
    let mut parameters = BTreeMap::new();
    let mut say = |name: &str, value: String| parameters.insert(name.to_owned(), value);
    let (input, output, serde) = match found.found.inferred.format {
        FileFormat::Json => {
            let names: Vec<&str> =
                found.found.inferred.columns.iter().map(|(name, _)| name.as_str()).collect();
            say("paths", names.join(","));
            (TEXT_IN.to_owned(), TEXT_OUT.to_owned(), "org.openx.data.jsonserde.JsonSerDe".to_owned())
        }
        FileFormat::Parquet => {
            say("serialization.format", "1".to_owned());
            let class = |name: &str| format!("{PARQUET}.{name}");
            (
                class("MapredParquetInputFormat"),
                class("MapredParquetOutputFormat"),
                class("serde.ParquetHiveSerDe"),
            )
        }
        FileFormat::Csv { delimiter, quoted: true, .. } => {
            say("separatorChar", char::from(delimiter).to_string());
            say("quoteChar", "\"".to_owned());
            (TEXT_IN.to_owned(), TEXT_OUT.to_owned(), "org.apache.hadoop.hive.serde2.OpenCSVSerde".to_owned())
        }
        FileFormat::Csv { delimiter, quoted: false, .. } => {
            say("field.delim", char::from(delimiter).to_string());
            (
                TEXT_IN.to_owned(),
                TEXT_OUT.to_owned(),
                "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe".to_owned(),
            )
        }
    };
    storage.input_format = Some(input);
    storage.output_format = Some(output);
    storage.serde_library = Some(serde);
    storage.serde_parameters = parameters;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_named_after_their_folder() {
        let path = S3Path::parse("s3://My-bucket".to_lowercase().as_str()).unwrap();
        assert_eq!(table_name("raw_", &path, "a/Card-Data/"), "raw_card_data");
        assert_eq!(table_name("", &path, ""), "my_bucket");
    }

    #[test]
    fn locations_are_below_their_own_target_only() {
        assert!(is_below("s3://b/data/x/", "s3://b/data"));
        assert!(is_below("s3://b/data/", "s3://b/data/"));
        assert!(!is_below("s3://b/database/", "s3://b/data"));
    }

    #[test]
    fn types_only_widen() {
        assert_eq!(widened("int", "bigint"), "bigint");
        assert_eq!(widened("varchar(10)", "string"), "varchar(10)");
        assert_eq!(widened("double", "bigint"), "double");
        assert_eq!(widened("bigint", "string"), "string");
    }
}
