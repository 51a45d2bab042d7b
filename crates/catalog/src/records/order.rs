//! The order of partition values in keys.
//!
//! A value's type is its key's, which an update of the table may change; so the encoding looks at
//! the value alone. What is written like a whole number sorts by its size, all else by its letters:
//!
//! ```text
//! whole number   01  i64, big-endian, sign flipped
//! anything else  02  the text, 00 escaped, 00 00
//! ```
//!
//! Behind all values stand the spellings of those that are whole numbers (`7` and `07` are two
//! partitions), each closed with 00 00.
//!
//! So equality pins a key whatever its type, and ranges of numbers, dates and text are ranges of
//! keys.

/// The mark of whole numbers.
pub(crate) const NUMBER: u8 = 1;
/// The mark of everything else.
pub(crate) const TEXT: u8 = 2;

/// The values of one partition.
pub(crate) fn encode_all(out: &mut Vec<u8>, values: &[String]) {
    for value in values {
        encode(out, value);
    }
    for value in values.iter().filter(|value| whole_number(value).is_some()) {
        encode_open(out, value);
        out.extend_from_slice(&[0, 0]);
    }
}

/// Adds a value's place in the order.
pub(crate) fn encode(out: &mut Vec<u8>, value: &str) {
    match whole_number(value) {
        Some(number) => encode_number(out, number),
        None => {
            out.push(TEXT);
            encode_open(out, value);
            out.extend_from_slice(&[0, 0]);
        }
    }
}

/// Adds the part that all spellings of a whole number share.
pub(crate) fn encode_number(out: &mut Vec<u8>, number: i64) {
    out.push(NUMBER);
    out.extend_from_slice(&((number as u64) ^ (1 << 63)).to_be_bytes());
}

/// Adds text without its end: what all longer texts begin with, too.
pub(crate) fn encode_open(out: &mut Vec<u8>, text: &str) {
    for &byte in text.as_bytes() {
        out.push(byte);
        if byte == 0 {
            out.push(0xFF);
        }
    }
}

/// The number, if the text is one: digits, perhaps with a sign.
pub(crate) fn whole_number(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(value: &str) -> Vec<u8> {
        let mut out = Vec::new();
        encode_all(&mut out, &[value.to_owned()]);
        out
    }

    #[test]
    fn numbers_sort_by_size() {
        let mut values = vec!["10", "9", "-1", "007", "2026-01-02", "2026-01-01", "a", "7"];
        values.sort_by_key(|v| encoded(v));
        assert_eq!(values, ["-1", "007", "7", "9", "10", "2026-01-01", "2026-01-02", "a"]);
    }

    proptest! {
        #[test]
        fn partitions_never_share_a_key(a in proptest::collection::vec("[0a]{1,3}", 2), b in proptest::collection::vec("[0a]{1,3}", 2)) {
            let key = |values: &[String]| {
                let mut out = Vec::new();
                encode_all(&mut out, values);
                out
            };
            prop_assert_eq!(a == b, key(&a) == key(&b));
        }

        #[test]
        fn different_values_never_share_a_beginning(a in ".*", b in ".*") {
            if a != b {
                prop_assert!(!encoded(&a).starts_with(&encoded(&b)));
            }
        }

        #[test]
        fn order_follows_numbers(a: i64, b: i64) {
            if a != b {
                prop_assert_eq!(encoded(&a.to_string()).cmp(&encoded(&b.to_string())), a.cmp(&b));
            }
        }
    }
}
