//! Serde to CBOR (RFC 8949), over minicbor's encoder. Definite lengths where serde knows them.

use std::fmt::Display;

use minicbor::Encoder;
use minicbor::data::Tag;
use serde::Serialize;
use serde::ser::{self, Impossible};

use super::CBOR_EPOCH_MS;

/// The tag of a time since the epoch.
const TAG_EPOCH: Tag = Tag::new(1);

/// Why a value could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct WriteError(String);

impl ser::Error for WriteError {
    fn custom<T: Display>(text: T) -> Self {
        Self(text.to_string())
    }
}

impl From<minicbor::encode::Error<std::convert::Infallible>> for WriteError {
    fn from(error: minicbor::encode::Error<std::convert::Infallible>) -> Self {
        Self(error.to_string())
    }
}

/// Writes one value to the end of `out`.
pub(crate) fn write<T: Serialize>(out: &mut Vec<u8>, value: &T) -> Result<(), WriteError> {
    value.serialize(&mut Writer(Encoder::new(out)))
}

struct Writer<'o>(Encoder<&'o mut Vec<u8>>);

/// An array or map under way; closes itself where its length was not known.
struct Open<'w, 'o> {
    writer: &'w mut Writer<'o>,
    ends: bool,
}

impl Open<'_, '_> {
    fn close(self) -> Result<(), WriteError> {
        if self.ends {
            self.writer.0.end()?;
        }
        Ok(())
    }
}

impl<'w, 'o> ser::Serializer for &'w mut Writer<'o> {
    type Ok = ();
    type Error = WriteError;
    type SerializeSeq = Open<'w, 'o>;
    type SerializeTuple = Open<'w, 'o>;
    type SerializeTupleStruct = Open<'w, 'o>;
    type SerializeTupleVariant = Impossible<(), WriteError>;
    type SerializeMap = Open<'w, 'o>;
    type SerializeStruct = Open<'w, 'o>;
    type SerializeStructVariant = Impossible<(), WriteError>;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_bool(self, v: bool) -> Result<(), WriteError> {
        self.0.bool(v)?;
        Ok(())
    }
    fn serialize_i8(self, v: i8) -> Result<(), WriteError> {
        self.serialize_i64(v.into())
    }
    fn serialize_i16(self, v: i16) -> Result<(), WriteError> {
        self.serialize_i64(v.into())
    }
    fn serialize_i32(self, v: i32) -> Result<(), WriteError> {
        self.serialize_i64(v.into())
    }
    fn serialize_i64(self, v: i64) -> Result<(), WriteError> {
        self.0.i64(v)?;
        Ok(())
    }
    fn serialize_u8(self, v: u8) -> Result<(), WriteError> {
        self.serialize_u64(v.into())
    }
    fn serialize_u16(self, v: u16) -> Result<(), WriteError> {
        self.serialize_u64(v.into())
    }
    fn serialize_u32(self, v: u32) -> Result<(), WriteError> {
        self.serialize_u64(v.into())
    }
    fn serialize_u64(self, v: u64) -> Result<(), WriteError> {
        self.0.u64(v)?;
        Ok(())
    }
    fn serialize_f32(self, v: f32) -> Result<(), WriteError> {
        self.0.f32(v)?;
        Ok(())
    }
    fn serialize_f64(self, v: f64) -> Result<(), WriteError> {
        self.0.f64(v)?;
        Ok(())
    }
    fn serialize_char(self, v: char) -> Result<(), WriteError> {
        self.serialize_str(v.encode_utf8(&mut [0; 4]))
    }
    fn serialize_str(self, v: &str) -> Result<(), WriteError> {
        self.0.str(v)?;
        Ok(())
    }
    fn serialize_bytes(self, v: &[u8]) -> Result<(), WriteError> {
        self.0.bytes(v)?;
        Ok(())
    }
    fn serialize_none(self) -> Result<(), WriteError> {
        self.serialize_unit()
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), WriteError> {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<(), WriteError> {
        self.0.null()?;
        Ok(())
    }
    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), WriteError> {
        self.0.map(0)?;
        Ok(())
    }
    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), WriteError> {
        self.serialize_str(variant)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), WriteError> {
        if name == CBOR_EPOCH_MS {
            self.0.tag(TAG_EPOCH)?;
        }
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), WriteError> {
        self.0.map(1)?.str(variant)?;
        value.serialize(self)
    }
    fn serialize_seq(self, len: Option<usize>) -> Result<Open<'w, 'o>, WriteError> {
        match len {
            Some(len) => self.0.array(len as u64)?,
            None => self.0.begin_array()?,
        };
        Ok(Open { writer: self, ends: len.is_none() })
    }
    fn serialize_tuple(self, len: usize) -> Result<Open<'w, 'o>, WriteError> {
        self.serialize_seq(Some(len))
    }
    fn serialize_tuple_struct(self, _name: &'static str, len: usize) -> Result<Open<'w, 'o>, WriteError> {
        self.serialize_seq(Some(len))
    }
    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeTupleVariant, WriteError> {
        Err(WriteError(format!("no AWS shape is a tuple variant ({variant})")))
    }
    fn serialize_map(self, len: Option<usize>) -> Result<Open<'w, 'o>, WriteError> {
        match len {
            Some(len) => self.0.map(len as u64)?,
            None => self.0.begin_map()?,
        };
        Ok(Open { writer: self, ends: len.is_none() })
    }
    fn serialize_struct(self, _name: &'static str, len: usize) -> Result<Open<'w, 'o>, WriteError> {
        self.serialize_map(Some(len))
    }
    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeStructVariant, WriteError> {
        Err(WriteError(format!("no AWS shape is a struct variant ({variant})")))
    }
}

/// Serde's three traits of sequences say one thing: another element.
macro_rules! sequences {
    ($($of:ident::$another:ident),*) => {$(
        impl ser::$of for Open<'_, '_> {
            type Ok = ();
            type Error = WriteError;
            fn $another<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
                value.serialize(&mut *self.writer)
            }
            fn end(self) -> Result<(), WriteError> {
                self.close()
            }
        }
    )*};
}

sequences!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field
);

impl ser::SerializeMap for Open<'_, '_> {
    type Ok = ();
    type Error = WriteError;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), WriteError> {
        key.serialize(&mut *self.writer)
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        value.serialize(&mut *self.writer)
    }
    fn end(self) -> Result<(), WriteError> {
        self.close()
    }
}

impl ser::SerializeStruct for Open<'_, '_> {
    type Ok = ();
    type Error = WriteError;
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), WriteError> {
        self.writer.0.str(name)?;
        value.serialize(&mut *self.writer)
    }
    fn end(self) -> Result<(), WriteError> {
        self.close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::cbor_read;
    use crate::{Blob, EpochTime};
    use headwater_base::Timestamp;
    use proptest::prelude::*;

    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Record {
        data: Blob,
        #[serde(skip_serializing_if = "Option::is_none")]
        missing: Option<u8>,
        time: EpochTime,
    }

    fn to_vec<T: Serialize>(value: &T) -> Result<Vec<u8>, WriteError> {
        let mut out = Vec::new();
        write(&mut out, value).map(|()| out)
    }

    #[test]
    fn bytes_are_as_the_java_sdk_reads_them() {
        let record = Record {
            data: Blob("hi".into()),
            missing: None,
            time: EpochTime(Timestamp::from_ms(1_700_000_000_244)),
        };
        let wanted = "a2 6444617461 426869 6454696d65 c11b0000018bcfe568f4".replace(' ', "");
        assert_eq!(hex::encode(to_vec(&record).unwrap()), wanted);
    }

    proptest! {
        #[test]
        fn json_values_survive_a_round_trip(
            texts: Vec<String>, numbers: Vec<i64>, floats in proptest::collection::vec(-1e9f64..1e9, 0..5), flag: Option<bool>,
        ) {
            let value = serde_json::json!({ "t": texts, "n": numbers, "f": floats, "b": flag, "o": {} });
            let read: serde_json::Value = cbor_read::from_slice(&to_vec(&value).unwrap()).unwrap();
            prop_assert_eq!(read, value);
        }
    }
}
