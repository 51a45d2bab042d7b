//! Columns under construction: JSON values or plain text in, Arrow arrays out.
//!
//! A column can be truncated, so a row that turns out not to fit is taken back without a trace.
//! That is how one bad record never spoils its neighbours, in one pass and without a tree.
//!
//! **Invariants.** After an error a column may hold half a value past the last whole row; the owner
//! truncates every column to the row count before going on.

mod rows;
mod scalar;

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array,
    Int16Array, Int32Array, Int64Array, ListArray, MapArray, StringArray, StructArray,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, FieldRef};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use self::scalar::{boolean, decimal, integer, timestamp};
use crate::json::{Bad, DEPTH_MAX, Scanner, Text, Token};
use crate::moment;

pub(crate) use self::rows::{KeyRules, Rows};

/// The most bytes one column of one batch may hold (Arrow's 32-bit offsets).
const COLUMN_BYTES_MAX: usize = i32::MAX as usize;

/// Why a value does not fit, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The text is not JSON.
    Malformed(Bad),
    /// The value is not what the column wants.
    Unfit { path: String, reason: String },
}

impl From<Bad> for Problem {
    fn from(bad: Bad) -> Self {
        Self::Malformed(bad)
    }
}

impl Problem {
    fn unfit(reason: impl Into<String>) -> Self {
        Self::Unfit { path: String::new(), reason: reason.into() }
    }

    fn within(self, name: &str) -> Self {
        match self {
            Self::Unfit { path, reason } if path.is_empty() => Self::Unfit { path: name.to_owned(), reason },
            Self::Unfit { path, reason } if path.starts_with('[') => {
                Self::Unfit { path: format!("{name}{path}"), reason }
            }
            Self::Unfit { path, reason } => Self::Unfit { path: format!("{name}.{path}"), reason },
            malformed @ Self::Malformed(_) => malformed,
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed(bad) => bad.fmt(f),
            Self::Unfit { path, reason } if path.is_empty() => f.write_str(reason),
            Self::Unfit { path, reason } => write!(f, "field {path:?}: {reason}"),
        }
    }
}

/// Which values are null. Costs nothing while there are none.
#[derive(Debug, Default)]
struct Validity {
    bits: Vec<bool>,
    nulls: bool,
    len: usize,
}

impl Validity {
    fn push(&mut self, valid: bool) {
        if !valid && !self.nulls {
            self.bits.clear();
            self.bits.resize(self.len, true);
            self.nulls = true;
        }
        if self.nulls {
            self.bits.push(valid);
        }
        self.len += 1;
    }

    fn truncate(&mut self, len: usize) {
        self.bits.truncate(len);
        self.len = self.len.min(len);
    }

    fn finish(self) -> Option<NullBuffer> {
        self.nulls.then(|| NullBuffer::new(BooleanBuffer::from(self.bits)))
    }
}

/// A column under construction.
#[derive(Debug)]
pub(crate) struct Column {
    field: FieldRef,
    validity: Validity,
    data: Data,
}

#[derive(Debug)]
enum Data {
    Bool(Vec<bool>),
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Decimal {
        values: Vec<i128>,
        precision: u8,
        scale: i8,
    },
    Date(Vec<i32>),
    Timestamp(Vec<i64>),
    Text {
        bytes: Vec<u8>,
        offsets: Vec<i32>,
    },
    Binary {
        bytes: Vec<u8>,
        offsets: Vec<i32>,
    },
    List {
        item: Box<Column>,
        offsets: Vec<i32>,
    },
    Map {
        key: Box<Column>,
        value: Box<Column>,
        entries: FieldRef,
        offsets: Vec<i32>,
    },
    Struct(Box<Rows>),
    /// A type that text can't fill; only nulls.
    Unsupported,
}

impl Column {
    /// An empty column for `field`.
    pub(crate) fn new(field: &FieldRef, rules: &KeyRules) -> Self {
        Self {
            field: Arc::clone(field),
            validity: Validity::default(),
            data: Data::new(field.data_type(), rules),
        }
    }

    /// How many values it holds.
    pub(crate) fn len(&self) -> usize {
        self.validity.len
    }

    /// Adds a null; a problem if the column must not hold one.
    pub(crate) fn push_missing(&mut self) -> Result<(), Problem> {
        if !self.field.is_nullable() {
            return Err(Problem::unfit("it is missing and must not be"));
        }
        self.push_null();
        Ok(())
    }

    /// Adds a null.
    pub(crate) fn push_null(&mut self) {
        self.validity.push(false);
        match &mut self.data {
            Data::Bool(values) => values.push(false),
            Data::I8(values) => values.push(0),
            Data::I16(values) => values.push(0),
            Data::I32(values) | Data::Date(values) => values.push(0),
            Data::I64(values) | Data::Timestamp(values) => values.push(0),
            Data::F32(values) => values.push(0.0),
            Data::F64(values) => values.push(0.0),
            Data::Decimal { values, .. } => values.push(0),
            Data::Text { offsets, .. }
            | Data::Binary { offsets, .. }
            | Data::List { offsets, .. }
            | Data::Map { offsets, .. } => offsets.push(offsets.last().copied().unwrap_or(0)),
            Data::Struct(rows) => rows.push_null(),
            Data::Unsupported => {}
        }
    }

    /// Reads one JSON value.
    pub(crate) fn push_json(&mut self, scanner: &mut Scanner<'_>, depth: usize) -> Result<(), Problem> {
        let start = scanner.position();
        match scanner.value()? {
            Token::Null => return self.push_missing(),
            Token::Number(number) => self.data.push_number(number)?,
            Token::Bool(value) => self.data.push_bool(value)?,
            Token::Text(text) => self.data.push_json_text(text)?,
            token @ (Token::Object | Token::Array) => {
                self.data.push_nested(scanner, token, start, depth + 1)?
            }
        }
        self.validity.push(true);
        Ok(())
    }

    /// Reads a value from plain text (a CSV field).
    pub(crate) fn push_text(&mut self, text: &str) -> Result<(), Problem> {
        self.data.push_text(text)?;
        self.validity.push(true);
        Ok(())
    }

    /// Forgets all values from `len` on, and any half value.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.validity.truncate(len);
        match &mut self.data {
            Data::Bool(values) => values.truncate(len),
            Data::I8(values) => values.truncate(len),
            Data::I16(values) => values.truncate(len),
            Data::I32(values) | Data::Date(values) => values.truncate(len),
            Data::I64(values) | Data::Timestamp(values) => values.truncate(len),
            Data::F32(values) => values.truncate(len),
            Data::F64(values) => values.truncate(len),
            Data::Decimal { values, .. } => values.truncate(len),
            Data::Text { bytes, offsets } | Data::Binary { bytes, offsets } => {
                bytes.truncate(truncate_offsets(offsets, len));
            }
            Data::List { item, offsets } => item.truncate(truncate_offsets(offsets, len)),
            Data::Map { key, value, offsets, .. } => {
                let end = truncate_offsets(offsets, len);
                key.truncate(end);
                value.truncate(end);
            }
            Data::Struct(rows) => rows.truncate(len),
            Data::Unsupported => {}
        }
    }

    /// The finished array, of exactly the field's type.
    pub(crate) fn finish(self) -> ArrayRef {
        let Self { field, validity, data } = self;
        let len = validity.len;
        let array = data.finish(len, validity.finish());
        match array {
            Some(array) if array.data_type() == field.data_type() => array,
            // Only the spelling differs (Utf8View, LargeUtf8, another unit of time).
            Some(array) => arrow::compute::cast(&array, field.data_type())
                .unwrap_or_else(|_| new_null_array(field.data_type(), len)),
            None => new_null_array(field.data_type(), len),
        }
    }
}

fn truncate_offsets(offsets: &mut Vec<i32>, len: usize) -> usize {
    offsets.truncate(len + 1);
    offsets.last().map_or(0, |end| usize::try_from(*end).unwrap_or(0))
}

impl Data {
    fn new(data_type: &DataType, rules: &KeyRules) -> Self {
        use DataType as T;
        match data_type {
            T::Boolean => Self::Bool(Vec::new()),
            T::Int8 => Self::I8(Vec::new()),
            T::Int16 => Self::I16(Vec::new()),
            T::Int32 => Self::I32(Vec::new()),
            T::Int64 => Self::I64(Vec::new()),
            T::Float32 => Self::F32(Vec::new()),
            T::Float64 => Self::F64(Vec::new()),
            T::Decimal128(precision, scale) => {
                Self::Decimal { values: Vec::new(), precision: *precision, scale: *scale }
            }
            T::Date32 | T::Date64 => Self::Date(Vec::new()),
            T::Timestamp(..) => Self::Timestamp(Vec::new()),
            T::Utf8 | T::LargeUtf8 | T::Utf8View => Self::Text { bytes: Vec::new(), offsets: vec![0] },
            T::Binary | T::LargeBinary | T::BinaryView => {
                Self::Binary { bytes: Vec::new(), offsets: vec![0] }
            }
            T::List(item) => Self::List { item: Box::new(Column::new(item, rules)), offsets: vec![0] },
            T::Struct(fields) => Self::Struct(Box::new(Rows::new(fields, rules.nested()))),
            T::Map(entries, _) => match entries.data_type() {
                T::Struct(pair) if pair.len() == 2 => Self::Map {
                    key: Box::new(Column::new(&pair[0], rules)),
                    value: Box::new(Column::new(&pair[1], rules)),
                    entries: Arc::clone(entries),
                    offsets: vec![0],
                },
                _ => Self::Unsupported,
            },
            _ => Self::Unsupported,
        }
    }

    fn wanted(&self) -> &'static str {
        match self {
            Self::Bool(_) => "a boolean",
            Self::I8(_) => "a tinyint",
            Self::I16(_) => "a smallint",
            Self::I32(_) => "an int",
            Self::I64(_) => "a bigint",
            Self::F32(_) => "a float",
            Self::F64(_) => "a double",
            Self::Decimal { .. } => "a decimal that fits",
            Self::Date(_) => "a date",
            Self::Timestamp(_) => "a timestamp",
            Self::Text { .. } => "text",
            Self::Binary { .. } => "base64",
            Self::List { .. } => "an array",
            Self::Map { .. } => "a map",
            Self::Struct(_) => "a struct",
            Self::Unsupported => "a type that can be read from text",
        }
    }

    fn unfit(&self, shown: &str) -> Problem {
        let mut cut: String = shown.chars().take(64).collect();
        if cut.len() < shown.len() {
            cut.push('…');
        }
        Problem::unfit(format!("{cut} is not {}", self.wanted()))
    }

    fn push_number(&mut self, number: &str) -> Result<(), Problem> {
        let fits = match self {
            Self::Timestamp(values) => match number.parse::<i64>() {
                Ok(whole) => moment::timestamp_micros_of_integer(whole),
                Err(_) => number.parse().ok().and_then(moment::timestamp_micros_of_float),
            }
            .map(|micros| values.push(micros)),
            Self::Date(values) => {
                number.parse::<i32>().ok().filter(|d| d.abs() < 10_000_000).map(|d| values.push(d))
            }
            Self::Bool(values) => boolean(number).map(|value| values.push(value)),
            Self::Text { bytes, offsets } => return append(bytes, offsets, number.as_bytes()),
            Self::Binary { .. } => None,
            _ => self.push_numeric(number),
        };
        fits.ok_or_else(|| self.unfit(number))
    }

    /// A number into a column of numbers.
    fn push_numeric(&mut self, number: &str) -> Option<()> {
        match self {
            Self::I8(values) => values.push(integer(number)?.try_into().ok()?),
            Self::I16(values) => values.push(integer(number)?.try_into().ok()?),
            Self::I32(values) => values.push(integer(number)?.try_into().ok()?),
            Self::I64(values) => values.push(integer(number)?),
            Self::F32(values) => values.push(number.parse().ok()?),
            Self::F64(values) => values.push(number.parse().ok()?),
            Self::Decimal { values, precision, scale } => values.push(decimal(number, *precision, *scale)?),
            _ => return None,
        }
        Some(())
    }

    fn push_bool(&mut self, value: bool) -> Result<(), Problem> {
        let word = if value { "true" } else { "false" };
        match self {
            Self::Bool(values) => {
                values.push(value);
                Ok(())
            }
            Self::Text { bytes, offsets } => append(bytes, offsets, word.as_bytes()),
            _ => Err(self.unfit(word)),
        }
    }

    fn push_json_text(&mut self, text: Text<'_>) -> Result<(), Problem> {
        if let Self::Text { bytes, offsets } = self {
            text.append_to(bytes)?;
            return close(bytes, offsets);
        }
        if text.escaped {
            let meaning = text.to_cow()?;
            self.push_text(&meaning).map_err(|_| self.unfit(&format!("{meaning:?}")))
        } else {
            self.push_text(text.raw).map_err(|_| self.unfit(&format!("\"{}\"", text.raw)))
        }
    }

    fn push_text(&mut self, text: &str) -> Result<(), Problem> {
        let trimmed = text.trim();
        let fits = match self {
            Self::Text { bytes, offsets } => return append(bytes, offsets, text.as_bytes()),
            Self::Binary { bytes, offsets } => match BASE64.decode(trimmed) {
                Ok(decoded) => return append(bytes, offsets, &decoded),
                Err(_) => None,
            },
            Self::Bool(values) => boolean(trimmed).map(|value| values.push(value)),
            Self::Date(values) => moment::date_days(trimmed).map(|days| values.push(days)),
            Self::Timestamp(values) => timestamp(trimmed).map(|micros| values.push(micros)),
            _ => self.push_numeric(trimmed.strip_prefix('+').unwrap_or(trimmed)),
        };
        fits.ok_or_else(|| self.unfit(&format!("{text:?}")))
    }

    fn push_nested(
        &mut self,
        scanner: &mut Scanner<'_>,
        token: Token<'_>,
        start: usize,
        depth: usize,
    ) -> Result<(), Problem> {
        if depth >= DEPTH_MAX {
            return Err(Problem::unfit("it is nested too deep"));
        }
        match (&mut *self, token) {
            (Self::List { item, offsets }, Token::Array) => push_list(item, offsets, scanner, depth),
            (Self::Map { key, value, offsets, .. }, Token::Object) => {
                push_map(key, value, offsets, scanner, depth)
            }
            (Self::Struct(rows), Token::Object) => rows.push_object(scanner, depth),
            (Self::Text { bytes, offsets }, _) => {
                // A column of text takes an object or array as it is written.
                let rest = if token == Token::Object { Token::Object } else { Token::Array };
                scanner.skip_rest(rest, depth)?;
                append(bytes, offsets, scanner.since(start).trim().as_bytes())
            }
            (_, Token::Object) => Err(self.unfit("an object")),
            (_, _) => Err(self.unfit("an array")),
        }
    }

    fn finish(self, len: usize, nulls: Option<NullBuffer>) -> Option<ArrayRef> {
        Some(match self {
            Self::Bool(values) => Arc::new(BooleanArray::new(BooleanBuffer::from(values), nulls)),
            Self::I8(values) => Arc::new(Int8Array::new(values.into(), nulls)),
            Self::I16(values) => Arc::new(Int16Array::new(values.into(), nulls)),
            Self::I32(values) => Arc::new(Int32Array::new(values.into(), nulls)),
            Self::I64(values) => Arc::new(Int64Array::new(values.into(), nulls)),
            Self::F32(values) => Arc::new(Float32Array::new(values.into(), nulls)),
            Self::F64(values) => Arc::new(Float64Array::new(values.into(), nulls)),
            Self::Date(values) => Arc::new(Date32Array::new(values.into(), nulls)),
            Self::Timestamp(values) => Arc::new(TimestampMicrosecondArray::new(values.into(), nulls)),
            Self::Decimal { values, precision, scale } => {
                let array = Decimal128Array::new(values.into(), nulls);
                Arc::new(array.with_precision_and_scale(precision, scale).ok()?)
            }
            Self::Text { bytes, offsets } => {
                Arc::new(StringArray::new(finish_offsets(offsets), Buffer::from_vec(bytes), nulls))
            }
            Self::Binary { bytes, offsets } => {
                Arc::new(BinaryArray::new(finish_offsets(offsets), Buffer::from_vec(bytes), nulls))
            }
            Self::List { item, offsets } => {
                let field = Arc::clone(&item.field);
                Arc::new(ListArray::new(field, finish_offsets(offsets), item.finish(), nulls))
            }
            Self::Map { key, value, entries, offsets } => finish_map(*key, *value, entries, offsets, nulls)?,
            Self::Struct(rows) => Arc::new(rows.finish_struct(len, nulls)),
            Self::Unsupported => return None,
        })
    }
}

fn finish_offsets(offsets: Vec<i32>) -> OffsetBuffer<i32> {
    OffsetBuffer::new(ScalarBuffer::from(offsets))
}

fn finish_map(
    key: Column,
    value: Column,
    entries: FieldRef,
    offsets: Vec<i32>,
    nulls: Option<NullBuffer>,
) -> Option<ArrayRef> {
    let DataType::Struct(pair) = entries.data_type() else { return None };
    let inner = StructArray::try_new(pair.clone(), vec![key.finish(), value.finish()], None).ok()?;
    Some(Arc::new(MapArray::try_new(entries, finish_offsets(offsets), inner, nulls, false).ok()?))
}

fn append(bytes: &mut Vec<u8>, offsets: &mut Vec<i32>, more: &[u8]) -> Result<(), Problem> {
    bytes.extend_from_slice(more);
    close(bytes, offsets)
}

fn close(bytes: &[u8], offsets: &mut Vec<i32>) -> Result<(), Problem> {
    match i32::try_from(bytes.len()) {
        Ok(end) => {
            offsets.push(end);
            Ok(())
        }
        Err(_) => Err(Problem::unfit(format!("a batch holds at most {COLUMN_BYTES_MAX} bytes a column"))),
    }
}

fn push_list(
    item: &mut Column,
    offsets: &mut Vec<i32>,
    scanner: &mut Scanner<'_>,
    depth: usize,
) -> Result<(), Problem> {
    let base = item.len();
    let mut first = true;
    while scanner.next_item(first)? {
        let index = item.len() - base;
        item.push_json(scanner, depth).map_err(|p| p.within(&format!("[{index}]")))?;
        first = false;
    }
    push_length(offsets, item.len())
}

fn push_map(
    key: &mut Column,
    value: &mut Column,
    offsets: &mut Vec<i32>,
    scanner: &mut Scanner<'_>,
    depth: usize,
) -> Result<(), Problem> {
    let mut first = true;
    while let Some(name) = scanner.next_key(first)? {
        key.data.push_json_text(name)?;
        key.validity.push(true);
        value.push_json(scanner, depth).map_err(|p| p.within(name.raw))?;
        first = false;
    }
    push_length(offsets, key.len())
}

fn push_length(offsets: &mut Vec<i32>, len: usize) -> Result<(), Problem> {
    offsets.push(i32::try_from(len).map_err(|_| Problem::unfit("too many items in a batch"))?);
    Ok(())
}

/// A field that may hold null.
#[cfg(test)]
pub(crate) fn field(name: &str, data_type: DataType) -> FieldRef {
    Arc::new(arrow::datatypes::Field::new(name, data_type, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_truncated_leaves_no_trace() {
        let mut column = Column::new(
            &field("x", crate::schema::arrow_type("array<struct<a:string>>").unwrap()),
            &KeyRules::default(),
        );
        column.push_json(&mut Scanner::new(r#"[{"a":"x"},{"a":null}]"#), 0).unwrap();
        assert!(column.push_json(&mut Scanner::new(r#"[{"a":"y"},3]"#), 0).is_err());
        column.truncate(1);
        column.push_json(&mut Scanner::new("[]"), 0).unwrap();
        let array = column.finish();
        assert_eq!(array.len(), 2);
    }
}
