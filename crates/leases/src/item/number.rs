//! Decimal numbers of up to 38 digits, exact: what `N` holds.
//!
//! **Invariants.** The coefficient has no trailing zeros and at most 38 digits; zero has one form.
//! So equal numbers are equal bit by bit, however they were spelled.

use std::cmp::Ordering;
use std::fmt;

/// The most significant digits a number may have.
const DIGITS_MAX: u32 = 38;
/// The decimal exponent of the leading digit lies between these.
const MAGNITUDE_MAX: i32 = 125;
const MAGNITUDE_MIN: i32 = -130;
/// The longest spelling that is read; what is longer has more digits than a number may have.
const TEXT_BYTES_MAX: usize = 400;

/// A decimal number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Number {
    negative: bool,
    /// Below 10^38, without trailing zeros.
    coefficient: u128,
    exponent: i32,
}

/// Why a text or a result is no number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NumberError {
    #[error("The parameter cannot be converted to a numeric value: {0}")]
    NotANumber(String),
    #[error("Attempting to store more than 38 significant digits in a Number")]
    TooPrecise,
    #[error("Number overflow. Attempting to store a number with magnitude larger than supported range")]
    TooLarge,
    #[error("Number underflow. Attempting to store a number with magnitude smaller than supported range")]
    TooSmall,
}

impl Number {
    /// Reads a decimal number, with or without fraction and exponent.
    pub(crate) fn parse(text: &str) -> Result<Self, NumberError> {
        let refuse = || NumberError::NotANumber(text.chars().take(100).collect());
        if text.len() > TEXT_BYTES_MAX {
            return Err(NumberError::TooPrecise);
        }
        let (negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, power) = match unsigned.find(['e', 'E']) {
            Some(at) => (&unsigned[..at], unsigned[at + 1..].parse::<i32>().map_err(|_| refuse())?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if whole.len() + fraction.len() == 0 || !all_digits(whole) || !all_digits(fraction) {
            return Err(refuse());
        }
        let digits = format!("{whole}{fraction}");
        let significant = digits.trim_start_matches('0').trim_end_matches('0');
        if significant.is_empty() {
            return Ok(Self::default());
        }
        if significant.len() > DIGITS_MAX as usize {
            return Err(NumberError::TooPrecise);
        }
        let trailing = digits.len() - digits.trim_end_matches('0').len();
        let coefficient = significant.parse().expect("38 digits fit in a u128");
        let exponent = i64::from(power) - fraction.len() as i64 + trailing as i64;
        Self::checked(negative, coefficient, exponent)
    }

    /// From the parts a record holds; `None` when they are no number's.
    pub(crate) fn from_parts(negative: bool, coefficient: u128, exponent: i32) -> Option<Self> {
        let number = Self::checked(negative, coefficient, exponent.into()).ok()?;
        (number.parts() == (negative, coefficient, exponent)).then_some(number)
    }

    /// Sign, coefficient and decimal exponent.
    pub(crate) fn parts(&self) -> (bool, u128, i32) {
        (self.negative, self.coefficient, self.exponent)
    }

    /// The sum, if it has at most 38 digits.
    pub(crate) fn plus(&self, other: &Self) -> Result<Self, NumberError> {
        if self.coefficient == 0 || other.coefficient == 0 {
            return Ok(if self.coefficient == 0 { *other } else { *self });
        }
        let exponent = self.exponent.min(other.exponent);
        let (a, b) = (self.scaled(exponent)?, other.scaled(exponent)?);
        let sum = a.checked_add(b).ok_or(NumberError::TooPrecise)?;
        Self::normal(sum < 0, sum.unsigned_abs(), exponent.into())
    }

    /// The difference, if it has at most 38 digits.
    pub(crate) fn minus(&self, other: &Self) -> Result<Self, NumberError> {
        self.plus(&Self { negative: !other.negative, ..*other })
    }

    /// Bytes that sort as numbers do.
    pub(crate) fn ordered_bytes(&self) -> Vec<u8> {
        const ZERO: u8 = 0x80;
        if self.coefficient == 0 {
            return vec![ZERO];
        }
        let magnitude = (self.magnitude() - MAGNITUDE_MIN) as u16;
        let digits = self.coefficient * 10u128.pow(DIGITS_MAX - digits_of(self.coefficient));
        let mut bytes = vec![ZERO + 1];
        bytes.extend_from_slice(&magnitude.to_be_bytes());
        bytes.extend_from_slice(&digits.to_be_bytes());
        if self.negative {
            bytes.iter_mut().for_each(|byte| *byte = !*byte);
            bytes[0] = ZERO - 1;
        }
        bytes
    }

    /// The bytes the number counts for in an item's size.
    pub(crate) fn size(&self) -> usize {
        let pairs = digits_of(self.coefficient).div_ceil(2) as usize;
        pairs + 1 + usize::from(self.negative)
    }

    /// The decimal exponent of the leading digit.
    fn magnitude(&self) -> i32 {
        self.exponent + digits_of(self.coefficient) as i32 - 1
    }

    fn scaled(&self, exponent: i32) -> Result<i128, NumberError> {
        let shift = (self.exponent - exponent).unsigned_abs();
        if digits_of(self.coefficient) + shift > DIGITS_MAX {
            return Err(NumberError::TooPrecise);
        }
        let scaled = (self.coefficient * 10u128.pow(shift)) as i128;
        Ok(if self.negative { -scaled } else { scaled })
    }

    /// Strips trailing zeros, then checks.
    fn normal(negative: bool, mut coefficient: u128, mut exponent: i64) -> Result<Self, NumberError> {
        if coefficient == 0 {
            return Ok(Self::default());
        }
        while coefficient.is_multiple_of(10) {
            coefficient /= 10;
            exponent += 1;
        }
        Self::checked(negative, coefficient, exponent)
    }

    fn checked(negative: bool, coefficient: u128, exponent: i64) -> Result<Self, NumberError> {
        if digits_of(coefficient) > DIGITS_MAX {
            return Err(NumberError::TooPrecise);
        }
        let magnitude = exponent + i64::from(digits_of(coefficient)) - 1;
        if coefficient != 0 && magnitude > MAGNITUDE_MAX.into() {
            return Err(NumberError::TooLarge);
        }
        if coefficient != 0 && magnitude < MAGNITUDE_MIN.into() {
            return Err(NumberError::TooSmall);
        }
        let exponent = i32::try_from(exponent).expect("a bounded magnitude has a bounded exponent");
        Ok(Self { negative, coefficient, exponent })
    }
}

/// How many decimal digits a coefficient has; zero has one.
fn digits_of(coefficient: u128) -> u32 {
    coefficient.checked_ilog10().unwrap_or(0) + 1
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        self.ordered_bytes().cmp(&other.ordered_bytes())
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Number {
    /// Plain decimal notation, as the service answers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.coefficient.to_string();
        let sign = if self.negative { "-" } else { "" };
        let point = digits.len() as i32 + self.exponent;
        if self.exponent >= 0 {
            write!(f, "{sign}{digits}{}", "0".repeat(self.exponent as usize))
        } else if point > 0 {
            let (whole, fraction) = digits.split_at(point as usize);
            write!(f, "{sign}{whole}.{fraction}")
        } else {
            write!(f, "{sign}0.{}{digits}", "0".repeat(point.unsigned_abs() as usize))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap()
    }

    #[test]
    fn one_number_has_one_form() {
        for (text, plain) in [
            ("1", "1"),
            ("+001.2300", "1.23"),
            ("-0", "0"),
            ("0.000", "0"),
            ("1e3", "1000"),
            ("12E-5", "0.00012"),
            (".5", "0.5"),
            ("5.", "5"),
            ("-120", "-120"),
            ("99999999999999999999999999999999999999", "99999999999999999999999999999999999999"),
        ] {
            assert_eq!(number(text).to_string(), plain, "{text}");
            assert_eq!(number(plain), number(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-", ".", "e5", "1e", "0x1", "1 ", "NaN", "1_000", "1e99999999999", "--1", "١"] {
            assert!(matches!(Number::parse(text), Err(NumberError::NotANumber(_))), "{text}");
        }
        assert_eq!(Number::parse(&"1".repeat(39)), Err(NumberError::TooPrecise));
        assert_eq!(Number::parse("1e126"), Err(NumberError::TooLarge));
        assert_eq!(Number::parse("1e2000000000"), Err(NumberError::TooLarge));
        assert_eq!(Number::parse("1e-131"), Err(NumberError::TooSmall));
        assert_eq!(number("9.9e125").to_string().len(), 126);
    }

    #[test]
    fn sums_are_exact_or_refused() {
        assert_eq!(number("0.1").plus(&number("0.2")).unwrap(), number("0.3"));
        assert_eq!(number("5").minus(&number("5")).unwrap(), Number::default());
        assert_eq!(number("1e30").plus(&number("1e-30")), Err(NumberError::TooPrecise));
        let most = number(&"9".repeat(38));
        assert_eq!(most.plus(&number("1")).unwrap(), number("1e38"));
        assert_eq!(most.plus(&most), Err(NumberError::TooPrecise));
    }

    proptest! {
        #[test]
        fn numbers_read_back(mantissa in -10i64.pow(17)..10i64.pow(17), power in -100i32..100) {
            let number = number(&format!("{mantissa}e{power}"));
            prop_assert_eq!(Number::parse(&number.to_string()).unwrap(), number);
            let (negative, coefficient, exponent) = number.parts();
            prop_assert_eq!(Number::from_parts(negative, coefficient, exponent), Some(number));
        }

        #[test]
        fn numbers_add_and_sort_as_integers_do(a in -10i64.pow(15)..10i64.pow(15), b in -10i64.pow(15)..10i64.pow(15)) {
            let (x, y) = (number(&a.to_string()), number(&b.to_string()));
            prop_assert_eq!(x.plus(&y).unwrap(), number(&(a + b).to_string()));
            prop_assert_eq!(x.minus(&y).unwrap(), number(&(a - b).to_string()));
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        }

        #[test]
        fn foreign_text_never_panics(text: String) {
            let _ = Number::parse(&text);
        }
    }
}
