//! Single values as records and text files write them, to what columns hold.

use crate::moment;

/// A whole number, also when written as `12.0` or `1.2e3`.
pub(super) fn integer(text: &str) -> Option<i64> {
    if let Ok(whole) = text.parse() {
        return Some(whole);
    }
    let number: f64 = text.parse().ok()?;
    // Past 2^53 a double no longer tells neighbours apart.
    (number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0).then_some(number as i64)
}

pub(super) fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") || text == "1" {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") || text == "0" {
        Some(false)
    } else {
        None
    }
}

pub(super) fn timestamp(text: &str) -> Option<i64> {
    moment::timestamp_micros_of_text(text)
        .or_else(|| text.parse().ok().and_then(moment::timestamp_micros_of_integer))
        .or_else(|| text.parse().ok().and_then(moment::timestamp_micros_of_float))
}

/// The unscaled value of a decimal; digits past the scale are rounded half away from zero.
pub(super) fn decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    // How many of the digits, after the point was moved, come before the unscaled value's end.
    let kept = i64::try_from(whole.len()).ok()? + i64::from(exponent) + i64::from(scale);
    let mut value: i128 = 0;
    let mut round_up = false;
    for (at, digit) in whole.bytes().chain(fraction.bytes()).enumerate() {
        let digit = char::from(digit).to_digit(10)?;
        let at = i64::try_from(at).ok()?;
        if at < kept {
            value = value.checked_mul(10)?.checked_add(i128::from(digit))?;
        } else if at == kept {
            round_up = digit >= 5;
        }
    }
    let digits = i64::try_from(whole.len() + fraction.len()).ok()?;
    if value != 0 && kept > digits {
        value = value.checked_mul(10_i128.checked_pow(u32::try_from(kept - digits).ok()?)?)?;
    }
    value = value.checked_add(i128::from(round_up))?;
    (value < 10_i128.pow(u32::from(precision))).then_some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        assert_eq!(decimal("12.345", 10, 2), Some(1235));
        assert_eq!(decimal("-12.344", 10, 2), Some(-1234));
        assert_eq!(decimal("1.2e3", 10, 2), Some(120_000));
        assert_eq!(decimal("125e-3", 10, 2), Some(13));
        assert_eq!(decimal("0.005", 10, 2), Some(1));
        assert_eq!(decimal("0.0004", 10, 2), Some(0));
        assert_eq!(decimal("99.995", 4, 2), None);
        assert_eq!(decimal("1e400", 38, 0), None);
        assert_eq!(decimal("0e400", 38, 0), Some(0));
        assert_eq!(decimal("99999999999999999999999999999999999999", 38, 0), Some(10_i128.pow(38) - 1));
        for text in ["", ".", "-", "1x", "e5", "--1"] {
            assert_eq!(decimal(text, 10, 2), None, "{text}");
        }
    }

    #[test]
    fn whole_numbers_may_be_written_with_a_point() {
        assert_eq!(integer("12.0"), Some(12));
        assert_eq!(integer("1e3"), Some(1000));
        assert_eq!(integer("12.5"), None);
        assert_eq!(integer("9223372036854775807"), Some(i64::MAX));
        assert_eq!(integer("9223372036854775808"), None);
    }
}
