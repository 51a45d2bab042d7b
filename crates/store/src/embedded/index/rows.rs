//! What stands in the index's rows. The layout is part of the store's format.
//!
//! **Invariants.** Bytes from the disk never panic; lengths are checked before they are believed.

use bytes::Bytes;
use headwater_base::{OnceToken, Timestamp};

use super::{Applied, Mark, corrupt};
use crate::sequencer::{LogState, Remembered, Stored};
use crate::{Appended, Key, Kind, LogId, Lsn, StoreError};

/// Bytes of a row before its value.
const ROW_HEADER_BYTES: usize = 9;

impl Applied {
    pub(super) fn encode(self) -> Vec<u8> {
        [self.lsn.0.to_le_bytes(), self.generation.to_le_bytes()].concat()
    }

    pub(super) fn decode(row: &[u8]) -> Option<Self> {
        let (lsn, generation) = row.split_first_chunk()?;
        let generation = u64::from_le_bytes(generation.try_into().ok()?);
        Some(Self { lsn: Lsn(u64::from_le_bytes(*lsn)), generation })
    }
}

pub(super) fn generation_prefix(generation: u64) -> [u8; 4] {
    let generation = u32::try_from(generation).ok().filter(|generation| *generation < u32::MAX);
    generation.expect("a store is wiped less than four billion times").to_be_bytes()
}

pub(super) fn row_key(generation: u64, key: &Key) -> Vec<u8> {
    [&generation_prefix(generation)[..], key.as_bytes()].concat()
}

pub(super) fn state_key(kind: u16, number: u64) -> Vec<u8> {
    Key::of(Kind(kind)).u64(number).build().as_bytes().to_vec()
}

pub(super) fn state_number(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(*key.get(2..)?.first_chunk()?))
}

pub(super) fn row(version: Lsn, stored: &Stored) -> Vec<u8> {
    let mut row = Vec::with_capacity(ROW_HEADER_BYTES + stored.value.len());
    row.extend_from_slice(&version.0.to_le_bytes());
    row.push(u8::from(stored.counter));
    row.extend_from_slice(&stored.value);
    row
}

pub(super) fn decode_row(row: &[u8]) -> Result<(Lsn, Stored), StoreError> {
    let (header, value) =
        row.split_first_chunk::<ROW_HEADER_BYTES>().ok_or_else(|| corrupt("a fact's row"))?;
    let [a, b, c, d, e, f, g, h, counter] = *header;
    let version = Lsn(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    Ok((version, Stored { value: Bytes::copy_from_slice(value), counter: counter == 1 }))
}

pub(super) fn encode_mark(mark: &Mark) -> Vec<u8> {
    [mark.lsn.0.to_le_bytes(), mark.time.ms().to_le_bytes(), mark.generation.to_le_bytes()].concat()
}

pub(super) fn decode_mark(row: &[u8]) -> Option<Mark> {
    let (numbers, []) = row.as_chunks::<8>() else { return None };
    let [lsn, time, generation] = *numbers else { return None };
    Some(Mark {
        lsn: Lsn(u64::from_le_bytes(lsn)),
        time: Timestamp::from_ms(i64::from_le_bytes(time)),
        generation: u64::from_le_bytes(generation),
        ..Mark::default()
    })
}

pub(super) fn encode_log(state: Option<&LogState>) -> Vec<u8> {
    let Some(state) = state else { return Vec::new() };
    [state.start.to_le_bytes(), state.end.to_le_bytes(), state.last_append_time.ms().to_le_bytes()].concat()
}

pub(super) fn decode_log(key: &[u8], row: &[u8]) -> Option<(LogId, Option<LogState>)> {
    let log = LogId(state_number(key)?);
    if row.is_empty() {
        return Some((log, None));
    }
    let (numbers, []) = row.as_chunks::<8>() else { return None };
    let [start, end, time] = *numbers else { return None };
    let (start, end) = (i64::from_le_bytes(start), i64::from_le_bytes(end));
    let last_append_time = Timestamp::from_ms(i64::from_le_bytes(time));
    Some((log, Some(LogState { start, end, last_append_time })))
}

/// Newest time i64, generation u64, then per token: token 16, LSN u64, time i64, appends u32 × (log u64, base i64,
/// count u32).
pub(super) fn encode_once(generation: u64, chunk: &[(OnceToken, Remembered)]) -> Vec<u8> {
    let newest = chunk.last().map_or(0, |(_, outcome)| outcome.time.ms());
    let mut row = newest.to_le_bytes().to_vec();
    row.extend_from_slice(&generation.to_le_bytes());
    for (token, outcome) in chunk {
        row.extend_from_slice(&token.0);
        row.extend_from_slice(&outcome.lsn.0.to_le_bytes());
        row.extend_from_slice(&outcome.time.ms().to_le_bytes());
        row.extend_from_slice(&(outcome.appended.len() as u32).to_le_bytes());
        for appended in &outcome.appended {
            row.extend_from_slice(&appended.log.0.to_le_bytes());
            row.extend_from_slice(&appended.base_offset.to_le_bytes());
            row.extend_from_slice(&appended.count.to_le_bytes());
        }
    }
    row
}

pub(super) fn once_header(row: &[u8]) -> Option<(i64, u64)> {
    let mut rest = row;
    Some((i64::from_le_bytes(take(&mut rest)?), u64::from_le_bytes(take(&mut rest)?)))
}

/// The generation and the tokens of a chunk.
pub(super) fn decode_once(row: &[u8]) -> Option<(u64, Vec<(OnceToken, Remembered)>)> {
    let (_, generation) = once_header(row)?;
    let mut rest = &row[16..];
    let mut found = Vec::new();
    while !rest.is_empty() {
        let token = OnceToken(take(&mut rest)?);
        let lsn = Lsn(u64::from_le_bytes(take(&mut rest)?));
        let time = Timestamp::from_ms(i64::from_le_bytes(take(&mut rest)?));
        let count = u32::from_le_bytes(take(&mut rest)?) as usize;
        let mut appended = Vec::with_capacity(count.min(rest.len() / 20));
        for _ in 0..count {
            let log = LogId(u64::from_le_bytes(take(&mut rest)?));
            let base_offset = i64::from_le_bytes(take(&mut rest)?);
            let count = u32::from_le_bytes(take(&mut rest)?);
            appended.push(Appended { log, base_offset, count });
        }
        found.push((token, Remembered { lsn, time, appended: appended.into() }));
    }
    Some((generation, found))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kinds;

    #[test]
    fn the_bytes_of_version_1() {
        let stored = Stored { value: "hi".into(), counter: true };
        assert_eq!(row(Lsn(0x0102), &stored), b"\x02\x01\0\0\0\0\0\0\x01hi");
        assert_eq!(row_key(3, &Key::of(Kind(0x0f00)).u32(1).build()), b"\0\0\0\x03\x0f\0\0\0\0\x01");
        assert_eq!(state_key(kinds::LOG, 5), b"\0\x02\0\0\0\0\0\0\0\x05");
        let log = LogState { start: 1, end: 2, last_append_time: Timestamp::from_ms(3) };
        assert_eq!(encode_log(Some(&log)), b"\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0");
        let mark = Mark { lsn: Lsn(9), time: Timestamp::from_ms(4), generation: 2, ..Mark::default() };
        assert_eq!(encode_mark(&mark), b"\x09\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0");
        assert_eq!(Applied { lsn: Lsn(9), generation: 1 }.encode(), b"\x09\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0");
    }

    proptest! {
        #[test]
        fn rows_read_back(version: u64, counter: bool, value: Vec<u8>) {
            let stored = Stored { value: value.into(), counter };
            prop_assert_eq!(decode_row(&row(Lsn(version), &stored)).unwrap(), (Lsn(version), stored));
        }

        #[test]
        fn tokens_read_back(tokens in proptest::collection::vec(any::<([u8; 16], u64, i64, Vec<(u64, i64, u32)>)>(), 0..5)) {
            let chunk: Vec<_> = tokens.into_iter().map(|(token, lsn, time, appended)| {
                let place = |(log, base_offset, count)| Appended { log: LogId(log), base_offset, count };
                let appended = appended.into_iter().map(place).collect();
                (OnceToken(token), Remembered { lsn: Lsn(lsn), time: Timestamp::from_ms(time), appended })
            }).collect();
            prop_assert_eq!(decode_once(&encode_once(7, &chunk)), Some((7, chunk)));
        }

        #[test]
        fn logs_read_back(log: u64, state: Option<(i64, i64, i64)>) {
            let state = state.map(|(start, end, time)| {
                LogState { start, end, last_append_time: Timestamp::from_ms(time) }
            });
            let row = encode_log(state.as_ref());
            prop_assert_eq!(decode_log(&state_key(kinds::LOG, log), &row), Some((LogId(log), state)));
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = (decode_row(&bytes).is_ok(), decode_once(&bytes), decode_log(&bytes, &bytes));
            let _ = (decode_mark(&bytes).is_some(), Applied::decode(&bytes));
        }
    }
}
