//! Separated values to Arrow, as Hive's two text SerDes read them.
//!
//! Plain delimited text (LazySimpleSerDe): no quotes; what does not parse as the column's type is
//! null. OpenCSV: quoted fields; what does not parse is an error, an empty cell of another type
//! than string is null. A line holds one row; missing trailing fields are null, surplus ones are
//! ignored.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringBuilder};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::util::display::FormatOptions;
use bytes::Bytes;
use headwater_catalog::QueryError;

use crate::error::unsupported;
use crate::storage::Separated;

/// Decodes lines into the wanted columns.
#[derive(Debug)]
pub struct SeparatedDecoder {
    schema: SchemaRef,
    /// For each field of a line, which output column it fills.
    targets: Vec<Option<usize>>,
    how: Separated,
}

impl SeparatedDecoder {
    /// A decoder of the columns `wanted` of `file`.
    pub fn new(file: &SchemaRef, wanted: Vec<usize>, how: Separated) -> Result<Self, QueryError> {
        let mut targets = vec![None; file.fields().len()];
        let mut fields = Vec::with_capacity(wanted.len());
        for (column, index) in wanted.into_iter().enumerate() {
            let field = file.field(index);
            if field.data_type().is_nested() {
                return Err(unsupported(format_args!("column {} of a text table is nested", field.name())));
            }
            targets[index] = Some(column);
            fields.push(Arc::clone(&file.fields()[index]));
        }
        Ok(Self { schema: Arc::new(Schema::new(fields)), targets, how })
    }

    /// Lines to skip at the beginning of each file.
    pub fn header_lines(&self) -> usize {
        self.how.header_lines
    }

    /// The rows of `lines`.
    pub fn decode(&self, lines: &[Bytes]) -> Result<RecordBatch, String> {
        let mut columns: Vec<StringBuilder> = self
            .schema
            .fields()
            .iter()
            .map(|_| StringBuilder::with_capacity(lines.len(), lines.len() * 8))
            .collect();
        let mut row: Vec<Option<Vec<u8>>> = vec![None; columns.len()];
        for line in lines {
            row.iter_mut().for_each(|cell| *cell = None);
            self.cells(line, &mut row);
            for (column, cell) in columns.iter_mut().zip(&row) {
                match cell {
                    None => column.append_null(),
                    Some(bytes) => match std::str::from_utf8(bytes) {
                        Ok(text) => column.append_value(text),
                        Err(_) => column.append_value(String::from_utf8_lossy(bytes)),
                    },
                }
            }
        }
        let arrays = columns
            .into_iter()
            .zip(self.schema.fields())
            .map(|(mut column, field)| self.typed(Arc::new(column.finish()), field.data_type(), field.name()))
            .collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(lines.len()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .map_err(|error| error.to_string())
    }

    fn typed(&self, texts: ArrayRef, data_type: &DataType, name: &str) -> Result<ArrayRef, String> {
        if *data_type == DataType::Utf8 {
            return Ok(texts);
        }
        let options =
            CastOptions { safe: self.how.quote.is_none(), format_options: FormatOptions::default() };
        cast_with_options(&texts, data_type, &options).map_err(|error| format!("column {name}: {error}"))
    }

    /// Cuts a line into cells and keeps the wanted ones.
    fn cells(&self, line: &[u8], row: &mut [Option<Vec<u8>>]) {
        let mut field = 0;
        let mut cell = Vec::new();
        let mut quoted = false;
        let mut was_quoted = false;
        let mut bytes = line.iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            if Some(byte) == self.how.quote {
                if quoted && bytes.peek() == Some(&byte) {
                    bytes.next();
                    cell.push(byte);
                } else {
                    quoted = !quoted;
                    was_quoted = true;
                }
            } else if Some(byte) == self.how.escape {
                cell.push(bytes.next().unwrap_or(byte));
            } else if byte == self.how.delimiter && !quoted {
                self.keep(field, std::mem::take(&mut cell), was_quoted, row);
                was_quoted = false;
                field += 1;
            } else {
                cell.push(byte);
            }
        }
        self.keep(field, cell, was_quoted, row);
    }

    fn keep(&self, field: usize, cell: Vec<u8>, was_quoted: bool, row: &mut [Option<Vec<u8>>]) {
        let Some(Some(column)) = self.targets.get(field).copied() else { return };
        let is_string = *self.schema.field(column).data_type() == DataType::Utf8;
        let is_null = self.how.null.as_deref().is_some_and(|null| null.as_bytes() == cell)
            || (cell.is_empty() && !is_string)
            || (self.how.quote.is_some() && !was_quoted && cell.is_empty() && !is_string);
        row[column] = (!is_null).then_some(cell);
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::{Field, Int32Type};
    use proptest::prelude::*;

    use super::*;

    fn decoder(quote: Option<u8>, wanted: Vec<usize>) -> SeparatedDecoder {
        let schema = Arc::new(Schema::new(vec![
            Field::new("name", DataType::Utf8, true),
            Field::new("n", DataType::Int32, true),
        ]));
        let null = quote.is_none().then(|| "\\N".to_owned());
        let how = Separated { delimiter: b',', quote, escape: quote.map(|_| b'\\'), null, header_lines: 0 };
        SeparatedDecoder::new(&schema, wanted, how).unwrap()
    }

    #[test]
    fn quotes_and_escapes_as_open_csv() {
        let lines = [
            Bytes::from_static(br#""a, ""b""",1"#),
            Bytes::from_static(br#"c\,d,"#),
            Bytes::from_static(b"e"),
        ];
        let batch = decoder(Some(b'"'), vec![0, 1]).decode(&lines).unwrap();
        let names: Vec<_> = batch.column(0).as_string::<i32>().iter().collect();
        assert_eq!(names, [Some("a, \"b\""), Some("c,d"), Some("e")]);
        let numbers: Vec<_> = batch.column(1).as_primitive::<Int32Type>().iter().collect();
        assert_eq!(numbers, [Some(1), None, None]);
    }

    #[test]
    fn a_bad_number_is_null_in_plain_text_and_an_error_in_csv() {
        let line = [Bytes::from_static(b"a,x")];
        let batch = decoder(None, vec![1]).decode(&line).unwrap();
        assert_eq!(batch.column(0).null_count(), 1);
        assert!(decoder(Some(b'"'), vec![1]).decode(&line).unwrap_err().contains("column n"));
    }

    proptest! {
        #[test]
        fn any_line_decodes(line: Vec<u8>) {
            let batch = decoder(None, vec![0, 1]).decode(&[Bytes::from(line)]).unwrap();
            prop_assert_eq!(batch.num_rows(), 1);
        }

        #[test]
        fn quoted_text_survives(text in "[^\\\\\n\r]*", n: i32) {
            let line = format!("\"{}\",{n}", text.replace('"', "\"\""));
            let batch = decoder(Some(b'"'), vec![0, 1]).decode(&[Bytes::from(line)]).unwrap();
            prop_assert_eq!(batch.column(0).as_string::<i32>().value(0), text);
            prop_assert_eq!(batch.column(1).as_primitive::<Int32Type>().value(0), n);
        }
    }
}
