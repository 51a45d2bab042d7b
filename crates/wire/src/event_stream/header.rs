//! The typed values of an event stream's headers.

use bytes::{Buf, BufMut, Bytes};
use headwater_base::Timestamp;

use super::FrameError;

/// The longest text or bytes of a header, as the SDKs bound it.
const VALUE_BYTES_MAX: usize = i16::MAX as usize;

const CUT_OFF: FrameError = FrameError::Malformed("a header is cut off");

/// A header's value.
#[derive(Clone, PartialEq, Debug)]
pub enum HeaderValue {
    /// Yes or no.
    Bool(bool),
    /// A number of one byte.
    I8(i8),
    /// A number of two bytes.
    I16(i16),
    /// A number of four bytes.
    I32(i32),
    /// A number of eight bytes.
    I64(i64),
    /// Bytes.
    Bytes(Bytes),
    /// Text; what its writer called so may not be UTF-8.
    Text(Bytes),
    /// A moment.
    Time(Timestamp),
    /// A UUID.
    Uuid([u8; 16]),
}

impl HeaderValue {
    /// How many bytes it takes, with its type.
    pub(super) fn len(&self) -> usize {
        1 + match self {
            Self::Bool(_) => 0,
            Self::I8(_) => 1,
            Self::I16(_) => 2,
            Self::I32(_) => 4,
            Self::I64(_) | Self::Time(_) => 8,
            Self::Bytes(bytes) | Self::Text(bytes) => 2 + bytes.len(),
            Self::Uuid(_) => 16,
        }
    }

    /// Writes type and value.
    pub(super) fn put(&self, out: &mut Vec<u8>) -> Result<(), FrameError> {
        match self {
            Self::Bool(value) => out.put_u8(u8::from(!value)),
            Self::I8(value) => put(out, 2, &value.to_be_bytes()),
            Self::I16(value) => put(out, 3, &value.to_be_bytes()),
            Self::I32(value) => put(out, 4, &value.to_be_bytes()),
            Self::I64(value) => put(out, 5, &value.to_be_bytes()),
            Self::Bytes(value) => put_long(out, 6, value)?,
            Self::Text(value) => put_long(out, 7, value)?,
            Self::Time(value) => put(out, 8, &value.ms().to_be_bytes()),
            Self::Uuid(value) => put(out, 9, value),
        }
        Ok(())
    }

    fn read(from: &mut Bytes) -> Result<Self, FrameError> {
        let value = match from.try_get_u8().map_err(|_| CUT_OFF)? {
            0 => Ok(Self::Bool(true)),
            1 => Ok(Self::Bool(false)),
            2 => from.try_get_i8().map(Self::I8),
            3 => from.try_get_i16().map(Self::I16),
            4 => from.try_get_i32().map(Self::I32),
            5 => from.try_get_i64().map(Self::I64),
            6 => return read_long(from).map(Self::Bytes),
            7 => return read_long(from).map(Self::Text),
            8 => from.try_get_i64().map(|ms| Self::Time(Timestamp::from_ms(ms))),
            9 => {
                let mut uuid = [0; 16];
                from.try_copy_to_slice(&mut uuid).map(|()| Self::Uuid(uuid))
            }
            _ => return Err(FrameError::Malformed("a header's type is unknown")),
        };
        value.map_err(|_| CUT_OFF)
    }
}

/// Every header of a message.
pub(super) fn read_all(mut from: Bytes) -> Result<Vec<(String, HeaderValue)>, FrameError> {
    let mut headers = Vec::new();
    while from.has_remaining() {
        let len = usize::from(from.get_u8());
        if len == 0 {
            return Err(FrameError::Malformed("a header has no name"));
        }
        let name = take(&mut from, len)?;
        let name =
            std::str::from_utf8(&name).map_err(|_| FrameError::Malformed("a header's name is no text"))?;
        headers.push((name.to_owned(), HeaderValue::read(&mut from)?));
    }
    Ok(headers)
}

fn put(out: &mut Vec<u8>, kind: u8, value: &[u8]) {
    out.put_u8(kind);
    out.put_slice(value);
}

fn put_long(out: &mut Vec<u8>, kind: u8, value: &[u8]) -> Result<(), FrameError> {
    let len = u16::try_from(value.len()).ok().filter(|len| usize::from(*len) <= VALUE_BYTES_MAX);
    out.put_u8(kind);
    out.put_u16(len.ok_or(FrameError::TooLarge("value of a header"))?);
    out.put_slice(value);
    Ok(())
}

fn read_long(from: &mut Bytes) -> Result<Bytes, FrameError> {
    let len = from.try_get_u16().map_err(|_| CUT_OFF)?;
    take(from, usize::from(len))
}

fn take(from: &mut Bytes, len: usize) -> Result<Bytes, FrameError> {
    if from.len() < len {
        return Err(CUT_OFF);
    }
    Ok(from.split_to(len))
}
