//! Rows and tables: where a table's rows lie, in what form, and how a batch splits by partition.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, RecordBatch, StringArray, UInt32Array};
use arrow::compute::{cast, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use headwater_catalog::{Column, Table};
use headwater_objects::BucketName;
use headwater_tables::schema::arrow_type;
use headwater_tables::write::{Format, ParquetCompression};

use crate::output::Group;

/// What Hive calls the partition of rows whose partition value is null or empty.
pub(crate) const DEFAULT_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

/// The bucket and the key prefix (ending in `/` unless empty) of an `s3://bucket/prefix/`.
pub(crate) fn location_of(location: &str) -> Result<(BucketName, String), String> {
    let refuse = |why: &str| format!("location {location:?} {why}");
    let rest = ["s3://", "s3a://", "s3n://"]
        .iter()
        .find_map(|scheme| location.strip_prefix(scheme))
        .ok_or_else(|| refuse("is not s3://bucket/prefix/"))?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let bucket = BucketName::new(bucket).map_err(|error| error.to_string())?;
    let slash = if prefix.is_empty() || prefix.ends_with('/') { "" } else { "/" };
    Ok((bucket, format!("{prefix}{slash}")))
}

/// The form in which rows of a table are written, and the ending of its files' names.
pub(crate) fn table_format(table: &Table) -> Result<(Format, &'static str), String> {
    let said = |text: &Option<String>| text.as_deref().unwrap_or("").to_ascii_lowercase();
    let classification = table.parameters.get("classification").map(|c| c.to_ascii_lowercase());
    let hints = [
        said(&table.storage.serde_library),
        said(&table.storage.output_format),
        classification.unwrap_or_default(),
    ];
    let says = |word: &str| hints.iter().any(|hint| hint.contains(word));
    if says("parquet") {
        Ok((Format::Parquet(parquet_compression(table)?), ".parquet"))
    } else if says("json") {
        Ok((Format::JsonLines, ".json"))
    } else if says("csv") && table.parameters.get("skip.header.line.count").is_some_and(|n| n == "1") {
        Ok((Format::Csv, ".csv"))
    } else if hints.iter().all(String::is_empty) {
        Ok((Format::Parquet(parquet_compression(table)?), ".parquet"))
    } else {
        Err(format!("table {} has a format that can't be written; Parquet and JSON can", table.key.table))
    }
}

fn parquet_compression(table: &Table) -> Result<ParquetCompression, String> {
    let name = ["parquet.compression", "parquet.compress", "write.compression", "compressionType"]
        .iter()
        .find_map(|key| table.parameters.get(*key).or_else(|| table.storage.parameters.get(*key)));
    Ok(match name.map(|n| n.to_ascii_uppercase()).as_deref() {
        None | Some("ZSTD") => ParquetCompression::Zstd,
        Some("SNAPPY") => ParquetCompression::Snappy,
        Some("GZIP") => ParquetCompression::Gzip,
        Some("NONE" | "UNCOMPRESSED") => ParquetCompression::None,
        Some(other) => return Err(format!("Parquet compression {other:?} is not supported")),
    })
}

/// The Arrow schema of a table's columns, without partition columns.
pub(crate) fn table_schema(table: &Table) -> Result<SchemaRef, String> {
    let field = |column: &Column| {
        let data_type =
            arrow_type(&column.hive_type).map_err(|error| format!("column {}: {error}", column.name))?;
        Ok::<_, String>(Field::new(&column.name, data_type, true))
    };
    let fields: Vec<Field> = table.storage.columns.iter().map(field).collect::<Result<_, _>>()?;
    if fields.is_empty() {
        return Err(format!("table {} has no columns", table.key.table));
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// Splits batches whose last columns are partition columns.
#[derive(Clone, Debug)]
pub(crate) struct PartitionSplit {
    file_schema: SchemaRef,
    partition_columns: usize,
}

impl PartitionSplit {
    /// For rows of `schema`, the partition columns last and named as `keys`.
    pub(crate) fn new(schema: &SchemaRef, keys: &[Column]) -> Result<Self, String> {
        let fields = schema.fields();
        let kept = fields.len().checked_sub(keys.len()).filter(|n| *n > 0).ok_or_else(|| {
            format!("{} columns are too few for a table with {} partition columns", fields.len(), keys.len())
        })?;
        for (field, key) in fields[kept..].iter().zip(keys) {
            if !field.name().eq_ignore_ascii_case(&key.name) {
                let why = "partition columns must come last, in the table's order";
                return Err(format!(
                    "expected partition column {:?}, found {:?}: {why}",
                    key.name,
                    field.name()
                ));
            }
        }
        let file_schema = Arc::new(Schema::new(fields[..kept].to_vec()));
        Ok(Self { file_schema, partition_columns: keys.len() })
    }

    /// The schema of the files: everything but the partition columns.
    pub(crate) fn file_schema(&self) -> SchemaRef {
        Arc::clone(&self.file_schema)
    }

    /// The batch's rows by partition, without the partition columns, in order of appearance.
    pub(crate) fn groups(&self, batch: &RecordBatch) -> Result<Vec<(Group, RecordBatch)>, String> {
        let kept = self.file_schema.fields().len();
        if batch.num_columns() != kept + self.partition_columns {
            return Err(format!(
                "expected {} columns, found {}",
                kept + self.partition_columns,
                batch.num_columns()
            ));
        }
        let rows = RecordBatch::try_new(self.file_schema(), batch.columns()[..kept].to_vec())
            .map_err(|error| error.to_string())?;
        if self.partition_columns == 0 {
            return Ok(vec![(Group::data(Vec::new()), rows)]);
        }
        let texts: Vec<StringArray> =
            batch.columns()[kept..].iter().map(as_text).collect::<Result<_, _>>()?;
        let mut numbers: HashMap<Vec<&str>, u32> = HashMap::new();
        let mut of_row = Vec::with_capacity(rows.num_rows());
        for row in 0..rows.num_rows() {
            let values: Vec<&str> = texts.iter().map(|text| value(text, row)).collect();
            let next = numbers.len() as u32;
            of_row.push(*numbers.entry(values).or_insert(next));
        }
        let mut groups: Vec<Vec<String>> = vec![Vec::new(); numbers.len()];
        for (values, number) in numbers {
            groups[number as usize] = values.into_iter().map(str::to_owned).collect();
        }
        let split = split_rows(&rows, &of_row, groups.len())?;
        Ok(groups.into_iter().map(Group::data).zip(split).collect())
    }
}

/// The rows of each of `groups` groups, given each row's group, in their order.
pub(crate) fn split_rows(
    rows: &RecordBatch,
    of_row: &[u32],
    groups: usize,
) -> Result<Vec<RecordBatch>, String> {
    if groups == 1 {
        return Ok(vec![rows.clone()]);
    }
    let mut indices: Vec<Vec<u32>> = vec![Vec::new(); groups];
    for (row, group) in of_row.iter().enumerate() {
        indices[*group as usize].push(row as u32);
    }
    indices
        .into_iter()
        .map(|rows_of_group| {
            take_record_batch(rows, &UInt32Array::from(rows_of_group)).map_err(|error| error.to_string())
        })
        .collect()
}

fn value(text: &StringArray, row: usize) -> &str {
    if text.is_null(row) || text.value(row).is_empty() { DEFAULT_PARTITION } else { text.value(row) }
}

/// Partition values as Hive writes them.
fn as_text(column: &ArrayRef) -> Result<StringArray, String> {
    let text = cast(column, &DataType::Utf8).map_err(|error| format!("a partition column: {error}"))?;
    let text = text.as_any().downcast_ref::<StringArray>().expect("cast to Utf8 gives a StringArray").clone();
    if !matches!(column.data_type(), DataType::Timestamp(..)) {
        return Ok(text);
    }
    Ok(text.iter().map(|value| value.map(|value| value.replacen('T', " ", 1))).collect())
}

#[cfg(test)]
mod tests {
    use arrow::array::{Date32Array, Int64Array};

    use super::*;

    fn column(name: &str) -> Column {
        Column { name: name.into(), hive_type: "string".into(), comment: None }
    }

    #[test]
    fn locations_need_a_scheme_and_a_bucket() {
        assert_eq!(location_of("s3://bucket/a/b").unwrap().1, "a/b/");
        assert_eq!(location_of("s3://bucket").unwrap().1, "");
        assert_eq!(location_of("s3a://bucket/a/").unwrap().1, "a/");
        assert!(location_of("hdfs://x/y").is_err());
        assert!(location_of("s3://B!/y").is_err());
    }

    #[test]
    fn rows_go_to_their_partition_once_and_in_order() {
        let schema = Arc::new(Schema::new(vec![
            Field::new("n", DataType::Int64, true),
            Field::new("day", DataType::Date32, true),
        ]));
        let days = Date32Array::from(vec![Some(1), None, Some(1), Some(0)]);
        let rows = Int64Array::from(vec![10, 11, 12, 13]);
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(rows), Arc::new(days)]).unwrap();
        let split = PartitionSplit::new(&schema, &[column("day")]).unwrap();
        let groups = split.groups(&batch).unwrap();
        let seen: Vec<(String, Vec<i64>)> = groups
            .iter()
            .map(|(group, rows)| {
                let numbers = rows.column(0).as_any().downcast_ref::<Int64Array>().unwrap();
                (group.values[0].clone(), numbers.values().to_vec())
            })
            .collect();
        let want = [("1970-01-02", vec![10, 12]), (DEFAULT_PARTITION, vec![11]), ("1970-01-01", vec![13])];
        assert_eq!(seen, want.map(|(day, rows)| (day.to_owned(), rows)));
    }

    #[test]
    fn partition_columns_must_come_last() {
        let schema = Arc::new(Schema::new(vec![
            Field::new("day", DataType::Utf8, true),
            Field::new("n", DataType::Int64, true),
        ]));
        assert!(PartitionSplit::new(&schema, &[column("day")]).unwrap_err().contains("come last"));
        assert!(PartitionSplit::new(&schema, &[column("day"), column("n")]).unwrap_err().contains("too few"));
    }
}
