//! JSON records to Arrow, one bad record never spoiling its neighbours.
//!
//! One pass straight into columns, without a tree of values. A record that does not fit is taken
//! back by truncating the columns, so it costs what it cost to read and nothing else.
//!
//! | the table wants | the record may say |
//! |---|---|
//! | whole numbers | `12`, `12.0`, `1.2e1`, `"12"`; never a loss of digits |
//! | float, double, decimal | numbers and numbers in quotes; decimals are rounded to their scale |
//! | boolean | `true`, `"TRUE"`, `1`, `"0"`, … |
//! | string | text; numbers, booleans, objects and arrays as they are written |
//! | timestamp | ISO 8601, `yyyy-MM-dd HH:mm:ss[.f]`, seconds or milliseconds since 1970, also in quotes |
//! | date | `yyyy-MM-dd`, also with a time behind it; days since 1970 |
//! | binary | base64 |
//! | array, map, struct | arrays, objects |
//!
//! **Failure.** A record is wholly in the batch or among the misfits, whatever its bytes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use bytes::Bytes;

use crate::column::{KeyRules, Problem, Rows};
use crate::json::{Scanner, Token};

/// A record that does not fit, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// Its position among the records given.
    pub index: usize,
    /// The reason, fit for a person.
    pub reason: String,
}

/// The result of decoding a run of records.
#[derive(Debug, Clone)]
pub struct Decoded {
    /// One row per JSON object that fits, in order.
    pub batch: RecordBatch,
    /// For each row the index of the record it came from.
    pub origin: Vec<u32>,
    /// The records that do not fit. A record is either wholly in `batch` or here.
    pub misfits: Vec<Misfit>,
}

/// How keys find their columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonOptions {
    /// Whether `CardId` fills `cardid`.
    pub ignore_case: bool,
    /// Whether `card.id` fills `card_id`.
    pub dots_to_underscores: bool,
    /// Column → the key it is filled from, where they differ.
    pub keys: BTreeMap<String, String>,
}

impl Default for JsonOptions {
    fn default() -> Self {
        Self { ignore_case: true, dots_to_underscores: true, keys: BTreeMap::new() }
    }
}

/// Decodes JSON objects into rows of a schema, with the OpenX SerDe's leniencies: key case is
/// ignored, dots can stand for underscores, numbers and booleans may come as strings, absent is
/// null, unknown keys are skipped.
#[derive(Debug, Clone)]
pub struct JsonDecoder {
    schema: SchemaRef,
    rules: KeyRules,
}

impl JsonDecoder {
    /// A decoder for `schema`.
    pub fn new(schema: SchemaRef) -> Self {
        Self::with_options(schema, &JsonOptions::default())
    }

    /// A decoder for `schema` with other rules for keys.
    pub fn with_options(schema: SchemaRef, options: &JsonOptions) -> Self {
        let renamed: HashMap<String, String> =
            options.keys.iter().map(|(column, key)| (key.clone(), column.clone())).collect();
        let rules = KeyRules {
            ignore_case: options.ignore_case,
            dots_to_underscores: options.dots_to_underscores,
            renamed,
        };
        Self { schema, rules }
    }

    /// The schema of the batches.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Decodes `records`; each holds one JSON object or several one after another. CPU-bound.
    pub fn decode(&self, records: &[Bytes]) -> Decoded {
        let mut rows = Rows::new(self.schema.fields(), self.rules.clone());
        let mut origin = Vec::with_capacity(records.len());
        let mut misfits = Vec::new();
        for (index, record) in records.iter().enumerate() {
            let before = rows.len();
            match read_record(&mut rows, record) {
                Ok(()) => {
                    let place = u32::try_from(index).expect("a batch holds fewer than 2^32 records");
                    origin.resize(rows.len(), place);
                }
                Err(reason) => {
                    rows.truncate(before);
                    misfits.push(Misfit { index, reason });
                }
            }
        }
        Decoded { batch: finish_batch(rows, &self.schema), origin, misfits }
    }
}

/// What a reader of files does with a line that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// Ends with an error that names the line.
    Fail,
    /// Reads it as a row of nulls (`ignore.malformed.json`).
    Null,
}

/// Why a file of JSON lines could not be read.
#[derive(Debug, thiserror::Error)]
pub enum JsonReadError {
    /// A line does not fit the schema.
    #[error("line {line}: {reason}")]
    Line {
        /// Its number, from 1.
        line: u64,
        /// The reason.
        reason: String,
    },
    /// The text could not be read or decompressed.
    #[error("can't read the text: {0}")]
    Io(#[from] std::io::Error),
}

/// Reads JSON lines in batches; a line may hold several objects. CPU-bound; the text is read as it
/// is needed.
#[derive(Debug)]
pub struct JsonBatches<R> {
    text: R,
    decoder: JsonDecoder,
    malformed: Malformed,
    batch_lines: usize,
    line: u64,
}

impl<R: std::io::BufRead> JsonBatches<R> {
    /// Begins to read; each batch comes from at most `batch_lines` lines.
    pub fn new(text: R, decoder: JsonDecoder, malformed: Malformed, batch_lines: usize) -> Self {
        Self { text, decoder, malformed, batch_lines: batch_lines.max(1), line: 0 }
    }

    /// The next lines that are not blank, each with its number.
    fn next_lines(&mut self) -> Result<(Vec<Bytes>, Vec<u64>), JsonReadError> {
        let (mut lines, mut numbers) = (Vec::new(), Vec::new());
        while lines.len() < self.batch_lines {
            let mut line = Vec::new();
            if self.text.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            self.line += 1;
            if !line.trim_ascii().is_empty() {
                lines.push(line.into());
                numbers.push(self.line);
            }
        }
        Ok((lines, numbers))
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>, JsonReadError> {
        let (mut lines, numbers) = self.next_lines()?;
        if lines.is_empty() {
            return Ok(None);
        }
        let mut decoded = self.decoder.decode(&lines);
        if let Some(misfit) = decoded.misfits.first() {
            if self.malformed == Malformed::Fail {
                let (line, reason) = (numbers[misfit.index], misfit.reason.clone());
                return Err(JsonReadError::Line { line, reason });
            }
            for misfit in &decoded.misfits {
                lines[misfit.index] = Bytes::from_static(b"{}");
            }
            decoded = self.decoder.decode(&lines);
        }
        Ok(Some(decoded.batch))
    }
}

impl<R: std::io::BufRead> Iterator for JsonBatches<R> {
    type Item = Result<RecordBatch, JsonReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_batch().transpose()
    }
}

/// The finished batch of `rows`, which were begun with this schema.
pub(crate) fn finish_batch(rows: Rows, schema: &SchemaRef) -> RecordBatch {
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(Arc::clone(schema), rows.finish(), &options)
        .expect("every column has the field's type and the same length, and nulls were checked")
}

fn read_record(rows: &mut Rows, record: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(record)
        .map_err(|e| format!("malformed JSON at byte {}: not UTF-8", e.valid_up_to()))?;
    let mut scanner = Scanner::new(text);
    let mut objects = 0;
    while scanner.more() {
        read_object(rows, &mut scanner).map_err(|problem| problem.to_string())?;
        objects += 1;
    }
    if objects == 0 {
        return Err("the record is empty".to_owned());
    }
    Ok(())
}

fn read_object(rows: &mut Rows, scanner: &mut Scanner<'_>) -> Result<(), Problem> {
    let found = match scanner.value()? {
        Token::Object => return rows.push_object(scanner, 0),
        Token::Array => "an array",
        Token::Text(_) => "a string",
        Token::Number(_) => "a number",
        Token::Bool(_) => "a boolean",
        Token::Null => "null",
    };
    Err(Problem::Unfit { path: String::new(), reason: format!("expected a JSON object, found {found}") })
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
    use proptest::prelude::*;

    use super::*;
    use crate::schema::arrow_schema;

    fn decoder(columns: &[(&str, &str)]) -> JsonDecoder {
        JsonDecoder::new(Arc::new(arrow_schema(columns.iter().copied()).unwrap()))
    }

    fn decode(columns: &[(&str, &str)], records: &[&str]) -> Decoded {
        let records: Vec<Bytes> = records.iter().map(|r| Bytes::copy_from_slice(r.as_bytes())).collect();
        decoder(columns).decode(&records)
    }

    /// What one value becomes in a column of `hive`, written as JSON.
    fn becomes(hive: &str, value: &str) -> Result<String, String> {
        let decoded = decode(&[("x", hive)], &[&format!("{{\"x\":{value}}}")]);
        if let Some(misfit) = decoded.misfits.first() {
            return Err(misfit.reason.clone());
        }
        let mut out = Vec::new();
        let mut writer = arrow::json::LineDelimitedWriter::new(&mut out);
        writer.write(&decoded.batch).unwrap();
        writer.finish().unwrap();
        Ok(String::from_utf8(out).unwrap().trim_end().to_owned())
    }

    #[test]
    fn values_are_read_leniently_but_never_lose_digits() {
        let ok = |hive, value| becomes(hive, value).unwrap();
        assert_eq!(ok("int", "12"), r#"{"x":12}"#);
        assert_eq!(ok("int", r#"" 12 ""#), r#"{"x":12}"#);
        assert_eq!(ok("bigint", "1.2e1"), r#"{"x":12}"#);
        assert_eq!(ok("double", r#""1.5""#), r#"{"x":1.5}"#);
        assert_eq!(ok("boolean", r#""TRUE""#), r#"{"x":true}"#);
        assert_eq!(ok("string", "12.50"), r#"{"x":"12.50"}"#);
        assert_eq!(ok("string", "false"), r#"{"x":"false"}"#);
        assert_eq!(ok("string", r#"{ "a": [1, 2] }"#), r#"{"x":"{ \"a\": [1, 2] }"}"#);
        assert_eq!(ok("decimal(10,2)", "12.345"), r#"{"x":12.35}"#);
        assert_eq!(ok("date", r#""2026-03-01""#), r#"{"x":"2026-03-01"}"#);
        assert_eq!(ok("timestamp", "1700000000"), r#"{"x":"2023-11-14T22:13:20"}"#);
        assert_eq!(ok("timestamp", r#""1700000000123""#), r#"{"x":"2023-11-14T22:13:20.123"}"#);
        assert_eq!(ok("timestamp", r#""2026-03-01T00:00:00+01:00""#), r#"{"x":"2026-02-28T23:00:00"}"#);
        assert_eq!(ok("array<int>", "[1,null,\"3\"]"), r#"{"x":[1,null,3]}"#);
        assert_eq!(ok("map<string,int>", r#"{"a":1,"b":null}"#), r#"{"x":{"a":1}}"#);
        assert_eq!(ok("struct<a:int,b:string>", r#"{"B":"y","z":1}"#), r#"{"x":{"b":"y"}}"#);
        assert_eq!(ok("string", r#""a\u00fc\n""#), r#"{"x":"aü\n"}"#);
        assert_eq!(ok("int", "null"), "{}");
    }

    #[test]
    fn misfits_say_which_field_and_why() {
        let said = |hive, value| becomes(hive, value).unwrap_err();
        assert_eq!(said("int", "\"abc\""), "field \"x\": \"abc\" is not an int");
        assert_eq!(said("int", "3000000000"), "field \"x\": 3000000000 is not an int");
        assert_eq!(said("bigint", "1.5"), "field \"x\": 1.5 is not a bigint");
        assert_eq!(said("decimal(4,2)", "100"), "field \"x\": 100 is not a decimal that fits");
        assert_eq!(
            said("array<struct<a:int>>", r#"[{"a":1},{"a":"q"}]"#),
            "field \"x[1].a\": \"q\" is not an int"
        );
        assert_eq!(said("struct<a:int>", "[]"), "field \"x\": an array is not a struct");
        assert_eq!(said("timestamp", "\"soon\""), "field \"x\": \"soon\" is not a timestamp");
        assert!(said("int", "tru").contains("malformed JSON at byte"));
    }

    #[test]
    fn a_bad_record_leaves_its_neighbours_alone() {
        let records =
            [r#"{"id":1,"s":"a"}"#, "{\"id\":", r#"{"id":"x","s":"half"}"#, "[1]", "", r#"{"s":"b","ID":2}"#];
        let decoded = decode(&[("id", "bigint"), ("s", "string")], &records);
        assert_eq!(decoded.batch.column(0).as_primitive::<Int64Type>().values(), &[1, 2]);
        assert_eq!(
            decoded.batch.column(1).as_string::<i32>().iter().flatten().collect::<Vec<_>>(),
            ["a", "b"]
        );
        assert_eq!(decoded.origin, [0, 5]);
        let misfits: Vec<usize> = decoded.misfits.iter().map(|m| m.index).collect();
        assert_eq!(misfits, [1, 2, 3, 4]);
        assert_eq!(decoded.misfits[2].reason, "expected a JSON object, found an array");
        assert_eq!(decoded.misfits[3].reason, "the record is empty");
    }

    #[test]
    fn a_record_of_several_objects_stands_or_falls_as_one() {
        let decoded =
            decode(&[("id", "bigint")], &["{\"id\":1}{\"id\":2}\n{\"id\":3}\n", "{\"id\":4}{\"id\":\"x\"}"]);
        assert_eq!(decoded.origin, [0, 0, 0]);
        assert_eq!(decoded.misfits.len(), 1);
    }

    #[test]
    fn keys_find_their_columns_by_the_rules() {
        let columns = [("card_id", "int"), ("ts", "int")];
        let decoded =
            decode(&columns, &[r#"{"Card.Id":1}"#, r#"{"card\u005fid":2}"#, r#"{"card_id":3,"card_id":4}"#]);
        assert_eq!(
            decoded.batch.column(0).as_primitive::<arrow::datatypes::Int32Type>().values(),
            &[1, 2, 4]
        );
        let schema = Arc::new(arrow_schema(columns).unwrap());
        let keys = BTreeMap::from([("ts".to_owned(), "timestamp".to_owned())]);
        let options = JsonOptions { ignore_case: false, keys, ..JsonOptions::default() };
        let decoder = JsonDecoder::with_options(schema, &options);
        let decoded = decoder.decode(&[Bytes::from_static(br#"{"Card_Id":1,"timestamp":7}"#)]);
        assert!(decoded.batch.column(0).is_null(0));
        assert!(!decoded.batch.column(1).is_null(0));
    }

    #[test]
    fn lines_of_a_file_become_batches() {
        let text = "{\"id\":1}\n\n{\"id\":2}{\"id\":3}\noops\n{\"id\":4}";
        let read = |malformed| -> Vec<Result<usize, String>> {
            JsonBatches::new(text.as_bytes(), decoder(&[("id", "bigint")]), malformed, 2)
                .map(|batch| batch.map(|b| b.num_rows()).map_err(|e| e.to_string()))
                .collect()
        };
        assert_eq!(read(Malformed::Null), [Ok(3), Ok(2)]);
        let failed = read(Malformed::Fail)[1].clone().unwrap_err();
        assert_eq!(failed, "line 4: malformed JSON at byte 0: expected a value");
    }

    #[test]
    fn a_field_that_must_be_there_is_asked_for() {
        use arrow::datatypes::{DataType, Field, Schema};
        let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false)]));
        let decoded =
            JsonDecoder::new(schema).decode(&[Bytes::from_static(b"{}"), Bytes::from_static(b"{\"id\":1}")]);
        assert_eq!(decoded.misfits[0].reason, "field \"id\": it is missing and must not be");
        assert_eq!(decoded.batch.num_rows(), 1);
    }

    proptest! {
        #[test]
        fn every_record_is_in_the_batch_or_among_the_misfits(
            records in proptest::collection::vec(prop_oneof![
                (any::<i64>(), ".*").prop_map(|(id, s)| serde_json::json!({"id": id, "s": s}).to_string()),
                ".*",
                r#"[{}\[\]":,a-z0-9 ]*"#,
            ], 0..20)
        ) {
            let bytes: Vec<Bytes> = records.iter().map(|r| Bytes::copy_from_slice(r.as_bytes())).collect();
            let decoded = decoder(&[("id", "bigint"), ("s", "string"), ("a", "array<int>")]).decode(&bytes);
            prop_assert_eq!(decoded.origin.len(), decoded.batch.num_rows());
            for index in 0..records.len() {
                let rows = decoded.origin.iter().filter(|o| **o as usize == index).count();
                let misfits = decoded.misfits.iter().filter(|m| m.index == index).count();
                prop_assert!((rows > 0) ^ (misfits == 1), "record {} has {} rows and {} misfits", index, rows, misfits);
            }
        }

        #[test]
        fn good_rows_read_back(rows in proptest::collection::vec((any::<i64>(), ".*", any::<bool>()), 1..50)) {
            let bytes: Vec<Bytes> = rows.iter()
                .map(|(id, s, b)| serde_json::json!({"s": s, "id": id, "skip": {"x": [1]}, "b": b}).to_string().into())
                .collect();
            let decoded = decoder(&[("id", "bigint"), ("s", "string"), ("b", "boolean")]).decode(&bytes);
            prop_assert!(decoded.misfits.is_empty());
            for (i, (id, s, b)) in rows.iter().enumerate() {
                prop_assert_eq!(decoded.batch.column(0).as_primitive::<Int64Type>().value(i), *id);
                prop_assert_eq!(decoded.batch.column(1).as_string::<i32>().value(i), s);
                prop_assert_eq!(decoded.batch.column(2).as_boolean().value(i), *b);
            }
        }

        #[test]
        fn any_moment_reads_back(micros in -60_000_000_000_000_000_i64..250_000_000_000_000_000) {
            let text = crate::moment::timestamp_text(micros).unwrap();
            let decoded = decode(&[("t", "timestamp")], &[&format!("{{\"t\":\"{text}\"}}")]);
            prop_assert_eq!(decoded.batch.column(0).as_primitive::<TimestampMicrosecondType>().value(0), micros);
        }
    }
}
