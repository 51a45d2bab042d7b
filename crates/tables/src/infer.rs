//! What a file holds, told from a sample of it: for crawlers.
//!
//! JSON and delimited text are told from the first bytes, Parquet from its footer. Types are found
//! as Glue's crawlers find them, with one deliberate difference: whole numbers are always `bigint`,
//! so that tomorrow's larger number still fits.

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use parquet::arrow::parquet_to_arrow_schema;
use parquet::file::metadata::ParquetMetaDataReader;

use crate::schema::{hive_type, list_of};

/// How many JSON objects or lines of a sample are looked at.
const SAMPLE_ROWS_MAX: usize = 10_000;
/// Longer cells make a line no header (Glue's rule).
const HEADER_CELL_CHARS_MAX: usize = 150;
/// Delimiters that are tried, in this order.
const DELIMITERS: [u8; 5] = [b',', b'|', b'\t', b';', 1];
/// The end of a Parquet file: footer length and magic.
pub const PARQUET_TAIL_BYTES: usize = 8;

/// The form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileFormat {
    /// JSON objects, one after another.
    Json,
    /// Delimited text.
    Csv {
        /// Between fields.
        delimiter: u8,
        /// Whether fields are quoted somewhere.
        quoted: bool,
        /// Whether the first line names the columns.
        header: bool,
    },
    /// Parquet.
    Parquet,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Inferred {
    /// The form.
    pub format: FileFormat,
    /// Columns, names in lower case. Types are such as [`hive_type`] can name.
    pub columns: Vec<(String, DataType)>,
}

impl Inferred {
    /// The columns with Hive types.
    pub fn hive_columns(&self) -> Vec<(String, String)> {
        let named = |data_type| hive_type(data_type).unwrap_or_else(|_| "string".to_owned());
        self.columns.iter().map(|(name, data_type)| (name.clone(), named(data_type))).collect()
    }
}

/// What plain (decompressed) text holds; `None` when it is neither JSON nor delimited text.
/// `complete` says that the sample is the whole file, so its last line is whole.
pub fn infer_text(sample: &[u8], complete: bool) -> Option<Inferred> {
    let sample = sample.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(sample);
    infer_json(sample).or_else(|| infer_csv(sample, complete))
}

/// The length of the footer, from the file's last [`PARQUET_TAIL_BYTES`]; `None` when it is not
/// Parquet. The footer ends where the tail begins.
pub fn parquet_footer_len(tail: &[u8]) -> Option<u64> {
    let tail = tail.last_chunk::<PARQUET_TAIL_BYTES>()?;
    let (len, magic) = tail.split_first_chunk::<4>()?;
    (magic == b"PAR1").then(|| u64::from(u32::from_le_bytes(*len)))
}

/// The columns of a Parquet file, from its footer's bytes (without the tail).
pub fn infer_parquet(footer: &[u8]) -> Option<Inferred> {
    let metadata = ParquetMetaDataReader::decode_metadata(footer).ok()?;
    let file = metadata.file_metadata();
    let schema = parquet_to_arrow_schema(file.schema_descr(), None).ok()?;
    let columns = schema.fields().iter().map(|f| (f.name().to_lowercase(), f.data_type().clone())).collect();
    Some(Inferred { format: FileFormat::Parquet, columns })
}

/// How many rows a Parquet file holds, from its footer's bytes (without the tail).
pub fn parquet_rows(footer: &[u8]) -> Option<u64> {
    let metadata = ParquetMetaDataReader::decode_metadata(footer).ok()?;
    u64::try_from(metadata.file_metadata().num_rows()).ok()
}

/// Columns that hold what either side holds: by name, types widened.
pub fn merge_columns(into: &mut Vec<(String, DataType)>, more: &[(String, DataType)]) {
    for (name, data_type) in more {
        match into.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = widen(known, data_type),
            None => into.push((name.clone(), data_type.clone())),
        }
    }
}

/// The narrowest type that holds the values of both.
pub fn widen(a: &DataType, b: &DataType) -> DataType {
    use DataType as T;
    match (a, b) {
        _ if a == b => a.clone(),
        (T::Null, other) | (other, T::Null) => other.clone(),
        (T::Float32 | T::Float64, other) | (other, T::Float32 | T::Float64) if other.is_numeric() => {
            T::Float64
        }
        (a, b) if a.is_signed_integer() && b.is_signed_integer() => {
            if a.primitive_width() >= b.primitive_width() { a.clone() } else { b.clone() }
        }
        (T::Decimal128(p, s), T::Decimal128(q, t)) => widen_decimals((*p, *s), (*q, *t)),
        (T::Date32, T::Timestamp(..)) | (T::Timestamp(..), T::Date32 | T::Timestamp(..)) => {
            T::Timestamp(TimeUnit::Microsecond, None)
        }
        (T::List(x), T::List(y)) => list_of(widen(x.data_type(), y.data_type())),
        (T::Struct(x), T::Struct(y)) => widen_structs(x, y),
        _ => T::Utf8,
    }
}

fn widen_decimals(a: (u8, i8), b: (u8, i8)) -> DataType {
    let scale = a.1.max(b.1);
    let whole = (i16::from(a.0) - i16::from(a.1)).max(i16::from(b.0) - i16::from(b.1));
    match u8::try_from(whole + i16::from(scale)) {
        Ok(precision) if precision <= 38 => DataType::Decimal128(precision, scale),
        _ => DataType::Utf8,
    }
}

fn widen_structs(a: &Fields, b: &Fields) -> DataType {
    let named = |fields: &Fields| -> Vec<(String, DataType)> {
        fields.iter().map(|f| (f.name().clone(), f.data_type().clone())).collect()
    };
    let mut members = named(a);
    merge_columns(&mut members, &named(b));
    struct_of(members)
}

fn struct_of(members: Vec<(String, DataType)>) -> DataType {
    DataType::Struct(members.into_iter().map(|(name, t)| Field::new(name, t, true)).collect())
}

fn infer_json(sample: &[u8]) -> Option<Inferred> {
    if sample.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    let mut columns: Vec<(String, DataType)> = Vec::new();
    let objects = serde_json::Deserializer::from_slice(sample)
        .into_iter::<serde_json::Map<String, serde_json::Value>>();
    // An error ends the sample: usually the object that it was cut in.
    for object in objects.take(SAMPLE_ROWS_MAX).map_while(Result::ok) {
        let found: Vec<(String, DataType)> =
            object.iter().map(|(name, value)| (name.to_lowercase(), json_type(value))).collect();
        merge_columns(&mut columns, &found);
    }
    let columns: Vec<_> = columns.into_iter().map(|(name, t)| (name, settled(t))).collect();
    (!columns.is_empty()).then_some(Inferred { format: FileFormat::Json, columns })
}

fn json_type(value: &serde_json::Value) -> DataType {
    use serde_json::Value as V;
    match value {
        V::Null => DataType::Null,
        V::Bool(_) => DataType::Boolean,
        V::Number(number) if number.is_i64() => DataType::Int64,
        V::Number(_) => DataType::Float64,
        V::String(_) => DataType::Utf8,
        V::Array(items) => {
            list_of(items.iter().map(json_type).reduce(|a, b| widen(&a, &b)).unwrap_or(DataType::Null))
        }
        V::Object(members) => {
            struct_of(members.iter().map(|(name, value)| (name.to_lowercase(), json_type(value))).collect())
        }
    }
}

/// The type with text wherever only nulls (or empty objects) were seen.
fn settled(data_type: DataType) -> DataType {
    match data_type {
        DataType::Null => DataType::Utf8,
        DataType::List(item) => list_of(settled(item.data_type().clone())),
        DataType::Struct(fields) if fields.is_empty() => DataType::Utf8,
        DataType::Struct(fields) => {
            struct_of(fields.iter().map(|f| (f.name().clone(), settled(f.data_type().clone()))).collect())
        }
        other => other,
    }
}

fn infer_csv(sample: &[u8], complete: bool) -> Option<Inferred> {
    let whole = if complete { sample } else { &sample[..=sample.iter().rposition(|b| *b == b'\n')?] };
    std::str::from_utf8(whole).ok()?;
    let (delimiter, rows) = DELIMITERS
        .iter()
        .filter_map(|delimiter| Some((*delimiter, even_rows(whole, *delimiter)?)))
        .max_by_key(|(delimiter, rows)| (rows[0].len(), std::cmp::Reverse(*delimiter)))?;
    let width = rows[0].len();
    let body: Vec<DataType> = column_types(&rows[1..], width);
    let header = is_header(&rows[0], &body);
    let types = if header { body } else { column_types(&rows, width) };
    let names = if header { header_names(&rows[0]) } else { (0..width).map(|i| format!("col{i}")).collect() };
    let format = FileFormat::Csv { delimiter, quoted: whole.contains(&b'"'), header };
    Some(Inferred { format, columns: names.into_iter().zip(types.into_iter().map(settled)).collect() })
}

/// The rows by this delimiter, if there are at least two, all with the same two or more columns.
fn even_rows(text: &[u8], delimiter: u8) -> Option<Vec<csv::StringRecord>> {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(text);
    let rows: Vec<csv::StringRecord> =
        reader.records().take(SAMPLE_ROWS_MAX).collect::<Result<_, _>>().ok()?;
    let width = rows.first()?.len();
    (rows.len() >= 2 && width >= 2 && rows.iter().all(|row| row.len() == width)).then_some(rows)
}

fn column_types(rows: &[csv::StringRecord], width: usize) -> Vec<DataType> {
    (0..width)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(cell_type).reduce(|a, b| widen(&a, &b)).unwrap_or(DataType::Null)
        })
        .collect()
}

fn cell_type(cell: &str) -> DataType {
    let cell = cell.trim();
    if cell.is_empty() || cell == "\\N" {
        DataType::Null
    } else if cell.parse::<i64>().is_ok() {
        DataType::Int64
    } else if cell.parse::<f64>().is_ok_and(f64::is_finite) {
        DataType::Float64
    } else {
        DataType::Utf8
    }
}

/// Glue's rule: every cell is short text that could be a column's name (the last may be empty),
/// and the rows below are not all text.
fn is_header(first: &csv::StringRecord, body: &[DataType]) -> bool {
    let last = first.len() - 1;
    let named = |(at, cell): (usize, &str)| {
        let cell = cell.trim();
        if cell.is_empty() {
            return at == last;
        }
        cell.chars().count() < HEADER_CELL_CHARS_MAX
            && cell_type(cell) == DataType::Utf8
            && cell.chars().all(|c| c.is_alphanumeric() || "_-. ()/$%#@&:".contains(c))
    };
    first.iter().enumerate().all(named) && body.iter().any(|t| !matches!(t, DataType::Utf8 | DataType::Null))
}

/// Names in lower case; one that is empty or comes again gets its position.
fn header_names(first: &csv::StringRecord) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (at, cell) in first.iter().enumerate() {
        let name = cell.trim().to_lowercase();
        let taken = name.is_empty() || names.contains(&name);
        names.push(if taken { format!("col{at}") } else { name });
    }
    names
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    fn nullable(name: &str, data_type: DataType) -> Arc<Field> {
        Arc::new(Field::new(name, data_type, true))
    }

    fn columns(text: &str) -> Vec<(String, String)> {
        infer_text(text.as_bytes(), true).map(|found| found.hive_columns()).unwrap_or_default()
    }

    fn said(text: &str) -> String {
        columns(text).iter().map(|(name, hive)| format!("{name} {hive}")).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn json_columns_widen_over_the_sample() {
        assert_eq!(
            said(
                "{\"Id\":1,\"x\":1,\"n\":null}\n{\"id\":2,\"x\":1.5,\"s\":\"t\",\"a\":[],\"o\":{\"k\":1}}{\"a\":[1],\"o\":{\"l\":true}} {\"cut"
            ),
            "id bigint, x double, n string, s string, a array<bigint>, o struct<k:bigint,l:boolean>"
        );
        assert_eq!(said("{\"x\":1}\n{\"x\":\"one\"}"), "x string");
        assert_eq!(said("[1,2]"), "");
        assert_eq!(said("{}"), "");
    }

    #[test]
    fn delimited_text_is_told_with_its_header() {
        assert_eq!(said("id,Name,score\n1,a,2.5\n2,b,3\n"), "id bigint, name string, score double");
        assert_eq!(said("1|a\n2|b\n"), "col0 bigint, col1 string");
        assert_eq!(said("a,b\nc,d\n"), "col0 string, col1 string");
        assert_eq!(said("id\tid\n1\t2\n"), "id bigint, col1 bigint");
        assert_eq!(said("just text\nand more\n"), "");
        assert_eq!(said("a,b\n"), "");
        let found = infer_text(b"id,name\n1,\"a,b\"\n2,cut", false).unwrap();
        assert_eq!(found.format, FileFormat::Csv { delimiter: b',', quoted: true, header: true });
        assert_eq!(found.columns[0].1, DataType::Int64);
    }

    #[test]
    fn parquet_is_told_from_its_footer() {
        use crate::write::{FileWriter, Format, ParquetCompression};
        let schema =
            crate::schema::arrow_schema([("Id", "bigint"), ("t", "timestamp"), ("a", "array<string>")])
                .unwrap();
        let file = FileWriter::new(Arc::new(schema), Format::Parquet(ParquetCompression::Zstd))
            .unwrap()
            .finish()
            .unwrap();
        let (rest, tail) = file.split_at(file.len() - PARQUET_TAIL_BYTES);
        let len = usize::try_from(parquet_footer_len(tail).unwrap()).unwrap();
        let found = infer_parquet(&rest[rest.len() - len..]).unwrap();
        let hive: Vec<String> = found.hive_columns().into_iter().map(|(n, t)| format!("{n} {t}")).collect();
        assert_eq!(hive, ["id bigint", "t timestamp", "a array<string>"]);
        assert_eq!(parquet_footer_len(b"not a parquet"), None);
        assert_eq!(infer_parquet(b"nonsense"), None);
    }

    #[test]
    fn widening_keeps_what_both_hold() {
        use DataType as T;
        assert_eq!(widen(&T::Int32, &T::Int64), T::Int64);
        assert_eq!(widen(&T::Int64, &T::Float32), T::Float64);
        assert_eq!(widen(&T::Decimal128(10, 2), &T::Decimal128(8, 6)), T::Decimal128(14, 6));
        assert_eq!(widen(&T::Boolean, &T::Int64), T::Utf8);
        assert_eq!(
            widen(&T::List(nullable("x", T::Null)), &T::List(nullable("y", T::Utf8))),
            list_of(T::Utf8)
        );
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>, text in "[\"{},:a-z0-9\n|]*") {
            let _ = (infer_text(&bytes, false), infer_text(text.as_bytes(), true));
            let _ = (parquet_footer_len(&bytes), infer_parquet(&bytes));
        }
    }
}
