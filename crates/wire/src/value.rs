//! Values whose spelling depends on the protocol.
//!
//! | type | JSON | CBOR |
//! |---|---|---|
//! | [`Blob`] | base64 text | byte string |
//! | [`EpochTime`] | seconds with fraction | tag 1, epoch milliseconds |
//!
//! Reading is lenient where SDKs differ: base64 without padding, whole seconds, and in CBOR seconds
//! as a float.

use std::cell::RefCell;
use std::fmt;

use bytes::Bytes;
use headwater_base::Timestamp;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::codec::CBOR_EPOCH_MS;

/// Integers from here on are milliseconds in CBOR: as seconds they would lie past the year 5100,
/// as milliseconds before it lies nothing after 1973.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

/// Binary data: base64 text in JSON, a byte string in CBOR.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Blob(pub Bytes);

/// A moment: seconds with fraction in JSON, tagged epoch milliseconds in CBOR.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EpochTime(pub Timestamp);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&base64_simd::STANDARD.encode_to_string(&self.0))
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(BlobVisitor)
        } else {
            deserializer.deserialize_bytes(BlobVisitor)
        }
    }
}

struct BlobVisitor;

thread_local! {
    /// The body that is being read on this thread.
    static BODY: RefCell<Bytes> = const { RefCell::new(Bytes::new()) };
}

/// Has blobs that `read` finds as plain bytes of `body` be slices of it: records of CBOR producers are
/// not copied.
pub(crate) fn sharing<T>(body: &Bytes, read: impl FnOnce() -> T) -> T {
    let outer = BODY.replace(body.clone());
    let value = read();
    BODY.set(outer);
    value
}

/// The slice of the body that is being read, if `bytes` are part of it.
fn shared(bytes: &[u8]) -> Option<Bytes> {
    BODY.with_borrow(|body| {
        let (whole, part) = (body.as_ptr_range(), bytes.as_ptr_range());
        let is_part = !bytes.is_empty() && whole.start <= part.start && part.end <= whole.end;
        is_part.then(|| body.slice_ref(bytes))
    })
}

impl<'de> Visitor<'de> for BlobVisitor {
    type Value = Blob;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("base64 text or bytes")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Blob, E> {
        let strict = base64_simd::STANDARD.decode_to_vec(text.as_bytes());
        // The forgiving form also takes missing padding and white space, as AWS does.
        let bytes = strict.or_else(|_| base64_simd::forgiving_decode_to_vec(text.as_bytes()));
        bytes.map(|bytes| Blob(bytes.into())).map_err(|_| E::custom("a blob is not valid base64"))
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Blob, E> {
        Ok(Blob(shared(bytes).unwrap_or_else(|| Bytes::copy_from_slice(bytes))))
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Blob, E> {
        Ok(Blob(Bytes::copy_from_slice(bytes)))
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Blob, E> {
        Ok(Blob(bytes.into()))
    }
}

impl Serialize for EpochTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_f64(self.0.seconds())
        } else {
            serializer.serialize_newtype_struct(CBOR_EPOCH_MS, &self.0.ms())
        }
    }
}

impl<'de> Deserialize<'de> for EpochTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let milliseconds_possible = !deserializer.is_human_readable();
        deserializer.deserialize_any(TimeVisitor { milliseconds_possible })
    }
}

struct TimeVisitor {
    milliseconds_possible: bool,
}

impl Visitor<'_> for TimeVisitor {
    type Value = EpochTime;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time in seconds since 1970")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<EpochTime, E> {
        let is_ms = self.milliseconds_possible && number.unsigned_abs() >= MILLISECONDS_FROM as u64;
        let ms = if is_ms { Some(number) } else { number.checked_mul(1000) };
        ms.map(|ms| EpochTime(Timestamp::from_ms(ms))).ok_or_else(|| E::custom("a time is out of range"))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<EpochTime, E> {
        let number = i64::try_from(number).map_err(|_| E::custom("a time is out of range"))?;
        self.visit_i64(number)
    }

    fn visit_f64<E: Error>(self, seconds: f64) -> Result<EpochTime, E> {
        let ms = (seconds * 1000.0).round();
        // Beyond 2^53 a float names no millisecond; NaN fails the comparison, too.
        if ms.abs() <= 9_007_199_254_740_992.0 {
            return Ok(EpochTime(Timestamp::from_ms(ms as i64)));
        }
        Err(E::custom("a time is out of range"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Codec;
    use proptest::prelude::*;

    fn both_ways<T: Serialize + for<'a> Deserialize<'a> + PartialEq + fmt::Debug>(value: &T) {
        for codec in [Codec::Json11, Codec::Cbor] {
            let bytes = codec.encode(value).unwrap();
            assert_eq!(&codec.decode::<T>(&bytes).unwrap(), value, "{codec:?}");
        }
    }

    proptest! {
        #[test]
        fn blobs_survive_a_round_trip(bytes: Vec<u8>) {
            both_ways(&Blob(bytes.into()));
        }

        #[test]
        fn times_survive_a_round_trip(ms in 100_000_000_000i64..253_402_300_800_000) {
            both_ways(&EpochTime(Timestamp::from_ms(ms)));
        }
    }

    #[test]
    fn blobs_of_a_shared_body_are_not_copied() {
        let body = Codec::Cbor.encode(&Blob(vec![7; 1000].into())).unwrap();
        let read = || Codec::Cbor.decode::<Blob>(&body).unwrap().0;
        let slice = sharing(&body, read);
        assert_eq!(slice, vec![7; 1000]);
        assert!(body.as_ptr_range().contains(&slice.as_ptr()));
        assert!(!body.as_ptr_range().contains(&read().as_ptr()), "what follows is not shared any more");
        let other = Bytes::from_static(b"other");
        assert_eq!(sharing(&other, read), vec![7; 1000]);
    }

    #[test]
    fn times_are_read_in_every_spelling() {
        let second = EpochTime(Timestamp::from_ms(1_700_000_000_000));
        let half = EpochTime(Timestamp::from_ms(1_700_000_000_500));
        assert_eq!(Codec::Json11.decode::<EpochTime>(b"1700000000").unwrap(), second);
        assert_eq!(Codec::Json11.decode::<EpochTime>(b"1700000000.5").unwrap(), half);
        assert_eq!(Codec::Json11.decode::<EpochTime>(b"1.7e9").unwrap(), second);
        assert!(Codec::Json11.decode::<EpochTime>(b"1e300").is_err());
        // Tag 1 with milliseconds, tag 1 with a float of seconds, bare seconds.
        assert_eq!(
            Codec::Cbor.decode::<EpochTime>(&hex::decode("c11b0000018bcfe568f4").unwrap()).unwrap().0.ms(),
            1_700_000_000_244
        );
        assert_eq!(
            Codec::Cbor.decode::<EpochTime>(&hex::decode("c1fb41d954fc40200000").unwrap()).unwrap(),
            half
        );
        assert_eq!(Codec::Cbor.decode::<EpochTime>(&hex::decode("1a6553f100").unwrap()).unwrap(), second);
    }

    #[test]
    fn base64_without_padding_is_read_and_nonsense_is_not() {
        assert_eq!(Codec::Json11.decode::<Blob>(br#""aGk""#).unwrap().0, "hi");
        assert!(Codec::Json11.decode::<Blob>(br#""%%%""#).is_err());
    }
}
