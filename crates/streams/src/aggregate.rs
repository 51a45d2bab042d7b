//! Aggregated records: many user records that a Kinesis Producer Library put as one.
//!
//! A stream stores and serves them as they came; consumers take them apart themselves. Who makes
//! rows of records (Firehose) asks [`split`].
//!
//! **Layout.**
//! ```text
//! F3 89 9A C2 │ protobuf AggregatedRecord │ MD5 of the protobuf, 16 bytes
//!               1: partition key, repeated text
//!               2: explicit hash key, repeated text
//!               3: record, repeated: 1 index of its partition key, 2 of its hash key, 3 data, 4 tags
//! ```
//!
//! **Failure.** The bytes are a client's: splitting never panics, and takes memory in proportion to
//! them. What is not exactly an aggregate is none.

use bytes::Bytes;
use md5::{Digest, Md5};

const MAGIC: [u8; 4] = [0xF3, 0x89, 0x9A, 0xC2];
const DIGEST_BYTES: usize = 16;

/// A record as its producer's user put it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRecord {
    /// Its own partition key.
    pub partition_key: String,
    /// Its own explicit hash key, if it had one.
    pub explicit_hash_key: Option<String>,
    /// Its data, a part of the aggregate's.
    pub data: Bytes,
}

/// The user records in a record's data, in their order; `None` when the data is no aggregate, also
/// when it begins as one and is broken.
pub fn split(data: &Bytes) -> Option<Vec<UserRecord>> {
    let framed = data.strip_prefix(&MAGIC)?;
    let (message, digest) = framed.split_at_checked(framed.len().checked_sub(DIGEST_BYTES)?)?;
    if Md5::digest(message).as_slice() != digest {
        return None;
    }
    let (mut keys, mut hash_keys, mut records) = (Vec::new(), Vec::new(), Vec::new());
    let mut fields = Fields(message);
    while let Some(field) = fields.next()? {
        match field {
            (1, Wire::Bytes(text)) => keys.push(std::str::from_utf8(text).ok()?),
            (2, Wire::Bytes(text)) => hash_keys.push(std::str::from_utf8(text).ok()?),
            (3, Wire::Bytes(record)) => records.push(record),
            (1..=3, _) => return None,
            _ => {}
        }
    }
    let find = |keys: &[&str], index: u64| Some((*keys.get(usize::try_from(index).ok()?)?).to_owned());
    let user_record = |record: &&[u8]| {
        let Parts { key, hash_key, data: part } = Parts::read(record)?;
        Some(UserRecord {
            partition_key: find(&keys, key?)?,
            explicit_hash_key: match hash_key {
                Some(index) => Some(find(&hash_keys, index)?),
                None => None,
            },
            data: data.slice_ref(part?),
        })
    };
    records.iter().map(user_record).collect()
}

/// The members of a `record`.
#[derive(Default)]
struct Parts<'m> {
    key: Option<u64>,
    hash_key: Option<u64>,
    data: Option<&'m [u8]>,
}

impl<'m> Parts<'m> {
    fn read(message: &'m [u8]) -> Option<Self> {
        let mut parts = Self::default();
        let mut fields = Fields(message);
        while let Some(field) = fields.next()? {
            match field {
                (1, Wire::Number(index)) => parts.key = Some(index),
                (2, Wire::Number(index)) => parts.hash_key = Some(index),
                (3, Wire::Bytes(data)) => parts.data = Some(data),
                (1..=3, _) => return None,
                _ => {}
            }
        }
        Some(parts)
    }
}

/// A protobuf field's content.
enum Wire<'m> {
    Number(u64),
    Bytes(&'m [u8]),
    Other,
}

/// Reads a protobuf message field by field.
struct Fields<'m>(&'m [u8]);

impl<'m> Fields<'m> {
    /// The next field: `Some(None)` at the end, `None` where the bytes are no message.
    #[expect(clippy::option_option, reason = "an end and an error, in code of three lines")]
    fn next(&mut self) -> Option<Option<(u64, Wire<'m>)>> {
        if self.0.is_empty() {
            return Some(None);
        }
        let tag = self.varint()?;
        let content = match tag & 7 {
            0 => Wire::Number(self.varint()?),
            1 => self.take(8).map(|_| Wire::Other)?,
            2 => {
                let len = usize::try_from(self.varint()?).ok()?;
                Wire::Bytes(self.take(len)?)
            }
            5 => self.take(4).map(|_| Wire::Other)?,
            _ => return None,
        };
        Some(Some((tag >> 3, content)))
    }

    fn take(&mut self, len: usize) -> Option<&'m [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.take(1)?.first()?;
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                // The tenth byte has room for one bit.
                return (shift < 63 || byte <= 1).then_some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn varint(out: &mut Vec<u8>, mut number: u64) {
        while number >= 0x80 {
            out.push(number as u8 | 0x80);
            number >>= 7;
        }
        out.push(number as u8);
    }

    fn field(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
        varint(out, number << 3 | 2);
        varint(out, bytes.len() as u64);
        out.extend_from_slice(bytes);
    }

    fn framed(message: &[u8]) -> Bytes {
        [&MAGIC[..], message, &Md5::digest(message)].concat().into()
    }

    /// As a producer writes it: each key once.
    fn joined(records: &[UserRecord]) -> Bytes {
        let (mut keys, mut hash_keys) = (Vec::new(), Vec::new());
        let index = |keys: &mut Vec<String>, key: &String| {
            let at = keys.iter().position(|own| own == key);
            at.unwrap_or_else(|| {
                keys.push(key.clone());
                keys.len() - 1
            }) as u64
        };
        let mut bodies = Vec::new();
        for record in records {
            let mut body = vec![1 << 3];
            varint(&mut body, index(&mut keys, &record.partition_key));
            if let Some(key) = &record.explicit_hash_key {
                body.push(2 << 3);
                varint(&mut body, index(&mut hash_keys, key));
            }
            field(&mut body, 3, &record.data);
            bodies.push(body);
        }
        let mut message = Vec::new();
        keys.iter().for_each(|key| field(&mut message, 1, key.as_bytes()));
        hash_keys.iter().for_each(|key| field(&mut message, 2, key.as_bytes()));
        bodies.iter().for_each(|body| field(&mut message, 3, body));
        framed(&message)
    }

    fn user_record() -> impl Strategy<Value = UserRecord> {
        let hash_key = proptest::option::of("[1-9][0-9]{0,30}");
        ("[a-d]{0,3}", hash_key, any::<Vec<u8>>()).prop_map(|(partition_key, explicit_hash_key, data)| {
            UserRecord { partition_key, explicit_hash_key, data: data.into() }
        })
    }

    proptest! {
        #[test]
        fn what_was_joined_is_split(records in proptest::collection::vec(user_record(), 0..20)) {
            prop_assert_eq!(split(&joined(&records)), Some(records));
        }

        #[test]
        fn one_wrong_bit_makes_it_a_plain_record(
            records in proptest::collection::vec(user_record(), 1..5), at: prop::sample::Index, bit in 0..8u8,
        ) {
            let mut bytes = joined(&records).to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(split(&bytes.into()), None);
        }

        #[test]
        fn foreign_messages_never_panic(message: Vec<u8>) {
            let _ = split(&framed(&message));
            let _ = split(&message.into());
        }
    }

    #[test]
    fn a_known_aggregate() {
        // One key, two records, a tag that is passed over.
        let mut message = vec![0x0A, 1, b'k'];
        message.extend([0x1A, 5, 0x08, 0, 0x1A, 1, b'x', 0x1A, 9, 0x08, 0, 0x1A, 1, b'y', 0x22, 2, 0x0A, 0]);
        let records = split(&framed(&message)).unwrap();
        let data: Vec<&[u8]> = records.iter().map(|record| &record.data[..]).collect();
        assert_eq!(data, [b"x", b"y"]);
        assert_eq!(records[0].partition_key, "k");
    }

    #[test]
    fn an_index_to_nowhere_is_no_aggregate() {
        assert_eq!(split(&framed(&[0x0A, 1, b'k', 0x1A, 5, 0x08, 1, 0x1A, 1, b'x'])), None);
        assert_eq!(split(&framed(&[0x1A, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F])), None);
        assert_eq!(split(&Bytes::from_static(&MAGIC)), None);
        assert_eq!(split(&framed(&[])), Some(vec![]));
    }
}
