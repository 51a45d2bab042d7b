//! Shapes to the catalog's types and back: the only file that names both.

use headwater_base::{Scope, Timestamp};
use headwater_catalog::{Column, Database, Partition, StorageDescriptor, Table, TableKey};
use headwater_wire::{EpochTime, Fault};

use crate::checks::{present, required};
use crate::fault;
use crate::shapes::{
    ColumnShape, DatabaseInput, DatabaseShape, Object, PartitionInput, PartitionShape, SerdeInfoShape,
    StorageShape, TableInput, TableShape,
};

/// Where the SerDe's own name is kept among the rest of a descriptor.
const SERDE_NAME: &str = "SerdeName";

pub(crate) fn database(input: DatabaseInput) -> Result<Database, Fault> {
    Ok(Database {
        name: required(&input.name, "databaseInput.name")?.to_owned(),
        description: input.description,
        location: input.location_uri,
        parameters: input.parameters.unwrap_or_default(),
        created: Timestamp::EPOCH,
    })
}

pub(crate) fn database_shape(scope: &Scope, database: &Database) -> DatabaseShape {
    DatabaseShape {
        name: database.name.clone(),
        description: database.description.clone(),
        location_uri: database.location.clone(),
        parameters: database.parameters.clone(),
        create_time: EpochTime(database.created),
        catalog_id: scope.account.to_string(),
    }
}

pub(crate) fn table(scope: &Scope, database: &str, input: TableInput) -> Result<Table, Fault> {
    let key = TableKey {
        scope: scope.clone(),
        database: database.to_owned(),
        table: required(&input.name, "tableInput.name")?.to_owned(),
    };
    Ok(Table {
        key,
        incarnation: 0,
        schema_id: 0,
        version: 0,
        storage: storage(input.storage_descriptor.unwrap_or_default())?,
        partition_keys: columns(input.partition_keys.unwrap_or_default())?,
        table_type: input.table_type,
        parameters: input.parameters.unwrap_or_default(),
        description: input.description,
        owner: input.owner,
        created: Timestamp::EPOCH,
        updated: Timestamp::EPOCH,
        extra_json: json_of(input.rest),
    })
}

pub(crate) fn table_shape(table: &Table) -> TableShape {
    TableShape {
        name: table.key.table.clone(),
        database_name: table.key.database.clone(),
        description: table.description.clone(),
        owner: table.owner.clone(),
        create_time: EpochTime(table.created),
        update_time: EpochTime(table.updated),
        storage_descriptor: storage_shape(&table.storage),
        partition_keys: column_shapes(&table.partition_keys),
        table_type: table.table_type.clone(),
        parameters: table.parameters.clone(),
        is_registered_with_lake_formation: false,
        catalog_id: table.key.scope.account.to_string(),
        version_id: table.version.to_string(),
        rest: object_of(table.extra_json.as_deref()),
    }
}

pub(crate) fn partition(input: PartitionInput) -> Result<Partition, Fault> {
    Ok(Partition {
        values: present(input.values, "partitionInput.values")?,
        storage: storage(input.storage_descriptor.unwrap_or_default())?,
        parameters: input.parameters.unwrap_or_default(),
        created: Timestamp::EPOCH,
    })
}

pub(crate) fn partition_shape(table: &Table, partition: Partition) -> PartitionShape {
    PartitionShape {
        storage_descriptor: storage_shape(&partition.storage),
        values: partition.values,
        database_name: table.key.database.clone(),
        table_name: table.key.table.clone(),
        creation_time: EpochTime(partition.created),
        parameters: partition.parameters,
        catalog_id: table.key.scope.account.to_string(),
    }
}

pub(crate) fn version(text: &str) -> Result<u64, Fault> {
    text.parse().map_err(|_| fault::invalid(format!("version id {text:?} is not a number")))
}

fn storage(shape: StorageShape) -> Result<StorageDescriptor, Fault> {
    let serde_info = shape.serde_info.unwrap_or_default();
    let mut rest = shape.rest;
    if let Some(name) = serde_info.name {
        rest.insert(SERDE_NAME.to_owned(), name.into());
    }
    Ok(StorageDescriptor {
        columns: columns(shape.columns.unwrap_or_default())?,
        location: shape.location.unwrap_or_default(),
        input_format: shape.input_format,
        output_format: shape.output_format,
        compressed: shape.compressed.unwrap_or_default(),
        serde_library: serde_info.serialization_library,
        serde_parameters: serde_info.parameters.unwrap_or_default(),
        parameters: shape.parameters.unwrap_or_default(),
        extra_json: json_of(rest),
    })
}

pub(crate) fn storage_shape(storage: &StorageDescriptor) -> StorageShape {
    let mut rest = object_of(storage.extra_json.as_deref());
    let name = rest.remove(SERDE_NAME).and_then(|name| name.as_str().map(str::to_owned));
    let serde_info = SerdeInfoShape {
        name,
        serialization_library: storage.serde_library.clone(),
        parameters: Some(storage.serde_parameters.clone()),
    };
    let has_serde = serde_info.name.is_some()
        || serde_info.serialization_library.is_some()
        || !storage.serde_parameters.is_empty();
    StorageShape {
        columns: Some(column_shapes(&storage.columns)),
        location: Some(storage.location.clone()),
        input_format: storage.input_format.clone(),
        output_format: storage.output_format.clone(),
        compressed: Some(storage.compressed),
        serde_info: has_serde.then_some(serde_info),
        parameters: (!storage.parameters.is_empty()).then(|| storage.parameters.clone()),
        rest,
    }
}

fn columns(shapes: Vec<ColumnShape>) -> Result<Vec<Column>, Fault> {
    let column = |shape: ColumnShape| {
        Ok(Column {
            name: required(&shape.name, "columns.member.name")?.to_lowercase(),
            hive_type: shape.r#type.unwrap_or_else(|| "string".to_owned()),
            comment: shape.comment,
        })
    };
    shapes.into_iter().map(column).collect()
}

fn column_shapes(columns: &[Column]) -> Vec<ColumnShape> {
    let shape = |column: &Column| ColumnShape {
        name: Some(column.name.clone()),
        r#type: Some(column.hive_type.clone()),
        comment: column.comment.clone(),
    };
    columns.iter().map(shape).collect()
}

fn json_of(object: Object) -> Option<String> {
    (!object.is_empty()).then(|| serde_json::Value::Object(object).to_string())
}

fn object_of(json: Option<&str>) -> Object {
    json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_come_back_as_they_went() {
        let json = serde_json::json!({
            "Name": "Orders", "Owner": "me", "Retention": 3, "TableType": "EXTERNAL_TABLE",
            "ViewOriginalText": "x", "Parameters": {"classification": "json"},
            "PartitionKeys": [{"Name": "Year", "Type": "string"}],
            "StorageDescriptor": {
                "Columns": [{"Name": "Id", "Type": "bigint", "Comment": "c"}], "Location": "s3://b/p/",
                "InputFormat": "i", "OutputFormat": "o", "Compressed": true, "NumberOfBuckets": -1,
                "SortColumns": [], "SerdeInfo": {"Name": "n", "SerializationLibrary": "l", "Parameters": {"paths": "x"}},
            },
        });
        let scope = Scope::new("000000000001".parse().unwrap(), "eu-west-1".parse().unwrap());
        let engine = table(&scope, "db", serde_json::from_value(json.clone()).unwrap()).unwrap();
        let back = serde_json::to_value(table_shape(&engine)).unwrap();
        assert_eq!(back["StorageDescriptor"]["Columns"][0]["Name"], "id");
        assert_eq!(back["StorageDescriptor"]["SerdeInfo"], json["StorageDescriptor"]["SerdeInfo"]);
        for member in
            ["InputFormat", "OutputFormat", "Compressed", "NumberOfBuckets", "SortColumns", "Location"]
        {
            assert_eq!(back["StorageDescriptor"][member], json["StorageDescriptor"][member], "{member}");
        }
        for member in ["Owner", "Retention", "TableType", "ViewOriginalText", "Parameters"] {
            assert_eq!(back[member], json[member], "{member}");
        }
        assert_eq!(back["VersionId"], "0");
    }
}
