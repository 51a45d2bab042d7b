//! Hive types and Arrow types.
//!
//! Catalogs say types in Hive's language (`decimal(10,2)`, `array<struct<a:int>>`); files and
//! queries speak Arrow. `char` and `varchar` become text without their bound, as Parquet keeps it.
//!
//! **Failure.** Type text comes from outside: nesting is bounded by [`DEPTH_MAX`], length by
//! [`TEXT_BYTES_MAX`], and anything not understood is an error that names it.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, TimeUnit};

/// How deep types may nest.
pub const DEPTH_MAX: usize = 32;
/// How long a type's text may be (Glue's bound).
pub const TEXT_BYTES_MAX: usize = 131_072;

/// Why a type or a schema was refused.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct SchemaError(pub String);

/// The Arrow type of a Hive type string (`bigint`, `decimal(10,2)`, `array<struct<a:int>>`, …).
/// Timestamps become microseconds without zone.
pub fn arrow_type(hive: &str) -> Result<DataType, SchemaError> {
    if hive.len() > TEXT_BYTES_MAX {
        return Err(SchemaError(format!("a type has at most {TEXT_BYTES_MAX} characters")));
    }
    let mut parser = Parser { text: hive, rest: hive };
    let found = parser.any_type(0)?;
    parser.spaces();
    if !parser.rest.is_empty() {
        return Err(parser.error("unexpected text after the type"));
    }
    Ok(found)
}

/// The Arrow schema of `(name, Hive type)` columns; every column may hold null.
pub fn arrow_schema<'a>(
    columns: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Schema, SchemaError> {
    let mut fields = Vec::new();
    for (name, hive) in columns {
        let data_type = arrow_type(hive).map_err(|e| SchemaError(format!("column {name:?}: {e}")))?;
        fields.push(Field::new(name, data_type, true));
    }
    Ok(Schema::new(fields))
}

/// The Hive type string of an Arrow type.
pub fn hive_type(arrow: &DataType) -> Result<String, SchemaError> {
    use DataType as T;
    let name = match arrow {
        T::Boolean => "boolean",
        T::Int8 => "tinyint",
        T::Int16 | T::UInt8 => "smallint",
        T::Int32 | T::UInt16 => "int",
        T::Int64 | T::UInt32 => "bigint",
        T::UInt64 => "decimal(20,0)",
        T::Float16 | T::Float32 => "float",
        T::Float64 => "double",
        T::Utf8 | T::LargeUtf8 | T::Utf8View | T::Null => "string",
        T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => "binary",
        T::Date32 | T::Date64 => "date",
        T::Timestamp(..) => "timestamp",
        T::Decimal32(p, s) | T::Decimal64(p, s) | T::Decimal128(p, s) | T::Decimal256(p, s) => {
            return hive_decimal(*p, *s);
        }
        T::Dictionary(_, value) => return hive_type(value),
        T::List(item) | T::LargeList(item) | T::FixedSizeList(item, _) | T::ListView(item) => {
            return Ok(format!("array<{}>", hive_type(item.data_type())?));
        }
        T::Map(entries, _) => return hive_map(entries),
        T::Struct(fields) => return hive_struct(fields),
        other => return Err(SchemaError(format!("{other} has no Hive type"))),
    };
    Ok(name.to_owned())
}

fn hive_decimal(precision: u8, scale: i8) -> Result<String, SchemaError> {
    match u8::try_from(scale) {
        Ok(scale) if precision <= 38 && scale <= precision => Ok(format!("decimal({precision},{scale})")),
        _ => Err(SchemaError(format!("decimal({precision},{scale}) has no Hive type"))),
    }
}

fn hive_map(entries: &Field) -> Result<String, SchemaError> {
    match entries.data_type() {
        DataType::Struct(fields) if fields.len() == 2 => {
            Ok(format!("map<{},{}>", hive_type(fields[0].data_type())?, hive_type(fields[1].data_type())?))
        }
        other => Err(SchemaError(format!("map entries of type {other} have no Hive type"))),
    }
}

fn hive_struct(fields: &Fields) -> Result<String, SchemaError> {
    let members: Result<Vec<String>, SchemaError> =
        fields.iter().map(|f| Ok(format!("{}:{}", f.name(), hive_type(f.data_type())?))).collect();
    Ok(format!("struct<{}>", members?.join(",")))
}

/// Arrow's list of nullable items, as `arrow_type` makes it.
pub(crate) fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("element", item, true)))
}

/// Arrow's map of keys to nullable values, as `arrow_type` makes it.
pub(crate) fn map_of(key: DataType, value: DataType) -> DataType {
    let entries = Fields::from(vec![Field::new("key", key, false), Field::new("value", value, true)]);
    DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(entries), false)), false)
}

/// A cursor over type text.
struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn error(&self, what: &str) -> SchemaError {
        let at = self.text.len() - self.rest.len();
        let shown: String = self.text.chars().take(100).collect();
        SchemaError(format!("type {shown:?} is not valid: {what} at position {}", at + 1))
    }

    fn spaces(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn expect(&mut self, sign: char) -> Result<(), SchemaError> {
        if self.eat(sign) { Ok(()) } else { Err(self.error(&format!("expected '{sign}'"))) }
    }

    fn eat(&mut self, sign: char) -> bool {
        self.spaces();
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn word(&mut self) -> Result<&'a str, SchemaError> {
        self.spaces();
        let end =
            self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(self.rest.len());
        if end == 0 {
            return Err(self.error("expected a type's name"));
        }
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(word)
    }

    fn number<T: std::str::FromStr>(&mut self) -> Result<T, SchemaError> {
        self.spaces();
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        let number = digits.parse().map_err(|_| self.error("expected a number"))?;
        self.rest = rest;
        Ok(number)
    }

    fn any_type(&mut self, depth: usize) -> Result<DataType, SchemaError> {
        if depth > DEPTH_MAX {
            return Err(self.error("nested too deep"));
        }
        let before = self.rest;
        let word = self.word()?.to_ascii_lowercase();
        Ok(match word.as_str() {
            "boolean" => DataType::Boolean,
            "tinyint" | "byte" => DataType::Int8,
            "smallint" | "short" => DataType::Int16,
            "int" | "integer" => DataType::Int32,
            "bigint" | "long" => DataType::Int64,
            "float" | "real" => DataType::Float32,
            "double" => self.double(),
            "string" => DataType::Utf8,
            "char" | "varchar" => self.bounded_text(&word)?,
            "binary" => DataType::Binary,
            "date" => DataType::Date32,
            "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, None),
            "decimal" | "numeric" => self.decimal()?,
            "array" => self.array(depth)?,
            "map" => self.map(depth)?,
            "struct" => self.structure(depth)?,
            _ => {
                self.rest = before;
                self.spaces();
                return Err(self.error(&format!("unknown type {word:?}")));
            }
        })
    }

    /// `double` may be followed by `precision`.
    fn double(&mut self) -> DataType {
        let before = self.rest;
        if !self.word().is_ok_and(|w| w.eq_ignore_ascii_case("precision")) {
            self.rest = before;
        }
        DataType::Float64
    }

    fn bounded_text(&mut self, word: &str) -> Result<DataType, SchemaError> {
        if !self.eat('(') {
            return Ok(DataType::Utf8);
        }
        let max = if word == "char" { 255 } else { 65_535 };
        if !(1..=max).contains(&self.number::<u32>()?) {
            return Err(self.error(&format!("the length of a {word} is 1 to {max}")));
        }
        self.expect(')')?;
        Ok(DataType::Utf8)
    }

    fn decimal(&mut self) -> Result<DataType, SchemaError> {
        if !self.eat('(') {
            return Ok(DataType::Decimal128(10, 0));
        }
        let precision: u8 = self.number()?;
        let scale: u8 = if self.eat(',') { self.number()? } else { 0 };
        self.expect(')')?;
        if !(1..=38).contains(&precision) || scale > precision {
            return Err(self.error("a decimal has 1 to 38 digits and no more after the point"));
        }
        Ok(DataType::Decimal128(precision, i8::try_from(scale).expect("at most 38")))
    }

    fn array(&mut self, depth: usize) -> Result<DataType, SchemaError> {
        self.expect('<')?;
        let item = self.any_type(depth + 1)?;
        self.expect('>')?;
        Ok(list_of(item))
    }

    fn map(&mut self, depth: usize) -> Result<DataType, SchemaError> {
        self.expect('<')?;
        let key = self.any_type(depth + 1)?;
        if matches!(key, DataType::List(_) | DataType::Map(..) | DataType::Struct(_)) {
            return Err(self.error("a map's key is a simple type"));
        }
        self.expect(',')?;
        let value = self.any_type(depth + 1)?;
        self.expect('>')?;
        Ok(map_of(key, value))
    }

    fn structure(&mut self, depth: usize) -> Result<DataType, SchemaError> {
        self.expect('<')?;
        let mut fields: Vec<Field> = Vec::new();
        loop {
            let name = self.member_name()?;
            if fields.iter().any(|f| f.name().eq_ignore_ascii_case(&name)) {
                return Err(self.error(&format!("field {name:?} comes twice")));
            }
            self.expect(':')?;
            fields.push(Field::new(name, self.any_type(depth + 1)?, true));
            self.member_comment();
            if !self.eat(',') {
                break;
            }
        }
        self.expect('>')?;
        Ok(DataType::Struct(fields.into()))
    }

    fn member_name(&mut self) -> Result<String, SchemaError> {
        self.spaces();
        if let Some(rest) = self.rest.strip_prefix('`') {
            let end = rest.find('`').ok_or_else(|| self.error("a backquote is not closed"))?;
            let name = rest[..end].to_owned();
            self.rest = &rest[end + 1..];
            return if name.is_empty() { Err(self.error("expected a field's name")) } else { Ok(name) };
        }
        let end = self.rest.find([':', ',', '<', '>', '`']).unwrap_or(self.rest.len());
        let name = self.rest[..end].trim_end();
        if name.is_empty() {
            return Err(self.error("expected a field's name"));
        }
        self.rest = &self.rest[end..];
        Ok(name.to_owned())
    }

    /// Skips `comment '…'` after a member.
    fn member_comment(&mut self) {
        let before = self.rest;
        let is_comment = self.word().is_ok_and(|w| w.eq_ignore_ascii_case("comment"));
        self.spaces();
        let end = self.rest.strip_prefix('\'').and_then(|rest| rest.find('\'').map(|end| &rest[end + 1..]));
        match end {
            Some(rest) if is_comment => self.rest = rest,
            _ => self.rest = before,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn both_ways(hive: &str) {
        assert_eq!(hive_type(&arrow_type(hive).unwrap()).unwrap(), hive);
    }

    #[test]
    fn every_hive_type_has_its_arrow_type() {
        for hive in [
            "boolean",
            "tinyint",
            "smallint",
            "int",
            "bigint",
            "float",
            "double",
            "string",
            "binary",
            "date",
            "timestamp",
            "decimal(38,18)",
            "array<int>",
            "map<string,array<double>>",
            "struct<a:int,b:array<struct<c:decimal(10,2),d:map<int,string>>>>",
        ] {
            both_ways(hive);
        }
        assert_eq!(arrow_type("timestamp").unwrap(), DataType::Timestamp(TimeUnit::Microsecond, None));
        assert_eq!(arrow_type(" DECIMAL ( 5 , 2 ) ").unwrap(), DataType::Decimal128(5, 2));
        assert_eq!(arrow_type("decimal").unwrap(), DataType::Decimal128(10, 0));
        assert_eq!(arrow_type("varchar(20)").unwrap(), DataType::Utf8);
        assert_eq!(arrow_type("double precision").unwrap(), DataType::Float64);
        assert_eq!(
            arrow_type("struct<`a:b`:int comment 'x, y', c : long>").unwrap(),
            arrow_type("struct<`a:b`:int,c:bigint>").unwrap()
        );
    }

    #[test]
    fn refusals_name_the_place() {
        let said = |hive: &str| arrow_type(hive).unwrap_err().0;
        assert_eq!(
            said("varchr(3)"),
            "type \"varchr(3)\" is not valid: unknown type \"varchr\" at position 1"
        );
        assert!(said("array<int").contains("expected '>' at position 10"));
        assert!(said("decimal(39,2)").contains("1 to 38 digits"));
        assert!(said("decimal(2,3)").contains("no more after the point"));
        assert!(said("struct<a:int,A:int>").contains("comes twice"));
        assert!(said("map<array<int>,int>").contains("simple type"));
        assert!(said("").contains("expected a type's name"));
        assert!(said("int int").contains("unexpected text"));
        assert!(said(&"array<".repeat(5000)).contains("nested too deep"));
    }

    fn any_arrow_type() -> impl Strategy<Value = DataType> {
        let leaf = prop_oneof![
            Just(DataType::Boolean),
            Just(DataType::Int8),
            Just(DataType::Int64),
            Just(DataType::Float64),
            Just(DataType::Utf8),
            Just(DataType::Binary),
            Just(DataType::Date32),
            Just(DataType::Timestamp(TimeUnit::Microsecond, None)),
            (1u8..=38)
                .prop_flat_map(|p| (Just(p), 0..=p))
                .prop_map(|(p, s)| DataType::Decimal128(p, s as i8)),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                inner.clone().prop_map(list_of),
                inner.clone().prop_map(|v| map_of(DataType::Utf8, v)),
                proptest::collection::vec(inner, 1..4).prop_map(|types| DataType::Struct(
                    types
                        .into_iter()
                        .enumerate()
                        .map(|(i, t)| Field::new(format!("f_{i}"), t, true))
                        .collect(),
                )),
            ]
        })
    }

    proptest! {
        #[test]
        fn types_survive_a_round_trip(data_type in any_arrow_type()) {
            prop_assert_eq!(arrow_type(&hive_type(&data_type).unwrap()).unwrap(), data_type);
        }

        #[test]
        fn foreign_text_never_panics(text in "[a-z<>():,`' 0-9ü]*") {
            let _ = arrow_type(&text);
        }
    }
}
