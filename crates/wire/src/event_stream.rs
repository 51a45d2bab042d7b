//! The framing of AWS event streams (`application/vnd.amazon.eventstream`): how an operation answers
//! with events, one message each.
//!
//! **Layout**, all numbers big-endian:
//!
//! ```text
//! total bytes u32 | header bytes u32 | CRC-32 of these eight bytes u32      the prelude
//! headers, each:  name length u8 | name | type u8 | value
//! payload
//! CRC-32 of everything before it u32
//!
//! type 0 true · 1 false · 2 i8 · 3 i16 · 4 i32 · 5 i64 · 6 bytes · 7 text (both: length u16, then
//! the bytes) · 8 time, i64 of epoch milliseconds · 9 UUID, 16 bytes
//! ```
//!
//! **Invariants.** What [`Message::encode`] wrote, [`Message::decode`] reads back alike. A message is
//! believed only after both its checksums; its lengths only after the first.
//!
//! **Failure.** Bytes from outside never panic and never make the decoder hold more than
//! [`MESSAGE_BYTES_MAX`]: a longer message is refused by its prelude.

mod header;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use crc_fast::CrcAlgorithm;

pub use header::HeaderValue;

/// The content type of an answer that is an event stream.
pub const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// The largest payload, as the SDKs bound it.
pub const PAYLOAD_BYTES_MAX: usize = 24 << 20;

/// The most bytes of all headers together.
pub const HEADERS_BYTES_MAX: usize = 128 << 10;

/// The largest message.
pub const MESSAGE_BYTES_MAX: usize = PRELUDE_BYTES + HEADERS_BYTES_MAX + PAYLOAD_BYTES_MAX + CRC_BYTES;

/// Both lengths and their checksum.
const PRELUDE_BYTES: usize = 12;
const CRC_BYTES: usize = 4;

/// Headers and a payload.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Message {
    /// Names and values, in the order they are written.
    pub headers: Vec<(String, HeaderValue)>,
    /// The payload, in the protocol that the header `:content-type` says.
    pub payload: Bytes,
}

/// Why bytes are no message, or a message has no bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FrameError {
    /// A checksum does not hold: the bytes were changed under way.
    #[error("the checksum of {0} does not hold")]
    Checksum(&'static str),
    /// The parts do not fit together.
    #[error("the message is malformed: {0}")]
    Malformed(&'static str),
    /// Headers or payload are larger than allowed.
    #[error("the {0} is larger than allowed")]
    TooLarge(&'static str),
}

impl Message {
    /// A message with text headers.
    pub fn new(headers: &[(&str, &str)], payload: Bytes) -> Self {
        let text = |(name, value): &(&str, &str)| {
            ((*name).to_owned(), HeaderValue::Text(Bytes::copy_from_slice(value.as_bytes())))
        };
        Self { headers: headers.iter().map(text).collect(), payload }
    }

    /// The text of a header, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(known, _)| known == name)?;
        match value {
            HeaderValue::Text(text) => std::str::from_utf8(text).ok(),
            _ => None,
        }
    }

    /// The message's bytes.
    ///
    /// # Errors
    /// [`FrameError::TooLarge`], or [`FrameError::Malformed`] for a header name that is empty.
    pub fn encode(&self) -> Result<Vec<u8>, FrameError> {
        let headers: usize = self.headers.iter().map(|(name, value)| 1 + name.len() + value.len()).sum();
        if headers > HEADERS_BYTES_MAX {
            return Err(FrameError::TooLarge("headers"));
        }
        if self.payload.len() > PAYLOAD_BYTES_MAX {
            return Err(FrameError::TooLarge("payload"));
        }
        let total = PRELUDE_BYTES + headers + self.payload.len() + CRC_BYTES;
        let mut out = Vec::with_capacity(total);
        out.put_u32(number(total));
        out.put_u32(number(headers));
        out.put_u32(crc(&out));
        for (name, value) in &self.headers {
            let len = u8::try_from(name.len()).map_err(|_| FrameError::TooLarge("name of a header"))?;
            if len == 0 {
                return Err(FrameError::Malformed("a header has no name"));
            }
            out.put_u8(len);
            out.put_slice(name.as_bytes());
            value.put(&mut out)?;
        }
        out.put_slice(&self.payload);
        out.put_u32(crc(&out));
        Ok(out)
    }

    /// Takes the first message off `buffer`; `None` while it has not arrived whole. After an error
    /// the buffer is of no further use: where the next message begins is not known.
    ///
    /// # Errors
    /// See [`FrameError`].
    pub fn decode(buffer: &mut BytesMut) -> Result<Option<Self>, FrameError> {
        let Some(mut prelude) = buffer.get(..PRELUDE_BYTES) else { return Ok(None) };
        let computed = crc(&prelude[..PRELUDE_BYTES - CRC_BYTES]);
        let (total, headers) = (prelude.get_u32() as usize, prelude.get_u32() as usize);
        if prelude.get_u32() != computed {
            return Err(FrameError::Checksum("the prelude"));
        }
        let payload = total
            .checked_sub(PRELUDE_BYTES + CRC_BYTES)
            .and_then(|rest| rest.checked_sub(headers))
            .ok_or(FrameError::Malformed("its headers do not fit in"))?;
        if headers > HEADERS_BYTES_MAX {
            return Err(FrameError::TooLarge("headers"));
        }
        if payload > PAYLOAD_BYTES_MAX {
            return Err(FrameError::TooLarge("payload"));
        }
        if buffer.len() < total {
            buffer.reserve(total - buffer.len());
            return Ok(None);
        }
        let mut message = buffer.split_to(total).freeze();
        let mut end = message.split_off(total - CRC_BYTES);
        if end.get_u32() != crc(&message) {
            return Err(FrameError::Checksum("the message"));
        }
        let payload = message.split_off(PRELUDE_BYTES + headers);
        message.advance(PRELUDE_BYTES);
        Ok(Some(Self { headers: header::read_all(message)?, payload }))
    }
}

fn number(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a message is smaller than 4 GiB")
}

fn crc(bytes: &[u8]) -> u32 {
    crc_fast::checksum(CrcAlgorithm::Crc32IsoHdlc, bytes) as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = HeaderValue> {
        let bytes = proptest::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from);
        prop_oneof![
            any::<bool>().prop_map(HeaderValue::Bool),
            any::<i8>().prop_map(HeaderValue::I8),
            any::<i16>().prop_map(HeaderValue::I16),
            any::<i32>().prop_map(HeaderValue::I32),
            any::<i64>().prop_map(HeaderValue::I64),
            bytes.prop_map(HeaderValue::Bytes),
            ".{0,20}".prop_map(|text| HeaderValue::Text(text.into())),
            any::<i64>().prop_map(|ms| HeaderValue::Time(headwater_base::Timestamp::from_ms(ms))),
            any::<[u8; 16]>().prop_map(HeaderValue::Uuid),
        ]
    }

    fn message() -> impl Strategy<Value = Message> {
        let headers = proptest::collection::vec(("[!-~]{1,30}", value()), 0..6);
        let payload = proptest::collection::vec(any::<u8>(), 0..200);
        (headers, payload).prop_map(|(headers, payload)| Message { headers, payload: payload.into() })
    }

    proptest! {
        #[test]
        fn messages_survive_a_round_trip_cut_anywhere(
            messages in proptest::collection::vec(message(), 0..4), piece in 1..64usize,
        ) {
            let bytes: Vec<u8> = messages.iter().flat_map(|message| message.encode().unwrap()).collect();
            let (mut buffer, mut read) = (BytesMut::new(), Vec::new());
            for piece in bytes.chunks(piece) {
                buffer.extend_from_slice(piece);
                while let Some(message) = Message::decode(&mut buffer).unwrap() {
                    read.push(message);
                }
            }
            prop_assert_eq!(read, messages);
            prop_assert!(buffer.is_empty());
        }

        #[test]
        fn a_changed_bit_is_seen(message in message(), at: prop::sample::Index, bit in 0..8u8) {
            let mut bytes = message.encode().unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(Message::decode(&mut BytesMut::from(&bytes[..])).is_err());
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = Message::decode(&mut BytesMut::from(&bytes[..]));
        }

        #[test]
        fn foreign_headers_under_good_checksums_never_panic(headers: Vec<u8>) {
            let _ = Message::decode(&mut sealed(headers.len() as u32, &headers));
        }
    }

    /// Bytes under checksums that hold, saying that `headers` of them are headers.
    fn sealed(headers: u32, body: &[u8]) -> BytesMut {
        let mut out = Vec::new();
        out.put_u32(number(PRELUDE_BYTES + body.len() + CRC_BYTES));
        out.put_u32(headers);
        out.put_u32(crc(&out));
        out.put_slice(body);
        out.put_u32(crc(&out));
        BytesMut::from(&out[..])
    }

    #[test]
    fn bytes_are_as_the_sdks_read_them() {
        // From the specification's examples: an empty message, and one with a header and a payload.
        let empty = Message::default().encode().unwrap();
        assert_eq!(hex::encode(empty), "000000100000000005c248eb7d98c8ff");
        let message =
            Message::new(&[("content-type", "application/json")], Bytes::from_static(b"{'foo':'bar'}"));
        let golden = "0000003d0000002007fd83960c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e\
                      7b27666f6f273a27626172277d8d9c08b1";
        assert_eq!(hex::encode(message.encode().unwrap()), golden);
        assert_eq!(message.header("content-type"), Some("application/json"));
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        let decode = |headers: u32, body: &[u8]| Message::decode(&mut sealed(headers, body));
        assert_eq!(decode(5, b"abc"), Err(FrameError::Malformed("its headers do not fit in")));
        assert_eq!(decode(u32::MAX, b""), Err(FrameError::Malformed("its headers do not fit in")));
        assert_eq!(decode(3, &[1, b'a', 99]), Err(FrameError::Malformed("a header's type is unknown")));
        assert_eq!(decode(4, &[9, b'a', 0, 0]), Err(FrameError::Malformed("a header is cut off")));
        assert_eq!(decode(2, &[0, 0]), Err(FrameError::Malformed("a header has no name")));
        assert_eq!(decode(5, &[1, b'a', 7, 0, 9]), Err(FrameError::Malformed("a header is cut off")));
        let mut huge = BytesMut::new();
        huge.put_u32(u32::MAX);
        huge.put_u32(0);
        huge.put_u32(crc(&huge));
        assert_eq!(Message::decode(&mut huge), Err(FrameError::TooLarge("payload")));
    }

    #[test]
    fn what_has_no_bytes_is_refused() {
        let long = "n".repeat(256);
        assert!(Message::new(&[(&long, "")], Bytes::new()).encode().is_err());
        assert!(Message::new(&[("", "x")], Bytes::new()).encode().is_err());
        assert!(Message::new(&[("a", &"x".repeat(40_000))], Bytes::new()).encode().is_err());
        let payload = Bytes::from(vec![0; PAYLOAD_BYTES_MAX + 1]);
        assert_eq!(Message::new(&[], payload).encode(), Err(FrameError::TooLarge("payload")));
    }
}
