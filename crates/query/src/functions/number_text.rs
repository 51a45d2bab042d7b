//! Numbers and moments as text, as Trino (Java) writes them.

use chrono::{DateTime, Datelike, Timelike};

/// A double: plain between 10^-3 and 10^7, else with an exponent; shortest digits that read back.
pub fn double(value: f64) -> String {
    written(value, format!("{value:e}"))
}

/// A real: the same with the digits of 32 bits.
pub fn real(value: f32) -> String {
    written(f64::from(value), format!("{value:e}"))
}

fn written(value: f64, scientific: String) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, digits) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest.replace('.', "")),
        None => ("", mantissa.replace('.', "")),
    };
    if value == 0.0 {
        return format!("{sign}0.0");
    }
    if !(-3..7).contains(&exponent) {
        let (first, rest) = digits.split_at(1);
        let rest = if rest.is_empty() { "0" } else { rest };
        return format!("{sign}{first}.{rest}E{exponent}");
    }
    if exponent < 0 {
        let zeros = "0".repeat(usize::try_from(-exponent - 1).unwrap_or(0));
        return format!("{sign}0.{zeros}{digits}");
    }
    let whole = usize::try_from(exponent).unwrap_or(0) + 1;
    let padded = format!("{digits:0<whole$}");
    let (integer, fraction) = padded.split_at(whole);
    let fraction = if fraction.is_empty() { "0" } else { fraction };
    format!("{sign}{integer}.{fraction}")
}

/// A moment in microseconds: `2026-01-02 03:04:05.678`.
pub fn moment(micros: i64) -> String {
    let Some(at) = DateTime::from_timestamp_micros(micros) else { return micros.to_string() };
    let ms = at.nanosecond() / 1_000_000;
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{ms:03}",
        at.year(),
        at.month(),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn doubles_as_java_writes_them() {
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (1.5, "1.5"),
            (100.0, "100.0"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (1.25e10, "1.25E10"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (-12.34, "-12.34"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(double(value), text);
        }
        assert_eq!(real(0.1), "0.1");
    }

    proptest! {
        #[test]
        fn doubles_read_back(value: f64) {
            prop_assume!(value.is_finite());
            prop_assert_eq!(double(value).parse::<f64>().unwrap(), value);
        }
    }

    #[test]
    fn moments_have_milliseconds() {
        assert_eq!(moment(1_767_323_045_678_900), "2026-01-02 03:04:05.678");
        assert_eq!(moment(-1), "1969-12-31 23:59:59.999");
    }
}
