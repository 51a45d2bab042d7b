//! Delimited text to Arrow, by the rules of Hive's SerDes.
//!
//! A field that does not fit its column is null, as `LazySimpleSerDe` reads it; missing fields at
//! a line's end are null, surplus ones are ignored. A UTF-8 byte order mark is skipped.

use std::io::Read;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::column::{KeyRules, Rows};
use crate::decode::finish_batch;

/// The form of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvOptions {
    /// Between fields.
    pub delimiter: u8,
    /// Around fields that hold delimiters or line ends; `None` when quotes are ordinary letters.
    pub quote: Option<u8>,
    /// Before a quote inside quotes; `None` when quotes are doubled.
    pub escape: Option<u8>,
    /// Lines to skip at the beginning (headers).
    pub skip_lines: usize,
    /// The text that stands for null in any column.
    pub null: String,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self { delimiter: b',', quote: Some(b'"'), escape: None, skip_lines: 0, null: "\\N".to_owned() }
    }
}

impl CsvOptions {
    /// The options that a table's SerDe class and parameters mean, with `skip.header.line.count`
    /// of the table's own parameters.
    pub fn of_table(
        serde_library: Option<&str>,
        serde_parameters: &std::collections::BTreeMap<String, String>,
        table_parameters: &std::collections::BTreeMap<String, String>,
    ) -> Self {
        let first_byte = |name: &str| serde_parameters.get(name).and_then(|v| delimiter_byte(v));
        let skip_lines =
            table_parameters.get("skip.header.line.count").and_then(|n| n.trim().parse().ok()).unwrap_or(0);
        if serde_library.is_some_and(|name| name.ends_with("OpenCSVSerde")) {
            return Self {
                delimiter: first_byte("separatorChar").unwrap_or(b','),
                quote: Some(first_byte("quoteChar").unwrap_or(b'"')),
                escape: Some(first_byte("escapeChar").unwrap_or(b'\\')),
                skip_lines,
                ..Self::default()
            };
        }
        let delimiter = first_byte("field.delim").or_else(|| first_byte("serialization.format"));
        Self {
            delimiter: delimiter.unwrap_or(1),
            quote: None,
            escape: first_byte("escape.delim"),
            skip_lines,
            null: serde_parameters
                .get("serialization.null.format")
                .cloned()
                .unwrap_or_else(|| "\\N".to_owned()),
        }
    }
}

/// A delimiter as a SerDe parameter writes it: the letter itself, `\t`, `\u0001`, or its number.
fn delimiter_byte(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [one] if !one.is_ascii_digit() => Some(*one),
        b"\\t" => Some(b'\t'),
        b"\\\\" => Some(b'\\'),
        [b'\\', b'u', hex @ ..] => u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok(),
        [b'\\', octal @ ..] => u8::from_str_radix(std::str::from_utf8(octal).ok()?, 8).ok(),
        _ => text.parse().ok(),
    }
}

/// Why text could not be read at all.
#[derive(Debug, thiserror::Error)]
#[error("can't read the text: {0}")]
pub struct CsvError(String);

/// Reads delimited text in batches. CPU-bound; the text is read as it is needed.
pub struct CsvBatches<R> {
    reader: ::csv::Reader<R>,
    record: ::csv::ByteRecord,
    schema: SchemaRef,
    options: CsvOptions,
    batch_rows: usize,
    lines_skipped: usize,
}

impl<R> std::fmt::Debug for CsvBatches<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CsvBatches").field("options", &self.options).finish_non_exhaustive()
    }
}

impl<R: Read> CsvBatches<R> {
    /// Begins to read; batches have at most `batch_rows` rows.
    pub fn new(text: R, schema: SchemaRef, options: CsvOptions, batch_rows: usize) -> Self {
        let mut builder = ::csv::ReaderBuilder::new();
        builder.has_headers(false).flexible(true).delimiter(options.delimiter);
        match options.quote {
            Some(quote) => builder.quote(quote).escape(options.escape).double_quote(true),
            None => builder.quoting(false),
        };
        let record = ::csv::ByteRecord::new();
        Self {
            reader: builder.from_reader(text),
            record,
            schema,
            options,
            batch_rows: batch_rows.max(1),
            lines_skipped: 0,
        }
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>, CsvError> {
        let mut rows = Rows::new(self.schema.fields(), KeyRules::default());
        while rows.len() < self.batch_rows {
            let found =
                self.reader.read_byte_record(&mut self.record).map_err(|e| CsvError(e.to_string()))?;
            if !found {
                break;
            }
            if self.lines_skipped < self.options.skip_lines {
                self.lines_skipped += 1;
                continue;
            }
            push_record(&mut rows, &self.record, &self.options);
        }
        Ok((rows.len() > 0).then(|| finish_batch(rows, &self.schema)))
    }
}

fn push_record(rows: &mut Rows, record: &::csv::ByteRecord, options: &CsvOptions) {
    let row = rows.len();
    for (index, column) in rows.columns_mut().iter_mut().enumerate() {
        let at_start = index == 0 && record.position().is_some_and(|place| place.byte() == 0);
        let text =
            record.get(index).map(String::from_utf8_lossy).filter(|text| *text != options.null.as_str());
        let fits = text.is_some_and(|text| column.push_text(unmarked(&text, at_start)).is_ok());
        if !fits {
            column.truncate(row);
            column.push_null();
        }
    }
    rows.close_row();
}

/// The text without the byte order mark that the first field of a file may begin with.
fn unmarked(text: &str, at_start: bool) -> &str {
    if at_start { text.strip_prefix('\u{FEFF}').unwrap_or(text) } else { text }
}

impl<R: Read> Iterator for CsvBatches<R> {
    type Item = Result<RecordBatch, CsvError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_batch().transpose()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::schema::arrow_schema;

    fn read(text: &str, columns: &[(&str, &str)], options: CsvOptions) -> String {
        let schema = Arc::new(arrow_schema(columns.iter().copied()).unwrap());
        let mut out = Vec::new();
        let mut writer = arrow::json::LineDelimitedWriter::new(&mut out);
        for batch in CsvBatches::new(text.as_bytes(), schema, options, 2) {
            writer.write(&batch.unwrap()).unwrap();
        }
        writer.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn fields_become_values_and_misfits_null() {
        let columns = [("id", "bigint"), ("s", "string"), ("x", "double")];
        let options = CsvOptions { skip_lines: 1, ..CsvOptions::default() };
        let text = "\u{FEFF}id,s,x\n1,\"a,b\",1.5\nx,,\n3\n4,\\N,2,surplus\n";
        assert_eq!(
            read(text, &columns, options),
            "{\"id\":1,\"s\":\"a,b\",\"x\":1.5}\n{\"s\":\"\"}\n{\"id\":3}\n{\"id\":4,\"x\":2.0}\n"
        );
    }

    #[test]
    fn serde_parameters_are_understood() {
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        let header = map(&[("skip.header.line.count", "1")]);
        let open = CsvOptions::of_table(
            Some("org.apache.hadoop.hive.serde2.OpenCSVSerde"),
            &map(&[("separatorChar", "\\t")]),
            &header,
        );
        assert_eq!(
            (open.delimiter, open.quote, open.escape, open.skip_lines),
            (b'\t', Some(b'"'), Some(b'\\'), 1)
        );
        let lazy =
            |pairs: &[(&str, &str)]| CsvOptions::of_table(None, &map(pairs), &BTreeMap::new()).delimiter;
        assert_eq!(lazy(&[]), 1);
        assert_eq!(lazy(&[("serialization.format", "1")]), 1);
        assert_eq!(lazy(&[("field.delim", ",")]), b',');
        assert_eq!(lazy(&[("field.delim", "\\u0001")]), 1);
        assert_eq!(lazy(&[("field.delim", "\\001")]), 1);
    }
}
