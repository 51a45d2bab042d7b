//! Serde from CBOR (RFC 8949), over minicbor's tokens.
//!
//! Tags are passed over, so a tagged time reads as its number. Definite and indefinite lengths,
//! every width of number, `undefined` as null. Nesting is bounded by [`DEPTH_MAX`]; a declared
//! length is never believed beyond the bytes that are there.

use minicbor::Decoder;
use minicbor::data::Type;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Visitor};
use serde::forward_to_deserialize_any;

/// How deep arrays, maps and tags may nest.
const DEPTH_MAX: usize = 100;

/// Why CBOR could not be read.
#[derive(Debug)]
pub(crate) struct ReadError {
    /// What is wrong.
    pub(crate) text: String,
    /// Whether the bytes are well-formed and only their meaning is wrong.
    pub(crate) is_data: bool,
    /// Where reading stopped.
    pub(crate) position: usize,
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: std::fmt::Display>(text: T) -> Self {
        Self { text: text.to_string(), is_data: true, position: 0 }
    }
}

impl From<minicbor::decode::Error> for ReadError {
    fn from(error: minicbor::decode::Error) -> Self {
        Self { text: error.to_string(), is_data: false, position: error.position().unwrap_or(0) }
    }
}

/// Reads one value that fills `bytes`.
pub(crate) fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ReadError> {
    let mut reader = Reader { tokens: Decoder::new(bytes), depth: 0 };
    let value = T::deserialize(&mut reader).map_err(|error| reader.located(error))?;
    if reader.tokens.position() < bytes.len() {
        return Err(reader.malformed("bytes after the value"));
    }
    Ok(value)
}

struct Reader<'de> {
    tokens: Decoder<'de>,
    depth: usize,
}

impl<'de> Reader<'de> {
    fn malformed(&self, text: &str) -> ReadError {
        ReadError { text: text.to_owned(), is_data: false, position: self.tokens.position() }
    }

    fn located(&self, mut error: ReadError) -> ReadError {
        if error.position == 0 {
            error.position = self.tokens.position();
        }
        error
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, ReadError>) -> Result<T, ReadError> {
        if self.depth == DEPTH_MAX {
            return Err(self.malformed("nested too deeply"));
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    /// Whether an indefinite container ends here; passes over its end if so.
    fn at_break(&mut self) -> Result<bool, ReadError> {
        let ends = self.tokens.datatype()? == Type::Break;
        if ends {
            self.tokens.set_position(self.tokens.position() + 1);
        }
        Ok(ends)
    }

    fn container<T>(
        &mut self,
        len: Option<u64>,
        visit: impl FnOnce(Container<'_, 'de>) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let (value, left_over) = self.deeper(|reader| {
            let mut left_over = len.unwrap_or(0);
            let value = visit(Container { reader, left: len, left_after: &mut left_over })?;
            Ok((value, left_over))
        })?;
        // Visitors of derived types read to the end; one that did not has been given too much.
        if left_over > 0 { Err(self.malformed("too many elements")) } else { Ok(value) }
    }

    fn any<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, ReadError> {
        match self.tokens.datatype()? {
            Type::Bool => visitor.visit_bool(self.tokens.bool()?),
            Type::Null => {
                self.tokens.null()?;
                visitor.visit_unit()
            }
            Type::Undefined => {
                self.tokens.undefined()?;
                visitor.visit_unit()
            }
            Type::U8 | Type::U16 | Type::U32 | Type::U64 => visitor.visit_u64(self.tokens.u64()?),
            Type::I8 | Type::I16 | Type::I32 | Type::I64 => visitor.visit_i64(self.tokens.i64()?),
            Type::F16 => visitor.visit_f64(f64::from(self.tokens.f16()?)),
            Type::F32 => visitor.visit_f64(f64::from(self.tokens.f32()?)),
            Type::F64 => visitor.visit_f64(self.tokens.f64()?),
            Type::String => visitor.visit_borrowed_str(self.tokens.str()?),
            Type::StringIndef => {
                let parts: Result<String, _> = self.tokens.str_iter()?.collect();
                visitor.visit_string(parts?)
            }
            Type::Bytes => visitor.visit_borrowed_bytes(self.tokens.bytes()?),
            Type::BytesIndef => {
                let mut all = Vec::new();
                for part in self.tokens.bytes_iter()? {
                    all.extend_from_slice(part?);
                }
                visitor.visit_byte_buf(all)
            }
            Type::Array | Type::ArrayIndef => {
                let len = self.tokens.array()?;
                self.container(len, |items| visitor.visit_seq(items))
            }
            Type::Map | Type::MapIndef => {
                let len = self.tokens.map()?;
                self.container(len, |entries| visitor.visit_map(entries))
            }
            Type::Tag => {
                self.tokens.tag()?;
                self.deeper(|reader| reader.any(visitor))
            }
            Type::Int | Type::Simple | Type::Break | Type::Unknown(_) => {
                Err(self.malformed("unexpected token"))
            }
        }
    }
}

impl<'de> de::Deserializer<'de> for &mut Reader<'de> {
    type Error = ReadError;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        if matches!(self.tokens.datatype()?, Type::Null | Type::Undefined) {
            self.tokens.set_position(self.tokens.position() + 1);
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    /// AWS shapes know enumerations only as plain strings.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_enum(BorrowedStrDeserializer::new(self.tokens.str()?))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// The elements of an array or the entries of a map.
struct Container<'r, 'de> {
    reader: &'r mut Reader<'de>,
    /// How many are left; `None` when only a break tells.
    left: Option<u64>,
    /// Where the count is left when the visitor is done.
    left_after: &'r mut u64,
}

impl Container<'_, '_> {
    fn another(&mut self) -> Result<bool, ReadError> {
        match &mut self.left {
            Some(0) => Ok(false),
            Some(left) => {
                *left -= 1;
                *self.left_after = *left;
                Ok(true)
            }
            None => {
                let ends = self.reader.at_break()?;
                // After the break nothing may be asked again.
                if ends {
                    self.left = Some(0);
                    *self.left_after = 0;
                }
                Ok(!ends)
            }
        }
    }

    fn hint(&self) -> Option<usize> {
        let there = self.reader.tokens.input().len()
            - self.reader.tokens.position().min(self.reader.tokens.input().len());
        self.left.map(|left| usize::try_from(left).unwrap_or(usize::MAX).min(there))
    }
}

impl<'de> de::SeqAccess<'de> for Container<'_, 'de> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        if self.another()? { seed.deserialize(&mut *self.reader).map(Some) } else { Ok(None) }
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint()
    }
}

impl<'de> de::MapAccess<'de> for Container<'_, 'de> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        if self.another()? { seed.deserialize(&mut *self.reader).map(Some) } else { Ok(None) }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        seed.deserialize(&mut *self.reader)
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;

    #[derive(Deserialize, Debug, PartialEq)]
    struct Everything {
        a: Option<i32>,
        b: Vec<String>,
        #[serde(default)]
        c: Option<f64>,
        kind: Kind,
    }

    #[derive(Deserialize, Debug, PartialEq)]
    enum Kind {
        #[serde(rename = "LATEST")]
        Latest,
    }

    #[test]
    fn definite_and_indefinite_lengths_read_alike() {
        let wanted =
            Everything { a: None, b: vec!["x".into(), "yz".into()], c: Some(1.5), kind: Kind::Latest };
        // {"a": null, "b": ["x", "yz"], "c": 1.5, "kind": "LATEST", "more": {1: [2]}}
        let definite =
            hex::decode("a56161f6616282617862797a6163f93e00646b696e64664c4154455354646d6f7265a1018102")
                .unwrap();
        assert_eq!(from_slice::<Everything>(&definite).unwrap(), wanted);
        let indefinite = hex::decode(
            "bf6161f761629f61787f61796 17affff6163f93e00646b696e64664c4154455354ff".replace(' ', ""),
        )
        .unwrap();
        assert_eq!(from_slice::<Everything>(&indefinite).unwrap(), wanted);
    }

    #[test]
    fn trailing_bytes_are_refused() {
        assert!(!from_slice::<u8>(&[1, 2]).unwrap_err().is_data);
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = from_slice::<Everything>(&bytes);
            let _ = from_slice::<serde_json::Value>(&bytes);
        }
    }
}
