//! Sequence numbers: where a record is, as 56 decimal digits. Kinesis answers them, and the dead
//! letters of deliveries carry them.
//!
//! **Layout**, in hexadecimal digits, the number that AWS' own have turned out to be:
//!
//! ```text
//! 2 | shard created, s (9) | shard index, low digit (1) | offset (16) | 00 | appended, s (9) | shard index (8) | 2
//! ```
//!
//! The offset stands before everything that varies within a shard, so numbers order as offsets do
//! and lead to a record without an index. A shard's starting number has offset 0 and the time the
//! shard was created (later than its parents by a second at least, so that a child's numbers are
//! greater than theirs); a closed shard's ending number has the greatest offset there is. A record's
//! time is written as at least a second after the shard's, so that no record has the starting number
//! and `AFTER_SEQUENCE_NUMBER` the start never skips one.
//!
//! A position between records, as a subscription's events give it, ends with 1 instead of 2 and has
//! the offset and, as time, the moment when it was told: it is greater than the number of the record
//! before it, less than that of the record after it, and grows while nothing is put. Reading at it
//! and reading after it are the same.

use std::fmt;

use headwater_base::Timestamp;

use crate::{Placed, Shard};

/// The most decimal digits of a number that may be a sequence number: 188 bits have 57.
const DIGITS_MAX: usize = 57;

/// A decoded sequence number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SequenceNumber {
    /// Index of the shard.
    pub shard: u32,
    /// When the shard was created, in seconds.
    pub shard_created_secs: u64,
    /// The record's offset.
    pub offset: i64,
    /// When it was appended, in seconds; see the module's notes.
    pub time_secs: u64,
    /// Whether it is the position before the record at the offset, not the record.
    pub is_position: bool,
}

impl SequenceNumber {
    /// The number of the record at `offset`.
    pub fn of_record(shard: &Shard, offset: i64, appended: Timestamp) -> Self {
        Self::start_of(shard).at(offset, appended)
    }

    /// The number of a record that was put.
    pub fn of_placed(placed: &Placed) -> Self {
        Self::start(placed.shard, placed.shard_created).at(placed.offset, placed.append_time)
    }

    /// The number before the shard's first record.
    pub fn start_of(shard: &Shard) -> Self {
        Self::start(shard.index, shard.created)
    }

    /// The position before the record at `offset`, as of `now`.
    pub fn of_position(shard: &Shard, offset: i64, now: Timestamp) -> Self {
        Self { is_position: true, ..Self::of_record(shard, offset, now) }
    }

    /// The number after the last record of a shard that was closed then: greater than any record's,
    /// as AWS writes it.
    pub fn end_of(shard: &Shard, closed: Timestamp) -> Self {
        Self::of_record(shard, i64::MAX, closed)
    }

    fn start(shard: u32, created: Timestamp) -> Self {
        let shard_created_secs = seconds(created);
        let time_secs = shard_created_secs;
        Self { shard, shard_created_secs, offset: 0, time_secs, is_position: false }
    }

    fn at(self, offset: i64, appended: Timestamp) -> Self {
        Self { offset, time_secs: seconds(appended).max(self.shard_created_secs + 1), ..self }
    }

    /// Whether this is the number a shard starts with, rather than a record's.
    pub fn is_start(&self) -> bool {
        self.offset == 0 && self.time_secs == self.shard_created_secs
    }

    /// Reads the decimal digits; `None` when they are not a sequence number of this layout.
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() || text.len() > DIGITS_MAX || text.starts_with('0') {
            return None;
        }
        let mut number = Wide::default();
        for byte in text.bytes() {
            number.push_digit(byte.checked_sub(b'0').filter(|digit| *digit < 10)?)?;
        }
        let parsed = Self {
            shard: u32::try_from(number.take(4, 32)).ok()?,
            shard_created_secs: number.take(148, 36),
            offset: i64::try_from(number.take(80, 64)).ok()?,
            time_secs: number.take(36, 36),
            is_position: number.take(0, 4) == POSITION,
        };
        (parsed.wide() == number).then_some(parsed)
    }

    /// The decimal digits.
    pub fn text(&self) -> SequenceText {
        self.wide().text()
    }

    fn wide(&self) -> Wide {
        let mut number = Wide::default();
        number.put(0, if self.is_position { POSITION } else { RECORD });
        number.put(4, u64::from(self.shard));
        number.put(36, self.time_secs & SECONDS_MASK);
        number.put(80, self.offset as u64);
        number.put(144, u64::from(self.shard & 0xF));
        number.put(148, self.shard_created_secs & SECONDS_MASK);
        number.put(184, 2);
        number
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
    }
}

const SECONDS_MASK: u64 = (1 << 36) - 1;

/// The last hexadecimal digit of a record's number, and of a position's.
const RECORD: u64 = 2;
const POSITION: u64 = 1;

fn seconds(time: Timestamp) -> u64 {
    (time.ms() / 1000).max(0) as u64 & SECONDS_MASK
}

/// The digits of a sequence number, without an allocation.
#[derive(Clone, Copy, Debug)]
pub struct SequenceText {
    digits: [u8; DIGITS_MAX],
    from: usize,
}

impl SequenceText {
    /// The digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.digits[self.from..]).expect("decimal digits")
    }
}

/// A number of 192 bits, least significant word first.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Wide([u64; 3]);

impl Wide {
    /// Sets bits that are zero so far.
    fn put(&mut self, at: u32, value: u64) {
        let (word, shift) = ((at / 64) as usize, at % 64);
        self.0[word] |= value << shift;
        if shift > 0 && word < 2 {
            self.0[word + 1] |= value >> (64 - shift);
        }
    }

    fn take(&self, at: u32, bits: u32) -> u64 {
        let (word, shift) = ((at / 64) as usize, at % 64);
        let mut value = self.0[word] >> shift;
        if shift > 0 && word < 2 {
            value |= self.0[word + 1] << (64 - shift);
        }
        if bits == 64 { value } else { value & ((1 << bits) - 1) }
    }

    /// Times ten plus a digit; `None` when that is too much.
    fn push_digit(&mut self, digit: u8) -> Option<()> {
        let mut carry = u128::from(digit);
        for word in &mut self.0 {
            let value = u128::from(*word) * 10 + carry;
            *word = value as u64;
            carry = value >> 64;
        }
        (carry == 0).then_some(())
    }

    fn text(mut self) -> SequenceText {
        const CHUNK: u128 = 10_000_000_000_000_000_000;
        let mut digits = [b'0'; DIGITS_MAX];
        let mut end = DIGITS_MAX;
        for _ in 0..DIGITS_MAX / 19 {
            let mut rest = 0u128;
            for word in self.0.iter_mut().rev() {
                let value = rest << 64 | u128::from(*word);
                *word = (value / CHUNK) as u64;
                rest = value % CHUNK;
            }
            let mut chunk = rest as u64;
            for digit in digits[end - 19..end].iter_mut().rev() {
                *digit = b'0' + (chunk % 10) as u8;
                chunk /= 10;
            }
            end -= 19;
        }
        let from = digits.iter().position(|digit| *digit != b'0').unwrap_or(DIGITS_MAX - 1);
        SequenceText { digits, from }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::HashKey;

    fn shard(index: u32, created_ms: i64) -> Shard {
        Shard {
            index,
            log: headwater_store::LogId(1),
            hash_first: HashKey(0),
            hash_last: HashKey(u128::MAX),
            created: Timestamp::from_ms(created_ms),
            opened: Timestamp::from_ms(created_ms),
            parent: None,
            adjacent_parent: None,
            closed: None,
            closed_at: None,
        }
    }

    proptest! {
        #[test]
        fn numbers_survive_a_round_trip(
            index: u32, created in 0u64..1 << 36, offset in 0..i64::MAX, time in 0u64..1 << 36, is_position: bool,
        ) {
            let number = SequenceNumber {
                shard: index,
                shard_created_secs: created,
                offset,
                time_secs: time,
                is_position,
            };
            prop_assert_eq!(SequenceNumber::parse(&number.to_string()), Some(number));
        }

        #[test]
        fn foreign_text_never_panics(text: String, digits in "[0-9]{0,60}") {
            let _ = SequenceNumber::parse(&text);
            if let Some(number) = SequenceNumber::parse(&digits) {
                prop_assert_eq!(number.to_string(), digits);
            }
        }

        #[test]
        fn numbers_order_as_offsets_whatever_the_clock_said(
            index in 0u32..5000, a in 0..i64::MAX, b in 0..i64::MAX, times: (u32, u32),
        ) {
            let shard = shard(index, 1_700_000_000_000);
            let at = |secs: u32| Timestamp::from_ms(1_700_000_000_000 + i64::from(secs) * 1000);
            let texts = [(a, times.0), (b, times.1)]
                .map(|(offset, secs)| SequenceNumber::of_record(&shard, offset, at(secs)).to_string());
            if a != b {
                prop_assert_eq!(a.cmp(&b), texts[0].cmp(&texts[1]));
            }
            prop_assert!(SequenceNumber::start_of(&shard).to_string() < texts[0]);
        }

        #[test]
        fn positions_lie_between_the_records(
            offset in 0..i64::MAX - 1, put in 0i64..1 << 40, told in 0i64..1 << 40, later in 0i64..100_000,
        ) {
            let shard = shard(3, 1_700_000_000_000);
            let at = |ms: i64| Timestamp::from_ms(1_700_000_000_000 + ms);
            let before = SequenceNumber::of_record(&shard, offset, at(put)).to_string();
            let position = SequenceNumber::of_position(&shard, offset + 1, at(told)).to_string();
            let moved_on = SequenceNumber::of_position(&shard, offset + 1, at(told + later)).to_string();
            let after = SequenceNumber::of_record(&shard, offset + 1, at(told + later)).to_string();
            prop_assert!(before < position && position < after);
            prop_assert!(position <= moved_on && moved_on < after);
            prop_assert_eq!(position == moved_on, (told + later) / 1000 == told / 1000 || told + later < 2000);
        }
    }

    #[test]
    fn numbers_look_like_those_of_aws() {
        let shard = shard(1, 1_700_000_000_123);
        let number = SequenceNumber::of_record(&shard, 42, Timestamp::from_ms(1_700_000_007_000));
        assert_eq!(number.to_string(), GOLDEN);
        assert_eq!(number.to_string().len(), 56);
        assert!(!number.is_start());
    }

    const GOLDEN: &str = "49646437577130777162115407029018240028281892944155246610";

    #[test]
    fn no_record_has_the_number_a_shard_starts_with() {
        let shard = shard(0, 1_700_000_000_999);
        let first = SequenceNumber::of_record(&shard, 0, shard.created);
        assert!(SequenceNumber::start_of(&shard).is_start());
        assert!(!first.is_start());
        assert!(first.to_string() > SequenceNumber::start_of(&shard).to_string());
    }
}
