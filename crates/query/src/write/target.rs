//! The table that CTAS creates: its place, form and columns.

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;
use headwater_base::Timestamp;
use headwater_catalog::{Column, QueryError, StorageDescriptor, Table};
use headwater_tables::schema::hive_type;

use super::columns::Shape;
use crate::ddl::statement::Property;
use crate::define::form;
use crate::error::unsupported;
use crate::names;
use crate::run::Run;
use crate::scan::location::Location;

/// The parameter that says which statement created a table, so that a second attempt knows it.
pub const CREATED_BY: &str = "headwater.created_by";

/// `WITH (…)` of CTAS.
#[derive(Debug, Default)]
pub struct Settings {
    format: String,
    location: Option<String>,
    keys: Vec<String>,
    compression: Option<String>,
}

impl Settings {
    /// The properties, known ones only.
    pub fn read(properties: &BTreeMap<String, Property>) -> Result<Self, QueryError> {
        let mut settings = Self { format: "PARQUET".to_owned(), ..Self::default() };
        for (name, value) in properties {
            match (name.as_str(), value) {
                ("format", Property::Text(text)) => settings.format = text.to_uppercase(),
                ("external_location", Property::Text(text)) => settings.location = Some(text.clone()),
                ("partitioned_by", Property::List(keys)) => {
                    settings.keys = keys.iter().map(|key| key.to_lowercase()).collect();
                }
                ("parquet_compression" | "write_compression", Property::Text(text)) => {
                    settings.compression = Some(text.to_uppercase());
                }
                ("table_type", Property::Text(text)) if text.eq_ignore_ascii_case("hive") => {}
                ("is_external", Property::Text(_)) => {}
                ("table_type", _) => return Err(unsupported("Iceberg tables")),
                ("bucketed_by" | "bucket_count", _) => return Err(unsupported("bucketed tables")),
                (other, _) => {
                    return Err(QueryError::User(format!(
                        "INVALID_TABLE_PROPERTY: line 1:1: Catalog '{}' table property '{other}' does not exist",
                        names::CATALOG
                    )));
                }
            }
        }
        if !matches!(settings.format.as_str(), "PARQUET" | "JSON") {
            return Err(unsupported(format_args!(
                "CTAS with format {}; PARQUET and JSON are written",
                settings.format
            )));
        }
        Ok(settings)
    }

    /// Refuses a location that holds objects, as Athena does.
    pub async fn check_empty(&self, run: &Run, table: &Table) -> Result<(), QueryError> {
        let location = Location::parse(&table.storage.location).map_err(QueryError::User)?;
        if run.snapshot.files(&location, None).await?.is_empty() {
            return Ok(());
        }
        Err(QueryError::User(format!(
            "HIVE_PATH_ALREADY_EXISTS: Target directory for table '{}.{}' already exists: {}. You may need to manually clean the data at that location before retrying",
            table.key.database,
            table.key.table,
            location.url()
        )))
    }
}

/// The table to create and how the query's rows become its.
pub fn table(
    run: &Run,
    database: &str,
    name: &str,
    settings: &Settings,
    query: &SchemaRef,
) -> Result<(Table, Shape), QueryError> {
    let shape = Shape::create(query, &settings.keys)?;
    let location = match (&settings.location, &run.request.output_location) {
        (Some(location), _) => location.clone(),
        (None, Some(output)) => format!("{}/tables/{}/", output.trim_end_matches('/'), run.request.id),
        (None, None) => {
            return Err(QueryError::User(
                "INVALID_TABLE_PROPERTY: line 1:1: external_location is needed".to_owned(),
            ));
        }
    };
    let location = Location::parse(&location)
        .map_err(|why| QueryError::User(format!("INVALID_TABLE_PROPERTY: {why}")))?;
    let columns: Vec<Column> = shape
        .schema()
        .fields()
        .iter()
        .map(|field| {
            let kind = hive_type(field.data_type())
                .map_err(|why| unsupported(format_args!("column {} of a table: {why}", field.name())))?;
            Ok(Column { name: field.name().clone(), hive_type: kind, comment: None })
        })
        .collect::<Result<_, QueryError>>()?;
    let (columns, keys) = columns.split_at(columns.len() - settings.keys.len());
    let form = form(&settings.format)?;
    let mut parameters = BTreeMap::from([
        ("EXTERNAL".to_owned(), "TRUE".to_owned()),
        ("classification".to_owned(), settings.format.to_lowercase()),
        (CREATED_BY.to_owned(), run.request.id.clone()),
    ]);
    if let Some(compression) = &settings.compression {
        parameters.insert("write.compression".to_owned(), compression.clone());
    }
    let table = Table {
        key: names::key(run, database, name),
        incarnation: 0,
        schema_id: 0,
        version: 0,
        storage: StorageDescriptor {
            columns: columns.to_vec(),
            location: location.url(),
            input_format: Some(form.input.to_owned()),
            output_format: Some(form.output.to_owned()),
            serde_library: Some(form.serde.to_owned()),
            ..StorageDescriptor::default()
        },
        partition_keys: keys.to_vec(),
        table_type: Some("EXTERNAL_TABLE".to_owned()),
        parameters,
        description: None,
        owner: Some("hadoop".to_owned()),
        created: Timestamp::EPOCH,
        updated: Timestamp::EPOCH,
        extra_json: None,
    };
    Ok((table, shape))
}
