//! Delimited text of a table: any bytes are rows or an error.
#![no_main]

use std::sync::Arc;

use headwater_tables::csv::{CsvBatches, CsvOptions};
use headwater_tables::schema::arrow_schema;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, Option<u8>, Option<u8>, u8, &[u8])| {
    let (delimiter, quote, escape, skip_lines, text) = input;
    let columns =
        [("a", "bigint"), ("b", "string"), ("c", "array<int>"), ("d", "timestamp"), ("e", "decimal(10,2)")];
    let schema = Arc::new(arrow_schema(columns).expect("the columns are valid"));
    let options =
        CsvOptions { delimiter, quote, escape, skip_lines: usize::from(skip_lines), ..CsvOptions::default() };
    for batch in CsvBatches::new(text, schema, options, 64) {
        match batch {
            Ok(batch) => assert!(batch.num_rows() <= 64),
            Err(_) => return,
        }
    }
});
