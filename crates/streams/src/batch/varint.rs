//! Zig-zag variable-length integers, as Kafka writes them.

use super::BatchError;

/// Appends a 32- or 64-bit value; both have the same encoding.
pub(super) fn put(out: &mut Vec<u8>, value: i64) {
    let mut bits = zigzag(value);
    while bits >= 0x80 {
        out.push(bits as u8 | 0x80);
        bits >>= 7;
    }
    out.push(bits as u8);
}

/// How many bytes [`put`] appends.
pub(super) fn len(value: i64) -> usize {
    let bits = 64 - (zigzag(value) | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// Reads a value at `*at` and moves past it.
pub(super) fn get(bytes: &[u8], at: &mut usize) -> Result<i64, BatchError> {
    let mut bits = 0u64;
    for shift in (0..70).step_by(7) {
        let byte = *bytes.get(*at).ok_or(BatchError("a number is cut off"))?;
        *at += 1;
        bits |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            if shift == 63 && byte > 1 {
                break;
            }
            return Ok((bits >> 1) as i64 ^ -((bits & 1) as i64));
        }
    }
    Err(BatchError("a number is too long"))
}

/// Reads a value that must fit 32 bits.
pub(super) fn get_i32(bytes: &[u8], at: &mut usize) -> Result<i32, BatchError> {
    i32::try_from(get(bytes, at)?).map_err(|_| BatchError("a number is out of range"))
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_survive_a_round_trip(value: i64) {
            let mut out = Vec::new();
            put(&mut out, value);
            prop_assert_eq!(out.len(), len(value));
            let mut at = 0;
            prop_assert_eq!(get(&out, &mut at).unwrap(), value);
            prop_assert_eq!(at, out.len());
        }
    }

    #[test]
    fn the_edges_are_as_kafka_writes_them() {
        for (value, bytes) in [(0, &[0][..]), (-1, &[1]), (1, &[2]), (-64, &[0x7F]), (64, &[0x80, 1])] {
            let mut out = Vec::new();
            put(&mut out, value);
            assert_eq!(out, bytes, "{value}");
        }
        assert_eq!(len(i64::MIN), 10);
        assert!(get(&[0xFF; 11], &mut 0).is_err());
        assert!(get(&[0x80], &mut 0).is_err());
        assert!(get_i32(&[0xFF, 0xFF, 0xFF, 0xFF, 0x7F], &mut 0).is_err());
    }
}
