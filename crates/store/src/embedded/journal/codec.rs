//! How one entry's effects become bytes and come back.
//!
//! **Layout** (little-endian): version u8 = 1, flags u8 (1 once, 2 wiped), time i64, \[token 16],
//! \[generation u64, kept u32, kept × (key, version u64, counter u8, value)], facts u32, facts ×
//! (kind u8: 0 deleted, 1 plain, 2 counter; key; \[value]), changes u32, changes × (kind u8: 1
//! created, 2 dropped, 3 trimmed, 4 appended; log u64; \[start i64]; \[base i64, count u32, length
//! u32, crc u32, payload]). A key is u16 length and bytes, a value u32 length and bytes.
//!
//! **Invariants.** Bytes from the disk never panic; lengths are checked before they are believed.

use bytes::Bytes;
use headwater_base::{OnceToken, Timestamp};

use crate::embedded::disk::crc32c;
use crate::sequencer::{Effects, FactEffect, LogEffect, Stored, Wiped};
use crate::{Key, LogId, Lsn};

const VERSION: u8 = 1;
const FLAG_ONCE: u8 = 1;
const FLAG_WIPED: u8 = 2;

/// Where an encoded batch's payload lies, relative to the buffer it was encoded into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    /// The payload's first byte.
    pub position: usize,
    /// Its checksum.
    pub crc: u32,
}

/// Appends the entry to `out` and says where its payloads went, in order.
pub(crate) fn encode(effects: &Effects, out: &mut Vec<u8>, placed: &mut Vec<Placed>) {
    let once = if effects.once.is_some() { FLAG_ONCE } else { 0 };
    let wiped = if effects.wiped.is_some() { FLAG_WIPED } else { 0 };
    out.extend_from_slice(&[VERSION, once | wiped]);
    out.extend_from_slice(&effects.time.ms().to_le_bytes());
    if let Some(token) = &effects.once {
        out.extend_from_slice(&token.0);
    }
    if let Some(wiped) = &effects.wiped {
        out.extend_from_slice(&wiped.generation.to_le_bytes());
        put_u32(out, wiped.kept.len());
        for (key, version, stored) in &wiped.kept {
            put_key(out, key);
            out.extend_from_slice(&version.0.to_le_bytes());
            out.push(u8::from(stored.counter));
            put_value(out, &stored.value);
        }
    }
    put_u32(out, effects.facts.len());
    for fact in &effects.facts {
        encode_fact(fact, out);
    }
    put_u32(out, effects.logs.len());
    for change in &effects.logs {
        encode_change(change, out, placed);
    }
}

fn encode_fact(fact: &FactEffect, out: &mut Vec<u8>) {
    out.push(fact.stored.as_ref().map_or(0, |stored| 1 + u8::from(stored.counter)));
    put_key(out, &fact.key);
    if let Some(stored) = &fact.stored {
        put_value(out, &stored.value);
    }
}

fn encode_change(change: &LogEffect, out: &mut Vec<u8>, placed: &mut Vec<Placed>) {
    let kind = match change {
        LogEffect::Created(_) => 1,
        LogEffect::Dropped(_) => 2,
        LogEffect::Trimmed(..) => 3,
        LogEffect::Appended { .. } => 4,
    };
    out.push(kind);
    out.extend_from_slice(&change.log().0.to_le_bytes());
    match change {
        LogEffect::Created(_) | LogEffect::Dropped(_) => {}
        LogEffect::Trimmed(_, start) => out.extend_from_slice(&start.to_le_bytes()),
        LogEffect::Appended { base_offset, count, payload, .. } => {
            let crc = crc32c(payload);
            out.extend_from_slice(&base_offset.to_le_bytes());
            out.extend_from_slice(&count.to_le_bytes());
            put_u32(out, payload.len());
            out.extend_from_slice(&crc.to_le_bytes());
            placed.push(Placed { position: out.len(), crc });
            out.extend_from_slice(payload);
        }
    }
}

fn put_u32(out: &mut Vec<u8>, n: usize) {
    out.extend_from_slice(&u32::try_from(n).expect("commits are at most 8 MiB").to_le_bytes());
}

fn put_key(out: &mut Vec<u8>, key: &Key) {
    out.extend_from_slice(&u16::try_from(key.len()).expect("keys are at most 8 KiB").to_le_bytes());
    out.extend_from_slice(key.as_bytes());
}

fn put_value(out: &mut Vec<u8>, value: &Bytes) {
    put_u32(out, value.len());
    out.extend_from_slice(value);
}

/// Reads an entry back; payloads and values are slices of `bytes`, and `placed` gets the position
/// of each payload in `bytes`. `None` when these are not the bytes of exactly one entry.
pub(crate) fn decode(lsn: Lsn, bytes: &Bytes, placed: &mut Vec<Placed>) -> Option<Effects> {
    let mut reader = Reader { bytes, at: 0 };
    if reader.u8()? != VERSION {
        return None;
    }
    let flags = reader.u8()?;
    let time = Timestamp::from_ms(reader.i64()?);
    let once = if flags & FLAG_ONCE != 0 { Some(OnceToken(reader.array()?)) } else { None };
    let wiped = if flags & FLAG_WIPED != 0 { Some(decode_wiped(&mut reader)?) } else { None };
    let count = reader.count()?;
    let mut facts = Vec::with_capacity(count);
    for _ in 0..count {
        facts.push(decode_fact(&mut reader)?);
    }
    let count = reader.count()?;
    let mut logs = Vec::with_capacity(count);
    for _ in 0..count {
        logs.push(decode_change(&mut reader, placed)?);
    }
    (reader.at == bytes.len()).then_some(Effects { lsn, time, once, facts, logs, wiped })
}

fn decode_wiped(reader: &mut Reader<'_>) -> Option<Wiped> {
    let generation = reader.u64()?;
    let count = reader.count()?;
    let mut kept = Vec::with_capacity(count);
    for _ in 0..count {
        let key = reader.key()?;
        let version = Lsn(reader.u64()?);
        let counter = reader.u8()? == 1;
        kept.push((key, version, Stored { value: reader.value()?, counter }));
    }
    Some(Wiped { generation, kept })
}

fn decode_fact(reader: &mut Reader<'_>) -> Option<FactEffect> {
    let kind = reader.u8()?;
    let key = reader.key()?;
    let stored = match kind {
        0 => None,
        1 | 2 => Some(Stored { value: reader.value()?, counter: kind == 2 }),
        _ => return None,
    };
    Some(FactEffect { key, stored })
}

fn decode_change(reader: &mut Reader<'_>, placed: &mut Vec<Placed>) -> Option<LogEffect> {
    let kind = reader.u8()?;
    let log = LogId(reader.u64()?);
    Some(match kind {
        1 => LogEffect::Created(log),
        2 => LogEffect::Dropped(log),
        3 => LogEffect::Trimmed(log, reader.i64()?),
        4 => {
            let base_offset = reader.i64()?;
            let count = reader.u32()?;
            let length = reader.u32()? as usize;
            let crc = reader.u32()?;
            placed.push(Placed { position: reader.at, crc });
            let payload = reader.slice(length)?;
            LogEffect::Appended { log, base_offset, count, payload }
        }
        _ => return None,
    })
}

/// Takes bytes from the front, never past the end.
struct Reader<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl Reader<'_> {
    fn slice(&mut self, length: usize) -> Option<Bytes> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len())?;
        let slice = self.bytes.slice(self.at..end);
        self.at = end;
        Some(slice)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let array = *self.bytes.get(self.at..)?.first_chunk::<N>()?;
        self.at += N;
        Some(array)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    /// A number of things of at least three bytes each: no more than could follow.
    fn count(&mut self) -> Option<usize> {
        let count = self.u32()? as usize;
        (count <= (self.bytes.len() - self.at) / 3).then_some(count)
    }

    fn key(&mut self) -> Option<Key> {
        let length = u16::from_le_bytes(self.array()?);
        self.slice(usize::from(length)).map(Key::from_bytes)
    }

    fn value(&mut self) -> Option<Bytes> {
        let length = self.u32()? as usize;
        self.slice(length)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Kind, batch_for_tests};

    fn stored() -> impl Strategy<Value = Stored> {
        (proptest::collection::vec(any::<u8>(), 0..20), any::<bool>())
            .prop_map(|(value, counter)| Stored { value: value.into(), counter })
    }

    fn key() -> impl Strategy<Value = Key> {
        (any::<u16>(), any::<String>()).prop_map(|(kind, part)| Key::of(Kind(kind)).str(&part).build())
    }

    fn change() -> impl Strategy<Value = LogEffect> {
        prop_oneof![
            any::<u64>().prop_map(|log| LogEffect::Created(LogId(log))),
            any::<u64>().prop_map(|log| LogEffect::Dropped(LogId(log))),
            any::<(u64, i64)>().prop_map(|(log, start)| LogEffect::Trimmed(LogId(log), start)),
            (any::<(u64, i64)>(), 1_u32..9, any::<Vec<u8>>()).prop_map(
                |((log, base_offset), count, body)| {
                    LogEffect::Appended {
                        log: LogId(log),
                        base_offset,
                        count,
                        payload: batch_for_tests(count, &body),
                    }
                }
            ),
        ]
    }

    fn effects() -> impl Strategy<Value = Effects> {
        let fact =
            (key(), proptest::option::of(stored())).prop_map(|(key, stored)| FactEffect { key, stored });
        let kept =
            (key(), any::<u64>(), stored()).prop_map(|(key, version, stored)| (key, Lsn(version), stored));
        let wiped = (any::<u64>(), proptest::collection::vec(kept, 0..4))
            .prop_map(|(generation, kept)| Wiped { generation, kept });
        (
            any::<(u64, i64)>(),
            proptest::option::of(any::<[u8; 16]>().prop_map(OnceToken)),
            proptest::collection::vec(fact, 0..6),
            proptest::collection::vec(change(), 0..6),
            proptest::option::of(wiped),
        )
            .prop_map(|((lsn, time), once, facts, logs, wiped)| Effects {
                lsn: Lsn(lsn),
                time: Timestamp::from_ms(time),
                once,
                facts,
                logs,
                wiped,
            })
    }

    proptest! {
        #[test]
        fn entries_read_back(effects in effects()) {
            let (mut bytes, mut placed, mut found) = (Vec::new(), Vec::new(), Vec::new());
            encode(&effects, &mut bytes, &mut placed);
            let bytes = Bytes::from(bytes);
            prop_assert_eq!(decode(effects.lsn, &bytes, &mut found), Some(effects.clone()));
            prop_assert_eq!(&placed, &found);
            let payloads = effects.logs.iter().filter_map(|change| match change {
                LogEffect::Appended { payload, .. } => Some(payload),
                _ => None,
            });
            for (payload, place) in payloads.zip(placed) {
                prop_assert_eq!(payload, &bytes.slice(place.position..place.position + payload.len()));
                prop_assert_eq!(crc32c(payload), place.crc);
            }
        }

        #[test]
        fn a_cut_entry_is_none(effects in effects(), cut: prop::sample::Index) {
            let mut bytes = Vec::new();
            encode(&effects, &mut bytes, &mut Vec::new());
            let bytes = Bytes::from(bytes);
            let short = bytes.slice(..cut.index(bytes.len()));
            prop_assert_eq!(decode(effects.lsn, &short, &mut Vec::new()), None);
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = decode(Lsn(1), &Bytes::from(bytes), &mut Vec::new());
        }
    }

    #[test]
    fn the_bytes_of_version_1() {
        let effects = Effects {
            lsn: Lsn(7),
            time: Timestamp::from_ms(0x0102_0304),
            once: Some(OnceToken([0xAA; 16])),
            facts: vec![
                FactEffect { key: Key::of(Kind(0x0f00)).u32(1).build(), stored: None },
                FactEffect {
                    key: Key::of(Kind(0x0f00)).u32(2).build(),
                    stored: Some(Stored { value: "hi".into(), counter: false }),
                },
            ],
            logs: vec![
                LogEffect::Created(LogId(5)),
                LogEffect::Appended {
                    log: LogId(5),
                    base_offset: 3,
                    count: 2,
                    payload: Bytes::from_static(b"abc"),
                },
            ],
            wiped: None,
        };
        let mut bytes = Vec::new();
        encode(&effects, &mut bytes, &mut Vec::new());
        let golden = [
            &[1, 1, 4, 3, 2, 1, 0, 0, 0, 0][..],
            &[0xAA; 16],
            &[2, 0, 0, 0],
            &[0, 6, 0, 0x0f, 0, 0, 0, 0, 1],
            &[1, 6, 0, 0x0f, 0, 0, 0, 0, 2, 2, 0, 0, 0, b'h', b'i'],
            &[2, 0, 0, 0],
            &[1, 5, 0, 0, 0, 0, 0, 0, 0],
            &[4, 5, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0],
            &crc32c(b"abc").to_le_bytes(),
            b"abc",
        ]
        .concat();
        assert_eq!(bytes, golden);
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
    }
}
